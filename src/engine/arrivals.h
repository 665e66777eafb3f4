// SPDX-License-Identifier: MIT
// Whether anybody has connected to a listener that others accept at, since it was asked last.
//
// Who polls a socket sees what is in its queue, not what others have taken out already. So the
// kernel is asked for a signal (O_ASYNC, fcntl(2)): it comes with a connection, whoever accepts
// it. One is enough until the next question, so a busy listener costs one wake-up a question.
// The flag belongs to the open file, which is shared with the workers; where one of them takes
// it away that counts as an arrival. Loop thread.
#pragma once

#include <memory>
#include <set>

#include "base/fd.h"
#include "loop/loop.h"

namespace superd {

class Arrivals {
public:
    // The signal, and SIGIO, which takes its place where too many wait, are blocked in this
    // thread; in all others they must be.
    explicit Arrivals(Loop& loop);

    // True where somebody has connected since the last call, or where that cannot be told: at
    // the first call. listener: a loan until forget().
    [[nodiscard]] bool take(int listener);
    void forget(int listener);

private:
    void on_readable();
    [[nodiscard]] bool arm(int listener);

    void open();

    Loop& loop_;
    Fd signals_;
    std::unique_ptr<Poll> poll_;
    std::set<int> waits_;  // nobody has come there yet
};

}  // namespace superd
