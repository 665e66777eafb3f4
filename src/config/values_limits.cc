// SPDX-License-Identifier: MIT
// Resource limits: their names, their units and their two values.
#include <array>
#include <limits>

#include <sys/resource.h>

#include "base/text.h"
#include "base/units.h"
#include "config/values.h"

namespace superd {

namespace {

struct Limit {
    std::string_view name;
    int resource;
    char form;
};

constexpr std::array limits{Limit{"as", RLIMIT_AS, 's'}, Limit{"core", RLIMIT_CORE, 's'},
        Limit{"cpu", RLIMIT_CPU, 'd'}, Limit{"data", RLIMIT_DATA, 's'},
        Limit{"fsize", RLIMIT_FSIZE, 's'}, Limit{"locks", RLIMIT_LOCKS, 'n'},
        Limit{"memlock", RLIMIT_MEMLOCK, 's'}, Limit{"msgqueue", RLIMIT_MSGQUEUE, 's'},
        Limit{"nice", RLIMIT_NICE, 'n'}, Limit{"nofile", RLIMIT_NOFILE, 'n'},
        Limit{"nproc", RLIMIT_NPROC, 'n'}, Limit{"rss", RLIMIT_RSS, 's'},
        Limit{"rtprio", RLIMIT_RTPRIO, 'n'}, Limit{"rttime", RLIMIT_RTTIME, 'u'},
        Limit{"sigpending", RLIMIT_SIGPENDING, 'n'}, Limit{"stack", RLIMIT_STACK, 's'}};

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

std::string_view limit_hint(char form) {
    if (form == 'd' || form == 'u') return R"(write "5m", "5m:10m" or "unlimited")";
    if (form == 's') return R"(write "512M", "256M:512M" or "unlimited")";
    return R"(write a number, "256:1024" or "unlimited")";
}

}  // namespace

int rlimit_by_name(std::string_view name) {
    for (const Limit& limit : limits)
        if (limit.name == name) return limit.resource;
    return -1;
}

std::string_view rlimit_name(int resource) {
    for (const Limit& limit : limits)
        if (limit.resource == resource) return limit.name;
    return {};
}

char rlimit_form(int resource) {
    for (const Limit& limit : limits)
        if (limit.resource == resource) return limit.form;
    return 'n';
}

std::optional<std::uint64_t> Values::limit_value(
        std::string_view text, char form, std::string& why) const {
    if (text == "unlimited") return no_limit;
    if (form == 'n') {
        const auto number = parse_decimal(text);
        if (!number) why = quoted(text) + " is not a number";
        return number;
    }
    if (form == 's') {
        const auto bytes = parse_size(text);
        if (!bytes) why = bytes.error();
        return bytes ? std::optional(*bytes) : std::nullopt;
    }
    const auto time = parse_duration(text);
    if (!time) return why = time.error(), std::nullopt;
    if (form == 'd')
        return static_cast<std::uint64_t>(
                std::chrono::ceil<std::chrono::seconds>(*time).count());
    return static_cast<std::uint64_t>(
            std::chrono::ceil<std::chrono::microseconds>(*time).count());
}

std::optional<RlimitPlan> Values::rlimit(
        const std::string& name, const Place& at, const Node& node) {
    const int resource = rlimit_by_name(name);
    if (resource < 0) {
        std::vector<std::string_view> names;
        for (const Limit& limit : limits)
            names.push_back(limit.name);
        const std::string_view near = nearest(name, names);
        report_.error(at, quoted(name) + " is not a resource limit",
                near.empty() ? "they are as core cpu data fsize locks memlock msgqueue nice "
                               "nofile nproc rss rtprio rttime sigpending stack"
                             : "did you mean " + quoted(near) + "?");
        return std::nullopt;
    }
    const char form = rlimit_form(resource);
    RlimitPlan plan{static_cast<std::uint8_t>(resource), 0, 0};
    if (const auto* number = std::get_if<IntegerValue>(&node.value)) {
        if (form == 'd' || form == 'u') {
            static_cast<void>(duration(node, "rlimits." + name));  // says which unit is missing
            return std::nullopt;
        }
        if (number->value < 0)
            return report_.error(node.at, "rlimits." + name + " is negative",
                           R"(write "unlimited" for no limit)"),
                   std::nullopt;
        plan.soft = plan.hard = static_cast<std::uint64_t>(number->value);
        return plan;
    }
    const std::string* text = this->text(node, "rlimits." + name);
    if (text == nullptr) return std::nullopt;
    const auto colon = text->find(':');
    std::string why;
    const auto soft = limit_value(std::string_view(*text).substr(0, colon), form, why);
    const auto hard =
            colon == std::string::npos
                    ? soft
                    : limit_value(std::string_view(*text).substr(colon + 1), form, why);
    if (!soft || !hard)
        return report_.error(node.at, why, std::string(limit_hint(form))), std::nullopt;
    if (*soft > *hard)
        return report_.error(node.at, "the soft limit of " + name + " is above the hard one",
                       "write \"SOFT:HARD\""),
               std::nullopt;
    plan.soft = *soft;
    plan.hard = *hard;
    return plan;
}

}  // namespace superd
