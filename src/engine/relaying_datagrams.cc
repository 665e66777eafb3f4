// SPDX-License-Identifier: MIT
// Datagrams of builtins and redirects: the relay has the listeners themselves, superd says whom
// it may answer, is told what came, and lets each conversation of a redirect in.
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/supervisor.h"
#include "sys/accept.h"
#include "sys/repair.h"

#include "relay/access_list.h"
#include "relay/protocol.h"

namespace superd {

namespace {

// A conversation by datagrams has no end of its own.
constexpr Nanoseconds usual_flow_idle = std::chrono::minutes(1);
// superd looks at the load, which a relay cannot.
constexpr auto load_every = std::chrono::seconds(1);

}  // namespace

// ---- listeners

// The relay gets the socket itself, from the first datagram on.
void Supervisor::give_datagrams(Service& service, Listener& listener) {
    if (!relays_.ready()) return hold(service, Hold::relay);
    const ServicePlan& plan = *service.plan;
    const WatchNumber number = next_watch_++;
    bool given = false;
    if (plan.mode == Mode::redirect) {
        given = relays_.forward(number, listener.fd.get());
    } else if (auto access = access_list_of(service)) {
        WatchMessage message{number, plan.builtin, plan.admission.rate_per_source,
                plan.admission.rate, own_ports()};
        given = relays_.watch(message, listener.fd.get(), std::move(*access));
    }
    if (!given) return hold(service, Hold::relay, loop_.now() + std::chrono::seconds(1));
    listener.given = number;
    watches_[number] = service.index;
    doors_.watch(service);
}

// While the load is too high nobody is answered.
Result<Fd> Supervisor::access_list_of(Service& service) {
    const AdmissionPlan& plan = service.plan->admission;
    service.overloaded = is_overloaded(service);
    if (plan.max_load && !load_timer_.active()) load_timer_.start(load_every, load_every);
    if (service.overloaded) return write_closed_list();
    return write_access_list(plan.access, plan_->networks, doors_.denied());
}

bool Supervisor::is_overloaded(const Service& service) const {
    const auto& bound = service.plan->admission.max_load;
    return bound && facts_of(service, {}).load >= *bound;
}

void Supervisor::look_at_load() {
    bool any = false;
    for (const auto& [number, index] : watches_) {
        Service* service = by_index_[index];
        if (service == nullptr || service->plan->mode != Mode::builtin) continue;
        any = any || service->plan->admission.max_load;
    }
    if (!any) return load_timer_.stop();
    for (const auto& [name, service] : services_)
        if (service->plan->mode == Mode::builtin &&
                service->overloaded != is_overloaded(*service))
            give_anew(*service);
}

// Of all small services: two of them must never talk to each other.
std::vector<std::uint16_t> Supervisor::own_ports() const {
    std::vector<std::uint16_t> ports;
    for (const auto& [name, service] : services_) {
        if (service->plan->mode != Mode::builtin) continue;
        for (const Listener& listener : service->listeners) {
            if (listener.plan.kind != ListenerKind::udp || !listener.fd) continue;
            const std::uint32_t port = local_endpoint(listener.fd.get()).port;
            if (port != 0 && ports.size() < relay_ports_limit)
                ports.push_back(static_cast<std::uint16_t>(port));
        }
    }
    return ports;
}

void Supervisor::give_anew(Service& service) {
    bool any = false;
    for (Listener& listener : service.listeners) {
        if (listener.given == 0) continue;
        on_take_back(listener);
        any = true;
    }
    if (any) doors_.watch(service);
}

void Supervisor::on_take_back(Listener& listener) {
    relays_.unwatch(listener.given);
    watches_.erase(listener.given);
    listener.given = 0;
}

Listener* Supervisor::find_watch(std::uint32_t number, Service*& service) {
    const auto known = watches_.find(number);
    if (known == watches_.end()) return nullptr;
    service = by_index_[known->second];
    if (service == nullptr) return nullptr;
    for (Listener& listener : service->listeners)
        if (listener.given == number) return &listener;
    return nullptr;
}

// Its relay has died. What it may have done to the socket is undone before anybody waits there
// again.
void Supervisor::on_watch_lost(std::uint32_t number) {
    Service* service = nullptr;
    Listener* listener = find_watch(number, service);
    watches_.erase(number);
    if (listener == nullptr) return;
    listener->given = 0;
    const auto repaired = repair_shared_listener(listener->fd.get(), listener->plan);
    if (!repaired || repaired->must_reopen) {
        doors_.close(*listener, false);
        doors_.open(*service, *listener);
    }
    doors_.watch(*service);
}

void Supervisor::on_counts(const CountsMessage& message) {
    Service* service = nullptr;
    if (find_watch(message.watch, service) == nullptr) return;
    service->record->accepted += message.received;
    service->record->exited += message.answered;
    service->record->started += message.answered;
    service->record->dropped_datagrams += message.refused;
}

void Supervisor::on_sensed(std::uint32_t watch, const Endpoint& peer) {
    Service* service = nullptr;
    Listener* listener = find_watch(watch, service);
    if (listener == nullptr) return;
    ++service->record->accepted;
    sense(*service, peer, local_endpoint(listener->fd.get()));
}

// Somebody has touched a trap.
void Supervisor::sense(Service& service, const Endpoint& peer, const Endpoint& local) {
    if (limiter_.allow(service.index, Refusal::denied, loop_.now()))
        outputs_.log().log(NoticeEvent{.level = Level::critical,
                .service = service.name(),
                .text = fmt::format("SENSOR from={} to={}", peer.text(), local.text())});
    const auto& length = service.plan->deny_for;
    if (!length) return;
    const bool for_good = *length == Nanoseconds::zero();
    denying_.deny(peer, for_good ? std::nullopt : length, service.name(), "touched the sensor");
}

// ---- conversations

// A conversation by datagrams is let in like a connection.
void Supervisor::on_flow_asked(const FlowAskedMessage& message) {
    Service* service = nullptr;
    Listener* listener = find_watch(message.watch, service);
    if (listener == nullptr || service->plan->mode != Mode::redirect) return;
    const auto refuse_flow = [&] {
        relays_.answer_flow(message.watch, FlowRefusedMessage{message.watch, message.flow});
    };
    const Endpoint local = local_endpoint(listener->fd.get());
    ++service->record->accepted;
    const Decision decision = decide_at_once(*service, message.peer);
    const auto index = std::holds_alternative<Admit>(decision) ? processes_.records().take()
                                                               : std::nullopt;
    if (!index) {
        const auto* refusal = std::get_if<Refuse>(&decision);
        log_refusal(*service, listener->plan.address, message.peer, local,
                refusal != nullptr ? *refusal : Refuse{Refusal::max_processes, {}});
        return refuse_flow();
    }
    ProcessRecord& record = processes_.records().at(*index);
    record.kind = ProcessKind::relayed;
    record.service = service->index;
    record.relay = static_cast<std::uint8_t>(relays_.relay_of_watch(message.watch));
    record.source = std::get<Admit>(decision).source;
    record.id = ++state_.header().next_connection;
    record.started = to_nanoseconds(loop_.now());
    record.peer = message.peer;
    record.local = local;
    record.state.store(RecordState::running, std::memory_order_release);
    if (record.source != no_source) ++sources_.at(record.source).active;
    ++service->active;
    ++service->record->started;
    outputs_.log().log(StartEvent{.service = service->name(),
            .connection = record.id,
            .peer = record.peer,
            .local = record.local,
            .facts = service->plan->log.admitted});
    auto upstream = open_upstream(*service, *index, 0);
    if (!upstream) {
        refuse_flow();
        on_relayed_ended(*index, {.name = {*index, record.id},
                                         .end = RelayEnd::connect,
                                         .error = upstream.error().code});
        return;
    }
    relays_.answer_flow(message.watch,
            FlowMessage{message.watch, message.flow, {*index, record.id},
                    service->plan->idle_timeout.value_or(usual_flow_idle)},
            std::move(*upstream));
}

}  // namespace superd
