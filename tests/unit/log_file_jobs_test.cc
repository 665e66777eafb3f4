// SPDX-License-Identifier: MIT
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "log/file_jobs.h"

#include "support/catch.h"
#include "support/log_program.h"

using namespace superd;
using namespace superd::test;

namespace {

// Keeps a job waiting, as a file system that hangs does.
class Gate {
public:
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return open_; });
    }

    void open() {
        {
            const std::lock_guard lock(mutex_);
            open_ = true;
        }
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

void take_until(ThreadedFileJobs& jobs, const std::vector<int>& done, std::size_t wanted) {
    while (done.size() < wanted) {
        REQUIRE(wait_readable(jobs.descriptor()));
        jobs.take_done();
    }
}

}  // namespace

TEST_CASE("file jobs: those of one key are done in order, and told where they are asked for") {
    ThreadedFileJobs jobs;
    std::vector<int> worked, done;
    const auto here = std::this_thread::get_id();
    bool elsewhere = true, at_home = true;
    for (int i = 0; i < 100; ++i)
        jobs.post(
                1,
                [&worked, &elsewhere, here, i] {
                    elsewhere = elsewhere && std::this_thread::get_id() != here;
                    worked.push_back(i);
                },
                [&done, &at_home, here, i] {
                    at_home = at_home && std::this_thread::get_id() == here;
                    done.push_back(i);
                });
    take_until(jobs, done, 100);
    CHECK(elsewhere);
    CHECK(at_home);
    CHECK(worked == done);
    CHECK(std::is_sorted(done.begin(), done.end()));
}

TEST_CASE("file jobs: a file system that hangs keeps only its own files waiting") {
    ThreadedFileJobs jobs;
    auto gate = std::make_shared<Gate>();
    std::vector<int> done;
    jobs.post(
            1, [gate] { gate->wait(); }, [&] { done.push_back(1); });
    for (int i = 0; i < 3; ++i)
        jobs.post(
                FileJobs::Key(2 + i), [] {}, [&] { done.push_back(2); });
    take_until(jobs, done, 3);
    CHECK(done == std::vector<int>{2, 2, 2});
    gate->open();
    take_until(jobs, done, 4);
    CHECK(done.back() == 1);
}

TEST_CASE("file jobs: many file systems share a bounded number of threads") {
    ThreadedFileJobs jobs;
    std::vector<int> done;
    for (int i = 0; i < 100; ++i)
        jobs.post(
                FileJobs::Key(i), [] {}, [&done, i] { done.push_back(i); });
    jobs.post(
            FileJobs::compressing, [] {}, [&done] { done.push_back(-1); });
    const auto threads = std::distance(std::filesystem::directory_iterator("/proc/self/task"),
            std::filesystem::directory_iterator());
    CHECK(static_cast<std::size_t>(threads) <= ThreadedFileJobs::thread_bound + 2);
    take_until(jobs, done, 101);
}

TEST_CASE("file jobs: their end does not wait for one that hangs") {
    auto gate = std::make_shared<Gate>(), ended = std::make_shared<Gate>();
    {
        ThreadedFileJobs jobs;
        auto begun = std::make_shared<Gate>();
        jobs.post(
                1,
                [gate, ended, begun] {
                    begun->open();
                    gate->wait();
                    ended->open();
                },
                [] {});
        begun->wait();
    }
    gate->open();
    ended->wait();  // the thread that was left alone still has all it needs
    SUCCEED();
}
