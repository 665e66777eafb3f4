// SPDX-License-Identifier: MIT
#include "engine/pools.h"

#include <poll.h>
#include <sys/epoll.h>

#include "engine/records.h"

namespace superd {

namespace {

bool is_readable(int fd) {
    pollfd poll{fd, POLLIN, 0};
    return ::poll(&poll, 1, 0) == 1 && (poll.revents & POLLIN) != 0;
}

bool wants_watch(const Service& service) {
    if (service.plan->mode != Mode::worker || service.plan->pool.most <= service.plan->workers)
        return false;
    const bool serves = service.residents > 0 && !service.stopping && !service.removed &&
                        service.wants_listeners() && service.order() != Order::pause;
    return serves &&
           may_grow(bounds_of(service), pool_places(service), service.record->rolling != 0);
}

}  // namespace

std::vector<PoolPlace> pool_places(const Service& service) {
    std::vector<PoolPlace> places;
    places.reserve(service.instances.size());
    for (const auto& instance : service.instances)
        places.push_back({instance->state, instance->leaves()});
    return places;
}

PoolBounds bounds_of(const Service& service) {
    return pool_bounds(service.plan->workers, service.plan->pool.most);
}

struct Pools::Watch {
    std::uint32_t index = 0;  // of the service
    Sockets sockets;
    Fd set;
    Waiting waiting;
    std::unique_ptr<Poll> poll;
    std::unique_ptr<Timer> again;
};

Pools::Pools(Loop& loop, OnPressed on_pressed)
        : loop_(loop), on_pressed_(std::move(on_pressed)) {
    loop_.at_turn_end([this] { ended_.clear(); });
}

Pools::~Pools() = default;

Pools::Sockets Pools::sockets_of(const Service& service) {
    Sockets sockets;
    for (const Listener& listener : service.listeners)
        if (listener.condition == Listener::Condition::open)
            sockets.emplace_back(listener.fd.get(), inode_of(listener.fd.get()));
    return sockets;
}

void Pools::follow(const Service& service) {
    const auto known = watches_.find(service.index);
    const bool wanted = wants_watch(service);
    if (!wanted && known == watches_.end()) return;
    Sockets sockets = wanted ? sockets_of(service) : Sockets{};
    if (known != watches_.end()) {
        if (wanted && known->second->sockets == sockets &&
                known->second->waiting.after() == service.plan->pool.after)
            return;
        known->second->poll->stop();
        known->second->again->stop();
        ended_.push_back(std::move(known->second));
        watches_.erase(known);
    }
    if (sockets.empty()) return;
    if (auto watch = begin(service, std::move(sockets)))
        watches_[service.index] = std::move(watch);
}

// Null where there is no descriptor to be had: the next change of the service tries again.
std::unique_ptr<Pools::Watch> Pools::begin(const Service& service, Sockets sockets) {
    auto watch = std::make_unique<Watch>(Watch{service.index, std::move(sockets),
            Fd(::epoll_create1(EPOLL_CLOEXEC)), Waiting(service.plan->pool.after), {}, {}});
    if (!watch->set) return nullptr;
    for (const auto& [fd, inode] : watch->sockets) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        if (::epoll_ctl(watch->set.get(), EPOLL_CTL_ADD, fd, &event) != 0) return nullptr;
    }
    Watch& made = *watch;
    watch->poll = std::make_unique<Poll>(
            loop_, made.set.get(), [this, &made](int, int) { look(made); });
    watch->again = std::make_unique<Timer>(loop_, [this, &made] { look(made); });
    watch->poll->start(Poll::readable);
    return watch;
}

void Pools::look(Watch& watch) {
    bool readable = false;
    for (const auto& [fd, inode] : watch.sockets)
        readable = readable || is_readable(fd);
    switch (watch.waiting.step(readable, loop_.now())) {
        case Waiting::Step::listen: watch.poll->start(Poll::readable); break;
        case Waiting::Step::grow:
            watch.poll->stop();
            // Whatever comes of it, what is still waiting is looked at again.
            watch.again->start(watch.waiting.after());
            on_pressed_(watch.index);
            break;
        case Waiting::Step::look:
            watch.poll->stop();
            watch.again->start(watch.waiting.pause());
            break;
    }
}

}  // namespace superd
