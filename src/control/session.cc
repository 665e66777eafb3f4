// SPDX-License-Identifier: MIT
// Carries bytes and messages of one control client.
#include "control/session.h"

#include <array>
#include <utility>

#include <fmt/core.h>
#include <sys/socket.h>

#include <systemd/sd-bus.h>

#include "control/object.h"
#include "control/server.h"

namespace superd {

namespace {

constexpr std::size_t chunk = 16 * 1024;
constexpr unsigned max_open_calls = 32;
constexpr int steps_at_once = 64;
constexpr auto longest_slice = std::chrono::milliseconds(2);
// Not zero: a timer that is due at once may come again before the loop has looked at anything.
constexpr auto next_turn = std::chrono::milliseconds(1);

enum class Io : std::uint8_t { done, later, closed };

Io read_chunk(int fd, std::string& to) {
    std::array<char, chunk> buffer;
    // No room for ancillary data: descriptors that a client sends are dropped by the kernel.
    const auto got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
        to.append(buffer.data(), static_cast<std::size_t>(got));
        return Io::done;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? Io::later : Io::closed;
}

Io write_some(int fd, std::string& from, std::size_t limit) {
    const auto put = ::send(fd, from.data(), limit, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put >= 0) {
        from.erase(0, static_cast<std::size_t>(put));
        return Io::done;
    }
    return errno == EAGAIN || errno == EINTR ? Io::later : Io::closed;
}

bool is_ready(sd_bus* bus) {
    return ::sd_bus_is_ready(bus) > 0;
}

}  // namespace

ControlSession::ControlSession(const ControlHost& host, Fd client, ControlCredentials peer)
        : host_(host),
          peer_(std::move(peer)),
          client_(std::move(client)),
          poll_(std::make_unique<Poll>(
                  host_.loop, client_.get(), [this](int events, int) { on_event(events); })),
          deadline_(host_.loop, [this] { end(); }),
          again_(host_.loop, [this] { pump(); }),
          work_on_(host_.loop, [this] { work(); }) {}

Result<std::shared_ptr<ControlSession>> ControlSession::open(
        const ControlHost& host, Fd client, ControlCredentials peer) {
    std::shared_ptr<ControlSession> session(
            new ControlSession(host, std::move(client), std::move(peer)));
    if (auto opened = session->open_bus(); !opened) return tl::unexpected(opened.error());
    session->deadline_.start(host.options.authentication_timeout);
    session->watch();
    return session;
}

ControlSession::~ControlSession() {
    host_.on_end = nullptr;
    end();
}

Result<void> ControlSession::open_bus() {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return fail("socketpair");
    near_.reset(pair[0]);
    Fd far(pair[1]);
    sd_id128_t id;
    int result = ::sd_id128_randomize(&id);
    if (result >= 0) result = ::sd_bus_new(&bus_);
    if (result >= 0) result = ::sd_bus_set_fd(bus_, far.get(), far.get());
    if (result < 0) return fail(-result, "sd_bus_set_fd");
    static_cast<void>(far.release());  // the bus closes it
    result = ::sd_bus_set_server(bus_, 1, id);
    // Who the client is was asked of the kernel; what it says about itself does not count.
    if (result >= 0) result = ::sd_bus_set_anonymous(bus_, 1);
    if (result >= 0) result = ::sd_bus_negotiate_fds(bus_, 0);
    if (result >= 0) result = add_control_objects(bus_, *this);
    if (result >= 0) result = ::sd_bus_start(bus_);
    if (result < 0) return fail(-result, "sd_bus_start");
    return {};
}

bool ControlSession::may_change() const {
    return superd::may_change(host_.rights, peer_);
}

void ControlSession::log_change(const std::string& what) const {
    if (host_.options.log == nullptr) return;
    const auto text = fmt::format("control: {} asked by {}", what, peer_.text());
    host_.options.log->log(NoticeEvent{.level = Level::info, .service = {}, .text = text});
}

void ControlSession::call_ends() {
    --open_calls_;
    pump();
}

void ControlSession::do_in_slices(std::function<bool()> step) {
    steps_.push_back(std::move(step));
    if (!work_on_.active()) work();
}

void ControlSession::work() {
    const auto self = shared_from_this();
    const Mono end = host_.loop.now() + longest_slice;
    while (!steps_.empty() && host_.loop.now() < end) {
        // Its last call answers, after which the session may have ended and forgotten the rest.
        auto step = std::move(steps_.front());
        steps_.pop_front();
        bool more = true;
        while (more && host_.loop.now() < end)
            more = step();
        if (more && !ended_) steps_.push_front(std::move(step));
    }
    if (!steps_.empty()) work_on_.start(next_turn);
}

void ControlSession::on_event(int events) {
    const auto self = shared_from_this();
    pump();
    // A client that is gone has no use for answers; one that is read to its end has ended by
    // now.
    if ((events & Poll::hangup) != 0 && !ended_ && throttled()) end();
}

void ControlSession::pump() {
    if (pumping_ || ended_) return;
    const auto self = shared_from_this();
    pumping_ = true;
    bool alive = true, progress = true;
    for (int i = 0; i < steps_at_once && alive && progress; ++i) {
        progress = false;
        alive = step(progress);
    }
    pumping_ = false;
    if (!alive) return end();
    if (progress) again_.start(next_turn);
    watch();
}

bool ControlSession::step(bool& progress) {
    return receive(progress) && forward(progress) && process(progress) && send(progress);
}

bool ControlSession::throttled() const {
    std::uint64_t queued = 0;
    return !out_.empty() || open_calls_ >= max_open_calls ||
           (::sd_bus_get_n_queued_write(bus_, &queued) >= 0 && queued > 0);
}

bool ControlSession::receive(bool& progress) {
    if (!in_.empty() || throttled()) return true;
    const auto result = read_chunk(client_.get(), in_);
    if (result == Io::done) progress = true;
    return result != Io::closed;
}

bool ControlSession::forward(bool& progress) {
    if (in_.empty() || throttled()) return true;
    if (gate_.state() == FrameGate::State::begun && admitted_ == 0) {
        // All that came before has been processed: unless the library now takes messages, the
        // client said BEGIN without having authenticated.
        if (!is_ready(bus_)) return false;
        gate_.begin_messages();
    }
    if (gate_.state() == FrameGate::State::authenticating && is_ready(bus_)) return false;
    // The gate sees every byte once; what the pair does not take at once waits in in_.
    if (admitted_ == 0) admitted_ = gate_.admit(in_);
    if (gate_.state() == FrameGate::State::refused) return false;
    const auto before = in_.size();
    if (write_some(near_.get(), in_, admitted_) == Io::closed) return false;
    admitted_ -= before - in_.size();
    if (in_.size() < before) progress = true;
    return true;
}

bool ControlSession::process(bool& progress) {
    for (int i = 0; i < steps_at_once; ++i) {
        const int result = ::sd_bus_process(bus_, nullptr);
        if (result < 0) return false;
        if (result == 0) break;
        progress = true;
    }
    return ::sd_bus_is_open(bus_) > 0;
}

bool ControlSession::send(bool& progress) {
    if (out_.empty() && read_chunk(near_.get(), out_) == Io::closed) return false;
    if (out_.empty()) return true;
    const auto result = write_some(client_.get(), out_, out_.size());
    if (result == Io::done) {
        progress = true;
        deadline_.stop();
    }
    return result != Io::closed;
}

void ControlSession::watch() {
    const bool authenticated = is_ready(bus_);
    if (!out_.empty()) {
        if (authenticated && !deadline_.active()) deadline_.start(host_.options.write_timeout);
    } else if (authenticated) {
        deadline_.stop();
    }
    const int reading = in_.empty() && !throttled() ? Poll::readable : 0;
    poll_->start(reading | (out_.empty() ? 0 : Poll::writable) | Poll::hangup);
}

void ControlSession::end() {
    if (ended_) return;
    ended_ = true;
    poll_.reset();  // before the descriptor is closed and its number taken by another
    deadline_.stop();
    again_.stop();
    work_on_.stop();
    steps_.clear();
    for (const auto token : std::exchange(waits_, {}))
        host_.manager.forget_wait(token);
    if (bus_ != nullptr) {
        ::sd_bus_close(bus_);
        bus_ = ::sd_bus_unref(bus_);
    }
    near_.reset();
    client_.reset();
    if (host_.on_end) host_.on_end();
}

}  // namespace superd
