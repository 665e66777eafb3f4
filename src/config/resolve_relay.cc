// SPDX-License-Identifier: MIT
// Builtins and redirects: what superd-relay does, where superd runs no program.
#include <algorithm>

#include "config/resolve.h"
#include "config/target_spec.h"

namespace superd {

namespace {

constexpr Nanoseconds usual_builtin_idle = std::chrono::minutes(10);
constexpr std::uint32_t usual_answers = 100;
constexpr std::size_t most_targets = 64;

void take_idle_timeout(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    if (plan.mode == Mode::builtin) plan.idle_timeout = usual_builtin_idle;
    const Written* written = input.layers.last("idle_timeout");
    if (written == nullptr) return;
    if (const auto bound = context.values.time_bound(*written->node, *written->option))
        plan.idle_timeout = *bound;
}

// ---- redirect

bool takes_datagrams(const ServicePlan& plan) {
    return std::any_of(plan.listeners.begin(), plan.listeners.end(),
            [](const ListenerPlan& listener) { return listener.kind == ListenerKind::udp; });
}

std::optional<TargetPlan> read_target(
        ResolveContext& context, const Node& node, const ServicePlan& plan) {
    const std::string* text = context.values.text(node, "a target of redirect");
    if (text == nullptr) return std::nullopt;
    auto target = parse_target(*text, [&](const std::string& name, const char* protocol) {
        return context.names.port(name, protocol);
    });
    if (!target) {
        context.report.error(node.at, target.error().message, target.error().suggestion);
        return std::nullopt;
    }
    const bool datagrams = target->kind == ListenerKind::udp;
    if (datagrams != takes_datagrams(plan)) {
        context.report.error(node.at,
                std::string(datagrams ? "streams" : "datagrams") + " cannot be redirected to " +
                        target->text,
                datagrams ? "write a tcp or unix address" : "write a udp address");
        return std::nullopt;
    }
    target->origin = Values::origin(node.at);
    return std::move(*target);
}

void take_redirect(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    const auto list = fold_list(input.layers, "redirect", context.report);
    if (!list) return;
    if (list->items.empty() || list->items.size() > most_targets)
        return context.report.error(
                list->at, "redirect has 1 to " + std::to_string(most_targets) + " targets");
    for (const Item& item : list->items)
        if (auto target = read_target(context, *item.node, plan))
            plan.redirect.push_back(std::move(*target));
}

// A small service must not be somebody's weapon: datagrams name who asks without any proof.
void take_datagram_rate(const ServiceInput& input, ServicePlan& plan) {
    if (plan.mode != Mode::builtin || !takes_datagrams(plan) ||
            input.layers.last("rate_per_source") != nullptr)
        return;
    plan.admission.rate_per_source = RatePlan{
            {usual_answers, std::chrono::seconds(1)}, usual_answers, Nanoseconds{0}, {}};
}

// superd-relay knows addresses and nothing else of who sends a datagram.
void check_datagram_rules(
        ResolveContext& context, const ServiceInput& input, const ServicePlan& plan) {
    if (plan.mode != Mode::builtin || !takes_datagrams(plan)) return;
    if (!plan.admission.hours.empty())
        context.report.error(input.layers.last("hours")->at,
                "hours cannot be enforced for datagrams of a builtin",
                "leave it out, or listen on tcp alone");
    for (const AccessRule& rule : plan.admission.access)
        if (rule.kind == MatchKind::host || rule.kind == MatchKind::domain)
            context.report.error(input.layers.last(rule.allow ? "allow" : "deny")->at,
                    quoted(rule.text) + " cannot be enforced for datagrams of a builtin",
                    "write addresses or blocks");
}

}  // namespace

void resolve_relay(ResolveContext& context, ServiceInput& input, ServicePlan& plan) {
    take_idle_timeout(context, input, plan);
    // The words stand in the order of the enumeration, whose first is `none`.
    if (const auto word = choice_of(context, input.layers, "builtin"))
        plan.builtin = static_cast<Builtin>(*word + 1);
    if (const Written* written = input.layers.last("deny_for"))
        if (const auto denial = context.values.denial(*written->node, *written->option))
            plan.deny_for = *denial;
    take_redirect(context, input, plan);
    take_datagram_rate(input, plan);
    check_datagram_rules(context, input, plan);
    plan.connect_timeout = duration_of(context, input.layers, "connect_timeout")
                                   .value_or(plan.connect_timeout);
    resolve_send_proxy(context, input, plan);
}

}  // namespace superd
