// SPDX-License-Identifier: MIT
// Makes the JSON documents of the control object.
#include "control/documents.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include <fmt/core.h>

#include "base/units.h"

namespace superd {

namespace {

using Json = nlohmann::ordered_json;

// What peers and services print is not always UTF-8, and dump() would throw.
std::string text_of(const Json& document) {
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json document(const char* key, Json body) {
    return Json{{"version", 1}, {key, std::move(body)}};
}

std::string_view mode_name(Mode mode) {
    switch (mode) {
        case Mode::handler: return "handler";
        case Mode::worker: return "worker";
        case Mode::builtin: return "builtin";
        case Mode::redirect: return "redirect";
        case Mode::daemon: break;
    }
    return "daemon";
}

std::string_view start_name(Start start) {
    switch (start) {
        case Start::demand: return "demand";
        case Start::boot: return "boot";
        case Start::manual: break;
    }
    return "manual";
}

std::string_view change_name(Change change) {
    switch (change) {
        case Change::keep: return "keep";
        case Change::in_place: return "in_place";
        case Change::rebind: return "rebind";
        case Change::added: return "added";
        case Change::removed: break;
    }
    return "removed";
}

const ServicePlan* find_plan(const Plan& plan, std::string_view name) {
    const auto found = std::lower_bound(plan.services.begin(), plan.services.end(), name,
            [](const auto& service, std::string_view wanted) {
                return service->name < wanted;
            });
    return found != plan.services.end() && (*found)->name == name ? found->get() : nullptr;
}

Json listener_json(const ListenerStatus& listener) {
    return Json{{"name", listener.name}, {"address", listener.address},
            {"state", listener.state}, {"detail", listener.detail}, {"bound", listener.bound}};
}

Json process_json(const ProcessStatus& process) {
    Json json{{"pid", process.pid}, {"kind", process.kind}};
    if (process.connection != 0) {
        json["connection"] = fmt::format("{:x}", process.connection);
        json["peer"] = process.peer.text();
        json["local"] = process.local.text();
        if (!process.tls.empty()) json["tls"] = process.tls;
        if (!process.user.empty()) json["user"] = process.user;
    }
    json["since"] = format_timestamp(process.since);
    return json;
}

Json connections_json(const ServiceStatus& service, const ServicePlan* plan) {
    Json json{{"now", service.connections}, {"max", nullptr}, {"total", service.started}};
    if (plan != nullptr && plan->admission.max_connections.value)
        json["max"] = *plan->admission.max_connections.value;
    return json;
}

Json timer_json(const TimerStatus& timer) {
    const auto time = [](const std::optional<Wall>& at) {
        return at ? Json(format_timestamp(*at)) : Json(nullptr);
    };
    return Json{{"schedule", timer.schedule}, {"next", time(timer.next)},
            {"last", time(timer.last)}, {"result", timer.result}, {"runs", timer.runs},
            {"skipped", timer.skipped}};
}

Json warm_json(const WarmStatus& warm) {
    return Json{{"wanted", warm.wanted}, {"parked", warm.parked}, {"starting", warm.starting},
            {"served_warm", warm.served_warm}, {"served_cold", warm.served_cold},
            {"trouble", warm.trouble}};
}

Json head_json(const ServiceStatus& service, const ServicePlan* plan) {
    Json json{{"name", service.name}, {"description", service.description},
            {"state", state_name(service.state)}, {"detail", service.detail},
            {"since", format_timestamp(service.since)}, {"enabled", service.enabled},
            {"mode", mode_name(service.mode)}};
    if (plan != nullptr) json["start"] = start_name(plan->start);
    json["defined_at"] = service.defined_at;
    json["listeners"] = Json::array();
    for (const auto& listener : service.listeners)
        json["listeners"].push_back(listener_json(listener));
    if (service.timer) json["timer"] = timer_json(*service.timer);
    if (service.warm) json["prestart"] = warm_json(*service.warm);
    json["announcements"] = Json::array();
    for (const auto& announcement : service.announcements)
        json["announcements"].push_back(Json{{"how", announcement.how},
                {"state", announcement.state}, {"text", announcement.text}});
    return json;
}

// What it is a copy of.
void add_copies(Json& json, const std::string& of, const Plan& plan) {
    for (const CopiesPlan& copies : plan.copies)
        if (copies.name == of)
            json["copies"] = Json{
                    {"of", of}, {"number", copies.names.size()}, {"written", copies.written}};
}

Json usage_json(const GroupUsage& usage) {
    const auto number = [](const auto& value) {
        return value ? Json(*value) : Json(nullptr);
    };
    return {{"processor_seconds", std::chrono::duration<double>(usage.processor).count()},
            {"memory", number(usage.memory)}, {"tasks", number(usage.tasks)},
            {"pressure", {{"processor", number(usage.processor_pressure)},
                                 {"memory", number(usage.memory_pressure)},
                                 {"io", number(usage.io_pressure)}}}};
}

void add_counters(Json& json, const ServiceStatus& service, const ServicePlan* plan) {
    json["connections"] = connections_json(service, plan);
    json["accepted"] = service.accepted;
    json["started"] = service.started;
    json["failed"] = service.failed;
    json["exited"] = service.exited;
    json["dropped_datagrams"] = service.dropped_datagrams;
    json["log_lines"] = service.log_lines;
    json["log_lost"] = service.log_lost;
    if (service.usage) json["usage"] = usage_json(*service.usage);
    json["refused"] = Json::object();
    for (const auto& [reason, count] : service.refused)
        json["refused"][reason] = count;
    json["stored"] = service.stored;
    json["last_exit"] = service.last_exit;
    json["last_failure"] = service.last_failure;
}

Json overview_json(const ServiceStatus& service, const ServicePlan* plan) {
    Json json = head_json(service, plan);
    std::size_t processes = 0;  // neither held connections nor relayed ones have any
    for (const auto& process : service.processes) {
        if (process.pid == 0) continue;
        if (processes++ == 0) json["pid"] = process.pid;
    }
    json["process_count"] = processes;
    add_counters(json, service, plan);
    return json;
}

Json state_counts(const Manager& manager) {
    Json json = Json::object();
    for (const auto& [state, count] : manager.state_counts())
        json[std::string(state_name(state))] = count;
    return json;
}

}  // namespace

std::string daemon_document(const Manager& manager) {
    const auto status = manager.daemon();
    return text_of(document("daemon",
            Json{{"version", status.version}, {"pid", status.pid},
                    {"guard_pid", status.guard_pid}, {"since", format_timestamp(status.since)},
                    {"starts", status.starts}, {"log_socket", status.log_socket},
                    {"config",
                            Json{{"path", status.config_path}, {"state", status.config_state}}},
                    {"plan_sequence", status.plan_sequence}, {"processes", status.processes},
                    {"max_processes", status.max_processes}, {"root", status.root},
                    {"upgrade_failure", status.upgrade_failure},
                    {"services", state_counts(manager)}}));
}

std::string service_document(const ServiceStatus& service, const Plan& plan) {
    const auto* found = find_plan(plan, service.name);
    Json json = head_json(service, found);
    if (found != nullptr) add_copies(json, found->copy.of, plan);
    json["processes"] = Json::array();
    for (const auto& process : service.processes)
        json["processes"].push_back(process_json(process));
    add_counters(json, service, found);
    return text_of(document("service", std::move(json)));
}

OverviewDocument::OverviewDocument(const Manager& manager)
        : manager_(manager), names_(manager.names()), text_(R"({"version":1,"services":[)") {}

bool OverviewDocument::add_next() {
    if (next_ == names_.size()) return false;
    const std::string& name = names_[next_++];
    const auto service = manager_.service(name);
    if (!service) return true;
    if (text_.back() != '[') text_ += ',';
    text_ += text_of(overview_json(*service, find_plan(manager_.plan(), name)));
    return true;
}

std::string OverviewDocument::take() {
    return std::move(text_) + "]}";
}

namespace {

// A question about an address is about any port.
std::string peer_text(const Endpoint& peer) {
    return peer.family == Family::ip && peer.port == 0 ? peer.ip.text() : peer.text();
}

}  // namespace

std::string explanation_document(std::string_view service, const Endpoint& from, Wall at,
        const Explanation& explanation) {
    return text_of(document("explanation",
            Json{{"service", service}, {"from", peer_text(from)}, {"at", format_timestamp(at)},
                    {"admitted", explanation.admitted}, {"reason", explanation.reason},
                    {"rule", explanation.rule}, {"text", explanation.text}}));
}

std::string denials_document(const std::vector<Denial>& denials) {
    const auto time = [](std::int64_t seconds) {
        return format_timestamp(Wall(std::chrono::seconds(seconds)));
    };
    Json list = Json::array();
    for (const Denial& denial : denials)
        list.push_back(Json{{"source", denial.source.text()}, {"by", denial.by},
                {"reason", denial.reason}, {"since", time(denial.since)},
                {"until", denial.until == 0 ? std::string() : time(denial.until)}});
    return text_of(document("denied", std::move(list)));
}

nlohmann::ordered_json diagnostic_json(const Diagnostic& diagnostic) {
    Json json{{"severity", diagnostic.severity == Severity::error ? "error" : "warning"},
            {"file", diagnostic.at.file}, {"line", diagnostic.at.line},
            {"column", diagnostic.at.column}, {"message", diagnostic.message},
            {"suggestion", diagnostic.suggestion}, {"source_line", diagnostic.source_line}};
    const Position& other = diagnostic.other;
    if (!other.file.empty())
        json["other"] =
                Json{{"file", other.file}, {"line", other.line}, {"column", other.column}};
    return json;
}

Diagnostic read_diagnostic(const nlohmann::ordered_json& json) {
    const auto text = [](const Json& from, const char* key) {
        const auto found = from.find(key);
        return found != from.end() && found->is_string() ? found->get<std::string>()
                                                         : std::string();
    };
    const auto number = [](const Json& from, const char* key) {
        const auto found = from.find(key);
        return found != from.end() && found->is_number_unsigned() ? found->get<std::uint32_t>()
                                                                  : 0U;
    };
    const auto place = [&](const Json& from) {
        return Position{text(from, "file"), number(from, "line"), number(from, "column")};
    };
    Diagnostic diagnostic{
            text(json, "severity") == "warning" ? Severity::warning : Severity::error,
            place(json), text(json, "message"), text(json, "suggestion"),
            text(json, "source_line"), {}};
    if (const auto other = json.find("other"); other != json.end() && other->is_object())
        diagnostic.other = place(*other);
    return diagnostic;
}

std::string reload_document(const ReloadReport& report) {
    Json diagnostics = Json::array(), changes = Json::array();
    for (const auto& diagnostic : report.diagnostics.all())
        diagnostics.push_back(diagnostic_json(diagnostic));
    for (const auto& change : report.changes) {
        if (change.change == Change::keep) continue;
        changes.push_back(Json{{"service", change.name}, {"change", change_name(change.change)},
                {"keys", change.keys}, {"restart", change.restart}});
    }
    return text_of(document("reload",
            Json{{"code", report.code}, {"message", report.message},
                    {"diagnostics", std::move(diagnostics)}, {"changes", std::move(changes)}}));
}

}  // namespace superd
