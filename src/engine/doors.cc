// SPDX-License-Identifier: MIT
#include "engine/doors.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/text.h"
#include "sys/listen_socket.h"
#include "sys/message_queue.h"
#include "sys/renew_listener.h"

#include "relay/datagrams.h"

namespace superd {

namespace {

// How often an address that is not there yet, or is somebody else's, is tried again.
constexpr auto retry_interval = std::chrono::seconds(2);

}  // namespace

std::string listener_key(std::string_view service, const ListenerPlan& plan) {
    return std::string(service) + ' ' + plan.address;
}

Result<BoundListener> open_filtered(
        const ListenerPlan& plan, std::span<const FilterEntry> entries) {
    BoundListener bound;
    BeforeBind attach;
    if (!entries.empty() && can_be_filtered(plan)) {
        attach = [&](int socket) -> Result<void> {
            auto filter = ClientFilter::attach(socket, plan.kind, entries);
            if (!filter) return tl::unexpected(filter.error());
            bound.filter = std::move(*filter);
            return {};
        };
    }
    auto fd = open_listener(plan, attach);
    if (!fd) return tl::unexpected(fd.error());
    bound.fd = std::move(*fd);
    return bound;
}

bool needs_new_socket(const Listener& listener, std::span<const FilterEntry> entries) {
    if (listener.filter_mark == 0) return false;
    return entries.empty() || filter_mark(entries) != listener.filter_mark;
}

Doors::Doors(Loop& loop, ListenerRecords& records, EventSink& log, DoorSink& sink)
        : loop_(loop), records_(records), log_(log), sink_(sink), retry_(loop, [this] {
              retry();
          }) {}

void Doors::open(Service& service, Listener& listener) {
    const std::string key = listener_key(service.name(), listener.plan);
    if (const auto known = records_.claim(key)) {
        listener.record = *known;
        adopt(service, listener, Fd(records_.at(*known).fd));
        find_filter(service, listener, records_.at(*known).filter);
        return;
    }
    if (Fd taken = take_offered(service, listener)) {
        if (const auto record = records_.add(key, taken.get())) listener.record = *record;
        adopt(service, listener, std::move(taken));
        find_filter(service, listener, 0);
    } else {
        auto bound = open_filtered(listener.plan, service.filter);
        if (!bound) {
            make_wait(service, listener, bound.error());
            return;
        }
        if (offered_) bound_beside_.push_back(listener.plan.address);
        if (const auto record = records_.add(key, bound->fd.get())) listener.record = *record;
        adopt(service, listener, std::move(bound->fd));
        take_filter(service, listener, std::move(bound->filter));
        if (!denied_.empty()) (void)renew_filter(service, listener);
        tell_sizes(service, listener);
    }
    if (!log_.wants(Level::debug)) return;
    log_.log(NoticeEvent{.level = Level::debug,
            .service = service.name(),
            .text = "listens on " + bound_text(listener.fd.get(), listener.plan.kind)});
}

// A queue that was not empty could not be given the plan's.
void Doors::tell_sizes(const Service& service, const Listener& listener) {
    if (listener.plan.kind != ListenerKind::mqueue) return;
    const std::string sizes = other_sizes(listener.fd.get(), listener.plan);
    if (sizes.empty()) return;
    log_.log(NoticeEvent{.level = Level::warning,
            .service = service.name(),
            .text = listener.plan.address + " is not empty and keeps its sizes, " + sizes +
                    ", until it is opened empty"});
}

void Doors::open_all(Service& service) {
    for (Listener& listener : service.listeners) {
        if (listener.condition == Listener::Condition::closed) open(service, listener);
    }
}

void Doors::open_wanted(Service& service) {
    if (service.wants_listeners()) open_all(service);
}

Fd Doors::take_offered(const Service& service, const Listener& listener) {
    Fd fd = offered_ ? offered_->claim(listener.plan, service.plan->rpc) : Fd();
    if (!fd) return fd;
    const std::string chosen =
            listener.plan.port == 0 ? " as " + bound_text(fd.get(), listener.plan.kind) : "";
    log_.log(NoticeEvent{.level = Level::notice,
            .service = service.name(),
            .text = "took " + listener.plan.address + chosen + " from " + offered_->holder()});
    return fd;
}

// A listener of the other daemon that was not taken, and in whose place nothing can be bound.
void Doors::say_in_the_way(
        const ForeignListener& foreign, const std::string& holder, const Service& service) {
    for (const Listener& listener : service.listeners) {
        const bool waits = listener.condition == Listener::Condition::waiting;
        if (!waits || !overlaps(foreign, listener.plan)) continue;
        log_.log(NoticeEvent{.level = Level::warning,
                .service = service.name(),
                .text = address_text(foreign) + " of " + holder + ", is in the way of " +
                        listener.plan.address +
                        " and was not taken, for it is not the same address"});
    }
}

void Doors::finish_offer(
        const std::map<std::string, std::unique_ptr<Service>, std::less<>>& all) {
    if (!offered_) return;
    const ForeignListeners offered = std::move(*offered_);
    offered_.reset();
    const std::vector<std::string> bound = std::exchange(bound_beside_, {});
    if (!bound.empty())
        log_.log(NoticeEvent{
                .level = Level::notice, .text = "bound itself: " + join(bound, ", ")});
    std::vector<std::string> left;
    for (const ForeignListener& foreign : offered.rest()) {
        left.push_back(address_text(foreign));
        for (const auto& [name, service] : all)
            say_in_the_way(foreign, offered.holder(), *service);
    }
    if (offered.stored()) {
        for (const ForeignListener& foreign : offered.rest())
            records_.let_go(foreign.fd.get());
    }
    const std::string what =
            offered.stored() ? "closed, for no service asks for it, of " : "left to ";
    if (!left.empty())
        log_.log(NoticeEvent{.level = Level::notice,
                .text = what + offered.holder() + ": " + join(left, ", ")});
}

void Doors::adopt(const Service& service, Listener& listener, Fd fd) {
    listener.fd = std::move(fd);
    // Before the first datagram is there: the kernel notes where it was sent to as it comes.
    if (is_relayed(service.plan->mode) && listener.plan.kind == ListenerKind::udp)
        ask_for_destination(listener.fd.get());
    listener.condition = Listener::Condition::open;
    listener.detail.clear();
}

void Doors::arm(Service& service, Listener& listener) {
    // Not before it is watched: libuv sets O_NONBLOCK, which a worker that has the listener too
    // would see. The place of a listener in its vector is fixed for the life of the plan.
    listener.poll = std::make_unique<Poll>(loop_, listener.fd.get(),
            [this, &service, &listener](int, int) { sink_.on_knock(service, listener); });
}

void Doors::make_wait(Service& service, Listener& listener, const Error& error) {
    if (std::find(waiting_.begin(), waiting_.end(), &service) == waiting_.end())
        waiting_.push_back(&service);
    if (!retry_.active()) retry_.start(retry_interval, retry_interval);
    // Who holds an address is looked for once: it costs a walk through /proc.
    if (listener.condition == Listener::Condition::waiting && listener.waits_for == error.code)
        return;
    listener.waits_for = error.code;
    std::string detail;  // beside the error's own text
    listener.detail = error.text();
    if (error.code == EADDRINUSE) {
        const std::string holder = describe_holder(listener.plan);
        if (!holder.empty()) detail = "in use by " + holder;
        listener.detail = holder.empty() ? "the address is in use" : detail;
    } else if (is_not_there_yet(error)) {
        detail = "waiting for address";
        listener.detail = detail + " (" + errno_text(error.code) + ")";
    }
    log_.log(FailEvent{.service = service.name(),
            .stage = error.operation,
            .subject = listener.plan.address,
            .error = error.code,
            .detail = detail});
    listener.condition = Listener::Condition::waiting;
}

void Doors::retry() {
    auto services = std::exchange(waiting_, {});
    for (Service* service : services) {
        bool opened = false;
        for (Listener& listener : service->listeners) {
            if (listener.condition != Listener::Condition::waiting) continue;
            open(*service, listener);
            opened = opened || listener.condition == Listener::Condition::open;
        }
        if (opened) {
            log_.log(NoticeEvent{.service = service->name(),
                    .text = "an address it waited for is open now"});
            sink_.on_doors_changed(*service);
        }
    }
    if (waiting_.empty()) retry_.stop();
}

void Doors::close(Listener& listener, bool remove_nodes) {
    if (listener.given != 0) sink_.on_take_back(listener);
    listener.poll.reset();
    count_refusals(listener);
    listener.filter.reset();
    listener.filter_mark = 0;
    if (listener.record != ~std::uint32_t{0}) records_.remove(listener.record);
    listener.record = ~std::uint32_t{0};
    listener.fd.reset();
    if (remove_nodes && listener.condition == Listener::Condition::open)
        remove_node(listener.plan);
    listener.condition = Listener::Condition::closed;
    listener.detail.clear();
}

void Doors::close_all(Service& service, bool remove_nodes) {
    for (Listener& listener : service.listeners)
        close(listener, remove_nodes);
    forget(service);
}

void Doors::move(Listener& from, Service& service, Listener& to) {
    if (from.given != 0) sink_.on_take_back(from);
    from.poll.reset();
    count_refusals(from);
    to.condition = std::exchange(from.condition, Listener::Condition::closed);
    to.detail = from.detail;
    to.unread = from.unread;
    to.queued = from.queued;
    if (to.condition != Listener::Condition::open) {
        to.condition = Listener::Condition::closed;  // opened, or found waiting, by open_all()
        return;
    }
    // The new key is written down before the old one goes: a superd that is killed in between
    // finds the descriptor under whichever plan is committed.
    const std::uint32_t old = std::exchange(from.record, ~std::uint32_t{0});
    if (old != ~std::uint32_t{0} &&
            records_.at(old).key == listener_key(service.name(), to.plan)) {
        to.record = old;
    } else {
        to.record = records_.add(listener_key(service.name(), to.plan), from.fd.get())
                            .value_or(~std::uint32_t{0});
        if (old != ~std::uint32_t{0}) records_.remove(old, true);
    }
    adopt(service, to, std::move(from.fd));
    // Not worth a socket of its own, and the queue with it: what cannot be set is told.
    if (const auto renewed = renew_listener(to.fd.get(), from.plan, to.plan); !renewed)
        log_.log(FailEvent{.service = service.name(),
                .stage = renewed.error().operation,
                .subject = renewed.error().subject,
                .error = renewed.error().code,
                .detail = "its listener stays as it was before the reload"});
    to.filter_mark = from.filter_mark;
    take_filter(service, to, std::exchange(from.filter, std::nullopt));
}

void Doors::adopt_bound(Service& service, Listener& to, BoundListener bound) {
    if (const auto record = records_.add(listener_key(service.name(), to.plan), bound.fd.get()))
        to.record = *record;
    adopt(service, to, std::move(bound.fd));
    take_filter(service, to, std::move(bound.filter));
}

void Doors::count_refusals(const Listener& listener) {
    if (!listener.filter || listener.counts == nullptr) return;
    const ClientFilter::Counts fresh = listener.filter->take_counts();
    listener.counts->refused[static_cast<std::size_t>(Refusal::denied)] += fresh.denied;
    listener.counts->refused[static_cast<std::size_t>(Refusal::not_allowed)] +=
            fresh.not_allowed;
}

// filter: what is on the listener and was attached, or changed last, by this superd.
void Doors::take_filter(
        Service& service, Listener& listener, std::optional<ClientFilter> filter) {
    listener.filter = std::move(filter);
    listener.counts = service.record;
    if (listener.filter && !listener.filter->changeable() && listener.filter_mark == 0)
        listener.filter_mark = filter_mark(service.filter);
    if (listener.record != ~std::uint32_t{0})
        records_.at(listener.record).filter = listener.filter && listener.filter->changeable()
                                                      ? listener.filter->id()
                                                      : listener.filter_mark;
}

// A listener of a superd that was killed. Its filter may not be the one of the plan in force:
// that was committed before filters were changed.
void Doors::find_filter(Service& service, Listener& listener, std::uint32_t written_down) {
    if (!can_be_filtered(listener.plan)) return;
    if ((written_down & 0x80000000u) != 0) {
        listener.filter_mark = written_down;
        take_filter(service, listener, std::nullopt);
    } else if (written_down != 0) {
        if (auto filter = ClientFilter::adopt(written_down))
            take_filter(service, listener, std::move(*filter));
    }
    if (needs_new_socket(listener, service.filter)) {
        close(listener, false);
        open(service, listener);
    } else if (auto renewed = renew_filter(service, listener); !renewed) {
        close(listener, false);
        make_wait(service, listener, renewed.error());
    }
}

Result<void> Doors::renew_filter(Service& service, Listener& listener) {
    if (!can_be_filtered(listener.plan)) return {};
    if (listener.filter && listener.filter->changeable())
        return listener.filter->update(keep_out(service.filter, denied_));
    if (listener.filter_mark != 0) return {};
    if (service.filter.empty()) {
        keep_denied_out(service, listener);
        return {};
    }
    // One that nobody can change or knows: whoever attached it, this list is not enforced.
    if (ClientFilter::is_locked(listener.fd.get()))
        return fail(EPERM, "SO_ATTACH_FILTER", listener.plan.address);
    auto filter = ClientFilter::attach(listener.fd.get(), listener.plan.kind, service.filter);
    if (!filter) return tl::unexpected(filter.error());
    take_filter(service, listener, std::move(*filter));
    if (denied_.empty() || !listener.filter->changeable()) return {};
    return listener.filter->update(keep_out(service.filter, denied_));
}

// A worker without lists gets a filter when first somebody is kept out. One that cannot have it
// goes on without: what a sensor has caught is no reason to stop serving all others.
void Doors::keep_denied_out(Service& service, Listener& listener) {
    if (denied_.empty() || service.plan->mode != Mode::worker ||
            ClientFilter::is_locked(listener.fd.get()))
        return;
    auto filter = ClientFilter::attach_changeable(
            listener.fd.get(), listener.plan.kind, keep_out({}, denied_));
    if (filter) take_filter(service, listener, std::move(*filter));
}

bool Doors::renew_filters(Service& service) {
    bool replaced = false;
    for (Listener& listener : service.listeners) {
        if (listener.condition != Listener::Condition::open) continue;
        if (needs_new_socket(listener, service.filter)) {
            close(listener, false);
            open(service, listener);
            replaced = true;
            continue;
        }
        auto renewed = renew_filter(service, listener);
        if (renewed) continue;
        close(listener, false);
        make_wait(service, listener, renewed.error());
    }
    return replaced;
}

void Doors::watch(Service& service) {
    const bool open = service.holds.none() && service.order() != Order::pause &&
                      !service.removed && !service.stopping;
    for (Listener& listener : service.listeners) {
        if (listener.given != 0 && !open) sink_.on_take_back(listener);
        if (listener.given != 0) {
            if (listener.poll) listener.poll->stop();
            continue;
        }
        const bool watched = listener.poll && listener.poll->active();
        if (watched == open || listener.condition != Listener::Condition::open) continue;
        if (!open) {
            listener.poll->stop();
            continue;
        }
        if (!listener.poll) arm(service, listener);
        listener.poll->start(Poll::readable);
    }
}

void Doors::forget(const Service& service) {
    std::erase(waiting_, &service);
}

}  // namespace superd
