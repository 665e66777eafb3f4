// SPDX-License-Identifier: MIT
// superd's own sd_notify(3), without libsystemd: the guard is the main process that systemd
// knows, so messages go out in its name (SCM_CREDENTIALS; root may).
#pragma once

#include <string>
#include <string_view>

namespace superd {

class Notifier {
public:
    // Takes NOTIFY_SOCKET from the environment, and out of it: services get one of their own or
    // none. Remembers the caller's pid: call it in the guard.
    [[nodiscard]] static Notifier from_environment();

    // Never blocks; without a socket nothing happens.
    void send(std::string_view text) const;

private:
    std::string path_;
    int pid_ = 0;
};

}  // namespace superd
