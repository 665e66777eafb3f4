// SPDX-License-Identifier: MIT
// The socket between superd and a superd-relay: packets with descriptors, never blocking.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

#include "relay/protocol.h"

namespace superd {

// One packet; errors as sendmsg(2)'s, EAGAIN included. descriptors are loans.
[[nodiscard]] Result<void> send_relay_packet(
        int channel, std::string_view packet, std::span<const int> descriptors = {});

struct ToRelayPacket {
    ToRelay message;
    std::vector<Fd> descriptors;
};

// One packet. EAGAIN: none there. EPIPE: the other side has closed. EBADMSG: none of ours, or
// with another number of descriptors than it says; it is consumed.
[[nodiscard]] Result<ToRelayPacket> receive_to_relay(int channel);
[[nodiscard]] Result<FromRelay> receive_from_relay(int channel);

}  // namespace superd
