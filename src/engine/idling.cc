// SPDX-License-Identifier: MIT
#include "engine/idling.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <sys/types.h>

#include "base/units.h"
#include "engine/pools.h"
#include "policy/idleness.h"
#include "policy/pool.h"
#include "sys/listening.h"
#include "sys/sock_diag.h"
#include "sys/stillness.h"

namespace superd {

namespace {

// A stop that does not take effect soon has met something that hangs: it is tried again later.
constexpr auto still_bound = std::chrono::seconds(1);
constexpr auto still_look = std::chrono::milliseconds(2);

// It runs, and nothing else is about to end it.
bool may_be_idle(const Service& service) {
    if (service.plan->mode != Mode::worker || !service.plan->upkeep.idle_stop ||
            service.stopping || service.ends_later || service.removed)
        return false;
    return std::any_of(service.instances.begin(), service.instances.end(), [](const auto& one) {
        return has_process(one->state) && !is_going_down(one->state);
    });
}

// A start or a reload is work too, and so is a generation that follows another.
bool is_coming(const Service& service) {
    return service.record->rolling != 0 ||
           std::any_of(service.instances.begin(), service.instances.end(), [](const auto& one) {
               return !one->leaves() && !one->at_rest() && one->state != LifeState::running;
           });
}

bool is_leaving(const Service& service) {
    return std::any_of(service.instances.begin(), service.instances.end(),
            [](const auto& one) { return one->leaves() && !one->at_rest(); });
}

}  // namespace

Idling::Idling(Loop& loop, Lives& lives, EventSink& log, Changed changed)
        : loop_(loop), lives_(lives), log_(log), changed_(std::move(changed)) {}

void Idling::follow(Service& service) {
    const auto known = entries_.find(service.index);
    if (!may_be_idle(service)) {
        if (known != entries_.end()) drop(known);
        return;
    }
    const Nanoseconds bound = *service.plan->upkeep.idle_stop;
    if (known != entries_.end() && known->second.bound == bound) return;
    Entry& entry = known != entries_.end() ? known->second : entries_[service.index];
    entry.service = &service;
    entry.bound = bound;
    if (known == entries_.end()) entry.since = entry.quiet_since = loop_.now();
    if (!entry.timer)
        entry.timer = std::make_unique<Timer>(loop_, [this, &entry] { on_timer(entry); });
    // A superd that was killed may have left them so.
    if (std::exchange(service.record->idling, IdleNote::none) != IdleNote::none)
        lives_.signal_all(service, SIGCONT);
    if (!entry.held_still) look(entry);
}

void Idling::forget(const Service& service) {
    const auto known = entries_.find(service.index);
    if (known != entries_.end()) drop(known);
}

void Idling::drop(std::map<std::uint32_t, Entry>::iterator place) {
    Service& service = *place->second.service;
    if (place->second.held_still) let_go(place->second);
    service.idle_since = Mono::max();
    service.idle_trouble.clear();
    for (const Listener& listener : service.listeners)
        if (arrivals_) arrivals_->forget(listener.fd.get());
    entries_.erase(place);
}

void Idling::on_timer(Entry& entry) {
    if (entry.held_still)
        look_last(entry);
    else
        look(entry);
}

// Who has come since the last look is asked before who is there: nobody comes between the two.
Idling::Seen Idling::see(const Service& service) {
    if (!arrivals_) arrivals_ = std::make_unique<Arrivals>(loop_);
    Seen seen{.came = is_coming(service), .stays = is_leaving(service)};
    for (const Listener& listener : service.listeners) {
        if (listener.condition != Listener::Condition::open) continue;
        seen.came = arrivals_->take(listener.fd.get()) || seen.came;
        const Result<bool> connected = has_connections(listener.fd.get());
        if (!connected) seen.trouble = connected.error().text();
        seen.stays = seen.stays || !connected || *connected;
    }
    return seen;
}

bool Idling::has_client(const Service& service, const Instance& instance,
        const std::vector<std::uint64_t>& clients, std::string& trouble) const {
    for (const pid_t process : lives_.members(service, instance)) {
        const Result<bool> holds = holds_socket(process, clients);
        if (!holds && (holds.error().code == ENOENT || holds.error().code == ESRCH)) continue;
        if (!holds) trouble = holds.error().text();
        if (!holds || *holds) return true;
    }
    return false;
}

std::uint32_t Idling::find_surplus(const Service& service, std::string& trouble) {
    const PoolBounds bounds = bounds_of(service);
    const bool rolls = service.record->rolling != 0;
    std::vector<PoolPlace> places = pool_places(service);
    if (!surplus_place(bounds, places, rolls)) return no_place;
    std::vector<std::uint64_t> clients;
    for (const Listener& listener : service.listeners) {
        if (listener.condition != Listener::Condition::open) continue;
        const auto some = connections_of(listener.fd.get());
        if (!some) trouble = some.error().text();
        if (!some) return no_place;
        clients.insert(clients.end(), some->begin(), some->end());
    }
    for (std::size_t i = 0; i < places.size(); ++i)
        places[i].serves = has_client(service, *service.instances[i], clients, trouble);
    const auto place = surplus_place(bounds, places, rolls);
    return place ? service.instances[*place]->number : no_place;
}

void Idling::note_trouble(Service& service, const std::string& trouble) {
    const std::string text = trouble.empty() ? trouble : "idle_stop cannot be kept: " + trouble;
    if (service.idle_trouble == text) return;
    service.idle_trouble = text;
    if (!text.empty())
        log_.log(NoticeEvent{.level = Level::error, .service = service.name(), .text = text});
}

void Idling::look(Entry& entry) {
    Service& service = *entry.service;
    const Mono now = loop_.now();
    Seen seen = see(service);
    if (seen.came) entry.quiet_since = now;
    if (seen.came || seen.stays) {
        service.idle_since = Mono::max();
        entry.since = now;
    } else if (service.idle_since == Mono::max()) {
        service.idle_since = entry.since;
    }
    const IdleDecision decision = decide_idle(entry.bound, entry.since, now);
    const bool quiet = decide_idle(entry.bound, entry.quiet_since, now).stop;
    const std::uint32_t surplus =
            quiet && !decision.stop ? find_surplus(service, seen.trouble) : no_place;
    note_trouble(service, seen.trouble);
    if (decision.stop || surplus != no_place)
        hold_still(entry, surplus);
    else
        entry.timer->start(decision.next);
}

void Idling::send(const Entry& entry, int signal) const {
    for (const auto& instance : entry.service->instances)
        if (entry.surplus == no_place || instance->number == entry.surplus)
            lives_.signal(*entry.service, *instance, signal);
}

void Idling::hold_still(Entry& entry, std::uint32_t surplus) {
    entry.held_still = true;
    entry.held_since = loop_.now();
    entry.surplus = surplus;
    entry.service->record->idling = IdleNote::held_still;
    send(entry, SIGSTOP);
    look_last(entry);
}

bool Idling::are_still(const Entry& entry) const {
    std::vector<pid_t> all;
    for (const auto& instance : entry.service->instances) {
        if (entry.surplus != no_place && instance->number != entry.surplus) continue;
        const auto members = lives_.members(*entry.service, *instance);
        all.insert(all.end(), members.begin(), members.end());
    }
    return superd::are_still(all);
}

void Idling::look_last(Entry& entry) {
    const bool in_time = loop_.now() - entry.held_since < still_bound;
    const bool still = are_still(entry);
    if (!still && in_time) {
        // One that was being forked has not heard of it.
        send(entry, SIGSTOP);
        return entry.timer->start(still_look);
    }
    Seen seen = see(*entry.service);
    if (!still) seen.trouble = "its processes cannot be held still for the last look";
    const bool one = entry.surplus != no_place;
    // Others may have gone meanwhile, or the file asks for more.
    const bool over =
            still && !seen.came &&
            (one ? find_surplus(*entry.service, seen.trouble) == entry.surplus : !seen.stays);
    note_trouble(*entry.service, seen.trouble);
    if (over) return one ? stop_surplus(entry) : stop(entry);
    let_go(entry);
    entry.quiet_since = loop_.now();
    if (!one) entry.since = loop_.now();
    look(entry);
}

void Idling::let_go(Entry& entry) {
    entry.held_still = false;
    send(entry, SIGCONT);
    entry.surplus = no_place;
    if (entry.service->record->idling == IdleNote::held_still)
        entry.service->record->idling = IdleNote::none;
}

// TERM and then CONT, as a life ends: the first thing that they see is TERM.
void Idling::stop(Entry& entry) {
    Service& service = *entry.service;
    service.record->idling = IdleNote::stopped;
    entry.held_still = false;
    const std::string text = "idle for " + format_duration(entry.bound);
    log_.log(NoticeEvent{.service = service.name(), .text = text + ": it is stopped"});
    for (const auto& instance : service.instances) {
        if (is_up(instance->state))
            lives_.retire(service, *instance, EndKind::idle, text);
        else
            lives_.live(service, *instance, LifeEvent::stop);
        // With exec_stop it is told to end later, and has to serve until then.
        if (!instance->at_rest() && instance->state == LifeState::halting)
            lives_.signal(service, *instance, SIGCONT);
    }
    changed_(service);
}

// First it is written down that it goes, then that there are to be fewer: a superd that is
// killed in between leaves one more to be started by the next client, never one that a client
// has.
void Idling::stop_surplus(Entry& entry) {
    Service& service = *entry.service;
    const auto place = std::find_if(service.instances.begin(), service.instances.end(),
            [&entry](const auto& one) { return one->number == entry.surplus; });
    if (place == service.instances.end()) return;
    Instance& instance = **place;
    entry.held_still = false;
    entry.surplus = no_place;
    Lives::note_cause(
            service, instance, EndKind::idle, "nobody new for " + format_duration(entry.bound));
    lives_.let_go(service, instance);
    if (instance.state == LifeState::halting) lives_.signal(service, instance, SIGCONT);
    service.record->idling = IdleNote::none;
    service.record->pool = static_cast<std::uint32_t>(staying_instances(service));
    lives_.drop_extra(service);
    log_.log(NoticeEvent{.service = service.name(),
            .text = fmt::format("nobody new for {}: a worker without clients goes, {} of at "
                                "least {} stay",
                    format_duration(entry.bound), service.record->pool,
                    bounds_of(service).least)});
    entry.timer->start(decide_idle(entry.bound, loop_.now(), loop_.now()).next);
    changed_(service);
}

}  // namespace superd
