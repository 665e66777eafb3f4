// SPDX-License-Identifier: MIT
// Making room for another program: it is asked, then nothing new is begun, then superd ends.
#include <fmt/format.h>
#include <unistd.h>

#include "engine/supervisor.h"
#include "sys/guard.h"

namespace superd {

namespace {

// Launches in hand are waited for so long. What hangs in exec then is found by the successor as
// a process that runs.
constexpr auto launches_bound = std::chrono::seconds(1);
constexpr auto look_interval = std::chrono::milliseconds(5);

}  // namespace

void Supervisor::upgrade(const std::string& program, Reply reply) {
    if (stopping_ || handing_over_)
        return reply({1, stopping_ ? "superd is stopping" : "an upgrade is under way"});
    const std::string path = program.empty() ? own_program() : program;
    upgrader_.ask(path, [this, path, reply](const Result<std::string>& version) {
        if (!version) return reply({1, version.error().text()});
        if (stopping_) return reply({1, "superd is stopping"});
        if (path.size() >= sizeof state_.header().successor)
            return reply({1, path + ": a path of this length cannot be handed on"});
        set_text(state_.header().successor, path);
        outputs_.log().log(NoticeEvent{.level = Level::notice,
                .text = fmt::format("superd {} ({}) takes the place of superd {}", *version,
                        path, options_.version)});
        reply({0, *version});
        begin_handover();
    });
}

// Clients wait in the kernel's queues from here on.
void Supervisor::begin_handover() {
    handing_over_ = true;
    warming_.handlers().stop();
    handover_at_ = loop_.now() + launches_bound;
    stop_poll_.start(look_interval);
}

void Supervisor::look_at_handover() {
    const bool none_begun =
            processes_.spawner().pending() == 0 && warming_.handlers().on_the_way() == 0;
    if (none_begun || loop_.now() >= handover_at_)
        loop_.stop();
    else
        stop_poll_.start(look_interval);
}

// No destructor runs: what is open here is open in the guard.
void Supervisor::leave_to_successor() {
    outputs_.flush();
    ::_exit(exit_upgrade);
}

// Once, by the superd that came after an upgrade, whichever way it went.
bool Supervisor::tell_of_handover() {
    StateHeader& header = state_.header();
    const std::string failure = header.handover_failure, before = header.predecessor;
    set_text(header.handover_failure, "");
    set_text(header.predecessor, "");
    if (const int former = header.former_program.exchange(-1); former >= 0)
        Fd(former).reset();  // there is no way back any more
    upgrade_failure_ = failure;
    if (!failure.empty())
        outputs_.log().log(NoticeEvent{.level = Level::error,
                .text = "the upgrade failed, superd " + options_.version +
                        " goes on: " + failure});
    else if (!before.empty())
        outputs_.log().log(NoticeEvent{.level = Level::notice,
                .text = fmt::format("superd {} has taken the place of superd {}: {} process{} "
                                    "and {} service{} taken over",
                        options_.version, before, live_, live_ == 1 ? "" : "es",
                        services_.size(), services_.size() == 1 ? "" : "s")});
    return !failure.empty() || !before.empty();
}

}  // namespace superd
