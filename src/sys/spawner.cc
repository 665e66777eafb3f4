// SPDX-License-Identifier: MIT
// The pool of threads that launch, and what passes between them and the loop.
//
// One lock guards the queue, the results and which thread does what. A thread takes it once a
// launch: to give back a result and to take the next launch. The loop takes it to submit, to
// drain and in tick().
#include "sys/spawner.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sys/closer.h"
#include "sys/launch_queue.h"
#include "sys/launcher.h"
#include "sys/process.h"
#include "sys/slots.h"

namespace superd {

namespace {

constexpr auto destructor_patience = std::chrono::seconds(1);

// One thread of the pool.
struct Worker {
    Worker(const State& state, SpawnMethod method, unsigned index, int null)
            : launcher(state, method, index, null) {}

    Launcher launcher;
    std::condition_variable wake;
    pthread_t thread{};
    Spawner::Impl* owner = nullptr;
    // Guarded by the lock:
    bool idle = false;
    bool launching = false;
    bool killed = false;  // by tick(), for its time was up
    std::uint32_t record = 0;
    Nanoseconds timeout{0};
    std::optional<Mono> seen;  // when tick() first saw this launch
};

// A stop or a reload may close a listener while its worker waits for a thread, and the number
// is then somebody else's. Without one of its sockets a worker is not started at all.
void copy_listeners(Launch& launch) {
    for (int& listener : launch.listeners) {
        listener = ::fcntl(listener, F_DUPFD_CLOEXEC, low_number);
        if (listener < 0) launch.copy_error = errno;
    }
}

void close_listeners(const Launch& launch) {
    for (const int listener : launch.listeners)
        if (listener >= 0) ::close(listener);
}

int open_event_fd() {
    return ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

}  // namespace

struct Spawner::Impl {
    Impl(const State& the_state, const SpawnerOptions& the_options);
    ~Impl();

    void add_worker();
    void run(Worker& worker);
    void begin(Worker& worker, const Launch& launch);
    [[nodiscard]] bool finish(Worker& worker, LaunchResult result);
    [[nodiscard]] Worker* take_idle();
    void announce() const;
    void kill_late(Worker& worker, Mono now);
    void join(Worker& worker, Wall patience_ends);
    void grow();

    const State& state;
    const SpawnerOptions options;
    Fd null, event;
    Closer closer;

    std::mutex lock;
    LaunchQueue queue;
    std::vector<std::unique_ptr<Worker>> workers;
    std::vector<LaunchResult> results;
    bool stopping = false;
    std::uint64_t popped_at_tick = ~std::uint64_t{0};
    bool waited_at_tick = false;

    // The loop's alone.
    std::size_t pending = 0;
    std::unordered_map<std::uint32_t, std::size_t> pending_of;
    std::vector<LaunchResult> drained;
};

namespace {

void* worker_main(void* argument) {
    auto& worker = *static_cast<Worker*>(argument);
    worker.owner->run(worker);
    return nullptr;
}

}  // namespace

Spawner::Impl::Impl(const State& the_state, const SpawnerOptions& the_options)
        : state(the_state), options(the_options), event(open_event_fd()), queue(options.share) {
    auto opened = open_null();
    if (!opened || !event) {
        std::fprintf(stderr, "superd: no descriptors for the spawner\n");
        std::abort();
    }
    null = std::move(*opened);
    workers.reserve(options.ceiling);
    for (unsigned i = 0; i < options.threads; ++i)
        add_worker();
}

Spawner::Impl::~Impl() {
    std::deque<Launch> unbegun;
    {
        const std::lock_guard guard(lock);
        stopping = true;
        unbegun = queue.take_all();
        for (auto& worker : workers)
            worker->wake.notify_one();
    }
    for (const Launch& launch : unbegun) {
        if (launch.connection >= 0) ::close(launch.connection);
        close_listeners(launch);
    }
    const auto patience_ends = std::chrono::system_clock::now() + destructor_patience;
    for (auto& worker : workers)
        join(*worker, patience_ends);
}

// A program that hangs in exec is not to hang superd's own end. Killed more than once: a thread
// that had no processor yet may clone its child only now.
void Spawner::Impl::join(Worker& worker, Wall patience_ends) {
    for (;; patience_ends += std::chrono::milliseconds(100)) {
        const auto since_epoch = patience_ends.time_since_epoch();
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_epoch);
        const timespec until{.tv_sec = static_cast<time_t>(seconds.count()),
                .tv_nsec = static_cast<long>((since_epoch - seconds).count())};
        if (::pthread_timedjoin_np(worker.thread, nullptr, &until) != ETIMEDOUT) return;
        const std::lock_guard guard(lock);
        if (worker.launching) signal_process(state.processes()[worker.record], SIGKILL);
    }
}

// Constructor, or the lock is held. Where a thread cannot be had the others go on.
void Spawner::Impl::add_worker() {
    const auto index = static_cast<unsigned>(workers.size());
    if (index >= options.ceiling) return;
    workers.push_back(std::make_unique<Worker>(state, options.method, index, null.get()));
    Worker& worker = *workers.back();
    worker.owner = this;
    if (!start_thread(worker.thread, worker_main, &worker)) workers.pop_back();
}

void Spawner::Impl::run(Worker& worker) {
    std::unique_lock guard(lock);
    while (!stopping) {
        auto launch = queue.pop();
        if (!launch) {
            worker.idle = true;
            worker.wake.wait(guard, [&] { return stopping || !worker.idle || !queue.empty(); });
            worker.idle = false;
            continue;
        }
        begin(worker, *launch);
        guard.unlock();
        const LaunchResult result = worker.launcher.run(*launch);
        close_listeners(*launch);
        launch.reset();
        guard.lock();
        if (!finish(worker, result)) continue;
        guard.unlock();
        announce();
        guard.lock();
    }
}

void Spawner::Impl::begin(Worker& worker, const Launch& launch) {
    worker.launching = true;
    worker.killed = false;
    worker.record = launch.record;
    worker.timeout = launch.plan->launch_timeout;
    worker.seen.reset();
}

// True where the loop has to be told: it drains all that is there.
bool Spawner::Impl::finish(Worker& worker, LaunchResult result) {
    worker.launching = false;
    result.timed_out = worker.killed;
    if (result.timed_out && result.stage == SpawnStage::none) {
        result.stage = SpawnStage::exec;
        result.error = ETIMEDOUT;
    }
    queue.done(result.service);
    results.push_back(result);
    return results.size() == 1;
}

void Spawner::Impl::announce() const {
    const std::uint64_t one = 1;
    if (::write(event.get(), &one, sizeof one) < 0 && errno != EAGAIN) std::abort();
}

// The first that is idle: the first ones have slots, and are warm.
Worker* Spawner::Impl::take_idle() {
    for (auto& worker : workers) {
        if (!worker->idle) continue;
        worker->idle = false;
        return worker.get();
    }
    return nullptr;
}

// The lock is held, so the launch cannot end meanwhile and its pid stays the child's: nobody
// reaps before the result is drained.
void Spawner::Impl::kill_late(Worker& worker, Mono now) {
    if (!worker.launching || worker.killed || worker.timeout.count() == 0) return;
    if (!worker.seen) worker.seen = now;
    if (now - *worker.seen < worker.timeout) return;
    worker.killed = signal_process(state.processes()[worker.record], SIGKILL);
}

// More threads only where launches wait while none of them ends, and where a whole tick passed
// with nobody idle: a machine that is merely busy gains nothing by them.
void Spawner::Impl::grow() {
    const bool waiting = !queue.empty();
    const bool stuck = waiting && waited_at_tick && popped_at_tick == queue.popped();
    const bool crowded = waiting && waited_at_tick && queue.ready() > workers.size();
    waited_at_tick = waiting;
    popped_at_tick = queue.popped();
    if (stuck) {
        for (std::size_t n = std::min(queue.ready(), workers.size()); n > 0; --n)
            add_worker();
    } else if (crowded && workers.size() < std::size_t{hot_slots}) {
        add_worker();
    }
}

Spawner::Spawner(const State& state, const SpawnerOptions& options)
        : impl_(std::make_unique<Impl>(state, options)) {}

Spawner::~Spawner() = default;

void Spawner::submit(Launch launch) {
    ++impl_->pending;
    ++impl_->pending_of[launch.service];
    copy_listeners(launch);
    Worker* idle = nullptr;
    {
        const std::lock_guard guard(impl_->lock);
        if (impl_->queue.push(std::move(launch))) idle = impl_->take_idle();
    }
    if (idle != nullptr) idle->wake.notify_one();
}

int Spawner::event_fd() const {
    return impl_->event.get();
}

void Spawner::drain(std::vector<LaunchResult>& out) {
    std::uint64_t count;
    if (::read(impl_->event.get(), &count, sizeof count) < 0 && errno != EAGAIN) std::abort();
    {
        const std::lock_guard guard(impl_->lock);
        impl_->drained.swap(impl_->results);
    }
    for (const LaunchResult& result : impl_->drained) {
        --impl_->pending;
        --impl_->pending_of[result.service];
    }
    out.insert(out.end(), impl_->drained.begin(), impl_->drained.end());
    impl_->drained.clear();
}

void Spawner::tick(Mono now) {
    const std::lock_guard guard(impl_->lock);
    for (auto& worker : impl_->workers)
        impl_->kill_late(*worker, now);
    impl_->grow();
}

std::size_t Spawner::pending() const {
    return impl_->pending;
}

std::size_t Spawner::pending(std::uint32_t service) const {
    const auto found = impl_->pending_of.find(service);
    return found == impl_->pending_of.end() ? 0 : found->second;
}

void Spawner::close_later(int fd, Closer::Linger linger) {
    impl_->closer.close_later(fd, linger);
}

std::size_t Spawner::closing() const {
    return impl_->closer.waiting();
}

}  // namespace superd
