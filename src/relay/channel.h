// SPDX-License-Identifier: MIT
// The socket between superd and a superd-relay, never blocking. A packet holds one message or
// several, each behind its 16-bit length, and their descriptors in the same order: what a turn
// has collected goes with one call and wakes the other side once.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/packet_socket.h"
#include "base/result.h"

#include "relay/protocol.h"

namespace superd {

class RelayPacket {
public:
    // A message as encode_message() makes it. False: the packet is full, send it first; an
    // empty one takes any message. descriptors are loans.
    [[nodiscard]] bool add(std::string_view message, std::span<const int> descriptors = {});
    // Errors as sendmsg(2)'s, EAGAIN included: nothing of it has been sent.
    [[nodiscard]] Result<void> send(int channel) const;
    void clear();

    [[nodiscard]] bool empty() const { return bytes_.empty(); }

private:
    std::string bytes_;
    std::array<int, packet_descriptor_limit> descriptors_{};
    std::size_t used_ = 0;  // of descriptors_
};

struct ToRelayPacket {
    ToRelay message;
    std::vector<Fd> descriptors;
};

// The messages of one packet. EAGAIN: none there. EPIPE: the other side has closed. EBADMSG:
// one of them is none of ours, or there is another number of descriptors than they say; all of
// it is consumed.
[[nodiscard]] Result<std::vector<ToRelayPacket>> receive_to_relay(int channel);
[[nodiscard]] Result<std::vector<FromRelay>> receive_from_relay(int channel);

// The same, and the packet stays in the socket, for the next superd where this one dies over
// it, until drop_packet() (base/packet_socket.h).
[[nodiscard]] Result<std::vector<FromRelay>> peek_from_relay(int channel);

}  // namespace superd
