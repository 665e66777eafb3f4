// SPDX-License-Identifier: MIT
// What the programs of daemons and workers say, and whose word counts.
//
// A message counts where the kernel says that it came from the program's own process, or, with
// notify_access = "all", from any process of that one's session. One from elsewhere is counted,
// and said at most once a minute: a socket that everybody may write to must not fill the log.
#include <algorithm>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/lives.h"
#include "policy/rate.h"
#include "sys/kin.h"

namespace superd {

namespace {

constexpr auto unheeded_interval = std::chrono::minutes(1);

// Somebody may send descriptors whose closing takes seconds faster than they are closed.
constexpr std::size_t most_closing = 1024;

}  // namespace

// Where the program sees another "/" than superd, or the path would be too long, an abstract
// address, which has none.
std::string Lives::socket_path(const Service& service, const Instance& instance) {
    const std::string path =
            fmt::format("{}/{}.{}", notify_directory_, service.name(), instance.number);
    if (notify_directory_.empty() || !service.plan->exec.root.empty() ||
            path.size() >= sizeof(sockaddr_un::sun_path))
        return {};
    if (::mkdir(notify_directory_.c_str(), 0755) == 0)
        ::chmod(notify_directory_.c_str(), 0755);  // whatever superd's umask
    return path;
}

Contact& Lives::contact_of(Service& service, Instance& instance) {
    if (!instance.contact)
        instance.contact = std::make_unique<Contact>(loop_, *instance.record,
                Contact::Sink{.hear =
                                      [this, &service, &instance](Contact::Datagram& datagram) {
                                          on_datagram(service, instance, datagram);
                                      },
                        .ready =
                                [this, &service, &instance] {
                                    live(service, instance, LifeEvent::ready);
                                    host_.life_changed(service);
                                },
                        .may_hear =
                                [this] {
                                    return processes_.spawner().closing() < most_closing;
                                }});
    return *instance.contact;
}

Result<void> Lives::equip(Service& service, Instance& instance, Launch& launch) {
    auto place = groups_.open(service.name(), instance.number);
    launch.cgroup = Loan(std::move(place.directory));
    launch.cgroup_processes = std::move(place.processes);
    if (const auto bound = groups_.bound(service.name(), service.plan->exec.limits); !bound)
        say(service, Level::warning, "not in force: " + bound.error().text());
    instance.memory_kills = groups_.memory_kills(service.name());
    const LifePlan& plan = service.plan->life;
    const bool has_any = plan.notify_access != NotifyAccess::none ||
                         plan.ready.kind == ReadyKind::fd || instance.contact != nullptr ||
                         instance.record->notify_fd >= 0;
    if (!has_any) return {};
    store_.give(place_of(service, instance), launch);
    if (plan.fd_store > 0) launch.variables.push_back(fmt::format("FDSTORE={}", plan.fd_store));
    return contact_of(service, instance).equip(launch, plan, socket_path(service, instance));
}

void Lives::await(Service& service, Instance& instance) {
    const LifePlan& plan = service.plan->life;
    if (plan.run_timeout && instance.record->expires == 0) {
        instance.record->expires = to_nanoseconds(loop_.now() + *plan.run_timeout);
        arm(service, instance);
    }
    const ReadyKind kind = plan.ready.kind;
    const std::int32_t pid = processes_.records().at(instance.process).pid.load();
    if (kind == ReadyKind::listen || instance.contact || instance.record->notify_fd >= 0 ||
            instance.record->ready_fd >= 0)
        contact_of(service, instance).listen_to(plan.ready, pid, kind != ReadyKind::exec);
    if (kind == ReadyKind::exec) live(service, instance, LifeEvent::ready);
}

void Lives::start_watch(Service& service, Instance& instance) {
    LifeRecord& record = *instance.record;
    const auto& period = service.plan->life.watchdog;
    if (record.watchdog == 0 && period) record.watchdog = period->count();
    record.heard = to_nanoseconds(loop_.now());
}

// ---- messages

void Lives::on_datagram(Service& service, Instance& instance, Contact::Datagram& datagram) {
    const auto notice = parse_notice(datagram.text);
    if (datagram.damaged || !notice || !counts(service, instance, datagram.pid)) {
        pass_over(service, instance, datagram);
    } else {
        if (notice->store || notice->remove)
            keep_descriptors(service, instance, *notice, datagram);
        on_notice(service, instance, *notice);
    }
    // BARRIER=1: its sender waits until the descriptor that came along is closed, which is what
    // becomes of every descriptor that is not kept.
    for (Fd& fd : datagram.descriptors)
        if (fd) store_.close_later(std::move(fd));
}

StorePlace Lives::place_of(const Service& service, const Instance& instance) {
    return {service.index, instance.number};
}

void Lives::keep_descriptors(Service& service, Instance& instance, const Notice& notice,
        Contact::Datagram& datagram) {
    const StorePlace place = place_of(service, instance);
    if (notice.remove && notice.fd_name) store_.remove(place, *notice.fd_name);
    if (!notice.store) return;
    const DescriptorStore::Offer offer{.name = notice.fd_name ? *notice.fd_name : "",
            .watched = notice.watch_hang_up,
            .most = service.plan->life.fd_store};
    if (store_.keep(place, offer, datagram.descriptors)) return;
    const Mono now = loop_.now();
    const bool said = instance.store_full_said != Mono{};
    if (said && now - instance.store_full_said < unheeded_interval) return;
    instance.store_full_said = now;
    say(service, Level::warning,
            offer.most == 0
                    ? std::string("FDSTORE=1, but fd_store is 0: nothing is kept")
                    : fmt::format("FDSTORE=1 beyond fd_store {}: not kept", offer.most));
}

std::vector<std::string> Lives::stored_names(
        const Service& service, const Instance& instance) const {
    return store_.names(place_of(service, instance));
}

bool Lives::counts(const Service& service, const Instance& instance, std::int32_t pid) const {
    if (instance.process == no_process) return false;
    const std::int32_t own = processes_.records().at(instance.process).pid.load();
    if (pid == own) return true;
    return service.plan->life.notify_access == NotifyAccess::all && in_same_session(pid, own);
}

void Lives::pass_over(Service& service, Instance& instance, const Contact::Datagram& datagram) {
    ++instance.record->unheeded;
    const Mono now = loop_.now();
    const bool said = instance.unheeded_said != Mono{};
    if (said && now - instance.unheeded_said < unheeded_interval) return;
    instance.unheeded_said = now;
    say(service, Level::warning,
            fmt::format(
                    "a message to its notify socket does not count: {} (pid {}, uid {}); {} "
                    "so far",
                    datagram.damaged ? "it is too long or damaged"
                    : service.plan->life.notify_access == NotifyAccess::all
                            ? "it is none, or its sender is not one of the service's processes "
                              "now"
                            : "it is none, or not from the service's own process",
                    datagram.pid, datagram.uid, instance.record->unheeded));
}

// A reload that superd has asked for is answered only by what was said after it was asked.
void Lives::on_reloading(Service& service, Instance& instance, const Notice& notice) {
    LifeRecord& record = *instance.record;
    const bool asked = instance.state == LifeState::reloading;
    constexpr std::int64_t microsecond = 1000;  // it counts whole ones
    if (asked && notice.monotonic && notice.monotonic->count() + microsecond < record.reload_at)
        return;
    live(service, instance, LifeEvent::reloads);
    if (instance.state != LifeState::reloading) return;
    record.reload_heard = 1;
    if (asked) return;
    record.reload_done = 1;  // nothing is left to do but to wait
    service.reload_failure.clear();
}

void Lives::on_ready_said(Service& service, Instance& instance) {
    LifeRecord& record = *instance.record;
    if (instance.state != LifeState::reloading) {
        if (service.plan->life.ready.kind == ReadyKind::notify)
            live(service, instance, LifeEvent::ready);
        return;
    }
    if (record.reload_heard == 0) return;
    record.reload_heard = 0;
    if (instance.command == no_process) live(service, instance, LifeEvent::ready);
}

void Lives::on_notice(Service& service, Instance& instance, const Notice& notice) {
    LifeRecord& record = *instance.record;
    const LifeState before = instance.state;
    bool shows = false;
    if (notice.status) {
        shows = *notice.status != record.status;
        keep_text(record.status, *notice.status);
    }
    if (notice.error) record.said_error = *notice.error;
    if (notice.main_pid) follow_main(service, instance, *notice.main_pid);
    if (notice.watchdog_period) {
        record.watchdog = notice.watchdog_period->count();
        record.heard = to_nanoseconds(loop_.now());
        arm(service, instance);
    }
    if (notice.requests) {
        record.requests = *notice.requests;
        arm(service, instance);
    }
    if (notice.watchdog == WatchdogNotice::pet) record.heard = to_nanoseconds(loop_.now());
    if (notice.extend_timeout) extend(service, instance, *notice.extend_timeout);
    if (notice.reloading) on_reloading(service, instance, notice);
    if (notice.ready) on_ready_said(service, instance);
    if (notice.stopping) live(service, instance, LifeEvent::ending);
    if (notice.watchdog == WatchdogNotice::trigger) {
        note_cause(service, instance, EndKind::watchdog, "watchdog: it says that it failed");
        live(service, instance, LifeEvent::unheard);
    }
    if (shows || instance.state != before) host_.life_changed(service);
}

}  // namespace superd
