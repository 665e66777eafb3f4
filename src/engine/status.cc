// SPDX-License-Identifier: MIT
// What is there, for those who ask.
#include <algorithm>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/text.h"
#include "base/units.h"
#include "engine/supervisor.h"
#include "policy/exec_spec.h"
#include "sys/listen_socket.h"

namespace superd {

namespace {

Wall wall_of(std::int64_t nanoseconds) {
    return Wall(Nanoseconds(nanoseconds));
}

std::string_view condition_name(const Service& service, const Listener& listener) {
    switch (listener.condition) {
        case Listener::Condition::closed: return "closed";
        case Listener::Condition::waiting: return "waiting";
        case Listener::Condition::open: break;
    }
    if (service.holds.has(Hold::worker)) return "listening";
    return listener.poll && listener.poll->active() ? "listening" : "paused";
}

// What one listener is in, as a sentence: "waiting for address" needs no second "waiting".
std::string listener_text(const ListenerStatus& listener) {
    const std::string& detail = listener.detail;
    if (detail.starts_with(listener.state + ' '))
        return fmt::format("{} is {}.\n", listener.address, detail);
    return fmt::format("{} is {}{}{}.\n", listener.address, listener.state,
            detail.empty() ? "" : ": ", detail);
}

// Why a service is in its state, where no sentence about a listener says it.
std::string_view detail_beside_listeners(const ServiceStatus& status) {
    const auto& listeners = status.listeners;
    const bool said = std::any_of(
            listeners.begin(), listeners.end(), [&](const ListenerStatus& listener) {
                return status.detail == listener.address + ": " + listener.detail;
            });
    return said ? std::string_view() : status.detail;
}

std::string_view kind_name(ProcessKind kind) {
    switch (kind) {
        case ProcessKind::handler: return "handler";
        case ProcessKind::worker: return "worker";
        case ProcessKind::daemon: return "daemon";
        case ProcessKind::relayed: return "relayed";
        case ProcessKind::command: return "command";
        case ProcessKind::warm: return "parked";
        case ProcessKind::relay:
        case ProcessKind::key:
        case ProcessKind::log:
        case ProcessKind::resolve:
        case ProcessKind::announce: break;
    }
    return "log";
}

}  // namespace

DaemonStatus Supervisor::daemon() const {
    const StateHeader& header = state_.header();
    return {.version = options_.version,
            .pid = ::getpid(),
            .guard_pid = header.guard_pid.load(),
            .since = wall_of(header.booted),
            .starts = header.starts,
            .log_socket = log_socket_path(options_.run_directory),
            .config_path = options_.read.as.empty() ? options_.read.path : options_.read.as,
            .config_state = config_trouble_,
            .plan_sequence = header.plan_sequence.load(),
            .processes = live_,
            .max_processes = plan_->daemon.max_processes.value.value_or(0),
            .root = options_.root,
            .upgrade_failure = upgrade_failure_};
}

std::vector<std::string> Supervisor::names() const {
    std::vector<std::string> names;
    names.reserve(services_.size());
    for (const auto& [name, service] : services_)
        names.push_back(name);
    return names;
}

std::optional<ServiceStatus> Supervisor::service(std::string_view name) const {
    const Service* service = find(name);
    if (service == nullptr) return std::nullopt;
    return status_of(*service);
}

std::optional<GroupUsage> Supervisor::usage(std::string_view name) const {
    const Service* service = find(name);
    return service == nullptr ? std::nullopt : lives_.usage(*service);
}

std::map<ServiceState, std::uint32_t> Supervisor::state_counts() const {
    std::map<ServiceState, std::uint32_t> counts;
    const Mono now = loop_.now();
    for (const auto& [name, service] : services_)
        ++counts[view_of(*service, now).state];
    return counts;
}

ServiceStatus Supervisor::status_of(const Service& service) const {
    for (const Listener& listener : service.listeners)
        Doors::count_refusals(listener);
    const ServiceRecord& record = *service.record;
    const StateView view = view_of(service, loop_.now());
    ServiceStatus status{.name = service.name(),
            .description = service.plan->description,
            .state = view.state,
            .detail = view.detail,
            .since = wall_of(record.state_since),
            .enabled = service.plan->enabled,
            .mode = service.plan->mode,
            .defined_at = plan_->where(service.plan->origin),
            .listeners = {},
            .processes = {},
            .connections = takes_connections(service.plan->mode) ? service.active : 0,
            .accepted = record.accepted,
            .started = record.started,
            .failed = record.failed,
            .exited = record.exited,
            .dropped_datagrams = record.dropped_datagrams,
            .announcements = {},
            .timer = timer_of(service),
            .warm = warming_.handlers().status(service),
            .refused = {},
            .stored = {},
            .last_exit = record.exited > 0 && !is_relayed(service.plan->mode)
                                 ? exit_text(record.last_status)
                                 : "",
            .last_failure = service.last_failure};
    for (const auto& instance : service.instances)
        for (std::string& name : lives_.stored_names(service, *instance))
            status.stored.push_back(std::move(name));
    if (const LogTally* tally = outputs_.tally(service)) {
        status.log_lines = tally->lines.load(std::memory_order_relaxed);
        status.log_lost = tally->lost.load(std::memory_order_relaxed);
    }
    for (const Listener& listener : service.listeners) {
        status.listeners.push_back({listener.plan.name, listener.plan.address,
                std::string(condition_name(service, listener)), listener.detail,
                bound_text(listener.fd.get(), listener.plan.kind), listener.fd.get()});
    }
    for (std::size_t i = 0; i < announcing_count; ++i) {
        if (auto one = announcements_.status_of(service, static_cast<Announcing>(i)))
            status.announcements.push_back(std::move(*one));
    }
    for (std::size_t i = 0; i < refusal_count; ++i) {
        if (record.refused[i] > 0)
            status.refused.emplace_back(
                    refusal_name(static_cast<Refusal>(i)), record.refused[i]);
    }
    if (service.active == 0 && !status.warm) return status;
    const auto boot = loop_.wall().time_since_epoch() - loop_.now().time_since_epoch();
    processes_.records().for_each([&](std::uint32_t index, const ProcessRecord& process) {
        if (process.service != service.index || is_own_program(process.kind)) return;
        // One that is about to end is nobody's any more.
        if (process.kind == ProcessKind::warm && process.connection.load() < 0) return;
        // Its handler is listed.
        if (process.kind == ProcessKind::relayed && process.partner != 0) return;
        const bool is_held = (process.flags & record_held) != 0;
        const bool awaits = process.proxied == ProxyStep::awaited;
        status.processes.push_back({process.pid.load(),
                awaits    ? "preface"
                : process.tls == TlsStep::awaited ? "handshake"
                : is_held ? "held"
                          : std::string(kind_name(process.kind)),
                process.id, process.peer, process.local, std::string(holding_.user_of(index)),
                Wall(Nanoseconds(process.started) + boot), securing_.summary(index)});
    });
    return status;
}

std::optional<std::string> Supervisor::why(std::string_view name) const {
    const Service* service = find(name);
    if (service == nullptr) return std::nullopt;
    const ServiceStatus status = status_of(*service);
    const std::string_view detail = detail_beside_listeners(status);
    std::string text = fmt::format("{} is {}{}{}.\nIt is defined at {}.\n", status.name,
            state_name(status.state), detail.empty() ? "" : ": ", detail, status.defined_at);
    for (const ListenerStatus& listener : status.listeners)
        text += listener_text(listener);
    for (const AnnouncementStatus& announcement : status.announcements)
        text += fmt::format("{}: {}.\n", announcement.how, announcement.text);
    if (!status.enabled && !service->wants_listeners())
        text += "enabled = false: superctl enable it, or superctl start it for now.\n";
    if (status.state == ServiceState::paused && service->order() == Order::pause)
        text += fmt::format("superctl resume {} lets it {} again.\n", name,
                status.timer ? "run" : "accept");
    if (status.timer)
        text += fmt::format("It runs {}: {} run{} so far, {} skipped.\n",
                service->plan->timer.every ? status.timer->schedule
                                           : "at " + status.timer->schedule,
                status.timer->runs, status.timer->runs == 1 ? "" : "s", status.timer->skipped);
    if (status.state == ServiceState::stopped && service->order() != Order::none)
        text += fmt::format("superctl start {} {} it again.\n", name,
                status.listeners.empty() ? "starts" : "opens");
    const auto& hours = service->plan->admission.hours;
    const LocalTime now = local_time(loop_.wall());
    if (service->has_open_listener() && !is_open(hours, now))
        text += fmt::format("Nobody is let in: {}.\n", outside_text(hours, now));
    if (const std::size_t held = holding_.held_by(*service); held > 0)
        text += fmt::format("{} connection{} wait{} for a look-up of {} name or user.\n", held,
                held == 1 ? "" : "s", held == 1 ? "s" : "", held == 1 ? "its" : "their");
    for (const auto& instance : service->instances) {
        if (const std::uint32_t unheeded = instance->record->unheeded; unheeded > 0)
            text += fmt::format(
                    "{} message{} to its notify socket came from elsewhere and did not "
                    "count.\n",
                    unheeded, unheeded == 1 ? "" : "s");
    }
    if (!service->reload_failure.empty())
        text += fmt::format("The last reload failed: {}.\n", service->reload_failure);
    if (const auto& most = service->plan->upkeep.max_requests) {
        for (const auto& instance : service->instances)
            if (has_process(instance->state))
                text += fmt::format("It says that it has served {} of {} requests.\n",
                        instance->record->requests, *most);
    }
    for (const auto& instance : service->instances)
        if (!instance->health.empty() && !instance->taken_out)
            text += fmt::format("Of process {}: {}.\n", instance->number, instance->health);
    if (!status.stored.empty())
        text += fmt::format("{} descriptor{} kept for its next start: {}.\n",
                status.stored.size(), status.stored.size() == 1 ? "" : "s",
                join(status.stored, ", "));
    text += Warming::sentences(status.warm);
    if (!status.last_failure.empty())
        text += fmt::format("Last failure: {}.\n", status.last_failure);
    if (is_relayed(service->plan->mode))
        text += fmt::format(
                "superd-relay serves it, without a process of its own: {} connection{} now, {} "
                "in all.\n",
                status.connections, status.connections == 1 ? "" : "s", status.started);
    if (!status.last_exit.empty())
        text += fmt::format("The last process ended with {}.\n", status.last_exit);
    for (const auto& [reason, count] : status.refused)
        text += fmt::format(
                "{} connection{} refused: {}.\n", count, count == 1 ? "" : "s", reason);
    if (status.dropped_datagrams > 0)
        text += fmt::format(
                "Datagrams dropped that no worker read: {}.\n", status.dropped_datagrams);
    return text;
}

// Kept out of a worker by the filter on its sockets.
std::optional<Explanation> Supervisor::explain_denial(
        const Service& service, const Endpoint& from) const {
    const Denial* denial = denying_.list().find(from, loop_.wall());
    const bool filtered = std::any_of(service.listeners.begin(), service.listeners.end(),
            [](const Listener& listener) { return listener.filter.has_value(); });
    if (denial == nullptr || service.plan->mode != Mode::worker || !filtered)
        return std::nullopt;
    return Explanation{false, std::string(refusal_name(Refusal::denied)), denial_text(*denial),
            from.ip.text() + " is denied by " + denial_text(*denial) +
                    ", which the kernel enforces on its sockets"};
}

// For a worker the kernel decides, by the same rules.
Explanation Supervisor::explain_filter(const Service& service, const Endpoint& from) const {
    const AccessDecision access = service.access.decide(from);
    Explanation answer;
    answer.admitted = access.allowed;
    answer.reason = access.allowed ? "admitted" : std::string(refusal_name(access.reason));
    const Origin rule = access.rule != nullptr ? access.rule->origin
                        : access.allowed       ? Origin{}
                                               : service.access.allow_origin();
    if (rule.line != 0) answer.rule = plan_->where(rule);
    answer.text =
            access_sentence(from.family == Family::ip ? from.ip.text() : from.text(), access) +
            ", which the kernel enforces on its sockets";
    return answer;
}

std::optional<Explanation> Supervisor::explain(
        std::string_view name, const Asker& asker, Wall at) const {
    const Service* service = find(name);
    if (service == nullptr) return std::nullopt;
    const Endpoint& from = asker.peer;
    if (auto denied = explain_denial(*service, from)) return denied;
    const bool enforced_by_kernel = !service->filter.empty();
    if (!takes_connections(service->plan->mode) && !enforced_by_kernel) {
        return Explanation{true, "admitted", {},
                fmt::format("{} is a {}: it accepts connections itself, superd asks nothing",
                        name, service->plan->mode == Mode::worker ? "worker" : "daemon")};
    }
    if (!service->has_open_listener()) {
        const StateView view = view_of(*service, loop_.now());
        return Explanation{false, std::string(state_name(view.state)), {},
                fmt::format("{} is {}{}{}: nobody can connect", name, state_name(view.state),
                        view.detail.empty() ? "" : ": ", view.detail)};
    }
    if (enforced_by_kernel) return explain_filter(*service, from);
    AdmissionFacts facts = facts_of(*service, from);
    facts.local = local_time(at);
    facts.name = holding_.remembered_name(*service, from);
    facts.groups = asker.groups;
    const AdmissionExplanation result = superd::explain(facts, book_of(*service), loop_.now());
    Explanation answer;
    answer.text = result.text;
    if (service->plan->admission.tcp_wrappers && std::holds_alternative<Admit>(result.decision))
        answer.text += fmt::format("; hosts.allow and hosts.deny decide then, for \"{}\"",
                wrappers_name(*service->plan));
    if (result.rule.line != 0) answer.rule = plan_->where(result.rule);
    if (const auto* refusal = std::get_if<Refuse>(&result.decision)) {
        answer.reason = refusal_name(refusal->reason);
    } else if (const auto* wait = std::get_if<Wait>(&result.decision)) {
        answer.reason = refusal_name(wait->reason);
    } else {
        answer.admitted = true;
        answer.reason = "admitted";
    }
    return answer;
}

void Supervisor::dump_state() {
    std::string text;
    for (const auto& [name, service] : services_) {
        const ServiceStatus status = status_of(*service);
        text += fmt::format("{} {} connections={} accepted={} started={} failed={} exited={}",
                name, state_name(status.state), status.connections, status.accepted,
                status.started, status.failed, status.exited);
        for (const auto& [reason, count] : status.refused)
            text += fmt::format(" refused.{}={}", reason, count);
        if (!status.detail.empty()) text += " detail=\"" + status.detail + '"';
        text += '\n';
    }
    if (plan_->daemon.dump_file.empty()) {
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = text.find('\n', at);
            outputs_.log().log(
                    NoticeEvent{.text = std::string_view(text).substr(at, end - at)});
            at = end + 1;
        }
        return;
    }
    const std::string& path = plan_->daemon.dump_file;
    const Fd file(::open(path.c_str(),
            O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
            0640));
    if (!file || ::write(file.get(), text.data(), text.size()) < 0)
        outputs_.log().log(FailEvent{.stage = "write", .subject = path, .error = errno});
}

}  // namespace superd
