// SPDX-License-Identifier: MIT
// prestart: only where all that is done for one connection can be done before a handler that
// runs already is given it.
#include <algorithm>
#include <string>
#include <vector>

#include "config/resolve.h"

namespace superd {

namespace {

// What stands in the way; empty: nothing does.
std::string hindrance(const ServicePlan& plan) {
    if (plan.pass != Pass::in_stdin) return R"(pass = "listen_fds" is for its first moment)";
    if (plan.admission.tcp_wrappers) return "tcp_wrappers decides before the program runs";
    if (plan.exec.peer_label) return "peer_label is set before the program runs";
    if (!plan.admission.banner_admitted.text.empty())
        return "banner_admitted is sent before the program runs";
    if (plan.exec.standard_error.kind == OutputKind::socket)
        return R"(stderr = "socket" would be used before there is one)";
    const auto& variables = plan.exec.environment;
    const bool preloads = std::any_of(variables.begin(), variables.end(),
            [](const Variable& one) { return one.name == "LD_PRELOAD"; });
    if (preloads) return "its environment has an LD_PRELOAD of its own";
    const bool streams = std::all_of(plan.listeners.begin(), plan.listeners.end(),
            [](const ListenerPlan& one) { return one.kind != ListenerKind::unix_seqpacket; });
    return streams ? "" : "a seqpacket: listener has no stream to give";
}

}  // namespace

void resolve_prestart(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    const Written* written = input.layers.last("prestart");
    if (written == nullptr) return;
    const auto prestart = context.values.prestart(*written->node, *written->option);
    if (!prestart) return;
    plan.prestart = *prestart;
    if (plan.prestart.count == 0) return;
    const std::string reason = hindrance(plan);
    if (!reason.empty())
        context.report.error(written->node->at, "no handler can be started ahead: " + reason,
                "take that away, or prestart");
}

}  // namespace superd
