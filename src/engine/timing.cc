// SPDX-License-Identifier: MIT
// Services that run by the clock: what a run that is due comes to, and what is shown of it.
#include <algorithm>

#include "base/units.h"
#include "engine/supervisor.h"
#include "policy/calendar.h"

namespace superd {

namespace {

std::string schedule_text(const TimerPlan& timer) {
    if (timer.every) return "every " + format_duration(*timer.every);
    std::string text;
    for (const CalendarRule& rule : timer.at)
        text += (text.empty() ? "" : "; ") + rule.text;
    return text;
}

std::string_view result_of(const Service& service) {
    if (service.residents > 0) return "running";
    if (service.record->timer_runs == 0) return "";
    const bool failed = std::any_of(service.instances.begin(), service.instances.end(),
            [](const auto& one) { return one->state == LifeState::failed; });
    const bool again = std::any_of(service.instances.begin(), service.instances.end(),
            [](const auto& one) { return one->state == LifeState::waiting; });
    return failed || again ? "failed" : "ok";
}

}  // namespace

void Supervisor::follow_clock(Service& service) {
    const bool wanted = service.plan->timer.any() && service.wants_listeners() &&
                        service.order() != Order::pause && !stopping_;
    if (wanted)
        timers_.arm(service.index, service.plan, *service.record);
    else
        timers_.disarm(service.index);
}

// What still goes on is not run beside itself; what waits for another try gets it now.
void Supervisor::on_due(std::uint32_t index) {
    Service& service = *by_index_[index];
    if (service.residents > 0 || service.stopping) {
        ++service.record->timer_skipped;
        outputs_.log().log(NoticeEvent{.level = Level::warning,
                .service = service.name(),
                .text = "its run is skipped: the one before still goes on"});
        return;
    }
    ++service.record->timer_runs;
    service.record->timer_last = loop_.wall().time_since_epoch().count();
    service.record->failures = 0;
    service.let_in = false;  // each run asks anew
    lining_up_.make_way(service);
    start_processes(service, true);
    changed(service);
}

std::optional<TimerStatus> Supervisor::timer_of(const Service& service) const {
    if (!service.plan->timer.any()) return std::nullopt;
    const ServiceRecord& record = *service.record;
    TimerStatus status{.schedule = schedule_text(service.plan->timer),
            .next = timers_.next(record),
            .last = std::nullopt,
            .result = std::string(result_of(service)),
            .runs = record.timer_runs,
            .skipped = record.timer_skipped};
    if (record.timer_last != 0) status.last = Wall(Nanoseconds(record.timer_last));
    return status;
}

}  // namespace superd
