// SPDX-License-Identifier: MIT
// The listeners of all services: opened, adopted, retried, watched, closed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/records.h"
#include "engine/service.h"
#include "log/event.h"
#include "loop/loop.h"
#include "sys/take_over.h"

namespace superd {

// Told when somebody waits at a listener. Loop thread.
class DoorSink {
public:
    virtual ~DoorSink() = default;
    virtual void on_knock(Service& service, Listener& listener) = 0;
    // A listener that had been waiting for its address is open now, or an open one was lost.
    virtual void on_doors_changed(Service& service) = 0;

    // A socket that a relay has (Listener::given) is to be superd's alone again.
    virtual void on_take_back(Listener& listener) { listener.given = 0; }
};

// A listener that is bound, and the filter that was put on it before.
struct BoundListener {
    Fd fd;
    std::optional<ClientFilter> filter;
};

// entries: what the kernel is to enforce on it; empty: nothing.
[[nodiscard]] Result<BoundListener> open_filtered(
        const ListenerPlan& plan, std::span<const FilterEntry> entries);
// True where the list is another one than that in the listener's filter, and that cannot
// change.
[[nodiscard]] bool needs_new_socket(
        const Listener& listener, std::span<const FilterEntry> entries);

class Doors {
public:
    Doors(Loop& loop, ListenerRecords& records, EventSink& log, DoorSink& sink);

    // Binds, or takes the descriptor that a former superd wrote down for it. Where that cannot
    // be done now the listener waits and is retried: never an error. Not watched yet.
    void open(Service& service, Listener& listener);
    void open_all(Service& service);
    void open_wanted(Service& service);  // the same, if the service wants its listeners open
    // remove_nodes: UNIX and FIFO nodes go too, where the plan says so.
    void close(Listener& listener, bool remove_nodes);
    void close_all(Service& service, bool remove_nodes);
    // A listener that stays over a reload: what `from` has becomes `to`'s, with its descriptor
    // and whatever waits in its queue. to.plan is filled in already.
    void move(Listener& from, Service& service, Listener& to);
    // A descriptor that was bound for `to` before the reload was committed.
    void adopt_bound(Service& service, Listener& to, BoundListener bound);
    // Brings the filters of the open listeners in line with service.filter. A listener whose
    // filter cannot be changed is opened anew, and one whose filter cannot be had is closed and
    // waits. True where a worker that has the listeners of before must get others.
    bool renew_filters(Service& service);

    // Blocks that no worker's client may come from, whatever its lists say; sorted. Filters
    // follow with renew_filters(). Where the kernel has no BPF they stay as they are.
    void set_denied(std::vector<Network> blocks) { denied_ = std::move(blocks); }

    [[nodiscard]] const std::vector<Network>& denied() const { return denied_; }

    // Adds what the kernel has refused to the service's counters.
    static void count_refusals(const Listener& listener);

    // Watches the open listeners while the service holds nothing back, else leaves clients in
    // the kernel's queue. Cheap when nothing changes.
    void watch(Service& service);

    // From now on the listeners of another daemon are taken where they are what a service asks
    // for, instead of being bound.
    void offer(ForeignListeners listeners) { offered_ = std::move(listeners); }

    // After everything was opened: says what was bound, what was left to the other daemon and
    // what of it is in the way, and lets go of it.
    void finish_offer(const std::map<std::string, std::unique_ptr<Service>, std::less<>>& all);

    // Forgets a service that is about to go.
    void forget(const Service& service);
    // Opens waiting listeners again now.
    void retry();

private:
    void adopt(const Service& service, Listener& listener, Fd fd);
    void take_filter(Service& service, Listener& listener, std::optional<ClientFilter> filter);
    void find_filter(Service& service, Listener& listener, std::uint32_t written_down);
    [[nodiscard]] Result<void> renew_filter(Service& service, Listener& listener);
    void keep_denied_out(Service& service, Listener& listener);
    void tell_sizes(const Service& service, const Listener& listener);
    void make_wait(Service& service, Listener& listener, const Error& error);
    void arm(Service& service, Listener& listener);
    void say_in_the_way(
            const ForeignListener& foreign, const std::string& holder, const Service& service);
    [[nodiscard]] Fd take_offered(const Service& service, const Listener& listener);

    Loop& loop_;
    ListenerRecords& records_;
    EventSink& log_;
    DoorSink& sink_;
    Timer retry_;
    std::vector<Service*> waiting_;
    std::optional<ForeignListeners> offered_;
    std::vector<std::string> bound_beside_;  // while something is offered
    std::vector<Network> denied_;
};

// "NAME ADDRESS": under what a listener's descriptor is written down.
[[nodiscard]] std::string listener_key(std::string_view service, const ListenerPlan& plan);

}  // namespace superd
