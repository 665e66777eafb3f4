// SPDX-License-Identifier: MIT
#include "relay/poller.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <sys/epoll.h>

namespace superd {

namespace {

constexpr std::size_t events_a_turn = 256;

bool watch(int epoll, int fd, Watcher& watcher, std::uint32_t events) {
    epoll_event event{events, {nullptr}};
    event.data.ptr = &watcher;
    return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Poller::Poller(const Clock& clock)
        : clock_(clock),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          now_(clock.now()),
          wheel_(now_) {
    if (!epoll_) std::abort();  // no descriptors at the very start
}

bool Poller::add(int fd, Watcher& watcher) {
    return watch(epoll_.get(), fd, watcher, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

bool Poller::add_level(int fd, Watcher& watcher) {
    return watch(epoll_.get(), fd, watcher, EPOLLIN);
}

void Poller::remove(int fd, Watcher& watcher) {
    // superd may have a copy of the descriptor: closing ours would not take it out of the set.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    for (Told& told : told_)
        if (told.watcher == &watcher) told.watcher = nullptr;
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
    told_.clear();
    for (int i = 0; i < count; ++i)
        told_.push_back({static_cast<Watcher*>(events[static_cast<std::size_t>(i)].data.ptr),
                events[static_cast<std::size_t>(i)].events});
    // By index: a watcher that is told may remove others, never add to the list.
    for (std::size_t i = 0; i < told_.size(); ++i)
        if (told_[i].watcher != nullptr) told_[i].watcher->on_events(told_[i].events);
    told_.clear();
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
