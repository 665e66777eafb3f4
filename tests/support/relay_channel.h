// SPDX-License-Identifier: MIT
// superd's end of a relay's channel, for tests.
#pragma once

#include "relay/channel.h"

namespace superd {

// A packet of one message.
[[nodiscard]] inline Result<void> send_relay_message(
        int channel, std::string_view message, std::span<const int> descriptors = {}) {
    RelayPacket packet;
    if (!packet.add(message, descriptors)) return fail(EMSGSIZE, "send");
    return packet.send(channel);
}

}  // namespace superd
