// SPDX-License-Identifier: MIT
// Says again and again that superd's loop turns: to the guard, which kills a superd that no
// longer does, and to whoever started superd and asked for it (sd_watchdog_enabled(3)).
#pragma once

#include <functional>
#include <string_view>

#include "base/clock.h"
#include "loop/loop.h"
#include "sys/state.h"

namespace superd {

class Heartbeat {
public:
    // period: what was asked for; it beats four times in each. 0: nobody asked, and nothing
    // ever ticks. notify: sd_notify text; may be empty.
    Heartbeat(Loop& loop, StateHeader& header, Nanoseconds period,
            std::function<void(std::string_view)> notify);

    // Beats at once, then by its timer. True: the superd before this one was killed by the
    // guard, for it beat no more.
    bool start();
    // From here on nobody expects it: an orderly end may take its time.
    void stop();

private:
    void beat();

    StateHeader& header_;
    const Nanoseconds interval_;
    const std::function<void(std::string_view)> notify_;
    Timer timer_;
};

}  // namespace superd
