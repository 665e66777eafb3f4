// SPDX-License-Identifier: MIT
// Taking over from a superd that was killed: the committed plan, the descriptors that outlived
// it, the processes it started, its counters.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/supervisor.h"
#include "sys/accept.h"

namespace superd {

namespace {

// The superd before died between the exec and what it would have said of it.
bool missed_start(const ProcessRecord& record) {
    const bool begun =
            (record.flags & launch_steps_in) == 0 || (record.flags & launch_begun) != 0;
    return begun && (record.flags & record_started) == 0 && record.kind != ProcessKind::command;
}

}  // namespace

void Supervisor::recover(std::shared_ptr<const Plan> plan, const Recovery& recovery) {
    plan_ = std::move(plan);
    lining_up_.take_plan(plan_);
    configure_outputs();
    outputs_.open_reader_socket(
            log_socket_path(options_.run_directory), plan_->daemon.admin_gid);
    doors_.set_denied(denying_.load());
    networks_ = make_network_tables(plan_->networks);
    securing_.take_plan(*plan_);
    for (const auto& service : plan_->services)
        add_service(service);
    adopt_ghosts();
    for (auto& [name, service] : services_)
        outputs_.adopt_streams(*service);
    own_programs_.start_log();
    for (const auto& service : plan_->services)
        doors_.open_wanted(*find(service->name));
    close_stray_listeners();
    watch_targets();  // connections that go on need them
    adopt_processes(recovery);
    lining_up_.line_up_all();
    for (const auto& service : plan_->services)
        activate(*find(service->name));
    take_found_connections(recovery);
    for (auto& [name, service] : services_) {
        if (!service->removed) start_at_boot(*service);
    }
    watch_networks();
    state_.header().serving.store(1);
    if (!tell_of_handover())
        outputs_.log().log(NoticeEvent{.level = Level::warning,
                .text = fmt::format(
                        "superd was started again: {} process{} and {} service{} taken over",
                        live_, live_ == 1 ? "" : "es", services_.size(),
                        services_.size() == 1 ? "" : "s")});
    notify("READY=1\n");
}

// Services that the committed plan no longer has, kept by their records while processes live.
void Supervisor::adopt_ghosts() {
    const auto records = state_.services();
    for (std::uint32_t i = 0; i < state_.header().service_high; ++i) {
        const bool known = i < by_index_.size() && by_index_[i] != nullptr;
        if (records[i].name[0] == '\0' || known) continue;
        auto ghost = std::make_shared<ServicePlan>();
        ghost->name = records[i].name;
        ghost->exec.argv = {"-"};
        add_service(ghost).removed = true;
    }
}

// Descriptors of listeners that no service of the plan asks for.
void Supervisor::close_stray_listeners() {
    std::set<std::uint32_t> owned;
    std::set<int> used;
    for (const auto& [name, service] : services_) {
        for (const Listener& listener : service->listeners) {
            owned.insert(listener.record);
            used.insert(listener.fd.get());
        }
    }
    for (std::uint32_t i = 0; i < state_.header().listener_high; ++i) {
        const int fd = state_.listeners()[i].fd;
        if (fd < 0 || owned.contains(i)) continue;
        listener_records_.remove(i, used.contains(fd));
        // A superd killed while it moved a listener leaves two records of one descriptor.
        if (used.insert(fd).second) Fd(fd).reset();
    }
}

void Supervisor::adopt_processes(const Recovery& recovery) {
    sources_.reset_active();
    std::set<Service*> to_end;
    std::vector<std::uint32_t> to_relay;
    for (const RecoveredRecord& found : recovery.records) {
        ProcessRecord& record = processes_.records().at(found.record);
        const bool own = is_own_program(record.kind);
        if (!own && !has_service(record)) {
            forget_record(found.record);
            continue;
        }
        // Those were killed, and are only waited for.
        if (record.kind == ProcessKind::warm && record.pid.load() != 0) {
            processes_.adopt(found.record);
            continue;
        }
        Service* service = own ? nullptr : by_index_[record.service];
        const bool awaits =
                record.proxied == ProxyStep::awaited || record.tls == TlsStep::awaited;
        // Killed while it wrote down what a PROXY header or a handshake said: the message is
        // there still.
        if (awaits) record.kind = ProcessKind::relayed;
        const bool relayed = record.kind == ProcessKind::relayed;
        const bool starts = found.action == Recovered::start;
        if (found.action == Recovered::forget ||
                (starts && record.kind != ProcessKind::handler && !relayed)) {
            if (keeps_channel(record.kind)) Fd(record.connection.load()).reset();
            processes_.records().give_back(found.record);
            continue;
        }
        // A reload may have come between: there is no handler to start any more.
        const bool orphaned =
                starts && (service->removed || !takes_connections(service->plan->mode) ||
                                  (relayed != is_relayed(service->plan->mode) && !awaits));
        if (orphaned) Fd(record.connection.load()).reset();
        if (orphaned || found.action == Recovered::give_up) {
            if (service != nullptr)
                outputs_.log().log(FailEvent{.service = service->name(),
                        .connection = record.id,
                        .peer = record.peer,
                        .stage = "recover",
                        .detail = orphaned ? "its service has gone: the connection is closed"
                                           : "its start has failed twice: the connection is "
                                             "closed"});
            processes_.records().give_back(found.record);
            continue;
        }
        if (service != nullptr && record.source != no_source)
            ++sources_.at(record.source).active;
        if (starts && relayed && (record.flags & record_held) == 0) {
            to_relay.push_back(found.record);
            continue;
        }
        if (starts) {
            Fd connection(record.connection.load());
            if ((record.flags & record_held) != 0)
                holding_.hold(*service, found.record, std::move(connection));
            else
                start_handler(*service, found.record, std::move(connection), {});
            continue;
        }
        if (relayed) {
            ++service->active;
            if (service->order() == Order::stop) to_end.insert(service);
            continue;
        }
        if (record.kind == ProcessKind::relay) relays_.adopt(found.record);
        if (record.kind == ProcessKind::announce)
            announcements_.of_record(record.listener).adopt(Fd(record.connection.load()));
        if (service != nullptr && found.action == Recovered::failed) {
            log_launch_failure(*service, record,
                    {.record = found.record,
                            .service = record.service,
                            .stage = static_cast<SpawnStage>(record.stage.load()),
                            .error = record.error.load()});
        }
        record.state.store(RecordState::running);
        if (service != nullptr) {
            if (found.action == Recovered::running && missed_start(record))
                log_start(*service, found.record);
            if (!securing_.is_counted_by_partner(found.record)) ++service->active;
            ++live_;
            if (is_resident(record.kind)) {
                ++service->residents;
                lives_.adopt(*service, found.record);
            }
            if (is_resident(record.kind) && record.kind != ProcessKind::daemon &&
                    service->plan->mode != Mode::daemon)
                service->holds.set(Hold::worker);
            // What the superd before had told to end, or would have.
            const bool gone = service->removed && record.kind != ProcessKind::handler;
            if (gone || service->order() == Order::stop) to_end.insert(service);
            service->worker_started = from_nanoseconds(record.started);
        }
        processes_.adopt(found.record);
    }
    // Once all relays are known.
    relays_.end_orphans();
    securing_.end_unanswered();
    for (const std::uint32_t index : to_relay) {
        ProcessRecord& record = processes_.records().at(index);
        Service& service = *by_index_[record.service];
        Fd connection(record.connection.load());
        if (record.proxied == ProxyStep::awaited)
            proxying_.start(service, index, std::move(connection), true);
        else if (record.tls == TlsStep::awaited)
            securing_.start(service, index, std::move(connection), true);
        else
            start_relayed(service, index, std::move(connection), true);
    }
    for (auto& [name, service] : services_)
        lives_.resume(*service);
    lives_.drop_unclaimed([this](StorePlace place) {
        if (place.first >= by_index_.size() || by_index_[place.first] == nullptr) return false;
        const auto& instances = by_index_[place.first]->instances;
        return std::any_of(instances.begin(), instances.end(),
                [place](const auto& one) { return one->number == place.second; });
    });
    for (Service* service : to_end)
        end_processes(*service);
    processes_.on_guard_news();
    for (auto& [name, service] : services_) {
        if (service->removed && service->active == 0) emptied_.push_back(service.get());
    }
    remove_emptied();
}

bool Supervisor::has_service(const ProcessRecord& record) const {
    return record.service < by_index_.size() && by_index_[record.service] != nullptr;
}

// Of a service that even the shared state knows nothing of. Its process, if there is one, is
// the guard's by now, and nobody waits for its end.
void Supervisor::forget_record(std::uint32_t index) {
    ProcessRecord& record = processes_.records().at(index);
    Fd(record.connection.exchange(-1)).reset();
    Fd(record.pidfd.exchange(-1)).reset();
    processes_.records().give_back(index);
}

void Supervisor::take_found_connections(const Recovery& recovery) {
    for (const FoundConnection& found : recovery.connections) {
        Fd connection(found.fd);
        for (auto& [name, service] : services_) {
            const auto to = std::find_if(service->listeners.begin(), service->listeners.end(),
                    [&](const Listener& listener) {
                        return listener.record == found.listener;
                    });
            if (to == service->listeners.end()) continue;
            set_blocking(connection.get(), !is_given_away(*service->plan));
            consider(*service, *to, std::move(connection), found.peer);
            break;
        }
    }
}

}  // namespace superd
