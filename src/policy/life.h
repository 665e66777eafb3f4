// SPDX-License-Identifier: MIT
// The life of a process that goes on by itself: one table of states, events and effects.
//
// A daemon and each worker of a pool live through it again and again. A handler does not: it
// lives once, for its connection. The table has no conditions; what cannot be read from a
// state, whether the service is still wanted and whether it may be tried again, is judged at
// one place when a life is over (policy/restart.h), and comes back as retry, finish, give_up or
// rest.
//
//   preparing   exec_pre runs
//   launching   between clone and exec
//   starting    the program runs and is not ready yet
//   settling    it is ready, and exec_post runs
//   running     it runs, and is ready as far as its service asks for that
//   reloading   it was told to read its configuration again, or says so itself
//   halting     it is to end, and exec_stop runs
//   stopping    what runs was told to end by TERM, or says itself that it ends
//   aborting    ... by ABRT, for its watchdog was not petted, and a core is wanted
//   killing     ... by KILL
//   cleaning    it has ended, and exec_stop_post runs
//   judging     whatever comes next is decided in the same turn
//
// and in between nothing runs:
//
//   down        nothing is due: never started, or stopped by hand
//   done        it ended as it should, and is not to be started again
//   waiting     it is started again when its pause is over
//   failed      it ended as it should not, and is not to be started again
//
// A state whose work a service does not ask for takes no time: its owner raises in the same
// turn what would have ended it, command_ok where there is no command, ready where the program
// is ready as soon as it runs. One that is ready when it has run its course ends while it is
// starting. Being ready is never taken back by a restart of superd, only by the end of the
// life.
//
// A command belongs to the state that it was started in. Where something else ends that state,
// the command is told to end together with the program, and only when the last of both has gone
// the life has `ended`; if the program ends first while its command runs, that is `left`.
//
// Who waits for somebody else has a deadline, so that no end can hang: the last resort is
// killing, whose deadline only says that even KILL does not help. A launch has a deadline of
// its own (sys/spawner.h), and a start may be given any time there is.
#pragma once

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
    halting,
    stopping,
    aborting,
    killing,
    cleaning,
    judging,
    count
};

enum class LifeEvent : std::uint8_t {
    start,         // an order, a client, a boot
    stop,          // an order, a reload, the end of superd
    launched,      // exec succeeded
    not_launched,  // it could not be started
    ready,         // as the service's `ready` says; or a reload is complete
    command_ok,    // the commands of the state ended well, or there are none
    command_bad,   // ... or one did not
    reload,        // an order
    reloads,       // it says that it reads its configuration again
    ending,        // it says that it is going to end
    unheard,       // the watchdog was not petted in time
    expired,       // it has run as long as it may
    ended,         // the program ended, and nothing else of it runs
    left,          // the program ended, and its command has not yet
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
    run,     // the commands of the state
    say_reload_failed,
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
    pause,   // before a retry
    start,   // start_timeout, over all states of a start; there may be none
    reload,  // reload_timeout
    stop,    // stop_timeout
    abort,   // abort_timeout
    kill     // how long KILL may take before somebody is told
};

struct LifeStep {
    LifeState next = LifeState::down;
    LifeEffect effect = LifeEffect::none;
    bool known = false;  // false: the event means nothing in that state; nothing changes
};

[[nodiscard]] LifeStep life_step(LifeState state, LifeEvent event);
[[nodiscard]] LifeBound life_bound(LifeState state);

// The program has a process, or soon will have, or had one a moment ago.
[[nodiscard]] constexpr bool has_process(LifeState state) {
    return state >= LifeState::launching && state <= LifeState::killing;
}

// It is being started.
[[nodiscard]] constexpr bool is_coming_up(LifeState state) {
    return state >= LifeState::preparing && state <= LifeState::settling;
}

// Its program is ready, and nobody has told it to end.
[[nodiscard]] constexpr bool is_up(LifeState state) {
    return state == LifeState::running || state == LifeState::reloading;
}

// It runs commands of its service's.
[[nodiscard]] constexpr bool runs_commands(LifeState state) {
    return state == LifeState::preparing || state == LifeState::settling ||
           state == LifeState::reloading || state == LifeState::halting ||
           state == LifeState::cleaning;
}

[[nodiscard]] constexpr bool is_at_rest(LifeState state) {
    return state <= LifeState::failed;
}

[[nodiscard]] constexpr bool is_going_down(LifeState state) {
    return state >= LifeState::halting && state <= LifeState::judging;
}

[[nodiscard]] std::string_view life_state_name(LifeState state);
[[nodiscard]] std::string_view life_event_name(LifeEvent event);
// What superd does then, in a few words; empty: nothing.
[[nodiscard]] std::string_view life_effect_text(LifeEffect effect);

// The table as superd(8) shows it: a state a line, then what leads on from it and where to.
// Lines of mdoc's literal display.
[[nodiscard]] std::string render_life();

}  // namespace superd
