// SPDX-License-Identifier: MIT
// The verbs of superctl that only look.
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

#include <fmt/ranges.h>
#include <grp.h>
#include <pwd.h>

#include "base/text.h"
#include "control/ctl.h"
#include "control/names.h"
#include "control/render.h"

#include "config.h"

namespace superd {

namespace {

using Json = nlohmann::json;
using Ordered = nlohmann::ordered_json;

RenderStyle style_of(const CtlGlobals& globals) {
    return {.colour = globals.colour, .now = std::chrono::system_clock::now()};
}

void print_json(const Ordered& json) {
    ctl_print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

// A document, or the failure that stands in its place.
tl::expected<Ordered, Outcome> fetch(const CtlGlobals& globals, ControlClient& client,
        const char* method, const std::vector<std::string>& arguments) {
    const auto outcome = client.call(method, arguments, ctl_read_timeout(globals));
    if (outcome.code != exit_code::ok) return tl::unexpected(outcome);
    auto json = Ordered::parse(outcome.message, nullptr, false);
    if (json.is_discarded() || !json.is_object())
        return tl::unexpected(
                Outcome{exit_code::failed, "superd answered with no JSON object"});
    return json;
}

// Of what is asked for name by name with --json: one object, whatever failed.
struct Answers {
    Ordered all = Ordered::array(), errors = Ordered::array();

    // `answer` with what was asked for, if anything was found.
    void print(Ordered answer) const {
        if (all.empty() && errors.empty()) return;  // said already
        if (all.empty() && errors.size() == 1)
            answer = {{"version", 1}, {"error", errors[0]}};
        else if (!errors.empty())
            answer["errors"] = errors;
        print_json(answer);
    }
};

// connect(), names, then each name's part; all are tried, the last failure is the exit code.
template <class Each>
int for_each_name(const CtlGlobals& globals, const std::vector<std::string>& words,
        Answers& answers, Each each) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto names = ctl_names(globals, *client, words);
    if (!names) return ctl_fail(globals, names.error());
    int code = exit_code::ok;
    for (const auto& name : *names)
        if (const Outcome outcome = each(*client, name); outcome.code != exit_code::ok) {
            code = outcome.code;
            if (outcome.message.empty()) continue;
            if (globals.json)
                answers.errors.push_back(
                        {{"code", outcome.code}, {"message", outcome.message}});
            else
                ctl_fail(globals, outcome);
        }
    return code;
}

// The overview, narrowed to the words.
tl::expected<Ordered, Outcome> fetch_overview(const CtlGlobals& globals, ControlClient& client,
        const std::vector<std::string>& words) {
    auto overview = fetch(globals, client, "Overview", {});
    if (!overview || words.empty()) return overview;
    const auto names = ctl_names(globals, client, words);
    if (!names) return tl::unexpected(names.error());
    auto chosen = Ordered::array();
    for (const auto& name : *names) {
        const auto before = chosen.size();
        for (const auto& service : (*overview)["services"])
            if (service["name"] == name) chosen.push_back(service);
        if (chosen.size() == before)
            return tl::unexpected(Outcome{exit_code::no_such_service,
                    fmt::format("no service named {}; see superctl list", name)});
    }
    (*overview)["services"] = std::move(chosen);
    return overview;
}

int status_of_all(const CtlGlobals& globals) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    auto daemon = fetch(globals, *client, "Describe", {});
    if (!daemon) return ctl_fail(globals, daemon.error());
    auto overview = fetch(globals, *client, "Overview", {});
    if (!overview) return ctl_fail(globals, overview.error());
    (*daemon)["services"] = (*overview)["services"];
    if (globals.json) {
        print_json(*daemon);
        return exit_code::ok;
    }
    const auto style = style_of(globals);
    ctl_print(render_daemon((*daemon)["daemon"], style));
    if (!(*overview)["services"].empty())
        ctl_print("\n" + render_overview((*overview)["services"], style));
    return exit_code::ok;
}

void print_service(const CtlGlobals& globals, const Json& service, unsigned log_lines) {
    auto text = render_service(service, style_of(globals));
    const auto lines = ctl_last_lines(globals, service.value("name", ""), log_lines);
    if (!lines.empty()) text += "\n";
    for (const auto& line : lines)
        text += line + "\n";
    ctl_print(text);
}

bool is_down(const Ordered& service) {
    const auto state = service.value("state", "");
    return state == "stopped" || state == "disabled" || state == "failed";
}

// "user:NAME" is looked up here: superd itself asks no name service for a client.
tl::expected<std::string, Outcome> resolve_from(const std::string& from) {
    if (!from.starts_with("user:")) return from;
    const auto* user = ::getpwnam(from.c_str() + 5);
    if (user == nullptr)
        return tl::unexpected(
                Outcome{exit_code::usage, fmt::format("there is no user {}", from.substr(5))});
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    while (::getgrouplist(user->pw_name, user->pw_gid, groups.data(), &count) < 0)
        groups.resize(static_cast<std::size_t>(count));
    groups.resize(static_cast<std::size_t>(count));
    return fmt::format(
            "uid:{},gid:{},groups:{}", user->pw_uid, user->pw_gid, fmt::join(groups, "+"));
}

}  // namespace

int ctl_status(const CtlGlobals& globals, const std::vector<std::string>& names, bool quiet,
        unsigned log_lines) {
    if (names.empty()) return status_of_all(globals);
    Answers answers;
    auto& all = answers.all;
    std::size_t count = 0;
    const int code = for_each_name(
            globals, names, answers, [&](ControlClient& client, const auto& name) {
                auto json = fetch(globals, client, "DescribeService", {name});
                if (!json) return json.error();
                const auto& service = (*json)["service"];
                if (quiet)
                    return Outcome{
                            is_down(service) ? exit_code::not_running : exit_code::ok, ""};
                if (!globals.json && count++ > 0) ctl_print("\n");
                if (!globals.json) print_service(globals, service, log_lines);
                all.push_back(service);
                return Outcome{};
            });
    if (!globals.json || quiet) return code;
    // One name, one object; a glob or several names, a list.
    const bool one = names.size() == 1 && all.size() == 1 && all[0]["name"] == names[0];
    Ordered answer{{"version", 1}};
    if (one)
        answer["service"] = all[0];
    else
        answer["services"] = all;
    answers.print(std::move(answer));
    return code;
}

int ctl_list(const CtlGlobals& globals, const std::vector<std::string>& names) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto overview = fetch_overview(globals, *client, names);
    if (!overview) return ctl_fail(globals, overview.error());
    if (globals.json) {
        print_json(*overview);
        return exit_code::ok;
    }
    for (const auto& service : (*overview)["services"])
        ctl_print(escape(service.value("name", "")) + "\n");
    return exit_code::ok;
}

int ctl_show(const CtlGlobals& globals, const std::vector<std::string>& names, bool effective) {
    Answers answers;
    auto& all = answers.all;
    const int code = for_each_name(
            globals, names, answers, [&](ControlClient& client, const auto& name) {
                auto plan = fetch(globals, client, "ShowPlan", {name});
                if (!plan) return plan.error();
                if (!effective) plan->erase("skipped");
                if (globals.json)
                    all.push_back(*plan);
                else
                    ctl_print(render_plan(*plan, effective));
                return Outcome{};
            });
    if (!globals.json) return code;
    // As with status: how many a glob happens to match does not change the form.
    if (names.size() == 1 && all.size() == 1 && all[0].value("name", "") == names[0])
        answers.print({{"version", 1}, {"plan", all[0]}});
    else
        answers.print({{"version", 1}, {"plans", all}});
    return code;
}

int ctl_why(const CtlGlobals& globals, const std::vector<std::string>& names) {
    Answers answers;
    auto& all = answers.all;
    const int code = for_each_name(
            globals, names, answers, [&](ControlClient& client, const auto& name) {
                const auto outcome = client.call("Why", {name}, ctl_read_timeout(globals));
                if (outcome.code != exit_code::ok) return outcome;
                if (globals.json)
                    all.push_back({{"service", name}, {"why", outcome.message}});
                else
                    ctl_print(ctl_lines(outcome.message));
                return Outcome{};
            });
    if (globals.json) answers.print({{"version", 1}, {"services", all}});
    return code;
}

int ctl_timers(const CtlGlobals& globals, const std::vector<std::string>& names) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto overview = fetch_overview(globals, *client, names);
    if (!overview) return ctl_fail(globals, overview.error());
    if (!globals.json) {
        ctl_print(render_timers((*overview)["services"], style_of(globals)));
        return exit_code::ok;
    }
    auto timers = Ordered::array();
    for (const auto& service : (*overview)["services"]) {
        if (!service.contains("timer")) continue;
        Ordered timer{{"service", service["name"]}, {"state", service["state"]},
                {"last_exit", service["last_exit"]}};
        timer.update(service["timer"]);
        timers.push_back(std::move(timer));
    }
    print_json({{"version", 1}, {"timers", timers}});
    return exit_code::ok;
}

int ctl_sockets(const CtlGlobals& globals, const std::vector<std::string>& names) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto overview = fetch_overview(globals, *client, names);
    if (!overview) return ctl_fail(globals, overview.error());
    if (!globals.json) {
        ctl_print(render_sockets((*overview)["services"], style_of(globals)));
        return exit_code::ok;
    }
    auto sockets = Ordered::array();
    for (const auto& service : (*overview)["services"])
        for (const auto& listener : service["listeners"]) {
            Ordered socket{{"service", service["name"]}};
            socket.update(listener);
            sockets.push_back(std::move(socket));
        }
    print_json({{"version", 1}, {"sockets", sockets}});
    return exit_code::ok;
}

int ctl_connections(const CtlGlobals& globals, const std::vector<std::string>& names) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto overview = fetch_overview(globals, *client, names);
    if (!overview) return ctl_fail(globals, overview.error());
    std::vector<Json> services;
    auto connections = Ordered::array();
    for (const auto& entry : (*overview)["services"]) {
        const auto now = entry.value("connections", Json::object()).value("now", 0);
        if (entry.value("process_count", 0) == 0 && now == 0) continue;
        auto json = fetch(globals, *client, "DescribeService", {entry.value("name", "")});
        if (!json) continue;  // a reload has taken it away meanwhile
        for (const auto& process : (*json)["service"]["processes"]) {
            if (!process.contains("connection")) continue;
            Ordered connection{{"service", entry["name"]}};
            connection.update(process);
            connections.push_back(std::move(connection));
        }
        services.emplace_back((*json)["service"]);
    }
    if (globals.json)
        print_json({{"version", 1}, {"connections", connections}});
    else
        ctl_print(render_connections(services, style_of(globals)));
    return exit_code::ok;
}

int ctl_explain(const CtlGlobals& globals, const std::string& name, const std::string& from,
        const std::string& at) {
    const auto peer = resolve_from(from);
    if (!peer) return ctl_fail(globals, peer.error());
    const auto when = at.empty() ? 0 : parse_when(at, std::time(nullptr));
    if (!when)
        return ctl_fail(
                globals, {exit_code::usage, fmt::format("{} is not a time; write 18:30 or "
                                                        "\"2026-11-23 18:30\"",
                                                    quote_value(at))});
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto outcome = client->explain(name, *peer, *when, ctl_read_timeout(globals));
    if (outcome.code != exit_code::ok) return ctl_fail(globals, outcome);
    const auto json = Ordered::parse(outcome.message, nullptr, false);
    if (globals.json)
        print_json(json);
    else if (json.is_object() && json.contains("explanation"))
        ctl_print(render_explanation(json["explanation"]));
    return exit_code::ok;
}

int ctl_version(const CtlGlobals& globals) {
    if (!globals.json) ctl_print(fmt::format("superctl {}\n", PACKAGE_VERSION));
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto daemon = fetch(globals, *client, "Describe", {});
    if (!daemon) return ctl_fail(globals, daemon.error());
    const auto version = (*daemon)["daemon"].value("version", "");
    if (globals.json)
        print_json({{"version", 1}, {"superctl", PACKAGE_VERSION}, {"superd", version}});
    else
        ctl_print(fmt::format(
                "superd {}, pid {}\n", escape(version), (*daemon)["daemon"].value("pid", 0)));
    return exit_code::ok;
}

}  // namespace superd
