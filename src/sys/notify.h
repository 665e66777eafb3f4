// SPDX-License-Identifier: MIT
// superd's own sd_notify(3), without libsystemd: the guard is the main process that systemd
// knows, so messages go out in its name (SCM_CREDENTIALS; root may).
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"

namespace superd {

class Notifier {
public:
    // Takes NOTIFY_SOCKET from the environment, and out of it: services get one of their own or
    // none. Remembers the caller's pid: call it in the guard.
    [[nodiscard]] static Notifier from_environment();

    // Never blocks; without a socket nothing happens.
    void send(std::string_view text) const { (void)send_with(text, -1); }

    // With fd, a loan, where it is not -1. False: there was no room, later there may be.
    [[nodiscard]] bool send_with(std::string_view text, int fd) const;

    [[nodiscard]] bool heard() const { return static_cast<bool>(socket_); }

    // Opened once: at the end of its descriptors superd still says that it lives. To be kept by
    // a superd that takes over; -1: none.
    [[nodiscard]] int descriptor() const { return socket_.get(); }

private:
    std::string path_;
    Fd socket_;
    int pid_ = 0;
};

// How often whoever started superd wants to hear from it, as sd_watchdog_enabled(3) has it: 0
// where it does not, or wants to hear from another process. Takes WATCHDOG_USEC and
// WATCHDOG_PID out of the environment. Call it in the guard, the process that is meant.
[[nodiscard]] Nanoseconds take_watchdog_period();

}  // namespace superd
