// SPDX-License-Identifier: MIT
// One packet on a SOCK_SEQPACKET socket with descriptors beside it (SCM_RIGHTS), never
// blocking.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace superd {

inline constexpr std::size_t packet_descriptor_limit = 16;

// Errors as sendmsg(2)'s, EAGAIN included; `subject` is theirs. descriptors are loans, at most
// packet_descriptor_limit.
[[nodiscard]] Result<void> send_packet(int channel, std::string_view packet,
        std::span<const int> descriptors, const char* subject);

struct ReceivedPacket {
    std::size_t size = 0;  // of what is in the buffer
    std::vector<Fd> descriptors;
};

// EAGAIN: none there. EPIPE: the other side has closed. EBADMSG: it fills the buffer, which
// therefore is one byte longer than any packet may be, or has more descriptors than that; it is
// consumed and its descriptors are closed. `flags` are recvmsg(2)'s: with MSG_PEEK the packet
// stays, for drop_packet().
[[nodiscard]] Result<ReceivedPacket> receive_packet(int channel, std::span<char> buffer,
        std::size_t descriptors, const char* subject, int flags = 0);
void drop_packet(int channel);

}  // namespace superd
