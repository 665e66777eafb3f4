// SPDX-License-Identifier: MIT
// Closes descriptors where it does not matter how long that takes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
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

    // Whether SO_LINGER may keep the thread waiting. What a client or its handler asked for is
    // forgotten; what somebody else still uses is left as it is.
    enum class Linger : std::uint8_t { forget, keep };

    void close_later(int fd, Linger linger = Linger::forget);

    // Not closed yet. From any thread.
    [[nodiscard]] std::size_t waiting() const { return count_.load(); }

private:
    static void* thread_main(void* self);
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::pair<int, Linger>> waiting_;
    std::atomic<std::size_t> count_{0};
    bool stopping_ = false;
    bool started_ = false;
    pthread_t thread_{};
};

}  // namespace superd
