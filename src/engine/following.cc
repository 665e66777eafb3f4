// SPDX-License-Identifier: MIT
// MAINPID: a program says that another process does its work from now on, one that it has
// forked twice, or its own successor.
//
// That process takes the place of the first in the record of the program, and with it all that
// is kept there: it is signalled and watched through its pidfd, messages from it count, and the
// next superd finds it. Its exit status is known where superd or the guard is its parent, which
// they are as soon as whoever forked it has gone.
//
// A service may not name just any process, for superd would end that with its own rights: it
// must be in the service's control group; or, where there is none, in the session of the
// process before or descended from it.
#include <fmt/format.h>

#include "engine/lives.h"
#include "sys/kin.h"

namespace superd {

bool Lives::is_of(const Service& service, const ProcessRecord& main, std::int32_t pid) const {
    if (const auto held = groups_.holds(service.name(), main, pid)) return *held;
    const std::int32_t own = main.pid.load();
    return in_same_session(pid, own) || is_descendant(pid, own);
}

void Lives::follow_main(Service& service, Instance& instance, std::int32_t pid) {
    const ProcessRecord& record = processes_.records().at(instance.process);
    const std::int32_t before = record.pid.load();
    const bool apart = service.plan->exec.sandbox.private_pids;
    if (pid == before || (apart && pid == pid_inside(before))) return;
    if (apart)
        return say(service, Level::warning,
                fmt::format("MAINPID={} does not count: with private_pids all ends with the "
                            "program itself",
                        pid));
    Fd pidfd = pidfd_of(pid);
    const bool own = pidfd && is_of(service, record, pid);
    // Whatever was found out is true of this very process only if that is still there.
    if (!own || has_exited(pidfd))
        return say(service, Level::warning,
                fmt::format("MAINPID={} does not count: {}", pid,
                        own || !pidfd ? "there is no such process now"
                                      : "it is none of the service's processes"));
    processes_.follow(instance.process, pid, std::move(pidfd));
    if (instance.contact) instance.contact->follow(pid);
    say(service, Level::info,
            fmt::format("its main process is {} now; it was {}", pid, before));
    host_.life_changed(service);
}

bool Lives::hears_of_another(Instance& instance) const {
    const std::uint32_t process = instance.process;
    if (process == no_process || !instance.contact) return false;
    const ProcessRecord& record = processes_.records().at(process);
    const std::int32_t before = record.pid.load();
    instance.contact->drain();
    return instance.process == process && record.pid.load() != before;
}

}  // namespace superd
