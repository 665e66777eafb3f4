// SPDX-License-Identifier: MIT
// The listeners of all services: opened, adopted, retried, watched, closed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/records.h"
#include "engine/service.h"
#include "log/event.h"
#include "loop/loop.h"

namespace superd {

// Told when somebody waits at a listener. Loop thread.
class DoorSink {
public:
    virtual ~DoorSink() = default;
    virtual void on_knock(Service& service, Listener& listener) = 0;
    // A listener that had been waiting for its address is open now, or an open one was lost.
    virtual void on_doors_changed(Service& service) = 0;
};

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
    void adopt_bound(Service& service, Listener& to, Fd fd);

    // Watches the open listeners while the service holds nothing back, else leaves clients in
    // the kernel's queue. Cheap when nothing changes.
    void watch(Service& service);

    // Forgets a service that is about to go.
    void forget(const Service& service);
    // Opens waiting listeners again now.
    void retry();

private:
    void adopt(Listener& listener, Fd fd);
    void make_wait(Service& service, Listener& listener, const Error& error);
    void arm(Service& service, Listener& listener);

    Loop& loop_;
    ListenerRecords& records_;
    EventSink& log_;
    DoorSink& sink_;
    Timer retry_;
    std::vector<Service*> waiting_;
};

// "NAME ADDRESS": under what a listener's descriptor is written down.
[[nodiscard]] std::string listener_key(std::string_view service, const ListenerPlan& plan);

}  // namespace superd
