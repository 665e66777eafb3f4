// SPDX-License-Identifier: MIT
// Connections that are turned away with a word: each is sent its text whole, then its end, and
// what the client sends meanwhile is discarded, lest a reset overtake the text
// (sys/farewell.h).
//
// The loop never waits for one of them. Each has a time, which begins anew, up to a bound, when
// the client takes some of its text; and all of them together a number: one more takes the
// place of the one whose time would be up first, which is closed as it is.
//
// The connection is marked before anything is sent (sys/accept.h): a superd that takes over
// after a kill knows by it who has been refused already.
#pragma once

#include <cstddef>
#include <list>
#include <string>

#include "base/fd.h"
#include "config/plan.h"
#include "loop/loop.h"

namespace superd {

class Farewells {
public:
    static constexpr std::size_t most = 256;
    static constexpr auto patience = std::chrono::seconds(5);
    static constexpr auto longest = std::chrono::seconds(60);

    explicit Farewells(Loop& loop);

    // text is not empty. Most often it is done when this returns, but for the client's end.
    void take(Fd connection, ListenerKind kind, std::string text);

    [[nodiscard]] std::size_t size() const { return open_.size(); }

private:
    struct One {
        Fd connection;
        ListenerKind kind;
        std::string text;
        std::size_t sent = 0;
        Mono began;
        Mono deadline;
        std::unique_ptr<Poll> poll;
    };

    using Place = std::list<One>::iterator;

    // False: there is nothing more to do for it.
    [[nodiscard]] static bool go_on(One& one);
    void watch(Place one);
    void on_event(Place one, int error);
    void forget(Place one);
    void on_time();

    Loop& loop_;
    Timer timer_;
    std::list<One> open_;  // the first deadline first, but for those at their bound
};

}  // namespace superd
