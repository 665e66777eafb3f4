// SPDX-License-Identifier: MIT
#include "engine/warming.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "engine/supervisor.h"

namespace superd {

namespace {

// Descriptor 1 is the placeholder, as 0 is.
std::shared_ptr<const SpawnPlan> with_placeholder(
        const std::shared_ptr<const SpawnPlan>& plan) {
    // The copy may point to texts that live with the original.
    struct Both {
        SpawnPlan own;
        std::shared_ptr<const SpawnPlan> original;
    };

    auto both = std::make_shared<Both>(Both{*plan, plan});
    both->own.standard_output = OutputKind::socket;
    return {both, &both->own};
}

}  // namespace

Warming::Warming(Supervisor& supervisor, std::string library)
        : supervisor_(supervisor),
          handlers_(supervisor.loop_, supervisor.processes_, supervisor.outputs_.log(), *this,
                  std::move(library)) {}

void Warming::follow(Service& service) {
    const bool open = service.plan->mode == Mode::handler && !service.removed &&
                      !service.stopping && !supervisor_.stopping_ &&
                      !supervisor_.handing_over_ && service.has_open_listener() &&
                      !service.holds.has(Hold::order);
    handlers_.follow(service, open ? service.plan->prestart.count : 0);
}

void Warming::equip_warm(Service& service, Launch& launch) {
    Supervisor& of = supervisor_;
    launch.plan = with_placeholder(of.spawn_plan_of(service));
    launch.standard_error =
            of.outputs_.descriptor_for(service, service.plan->exec.standard_error);
    ProcessRecord& record = of.processes_.records().at(launch.record);
    record.generation = static_cast<std::uint32_t>(
            of.state_.header().plan_sequence.load(std::memory_order_relaxed));
    if (service.always_steps_in) of.step_in(launch, service.exec_spec);
}

std::uint32_t Warming::room_for_warm() const {
    const auto most = supervisor_.plan_->daemon.max_processes.value;
    if (!most) return ~std::uint32_t{0};
    return *most > supervisor_.live_ ? *most - supervisor_.live_ : 0;
}

void Warming::count_warm(bool more) {
    supervisor_.live_ += more ? 1U : ~0U;
}

// From here on it is a handler like one that was started for its client.
void Warming::on_warm_arrived(std::uint32_t record, std::uint32_t from) {
    Supervisor& of = supervisor_;
    of.holding_.move_user(from, record);
    count_warm(false);  // its connection was counted too, until now
    of.on_started(record);
}

void Warming::on_warm_not_launched(std::uint32_t record, const LaunchResult& result) {
    Supervisor& of = supervisor_;
    const ProcessRecord& process = of.processes_.records().at(record);
    of.note_launch_failure(*of.by_index_[process.service], process, result);
}

void Warming::on_warm_changed(Service& service) {
    if (!supervisor_.waiters_.empty()) supervisor_.changed(service);
}

std::string Warming::sentences(const std::optional<WarmStatus>& status) {
    if (!status) return {};
    std::string text = fmt::format(
            "Handlers started ahead: {} of {} wait{}; {} connection{} served by one, {} by "
            "handlers that were started for them.\n",
            status->parked, status->wanted, status->parked == 1 ? "s" : "", status->served_warm,
            status->served_warm == 1 ? "" : "s", status->served_cold);
    if (!status->trouble.empty())
        text += fmt::format(
                "Its program cannot be started ahead: {}. Its handlers are started cold.\n",
                status->trouble);
    return text;
}

}  // namespace superd
