// SPDX-License-Identifier: MIT
// Reload in two phases: everything that can fail happens before anything changes.
//
// 1. A process of its own reads and resolves the file (engine/config_reader.h). Errors end
// here.
// 2. prepare(): every listener of the new plan gets a descriptor: its own of before, one that
//    another service gives up, or a fresh one bound beside them. An address that somebody else
//    has refuses the reload; what was bound so far is closed again and nothing has changed. One
//    that waited for its address before goes on waiting instead, and one that only listeners of
//    before are in the way of, which close, is bound after them.
// 3. The plan is committed to the state that outlives superd.
// 4. commit(): services take their plans. Only what can no longer fail, or can wait and be
// retried.
#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/codec.h"
#include "engine/given_users.h"
#include "engine/last_good.h"
#include "engine/scaling.h"
#include "engine/supervisor.h"
#include "sys/listen_socket.h"

namespace superd {

namespace {

struct Holder {
    Service* service;
    std::size_t index;
};

using AddressBook = std::multimap<std::string_view, Holder>;

// What the file now says about `enabled` counts again, whatever was said by hand before; only
// a start by hand goes on where the file agrees.
Order order_under(const ServicePlan& plan, const Service* known) {
    if (known == nullptr) return Order::none;
    const bool switched = known->plan->enabled != plan.enabled;
    const bool agrees = plan.enabled && known->order() == Order::start;
    return switched && !agrees ? Order::none : known->order();
}

// As Service::wants_listeners(), for the plan that is about to be its.
bool will_want_listeners(const ServicePlan& plan, const Service* known) {
    const Order order = order_under(plan, known);
    if (order == Order::stop || order == Order::drain) return false;
    return order != Order::none || (plan.enabled && plan.start != Start::manual);
}

// Whether start = "boot" asks for a process now that it did not ask for before. One that has
// ended since is not started for any other change.
bool may_start(const ServicePlan& plan, const Service* known) {
    if (known == nullptr || known->removed) return true;
    const ServicePlan& old = *known->plan;
    return old.enabled != plan.enabled || old.mode != plan.mode || old.start != plan.start;
}

std::string describe_refusal(const Plan& next, const ListenerPlan& wanted) {
    const auto of =
            std::find_if(next.services.begin(), next.services.end(), [&](const auto& plan) {
                return std::any_of(plan->listeners.begin(), plan->listeners.end(),
                        [&](const ListenerPlan& listener) { return &listener == &wanted; });
            });
    const std::string who = describe_holder(wanted);
    return fmt::format("{}: {} of {} is in use{}{}", next.where(wanted.origin), wanted.address,
            (*of)->name, who.empty() ? "" : " by ", who);
}

std::string count_changes(const std::vector<ServiceDiff>& changes) {
    unsigned changed = 0;
    unsigned added = 0;
    unsigned removed = 0;
    for (const ServiceDiff& diff : changes) {
        if (diff.change == Change::added)
            ++added;
        else if (diff.change == Change::removed)
            ++removed;
        else if (diff.change != Change::keep)
            ++changed;
    }
    return fmt::format("{} changed, {} new, {} gone", changed, added, removed);
}

}  // namespace

// How each listener of the new plan comes to its descriptor, found out before anything changes.
struct Supervisor::Prepared {
    struct Place {
        Service* from = nullptr;  // moves over from there
        std::size_t index = 0;
        std::optional<BoundListener> fresh;  // or was bound
        bool known = false;                  // the service had a listener at this address
    };

    std::map<std::string, std::vector<Place>, std::less<>> places;
    // Services whose processes are to be others, once their listeners are open.
    std::vector<std::string_view> renewed;
    // The listeners of before, while commit() hands them over.
    std::map<Service*, std::vector<Listener>> old;
};

void Supervisor::reload_config(bool dry_run, std::function<void(ReloadReport)> reply) {
    const auto options = [this] {
        ReadOptions file = options_.read;
        file.scaled = scaled_copies(*plan_);
        file.dynamic_users = given_users(services_);
        return file;
    };
    reader_.read(options, [this, dry_run, reply = std::move(reply)](Result<ReadResult> read) {
        on_read(dry_run, std::move(read), reply);
    });
}

void Supervisor::refuse_reload(ReloadReport& report) {
    report.code = 1;
    config_trouble_ = "running the last accepted configuration: " + report.message;
    const std::string text = "reload refused, nothing has changed: " + report.message;
    outputs_.log().log(NoticeEvent{.level = Level::error, .text = text});
    configure_outputs();  // who has moved log files away sends HUP, whatever the file says now
}

void Supervisor::on_read(
        bool dry_run, Result<ReadResult> read, const std::function<void(ReloadReport)>& reply) {
    ReloadReport report;
    if (!read) {
        report.message = read.error().text();
    } else {
        report.diagnostics = std::move(read->diagnostics);
        if (!read->plan) {
            report.message = first_error(report.diagnostics);
        }
    }
    if (stopping_) report.message = "superd is stopping";
    if (!report.message.empty()) {
        report.code = 1;
        if (!dry_run && !stopping_) refuse_reload(report);
        return reply(std::move(report));
    }
    auto next = std::make_shared<const Plan>(std::move(*read->plan));
    report.changes = diff_plans(*plan_, *next);
    mark_replaced_listeners(*next, report.changes);
    report.message = count_changes(report.changes);
    if (dry_run) return reply(std::move(report));

    if (!take_effect(next, read->encoded, report)) {
        refuse_reload(report);
    } else {
        outputs_.log().log(
                NoticeEvent{.level = Level::notice, .text = "reloaded: " + report.message});
        if (const auto kept = keep_last_good(options_.state_directory, *plan_, read->encoded);
                !kept)
            outputs_.log().log(FailEvent{.stage = kept.error().operation,
                    .subject = kept.error().subject,
                    .error = kept.error().code,
                    .detail = "the last accepted configuration could not be kept"});
    }
    reply(std::move(report));
}

bool Supervisor::take_effect(const std::shared_ptr<const Plan>& next,
        const std::string& encoded, ReloadReport& report) {
    notify(fmt::format(
            "RELOADING=1\nMONOTONIC_USEC={}\n", loop_.now().time_since_epoch().count() / 1000));
    Prepared prepared;
    bool ready = prepare(*next, prepared, report);
    if (ready) {
        const auto saved = state_.commit_plan(encoded);
        if (!saved) report.message = saved.error().text();
        ready = saved.has_value();
    }
    if (ready) commit(next, prepared, report.changes);
    notify("READY=1\n");
    return ready;
}

void Supervisor::mark_replaced_listeners(
        const Plan& next, std::vector<ServiceDiff>& changes) const {
    for (const auto& plan : next.services) {
        const Service* service = find(plan->name);
        if (service == nullptr) continue;
        const auto filter = make_filter_entries(*plan, next.networks);
        const bool replaced = std::any_of(service->listeners.begin(), service->listeners.end(),
                [&](const Listener& listener) { return needs_new_socket(listener, filter); });
        if (!replaced) continue;
        const auto diff = std::find_if(changes.begin(), changes.end(),
                [&](const ServiceDiff& one) { return one.name == plan->name; });
        if (diff == changes.end()) continue;
        diff->change = Change::rebind;
        diff->restart = true;
        // Where the service's own lines are as before it is a network that has changed.
        if (diff->keys.empty()) diff->keys.emplace_back("allow");
    }
}

bool Supervisor::prepare(const Plan& next, Prepared& prepared, ReloadReport& report) {
    AddressBook book;
    std::set<std::string_view> waiting;
    for (auto& [name, service] : services_) {
        for (std::size_t i = 0; i < service->listeners.size(); ++i) {
            const Listener& listener = service->listeners[i];
            if (listener.condition == Listener::Condition::open)
                book.emplace(listener.plan.address, Holder{service.get(), i});
            else if (listener.condition == Listener::Condition::waiting)
                waiting.insert(listener.plan.address);
        }
    }
    std::set<std::uint64_t> closing;  // inodes of those that commit() closes, to bind anew
    std::vector<const ListenerPlan*> in_use;
    using Place = Prepared::Place;
    const auto take = [&](AddressBook::iterator match, const ListenerPlan& wanted,
                              std::span<const FilterEntry> filter, Place& place) {
        const Holder holder = match->second;
        const Listener& old = holder.service->listeners[holder.index];
        if (same_socket(old.plan, wanted) && !needs_new_socket(old, filter)) {
            place.from = holder.service;
            place.index = holder.index;
        } else {
            closing.insert(inode_of(old.fd.get()));
        }
        place.known = true;
        book.erase(match);
    };
    // Each service finds its own before any other looks for what is given up.
    for (const auto& plan : next.services) {
        auto& places = prepared.places[plan->name];
        places.resize(plan->listeners.size());
        Service* known = find(plan->name);
        if (known == nullptr || !will_want_listeners(*plan, known)) continue;
        for (std::size_t i = 0; i < places.size(); ++i) {
            const auto [first, last] = book.equal_range(plan->listeners[i].address);
            const auto own = std::find_if(first, last,
                    [&](const auto& entry) { return entry.second.service == known; });
            if (own != last)
                take(own, plan->listeners[i], make_filter_entries(*plan, next.networks),
                        places[i]);
        }
    }
    for (const auto& plan : next.services) {
        auto& places = prepared.places[plan->name];
        if (!will_want_listeners(*plan, find(plan->name))) continue;
        for (std::size_t i = 0; i < places.size(); ++i) {
            if (places[i].known) continue;
            const ListenerPlan& wanted = plan->listeners[i];
            const auto filter = make_filter_entries(*plan, next.networks);
            if (const auto given_up = book.find(wanted.address); given_up != book.end()) {
                take(given_up, wanted, filter, places[i]);
                continue;
            }
            auto bound = open_filtered(wanted, filter);
            if (bound) {
                places[i].fresh = std::move(*bound);
                continue;
            }
            // Waits and is retried, as at a start, or goes on waiting.
            if (bound.error().code != EADDRINUSE || waiting.contains(wanted.address)) continue;
            in_use.push_back(&wanted);
        }
    }
    // What nobody has taken is closed: an address that only they are in the way of is bound
    // then.
    for (const auto& [address, holder] : book)
        closing.insert(inode_of(holder.service->listeners[holder.index].fd.get()));
    for (const ListenerPlan* wanted : in_use) {
        if (is_held_by(*wanted, closing)) continue;
        report.message = describe_refusal(next, *wanted);
        return false;
    }
    return true;
}

void Supervisor::commit(std::shared_ptr<const Plan> next, Prepared& prepared,
        const std::vector<ServiceDiff>& changes) {
    plan_ = std::move(next);
    lining_up_.take_plan(plan_);
    networks_ = make_network_tables(plan_->networks);
    securing_.take_plan(*plan_);
    config_trouble_.clear();
    for (auto& [name, service] : services_) {
        doors_.forget(*service);
        prepared.old[service.get()] = std::exchange(service->listeners, {});
    }
    std::map<std::string_view, const ServiceDiff*> by_name;
    for (const ServiceDiff& diff : changes)
        by_name[diff.name] = &diff;
    std::vector<std::string_view> touched;
    std::vector<std::string_view> to_start;
    for (const auto& plan : plan_->services) {
        if (may_start(*plan, find(plan->name))) to_start.push_back(plan->name);
        const auto diff = by_name.find(plan->name);
        if (take_plan(plan, prepared, diff == by_name.end() ? nullptr : diff->second))
            touched.push_back(plan->name);
    }
    close_leftovers(prepared);
    for (const ServiceDiff& diff : changes) {
        if (options_.debug && diff.change != Change::keep)
            outputs_.log().log(NoticeEvent{.level = Level::debug,
                    .service = diff.name,
                    .text = fmt::format("reloaded: {}", fmt::join(diff.keys, " "))});
        Service* service = find(diff.name);
        if (service == nullptr) continue;
        if (diff.change == Change::removed) remove_service(*service);
    }
    lining_up_.line_up_all();
    for (const std::string_view name : touched)
        activate(*find(name));
    for (const std::string_view name : prepared.renewed)
        renew_processes(*find(name));
    for (const std::string_view name : touched)
        keep_pool_full(*find(name));
    for (const std::string_view name : to_start)
        start_at_boot(*find(name));
    // Limits may be others now: who still has to wait finds out at the next knock.
    for (auto& [name, service] : services_) {
        for (const Hold limit : {Hold::connections, Hold::rate, Hold::processes})
            release(*service, limit);
    }
    configure_outputs();
    watch_networks();
    watch_targets();
    if (admin_changed_) admin_changed_(plan_->daemon.admin_gid);
}

// Every listener is open and stays where it is.
bool Supervisor::stays_in_place(const Service& service, const Prepared& prepared) {
    const auto& places = prepared.places.find(service.name())->second;
    const auto old = prepared.old.find(const_cast<Service*>(&service));
    if (old == prepared.old.end() || old->second.size() != places.size()) return false;
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (places[i].from != &service || places[i].index != i) return false;
    }
    return true;
}

// False: nothing of the service changes but where its lines stand, so that a reload costs by
// what it changes, not by how much there is.
bool Supervisor::take_plan(const std::shared_ptr<const ServicePlan>& plan, Prepared& prepared,
        const ServiceDiff* change) {
    Service* service = find(plan->name);
    if (service != nullptr && service->removed) {
        service->removed = false;  // it is back
        service->again = service->stopping && plan->start == Start::boot;
    }
    if (service != nullptr) service->set_order(order_under(*plan, service));
    const bool other_mode = service != nullptr && service->plan->mode != plan->mode &&
                            !takes_connections(service->plan->mode);
    if (service == nullptr) service = &add_service(plan);
    const bool changed = change == nullptr || change->change != Change::keep;
    if (changed) {
        give_plan(*service, plan);
    } else {
        service->plan = plan;    // lines may have moved
        service->spawn.reset();  // it holds the old plan, and launches point into the new one
        compile_access(*service);
        if (stays_in_place(*service, prepared)) {
            const auto old = prepared.old.find(service);
            service->listeners = std::move(old->second);
            prepared.old.erase(old);
            for (std::size_t i = 0; i < service->listeners.size(); ++i)
                service->listeners[i].plan = plan->listeners[i];
            renew_filters(*service);
            give_anew(*service);
            return false;
        }
    }
    service->listeners.clear();
    service->listeners.resize(plan->listeners.size());
    auto& places = prepared.places[plan->name];
    for (std::size_t i = 0; i < places.size(); ++i) {
        Listener& listener = service->listeners[i];
        listener.plan = plan->listeners[i];
        if (places[i].from != nullptr)
            doors_.move(prepared.old[places[i].from][places[i].index], *service, listener);
        else if (places[i].fresh)
            doors_.adopt_bound(*service, listener, std::move(*places[i].fresh));
    }
    renew_filters(*service);
    // A worker holds the sockets of before: it goes, and the next one gets those of now.
    const bool rebinds = change != nullptr && change->change == Change::rebind;
    if (other_mode && service->active > 0) {
        service->again = true;
        end_processes(*service);
    } else if (service->residents > 0) {
        const bool rolls = plan->pool.overlap && change != nullptr && change->restart;
        if (rolls || (rebinds && plan->mode == Mode::worker))
            prepared.renewed.push_back(plan->name);
    }
    if (changed && !plan->enabled && service->order() == Order::none &&
            !takes_connections(plan->mode))
        end_processes(*service);
    return true;
}

void Supervisor::close_leftovers(Prepared& prepared) {
    for (auto& [service, listeners] : prepared.old) {
        for (Listener& listener : listeners)
            doors_.close(listener, true);
    }
    prepared.old.clear();
}

void Supervisor::watch_networks() {
    std::vector<std::string> files;
    for (const NetworkPlan& network : plan_->networks) {
        if (!network.file.empty()) files.push_back(network.file);
    }
    network_watch_.watch(files);
}

// Only the lists are read again, by the plan in force: half an edit of superd.toml stays
// unseen.
void Supervisor::on_networks_changed() {
    const StateHeader& header = state_.header();
    const std::uint64_t sequence = header.plan_sequence.load();
    const int fd = header.plan_fd[sequence & 1];
    reader_.reread_networks(fd, [this, sequence](Result<ReadResult> read) {
        // A reload that was being read came first: these are the lists of the plan before.
        if (state_.header().plan_sequence.load() != sequence) return on_networks_changed();
        if (!read || !read->plan) {
            outputs_.log().log(NoticeEvent{.level = Level::error,
                    .text = "address lists could not be read again: the old ones stay in "
                            "force"});
            return;
        }
        for (const Diagnostic& trouble : read->diagnostics.all())
            outputs_.log().log(
                    NoticeEvent{.level = Level::error, .text = diagnostic_line(trouble)});
        if (read->plan->networks == plan_->networks) return;
        auto next = std::make_shared<Plan>(*plan_);
        next->networks = read->plan->networks;
        // They count all the same; only a superd after a kill would not know them.
        if (const auto saved = state_.commit_plan(encode_plan(*next)); !saved)
            outputs_.log().log(FailEvent{.stage = saved.error().operation,
                    .subject = saved.error().subject,
                    .error = saved.error().code,
                    .detail = "address lists"});
        plan_ = std::move(next);
        networks_ = make_network_tables(plan_->networks);
        for (auto& [name, service] : services_) {
            compile_access(*service);
            renew_filters(*service);
            give_anew(*service);
        }
        outputs_.log().log(
                NoticeEvent{.level = Level::notice, .text = "address lists read again"});
    });
}

}  // namespace superd
