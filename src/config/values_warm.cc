// SPDX-License-Identifier: MIT
// Handlers that are started ahead: the value of prestart.
#include "config/values.h"

namespace superd {

namespace {

constexpr std::string_view prestart_form = R"(write 4 or { count = 4, max_age = "10m" })";
constexpr Option age{.key = "prestart.max_age",
        .type = ValueType::time_bound,
        .low = 10,
        .high = 86'400'000LL * 30};

}  // namespace

std::optional<PrestartPlan> Values::prestart(const Node& node, const Option& option) {
    PrestartPlan plan;
    const auto* table = std::get_if<TableValue>(&node.value);
    if (table == nullptr) {
        const auto count = integer(node, option);
        if (!count) return std::nullopt;
        plan.count = static_cast<std::uint32_t>(*count);
        return plan;
    }
    if (table->find("count") == nullptr) {
        report_.error(node.at, "prestart has no count", std::string(prestart_form));
        return std::nullopt;
    }
    for (const Member& member : table->members) {
        if (member.key == "count") {
            const auto count = integer(*member.value, option);
            if (!count) return std::nullopt;
            plan.count = static_cast<std::uint32_t>(*count);
        } else if (member.key == "max_age") {
            const auto longest = time_bound(*member.value, age);
            if (!longest) return std::nullopt;
            plan.max_age = *longest;
        } else {
            report_.error(member.at, "prestart has no " + quoted(member.key),
                    std::string(prestart_form));
            return std::nullopt;
        }
    }
    return plan;
}

}  // namespace superd
