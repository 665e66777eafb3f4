// SPDX-License-Identifier: MIT
// Control documents as text.
#include "control/render.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include <fmt/core.h>

#include "base/text.h"
#include "base/units.h"
#include "config/options.h"
#include "policy/calendar.h"

namespace superd {

namespace {

using Json = nlohmann::json;
using Ordered = nlohmann::ordered_json;
using Row = std::vector<std::string>;

// A document of another superd may lack a field: then it reads as empty.
std::string text(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return {};
    return found->is_string() ? escape(found->get<std::string>()) : found->dump();
}

std::uint64_t number(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool flag(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_boolean() && found->get<bool>();
}

// One of a list of words.
std::string word(const Json& json) {
    return json.is_string() ? escape(json.get<std::string>()) : json.dump();
}

const Json& child(const Json& json, const char* key) {
    static const Json nothing = Json::array();
    const auto found = json.find(key);
    return found != json.end() ? *found : nothing;
}

std::string_view colour_of(std::string_view state) {
    if (state == "running" || state == "listening") return "32";
    if (state == "failed") return "1;31";
    if (state == "disabled" || state == "stopped" || state == "closed") return "2";
    return "33";
}

std::string paint(std::string_view what, std::string_view colour, const RenderStyle& style) {
    if (!style.colour || what.empty()) return std::string(what);
    return fmt::format("\x1b[{}m{}\x1b[0m", colour, what);
}

std::string paint_state(const std::string& state, const RenderStyle& style) {
    return paint(state, colour_of(state), style);
}

// What a terminal shows: one column for each code point is near enough for names and paths.
std::size_t width_of(std::string_view cell) {
    return static_cast<std::size_t>(std::count_if(cell.begin(), cell.end(),
            [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

std::optional<Wall> parse_time(std::string_view stamp) {
    std::tm parts{};
    const std::string whole(stamp);
    const char* rest = ::strptime(whole.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == nullptr) return {};
    const auto seconds = ::timegm(&parts);
    if (seconds <= 0) return {};
    return Wall(std::chrono::seconds(seconds));
}

// The address as bound where the kernel chose the port.
std::string shown_address(const Json& listener) {
    const auto address = text(listener, "address"), bound = text(listener, "bound");
    return address.ends_with(":0") && !bound.empty() ? bound : address;
}

std::string sockets_of(const Json& service) {
    std::string all;
    for (const auto& listener : child(service, "listeners"))
        all += (all.empty() ? "" : ",") + shown_address(listener);
    return all;
}

// Served by superd-relay, without a process for each connection.
bool is_relayed(const Json& service) {
    const auto mode = text(service, "mode");
    return mode == "builtin" || mode == "redirect";
}

bool takes_connections(const Json& service) {
    return is_relayed(service) || text(service, "mode") == "handler";
}

std::string connections_of(const Json& service) {
    const auto& connections = child(service, "connections");
    if (!takes_connections(service)) return "-";
    const auto most = text(connections, "max");
    return fmt::format("{}/{}", number(connections, "now"), most.empty() ? "unlimited" : most);
}

std::string plural(std::uint64_t count, std::string_view one) {
    const auto* end = count == 1 ? "" : one.ends_with('s') ? "es" : "s";
    return fmt::format("{} {}{}", count, one, end);
}

std::string total_of(const Json& service) {
    if (!takes_connections(service)) return "-";
    return std::to_string(number(child(service, "connections"), "total"));
}

// A block of lines under one label, the label right-aligned before the first.
void add_lines(
        std::string& out, std::string_view label, const std::vector<std::string>& lines) {
    for (std::size_t i = 0; i < lines.size(); ++i)
        out += fmt::format("{:>12}{} {}\n", i == 0 ? label : "",
                i == 0 && !label.empty() ? ":" : " ", lines[i]);
}

void add_line(std::string& out, std::string_view label, const std::string& line) {
    if (!line.empty()) add_lines(out, label, {line});
}

std::string refusals_of(const Json& service) {
    std::string all;
    for (const auto& [reason, count] : child(service, "refused").items())
        all += fmt::format("{}{} {}", all.empty() ? "" : ", ", count.dump(), escape(reason));
    return all;
}

std::string stored_of(const Json& service) {
    const auto& names = child(service, "stored");
    if (!names.is_array() || names.empty()) return {};
    std::string all;
    for (const auto& name : names)
        all += (all.empty() ? "" : ", ") + escape(name.get<std::string>());
    return fmt::format("{}: {}", plural(names.size(), "descriptor"), all);
}

std::vector<std::string> listener_lines(const Json& service, const RenderStyle& style) {
    std::vector<std::string> lines;
    for (const auto& listener : child(service, "listeners")) {
        const auto state = text(listener, "state"), detail = text(listener, "detail");
        // "waiting for address (...)" needs no second "waiting".
        const bool said = detail.starts_with(state + ' ');
        lines.push_back(fmt::format("{} {}{}{}", shown_address(listener),
                paint_state(state, style), said || detail.empty() ? "" : ": ",
                said ? detail.substr(state.size()) : detail));
    }
    return lines;
}

std::vector<std::string> process_lines(const Json& service, const RenderStyle& style) {
    constexpr std::size_t shown = 10;
    std::vector<std::string> lines;
    const auto& processes = child(service, "processes");
    for (const auto& process : processes) {
        if (lines.size() == shown) {
            lines.push_back(fmt::format("and {} more: superctl connections {}",
                    processes.size() - shown, text(service, "name")));
            break;
        }
        const auto kind = text(process, "kind"), age = age_of(text(process, "since"), style);
        if (kind == "relayed") {
            lines.push_back(fmt::format("connection {} from {}, {}",
                    text(process, "connection"), text(process, "peer"), age));
            continue;
        }
        std::string line = fmt::format("pid {} {}, {}", text(process, "pid"), kind, age);
        if (process.contains("connection"))
            line += fmt::format(", connection {} from {}", text(process, "connection"),
                    text(process, "peer"));
        lines.push_back(std::move(line));
    }
    return lines;
}

// A listener's trouble, which has a line of its own below.
bool is_said_of_listener(const Json& service, const std::string& detail) {
    const auto& listeners = child(service, "listeners");
    return std::any_of(listeners.begin(), listeners.end(), [&](const Json& listener) {
        return detail == text(listener, "address") + ": " + text(listener, "detail");
    });
}

std::string state_line(const Json& service, const RenderStyle& style) {
    const auto since = text(service, "since"), detail = text(service, "detail");
    const auto age = age_of(since, style);
    std::string line = paint_state(text(service, "state"), style);
    if (age != "-") line += fmt::format(" since {} ({} ago)", since, age);
    if (!detail.empty() && !is_said_of_listener(service, detail)) line += ": " + detail;
    return line;
}

std::string start_of(const Json& service) {
    const auto start = text(service, "start");
    if (start == "manual") return ", started by hand";
    if (start == "boot") return ", start at boot";
    return start.empty() ? "" : ", start on " + start;
}

// "3 of 4 parked, 1 starting; 120 connections served warm, 2 cold"; empty: none is asked for.
std::string prestart_line(const Json& service) {
    const auto& warm = child(service, "prestart");
    if (!warm.is_object()) return "";
    auto line = fmt::format("{} of {} parked", number(warm, "parked"), number(warm, "wanted"));
    if (const auto starting = number(warm, "starting"); starting > 0)
        line += fmt::format(", {} starting", starting);
    line += fmt::format("; {} served warm, {} cold",
            plural(number(warm, "served_warm"), "connection"), number(warm, "served_cold"));
    if (const auto trouble = text(warm, "trouble"); !trouble.empty()) line += "; " + trouble;
    return line;
}

// "one of 5 of web; the file asks for 3"; empty: it is no copy.
std::string copies_line(const Json& service) {
    const auto& copies = child(service, "copies");
    if (!copies.is_object()) return "";
    const auto there = number(copies, "number"), written = number(copies, "written");
    auto line = fmt::format("one of {} of {}", there, text(copies, "of"));
    if (there != written) line += fmt::format("; the file asks for {}", written);
    return line;
}

std::string counts_line(const Json& service) {
    auto line = fmt::format(
            "{} started, {} ended", number(service, "started"), number(service, "exited"));
    if (const auto failed = number(service, "failed"); failed > 0)
        line += fmt::format(", {} could not be started", failed);
    if (const auto dropped = number(service, "dropped_datagrams"); dropped > 0)
        line += fmt::format(", {} dropped unread", plural(dropped, "datagram"));
    if (const auto lines = number(service, "log_lines"); lines > 0)
        line += fmt::format(", {} logged", plural(lines, "line"));
    if (const auto lost = number(service, "log_lost"); lost > 0)
        line += fmt::format(", {} lost", lost);
    return line;
}

std::string usage_line(const Json& service) {
    const Json& usage = child(service, "usage");
    if (!usage.is_object()) return {};
    std::string line =
            fmt::format("{:.2f} s of processor", usage.value("processor_seconds", 0.0));
    if (const Json& memory = child(usage, "memory"); memory.is_number())
        line += fmt::format(", {} of memory", format_size(memory.get<std::uint64_t>()));
    if (const Json& tasks = child(usage, "tasks"); tasks.is_number())
        line += ", " + plural(tasks.get<std::uint64_t>(), "task");
    for (const char* what : {"processor", "memory", "io"})
        if (const Json& share = child(child(usage, "pressure"), what);
                share.is_number() && share.get<double>() >= 0.01)
            line += fmt::format(", {:.2f}% waiting for {}", share.get<double>(), what);
    return line;
}

bool is_nothing(const Ordered& value) {
    return value.is_null() ||
           (value.is_string() && value.get_ref<const std::string&>().empty()) ||
           (value.is_structured() && value.empty());
}

bool is_origin(std::string_view key) {
    return key == "origin" || key.ends_with("_origin");
}

void render_value(std::string& out, const std::string& key, const Ordered& value, bool all) {
    if (!all && is_nothing(value)) return;
    if (value.is_object()) {
        for (const auto& [name, inner] : value.items())
            if (all || !is_origin(name))
                render_value(out, key.empty() ? name : key + "." + name, inner, all);
    } else if (value.is_array() && !value.empty() && value[0].is_object()) {
        for (std::size_t i = 0; i < value.size(); ++i)
            render_value(out, fmt::format("{}[{}]", key, i), value[i], all);
    } else {
        out += fmt::format(
                "{} = {}\n", key, value.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
}

// Keys that mean something for no service of this mode say nothing about this one.
bool is_for_mode(const std::string& key, std::string_view mode) {
    constexpr std::string_view modes[]{"handler", "worker", "daemon", "builtin", "redirect"};
    const Option* option = find_option(key, in_service);
    const auto* const found = std::find(std::begin(modes), std::end(modes), mode);
    if (option == nullptr || key == "mode" || found == std::end(modes)) return true;
    return (option->modes >> (found - std::begin(modes)) & 1) != 0;
}

std::string sign_of(std::string_view change) {
    if (change == "added") return "+";
    if (change == "removed") return "-";
    return "~";
}

std::string change_line(const Json& change) {
    const auto what = text(change, "change");
    std::string line = fmt::format("{} {}", sign_of(what), text(change, "service"));
    std::string keys;
    for (const auto& key : child(change, "keys"))
        keys += (keys.empty() ? "" : ", ") + word(key);
    if (!keys.empty()) line += ": " + keys;
    if (what == "rebind") line += " (listeners are opened anew)";
    if (flag(change, "restart")) line += " (after a restart)";
    return line + "\n";
}

}  // namespace

std::string age_of(std::string_view timestamp, const RenderStyle& style) {
    const auto since = parse_time(timestamp);
    if (!since) return "-";
    return approximate_duration(std::max(style.now - *since, Nanoseconds::zero()));
}

std::string render_table(
        const std::vector<Row>& rows, const RenderStyle& style, std::size_t painted) {
    std::vector<Row> cells = rows;
    std::vector<std::size_t> widths;
    for (auto& row : cells) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (row[i].empty()) row[i] = "-";
            widths[i] = std::max(widths[i], width_of(row[i]));
        }
    }
    std::string out;
    for (std::size_t r = 0; r < cells.size(); ++r) {
        std::string line;
        for (std::size_t i = 0; i < cells[r].size(); ++i) {
            const auto& cell = cells[r][i];
            line += r > 0 && i == painted ? paint_state(cell, style) : cell;
            if (i + 1 < cells[r].size()) line.append(widths[i] - width_of(cell) + 2, ' ');
        }
        out += (r == 0 ? paint(line, "1", style) : line) + "\n";
    }
    return out;
}

std::string render_daemon(const Json& daemon, const RenderStyle& style) {
    std::string out;
    const auto& config = child(daemon, "config");
    const auto trouble = text(config, "state");
    if (!trouble.empty()) out += paint(trouble, "1;31", style) + "\n";
    std::uint64_t services = 0;
    for (const auto& entry : child(daemon, "services"))
        services += entry.is_number_unsigned() ? entry.get<std::uint64_t>() : 0;
    const auto most = number(daemon, "max_processes");
    out += fmt::format("superd {}, pid {} (guard {}), up {}, {}, {}, {}{}\n",
            text(daemon, "version"), text(daemon, "pid"), text(daemon, "guard_pid"),
            age_of(text(daemon, "since"), style), text(config, "path"),
            plural(services, "service"), plural(number(daemon, "processes"), "process"),
            most > 0 ? fmt::format(" of {}", most) : "");
    if (const auto starts = number(daemon, "starts"); starts > 1)
        out += fmt::format(
                "it has died and been started again {}\n", plural(starts - 1, "time"));
    return out;
}

std::string render_overview(const Json& services, const RenderStyle& style) {
    std::vector<Row> rows = {
            {"NAME", "STATE", "PID", "SINCE", "CONNECTIONS", "TOTAL", "SOCKETS", "DETAIL"}};
    for (const auto& service : services) {
        const auto processes = number(service, "process_count");
        auto pid = text(service, "pid");
        if (processes > 1) pid += fmt::format("+{}", processes - 1);
        rows.push_back({text(service, "name"), text(service, "state"), pid,
                age_of(text(service, "since"), style), connections_of(service),
                total_of(service), sockets_of(service), text(service, "detail")});
    }
    return render_table(rows, style, 1);
}

std::string render_service(const Json& service, const RenderStyle& style) {
    const auto state = text(service, "state"), about = text(service, "description");
    std::string out = fmt::format("{} {}{}{}\n", paint("●", colour_of(state), style),
            paint(text(service, "name"), "1", style), about.empty() ? "" : " - ", about);
    add_line(out, "State", state_line(service, style));
    add_line(out, "Mode", text(service, "mode") + start_of(service));
    add_line(out, "Defined at", text(service, "defined_at"));
    add_line(out, "Copy", copies_line(service));
    add_lines(out, "Sockets", listener_lines(service, style));
    for (const auto& announcement : child(service, "announcements"))
        add_line(out, text(announcement, "how"), text(announcement, "text"));
    if (takes_connections(service))
        add_line(out, "Connections",
                fmt::format("{} now, {} accepted", connections_of(service),
                        number(service, "accepted")));
    add_line(out, "Refused", refusals_of(service));
    add_line(out, is_relayed(service) ? "Relayed" : "Processes", counts_line(service));
    add_lines(out, "", process_lines(service, style));
    add_line(out, "Usage", usage_line(service));
    add_line(out, "Stored", stored_of(service));
    add_line(out, "Ahead", prestart_line(service));
    add_line(out, "Last exit", text(service, "last_exit"));
    add_line(out, "Last failure", paint(text(service, "last_failure"), "31", style));
    return out;
}

std::string render_sockets(const Json& services, const RenderStyle& style) {
    std::vector<Row> rows = {{"SERVICE", "ADDRESS", "STATE", "NAME", "DETAIL"}};
    for (const auto& service : services)
        for (const auto& listener : child(service, "listeners"))
            rows.push_back({text(service, "name"), shown_address(listener),
                    text(listener, "state"), text(listener, "name"), text(listener, "detail")});
    return render_table(rows, style, 2);
}

namespace {

// "Tue 2026-11-24 03:30:00", and how long until then; "-" where there is no time.
Row next_cells(const std::string& stamp, const RenderStyle& style) {
    const auto next = parse_time(stamp);
    if (!next) return {"-", "-"};
    return {format_moment(*next),
            approximate_duration(std::max(*next - style.now, Nanoseconds{0}))};
}

std::string or_dash(std::string text) {
    return text.empty() ? "-" : text;
}

}  // namespace

std::string render_timers(const Json& services, const RenderStyle& style) {
    std::vector<Row> rows = {
            {"SERVICE", "NEXT", "LEFT", "LAST", "RESULT", "RUNS", "SKIPPED", "SCHEDULE"}};
    for (const auto& service : services) {
        const auto& timer = child(service, "timer");
        if (!timer.is_object()) continue;
        const Row next = next_cells(text(timer, "next"), style);
        const auto last = text(timer, "last");
        rows.push_back({text(service, "name"), next[0], next[1],
                last.empty() ? "-" : age_of(last, style) + " ago",
                or_dash(text(timer, "result")), text(timer, "runs"), text(timer, "skipped"),
                text(timer, "schedule")});
    }
    return rows.size() == 1 ? "nothing runs by the clock\n" : render_table(rows, style);
}

namespace {

std::string holder_of(const Json& process) {
    const std::string kind = text(process, "kind");
    return kind == "held" || kind == "relayed" ? kind : text(process, "pid");
}

// "alice@198.51.100.7:51544" where an ident server has said so much.
std::string peer_text(const Json& process) {
    const std::string user = text(process, "user"), peer = text(process, "peer");
    return user.empty() ? peer : user + '@' + peer;
}

}  // namespace

std::string render_connections(const std::vector<Json>& services, const RenderStyle& style) {
    std::vector<Row> rows = {{"CONNECTION", "SERVICE", "PID", "SINCE", "FROM", "TO", "TLS"}};
    for (const auto& service : services)
        for (const auto& process : child(service, "processes"))
            if (process.contains("connection"))
                rows.push_back({text(process, "connection"), text(service, "name"),
                        holder_of(process), age_of(text(process, "since"), style),
                        peer_text(process), text(process, "local"), text(process, "tls")});
    return render_table(rows, style);
}

std::string render_reload(const Json& reload, bool dry_run) {
    std::string out;
    const auto& changes = child(reload, "changes");
    for (const auto& change : changes)
        out += change_line(change);
    if (number(reload, "code") != 0) return out;
    if (changes.empty()) return "nothing changes\n";
    return out + (dry_run ? "apply with superctl reload-config\n" : "");
}

std::string render_denials(const nlohmann::ordered_json& denied) {
    if (denied.empty()) return "nobody is denied\n";
    std::vector<Row> rows = {{"ADDRESS", "SINCE", "UNTIL", "BY", "REASON"}};
    const auto cell = [](const Json& entry, const char* key) {
        return text(entry, key);
    };
    for (const Json entry : denied) {
        const std::string until = cell(entry, "until");
        rows.push_back({cell(entry, "source"), cell(entry, "since"),
                until.empty() ? "for good" : until, cell(entry, "by"), cell(entry, "reason")});
    }
    return render_table(rows, {});
}

std::string render_explanation(const Json& explanation) {
    const bool admitted = flag(explanation, "admitted");
    std::string out = fmt::format("{} from {}: {}\n", text(explanation, "service"),
            text(explanation, "from"),
            admitted ? "let in" : "refused, " + text(explanation, "reason"));
    const auto sentence = text(explanation, "text"), rule = text(explanation, "rule");
    if (!sentence.empty()) out += sentence + "\n";
    if (!rule.empty()) out += fmt::format("decided at {}\n", rule);
    return out;
}

std::string render_plan(const Ordered& plan, bool effective) {
    std::string out;
    const auto found = plan.find("mode");
    const std::string mode =
            found != plan.end() && found->is_string() ? found->get<std::string>() : "";
    for (const auto& [key, value] : plan.items())
        if (key != "skipped" && key != "version" &&
                (effective || (!is_origin(key) && is_for_mode(key, mode))))
            render_value(out, key, value, effective);
    const auto skipped = plan.find("skipped");
    if (!effective || skipped == plan.end()) return out;
    for (const auto& option : *skipped) {
        const Json plain = option;
        out += fmt::format("# {} is inherited and left out: {}\n", text(plain, "key"),
                text(plain, "reason"));
    }
    return out;
}

}  // namespace superd
