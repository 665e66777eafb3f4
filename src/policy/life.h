// SPDX-License-Identifier: MIT
// The life of a process that superd looks after: one table of states, events and effects.
//
// One machine serves them all. A daemon, each worker of a pool and each backend live through it
// again and again; a handler once, and a service without commands, readiness or deadlines
// merely passes through the states those need. The table has no conditions: a state whose work
// a service does not ask for is entered, finds nothing to do, and its owner raises the event
// that would have ended the work (no exec_pre: command_ok). What cannot be read from a state,
// whether the service is still wanted and whether it may be tried again, is judged at one
// place, when a life is over (policy/restart.h), and comes back as retry, finish or give_up.
//
// From a start:
//
//   preparing   exec_pre runs
//   launching   between clone and exec
//   starting    the program runs and is not ready yet
//   settling    it is ready, exec_post runs
//   running
//   reloading   its reload command runs, or it has been told by signal, or said so itself
//
// and from whatever ended that:
//
//   cancelling  a command is in the way and was told to end
//   halting     exec_stop runs
//   stopping    TERM was sent
//   aborting    ABRT was sent, because the watchdog was not petted: a core is wanted
//   killing     KILL was sent
//   cleaning    the program has gone, exec_stop_post runs
//   judging     nothing runs; whatever comes next is decided in the same turn
//
// to a state in which nothing runs:
//
//   down        nothing runs and nothing is due: never started, or stopped by hand
//   done        it ended as it should, and is not to be started again
//   waiting     it is started again when its pause is over
//   failed      it ended as it should not, and is not to be started again
//
// Every state that waits for somebody else has a deadline (`due`), so that no life can hang:
// the last resort is killing, whose deadline only says that even KILL does not help.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace superd {

enum class LifeState : std::uint8_t {
    down,
    done,
    waiting,
    failed,
    preparing,
    launching,
    starting,
    settling,
    running,
    reloading,
    cancelling,
    halting,
    stopping,
    aborting,
    killing,
    cleaning,
    judging,
    count
};

enum class LifeEvent : std::uint8_t {
    start,           // an order, a client, a boot
    stop,            // an order, a reload, the end of superd
    reload,          // an order
    launched,        // exec succeeded
    not_launched,    // the record has stage and errno
    ready,           // as `ready` says
    completed,       // ready = "exit": it ended well
    says_reloading,  // it told so itself (RELOADING=1)
    says_stopping,   // the same (STOPPING=1)
    ended,           // the program ended
    command_ok,      // the command of the state ended well, or there is none
    command_failed,  // ... or did not
    due,             // the state's deadline has come
    unwatched,       // the watchdog was not petted in time
    expired,         // run_timeout
    unhealthy,       // its health check wants it started anew
    retry,           // judged: again, after a pause
    finish,          // judged: it ended as it should
    give_up,         // judged: it ended as it should not, and that was the last time
    rest,            // judged: nobody wants it
    count
};

// What a step asks of whoever owns the life, in this order.
enum class LifeEffect : std::uint8_t {
    note_end,         // remember how the program ended: the cause, unless one is known
    note_launch,      // ... why it could not be started
    note_command,     // ... which command failed and how
    note_timeout,     // ... which deadline it missed, by the state that is left
    note_watchdog,    // ... that it stopped petting
    note_expired,     // ... that its time was up
    note_unhealthy,   // ... that its health check failed
    note_unkillable,  // say that KILL did not end it
    reload_failed,    // say that a reload failed; it goes on
    end_command,      // TERM to the command in hand
    kill_command,     // KILL to it
    run_pre,          // start exec_pre
    run_post,
    run_reload,
    run_stop,
    run_stop_post,
    launch,  // start the program
    await,   // arrange for `ready` to be noticed
    send_term,
    send_abort,
    send_kill,
    judge,  // ask policy/restart.h
    count
};

// Effects as bits: 1 << LifeEffect.
using LifeEffects = std::uint32_t;

[[nodiscard]] constexpr LifeEffects effect_bit(LifeEffect effect) {
    return LifeEffects{1} << static_cast<unsigned>(effect);
}

struct LifeStep {
    LifeState next = LifeState::down;
    LifeEffects effects = 0;
    bool known = false;  // false: the event means nothing in that state; nothing changes

    [[nodiscard]] constexpr bool asks(LifeEffect effect) const {
        return (effects & effect_bit(effect)) != 0;
    }
};

[[nodiscard]] LifeStep life_step(LifeState state, LifeEvent event);

// Which bound of the plan a state's deadline is; none: it waits for nobody.
enum class LifeBound : std::uint8_t {
    none,
    start,   // start_timeout, over all states of a start
    stop,    // stop_timeout
    abort,   // abort_timeout
    reload,  // reload_timeout
    pause,   // of the retry
    kill     // how long KILL may take before somebody is told
};
[[nodiscard]] LifeBound life_bound(LifeState state);

// The program may have a process: launching to killing.
[[nodiscard]] constexpr bool has_process(LifeState state) {
    return state >= LifeState::launching && state <= LifeState::killing &&
           state != LifeState::cancelling;
}

// Nothing runs and no command does.
[[nodiscard]] constexpr bool is_at_rest(LifeState state) {
    return state <= LifeState::failed;
}

// On its way to running, or there.
[[nodiscard]] constexpr bool is_coming_up(LifeState state) {
    return state >= LifeState::preparing && state <= LifeState::settling;
}

// On its way down.
[[nodiscard]] constexpr bool is_going_down(LifeState state) {
    return state >= LifeState::cancelling && state <= LifeState::judging;
}

[[nodiscard]] std::string_view life_state_name(LifeState state);
[[nodiscard]] std::string_view life_event_name(LifeEvent event);
[[nodiscard]] std::string_view life_effect_name(LifeEffect effect);

}  // namespace superd
