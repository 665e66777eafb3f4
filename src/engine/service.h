// SPDX-License-Identifier: MIT
// A service at run time: its plan, its listeners, what it holds back and why.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "config/plan.h"
#include "engine/instance.h"
#include "loop/loop.h"
#include "policy/access.h"
#include "policy/backoff.h"
#include "policy/client_filter.h"
#include "policy/spawn_plan.h"
#include "policy/state_names.h"
#include "policy/targets.h"
#include "sys/client_filter.h"
#include "sys/state.h"

namespace superd {

// Connections of it are accepted and decided on by superd, one by one.
[[nodiscard]] constexpr bool takes_connections(Mode mode) {
    return mode == Mode::handler || mode == Mode::builtin || mode == Mode::redirect;
}

// ... and served by superd-relay.
[[nodiscard]] constexpr bool is_relayed(Mode mode) {
    return mode == Mode::builtin || mode == Mode::redirect;
}

// Its clients' sockets are superd-relay's alone. With tcpmux superd keeps one of its own and
// goes on with it.
[[nodiscard]] constexpr bool is_given_away(const ServicePlan& plan) {
    return is_relayed(plan.mode) && plan.builtin != Builtin::tcpmux;
}

// Started for the service as such, not for one connection.
[[nodiscard]] constexpr bool is_resident(ProcessKind kind) {
    return kind == ProcessKind::worker || kind == ProcessKind::daemon ||
           kind == ProcessKind::command;
}

// What somebody said, kept over restarts of superd in ServiceRecord::orders.
// `start`: although the file says enabled = false or start = "manual".
enum class Order : std::uint32_t { none, start, stop, pause, drain };

// Why a service accepts nothing for now. Each comes and goes by itself; listeners are watched
// while there is none.
enum class Hold : std::uint8_t {
    worker,       // a worker has the listeners
    connections,  // max_connections, on_limit = "queue"
    rate,         // the service's own rate; until a time
    descriptors,  // superd is out of descriptors or memory; until a time
    processes,    // [superd] max_processes
    backoff,      // workers that fail; until a time
    unread,       // workers that leave what had woken them; until a time
    launches,     // as many launches in hand as one service may have
    relay,        // no superd-relay takes connections now
    order,        // another service is to be there first
    count
};
[[nodiscard]] std::string_view hold_text(Hold hold);

class Holds {
public:
    void set(Hold hold, Mono until = Mono::max());
    void clear(Hold hold);

    [[nodiscard]] bool has(Hold hold) const { return (bits_ & bit(hold)) != 0; }

    [[nodiscard]] bool none() const { return bits_ == 0; }

    // Clears those whose time has come.
    void expire(Mono now);
    // When the first of them ends by itself; Mono::max(): none does.
    [[nodiscard]] Mono next() const;

    [[nodiscard]] Mono until(Hold hold) const { return until_[index(hold)]; }

private:
    static constexpr std::size_t index(Hold hold) { return static_cast<std::size_t>(hold); }

    static constexpr unsigned bit(Hold hold) { return 1U << static_cast<unsigned>(hold); }

    unsigned bits_ = 0;
    std::array<Mono, static_cast<std::size_t>(Hold::count)> until_{};
};

// One listener of a service. Its number in the plan is its place in Service::listeners.
struct Listener {
    enum class Condition : std::uint8_t { closed, open, waiting };

    ListenerPlan plan;
    Fd fd;
    std::uint32_t record = ~std::uint32_t{0};  // in State::listeners; ~0: none
    std::unique_ptr<Poll> poll;
    Condition condition = Condition::closed;
    std::string detail;       // waiting: for what
    int waits_for = 0;        // waiting: errno of the last try
    std::uint32_t given = 0;  // datagrams: the number by which a relay has it; 0: none has
    UnreadWatch unread;       // datagrams that workers leave behind
    std::optional<ClientQueue> queued;   // clients that waited when workers were last started
    std::optional<ClientFilter> filter;  // enforces allow and deny where superd cannot
    std::uint32_t filter_mark = 0;       // of the list in it, where it cannot be changed
    ServiceRecord* counts = nullptr;     // whose the refusals of the filter are

    [[nodiscard]] bool is_filtered() const { return filter.has_value() || filter_mark != 0; }
};

// That its processes are to be started once it is let in.
enum class StartWish : std::uint8_t { none, boot, by_hand };

struct Service {
    std::uint32_t index = 0;  // in State::services
    ServiceRecord* record = nullptr;
    std::shared_ptr<const ServicePlan> plan;
    std::shared_ptr<const SpawnPlan> spawn;  // made at the first launch; null: none was yet
    int exec_spec = -1;            // memory file for superd-exec, as long-lived as spawn; or -1
    bool always_steps_in = false;  // with spawn: each launch goes through superd-exec
    AccessIndex access;
    std::vector<AccessIndex> proxies;  // by listener: whose headers are read
    std::vector<FilterEntry> filter;  // of a worker's allow and deny, for its listeners
    std::vector<Listener> listeners;
    Targets targets;          // of a redirect
    bool overloaded = false;  // max_load, as a relay that answers its datagrams was told

    // A connection that waits until one of the targets has an address.
    struct Parked {
        std::uint32_t record = 0;
        std::uint64_t id = 0;  // of the record: tells it from a later one in its place
        bool again = false;
    };

    std::vector<Parked> parked;

    std::uint32_t active = 0;     // processes and connections, of an earlier mode as well
    std::uint32_t residents = 0;  // of these, workers or the daemon
    std::uint32_t launching = 0;  // of active, not yet known to have started
    Holds holds;
    std::unique_ptr<Timer> timer;  // the end of a hold, a stop's KILL of handlers
    bool removed = false;          // the plan no longer has it; goes when active is 0
    bool stopping = false;         // processes were told to end
    bool again = false;            // restart: start anew when the last process has ended
    bool let_in = false;      // those it starts after were there, since it was stopped last
    bool waits_hard = false;  // ... are not, and not on their way
    bool ends_later = false;  // it is to end when those behind it have
    StartWish wish = StartWish::none;
    std::string waits_for;                             // "waits for db"; empty: for nobody
    std::vector<std::unique_ptr<Instance>> instances;  // of daemon and workers, by number
    Mono kill_at = Mono::max();                        // handlers that were told to end
    Mono worker_started{};
    Nanoseconds retry_pause{0};   // before a client may start a worker again
    std::uint32_t fruitless = 0;  // workers in a row that left what had woken them
    std::string last_failure;
    Mono idle_since = Mono::max();  // max: somebody needs its workers, or idle_stop is not kept
    std::string idle_trouble;       // why it cannot be told
    std::string reload_failure;     // of the last reload of its process; empty: none

    [[nodiscard]] const std::string& name() const { return plan->name; }

    [[nodiscard]] Order order() const { return static_cast<Order>(record->orders); }

    void set_order(Order order) { record->orders = static_cast<std::uint32_t>(order); }

    // The file and what was said by hand, taken together: its listeners are to be open.
    [[nodiscard]] bool wants_listeners() const;
    [[nodiscard]] bool has_open_listener() const;
    [[nodiscard]] bool has_waiting_listener() const;
};

// How many processes that live on by themselves there are to be now.
[[nodiscard]] std::size_t wanted_instances(const Service& service);
// How many places for them there are, but for those that go when their process has.
[[nodiscard]] std::size_t staying_instances(const Service& service);

// Whether what depends on a service may go on. Asked whenever the supervisor's changed() says
// that something may be different; it costs a look at each of its places.
enum class Readiness : std::uint8_t {
    idle,    // stopped, not enabled, or over: nobody is on the way
    coming,  // being started, or about to be started again
    ready,   // its listeners are open; of a daemon, or a worker that starts with superd, every
             // process is ready as `ready` says, or has run its course
    failed   // not to be started again by itself
};
[[nodiscard]] Readiness readiness_of(const Service& service);

// "status 1", "signal TERM", "status unknown" (-1): a wait status for people.
[[nodiscard]] std::string exit_text(int status);

// The state and one line of why, from what is there: never stored, so never stale.
struct StateView {
    ServiceState state = ServiceState::stopped;
    std::string detail;
};

[[nodiscard]] StateView view_of(const Service& service, Mono now);

}  // namespace superd
