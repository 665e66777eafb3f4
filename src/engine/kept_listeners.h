// SPDX-License-Identifier: MIT
// Listeners that whoever started superd keeps a copy of (FDSTORE of sd_notify(3)): systemd
// gives them to the superd that it starts in the place of one whose guard was killed, and
// nobody finds the port closed meanwhile. TCP and UDP alone: what stands in the file system is
// bound anew.
//
// Its queue of messages is short, and READY=1 must not find it full: so they go out later, as
// there is room.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "loop/loop.h"

namespace superd {

class KeptListeners {
public:
    // sd_notify text, with a descriptor unless that is -1; false: there is no room now.
    using Send = std::function<bool(const std::string& text, int fd)>;

    KeptListeners(Loop& loop, Send send);

    // fd, a loan until let_go(), is kept from now on; again and again does no harm.
    void keep(int fd);
    // Before it is closed, for good.
    void let_go(int fd);

private:
    struct Message {
        std::string text;
        int fd = -1;
    };

    void put(Message message);
    void send_some();

    const Send send_;
    std::deque<Message> waiting_;
    Timer timer_;
};

}  // namespace superd
