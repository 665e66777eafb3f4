// SPDX-License-Identifier: MIT
// The forms of a line, and of what stands before it.
//
// Two lines are made for each connection: whatever is safe as it stands is appended directly,
// and only what has to be escaped takes a way that allocates.
#include "log/line_forms.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

#include <arpa/inet.h>

#include "base/result.h"
#include "base/text.h"
#include "log/json.h"

namespace superd {

namespace {

template <class Number>
void append_number(std::string& out, Number number, int base = 10) {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number, base).ptr);
}

void append_padded(std::string& out, unsigned number, unsigned width) {
    char digits[10];
    for (unsigned i = width; i > 0; number /= 10)
        digits[--i] = static_cast<char>('0' + number % 10);
    out.append(digits, width);
}

bool needs_no_escape(char c) {
    return c >= 0x20 && c < 0x7f && c != '\\';
}

void append_escaped(std::string& out, std::string_view text) {
    if (std::all_of(text.begin(), text.end(), needs_no_escape))
        out += text;
    else
        out += escape(text);
}

bool needs_no_quotes(char c) {
    return needs_no_escape(c) && c != ' ' && c != '=' && c != '"';
}

void append_value(std::string& out, std::string_view text) {
    if (!text.empty() && std::all_of(text.begin(), text.end(), needs_no_quotes))
        out += text;
    else
        out += quote_value(text);
}

void append_endpoint(std::string& out, const Endpoint& endpoint) {
    if (endpoint.family != Family::ip || endpoint.scope != 0) {
        out += endpoint.text();
        return;
    }
    if (endpoint.ip.is_v4()) {
        for (std::size_t i = 12; i < 16; ++i) {
            if (i > 12) out += '.';
            append_number(out, unsigned{endpoint.ip.bytes[i]});
        }
    } else {
        char text[INET6_ADDRSTRLEN] = "";
        ::inet_ntop(AF_INET6, endpoint.ip.bytes.data(), text, sizeof text);
        out += '[';
        out += text;
        out += ']';
    }
    out += ':';
    append_number(out, endpoint.port);
}

}  // namespace

// ---- key=value

void TextLine::service(std::string_view name) {
    out_ += ' ';
    append_escaped(out_, name.empty() ? std::string_view("superd") : name);
}

void TextLine::event(std::string_view name, Level) {
    out_ += ' ';
    out_ += name;
}

void TextLine::value(std::string_view key, std::string_view text) {
    if (text.empty()) return;
    begin(key);
    append_value(out_, text);
}

void TextLine::connection(std::uint64_t number) {
    if (number == 0) return;
    begin("conn");
    append_number(out_, number, 16);
}

void TextLine::number(std::string_view key, std::int64_t number) {
    begin(key);
    append_number(out_, number);
}

void TextLine::endpoint(std::string_view key, const Endpoint& endpoint) {
    if (endpoint.family == Family::none) return;
    begin(key);
    append_endpoint(out_, endpoint);
}

void TextLine::duration(Nanoseconds duration) {
    begin("duration");
    const auto ms = std::max<std::int64_t>(duration.count() / 1'000'000, 0);
    append_number(out_, ms / 1000);
    out_ += '.';
    append_padded(out_, static_cast<unsigned>(ms % 1000), 3);
    out_ += 's';
}

void TextLine::failure(const FailEvent& event) {
    out_ += ' ';
    append_escaped(out_, event.stage);
    if (!event.subject.empty()) {
        out_ += ' ';
        append_escaped(out_, event.subject);
    }
    separated(event.error != 0 ? ::strerrordesc_np(event.error) : nullptr, event.error);
    if (event.detail.empty()) return;
    out_ += event.error != 0 ? " (" : ": ";
    append_escaped(out_, event.detail);
    if (event.error != 0) out_ += ')';
}

void TextLine::notice(const NoticeEvent& event) {
    switch (event.level) {
        case Level::warning: out_ += " WARNING"; break;
        case Level::error: out_ += " ERROR"; break;
        case Level::critical: out_ += " CRIT"; break;
        default: break;
    }
    out_ += ' ';
    append_escaped(out_, event.text);
}

void TextLine::end() {}

void TextLine::begin(std::string_view key) {
    out_ += ' ';
    out_ += key;
    out_ += '=';
}

void TextLine::separated(const char* description, int error) {
    if (error == 0) return;
    out_ += ": ";
    if (description != nullptr) {
        out_ += description;
    } else {
        out_ += "error ";
        append_number(out_, error);
    }
}

// ---- JSON

JsonLine::JsonLine(std::string& out, Wall time) : out_(out) {
    out_ += "{\"time\":\"";
    append_time(out_, time);
    out_ += '"';
}

void JsonLine::service(std::string_view name) {
    if (!name.empty()) value("service", name);
}

void JsonLine::event(std::string_view name, Level level) {
    value("event", name);
    value("level", level_name(level));
}

void JsonLine::value(std::string_view key, std::string_view text) {
    if (!text.empty()) append_json_member(out_, key, text);
}

void JsonLine::connection(std::uint64_t number) {
    if (number == 0) return;
    out_ += ",\"conn\":\"";
    append_number(out_, number, 16);
    out_ += '"';
}

void JsonLine::number(std::string_view key, std::int64_t number) {
    append_json_member(out_, key, number);
}

void JsonLine::endpoint(std::string_view key, const Endpoint& endpoint) {
    if (endpoint.family == Family::none) return;
    out_ += ",\"";
    out_ += key;
    out_ += "\":\"";
    append_endpoint(out_, endpoint);
    out_ += '"';
}

void JsonLine::duration(Nanoseconds duration) {
    const auto ms = std::max<std::int64_t>(duration.count() / 1'000'000, 0);
    out_ += ",\"duration\":";
    append_number(out_, ms / 1000);
    out_ += '.';
    append_padded(out_, static_cast<unsigned>(ms % 1000), 3);
}

void JsonLine::failure(const FailEvent& event) {
    value("stage", event.stage);
    value("subject", event.subject);
    if (event.error != 0) {
        number("errno", event.error);
        value("error", errno_text(event.error));
    }
    value("detail", event.detail);
}

void JsonLine::notice(const NoticeEvent& event) {
    this->event("NOTICE", event.level);
    value("text", event.text);
}

void JsonLine::end() {
    out_ += '}';
}

// ---- what every line has

// The part down to the second changes once a second and is kept; it is each thread's own, so
// that nobody has to say which thread may format.
void append_time(std::string& out, Wall time) {
    thread_local std::int64_t cached_second = -1;
    thread_local char cached[20] = "";  // "2026-11-23T01:48:02."
    const auto ns = time.time_since_epoch().count();
    const std::int64_t second = ns >= 0 ? ns / 1'000'000'000 : 0;
    if (second != cached_second) {
        std::tm parts{};
        const auto seconds = static_cast<std::time_t>(second);
        ::gmtime_r(&seconds, &parts);
        char text[32] = "";
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts);
        std::memcpy(cached, text, sizeof cached);
        cached_second = second;
    }
    out.append(cached, sizeof cached);
    append_padded(out, static_cast<unsigned>(ns >= 0 ? ns / 1'000'000 % 1000 : 0), 3);
    out += 'Z';
}

void append_head(std::string& out, const Event& event) {
    out += '<';
    append_number(out, syslog_priority(level_of(event)));
    out += '>';
    append_escaped(out, service_of(event));
    out += ' ';
}

Head parse_head(std::string_view line) {
    const bool proper = line.size() > 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' &&
                        line[2] == '>';
    const std::size_t blank = line.find(' ', 3);
    if (!proper || blank == std::string_view::npos) return {};
    return {line[1] - '0', line.substr(3, blank - 3), blank + 1};
}

}  // namespace superd
