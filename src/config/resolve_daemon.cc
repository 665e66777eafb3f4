// SPDX-License-Identifier: MIT
// [superd]: the daemon's own settings.
#include <algorithm>
#include <string>

#include "config/resolve.h"

namespace superd {

namespace {

void take_admin_group(ResolveContext& context, const Layers& layers, DaemonPlan& plan) {
    const Written* written = layers.last("admin_group");
    if (written == nullptr) return;
    plan.admin_gid = read_group(context, *written->node, "admin_group");
    if (const auto* name = std::get_if<std::string>(&written->node->value))
        plan.admin_group = *name;
}

// A service of that name there must be, and one that ends by itself.
void take_exit_when(ResolveContext& context, const Layers& layers, DaemonPlan& plan) {
    const auto text = line_of(context, layers, "exit_when");
    if (!text) return;
    plan.exit_when = *text;
    const bool is_word = *text == "never" || *text == "all-stopped" || *text == "any-failed";
    const auto& services = context.config.services;
    const bool is_service = std::any_of(services.begin(), services.end(),
            [&text](const Section& section) { return section.name == *text; });
    if (is_word || is_service) return;
    context.report.error(layers.last("exit_when")->node->at,
            "exit_when: there is no service \"" + *text + "\"",
            R"(write "never", "all-stopped", "any-failed" or the name of a service)");
}

}  // namespace

DaemonPlan resolve_daemon(ResolveContext& context) {
    DaemonPlan plan;
    Layers layers;
    if (context.config.superd) layers.add(*context.config.superd, Layer::service);
    plan.log = read_sinks(context, layers);
    if (plan.log.empty()) plan.log.push_back({SinkKind::stderr_text, {}});
    take_admin_group(context, layers, plan);
    if (const auto word = choice_of(context, layers, "log_format"))
        plan.log_format = static_cast<LogFormat>(*word);
    plan.log_keep_size = size_of(context, layers, "log_keep_size");
    if (const auto word = choice_of(context, layers, "broken_file"))
        plan.broken_file = static_cast<BrokenFile>(*word);
    plan.max_processes.value = context.host.default_max_processes();
    if (const auto value = integer_of(context, layers, "max_processes"))
        plan.max_processes = {static_cast<std::uint32_t>(*value),
                Values::origin(layers.last("max_processes")->node->at)};
    plan.name_lookup_timeout = duration_of(context, layers, "name_lookup_timeout")
                                       .value_or(plan.name_lookup_timeout);
    plan.tls_ticket_rotation = duration_of(context, layers, "tls_ticket_rotation")
                                       .value_or(plan.tls_ticket_rotation);
    plan.name_refresh =
            duration_of(context, layers, "name_refresh").value_or(plan.name_refresh);
    take_exit_when(context, layers, plan);
    if (const Written* written = layers.last("dump_file"))
        plan.dump_file = context.values.path(*written->node, "dump_file").value_or("");
    return plan;
}

}  // namespace superd
