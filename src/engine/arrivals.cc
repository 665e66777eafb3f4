// SPDX-License-Identifier: MIT
#include "engine/arrivals.h"

#include <array>
#include <csignal>
#include <cstddef>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace superd {

namespace {

// One that is queued and tells which descriptor it is for.
int arrival_signal() {
    return SIGRTMIN + 3;
}

sigset_t arrival_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, arrival_signal());
    ::sigaddset(&set, SIGIO);
    return set;
}

// Not fcntl(F_SETFL), which would write the other flags back as they were a moment ago.
bool set_asynchronous(int listener, int on) {
    return ::ioctl(listener, FIOASYNC, &on) == 0;
}

}  // namespace

Arrivals::Arrivals(Loop& loop) : loop_(loop) {
    const sigset_t set = arrival_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    open();
}

// Where there is no descriptor to spare nothing can be told, and it is tried again.
void Arrivals::open() {
    const sigset_t set = arrival_signals();
    signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals_) return;
    poll_ = std::make_unique<Poll>(loop_, signals_.get(), [this](int, int) { on_readable(); });
    poll_->start(Poll::readable);
}

bool Arrivals::arm(int listener) {
    return ::fcntl(listener, F_SETOWN, ::getpid()) == 0 &&
           ::fcntl(listener, F_SETSIG, arrival_signal()) == 0 && set_asynchronous(listener, 1);
}

bool Arrivals::take(int listener) {
    if (!signals_) open();
    if (!signals_) return true;
    on_readable();
    const bool quiet = waits_.contains(listener) && (::fcntl(listener, F_GETFL) & O_ASYNC) != 0;
    if (quiet) return false;
    if (arm(listener)) waits_.insert(listener);
    return true;
}

void Arrivals::forget(int listener) {
    if (listener < 0) return;
    waits_.erase(listener);
    set_asynchronous(listener, 0);
}

void Arrivals::on_readable() {
    std::array<signalfd_siginfo, 32> infos;
    for (;;) {
        const ssize_t got = ::read(signals_.get(), infos.data(), sizeof infos);
        if (got <= 0) return;
        const auto count = static_cast<std::size_t>(got) / sizeof infos[0];
        for (std::size_t i = 0; i < count; ++i) {
            if (infos[i].ssi_signo == SIGIO) {  // there was no room for the others
                waits_.clear();
            } else if (waits_.erase(infos[i].ssi_fd) > 0) {
                set_asynchronous(infos[i].ssi_fd, 0);
            }
        }
    }
}

}  // namespace superd
