// SPDX-License-Identifier: MIT
// Daemons and workers, each through its life: what policy/life.h asks for is done here, and
// what their programs say is heard.
//
// A life is kept in a record of the shared state, so that the next superd goes on with it:
// state, deadlines, cause, what its program has said, and its notify socket. Loop thread.
#pragma once

#include <cstdint>
#include <string>

#include "engine/processes.h"
#include "engine/records.h"
#include "engine/service.h"
#include "log/event.h"

namespace superd {

// What lives ask of the supervisor.
class LifeHost {
public:
    virtual ~LifeHost() = default;
    // The program is launched, with what Lives::equip() adds; on_launched() or
    // on_not_launched() follows. False: note_cause() was told why it cannot be.
    virtual bool start_program(Service& service, Instance& instance) = 0;
    // Launches a command of the instance, with the service's identity and limits;
    // Lives::on_command_ended() or on_command_not_launched() follows. False: it cannot be now.
    virtual bool start_command(Service& service, Instance& instance, const Command& command,
            std::vector<std::string> variables) = 0;
    // After anything that may change what status shows, readiness_of() among it.
    virtual void life_changed(Service& service) = 0;
    // superd itself ends: nothing is begun any more.
    [[nodiscard]] virtual bool ends() const = 0;
};

class Lives {
public:
    // notify_directory: of the notify sockets; made when the first is.
    Lives(Loop& loop, const State& state, Processes& processes, EventSink& log, LifeHost& host,
            std::string notify_directory);

    // As many places as the plan asks for; one too many goes when its process has.
    void fit(Service& service);
    void drop_extra(Service& service);
    // The service goes for good.
    void forget(Service& service);
    // Whose program, or command in hand, the process is; null: nobody's any more.
    [[nodiscard]] Instance* instance_of(Service& service, std::uint32_t process) const;

    void live(Service& service, Instance& instance, LifeEvent event);
    void stop_all(Service& service);

    // ---- news of processes
    [[nodiscard]] Result<void> equip(Service& service, Instance& instance, Launch& launch);
    void on_launched(Service& service, Instance& instance);
    void on_not_launched(
            Service& service, Instance& instance, EndKind kind, const std::string& why);
    void on_ended(Service& service, Instance& instance, int status);
    void on_command_launched(Instance& instance);
    void on_command_not_launched(Service& service, Instance& instance, const std::string& why);
    void on_command_ended(Service& service, Instance& instance, int status);
    // The first of a life stays: what follows from it is no cause.
    static void note_cause(
            Service& service, Instance& instance, EndKind kind, std::string text);

    // ---- after a superd that was killed
    // A process that it started takes its place again.
    void adopt(Service& service, std::uint32_t process);
    // Once all its processes are adopted: every place goes on where it was. What had failed or
    // was done stays so, what waited waits on, what was about to be started is, and a command
    // that had not begun is run.
    void resume(Service& service);

    void drop_unclaimed() { records_.drop_unclaimed(); }

private:
    std::unique_ptr<Instance> make_instance(const Service& service, std::uint32_t number);
    void drop_last(Service& service);
    void enter(Service& service, Instance& instance, LifeState state);
    void clear(Instance& instance);
    void restore(Service& service, Instance& instance);

    // ---- commands
    void run(Service& service, Instance& instance);
    void run_next(Service& service, Instance& instance);
    void fail_command(Service& service, Instance& instance, EndKind kind, std::string text);
    void drop_command(Instance& instance);
    [[nodiscard]] std::vector<std::string> variables_of(const Instance& instance) const;
    [[nodiscard]] LifeEvent judge(Service& service, Instance& instance);
    void send(const Instance& instance, int signal);
    void say(Service& service, Level level, std::string_view text);

    // ---- time
    void set_deadline(Service& service, Instance& instance, Mono deadline);
    void arm(Service& service, Instance& instance);
    void on_timer(Service& service, Instance& instance);
    void extend(Service& service, Instance& instance, Nanoseconds by);

    // ---- what is heard
    Contact& contact_of(Service& service, Instance& instance);
    [[nodiscard]] std::string socket_path(const Service& service, const Instance& instance);
    void await(Service& service, Instance& instance);
    void start_watch(Service& service, Instance& instance);
    void on_datagram(Service& service, Instance& instance, Contact::Datagram& datagram);
    void on_notice(Service& service, Instance& instance, const Notice& notice);
    void on_reloading(Service& service, Instance& instance, const Notice& notice);
    void on_ready_said(Service& service, Instance& instance);
    [[nodiscard]] bool counts(
            const Service& service, const Instance& instance, std::int32_t pid) const;
    void pass_over(Service& service, Instance& instance, const Contact::Datagram& datagram);

    Loop& loop_;
    Processes& processes_;
    EventSink& log_;
    LifeHost& host_;
    const std::string notify_directory_;
    LifeRecords records_;
};

}  // namespace superd
