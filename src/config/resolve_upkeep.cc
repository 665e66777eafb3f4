// SPDX-License-Identifier: MIT
// idle_stop and its like: when what runs is stopped or replaced although nothing failed.
#include <string>

#include "config/resolve.h"

namespace superd {

namespace {

class UpkeepResolver {
public:
    UpkeepResolver(ResolveContext& context, const ServiceInput& input, ServicePlan& plan)
            : context_(context), layers_(input.layers), plan_(plan), upkeep_(plan.upkeep) {}

    void resolve() {
        take_idle_stop();
        take_max_age();
        take_max_requests();
        take_health();
    }

private:
    void take_bound(std::string_view key, std::optional<Nanoseconds>& into) {
        const Written* written = layers_.last(key);
        if (written == nullptr) return;
        if (const auto bound = context_.values.time_bound(*written->node, *written->option))
            into = *bound;
    }

    // Who is idle the kernel must be able to say.
    void take_idle_stop() {
        take_bound("idle_stop", upkeep_.idle_stop);
        if (!upkeep_.idle_stop) return;
        for (const ListenerPlan& listener : plan_.listeners) {
            const std::string unseen = unseen_at(listener);
            if (unseen.empty()) continue;
            upkeep_.idle_stop.reset();
            refuse("idle_stop", listener.address + " " + unseen);
            return;
        }
    }

    // An error for what the service itself says, a remark for what it inherits.
    void refuse(std::string_view key, const std::string& reason) {
        const Written& written = *layers_.last(key);
        if (is_own(written.layer))
            context_.report.error(written.node->at,
                    std::string(key) + " cannot be kept: " + reason, "leave it out");
        else
            plan_.skipped.push_back({std::string(key), reason, Values::origin(written.at)});
    }

    // What ends by itself is not replaced.
    [[nodiscard]] std::string why_it_ends() const {
        if (plan_.timer.any()) return "at and every start it again";
        return plan_.life.ready.kind == ReadyKind::exit ? R"(with ready = "exit" it ends)" : "";
    }

    void take_max_age() {
        take_bound("max_age", upkeep_.max_age);
        const std::string reason = why_it_ends();
        if (!upkeep_.max_age || reason.empty()) return;
        upkeep_.max_age.reset();
        refuse("max_age", reason);
    }

    // Who cannot be heard cannot be counted.
    void take_max_requests() {
        const Written* written = layers_.last("max_requests");
        if (written == nullptr) return;
        const auto bound = context_.values.bound(*written->node, *written->option);
        if (!bound || !bound->value) return;
        NotifyAccess& access = plan_.life.notify_access;
        const bool deaf =
                access == NotifyAccess::none && layers_.last("notify_access") != nullptr;
        const std::string reason =
                deaf ? "with notify_access = \"none\" it cannot say what it has served"
                     : why_it_ends();
        if (!reason.empty()) return refuse("max_requests", reason);
        upkeep_.max_requests = *bound->value;
        if (access == NotifyAccess::none) access = NotifyAccess::main;
    }

    void take_health() {
        const Written* written = layers_.last("health");
        if (written == nullptr) return;
        auto health = context_.values.health(*written->node);
        if (!health) return;
        const bool by_network =
                health->kind == HealthKind::tcp || health->kind == HealthKind::http;
        if (by_network && plan_.exec.sandbox.private_network)
            return refuse("health", "private_network keeps superd out");
        const std::string reason = why_it_ends();
        if (!reason.empty()) return refuse("health", reason);
        upkeep_.health = std::move(*health);
    }

    static std::string unseen_at(const ListenerPlan& listener) {
        switch (listener.kind) {
            case ListenerKind::tcp:
                return listener.mptcp ? "with mptcp hides its connections" : "";
            case ListenerKind::unix_stream:
            case ListenerKind::unix_seqpacket: return {};
            case ListenerKind::udp:
            case ListenerKind::unix_dgram:
            case ListenerKind::mqueue:
            case ListenerKind::netlink:
            case ListenerKind::fifo: return "has no connections to see";
            case ListenerKind::vsock: break;
        }
        return "does not show its connections";
    }

    ResolveContext& context_;
    const Layers& layers_;
    ServicePlan& plan_;
    UpkeepPlan& upkeep_;
};

}  // namespace

void resolve_upkeep(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    if (plan.mode == Mode::worker || plan.mode == Mode::daemon)
        UpkeepResolver(context, input, plan).resolve();
}

}  // namespace superd
