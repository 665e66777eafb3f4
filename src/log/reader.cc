// SPDX-License-Identifier: MIT
// The client of superd-log, and the forms that both sides of its socket share.
#include "log/reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "log/json.h"

namespace superd {

namespace {

// A line of text has at most 8 KiB, each byte at most six in JSON, and the other members.
constexpr std::size_t answer_limit = 64 * 1024;

// Walks over {"key":value,…}; take(key) reads the value and says whether it was right.
template <class Take>
bool parse_object(std::string_view text, Take take) {
    JsonScanner in(text);
    if (!in.take('{')) return false;
    if (in.take('}')) return in.at_end();
    for (;;) {
        const auto key = in.string();
        if (!key || !in.take(':') || !take(in, *key)) return false;
        if (in.take('}')) return in.at_end();
        if (!in.take(',')) return false;
    }
}

bool take_string(JsonScanner& in, std::string& out) {
    auto text = in.string();
    if (text) out = std::move(*text);
    return text.has_value();
}

bool take_bool(JsonScanner& in, bool& out) {
    const auto value = in.boolean();
    out = value.value_or(false);
    return value.has_value();
}

template <class Number>
bool take_number(JsonScanner& in, Number& out) {
    const auto value = in.number();
    if (!value || !std::in_range<Number>(*value)) return false;
    out = static_cast<Number>(*value);
    return true;
}

bool take_names(JsonScanner& in, std::vector<std::string>& out) {
    out.clear();
    if (!in.take('[')) return false;
    if (in.take(']')) return true;
    do {
        auto name = in.string();
        if (!name) return false;
        out.push_back(std::move(*name));
    } while (in.take(','));
    return in.take(']');
}

Result<void> send_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail("send", "superd-log");
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

}  // namespace

std::string format_query(const LogQuery& query) {
    std::string out = "{\"services\":[";
    for (const std::string& service : query.services) {
        if (&service != query.services.data()) out += ',';
        append_json_string(out, service);
    }
    out += ']';
    append_json_member(out, "lines", query.lines);
    out += query.follow ? ",\"follow\":true}" : ",\"follow\":false}";
    return out;
}

std::optional<LogQuery> parse_query(std::string_view line) {
    LogQuery query;
    const bool good = parse_object(line, [&](JsonScanner& in, const std::string& key) {
        if (key == "services") return take_names(in, query.services);
        if (key == "lines") return take_number(in, query.lines);
        if (key == "follow") return take_bool(in, query.follow);
        return false;
    });
    return good ? std::optional(std::move(query)) : std::nullopt;
}

void format_line(std::string& out, const LogLine& line) {
    if (line.lost > 0) {
        out += "{\"lost\":" + std::to_string(line.lost) + '}';
        return;
    }
    out += "{\"time\":";
    append_json_string(out, line.time);
    append_json_member(out, "service", line.service);
    append_json_member(out, "pid", line.pid);
    append_json_member(out, "text", line.text);
    if (line.continued) out += ",\"continued\":true";
    out += '}';
}

std::optional<LogLine> parse_line(std::string_view text) {
    LogLine line;
    const bool good = parse_object(text, [&](JsonScanner& in, const std::string& key) {
        if (key == "time") return take_string(in, line.time);
        if (key == "service") return take_string(in, line.service);
        if (key == "pid") return take_number(in, line.pid);
        if (key == "text") return take_string(in, line.text);
        if (key == "continued") return take_bool(in, line.continued);
        if (key == "lost") return take_number(in, line.lost);
        return false;
    });
    return good ? std::optional(std::move(line)) : std::nullopt;
}

namespace {

// Of a line whose backslashes stand for themselves, because it was escaped before.
std::string escape_again(std::string_view text) {
    std::string out;
    for (const std::string_view part : split(text, '\\'))
        out += (part.data() == text.data() ? "" : "\\") + escape(part);
    return out;
}

}  // namespace

// superd's own lines name the service in their text, and are escaped already where they were
// written. A line that was cut ends in a backslash; one that was printed is doubled by
// escape().
void format_line_text(std::string& out, const LogLine& line) {
    if (line.lost > 0) {
        out += "(" + std::to_string(line.lost) + " lines left out: read too slowly)";
        return;
    }
    out += line.time;
    out += ' ';
    if (line.pid > 0) out += line.service + '[' + std::to_string(line.pid) + "]: ";
    if (line.pid < 0) out += line.service + ": ";  // nobody knows who has written it
    out += line.pid != 0 ? escape(line.text) : escape_again(line.text);
    if (line.continued) out += '\\';
}

Result<LogReader> LogReader::open(const std::string& path, const LogQuery& query) {
    sockaddr_un address{};
    if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "connect", path);
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail("socket", path);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0)
        return fail("connect", path);
    return open(std::move(socket), query);
}

Result<LogReader> LogReader::open(Fd socket, const LogQuery& query) {
    const auto sent = send_all(socket.get(), format_query(query) + '\n');
    // superd-log may have refused and closed before it read: the answer still waits.
    if (!sent && sent.error().code != EPIPE) return tl::unexpected(sent.error());
    return LogReader(std::move(socket));
}

Result<std::optional<LogLine>> LogReader::next() {
    for (;;) {
        const std::size_t end = buffer_.find('\n', start_);
        if (end != std::string::npos) {
            const std::string_view text =
                    std::string_view(buffer_).substr(start_, end - start_);
            start_ = end + 1;
            if (text.starts_with("{\"error\":")) return fail(EACCES, "read", "logs");
            auto line = parse_line(text);
            if (!line) return fail(EBADMSG, "read", "logs");
            return line;
        }
        buffer_.erase(0, std::exchange(start_, 0));
        if (buffer_.size() > answer_limit) return fail(EBADMSG, "read", "logs");
        char chunk[16 * 1024];
        const ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, 0);
        if (n < 0 && errno != ECONNRESET) return fail("recv", "superd-log");
        if (n <= 0) return std::optional<LogLine>();
        buffer_.append(chunk, static_cast<std::size_t>(n));
    }
}

}  // namespace superd
