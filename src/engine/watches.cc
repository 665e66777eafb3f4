// SPDX-License-Identifier: MIT
#include "engine/watches.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>

#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace superd {

namespace {

constexpr auto settle_time = std::chrono::milliseconds(100);
// Somebody who changes files without end must not keep the rest of superd waiting.
constexpr int reads_a_turn = 32;

sigset_t set_of(const std::vector<int>& signals) {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : signals)
        ::sigaddset(&set, signal);
    return set;
}

}  // namespace

SignalWatch::SignalWatch(
        Loop& loop, const std::vector<int>& signals, std::function<void(int)> callback)
        : set_(set_of(signals)),
          fd_(::signalfd(-1, &set_, SFD_NONBLOCK | SFD_CLOEXEC)),
          callback_(std::move(callback)),
          poll_(loop, fd_.get(), [this](int, int) { on_readable(); }) {
    poll_.start(Poll::readable);
}

void SignalWatch::mute(int signal) {
    ::sigdelset(&set_, signal);
    ::signalfd(fd_.get(), &set_, 0);
}

void SignalWatch::unmute(int signal) {
    ::sigaddset(&set_, signal);
    ::signalfd(fd_.get(), &set_, 0);
}

void SignalWatch::on_readable() {
    std::array<signalfd_siginfo, 16> infos;
    const ssize_t got = ::read(fd_.get(), infos.data(), sizeof infos);
    if (got <= 0) return;
    const auto count = static_cast<std::size_t>(got) / sizeof infos[0];
    for (std::size_t i = 0; i < count; ++i)
        callback_(static_cast<int>(infos[i].ssi_signo));
}

FileWatch::FileWatch(Loop& loop, std::function<void()> callback)
        : loop_(loop), callback_(std::move(callback)), settle_(loop, [this] { callback_(); }) {}

void FileWatch::watch(const std::vector<std::string>& paths) {
    poll_.reset();
    names_.clear();
    fd_.reset();
    if (paths.empty()) return;
    fd_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!fd_) return;
    for (const std::string& path : paths) {
        const auto slash = path.rfind('/');
        const std::string folder = slash == 0 ? "/" : path.substr(0, slash);
        const int watch = ::inotify_add_watch(fd_.get(), folder.c_str(),
                IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
        if (watch >= 0) names_[watch].insert(path.substr(slash + 1));
    }
    poll_ = std::make_unique<Poll>(loop_, fd_.get(), [this](int, int) { on_readable(); });
    poll_->start(Poll::readable);
}

void FileWatch::on_readable() {
    alignas(inotify_event) std::array<char, 8192> buffer;
    bool ours = false;
    for (int i = 0; i < reads_a_turn; ++i) {
        const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
        if (got <= 0) break;
        for (std::ptrdiff_t at = 0; at < got;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* name = buffer.data() + at + sizeof event;
            const auto watched = names_.find(event.wd);
            if ((event.mask & IN_Q_OVERFLOW) != 0) ours = true;
            if (event.len > 0 && watched != names_.end() && watched->second.contains(name))
                ours = true;
            at += static_cast<std::ptrdiff_t>(sizeof event + event.len);
        }
    }
    if (ours) settle_.start(settle_time);
}

}  // namespace superd
