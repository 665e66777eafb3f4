// SPDX-License-Identifier: MIT
#include "relay/poller.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <sys/epoll.h>

namespace superd {

namespace {

constexpr std::size_t events_a_turn = 256;

}  // namespace

Poller::Poller(const Clock& clock)
        : clock_(clock),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          now_(clock.now()),
          wheel_(now_) {
    if (!epoll_) std::abort();  // no descriptors at the very start
}

bool Poller::watch(int fd, Watcher& watcher, std::uint32_t events) {
    if (free_places_.empty()) {
        free_places_.push_back(static_cast<std::uint32_t>(places_.size()));
        places_.emplace_back();
    }
    const std::uint32_t number = free_places_.back();
    epoll_event event{events, {nullptr}};
    event.data.u64 = std::uint64_t{places_[number].generation} << 32 | number;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
    free_places_.pop_back();
    places_[number].watcher = &watcher;
    watcher.place_ = number;
    return true;
}

bool Poller::add(int fd, Watcher& watcher) {
    return watch(fd, watcher, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET);
}

bool Poller::add_level(int fd, Watcher& watcher) {
    return watch(fd, watcher, EPOLLIN);
}

void Poller::remove(int fd, Watcher& watcher) {
    if (watcher.place_ == Watcher::nowhere) return;
    // superd has a copy of the descriptor: closing ours would not take it out of the set.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    forget(watcher);
}

void Poller::forget(Watcher& watcher) {
    if (watcher.place_ == Watcher::nowhere) return;
    Place& place = places_[watcher.place_];
    place.watcher = nullptr;
    ++place.generation;
    free_places_.push_back(watcher.place_);
    watcher.place_ = Watcher::nowhere;
}

void Poller::again(Task& task) {
    if (task.queued_) return;
    task.queued_ = true;
    tasks_.push_back(&task);
}

void Poller::take_back(Task& task) {
    if (!task.queued_) return;
    task.queued_ = false;
    std::replace(tasks_.begin(), tasks_.end(), &task, static_cast<Task*>(nullptr));
    std::replace(running_.begin(), running_.end(), &task, static_cast<Task*>(nullptr));
}

void Poller::turn(int max_ms) {
    std::array<epoll_event, events_a_turn> events;
    int wait = wheel_.timeout(clock_.now());
    if (wait < 0 || (max_ms >= 0 && max_ms < wait)) wait = max_ms;
    if (!tasks_.empty()) wait = 0;
    const int count = ::epoll_wait(epoll_.get(), events.data(), events_a_turn, wait);
    now_ = clock_.now();
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(count, 0)); ++i) {
        const auto number = static_cast<std::uint32_t>(events[i].data.u64);
        const auto generation = static_cast<std::uint32_t>(events[i].data.u64 >> 32);
        // A copy: a watcher that is told may add others, and the table may move.
        const Place place = places_[number];
        if (place.generation == generation && place.watcher != nullptr)
            place.watcher->on_events(events[i].events);
    }
    running_.swap(tasks_);
    for (std::size_t i = 0; i < running_.size(); ++i) {
        Task* task = running_[i];
        if (task == nullptr) continue;
        task->queued_ = false;
        running_[i] = nullptr;
        task->on_turn();
    }
    running_.clear();
    wheel_.advance(now_);
}

}  // namespace superd
