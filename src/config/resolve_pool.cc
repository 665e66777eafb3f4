// SPDX-License-Identifier: MIT
// How many workers there are, and how one generation of a service follows another.
#include <algorithm>

#include "base/text.h"
#include "config/resolve.h"

namespace superd {

namespace {

constexpr Nanoseconds least_after = std::chrono::milliseconds(1);
constexpr Nanoseconds longest_after = std::chrono::minutes(1);

class PoolResolver {
public:
    PoolResolver(ResolveContext& context, const ServiceInput& input, ServicePlan& plan)
            : context_(context), layers_(input.layers), plan_(plan) {}

    void resolve() {
        if (plan_.mode == Mode::worker) take_workers();
        take_overlap();
        if (plan_.mode == Mode::worker) take_starters();
    }

private:
    void take_workers() {
        const Written* written = layers_.last("workers");
        if (written == nullptr) return;
        const Node& node = *written->node;
        const auto* table = std::get_if<TableValue>(&node.value);
        if (table == nullptr) {
            plan_.workers = count(node, *written->option).value_or(1);
            return;
        }
        for (const Member& member : table->members)
            take_part(member, *written->option);
        if (table->find("max") == nullptr)
            context_.report.error(node.at, "workers needs max",
                    "write workers = { min = 2, max = 8 }, or a number");
        else if (plan_.pool.most < plan_.workers)
            context_.report.error(node.at,
                    "max = " + std::to_string(plan_.pool.most) +
                            " is less than min = " + std::to_string(plan_.workers),
                    "min is 1 where it is not written");
    }

    void take_part(const Member& member, const Option& option) {
        const Node& node = *member.value;
        if (member.key == "min") {
            plan_.workers = count(node, option).value_or(1);
        } else if (member.key == "max") {
            plan_.pool.most = count(node, option).value_or(option_most);
        } else if (member.key == "after") {
            const auto after = context_.values.duration(node, "after");
            if (!after) return;
            plan_.pool.after = *after;
            if (*after < least_after || *after > longest_after)
                context_.report.error(
                        node.at, "after is out of range", R"(it goes from "1ms" to "1m")");
        } else {
            context_.report.error(member.at, "workers has no " + quoted(member.key),
                    "it takes min, max and after");
        }
    }

    std::optional<std::uint32_t> count(const Node& node, const Option& option) {
        const auto* text = std::get_if<std::string>(&node.value);
        if (text != nullptr && *text == "cores") return context_.host.processors();
        if (text != nullptr && !parse_decimal(*text)) {
            context_.report.error(node.at, quoted(*text) + " is not a number of workers",
                    R"(write a number or "cores")");
            return std::nullopt;
        }
        const auto number = context_.values.integer(node, option);
        if (!number) return std::nullopt;
        return static_cast<std::uint32_t>(*number);
    }

    // What runs by the clock never runs beside itself.
    void take_overlap() {
        const Written* written = layers_.last("overlap");
        const auto overlap = boolean_of(context_, layers_, "overlap");
        if (!overlap.value_or(false)) return;
        const std::string reason = "its runs come by the clock, and not beside one another";
        if (!plan_.timer.any())
            plan_.pool.overlap = true;
        else if (is_own(written->layer))
            context_.report.error(
                    written->node->at, "overlap cannot be: " + reason, "leave it out");
        else
            plan_.skipped.push_back({"overlap", reason, Values::origin(written->at)});
    }

    // They say where the sockets are that LISTEN_FDS has.
    void take_starters() {
        const auto list = fold_list(layers_, "listen_environment", context_.report);
        if (!list) return;
        for (const Item& item : list->items) {
            const std::string* word = context_.values.text(*item.node, "listen_environment");
            if (word == nullptr) continue;
            if (*word == "einhorn")
                plan_.pool.einhorn = true;
            else if (*word == "server_starter")
                plan_.pool.server_starter = true;
            else
                context_.report.error(item.node->at,
                        quoted(*word) + " is no way to tell a program of its sockets",
                        R"(it is "einhorn" or "server_starter")");
        }
        const bool any = plan_.pool.einhorn || plan_.pool.server_starter;
        if (!any || plan_.pass == Pass::listen_fds) return;
        context_.report.error(list->at,
                R"(listen_environment means nothing with pass = "stdin")",
                R"(write pass = "listen_fds")");
    }

    static constexpr std::uint32_t option_most = 1024;

    ResolveContext& context_;
    const Layers& layers_;
    ServicePlan& plan_;
};

}  // namespace

void resolve_pool(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    if (plan.mode == Mode::worker || plan.mode == Mode::daemon)
        PoolResolver(context, input, plan).resolve();
}

}  // namespace superd
