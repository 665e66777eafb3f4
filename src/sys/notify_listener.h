// SPDX-License-Identifier: MIT
// The receiving side of sd_notify(3): the socket behind a service's $NOTIFY_SOCKET.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "policy/notice.h"

namespace superd {

// Bound at path, which everybody may write to, for the sender's credentials decide; whatever
// stood there is replaced. An empty path: at an abstract address that the kernel chooses, which
// processes in another root see as well. Close-on-exec, not blocking, with SO_PASSCRED.
[[nodiscard]] Result<Fd> open_notify_listener(const std::string& path);

// "/run/superd/notify/shop.0" or "@00012": what $NOTIFY_SOCKET is to say. Empty where fd is no
// such socket.
[[nodiscard]] std::string notify_address(int fd);

// One datagram after the other, into a room of its own.
class NotifyReceiver {
public:
    struct Datagram {
        std::string_view text;  // valid until the next one
        std::int32_t pid = 0;   // the sender's, as the kernel vouches for it
        std::uint32_t uid = 0;
        bool damaged = false;  // too long, or without credentials, or with lost descriptors
        std::vector<Fd> descriptors;
    };

    // False where there is none. Never blocks.
    [[nodiscard]] bool receive(int fd, Datagram& datagram);

private:
    std::array<char, notice_limit + 1> buffer_;
};

}  // namespace superd
