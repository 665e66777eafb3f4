// SPDX-License-Identifier: MIT
// Closes descriptors where it does not matter how long that takes.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include <pthread.h>

namespace superd {

// Starts a thread with all signals blocked and a small stack. False with errno set on failure.
bool start_thread(pthread_t& thread, void* (*function)(void*), void* argument);

// One thread, started with the first descriptor.
class Closer {
public:
    Closer() = default;
    ~Closer();  // closes what is left
    Closer(const Closer&) = delete;
    Closer& operator=(const Closer&) = delete;

    void close_later(int fd);

private:
    static void* thread_main(void* self);
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<int> waiting_;
    bool stopping_ = false;
    bool started_ = false;
    pthread_t thread_{};
};

}  // namespace superd
