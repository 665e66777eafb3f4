// SPDX-License-Identifier: MIT
// One launch after the other, in one thread: descriptors into place, clone, what became of it.
//
// A kill may come between any two lines here; what is in the record at each of them is what the
// next superd goes by (sys/recovery.h). So a number is written down before the other copy of
// the connection is closed, and a connection is forgotten only when the child has it or is
// dead.
#include "sys/launcher.h"

#include <csignal>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/pid_namespace.h"
#include "sys/raw_syscall.h"
#include "sys/slots.h"

namespace superd {

namespace {

Sharing sharing_of(SpawnMethod method, bool slot) {
    switch (method) {
        case SpawnMethod::shared_table:
            return slot ? Sharing::memory_and_table : Sharing::memory;
        case SpawnMethod::vfork: return Sharing::memory;
        case SpawnMethod::fork: return Sharing::nothing;
    }
    return Sharing::nothing;
}

// Without clone3(2) or CLONE_INTO_CGROUP (Linux 5.7), or where the way to the group is not
// permitted: the child goes there by itself.
bool cannot_be_born_there(int result) {
    return result == -ENOSYS || result == -EINVAL || result == -EOPNOTSUPP ||
           result == -EACCES || result == -EPERM;
}

// What a launch must have and has not; none: it is complete.
SpawnStage lacks(const Launch& launch) {
    if (launch.copy_error != 0) return SpawnStage::descriptors;
    const StepIn& step_in = launch.step_in;
    const bool incomplete = step_in.wanted && (step_in.program < 0 || step_in.spec < 0);
    return incomplete ? SpawnStage::step_in : SpawnStage::none;
}

void wait_for_end_of_file(int fd) {
    char byte;
    while (::read(fd, &byte, 1) < 0 && errno == EINTR) {
    }
}

}  // namespace

void forget_linger(int fd) {
    linger setting{};
    socklen_t length = sizeof setting;
    if (::getsockopt(fd, SOL_SOCKET, SO_LINGER, &setting, &length) != 0) return;
    if (setting.l_onoff == 0 || setting.l_linger == 0) return;
    setting = {};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &setting, sizeof setting);
}

std::uint64_t ignored_signals() {
    std::uint64_t ignored = 0;
    for (int signal = 1; signal <= 64; ++signal) {
        struct sigaction action {};

        if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
            ignored |= std::uint64_t{1} << (signal - 1);
    }
    return ignored;
}

Launcher::Launcher(const State& state, SpawnMethod method, unsigned index, int null)
        : state_(state),
          method_(method),
          slot_(method == SpawnMethod::shared_table && index < hot_slots
                          ? static_cast<int>(index)
                          : -1),
          null_(null),
          ignored_signals_(ignored_signals()) {
    if (method_ == SpawnMethod::fork) keep_spares();
}

void Launcher::keep_spares() {
    for (Fd& spare : spares_)
        if (!spare) spare.reset(::fcntl(null_, F_DUPFD_CLOEXEC, low_number));
}

// A slot holds one socket; workers with many listeners copy the table, which they can afford.
bool Launcher::has_slot(const Launch& launch) const {
    return slot_ >= 0 && launch.connection >= 0 && launch.listeners.empty() &&
           !launch.step_in.wanted;
}

LaunchNumbers Launcher::enter_slot(Launch& launch) {
    LaunchNumbers numbers;
    numbers.connection = slot_number(slot_, SlotPart::connection);
    numbers.null = slot_number(slot_, SlotPart::null);
    put_at(launch.connection, numbers.connection);
    state_.processes()[launch.record].connection.store(numbers.connection);
    ::close(launch.connection);
    launch.connection = numbers.connection;
    if (launch.standard_error.fd >= 0) {
        numbers.standard_error = slot_number(slot_, SlotPart::standard_error);
        put_at(launch.standard_error.fd, numbers.standard_error);
    }
    if (launch.standard_output.fd >= 0) {
        numbers.standard_output = slot_number(slot_, SlotPart::standard_output);
        put_at(launch.standard_output.fd, numbers.standard_output);
    }
    return numbers;
}

void Launcher::leave_slot(const Launch& launch, const LaunchNumbers& numbers) {
    if (launch.facts.kind == ListenerKind::tcp) forget_linger(numbers.connection);
    put_at(null_, numbers.connection);
    if (numbers.standard_error >= 0) put_at(null_, numbers.standard_error);
    if (numbers.standard_output >= 0) put_at(null_, numbers.standard_output);
}

LaunchResult Launcher::clone_where_wanted(
        const Launch& launch, ChildWork& work, ProcessRecord& record) {
    unsigned attempts = 0;
    if (!launch.plan->sandbox.private_pids || !launch.step_in.wanted)
        return finish(launch, record, clone_and_wait(launch, work, record, attempts));
    auto pids = PidNamespace::create(launch.step_in.program, work.sharing, stack_);
    auto entered = pids ? pids->enter() : tl::unexpected(pids.error());
    if (!entered) return give_up(launch, record, SpawnStage::namespaces, entered.error().code);
    const int pid = clone_and_wait(launch, work, record, attempts);
    PidNamespace::leave();
    if (pid > 0) pids->watch(attempts);
    return finish(launch, record, pid);
}

int Launcher::clone_and_wait(
        const Launch& launch, ChildWork& work, ProcessRecord& record, unsigned& attempts) {
    ++attempts;
    CloneRequest request;
    request.sharing = work.sharing;
    request.function = child_main;
    request.argument = &work;
    request.stack = &stack_;
    request.pid = &record.pid;
    request.pidfd = &record.pidfd;
    if (launch.cgroup.fd >= 0 && work.sharing != Sharing::nothing) {
        request.cgroup = launch.cgroup.fd;
        const int pid = clone_child(request);
        if (!cannot_be_born_there(pid)) return pid;
        ++attempts;
        request.cgroup = -1;
    }
    if (launch.cgroup.fd >= 0) work.cgroup_processes = launch.cgroup_processes.c_str();
    if (work.sharing != Sharing::nothing) return clone_child(request);
    for (Fd& spare : spares_)
        spare.reset();
    return fork_and_wait(request, work);
}

// Without CLONE_VFORK: until exec closes the pipe or the child's end does.
int Launcher::fork_and_wait(CloneRequest& request, ChildWork& work) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return -errno;
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    work.exec_pipe = writer.get();
    const int pid = clone_child(request);
    writer.reset();
    if (pid > 0) wait_for_end_of_file(reader.get());
    return pid;
}

LaunchResult Launcher::run(Launch& launch) {
    ProcessRecord& record = state_.processes()[launch.record];
    const bool in_slot = has_slot(launch);
    LaunchNumbers numbers;
    if (in_slot) {
        numbers = enter_slot(launch);
    } else {
        numbers = {.connection = launch.connection,
                .standard_error = launch.standard_error.fd,
                .standard_output = launch.standard_output.fd,
                .null = null_};
    }
    record.attempts = static_cast<std::uint8_t>(record.attempts + 1);
    record.error.store(0);
    ChildWork& work = buffer_.prepare(launch, numbers);
    work.sharing = sharing_of(method_, in_slot);
    work.slot = in_slot ? slot_number(slot_, SlotPart::connection) : -1;
    work.record = &record;
    // clone3(2) resets them itself.
    work.ignored_signals = ignored_signals_;

    const SpawnStage lacking = lacks(launch);
    const LaunchResult result =
            lacking != SpawnStage::none
                    ? give_up(launch, record, lacking,
                              launch.copy_error != 0 ? launch.copy_error : ENOENT)
                    : clone_where_wanted(launch, work, record);
    if (in_slot) {
        leave_slot(launch, numbers);
    } else if (launch.connection >= 0) {
        forget_linger(launch.connection);
        ::close(launch.connection);
    }
    launch.connection = -1;
    if (method_ == SpawnMethod::fork) keep_spares();
    if (!keeps_channel(record.kind)) record.connection.store(-1);
    return result;
}

LaunchResult Launcher::give_up(
        const Launch& launch, ProcessRecord& record, SpawnStage stage, int error) {
    record.deaths = 0;
    record.stage.store(static_cast<std::uint8_t>(stage));
    record.error.store(error);
    return {.record = launch.record, .service = launch.service, .stage = stage, .error = error};
}

// The child wrote its stage and error into the record before it ended; a child that was killed
// before it had left the table wrote none.
LaunchResult Launcher::finish(const Launch& launch, ProcessRecord& record, int pid) {
    if (pid < 0) return give_up(launch, record, SpawnStage::clone, -pid);
    LaunchResult result;
    result.record = launch.record;
    result.service = launch.service;
    record.deaths = 0;
    const int error = record.error.load(std::memory_order_acquire);
    const bool left = record.state.load(std::memory_order_acquire) == RecordState::left;
    if (error == 0 && left) {
        record.state.store(RecordState::running, std::memory_order_release);
        return result;
    }
    result.stage = static_cast<SpawnStage>(record.stage.load());
    result.error = error != 0 ? error : ECANCELED;
    if (error == 0) record.error.store(result.error);
    return result;
}

}  // namespace superd
