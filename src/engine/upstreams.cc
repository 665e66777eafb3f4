// SPDX-License-Identifier: MIT
// Where redirected connections go: targets and their names, failover, and connections that wait
// until a name has an address.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/units.h"
#include "engine/supervisor.h"
#include "sys/connect_socket.h"

#include "relay/protocol.h"

namespace superd {

// ---- names

void Supervisor::watch_targets() {
    std::set<std::string> hosts;
    for (const auto& [name, service] : services_) {
        if (service->removed || service->plan->mode != Mode::redirect) continue;
        for (const std::string& host : service->targets.names()) {
            hosts.insert(host);
            service->targets.take_addresses(host, target_names_.addresses(host));
        }
    }
    target_names_.want(hosts, plan_->daemon.name_lookup_timeout, plan_->daemon.name_refresh);
    // A plan without the names that they waited for.
    std::vector<Service*> ready;
    for (const auto& [name, service] : services_)
        if (!service->parked.empty() &&
                (!service->targets.empty() || service->targets.names().empty()))
            ready.push_back(service.get());
    for (Service* service : ready)
        unpark(*service);
}

void Supervisor::on_target_name(const std::string& host) {
    std::vector<Service*> concerned;
    for (auto& [name, service] : services_) {
        const auto hosts = service->targets.names();
        if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) continue;
        service->targets.take_addresses(host, target_names_.addresses(host));
        concerned.push_back(service.get());
    }
    // One whose last connection ends may go from the list of all, though not before the turn
    // is over.
    for (Service* service : concerned)
        unpark(*service);
}

void Supervisor::unpark(Service& service) {
    for (const Service::Parked& parked : std::exchange(service.parked, {})) {
        ProcessRecord& record = processes_.records().at(parked.record);
        if (record.id == parked.id)
            connect_relayed(service, parked.record, Fd(record.connection.load()), parked.again);
    }
}

// True: it waits for an address; the record holds the connection.
bool Supervisor::park(Service& service, std::uint32_t index, bool again) {
    if (!service.targets.empty() || !look_up_targets(service)) return false;
    service.parked.push_back({index, processes_.records().at(index).id, again});
    return true;
}

// True: an answer is on its way.
bool Supervisor::look_up_targets(const Service& service) {
    bool asked = false;
    for (const std::string& host : service.targets.names())
        asked = target_names_.hurry(host) || asked;
    return asked;
}

// No relay has it yet. False: it is not parked.
bool Supervisor::end_parked(std::uint32_t index) {
    ProcessRecord& record = processes_.records().at(index);
    Service& service = *by_index_[record.service];
    const auto known = std::find_if(service.parked.begin(), service.parked.end(),
            [&](const Service::Parked& one) { return one.record == index; });
    if (known == service.parked.end()) return false;
    service.parked.erase(known);
    Fd(record.connection.exchange(-1)).reset();
    on_relayed_ended(index, {.name = {index, record.id}, .end = RelayEnd::asked});
    return true;
}

// ---- failover

// The next target that can be tried at all; the record remembers which it is.
// error: why the last one was not reached, where one was tried.
Result<Fd> Supervisor::open_upstream(Service& service, std::uint32_t index, int error) {
    ProcessRecord& record = processes_.records().at(index);
    for (;;) {
        const auto tried = tried_.find(index);
        const Target* target = service.targets.choose(
                tried == tried_.end() ? std::span<const std::uint8_t>{} : tried->second,
                loop_.now());
        if (target == nullptr) {
            if (service.targets.empty()) (void)look_up_targets(service);
            return fail(error != 0 ? error : EHOSTUNREACH, "connect");
        }
        record.target = target->number;
        auto upstream = open_connection(target->plan);
        if (upstream) return upstream;
        error = upstream.error().code;
        on_target_failed(service, index, error);
    }
}

UpstreamFacts Supervisor::upstream_facts(const Service& service, std::uint32_t index) const {
    const Target* target = service.targets.find(processes_.records().at(index).target);
    if (target == nullptr) return {};
    return {.tcp = target->plan.kind == ListenerKind::tcp,
            .tell_reached = target->failures > 0};
}

void Supervisor::on_target_failed(Service& service, std::uint32_t index, int error) {
    const ProcessRecord& record = processes_.records().at(index);
    tried_[index].push_back(record.target);
    const Target* target = service.targets.find(record.target);
    if (target == nullptr) return;
    std::string where = target->plan.text;
    if (!target->plan.host.empty()) where += " (" + target->plan.ip.text() + ")";
    const Nanoseconds pause = service.targets.on_failure(record.target, loop_.now());
    service.last_failure = "connect " + where + ": " + errno_text(error);
    // As for launches that fail.
    if (!limiter_.allow_failure(service.index, loop_.now())) return;
    const bool alone = service.targets.all().size() < 2;
    outputs_.log().log(FailEvent{.service = service.name(),
            .connection = record.id,
            .peer = record.peer,
            .stage = "connect",
            .subject = where,
            .error = error,
            .detail = alone ? "" : "left out for " + format_duration(pause)});
}

void Supervisor::on_unreached(std::uint32_t index, int error) {
    const ProcessRecord& record = processes_.records().at(index);
    Service& service = *by_index_[record.service];
    on_target_failed(service, index, error);
    auto upstream = open_upstream(service, index, error);
    if (upstream)
        relays_.next_upstream(index, std::move(*upstream), upstream_facts(service, index));
    else
        relays_.end(index, RelayEnd::connect, upstream.error().code);
}

// Of a target that had failed before.
void Supervisor::on_reached(std::uint32_t index) {
    const ProcessRecord& record = processes_.records().at(index);
    Service& service = *by_index_[record.service];
    const Target* target = service.targets.find(record.target);
    if (target == nullptr || target->failures == 0) return;
    outputs_.log().log(NoticeEvent{
            .service = service.name(), .text = target->plan.text + " is reached again"});
    service.targets.on_success(record.target);
}

}  // namespace superd
