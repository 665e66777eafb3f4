// SPDX-License-Identifier: MIT
// What services print, from superd-log.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <fmt/core.h>

#include "base/text.h"
#include "control/ctl.h"
#include "control/names.h"
#include "log/reader.h"

namespace superd {

namespace {

// Where superd says that superd-log listens; beside the control socket where it cannot be
// asked, for superd-log outlives it.
std::string log_socket(const CtlGlobals& globals) {
    if (auto client = ControlClient::connect(globals.socket)) {
        const auto answer = client->call("Describe", {}, std::chrono::seconds(5));
        const auto json = nlohmann::json::parse(answer.message, nullptr, false);
        if (answer.code == exit_code::ok && json.is_object()) {
            auto path = json["daemon"].value("log_socket", "");
            if (!path.empty()) return path;
        }
    }
    const auto slash = globals.socket.rfind('/');
    return slash == std::string::npos ? "log" : globals.socket.substr(0, slash) + "/log";
}

Outcome unreadable(const std::string& path, const Error& error) {
    if (error.code == EACCES || error.code == EPERM)
        return {exit_code::not_permitted,
                fmt::format(
                        "{} may not be read by you: run superctl as root or a member of the "
                        "admin group",
                        path)};
    return {exit_code::unreachable,
            fmt::format(
                    "no superd-log answers at {} ({}); superctl status shows whether superd "
                    "runs",
                    path, error.text())};
}

// superd-log knows no globs, superd does; names need no superd.
tl::expected<std::vector<std::string>, Outcome> expand(
        const CtlGlobals& globals, const std::vector<std::string>& names) {
    const auto is_plain = [](const auto& name) {
        return name.find_first_of("*?[") == std::string::npos;
    };
    if (std::all_of(names.begin(), names.end(), is_plain)) return names;
    auto client = ControlClient::connect(globals.socket);
    if (!client) return tl::unexpected(client.error());
    return ctl_names(globals, *client, names);
}

// No line is no fault of a service that is there; lines of one that is gone may be there yet.
int explain_silence(const CtlGlobals& globals, const std::vector<std::string>& names) {
    auto client = ControlClient::connect(globals.socket);
    if (!client || names.empty()) return exit_code::ok;
    const auto all = client->list(ctl_read_timeout(globals));
    for (const std::string& name : names) {
        if (!all || std::find(all->begin(), all->end(), name) != all->end()) continue;
        return ctl_fail(globals,
                {exit_code::no_such_service,
                        fmt::format(
                                "no service named {}, and no lines of one; see superctl list",
                                quote_value(name))});
    }
    return exit_code::ok;
}

void print_line(const CtlGlobals& globals, const LogLine& line) {
    std::string text;
    if (globals.json) {
        const nlohmann::ordered_json json{{"version", 1}, {"time", line.time},
                {"service", line.service}, {"pid", line.pid}, {"text", line.text},
                {"continued", line.continued}, {"lost", line.lost}};
        text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    } else {
        format_line_text(text, line);
    }
    if (!text.ends_with('\n')) text += '\n';
    ctl_print(text);
}

}  // namespace

int ctl_logs(const CtlGlobals& globals, const std::vector<std::string>& names,
        std::uint32_t lines, bool follow) {
    const auto path = log_socket(globals);
    const auto wanted = expand(globals, names);
    if (!wanted) return ctl_fail(globals, wanted.error());
    bool any = false;
    auto reader =
            LogReader::open(path, {.services = *wanted, .lines = lines, .follow = follow});
    if (!reader) return ctl_fail(globals, unreadable(path, reader.error()));
    for (;;) {
        const auto line = reader->next();
        if (!line) return ctl_fail(globals, unreadable(path, line.error()));
        if (!*line) return any ? exit_code::ok : explain_silence(globals, *wanted);
        any = true;
        print_line(globals, **line);
        if (follow) std::fflush(stdout);
        if (std::ferror(stdout) != 0) return exit_code::failed;
    }
}

std::vector<std::string> ctl_last_lines(
        const CtlGlobals& globals, const std::string& name, std::uint32_t lines) {
    std::vector<std::string> result;
    if (lines == 0) return result;
    auto reader = LogReader::open(
            log_socket(globals), {.services = {name}, .lines = lines, .follow = false});
    if (!reader) return result;
    for (;;) {
        const auto line = reader->next();
        if (!line || !*line) return result;
        std::string text;
        format_line_text(text, **line);
        while (text.ends_with('\n'))
            text.pop_back();
        result.push_back(std::move(text));
    }
}

}  // namespace superd
