// SPDX-License-Identifier: MIT
// Daemons and workers, each through its life: what policy/life.h asks for is done here, and
// what their programs say is heard.
//
// A life is kept in a record of the shared state, so that the next superd goes on with it:
// state, deadlines, cause, what its program has said, and its notify socket. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/descriptor_store.h"
#include "engine/groups.h"
#include "engine/manager.h"
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
    // Where the service overlaps: a new generation of its processes is begun beside those that
    // there are. False: they go before others come.
    virtual bool begin_generation(Service& service) = 0;
    // superd itself ends: nothing is begun any more.
    [[nodiscard]] virtual bool ends() const = 0;
};

class Lives {
public:
    // notify_directory: of the notify sockets; made when the first is.
    Lives(Loop& loop, const State& state, Processes& processes, EventSink& log, LifeHost& host,
            std::string notify_directory);

    // As many places as there are to be; one too many goes when its process has.
    void fit(Service& service);
    // One more, at rest.
    Instance& add_place(Service& service);
    // It ends, and its place goes with it; not at once where it is at rest, but with the next
    // drop_extra().
    void let_go(Service& service, Instance& instance);
    void drop_extra(Service& service);
    // The service goes for good.
    void forget(Service& service);
    // Whose program, or command in hand, the process is; null: nobody's any more.
    [[nodiscard]] Instance* instance_of(Service& service, std::uint32_t process) const;

    void live(Service& service, Instance& instance, LifeEvent event);
    void stop_all(Service& service);
    // Stops one that did nothing wrong, or that is found wanting by others than itself.
    void retire(Service& service, Instance& instance, EndKind kind, std::string text);

    // A signal that is none of a life's own, to all processes of its places.
    void signal(const Service& service, const Instance& instance, int signal) const {
        send(service, instance, signal);
    }

    void signal_all(const Service& service, int signal) const;
    // All processes of its program, as far as can be told.
    [[nodiscard]] std::vector<pid_t> members(
            const Service& service, const Instance& instance) const;
    // To how many: superctl kill --whom.
    unsigned kill(
            const Service& service, const Instance& instance, KillWhom whom, int signal) const;

    // ---- news of processes
    [[nodiscard]] Result<void> equip(Service& service, Instance& instance, Launch& launch);
    void on_launched(Service& service, Instance& instance);
    void on_not_launched(
            Service& service, Instance& instance, EndKind kind, const std::string& why);
    // Before on_ended(): true where it has said that another process is the program now.
    [[nodiscard]] bool hears_of_another(Instance& instance) const;
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

    [[nodiscard]] std::optional<GroupUsage> usage(const Service& service) const;

    void drop_unclaimed(const std::function<bool(StorePlace)>& exists);

    // Of the descriptors that are kept for it.
    [[nodiscard]] std::vector<std::string> stored_names(
            const Service& service, const Instance& instance) const;

private:
    std::unique_ptr<Instance> make_instance(const Service& service, std::uint32_t number);
    void drop(Instance& instance);
    [[nodiscard]] static Instance* find(const Service& service, std::uint32_t number);
    void trim(Service& service);
    void enter(Service& service, Instance& instance, LifeState state);
    void clear(Instance& instance);
    void drop_stored(const Service& service, const Instance& instance);
    void restore(Service& service, Instance& instance);

    // ---- commands
    void run(Service& service, Instance& instance);
    void run_next(Service& service, Instance& instance);
    void fail_command(Service& service, Instance& instance, EndKind kind, std::string text);
    void drop_command(Instance& instance);
    [[nodiscard]] std::vector<std::string> variables_of(const Instance& instance) const;
    [[nodiscard]] LifeEvent judge(Service& service, Instance& instance);
    void send(const Service& service, const Instance& instance, int signal) const;
    void send_abort(const Instance& instance);
    [[nodiscard]] bool is_for_memory(
            const Service& service, const Instance& instance, int status) const;
    unsigned end_all(const Service& service, const Instance& instance);
    void say(Service& service, Level level, std::string_view text);

    // ---- time
    void set_deadline(Service& service, Instance& instance, Mono deadline);
    void arm(Service& service, Instance& instance);
    void on_timer(Service& service, Instance& instance);
    [[nodiscard]] Mono recycled_at(const Service& service, const Instance& instance) const;
    void recycle(Service& service, Instance& instance);
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
    void follow_main(Service& service, Instance& instance, std::int32_t pid);
    [[nodiscard]] bool is_of(
            const Service& service, const ProcessRecord& main, std::int32_t pid) const;
    [[nodiscard]] bool counts(
            const Service& service, const Instance& instance, std::int32_t pid) const;
    [[nodiscard]] static StorePlace place_of(const Service& service, const Instance& instance);
    void keep_descriptors(Service& service, Instance& instance, const Notice& notice,
            Contact::Datagram& datagram);
    void pass_over(Service& service, Instance& instance, const Contact::Datagram& datagram);

    Loop& loop_;
    Processes& processes_;
    EventSink& log_;
    LifeHost& host_;
    const std::string notify_directory_;
    LifeRecords records_;
    Groups groups_;
    DescriptorStore store_;
};

}  // namespace superd
