// SPDX-License-Identifier: MIT
// The supervisor: the one place where decisions become effects.
//
// It owns the runtime of all services and is told of knocks at listeners, launches and exits,
// signals and orders. What can stand alone does: a class in a file of its own, which it owns
// (doors, processes, lives, relays, timers, idling, own_programs, announcing, denying …), or
// one that reaches into it (holding, lining_up, proxying, warming). The rest is in files by
// what happens: supervisor.cc (start, stop, signals), accepting.cc (knock → admission →
// launch), workers.cc (workers and daemons), ending.cc (exits), reloading.cc (file → plan →
// commit), recovering.cc (after a kill), orders.cc and status.cc (what control asks for),
// timing.cc (runs by the clock), relaying.cc, relaying_datagrams.cc and upstreams.cc (relays,
// and where redirects go), pooling.cc and rolling.cc (how many workers, and who follows whom),
// upgrading.cc (another program in superd's place).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/config.h"
#include "engine/announcing.h"
#include "engine/checkups.h"
#include "engine/config_reader.h"
#include "engine/denying.h"
#include "engine/directories.h"
#include "engine/doors.h"
#include "engine/farewells.h"
#include "engine/heartbeat.h"
#include "engine/holding.h"
#include "engine/idling.h"
#include "engine/lining_up.h"
#include "engine/lives.h"
#include "engine/manager.h"
#include "engine/outputs.h"
#include "engine/own_programs.h"
#include "engine/pools.h"
#include "engine/processes.h"
#include "engine/proxying.h"
#include "engine/securing.h"
#include "engine/relays.h"
#include "engine/resolver.h"
#include "engine/service.h"
#include "engine/supervisor_options.h"
#include "engine/target_names.h"
#include "engine/timers.h"
#include "engine/upgrader.h"
#include "engine/waiters.h"
#include "engine/warming.h"
#include "engine/watches.h"
#include "policy/admission.h"
#include "policy/log_limiter.h"
#include "sys/recovery.h"

namespace superd {

class Supervisor final : public Manager,
                         private DoorSink,
                         private ProcessSink,
                         private LifeHost,
                         private RelaySink {
public:
    Supervisor(Loop& loop, State& state, SupervisorOptions options);
    ~Supervisor() override;

    // Before start(): the listeners of a daemon whose place this one takes.
    void take_from(ForeignListeners listeners) { doors_.offer(std::move(listeners)); }

    // First start: everything in plan is opened; what start = "boot" asks for is started.
    // trouble: why the last accepted configuration runs; empty: it does not.
    void start(std::shared_ptr<const Plan> plan, const std::string& trouble = {});
    // After a superd that was killed: plan is the committed one; descriptors, processes and
    // counters are taken over from the state.
    void recover(std::shared_ptr<const Plan> plan, const Recovery& recovery);
    // Runs until a stop is complete; the exit code for the guard.
    int run();

    // Called after a reload with a new admin group (the control server listens).
    void on_admin_changed(std::function<void(std::optional<std::uint32_t>)> callback) {
        admin_changed_ = std::move(callback);
    }

    [[nodiscard]] EventSink& log() { return outputs_.log(); }

    // ---- Manager
    [[nodiscard]] DaemonStatus daemon() const override;
    [[nodiscard]] std::vector<std::string> names() const override;
    [[nodiscard]] std::optional<ServiceStatus> service(std::string_view name) const override;
    [[nodiscard]] std::optional<GroupUsage> usage(std::string_view name) const override;
    [[nodiscard]] std::map<ServiceState, std::uint32_t> state_counts() const override;
    [[nodiscard]] std::optional<std::string> why(std::string_view name) const override;
    [[nodiscard]] std::optional<Explanation> explain(
            std::string_view name, const Asker& from, Wall at) const override;

    void learn_name(
            std::string_view name, const Endpoint& from, std::function<void()> done) override;

    [[nodiscard]] std::vector<Denial> denials() override { return denying_.in_force(); }

    void deny(const Source& source, std::optional<Nanoseconds> length, std::string_view by,
            std::string_view reason, Reply reply) override {
        denying_.deny(source, length, by, reason, reply);
    }

    void allow_again(const std::optional<Source>& source, Reply reply) override {
        denying_.allow_again(source, reply);
    }

    [[nodiscard]] const Plan& plan() const override { return *plan_; }

    void start(std::string_view name, Reply reply) override;
    void stop(std::string_view name, Reply reply) override;
    void restart(std::string_view name, Reply reply) override;
    void pause(std::string_view name, Reply reply) override;
    void resume(std::string_view name, Reply reply) override;
    void drain(std::string_view name, Reply reply) override;
    void reload(std::string_view name, Reply reply) override;
    void kill(
            std::string_view name, int signal, std::uint64_t connection, Reply reply) override;
    void kill_whom(std::string_view name, KillWhom whom, int signal, Reply reply) override;
    void reload_config(bool dry_run, std::function<void(ReloadReport)> reply) override;
    void scale(std::string_view name, std::uint32_t count, Reply reply) override;
    void upgrade(const std::string& program, Reply reply) override;
    [[nodiscard]] Outcome reopen_logs() override;
    std::uint64_t wait(std::string_view name, std::function<bool(const ServiceStatus&)> test,
            Reply reply) override;
    void forget_wait(std::uint64_t token) override;

private:
    friend class Warming;
    friend class Proxying;
    friend class Securing;
    friend class Holding;
    friend class LiningUp;

    // ---- news
    void on_knock(Service& service, Listener& listener) override;
    void on_doors_changed(Service& service) override;
    void on_started(std::uint32_t index) override;
    void on_launch_failed(std::uint32_t index, const LaunchResult& result) override;
    bool goes_on(std::uint32_t index) override;
    void on_ended(std::uint32_t index, int status) override;
    void on_exec_report(std::uint32_t index, const ExecReport& report) override;
    void on_relayed_ended(std::uint32_t record, const EndedMessage& message) override;
    void on_relays_ready() override;
    void on_unreached(std::uint32_t record, int error) override;
    void on_reached(std::uint32_t record) override;
    void on_asked(std::uint32_t record, const AskedMessage& message) override;
    void on_ident(std::uint32_t record, const IdentMessage& message) override;
    void on_counts(const CountsMessage& message) override;
    void on_sensed(std::uint32_t watch, const Endpoint& peer) override;
    void on_flow_asked(const FlowAskedMessage& message) override;
    void on_watch_lost(std::uint32_t watch) override;
    void on_take_back(Listener& listener) override;
    void on_signal(int signal);

    // ---- accepting
    void accept_batch(Service& service, Listener& listener);
    [[nodiscard]] bool is_full(const Service& service) const;
    // False: the service pauses, the batch is over.
    bool may_accept(Service& service);
    void consider(Service& service, Listener& listener, Fd connection, const Endpoint& peer);
    // banner_sent: bytes of the banner that the client has been sent already.
    void refuse(Service& service, Listener& listener, Fd connection, const Endpoint& peer,
            const Refuse& why, std::uint32_t banner_sent = 0, std::string_view user = {});
    bool send_banner(const Service& service, ProcessRecord& record, int connection);
    bool greet(const Service& service, ProcessRecord& record, int connection);

    // What is known of a client beside its address; empty where it is not.
    struct PeerFacts {
        std::string name, user;
    };

    // The number of its line; 0: there is none.
    std::uint64_t log_refusal(Service& service, std::string_view socket, const Endpoint& peer,
            const Endpoint& local, const Refuse& why, std::string_view user = {});
    void start_handler(Service& service, std::uint32_t index, Fd connection, PeerFacts facts);
    void start_relayed(
            Service& service, std::uint32_t index, Fd connection, bool again = false);
    // A redirect whose client has shaken hands.
    void answer_secured(Service& service, std::uint32_t index);
    // The handshake is complete, and there is nobody to answer.
    void log_unanswered(const Service& service, std::uint32_t index, int error);
    void start_conversation(
            Service& service, std::uint32_t index, Fd connection, PeerFacts facts);
    void on_no_descriptors(Service& service, Listener& listener, int error);
    void refuse_uncopied(Service& service, std::uint32_t index, Fd connection);
    [[nodiscard]] AdmissionBook book_of(const Service& service) const;
    [[nodiscard]] AdmissionFacts facts_of(const Service& service, const Endpoint& peer) const;
    void hold(Service& service, Hold hold, Mono until = Mono::max());
    void release(Service& service, Hold hold);
    void on_service_timer(Service& service);
    void arm_timer(Service& service);

    // ---- what superd-relay does
    [[nodiscard]] Result<Fd> open_upstream(Service& service, std::uint32_t index, int error);
    void connect_relayed(Service& service, std::uint32_t index, Fd connection, bool again);
    void on_target_failed(Service& service, std::uint32_t index, int error);
    [[nodiscard]] UpstreamFacts upstream_facts(
            const Service& service, std::uint32_t index) const;
    void watch_targets();
    void on_target_name(const std::string& host);
    [[nodiscard]] bool park(Service& service, std::uint32_t index, bool again);
    void unpark(Service& service);
    bool end_parked(std::uint32_t index);
    [[nodiscard]] bool look_up_targets(const Service& service);
    void log_relayed_end(
            Service& service, const ProcessRecord& record, const EndedMessage& message);
    [[nodiscard]] Service* find_for_tcpmux(std::string_view name) const;
    [[nodiscard]] std::string tcpmux_help() const;
    [[nodiscard]] Decision decide_at_once(const Service& service, const Endpoint& peer);
    bool admit_to(Service& wanted, std::uint32_t index);
    void take_back(Service& service, std::uint32_t index);
    void give_datagrams(Service& service, Listener& listener);
    // Lists or rules may have changed: a relay is told them with the next datagram.
    void give_anew(Service& service);
    [[nodiscard]] Result<Fd> access_list_of(Service& service);
    [[nodiscard]] bool is_overloaded(const Service& service) const;
    void look_at_load();
    [[nodiscard]] std::vector<std::uint16_t> own_ports() const;
    [[nodiscard]] Listener* find_watch(std::uint32_t number, Service*& service);
    void sense(Service& service, const Endpoint& peer, const Endpoint& local);

    // ---- workers and daemons
    void start_workers(Service& service);
    void fill_pool(Service& service);
    void note_listeners(Service& service);
    // Where the plan asks for more workers than it did.
    void keep_pool_full(Service& service);
    void on_pressed(std::uint32_t index);
    bool begin_roll(Service& service);
    void roll_on(const Service& service);
    void take_rolls();
    void take_roll(Service& service);
    void give_up_roll(Service& service, Instance& fallen);
    void end_roll(Service& service);
    void renew_processes(Service& service);
    void on_workers_gone(Service& service);
    [[nodiscard]] Mono next_restart(Service& service);
    // by_hand: what ended for good is started again too.
    void start_processes(Service& service, bool by_hand);
    void start_at_boot(Service& service);
    // Denials to filters of workers and lists that relays have.
    void spread_denials(std::vector<Network> blocks);

    // Replies when the service has settled: with its failure where it failed.
    void wait_for_start(std::string_view name, Reply reply);
    void wait_for_reload(std::string_view name, Reply reply);

    // ---- timing
    void follow_clock(Service& service);
    void on_due(std::uint32_t index);
    [[nodiscard]] std::optional<TimerStatus> timer_of(const Service& service) const;

    // ---- LifeHost
    bool start_program(Service& service, Instance& instance) override;
    bool start_command(Service& service, Instance& instance, const Command& command,
            std::vector<std::string> variables) override;
    // place takes the record. flags: of it, beside those of the launch.
    bool launch_command(Service& service, Instance& instance, const Command& command,
            std::vector<std::string> variables, std::uint32_t& place, std::uint8_t flags);
    void step_in(Launch& launch, int spec);
    [[nodiscard]] std::optional<std::uint32_t> take_resident(
            Service& service, Instance& instance, ProcessKind kind);

    void life_changed(Service& service) override { changed(service); }

    bool begin_generation(Service& service) override { return begin_roll(service); }

    [[nodiscard]] bool ends() const override { return stopping_; }

    // ---- ending
    void forget_process(std::uint32_t index);
    // A signal to a process; a relayed connection, which has none, is closed by any.
    bool signal_one(std::uint32_t index, int signal);
    void on_process_gone(Service& service, ProcessKind kind);
    // of_workers: the last to go was its last worker.
    void on_service_empty(Service& service, bool of_workers = false);
    void signal_all(Service& service, int signal);
    void signal_handlers(Service& service, int signal);
    void end_processes(Service& service);
    void log_start(const Service& service, std::uint32_t index);
    void on_refused_by_exec(Service& service, const ProcessRecord& record);
    // True: superd-exec has ended and the service's program was never run.
    [[nodiscard]] bool never_ran(Service& service, const ProcessRecord& record, int status);
    void note_launch_failure(
            Service& service, const ProcessRecord& record, const LaunchResult& result);
    void log_launch_failure(
            Service& service, const ProcessRecord& record, const LaunchResult& result);

    // ---- services and plans
    [[nodiscard]] Fd write_exec_spec(const ServicePlan& plan, const SpawnPlan& spawn);
    // allow and deny of the service for the kernel, by the networks of the plan in force.
    void compile_access(Service& service);
    // Filters in line with them; a worker that has listeners with others is started anew.
    void renew_filters(Service& service);
    Service& add_service(const std::shared_ptr<const ServicePlan>& plan);
    void give_plan(Service& service, const std::shared_ptr<const ServicePlan>& plan);
    const std::shared_ptr<const SpawnPlan>& spawn_plan_of(Service& service);
    void activate(Service& service);
    // The half of it after which clients can connect, although nobody accepts yet.
    void open_doors(Service& service);
    void remove_service(Service& service);
    void remove_emptied();
    [[nodiscard]] Service* find(std::string_view name) const;
    // Null: none has this index of a ServiceRecord.
    [[nodiscard]] Service* at_index(std::uint32_t index) const;
    void configure_outputs();
    void watch_networks();
    void on_networks_changed();
    struct Prepared;
    void on_read(bool dry_run, Result<ReadResult> read,
            const std::function<void(ReloadReport)>& reply);
    // False: report says why, and nothing has changed. encoded: next, as it is kept.
    [[nodiscard]] bool take_effect(const std::shared_ptr<const Plan>& next,
            const std::string& encoded, ReloadReport& report);
    void on_read_for_scale(const std::string& name, std::uint32_t count,
            Result<ReadResult> read, const Reply& reply);
    void wait_for_copies(const std::vector<ServiceDiff>& changes, Outcome outcome, Reply reply);
    [[nodiscard]] bool prepare(const Plan& next, Prepared& prepared, ReloadReport& report);
    void commit(std::shared_ptr<const Plan> next, Prepared& prepared,
            const std::vector<ServiceDiff>& changes);
    // Lists in filters that cannot be changed: their listeners will be others.
    void mark_replaced_listeners(const Plan& next, std::vector<ServiceDiff>& changes) const;
    [[nodiscard]] static bool stays_in_place(const Service& service, const Prepared& prepared);
    [[nodiscard]] bool take_plan(const std::shared_ptr<const ServicePlan>& plan,
            Prepared& prepared, const ServiceDiff* change);
    void close_leftovers(Prepared& prepared);
    void refuse_reload(ReloadReport& report);

    // ---- recovery
    void adopt_ghosts();
    void close_stray_listeners();
    void adopt_processes(const Recovery& recovery);
    [[nodiscard]] bool has_service(const ProcessRecord& record) const;
    void forget_record(std::uint32_t index);
    void take_found_connections(const Recovery& recovery);

    // ---- the whole
    void begin_handover();
    void look_at_handover();
    [[noreturn]] void leave_to_successor();
    bool tell_of_handover();
    void begin_stop(bool leave_all);
    void maybe_finish();
    void look_at_exit();
    void see_log_program_out();
    void notify(std::string_view text) const;
    // After anything that may change what status shows: waits are answered, the change is
    // logged.
    void changed(Service& service);
    void dump_state();

    [[nodiscard]] std::optional<Explanation> explain_denial(
            const Service& service, const Endpoint& from) const;
    [[nodiscard]] Explanation explain_filter(
            const Service& service, const Endpoint& from) const;
    [[nodiscard]] ServiceStatus status_of(const Service& service) const;

    Loop& loop_;
    State& state_;
    const SupervisorOptions options_;
    Outputs outputs_;
    SourceTable sources_;
    LogLimiter limiter_;
    ServiceRecords service_records_;
    ListenerRecords listener_records_;
    Doors doors_;
    Processes processes_;
    OwnPrograms own_programs_;
    Lives lives_;
    Idling idling_;
    Farewells farewells_;
    Warming warming_;
    Proxying proxying_{*this};
    Securing securing_{*this};
    Relays relays_;
    std::map<std::uint32_t, std::uint32_t> watches_;  // number of a relay's socket: service
    std::uint32_t next_watch_ = 1;
    ConfigReader reader_;
    FileWatch network_watch_;
    SignalWatch signals_;
    Heartbeat heartbeat_;
    Timer orphan_timer_;
    Timer stop_deadline_;
    Timer stop_poll_;  // launches in hand are waited for
    Timer exit_look_;  // exit_when: once the turn is over
    Upgrader upgrader_;
    Mono handover_at_{};
    std::string upgrade_failure_;  // of the last one
    bool handing_over_ = false;

    std::shared_ptr<const Plan> plan_;
    NetworkTables networks_;
    std::string config_trouble_;
    std::map<std::string, std::unique_ptr<Service>, std::less<>> services_;
    std::vector<Service*> by_index_;  // by ServiceRecord index; null: none
    std::vector<Service*> emptied_;   // removed and without processes: go after the turn
    std::vector<std::unique_ptr<Service>> graveyard_;  // until the turn of the loop is over
    Fd exec_program_;  // superd-exec, opened: a launch needs no path to it
    Denying denying_;
    Timer load_timer_;  // while a relay answers datagrams of a service with max_load
    Resolver resolver_;
    TargetNames target_names_;
    Checkups checkups_;
    // By record: numbers of the targets that a connection has tried in vain.
    std::unordered_map<std::uint32_t, std::vector<std::uint8_t>> tried_;
    Announcements announcements_;
    Holding holding_;
    std::uint32_t live_ = 0;   // handlers, workers and daemons that hold a record
    mutable double load_ = 0;  // one-minute average, read at most once a second
    mutable Mono load_at_{};
    bool stopping_ = false;
    bool leave_all_ = false;
    bool any_process_hold_ = false;

    Timers timers_;
    Pools pools_;
    std::vector<std::uint32_t> rolling_;  // services to be looked at when the turn is over
    LiningUp lining_up_;
    Waiters waiters_;
    std::map<std::uint32_t, ServiceState> logged_states_;
    std::function<void(std::optional<std::uint32_t>)> admin_changed_;
};

}  // namespace superd
