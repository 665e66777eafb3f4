// SPDX-License-Identifier: MIT
#include "engine/supervisor.h"

#include <algorithm>
#include <csignal>
#include <iterator>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/units.h"
#include "config/codec.h"
#include "engine/kept_listeners.h"
#include "policy/client_filter.h"
#include "policy/exec_spec.h"
#include "sys/guard.h"
#include "sys/sealed_file.h"

namespace superd {

namespace {

// How long orphans wait for their reaper, at most, once a SIGCHLD has told of one.
constexpr auto orphan_interval = std::chrono::seconds(1);
// Between two sweeps where there are more than one takes: clients come first.
constexpr auto next_sweep = std::chrono::milliseconds(20);

std::vector<int> watched_signals() {
    return {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, guard_signal(),
            guard_gone_signal()};
}

}  // namespace

Supervisor::Supervisor(Loop& loop, State& state, SupervisorOptions options)
        : loop_(loop),
          state_(state),
          options_(std::move(options)),
          outputs_(loop, ::geteuid(), [this] { own_programs_.start_log_soon(); }),
          sources_(state.sources(), state.header().source_seed),
          service_records_(state),
          listener_records_(state),
          doors_(loop, listener_records_, outputs_.log(), *this),
          processes_(loop, state, options_.spawner, *this),
          own_programs_(loop, processes_, outputs_, options_),
          lives_(loop, state, processes_, outputs_.log(), *this,
                  options_.run_directory + "/notify"),
          idling_(loop, lives_, outputs_.log(), [this](Service& service) { changed(service); }),
          farewells_(loop),
          warming_(*this, options_.park_library),
          relays_(loop, processes_, outputs_.log(), *this, proxying_, securing_,
                  options_.relay),
          reader_(loop),
          network_watch_(loop, [this] { on_networks_changed(); }),
          signals_(loop, watched_signals(), [this](int signal) { on_signal(signal); }),
          heartbeat_(loop, state.header(), options_.watchdog, options_.notify),
          orphan_timer_(loop,
                  [this] {
                      if (processes_.sweep_orphans())
                          orphan_timer_.start(next_sweep);
                      else
                          signals_.unmute(SIGCHLD);
                  }),
          stop_deadline_(loop, [this] { loop_.stop(); }),
          stop_poll_(loop, [this] { handing_over_ ? look_at_handover() : maybe_finish(); }),
          exit_look_(loop, [this] { look_at_exit(); }),
          upgrader_(loop, state, options_.beginning),
          denying_(loop, outputs_.log(), options_.state_directory + "/denied",
                  [this](std::vector<Network> blocks) { spread_denials(std::move(blocks)); }),
          load_timer_(loop, [this] { look_at_load(); }),
          resolver_(loop,
                  [this](Fd channel) {
                      return own_programs_.start_resolve(std::move(channel));
                  }),
          target_names_(loop, resolver_, outputs_.log(),
                  [this](const std::string& host) { on_target_name(host); }),
          checkups_(
                  loop, lives_, processes_, resolver_, outputs_.log(),
                  [this](Service& service, Instance& instance, std::uint32_t& place) {
                      return launch_command(service, instance,
                              service.plan->upkeep.health.command, {}, place, record_checks);
                  },
                  [this](Service& service) { changed(service); }),
          announcements_(
                  loop, outputs_.log(), !options_.announce_program.empty(),
                  [this](Announcing where, int theirs, int ours) {
                      return own_programs_.start_announce(where, theirs, ours);
                  },
                  [this](std::uint32_t index) { return at_index(index); }),
          holding_(*this),
          timers_(loop, loop, options_.state_directory + "/timers",
                  [this](std::uint32_t index) { on_due(index); }),
          pools_(loop, [this](std::uint32_t index) { on_pressed(index); }),
          lining_up_(*this) {
    loop_.at_turn_end([this] {
        take_rolls();
        remove_emptied();
        graveyard_.clear();
    });
    if (options_.store)
        listener_records_.keep_with(std::make_unique<KeptListeners>(loop_, options_.store));
    outputs_.set_log_program(options_.log_identity, state.header().log_board);
    if (!options_.exec_program.empty())
        exec_program_ = Fd(::open(options_.exec_program.c_str(), O_PATH | O_CLOEXEC));
}

Supervisor::~Supervisor() = default;

void Supervisor::start(std::shared_ptr<const Plan> plan, const std::string& trouble) {
    plan_ = std::move(plan);
    lining_up_.take_plan(plan_);
    config_trouble_ = trouble;
    configure_outputs();
    outputs_.open_reader_socket(
            log_socket_path(options_.run_directory), plan_->daemon.admin_gid);
    own_programs_.start_log();
    doors_.set_denied(denying_.load());
    networks_ = make_network_tables(plan_->networks);
    securing_.take_plan(*plan_);
    for (const auto& service : plan_->services)
        open_doors(add_service(service));
    doors_.finish_offer(services_);
    lining_up_.line_up_all();
    for (auto& [name, service] : services_)
        start_at_boot(*service);
    watch_networks();
    watch_targets();
    if (!config_trouble_.empty())
        outputs_.log().log(NoticeEvent{.level = Level::critical, .text = config_trouble_});
    outputs_.log().log(NoticeEvent{.level = Level::notice,
            .text = fmt::format("superd {} serves {} service{}", options_.version,
                    services_.size(), services_.size() == 1 ? "" : "s")});
    state_.header().serving.store(1);
    // Every listener is open: who comes from here on waits in its queue until it is watched.
    notify("READY=1\n");
    for (auto& [name, service] : services_)
        doors_.watch(*service);
}

// With --debug, stderr sees everything beside the sinks that the file asks for.
void Supervisor::configure_outputs() {
    DaemonPlan plan = plan_->daemon;
    const bool has_stderr = std::any_of(plan.log.begin(), plan.log.end(),
            [](const SinkPlan& sink) { return sink.kind == SinkKind::stderr_text; });
    if (options_.debug && !has_stderr) plan.log.push_back({SinkKind::stderr_text, {}});
    outputs_.log().set_level(options_.debug ? Level::debug : Level::info);
    outputs_.configure(plan, *plan_);
}

Outcome Supervisor::reopen_logs() {
    configure_outputs();
    const std::string& trouble = outputs_.trouble();
    return trouble.empty() ? Outcome{} : Outcome{1, trouble};
}

int Supervisor::run() {
    if (heartbeat_.start())
        outputs_.log().log(NoticeEvent{.level = Level::critical,
                .text = "the superd before this one hung: the guard killed it"});
    loop_.run();
    heartbeat_.stop();
    if (handing_over_ && !stopping_) leave_to_successor();
    outputs_.log().log(NoticeEvent{.level = Level::notice, .text = "stopped"});
    outputs_.finish();
    see_log_program_out();
    return exit_stop;
}

void Supervisor::learn_name(
        std::string_view name, const Endpoint& from, std::function<void()> done) {
    const Service* service = find(name);
    if (service == nullptr) return done();
    holding_.learn_name(*service, from, std::move(done));
}

Service* Supervisor::at_index(std::uint32_t index) const {
    return index < by_index_.size() ? by_index_[index] : nullptr;
}

Service* Supervisor::find(std::string_view name) const {
    const auto known = services_.find(name);
    return known == services_.end() ? nullptr : known->second.get();
}

Service& Supervisor::add_service(const std::shared_ptr<const ServicePlan>& plan) {
    auto service = std::make_unique<Service>();
    // The table of services is larger than any file the reader accepts.
    service->index = service_records_.find_or_make(plan->name).value();
    service->record = &service_records_.at(service->index);
    if (service->record->generation == 0) service->record->generation = 1;
    give_plan(*service, plan);
    for (const ListenerPlan& listener : plan->listeners) {
        service->listeners.emplace_back();
        service->listeners.back().plan = listener;
    }
    if (by_index_.size() <= service->index) by_index_.resize(service->index + 1);
    by_index_[service->index] = service.get();
    Service& added = *service;
    services_[plan->name] = std::move(service);
    return added;
}

void Supervisor::give_plan(Service& service, const std::shared_ptr<const ServicePlan>& plan) {
    service.plan = plan;
    service.targets.take_plan(plan->redirect);
    compile_access(service);
    service.spawn.reset();
    lives_.fit(service);
    warming_.handlers().drop(service);
}

// Of a thousand services few are ever asked for, and a start need not wait for the others'.
const std::shared_ptr<const SpawnPlan>& Supervisor::spawn_plan_of(Service& service) {
    // A launch keeps its spawn plan; with it lives the service plan, whose texts it points to.
    struct Both {
        std::shared_ptr<const SpawnPlan> spawn;
        std::shared_ptr<const ServicePlan> service;
        Fd exec_spec;
    };

    if (service.spawn) return service.spawn;
    const ServicePlan& plan = *service.plan;
    auto both = std::make_shared<Both>(
            Both{make_spawn_plan(plan, options_.spawn_context), service.plan, {}});
    service.always_steps_in = always_steps_in(plan);
    if (may_step_in(plan)) both->exec_spec = write_exec_spec(plan, *both->spawn);
    service.exec_spec = both->exec_spec.get();
    service.spawn = std::shared_ptr<const SpawnPlan>(both, both->spawn.get());
    return service.spawn;
}

// Where it cannot be written the launch fails.
Fd Supervisor::write_exec_spec(const ServicePlan& plan, const SpawnPlan& spawn) {
    auto file = sealed_file("superd-exec", encode_exec_spec(make_exec_spec(plan, spawn)));
    if (file) return std::move(*file);
    outputs_.log().log(FailEvent{.service = plan.name,
            .stage = file.error().operation,
            .subject = file.error().subject,
            .error = file.error().code,
            .detail = "what superd-exec needs to know"});
    return {};
}

void Supervisor::compile_access(Service& service) {
    service.access = AccessIndex(service.plan->admission.access, networks_);
    Proxying::compile(service, networks_);
    service.filter = make_filter_entries(*service.plan, plan_->networks);
}

void Supervisor::renew_filters(Service& service) {
    const bool replaced = doors_.renew_filters(service);
    announcements_.follow(service);
    if (!replaced) return;
    if (service.residents > 0) renew_processes(service);
}

void Supervisor::activate(Service& service) {
    open_doors(service);
    doors_.watch(service);
}

void Supervisor::open_doors(Service& service) {
    if (!service.wants_listeners()) {
        changed(service);
        return;
    }
    if (service.plan->mode == Mode::handler) {
        for (const Error& error : make_directories(*service.plan, options_.prefixes)) {
            outputs_.log().log(FailEvent{.service = service.name(),
                    .stage = error.operation,
                    .subject = error.subject,
                    .error = error.code});
        }
    }
    doors_.open_all(service);
    changed(service);
}

// The service goes when its last process has: connections finish, but workers and daemons,
// which would go on for ever, are told to end.
void Supervisor::remove_service(Service& service) {
    doors_.close_all(service, true);
    service.removed = true;
    warming_.handlers().drop(service);
    announcements_.follow(service);
    timers_.forget(service.index);
    idling_.forget(service);
    checkups_.forget(service);
    if (service.active > 0) {
        if (!takes_connections(service.plan->mode)) end_processes(service);
        return;
    }
    service.timer.reset();
    lives_.forget(service);
    remove_credentials(service.name(), options_.prefixes);
    outputs_.drop(service);
    sources_.forget_service(service.index);
    limiter_.forget_service(service.index);
    logged_states_.erase(service.index);
    by_index_[service.index] = nullptr;
    service_records_.remove(service.index);
    const auto known = services_.find(service.name());
    if (known == services_.end()) return;
    graveyard_.push_back(std::move(known->second));
    services_.erase(known);
    waiters_.answer(service.name(), {4, service.name() + " is no longer in the configuration"});
}

// Not while the process record that was its last is still held: a superd killed in between
// would leave a process of a service that nobody knows.
void Supervisor::remove_emptied() {
    if (emptied_.empty()) return;
    for (Service* service : std::exchange(emptied_, {})) {
        if (by_index_[service->index] != service) continue;  // it was here twice
        if (service->removed && service->active == 0) remove_service(*service);
    }
    outputs_.flush();
}

// Workers that run have only the listeners that were open when they were started.
void Supervisor::on_doors_changed(Service& service) {
    if (service.plan->mode == Mode::worker && service.residents > 0 && !service.stopping) {
        outputs_.log().log(NoticeEvent{.service = service.name(),
                .text = "its worker is started anew, to be given it"});
        renew_processes(service);
    }
    doors_.watch(service);
    start_at_boot(service);
    changed(service);
}

void Supervisor::on_signal(int signal) {
    if (signal == guard_signal()) {
        processes_.on_guard_news();
        return;
    }
    if (signal == guard_gone_signal()) {
        // Nobody would start superd again, and a new guard may be on its way: leave in order.
        begin_stop(false);
        return;
    }
    switch (signal) {
        case SIGTERM:
        case SIGINT: begin_stop(false); break;
        case SIGQUIT: begin_stop(true); break;
        case SIGHUP:
        case SIGUSR2: reload_config(false, [](const ReloadReport&) {}); break;
        case SIGUSR1: dump_state(); break;
        case SIGCHLD:
            own_programs_.keep_log_running();
            signals_.mute(SIGCHLD);
            orphan_timer_.start(orphan_interval);
            break;
        default: break;
    }
}

void Supervisor::begin_stop(bool leave_all) {
    if (stopping_) return;
    stopping_ = true;
    own_programs_.stop();
    notify("STOPPING=1\n");
    // Whoever is started in this one's place may be given the listeners: they stay kept.
    listener_records_.keep_with(nullptr);
    warming_.handlers().stop();
    Nanoseconds longest = lining_up_.longest_end();
    std::vector<Service*> to_end;
    for (auto& [name, service] : services_) {
        doors_.close_all(*service, true);
        holding_.drop_all_of(*service);
        const bool leave = leave_all || (takes_connections(service->plan->mode) &&
                                                service->plan->on_stop == OnStop::leave);
        if (service->active == 0) remove_credentials(name, options_.prefixes);
        if (leave || service->active == 0) continue;
        const LifePlan& life = service->plan->life;
        const int steps =
                1 + (life.exec_stop.empty() ? 0 : 1) + (life.exec_stop_post.empty() ? 0 : 1);
        longest = std::max(longest, steps * service->plan->stop_timeout);
        to_end.push_back(service.get());
    }
    lining_up_.end_in_order(to_end);
    announcements_.withdraw();
    // A process that even KILL does not end (in the kernel, on a dead disk) is not waited for.
    stop_deadline_.start(longest + std::chrono::seconds(5));
    maybe_finish();
}

void Supervisor::maybe_finish() {
    const bool busy = std::any_of(services_.begin(), services_.end(), [](const auto& entry) {
        return entry.second->stopping || entry.second->ends_later;
    });
    if (stopping_ && !busy && announcements_.withdrawn() &&
            processes_.spawner().pending() == 0 && relays_.pending() == 0 &&
            warming_.handlers().on_the_way() == 0)
        loop_.stop();
    else if (stopping_ && !busy)
        stop_poll_.start(std::chrono::milliseconds(5));
}

void Supervisor::spread_denials(std::vector<Network> blocks) {
    if (blocks == doors_.denied()) return;
    doors_.set_denied(std::move(blocks));
    for (const auto& [name, service] : services_) {
        if (service->plan->mode == Mode::worker) renew_filters(*service);
        if (service->plan->mode == Mode::builtin) give_anew(*service);
    }
}

void Supervisor::notify(std::string_view text) const {
    if (options_.notify) options_.notify(text);
}

void Supervisor::changed(Service& service) {
    if (by_index_[service.index] != &service) return;    // it has gone in this turn
    if (service.removed && service.active == 0) return;  // it goes at the end of it
    announcements_.follow(service);
    follow_clock(service);
    pools_.follow(service);
    roll_on(service);
    idling_.follow(service);
    checkups_.follow(service);
    if (service.plan->prestart.count != 0) warming_.follow(service);
    const StateView view = view_of(service, loop_.now());
    auto [known, fresh] = logged_states_.try_emplace(service.index, view.state);
    if (known->second != view.state || fresh) {
        // A superd that takes over finds the time since when written down.
        if (!fresh || service.record->state_since == 0)
            service.record->state_since = loop_.wall().time_since_epoch().count();
        // That a worker starts and runs is said by START and EXIT.
        const bool quiet = fresh || takes_connections(service.plan->mode);
        if (!quiet)
            outputs_.log().log(StateEvent{.service = service.name(),
                    .from = state_name(known->second),
                    .to = state_name(view.state),
                    .reason = view.detail});
        known->second = view.state;
    }
    if (waiters_.has(service.name())) waiters_.look(status_of(service));
    if (plan_->daemon.exit_when != "never" && !stopping_) exit_look_.start({});
    lining_up_.move_up(service);
}

}  // namespace superd
