// SPDX-License-Identifier: MIT
// The verbs of superctl that change something, and wait.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include <fmt/core.h>

#include "base/signals.h"
#include "base/text.h"
#include "config/diagnostics.h"
#include "control/ctl.h"
#include "control/documents.h"
#include "control/names.h"
#include "control/render.h"

namespace superd {

namespace {

using Ordered = nlohmann::ordered_json;

void print_json(const Ordered& json) {
    ctl_print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

// One request a name; all are tried, the last failure is the exit code.
template <class Ask>
int ask_each(const CtlGlobals& globals, const std::vector<std::string>& words, Ask ask) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto names = ctl_names(globals, *client, words);
    if (!names) return ctl_fail(globals, names.error());
    int code = exit_code::ok;
    auto results = Ordered::array();
    for (const auto& name : *names) {
        const Outcome outcome = ask(*client, name);
        if (outcome.code != exit_code::ok) code = outcome.code;
        if (globals.json)
            results.push_back(
                    {{"service", name}, {"code", outcome.code}, {"message", outcome.message}});
        else if (outcome.code != exit_code::ok)
            ctl_fail(globals, outcome);
        else if (!outcome.message.empty())
            ctl_print(fmt::format("{}: {}\n", name, outcome.message));
    }
    if (globals.json) print_json({{"version", 1}, {"results", results}});
    return code;
}

void print_diagnostics(const Ordered& reload) {
    for (const auto& diagnostic : reload["diagnostics"])
        std::fputs(render(read_diagnostic(diagnostic)).c_str(), stderr);
}

// The answer names the first mistake, which stands above already.
Outcome without_printed(Outcome outcome, const Ordered& reload) {
    for (const auto& shown : reload["diagnostics"]) {
        const Diagnostic diagnostic = read_diagnostic(shown);
        if (diagnostic.severity == Severity::error &&
                outcome.message.ends_with(diagnostic.message))
            outcome.message = "nothing was changed: superd goes on with what it has";
    }
    return outcome;
}

}  // namespace

int ctl_act(
        const CtlGlobals& globals, const char* method, const std::vector<std::string>& names) {
    return ask_each(globals, names, [&](ControlClient& client, const std::string& name) {
        return client.call(method, {name}, globals.timeout);
    });
}

int ctl_kill(const CtlGlobals& globals, const std::vector<std::string>& names,
        const std::string& signal, const std::string& connection, const std::string& whom) {
    const auto number = parse_signal(signal);
    if (!number)
        return ctl_fail(
                globals, {exit_code::usage,
                                 fmt::format("{} is not a signal; write TERM, HUP or a number",
                                         quote_value(signal))});
    std::uint64_t id = 0;
    if (!connection.empty()) {
        const char* end = connection.data() + connection.size();
        const auto [rest, error] = std::from_chars(connection.data(), end, id, 16);
        if (error != std::errc() || rest != end || id == 0)
            return ctl_fail(globals,
                    {exit_code::usage, fmt::format("{} is not a connection; see superctl "
                                                   "connections",
                                               quote_value(connection))});
    }
    return ask_each(globals, names, [&](ControlClient& client, const std::string& name) {
        return whom.empty() ? client.kill(name, *number, id, globals.timeout)
                            : client.kill_whom(name, whom, *number, globals.timeout);
    });
}

int ctl_scale(const CtlGlobals& globals, const std::string& name, const std::string& copies) {
    const auto number = parse_decimal(copies);
    if (!number || *number > most_copies)
        return ctl_fail(globals,
                {exit_code::usage, fmt::format("{} is no number of copies; write 1 to {}",
                                           quote_value(copies), most_copies)});
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const Outcome outcome =
            client->scale(name, static_cast<std::uint32_t>(*number), globals.timeout);
    if (outcome.code != exit_code::ok) return ctl_fail(globals, outcome);
    ctl_say(globals, fmt::format("{}: {}", name, outcome.message));
    return exit_code::ok;
}

int ctl_wait(const CtlGlobals& globals, const std::vector<std::string>& names,
        const std::string& what) {
    return ask_each(globals, names, [&](ControlClient& client, const std::string& name) {
        auto outcome = client.call("Wait", {name, what}, globals.timeout);
        if (outcome.code == exit_code::timeout)
            outcome.message =
                    fmt::format("{} is not {} in time; see superctl why {}", name, what, name);
        return outcome;
    });
}

int ctl_reopen_logs(const CtlGlobals& globals) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto outcome = client->call("ReopenLogs", {}, globals.timeout);
    if (globals.json)
        print_json({{"version", 1}, {"code", outcome.code}, {"message", outcome.message}});
    if (outcome.code != exit_code::ok) return ctl_fail(globals, outcome);
    return exit_code::ok;
}

int ctl_reload(const CtlGlobals& globals, bool dry_run, bool brief) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const auto answer = client->reload_config(dry_run, globals.timeout);
    if (answer.json.empty()) return ctl_fail(globals, answer.outcome);
    const auto json = Ordered::parse(answer.json, nullptr, false);
    if (globals.json) {
        print_json(json);
        return answer.outcome.code;
    }
    if (!json.is_object())
        return ctl_fail(globals, {exit_code::failed, "superd answered with no JSON object"});
    if (!brief || answer.outcome.code != exit_code::ok) {
        print_diagnostics(json["reload"]);
        ctl_print(render_reload(json["reload"], dry_run));
    }
    if (answer.outcome.code != exit_code::ok)
        return ctl_fail(globals, without_printed(answer.outcome, json["reload"]));
    if (!dry_run && !json["reload"]["changes"].empty())
        ctl_print(fmt::format("reloaded: {}\n", answer.outcome.message));
    return exit_code::ok;
}

std::optional<int> parse_signal(const std::string& text) {
    if (const auto number = parse_decimal(text))
        return *number >= 1 && *number <= 64 ? std::optional(static_cast<int>(*number))
                                             : std::nullopt;
    return signal_by_name(text);
}

std::optional<std::int64_t> parse_when(const std::string& text, std::int64_t now) {
    const auto start = static_cast<std::time_t>(now);
    const bool utc = text.ends_with('Z');
    const auto whole = utc ? text.substr(0, text.size() - 1) : text;
    for (const char* format : {"%H:%M", "%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                 "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"}) {
        std::tm parts{};  // a time of day is of today
        if ((utc ? ::gmtime_r(&start, &parts) : ::localtime_r(&start, &parts)) == nullptr)
            return {};
        parts.tm_sec = 0;
        const char* rest = ::strptime(whole.c_str(), format, &parts);
        if (rest == nullptr || *rest != '\0') continue;
        parts.tm_isdst = -1;
        const int day = parts.tm_mday;
        const auto result = utc ? ::timegm(&parts) : std::mktime(&parts);
        if (result > 0 && parts.tm_mday == day) return result;  // 30 February is none
    }
    return {};
}

}  // namespace superd
