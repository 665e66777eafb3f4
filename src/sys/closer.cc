// SPDX-License-Identifier: MIT
// Closes descriptors where it does not matter how long that takes.
#include "sys/closer.h"

#include <cerrno>
#include <csignal>

#include <unistd.h>

#include "sys/launcher.h"

namespace superd {

namespace {

constexpr std::size_t thread_stack = 256 * 1024;

void close_now(int fd, Closer::Linger linger) {
    if (linger == Closer::Linger::forget) forget_linger(fd);
    ::close(fd);
}

}  // namespace

bool start_thread(pthread_t& thread, void* (*function)(void*), void* argument) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, thread_stack);
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = ::pthread_create(&thread, &attributes, function, argument);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::pthread_attr_destroy(&attributes);
    errno = error;
    return error == 0;
}

void* Closer::thread_main(void* self) {
    static_cast<Closer*>(self)->run();
    return nullptr;
}

void Closer::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        std::vector<std::pair<int, Linger>> batch;
        batch.swap(waiting_);
        lock.unlock();
        for (const auto& [fd, linger] : batch) {
            close_now(fd, linger);
            --count_;
        }
        lock.lock();
    }
}

void Closer::close_later(int fd, Linger linger) {
    {
        const std::lock_guard lock(mutex_);
        if (!started_) started_ = start_thread(thread_, thread_main, this);
        if (started_) waiting_.emplace_back(fd, linger);
        if (started_) ++count_;
    }
    // Without a thread a slow close is better than a descriptor that stays.
    if (started_)
        changed_.notify_one();
    else
        close_now(fd, linger);
}

Closer::~Closer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (started_) ::pthread_join(thread_, nullptr);
}

}  // namespace superd
