// SPDX-License-Identifier: MIT
#include "loop/loop.h"

#include <cstdlib>
#include <vector>

#include <uv.h>

namespace superd {

namespace {

// libuv fails here only for lack of memory or descriptors at start: nothing to go on with.
void must(int result) {
    if (result != 0) std::abort();
}

std::uint64_t milliseconds_up(Nanoseconds duration) {
    if (duration <= Nanoseconds::zero()) return 0;
    constexpr auto one = std::chrono::nanoseconds(std::chrono::milliseconds(1)).count();
    return static_cast<std::uint64_t>((duration.count() + one - 1) / one);
}

// Every handle is the first member of its Impl; its data points to the Impl.
template <class Impl, class Handle>
void close_and_delete(Impl* impl, Handle* handle) {
    impl->closed = true;  // the callback itself may be running: it lives until the handle goes
    ::uv_close(reinterpret_cast<uv_handle_t*>(handle),
            [](uv_handle_t* closed) { delete static_cast<Impl*>(closed->data); });
}

}  // namespace

struct Loop::Hooks {
    std::vector<std::function<void()>> turn_end;
    uv_prepare_t prepare{};
};

Loop::Loop() : raw_(std::make_unique<uv_loop_s>()), hooks_(std::make_unique<Hooks>()) {
    must(::uv_loop_init(raw_.get()));
    must(::uv_prepare_init(raw_.get(), &hooks_->prepare));
    hooks_->prepare.data = hooks_.get();
    // What a turn of the loop has collected is written down before the loop sleeps again.
    must(::uv_prepare_start(&hooks_->prepare, [](uv_prepare_t* handle) {
        for (auto& hook : static_cast<Hooks*>(handle->data)->turn_end)
            hook();
    }));
    ::uv_unref(reinterpret_cast<uv_handle_t*>(&hooks_->prepare));
}

Loop::~Loop() {
    ::uv_close(reinterpret_cast<uv_handle_t*>(&hooks_->prepare), nullptr);
    hooks_->turn_end.clear();
    ::uv_run(raw_.get(), UV_RUN_DEFAULT);
    ::uv_loop_close(raw_.get());
}

void Loop::run() {
    ::uv_run(raw_.get(), UV_RUN_DEFAULT);
}

void Loop::stop() {
    ::uv_stop(raw_.get());
}

void Loop::turn(bool wait) {
    ::uv_run(raw_.get(), wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

// uv_now() is milliseconds only; clock_gettime(2) is a vDSO call of some 20 ns.
Mono Loop::now() const {
    return std::chrono::steady_clock::now();
}

Wall Loop::wall() const {
    return std::chrono::system_clock::now();
}

void Loop::at_turn_end(std::function<void()> hook) {
    hooks_->turn_end.push_back(std::move(hook));
}

struct Poll::Impl {
    uv_poll_t handle{};
    Callback callback;
    bool closed = false;
};

Poll::Poll(Loop& loop, int fd, Callback callback) : impl_(new Impl) {
    impl_->callback = std::move(callback);
    must(::uv_poll_init(loop.raw(), &impl_->handle, fd));
    impl_->handle.data = impl_;
}

Poll::~Poll() {
    ::uv_poll_stop(&impl_->handle);
    close_and_delete(impl_, &impl_->handle);
}

void Poll::start(int events) {
    const int wanted = ((events & readable) != 0 ? UV_READABLE : 0) |
                       ((events & writable) != 0 ? UV_WRITABLE : 0) |
                       ((events & hangup) != 0 ? UV_DISCONNECT : 0);
    ::uv_poll_start(&impl_->handle, wanted, [](uv_poll_t* handle, int status, int got) {
        auto* impl = static_cast<Impl*>(handle->data);
        if (impl->closed) return;
        const int seen = ((got & UV_READABLE) != 0 ? readable : 0) |
                         ((got & UV_WRITABLE) != 0 ? writable : 0) |
                         ((got & UV_DISCONNECT) != 0 ? hangup : 0);
        impl->callback(seen, status < 0 ? -status : 0);
    });
}

void Poll::stop() {
    ::uv_poll_stop(&impl_->handle);
}

bool Poll::active() const {
    return ::uv_is_active(reinterpret_cast<const uv_handle_t*>(&impl_->handle)) != 0;
}

struct Timer::Impl {
    uv_timer_t handle{};
    std::function<void()> callback;
    bool closed = false;
};

Timer::Timer(Loop& loop, std::function<void()> callback) : impl_(new Impl) {
    impl_->callback = std::move(callback);
    must(::uv_timer_init(loop.raw(), &impl_->handle));
    impl_->handle.data = impl_;
}

Timer::~Timer() {
    ::uv_timer_stop(&impl_->handle);
    close_and_delete(impl_, &impl_->handle);
}

void Timer::start(Nanoseconds after, Nanoseconds repeat) {
    // libuv counts from the time it cached at the start of the turn.
    ::uv_update_time(impl_->handle.loop);
    ::uv_timer_start(
            &impl_->handle,
            [](uv_timer_t* handle) {
                auto* impl = static_cast<Impl*>(handle->data);
                if (!impl->closed) impl->callback();
            },
            milliseconds_up(after), milliseconds_up(repeat));
}

void Timer::stop() {
    ::uv_timer_stop(&impl_->handle);
}

bool Timer::active() const {
    return ::uv_is_active(reinterpret_cast<const uv_handle_t*>(&impl_->handle)) != 0;
}

}  // namespace superd
