// SPDX-License-Identifier: MIT
#include "engine/contact.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "config/address_spec.h"
#include "sys/listening.h"

namespace superd {

namespace {

// Datagrams that one turn of the loop takes of one place; then others come first, and whoever
// floods it waits in the kernel.
constexpr int batch = 32;
constexpr auto flood_pause = std::chrono::milliseconds(20);

// A program mostly listens within milliseconds; one that takes its time costs a look a second.
constexpr auto first_look = std::chrono::milliseconds(10);
constexpr auto last_look = std::chrono::seconds(1);

bool listens_at(const ListeningSocket& socket, const AddressSpec& address) {
    if (address.kind != ListenerKind::tcp) return socket.path == address.path;
    return socket.port == address.port &&
           (socket.ip.is_unspecified() || address.ip.is_unspecified() ||
                   socket.ip == address.ip);
}

// By its address where one was given, else any of the program's own.
bool is_listening(const ReadyPlan& ready, std::int32_t pid) {
    if (ready.address.empty())
        return holds_any(pid, listening_sockets(false)) ||
               holds_any(pid, listening_sockets(true));
    const auto address = parse_address(ready.address);
    if (!address) return false;
    const auto sockets = listening_sockets(address->kind != ListenerKind::tcp);
    return std::any_of(sockets.begin(), sockets.end(),
            [&](const ListeningSocket& socket) { return listens_at(socket, *address); });
}

}  // namespace

Contact::Contact(Loop& loop, LifeRecord& record, Sink sink)
        : loop_(loop),
          record_(record),
          sink_(std::move(sink)),
          socket_(record.notify_fd),
          pipe_(record.ready_fd),
          again_(loop, [this] { on_socket(); }),
          look_(loop, [this] { look_for_listener(); }) {}

Contact::~Contact() {
    hush();
    close_socket();
}

Result<void> Contact::equip(Launch& launch, const LifePlan& plan, const std::string& path) {
    if (plan.notify_access == NotifyAccess::none) {
        close_socket();
    } else {
        if (!socket_) {
            if (auto opened = open_socket(path); !opened) return opened;
        }
        launch.variables.push_back("NOTIFY_SOCKET=" + notify_address(socket_.get()));
    }
    if (plan.watchdog) {
        const auto period =
                std::chrono::duration_cast<std::chrono::microseconds>(*plan.watchdog);
        launch.variables.push_back("WATCHDOG_USEC=" + std::to_string(period.count()));
        launch.watched = true;
    }
    if (plan.ready.kind == ReadyKind::fd) return open_pipe(launch, plan.ready.fd);
    return {};
}

Result<void> Contact::open_socket(const std::string& path) {
    auto opened = open_notify_listener(path);
    if (!opened) return tl::unexpected(opened.error());
    socket_ = std::move(*opened);
    record_.notify_fd = socket_.get();
    return {};
}

void Contact::close_socket() {
    socket_poll_.reset();
    const std::string address = notify_address(socket_.get());
    if (address.starts_with('/')) ::unlink(address.c_str());
    record_.notify_fd = -1;
    socket_.reset();
}

// The program's end blocks, as it expects.
Result<void> Contact::open_pipe(Launch& launch, std::uint32_t number) {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail("pipe", "ready");
    pipe_.reset(ends[0]);
    record_.ready_fd = ends[0];
    launch.ready = Loan(std::make_shared<const Fd>(ends[1]));
    launch.ready_number = number;
    if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return fail("fcntl", "ready");
    return {};
}

void Contact::listen_to(const ReadyPlan& ready, std::int32_t pid, bool awaits) {
    pid_ = pid;
    if (socket_ && !socket_poll_) {
        socket_poll_ =
                std::make_unique<Poll>(loop_, socket_.get(), [this](int, int) { on_socket(); });
        socket_poll_->start(Poll::readable);
    }
    if (!awaits) return;
    awaited_ = ready;
    if (pipe_ && !pipe_poll_) {
        pipe_poll_ =
                std::make_unique<Poll>(loop_, pipe_.get(), [this](int, int) { on_pipe(); });
        pipe_poll_->start(Poll::readable);
    }
    if (ready.kind != ReadyKind::listen) return;
    look_pause_ = first_look;
    look_.start(look_pause_);
}

bool Contact::hear_one() {
    Datagram datagram;
    if (!socket_ || !sink_.may_hear() || !receiver_.receive(socket_.get(), datagram))
        return false;
    sink_.hear(datagram);
    return true;
}

void Contact::on_socket() {
    for (int i = 0; i < batch; ++i) {
        if (!hear_one()) {
            if (!socket_poll_) return;
            if (!sink_.may_hear()) break;
            socket_poll_->start(Poll::readable);
            return;
        }
        if (!socket_poll_) return;  // it has led to the end of the program
    }
    socket_poll_->stop();
    again_.start(flood_pause);
}

void Contact::drain() {
    for (int i = 0; i < batch && hear_one(); ++i) {
    }
}

// One newline, whatever stands before it. A program that closes its end without one goes on
// being awaited: it may have handed a copy to somebody else.
void Contact::on_pipe() {
    std::array<char, 256> text;
    const ssize_t size = ::read(pipe_.get(), text.data(), text.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    const auto end = text.begin() + std::max<ssize_t>(size, 0);
    const bool said = std::find(text.begin(), end, '\n') != end;
    if (size > 0 && !said) return;
    pipe_poll_.reset();
    record_.ready_fd = -1;
    pipe_.reset();
    if (said) sink_.ready();
}

void Contact::look_for_listener() {
    if (is_listening(awaited_, pid_)) return sink_.ready();
    look_pause_ = std::min<Nanoseconds>(2 * look_pause_, last_look);
    look_.start(look_pause_);
}

void Contact::hush() {
    look_.stop();
    again_.stop();
    socket_poll_.reset();
    pipe_poll_.reset();
    record_.ready_fd = -1;
    pipe_.reset();
}

}  // namespace superd
