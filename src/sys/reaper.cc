// SPDX-License-Identifier: MIT
// Learning that processes have ended, at a cost that does not grow with how many live.
#include "sys/reaper.h"

#include <algorithm>
#include <array>
#include <csignal>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/guard.h"
#include "sys/kin.h"
#include "sys/process.h"

namespace superd {

namespace {

constexpr int batch = 64;

}  // namespace

int wait_status(int code, int status) {
    switch (code) {
        case CLD_EXITED: return (status & 0xff) << 8;
        case CLD_DUMPED: return status | 0x80;
        default: return status;
    }
}

NextExit next_exit(unsigned stops) {
    for (unsigned taken = 0;; ++taken) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return {};
        const bool ended = info.si_code == CLD_EXITED || info.si_code == CLD_KILLED ||
                           info.si_code == CLD_DUMPED;
        if (info.si_pid == 0 || ended) return {.info = info};
        if (taken == stops) return {.more = true};
        // Never WEXITED: it may have ended since, and then it is its owner's to reap.
        siginfo_t stop{};
        ::waitid(P_PID, static_cast<id_t>(info.si_pid), &stop, WSTOPPED | WNOHANG);
    }
}

Result<Reaper> Reaper::create(const State& state) {
    Reaper reaper(state);
    reaper.set_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!reaper.set_) return fail("epoll_create1");
    return reaper;
}

ProcessRecord& Reaper::at(std::uint32_t record) const {
    return state_->processes()[record];
}

// A search through all records: for adopted processes and strangers only.
const ProcessRecord* Reaper::find(std::int32_t pid) const {
    const auto used = state_->processes().first(state_->header().process_high);
    const auto found =
            std::find_if(used.begin(), used.end(), [pid](const ProcessRecord& record) {
                return record.pid.load() == pid && record.state.load() != RecordState::free;
            });
    return found == used.end() ? nullptr : &*found;
}

GuardExit* Reaper::exit_of(std::int32_t pid) const {
    for (GuardExit& exit : state_->header().exits)
        if (exit.pid.load(std::memory_order_acquire) == pid && exit.acknowledged.load() == 0)
            return &exit;
    return nullptr;
}

Result<void> Reaper::add(std::uint32_t record) {
    const std::int32_t pidfd = at(record).pidfd.load();
    if (pidfd < 0) {
        // Not even a zombie: whoever reaped it was killed before it could say so.
        if (!signal_process(at(record), 0))
            gone_.push_back(record);
        else
            without_pidfd_[at(record).pid.load()] = record;
        return {};
    }
    // By edge: an end is said once, although the pidfd stays readable until it was reaped, and
    // once more where a tracer held the process back from its parent until now: ptrace(2).
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u32 = record;
    if (::epoll_ctl(set_.get(), EPOLL_CTL_ADD, pidfd, &event) != 0)
        return fail("epoll_ctl", "pidfd");
    return {};
}

// A superd killed in between finds the process by its number: sys/recovery.cc.
Result<void> Reaper::follow(std::uint32_t record, std::int32_t pid, Fd pidfd) {
    ProcessRecord& process = at(record);
    const std::int32_t former = process.pid.exchange(pid);
    const Fd former_pidfd(process.pidfd.exchange(pidfd.release()));
    without_pidfd_.erase(former);
    std::erase(awaiting_, record);
    std::erase(gone_, record);
    if (former_pidfd) ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, former_pidfd.get(), nullptr);
    let_go(former);
    return add(record);
}

// Of a child that goes on the sweep will hear, or the guard.
void Reaper::let_go(std::int32_t pid) const {
    siginfo_t info{};
    const auto id = static_cast<id_t>(pid);
    if (pid > 0 && ::waitid(P_PID, id, &info, WEXITED | WNOHANG) == 0) return;
    if (GuardExit* exit = exit_of(pid)) acknowledge(*exit);
}

void Reaper::peek(std::uint32_t record, std::vector<Ended>& out) {
    ProcessRecord& process = at(record);
    siginfo_t info{};
    const auto pidfd = static_cast<id_t>(process.pidfd.load());
    if (::waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        if (info.si_pid != 0)
            out.push_back({record, wait_status(info.si_code, info.si_status)});
        return;
    }
    if (const GuardExit* exit = exit_of(process.pid.load())) {
        out.push_back({record, exit->status});
        return;
    }
    // The guard's child: it will say. Reaped by a superd that was killed right after, or
    // somebody else's: nobody will.
    if (!signal_process(process, 0) ||
            parent_of(process.pid.load()) != state_->header().guard_pid.load())
        out.push_back({record, -1});
    else if (std::find(awaiting_.begin(), awaiting_.end(), record) == awaiting_.end())
        awaiting_.push_back(record);
}

void Reaper::wait(std::vector<Ended>& out) {
    std::array<epoll_event, batch> events;
    const int count = ::epoll_wait(set_.get(), events.data(), batch, 0);
    for (int i = 0; i < count; ++i)
        peek(events[static_cast<std::size_t>(i)].data.u32, out);
}

void Reaper::on_guard_signal(std::vector<Ended>& out) {
    for (const std::uint32_t record : gone_)
        out.push_back({record, -1});
    gone_.clear();
    for (GuardExit& exit : state_->header().exits) {
        const std::int32_t pid = exit.pid.load(std::memory_order_acquire);
        if (pid == 0 || exit.acknowledged.load() != 0) continue;
        const auto awaited = std::find_if(awaiting_.begin(), awaiting_.end(),
                [&](std::uint32_t record) { return at(record).pid.load() == pid; });
        if (awaited != awaiting_.end()) {
            out.push_back({*awaited, exit.status});
            awaiting_.erase(awaited);
            continue;
        }
        const auto bare = without_pidfd_.find(pid);
        if (bare != without_pidfd_.end()) {
            out.push_back({bare->second, exit.status});
            continue;
        }
        // With a record: its pidfd will bring it. Else nobody waits for it.
        if (find(pid) == nullptr) acknowledge(exit);
    }
}

void Reaper::acknowledge(GuardExit& exit) const {
    exit.acknowledged.store(1, std::memory_order_release);
    const std::int32_t guard = state_->header().guard_pid.load();
    if (guard > 0) ::kill(guard, guard_signal());
}

void Reaper::reap(std::uint32_t record) {
    ProcessRecord& process = at(record);
    const std::int32_t pid = process.pid.load();
    const std::int32_t pidfd = process.pidfd.load();
    // First of all: as long as it is held, a superd that comes after must find the process by
    // it, and the pid alone may be somebody else's a moment after the kernel forgot it. What is
    // left of a process that no record knows the guard has superd let go.
    process.state.store(RecordState::free, std::memory_order_release);
    process.pidfd.store(-1);
    siginfo_t info{};
    const int result =
            pidfd >= 0 ? ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG)
                       : ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
    if (result != 0) {
        if (GuardExit* exit = exit_of(pid)) acknowledge(*exit);
    }
    if (pidfd < 0) {
        without_pidfd_.erase(pid);
        return;
    }
    // A child between fork and exec may have a copy, for which close alone would leave it here.
    ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, pidfd, nullptr);
    ::close(pidfd);
}

// waitid(P_ALL) shows the first of those that have ended until it was reaped, so one that still
// belongs to somebody ends the round; its own way brings the sweep back.
unsigned Reaper::sweep(std::vector<Ended>& out, unsigned at_most) {
    unsigned strangers = 0;
    while (strangers < at_most) {
        const NextExit next = next_exit();
        const siginfo_t& info = next.info;
        if (next.more) return at_most;
        if (info.si_pid == 0) return strangers;
        const auto bare = without_pidfd_.find(info.si_pid);
        if (bare != without_pidfd_.end()) {
            out.push_back({bare->second, wait_status(info.si_code, info.si_status)});
            return strangers;
        }
        if (find(info.si_pid) != nullptr) return strangers;
        siginfo_t reaped{};
        ::waitid(P_PID, static_cast<id_t>(info.si_pid), &reaped, WEXITED | WNOHANG);
        ++strangers;
    }
    return strangers;
}

bool continue_if_stopped(int pidfd) {
    siginfo_t info{};
    if (pidfd < 0 ||
            ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WSTOPPED | WNOHANG) != 0 ||
            info.si_pid == 0 || info.si_code != CLD_STOPPED)
        return false;
    ::syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, nullptr, 0);
    return true;
}

}  // namespace superd
