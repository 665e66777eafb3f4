// SPDX-License-Identifier: MIT
// Work on files, beside superd-log's loop.
#include "log/file_jobs.h"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <iterator>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace superd {

void InlineFileJobs::post(Key, Work work, Work done) {
    work();
    done();
}

FileJobs& inline_file_jobs() {
    static InlineFileJobs jobs;
    return jobs;
}

// What the threads have done, for the loop.
struct ThreadedFileJobs::Finished {
    void push(Work done) {
        bool first = false;
        {
            const std::lock_guard lock(mutex);
            first = waiting.empty();
            waiting.push_back(std::move(done));
        }
        const std::uint64_t one = 1;
        if (first) static_cast<void>(!::write(event.get(), &one, sizeof one));
    }

    Fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::mutex mutex;
    std::vector<Work> waiting;
};

struct ThreadedFileJobs::Lane {
    Lane(std::shared_ptr<Finished> out, bool idle) : finished(std::move(out)), is_idle(idle) {}

    void run() {
        ::prctl(PR_SET_NAME, is_idle ? "compress" : "files", 0, 0, 0);
        const sched_param none{};
        if (is_idle) ::sched_setscheduler(0, SCHED_IDLE, &none);
        for (;;) {
            std::unique_lock lock(mutex);
            wake.wait(lock, [this] { return ended || !jobs.empty(); });
            if (ended) return;
            auto [work, done] = std::move(jobs.front());
            jobs.pop_front();
            busy = true;
            lock.unlock();
            work();
            work = nullptr;
            finished->push(std::move(done));
            lock.lock();
            busy = false;
        }
    }

    const std::shared_ptr<Finished> finished;
    const bool is_idle;
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::pair<Work, Work>> jobs;
    bool busy = false, ended = false;
    std::thread thread;
};

ThreadedFileJobs::ThreadedFileJobs() : finished_(std::make_shared<Finished>()) {}

ThreadedFileJobs::~ThreadedFileJobs() {
    for (const auto& [key, lane] : lanes_) {
        bool busy = false;
        {
            const std::lock_guard lock(lane->mutex);
            lane->ended = true;
            lane->jobs.clear();
            busy = lane->busy;
        }
        lane->wake.notify_one();
        busy ? lane->thread.detach() : lane->thread.join();
    }
}

// Null where no thread can be had.
ThreadedFileJobs::Lane* ThreadedFileJobs::lane_of(Key key) {
    if (const auto known = lanes_.find(key); known != lanes_.end()) return known->second.get();
    const bool idle = key == compressing;
    const std::size_t own = lanes_.size() - lanes_.count(compressing);
    if (!idle && own >= thread_bound)
        return std::next(lanes_.begin(), static_cast<std::ptrdiff_t>(key % own))->second.get();
    auto lane = std::make_shared<Lane>(finished_, idle);
    // Signals are for the loop's thread.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        lane->thread = std::thread([lane] { lane->run(); });
    } catch (const std::system_error&) {
        lane = nullptr;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return lane ? lanes_.emplace(key, std::move(lane)).first->second.get() : nullptr;
}

void ThreadedFileJobs::post(Key key, Work work, Work done) {
    Lane* lane = lane_of(key);
    if (lane == nullptr) {
        work();
        finished_->push(std::move(done));
        return;
    }
    {
        const std::lock_guard lock(lane->mutex);
        lane->jobs.emplace_back(std::move(work), std::move(done));
    }
    lane->wake.notify_one();
}

int ThreadedFileJobs::descriptor() const {
    return finished_->event.get();
}

void ThreadedFileJobs::take_done() {
    std::uint64_t count = 0;
    static_cast<void>(!::read(finished_->event.get(), &count, sizeof count));
    std::vector<Work> done;
    {
        const std::lock_guard lock(finished_->mutex);
        done.swap(finished_->waiting);
    }
    for (const Work& one : done)
        one();
}

}  // namespace superd
