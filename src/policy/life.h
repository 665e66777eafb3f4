// SPDX-License-Identifier: MIT
// The life of a process that goes on by itself: one table of states, events and effects.
//
// A daemon and each worker of a pool live through it again and again. A handler does not: it
// lives once, for its connection. The table has no conditions; what cannot be read from a
// state, whether the service is still wanted and whether it may be tried again, is judged at
// one place when a life is over (policy/restart.h), and comes back as retry, finish, give_up or
// rest.
//
//   launching   between clone and exec
//   starting    the program runs and is not ready yet
//   running     it runs, and is ready as far as its service asks for that
//   stopping    it was told to end by TERM, or says itself that it ends
//   aborting    ... by ABRT, for its watchdog was not petted, and a core is wanted
//   killing     ... by KILL
//   judging     it has ended; whatever comes next is decided in the same turn
//
// and in between nothing runs:
//
//   down        nothing is due: never started, or stopped by hand
//   done        it ended as it should, and is not to be started again
//   waiting     it is started again when its pause is over
//   failed      it ended as it should not, and is not to be started again
//
// A service that is ready as soon as its program runs passes through starting in one turn: its
// owner raises `ready` at once. One that is ready when it has run its course ends while it is
// starting. Being ready is never taken back by a restart of superd, only by the end of the
// life.
//
// Who waits for somebody else has a deadline, so that no end can hang: the last resort is
// killing, whose deadline only says that even KILL does not help. A launch has a deadline of
// its own (sys/spawner.h), and a start may be given any time there is.
#pragma once

#include <cstdint>
#include <string_view>

namespace superd {

enum class LifeState : std::uint8_t {
    down,
    done,
    waiting,
    failed,
    launching,
    starting,
    running,
    stopping,
    aborting,
    killing,
    judging,
    count
};

enum class LifeEvent : std::uint8_t {
    start,         // an order, a client, a boot
    stop,          // an order, a reload, the end of superd
    launched,      // exec succeeded
    not_launched,  // it could not be started
    ready,         // as the service's `ready` says
    ending,        // it says that it is going to end
    unheard,       // the watchdog was not petted in time
    expired,       // it has run as long as it may
    ended,         // the program ended
    due,           // the state's deadline has come
    retry,         // judged: again, after a pause
    finish,        // judged: it ended as it should
    give_up,       // judged: it ended as it should not, and that was the last time
    rest,          // judged: nobody wants it
    count
};

// What a step asks of whoever owns the life: one thing at most.
enum class LifeEffect : std::uint8_t {
    none,
    launch,  // start the program
    await,   // see to it that `ready` is noticed
    send_term,
    send_abort,
    send_kill,
    say_unkillable,  // KILL did not end it
    judge,           // ask policy/restart.h
    count
};

// Which bound a state's deadline is; none: it waits for nobody.
enum class LifeBound : std::uint8_t {
    none,
    pause,  // before a retry
    start,  // start_timeout; there may be none
    stop,   // stop_timeout
    abort,  // abort_timeout
    kill    // how long KILL may take before somebody is told
};

struct LifeStep {
    LifeState next = LifeState::down;
    LifeEffect effect = LifeEffect::none;
    bool known = false;  // false: the event means nothing in that state; nothing changes
};

[[nodiscard]] LifeStep life_step(LifeState state, LifeEvent event);
[[nodiscard]] LifeBound life_bound(LifeState state);

// There is a process, or soon will be.
[[nodiscard]] constexpr bool has_process(LifeState state) {
    return state >= LifeState::launching && state <= LifeState::killing;
}

[[nodiscard]] constexpr bool is_at_rest(LifeState state) {
    return state <= LifeState::failed;
}

[[nodiscard]] constexpr bool is_going_down(LifeState state) {
    return state >= LifeState::stopping && state <= LifeState::killing;
}

[[nodiscard]] std::string_view life_state_name(LifeState state);
[[nodiscard]] std::string_view life_event_name(LifeEvent event);

}  // namespace superd
