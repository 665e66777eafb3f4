// SPDX-License-Identifier: MIT
// NetBSD's key-value definitions: "NAME on key = value value, key = value;".
#include <array>

#include "base/text.h"
#include "config/import_inetd.h"

namespace superd {

namespace {

std::string shown(std::string_view word) {
    return "\"" + escape(word) + "\"";
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Reads one block. A mistake in a key spoils the definition but not the file; one in the
// syntax, and the end of the file, end the reading of the file as they do in inetd.
class Block {
public:
    Block(InetdEntry& entry, InetdText& text, const InetdRules& rules)
            : entry_(entry), text_(text), rules_(rules) {}

    InetdMistake parse(bool& fatal) {
        while (!done_ && !fatal_)
            take_key();
        fatal = fatal_;
        if (!mistake_) infer();
        return mistake_;
    }

private:
    using Values = std::vector<std::string>;

    void wrong(std::string message) {
        if (!mistake_) mistake_ = std::move(message);
    }

    void broken(std::string message) {
        wrong(std::move(message));
        fatal_ = true;
    }

    bool more() {
        if (text_.skip_space()) return true;
        broken("the definition does not end before the file does");
        return false;
    }

    void take_key() {
        if (!more()) return;
        if (text_.rest().front() == ';') return finish();
        std::string key;
        while (!text_.rest().empty() && is_key_character(text_.rest().front())) {
            key += text_.rest().front();
            text_.skip(1);
        }
        if (!more()) return;
        if (text_.rest().front() != '=')
            return broken("'=' is missing behind " + shown(key) + ", before " +
                          shown(text_.rest().substr(0, 20)));
        text_.skip(1);
        Values values;
        if (take_values(values)) apply(key, values);
    }

    static bool is_key_character(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    }

    void finish() {
        text_.skip(1);
        done_ = true;
    }

    bool take_values(Values& values) {
        for (;;) {
            if (!more()) return false;
            const char c = text_.rest().front();
            if (c == ';') return finish(), true;
            if (c == ',') return text_.skip(1), true;
            auto value = take_value();
            if (!value) return false;
            values.push_back(std::move(*value));
        }
    }

    std::optional<std::string> take_value() {
        std::string value;
        while (!text_.rest().empty()) {
            const char c = text_.rest().front();
            if (std::string_view(" \t#,;").find(c) != std::string_view::npos) break;
            text_.skip(1);
            if (c != '"' && c != '\'')
                value += c;
            else if (!take_quoted(c, value))
                return std::nullopt;
        }
        return value;
    }

    bool take_quoted(char quote, std::string& value) {
        while (!text_.rest().empty()) {
            const char c = text_.rest().front();
            text_.skip(1);
            if (c == quote) return true;
            if (c != '\\')
                value += c;
            else if (!take_escape(value))
                return false;
        }
        broken("a quote is not closed on its line");
        return false;
    }

    bool take_escape(std::string& value) {
        const std::string_view rest = text_.rest();
        const char c = rest.empty() ? '\0' : rest.front();
        constexpr std::string_view letters = "\\ntr'\"", meant = "\\\n\t\r'\"";
        if (const auto at = letters.find(c); c != '\0' && at != std::string_view::npos) {
            value += meant[at];
            text_.skip(1);
            return true;
        }
        const int high = c == 'x' && rest.size() > 2 ? hex_digit(rest[1]) : -1;
        const int low = high >= 0 ? hex_digit(rest[2]) : -1;
        if (low < 0)
            return broken("there is no escape " + shown("\\" + std::string(1, c))), false;
        value += static_cast<char>(high * 16 + low);
        text_.skip(3);
        return true;
    }

    // ---- what the keys mean

    void apply(const std::string& key, const Values& values) {
        if (key == "args") return take_args(values);
        if (key == "acceptfilter") return take_filter(values);
        if (values.size() != 1)
            return wrong(shown(key) + " takes one value, not " + std::to_string(values.size()));
        const std::string& value = values.front();
        if (key == "bind")
            entry_.hosts = value;
        else if (key == "socktype")
            keep(parse_inetd_socket_type(entry_, value, rules_));
        else if (key == "protocol")
            keep(parse_inetd_protocol(entry_, value, rules_));
        else if (key == "wait")
            take_wait(value);
        else if (key == "exec")
            entry_.server = value;
        else if (key == "ipsec")
            entry_.policy = value;
        else if (!take_identity(key, value) && !take_number(key, value))
            wrong(shown(key) + " is not a key of inetd");
    }

    void keep(InetdMistake mistake) {
        if (mistake) wrong(std::move(*mistake));
    }

    void take_args(const Values& values) { entry_.args = values; }

    void take_filter(const Values& values) {
        if (values.empty() || values.size() > 2)
            return wrong("acceptfilter takes a name and at most one argument");
        entry_.accept_filter = values.front();
    }

    void take_wait(std::string_view value) {
        if (value != "yes" && value != "no")
            return wrong("wait is yes or no, not " + shown(value));
        entry_.wait = value == "yes";
        wait_known_ = true;
    }

    bool take_identity(std::string_view key, const std::string& value) {
        if (key == "user")
            entry_.user = value;
        else if (key == "group")
            entry_.group = value;
        else
            return false;
        return true;
    }

    bool take_number(std::string_view key, std::string_view value) {
        if (key == "sndbuf" || key == "recvbuf") {
            const auto size = parse_inetd_size(value);
            if (!size) return wrong(shown(value) + " is not a size"), true;
            (key == "sndbuf" ? entry_.send_buffer : entry_.receive_buffer) = *size;
            return true;
        }
        std::optional<std::uint32_t>* into = key == "service_max"  ? &entry_.per_minute
                                             : key == "ip_max"     ? &entry_.source_per_minute
                                             : key == "accept_max" ? &entry_.most
                                                                   : nullptr;
        if (into == nullptr) return false;
        const auto number = parse_decimal(value);
        if (!number || *number > 0x7fffffff)
            return wrong(shown(value) + " is not a number for " + std::string(key)), true;
        *into = static_cast<std::uint32_t>(*number);
        if (*number == 0)
            entry_.disabled.push_back(std::string(key) + " = 0: inetd let nobody in");
        return true;
    }

    void infer() {
        if (entry_.socket_type.empty()) {
            if (entry_.protocol.starts_with("udp")) entry_.socket_type = "dgram";
            if (entry_.protocol.starts_with("tcp")) entry_.socket_type = "stream";
        }
        if (entry_.server.empty()) entry_.server = "internal";
        if (entry_.internal()) wait_known_ = true;
        const std::array<std::pair<std::string_view, bool>, 4> needed{
                {{"protocol", entry_.protocol.empty()},
                        {"socktype", entry_.socket_type.empty()}, {"wait", !wait_known_},
                        {"user", entry_.user.empty()}}};
        for (const auto& [key, missing] : needed)
            if (missing) return wrong(std::string(key) + " is missing");
        mistake_ = check_inetd_entry(entry_);
    }

    InetdEntry& entry_;
    InetdText& text_;
    const InetdRules& rules_;
    InetdMistake mistake_;
    bool fatal_ = false, done_ = false, wait_known_ = false;
};

}  // namespace

InetdMistake parse_inetd_block(
        InetdEntry& entry, InetdText& text, const InetdRules& rules, bool& fatal) {
    return Block(entry, text, rules).parse(fatal);
}

}  // namespace superd
