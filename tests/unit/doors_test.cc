// SPDX-License-Identifier: MIT
// Listeners: opened, taken over, waiting, moved, watched only when nobody else has them.
#include "engine/doors.h"

#include "sys/listen_socket.h"

#include "support/catch.h"
#include "support/sockets.h"

namespace superd {
namespace {

class Silence final : public EventSink {
public:
    void log(const Event&) override { ++lines; }

    int lines = 0;
};

class Knocks final : public DoorSink {
public:
    void on_knock(Service&, Listener&) override { ++knocks; }

    void on_doors_changed(Service&) override { ++changes; }

    int knocks = 0, changes = 0;
};

struct Bench {
    State state = State::for_test();
    Loop loop;
    ListenerRecords records{state};
    Silence log;
    Knocks sink;
    Doors doors{loop, records, log, sink};
    ServiceRecord record{};
    Service service;

    explicit Bench(const std::vector<ListenerPlan>& listeners) { fill(service, listeners); }

    void fill(Service& made, const std::vector<ListenerPlan>& listeners) {
        auto plan = std::make_shared<ServicePlan>();
        plan->name = "s";
        plan->listeners = listeners;
        made.record = &record;
        made.plan = plan;
        made.listeners.resize(listeners.size());
        for (std::size_t i = 0; i < listeners.size(); ++i)
            made.listeners[i].plan = listeners[i];
    }
};

bool is_nonblocking(int fd) {
    return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

}  // namespace

TEST_CASE("doors: two listeners on port 0 are two sockets; closing gives all back") {
    { const Loop first; }  // libuv keeps two descriptors for the process from its first loop on
    const std::size_t before = test::open_descriptors();
    {
        const auto plan = test::loopback_plan(ListenerKind::tcp);
        Bench bench({plan, plan});
        bench.doors.open_all(bench.service);
        const auto& listeners = bench.service.listeners;
        CHECK(bench.service.has_open_listener());
        CHECK(listeners[0].fd.get() != listeners[1].fd.get());
        CHECK(listeners[0].record != listeners[1].record);
        CHECK(bound_text(listeners[0].fd.get(), ListenerKind::tcp) ==
                "tcp:127.0.0.1:" + std::to_string(test::port_of(listeners[0].fd.get())));
        bench.doors.close_all(bench.service, true);
        CHECK_FALSE(bench.service.has_open_listener());
        CHECK(bench.state.listeners()[0].fd == -1);
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("doors: a descriptor that a former superd wrote down is taken, not bound again") {
    ListenerPlan plan = test::loopback_plan(ListenerKind::tcp);
    Fd left = test::open_on_free_port(plan);
    Bench bench({plan});
    const std::uint64_t inode = inode_of(left.get());
    const int number = left.release();
    REQUIRE(bench.records.add(listener_key("s", plan), number));
    ListenerRecords records(bench.state);
    Doors doors(bench.loop, records, bench.log, bench.sink);
    doors.open_all(bench.service);
    CHECK(bench.service.listeners[0].fd.get() == number);
    CHECK(inode_of(bench.service.listeners[0].fd.get()) == inode);
    doors.close_all(bench.service, false);
}

TEST_CASE("doors: an address in use waits, says who has it once, and opens when it is free") {
    ListenerPlan plan = test::loopback_plan(ListenerKind::tcp);
    Fd holder = test::open_on_free_port(plan);
    Bench bench({plan});
    bench.doors.open_all(bench.service);
    const Listener& listener = bench.service.listeners[0];
    CHECK(listener.condition == Listener::Condition::waiting);
    CHECK(listener.detail.find("in use") != std::string::npos);
    CHECK(bench.log.lines == 1);
    bench.doors.retry();
    CHECK(listener.condition == Listener::Condition::waiting);
    CHECK(bench.log.lines == 1);
    CHECK(bench.sink.changes == 0);
    holder.reset();
    bench.doors.retry();
    CHECK(listener.condition == Listener::Condition::open);
    CHECK(bench.sink.changes == 1);
    bench.doors.retry();
    CHECK(bench.sink.changes == 1);
    bench.doors.close_all(bench.service, false);
}

TEST_CASE("doors: a listener that moves keeps its socket, its queue and one record") {
    ListenerPlan plan = test::loopback_plan(ListenerKind::tcp);
    test::open_on_free_port(plan).reset();
    Bench bench({plan});
    bench.doors.open_all(bench.service);
    const std::uint64_t inode = inode_of(bench.service.listeners[0].fd.get());
    const Fd client = test::connect_v4(plan.port);
    Service next;
    bench.fill(next, {plan});
    auto named = std::make_shared<ServicePlan>(*next.plan);
    named->name = "next";
    next.plan = named;
    bench.doors.move(bench.service.listeners[0], next, next.listeners[0]);
    CHECK_FALSE(bench.service.has_open_listener());
    CHECK(inode_of(next.listeners[0].fd.get()) == inode);
    CHECK(std::string(bench.records.at(next.listeners[0].record).key) ==
            listener_key("next", plan));
    int records = 0;
    for (const ListenerRecord& record :
            bench.state.listeners().first(bench.state.header().listener_high))
        records += record.fd >= 0 ? 1 : 0;
    CHECK(records == 1);
    bench.doors.watch(next);
    bench.loop.turn(true);
    CHECK(bench.sink.knocks == 1);
    bench.doors.close_all(next, false);
}

TEST_CASE("doors: while a worker has it a listener is not watched, nor made non-blocking") {
    ListenerPlan plan = test::loopback_plan(ListenerKind::tcp);
    test::open_on_free_port(plan).reset();
    Bench bench({plan});
    bench.service.holds.set(Hold::worker);
    bench.doors.open_all(bench.service);
    const int fd = bench.service.listeners[0].fd.get();
    REQUIRE(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
    bench.doors.watch(bench.service);
    const Fd client = test::connect_v4(plan.port);
    bench.loop.turn(false);
    CHECK(bench.sink.knocks == 0);
    CHECK_FALSE(is_nonblocking(fd));
    bench.service.holds.clear(Hold::worker);
    bench.doors.watch(bench.service);
    bench.loop.turn(true);
    CHECK(bench.sink.knocks == 1);
    CHECK(is_nonblocking(fd));
    bench.service.set_order(Order::pause);
    bench.doors.watch(bench.service);
    bench.loop.turn(false);
    CHECK(bench.sink.knocks == 1);
    bench.doors.close_all(bench.service, false);
}

}  // namespace superd
