// SPDX-License-Identifier: MIT
// What people read about a service: its state, why, how its processes ended.
#include <csignal>

#include "engine/service.h"

#include "support/catch.h"

namespace superd {
namespace {

struct Made {
    Made() {
        service.record = &record;
        plan.listeners.resize(1);
        plan.listeners[0].address = "tcp:22";
        service.listeners.resize(1);
        service.listeners[0].plan = plan.listeners[0];
        service.listeners[0].condition = Listener::Condition::open;
        service.instances.push_back(std::make_unique<Instance>());
        service.instances[0]->own = std::make_unique<LifeRecord>();
        service.instances[0]->record = service.instances[0]->own.get();
    }

    StateView view() {
        service.plan = std::make_shared<const ServicePlan>(plan);
        return view_of(service, now);
    }

    Mono now = Mono(std::chrono::hours(1));
    ServiceRecord record{};
    ServicePlan plan;
    Service service;
};

void close(Made& made) {
    made.service.listeners[0].condition = Listener::Condition::closed;
}

struct Case {
    const char* name;
    void (*change)(Made&);
    ServiceState state;
    const char* detail;
};

const Case cases[] = {
        {"nobody there", [](Made&) {}, ServiceState::listening, ""},
        {"disabled",
                [](Made& m) {
                    m.plan.enabled = false;
                    close(m);
                },
                ServiceState::disabled, "enabled = false"},
        {"disabled, still connected",
                [](Made& m) {
                    m.plan.enabled = false;
                    close(m);
                    m.service.active = 1;
                },
                ServiceState::draining, "enabled = false; 1 left"},
        {"disabled, started by hand",
                [](Made& m) {
                    m.plan.enabled = false;
                    m.service.set_order(Order::start);
                },
                ServiceState::listening, ""},
        {"manual",
                [](Made& m) {
                    m.plan.start = Start::manual;
                    close(m);
                },
                ServiceState::stopped, "start = \"manual\""},
        {"stopped",
                [](Made& m) {
                    m.service.set_order(Order::stop);
                    close(m);
                },
                ServiceState::stopped, "stopped by hand"},
        {"paused", [](Made& m) { m.service.set_order(Order::pause); }, ServiceState::paused,
                "paused by hand"},
        {"draining",
                [](Made& m) {
                    m.service.set_order(Order::drain);
                    m.service.active = 2;
                },
                ServiceState::draining, "2 left"},
        {"drained", [](Made& m) { m.service.set_order(Order::drain); }, ServiceState::stopped,
                "drained by hand"},
        {"removed",
                [](Made& m) {
                    m.service.removed = true;
                    m.service.active = 1;
                },
                ServiceState::draining, "no longer in the configuration"},
        {"stopping comes first",
                [](Made& m) {
                    m.service.stopping = true;
                    m.service.active = 3;
                    m.service.set_order(Order::stop);
                },
                ServiceState::stopping, "3 left to end"},
        {"connections", [](Made& m) { m.service.active = 2; }, ServiceState::running,
                "2 connections"},
        {"starting",
                [](Made& m) {
                    m.plan.mode = Mode::worker;
                    m.service.active = m.service.residents = m.service.launching = 1;
                    m.service.instances[0]->state = LifeState::launching;
                },
                ServiceState::starting, "its process is being started"},
        {"running",
                [](Made& m) {
                    m.plan.mode = Mode::worker;
                    m.service.active = m.service.residents = 1;
                    m.service.instances[0]->state = LifeState::running;
                    m.service.holds.set(Hold::worker);
                },
                ServiceState::running, ""},
        {"a worker's, with connections of a handler before it",
                [](Made& m) {
                    m.plan.mode = Mode::worker;
                    m.service.active = 2;
                },
                ServiceState::listening, ""},
        {"full",
                [](Made& m) {
                    m.service.active = 1;
                    m.service.holds.set(Hold::connections);
                },
                ServiceState::paused,
                "max_connections is reached; clients wait in the kernel's queue"},
        {"rate",
                [](Made& m) {
                    m.service.holds.set(Hold::rate, m.now + std::chrono::seconds(3));
                },
                ServiceState::paused, "rate is exceeded; comes back in 3s"},
        {"descriptors", [](Made& m) { m.service.holds.set(Hold::descriptors); },
                ServiceState::paused, "superd is out of descriptors"},
        {"processes", [](Made& m) { m.service.holds.set(Hold::processes); },
                ServiceState::paused, "[superd] max_processes is reached"},
        {"backoff", [](Made& m) { m.service.holds.set(Hold::backoff); }, ServiceState::backoff,
                "its worker keeps failing"},
        {"unread", [](Made& m) { m.service.holds.set(Hold::unread); }, ServiceState::backoff,
                "its worker left unread what had woken it"},
        {"waiting",
                [](Made& m) {
                    m.service.listeners[0].condition = Listener::Condition::waiting;
                    m.service.listeners[0].detail = "in use by sshd, pid 812";
                },
                ServiceState::waiting, "tcp:22: in use by sshd, pid 812"},
        {"failed",
                [](Made& m) {
                    m.plan.mode = Mode::daemon;
                    close(m);
                    m.service.instances[0]->state = LifeState::failed;
                    m.service.instances[0]->cause_text = "it ended: status 1";
                },
                ServiceState::failed, "it ended: status 1"},
        {"given up",
                [](Made& m) {
                    m.plan.mode = Mode::daemon;
                    close(m);
                    m.service.instances[0]->state = LifeState::failed;
                    m.service.instances[0]->cause_text = "it ended: status 1";
                    m.service.instances[0]->limit_reached = true;
                },
                ServiceState::failed, "it ended: status 1; restart_limit is reached"},
        {"between two lives",
                [](Made& m) {
                    m.plan.mode = Mode::daemon;
                    close(m);
                    m.service.instances[0]->state = LifeState::waiting;
                    m.service.instances[0]->cause_text = "it ended: signal SEGV";
                    m.service.instances[0]->deadline = m.now + std::chrono::seconds(4);
                },
                ServiceState::backoff, "it ended: signal SEGV; starts again in 4s"},
        {"done",
                [](Made& m) {
                    m.plan.mode = Mode::daemon;
                    close(m);
                    m.service.listeners.clear();
                    m.service.instances[0]->state = LifeState::done;
                    m.service.instances[0]->cause_text = "it ended: status 0";
                },
                ServiceState::stopped, "it ended: status 0"},
        {"ending by itself",
                [](Made& m) {
                    m.plan.mode = Mode::daemon;
                    m.service.active = m.service.residents = 1;
                    m.service.instances[0]->state = LifeState::killing;
                },
                ServiceState::stopping, "its process is ending"},
};

}  // namespace

TEST_CASE("service: the state and its reason follow from what is there") {
    for (const Case& one : cases) {
        INFO(one.name);
        Made made;
        one.change(made);
        const StateView view = made.view();
        CHECK(view.state == one.state);
        CHECK(view.detail == one.detail);
    }
}

TEST_CASE("service: holds end at their time, the first of them first") {
    const Mono start{std::chrono::hours(1)};
    Holds holds;
    CHECK(holds.none());
    CHECK(holds.next() == Mono::max());
    holds.set(Hold::worker);
    holds.set(Hold::rate, start + std::chrono::seconds(2));
    holds.set(Hold::backoff, start + std::chrono::seconds(1));
    CHECK(holds.next() == start + std::chrono::seconds(1));
    holds.expire(start + std::chrono::seconds(1));
    CHECK_FALSE(holds.has(Hold::backoff));
    CHECK(holds.has(Hold::rate));
    CHECK(holds.next() == start + std::chrono::seconds(2));
    holds.expire(start + std::chrono::hours(9));
    CHECK(holds.has(Hold::worker));
    CHECK(holds.next() == Mono::max());
    holds.clear(Hold::worker);
    CHECK(holds.none());
}

TEST_CASE("service: how a process ended, in words") {
    CHECK(exit_text(-1) == "status unknown");
    CHECK(exit_text(0) == "status 0");
    CHECK(exit_text(3 << 8) == "status 3");
    CHECK(exit_text(SIGTERM) == "signal TERM");
    CHECK(exit_text(SIGSEGV | 0x80) == "signal SEGV (core dumped)");
    CHECK(exit_text(SIGRTMIN + 1) == "signal " + std::to_string(SIGRTMIN + 1));
}

TEST_CASE("view: what depends on a service may go on when all of it is ready") {
    struct Step {
        LifeState first, second;
        ReadyKind ready;
        Readiness readiness;
    };

    const Step steps[] = {
            {LifeState::running, LifeState::running, ReadyKind::notify, Readiness::ready},
            {LifeState::running, LifeState::starting, ReadyKind::notify, Readiness::coming},
            {LifeState::launching, LifeState::running, ReadyKind::exec, Readiness::coming},
            {LifeState::waiting, LifeState::down, ReadyKind::exec, Readiness::coming},
            {LifeState::running, LifeState::down, ReadyKind::exec, Readiness::idle},
            {LifeState::done, LifeState::running, ReadyKind::exec, Readiness::idle},
            {LifeState::done, LifeState::done, ReadyKind::exit, Readiness::ready},
            {LifeState::starting, LifeState::done, ReadyKind::exit, Readiness::coming},
            {LifeState::running, LifeState::failed, ReadyKind::exec, Readiness::failed},
    };
    for (const Step& step : steps) {
        Made made;
        made.plan.mode = Mode::daemon;
        made.plan.start = Start::boot;
        made.plan.listeners.clear();
        made.service.listeners.clear();
        made.plan.life.ready.kind = step.ready;
        made.service.plan = std::make_shared<const ServicePlan>(made.plan);
        made.service.instances.push_back(std::make_unique<Instance>());
        for (const auto& instance : made.service.instances) {
            instance->own = std::make_unique<LifeRecord>();
            instance->record = instance->own.get();
        }
        made.service.instances[0]->state = step.first;
        made.service.instances[1]->state = step.second;
        CAPTURE(life_state_name(step.first), life_state_name(step.second));
        CHECK(readiness_of(made.service) == step.readiness);
        made.service.stopping = true;
        CHECK(readiness_of(made.service) == Readiness::idle);
    }
    Made by_client;
    (void)by_client.view();
    CHECK(readiness_of(by_client.service) == Readiness::ready);
    by_client.service.listeners[0].condition = Listener::Condition::waiting;
    CHECK(readiness_of(by_client.service) == Readiness::coming);
}

}  // namespace superd
