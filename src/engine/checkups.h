// SPDX-License-Identifier: MIT
// Health checks: daemons and workers are asked now and then whether they serve, and those that
// fail several times in a row are restarted, or taken out until they pass again.
//
// superd itself only connects (sys/connect_socket.h); what an HTTP server answers
// superd-resolve reads; a command runs as the service does, beside its processes. A process is
// first asked when it is ready, and what is counted goes with it; a superd that takes over
// begins anew. Nothing wakes superd for services without health. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/fd.h"
#include "engine/lives.h"
#include "engine/processes.h"
#include "engine/resolver.h"
#include "engine/service.h"
#include "log/event.h"
#include "loop/loop.h"
#include "policy/health.h"

namespace superd {

class Checkups {
public:
    // Launches health.exec for the instance; place takes its record before anything is heard of
    // it. False: it cannot be now.
    using Launch = std::function<bool(Service&, Instance&, std::uint32_t& place)>;
    // What status shows of the service is different now. It may call follow().
    using Changed = std::function<void(Service& service)>;

    Checkups(Loop& loop, Lives& lives, Processes& processes, Resolver& resolver, EventSink& log,
            Launch launch, Changed changed);

    // After anything that may have changed what runs of the service, or its plan.
    void follow(Service& service);
    // It goes for good.
    void forget(const Service& service);

    // A command that is none of a life's has ended, or could not be launched.
    void on_command_ended(std::uint32_t process, int status);
    void on_command_not_launched(std::uint32_t process, const std::string& why);

private:
    using Key = std::pair<std::uint32_t, std::uint32_t>;  // service, number of the place

    struct Checkup {
        Service* service = nullptr;
        std::uint32_t number = 0;            // of the place
        std::uint32_t process = no_process;  // that runs there
        HealthPlan plan;
        HealthTally tally;
        std::unique_ptr<Timer> timer;  // the next check, or the end of this one's time
        bool asking = false;
        Mono asked{};
        std::uint64_t question = 0;  // answers to others come too late
        std::uint32_t command = no_process;
        Fd socket;
        std::unique_ptr<Poll> poll;
    };

    void begin(Service& service, Instance& instance);
    void drop(std::map<Key, Checkup>::iterator place);
    void on_timer(const Key& key);
    void ask(const Key& key, Checkup& checkup);
    void connect(const Key& key, Checkup& checkup);
    void visit(const Key& key, Checkup& checkup);
    // Nothing of the checkup is there afterwards, perhaps.
    void finish(Checkup& checkup, bool passed, std::string text);
    void act(Checkup& checkup, HealthStep step, const std::string& text);
    void say(const Service& service, Level level, std::string_view text);
    [[nodiscard]] std::map<Key, Checkup>::iterator find_command(std::uint32_t process);

    Loop& loop_;
    Lives& lives_;
    Processes& processes_;
    Resolver& resolver_;
    EventSink& log_;
    const Launch launch_;
    const Changed changed_;
    std::uint64_t last_question_ = 0;
    std::map<Key, Checkup> checkups_;
};

}  // namespace superd
