// SPDX-License-Identifier: MIT
// exit_when: superd stops in order once what it is there for has ended, as the first process of
// a container does (policy/exit_when.h). The exit code goes to the guard by the shared state.
#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "engine/supervisor.h"
#include "policy/exit_when.h"

namespace superd {

namespace {

constexpr int log_patience = 2000;  // ms

// Of several processes the one that failed.
const Instance* telling(const Service& service) {
    const auto failed = std::find_if(service.instances.begin(), service.instances.end(),
            [](const auto& instance) { return instance->state == LifeState::failed; });
    if (failed != service.instances.end()) return failed->get();
    return service.instances.empty() ? nullptr : service.instances.front().get();
}

EndFacts end_facts_of(const Service& service, Mono now) {
    const ServiceRecord& record = *service.record;
    EndFacts facts{.name = service.name(),
            .state = view_of(service, now).state,
            .ran = record.exited + record.failed > 0,
            .comes = service.again || (service.plan->timer.any() && service.wants_listeners()),
            .status = record.last_status,
            .started = true,
            .error = record.last_error};
    const Instance* const instance = telling(service);
    if (instance == nullptr) return facts;
    facts.status = instance->record->last_status;
    facts.started = instance->cause != EndKind::launch;
    return facts;
}

}  // namespace

void Supervisor::look_at_exit() {
    if (stopping_ || handing_over_) return;
    std::vector<EndFacts> facts;
    for (const auto& [name, service] : services_)
        if (!service->removed) facts.push_back(end_facts_of(*service, loop_.now()));
    const auto exit = decide_exit(plan_->daemon.exit_when, facts);
    if (!exit) return;
    outputs_.log().log(NoticeEvent{.level = Level::notice,
            .service = exit->service,
            .text = fmt::format("{}, exit_when = \"{}\": superd stops with exit code {}",
                    exit->service.empty() ? "all have stopped" : "it has ended",
                    plan_->daemon.exit_when, exit->code)});
    state_.header().final_code.store(exit->code);
    begin_stop(false);
}

// With process 1 of a pid namespace all others end at once: superd-log would take with it what
// it has not written yet, superd's last words and the services'. It ends by itself once nobody
// has the other ends of its streams any more.
void Supervisor::see_log_program_out() {
    const bool takes_all = ::getpid() == 1 || state_.header().guard_pid.load() == 1;
    const int pidfd = own_programs_.log_pidfd();
    if (!takes_all || pidfd < 0) return;
    for (const auto& [name, service] : services_)
        outputs_.drop(*service);
    outputs_.leave_stream();
    pollfd entry{.fd = pidfd, .events = POLLIN, .revents = 0};
    ::poll(&entry, 1, log_patience);
}

}  // namespace superd
