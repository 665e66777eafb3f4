// SPDX-License-Identifier: MIT
// health = { tcp = "127.0.0.1:80", every = "5s" }: how a service is asked whether it serves.
#include <array>
#include <string>

#include "base/text.h"
#include "config/address_spec.h"
#include "config/values.h"

namespace superd {

namespace {

constexpr std::string_view form =
        R"(write { tcp = "127.0.0.1:80", every = "10s", timeout = "5s", failures = 3 })";
constexpr std::size_t longest_target = 1024;

bool is_kind(std::string_view key) {
    return key == "exec" || key == "tcp" || key == "http" || key == "unix";
}

// What a request line can stand.
bool is_target(std::string_view text) {
    if (text.size() > longest_target || !text.starts_with('/')) return false;
    for (const char c : text)
        if (c <= ' ' || c > '~' || c == '#') return false;
    return true;
}

// "127.0.0.1:80" of a URL, whose port may be left out.
std::string with_port(std::string_view authority) {
    const std::string_view host =
            authority.starts_with("localhost") ? authority.substr(9) : authority;
    const std::string number =
            (host.size() != authority.size() ? "127.0.0.1" : "") + std::string(host);
    const std::size_t end = number.rfind(']');
    const std::size_t colon = number.rfind(':');
    const bool has_port =
            colon != std::string::npos && (end == std::string::npos || colon > end);
    return has_port ? number : number + ":80";
}

class HealthReader {
public:
    HealthReader(Values& values, Report& report) : values_(values), report_(report) {}

    std::optional<HealthPlan> read(const Node& node) {
        const auto* table = std::get_if<TableValue>(&node.value);
        if (table == nullptr) {
            report_.error(node.at, "health is a table", std::string(form));
            return std::nullopt;
        }
        bool good = true;
        for (const Member& member : table->members)
            good = take(member) && good;
        if (good && plan_.kind == HealthKind::none) {
            report_.error(node.at, "health asks nothing: it has no exec, tcp, http or unix",
                    std::string(form));
            return std::nullopt;
        }
        if (good && plan_.timeout > plan_.every) {
            report_.error(node.at, "health.timeout is longer than health.every",
                    "a check has to be over before the next one");
            return std::nullopt;
        }
        if (!good) return std::nullopt;
        return plan_;
    }

private:
    bool take(const Member& member) {
        const Node& value = *member.value;
        if (is_kind(member.key)) return take_kind(member);
        if (member.key == "every") return take_time(value, member.key, plan_.every, 100);
        if (member.key == "timeout") return take_time(value, member.key, plan_.timeout, 10);
        if (member.key == "start_delay")
            return take_time(value, member.key, plan_.start_delay, 0);
        if (member.key == "failures") return take_count(value, member.key, plan_.failures);
        if (member.key == "successes") return take_count(value, member.key, plan_.successes);
        if (member.key == "action") return take_action(value);
        report_.error(member.at, "health has no \"" + member.key + '"', std::string(form));
        return false;
    }

    bool take_time(const Node& node, const std::string& key, Nanoseconds& into,
            std::int64_t least_ms) {
        const auto time = values_.duration(node, "health." + key);
        if (!time) return false;
        const bool fits =
                *time >= std::chrono::milliseconds(least_ms) && *time <= std::chrono::hours(24);
        if (!fits)
            report_.error(node.at, "health." + key + " is out of range",
                    "it goes from " + std::to_string(least_ms) + "ms to 24h");
        into = *time;
        return fits;
    }

    bool take_count(const Node& node, const std::string& key, std::uint32_t& into) {
        const auto* number = std::get_if<IntegerValue>(&node.value);
        const bool fits = number != nullptr && number->value >= 1 && number->value <= 1000;
        if (fits)
            into = static_cast<std::uint32_t>(number->value);
        else
            report_.error(node.at, "health." + key + " is a number from 1 to 1000",
                    std::string(form));
        return fits;
    }

    bool take_action(const Node& node) {
        const std::string* text = values_.text(node, "health.action");
        if (text == nullptr) return false;
        if (*text == "restart" || *text == "take-out") {
            plan_.action = *text == "restart" ? HealthAction::restart : HealthAction::take_out;
            return true;
        }
        report_.error(node.at, '"' + *text + "\" is no action of a health check",
                R"(write "restart" or "take-out")");
        return false;
    }

    bool take_kind(const Member& member) {
        if (plan_.kind != HealthKind::none) {
            report_.error(member.at, "health is of one kind: exec, tcp, http or unix",
                    "leave one of them out");
            return false;
        }
        const Node& value = *member.value;
        if (member.key == "exec") {
            auto command = values_.command(value);
            if (!command) return false;
            plan_.kind = HealthKind::exec;
            plan_.command = std::move(*command);
            return true;
        }
        const std::string* text = values_.text(value, "health." + member.key);
        if (text == nullptr) return false;
        if (member.key == "http") return take_url(value, *text);
        plan_.kind = member.key == "tcp" ? HealthKind::tcp : HealthKind::local;
        return take_address(value, member.key + ':' + *text);
    }

    bool take_address(const Node& node, const std::string& text) {
        const auto address = parse_address(text);
        const bool whole =
                address && (address->kind == ListenerKind::unix_stream ||
                                   (address->kind == ListenerKind::tcp && address->port != 0));
        if (whole) {
            plan_.address = address->text();
            return true;
        }
        report_.error(node.at,
                address ? text + " cannot be connected to" : address.error().message,
                R"(write tcp = "127.0.0.1:80" or unix = "/run/x.sock")");
        return false;
    }

    bool take_url(const Node& node, const std::string& url) {
        constexpr std::string_view scheme = "http://";
        const std::string_view rest =
                url.starts_with(scheme) ? std::string_view(url).substr(scheme.size()) : "";
        const std::size_t slash = rest.find('/');
        plan_.kind = HealthKind::http;
        plan_.host = rest.substr(0, slash);
        plan_.target = slash == std::string_view::npos ? "/" : rest.substr(slash);
        if (plan_.host.empty() || plan_.host.size() > 256 || !is_target(plan_.target)) {
            report_.error(node.at, '"' + url + "\" is no address that can be asked over HTTP",
                    R"(write http = "http://127.0.0.1:8080/health")");
            return false;
        }
        return take_address(node, "tcp:" + with_port(plan_.host));
    }

    Values& values_;
    Report& report_;
    HealthPlan plan_;
};

}  // namespace

std::optional<HealthPlan> Values::health(const Node& node) {
    return HealthReader(*this, report_).read(node);
}

}  // namespace superd
