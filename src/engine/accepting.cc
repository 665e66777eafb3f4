// SPDX-License-Identifier: MIT
// From a knock at a listener to a handler: the hot path. One clock read, no allocation that a
// pool could serve, nothing that waits.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"
#include "engine/supervisor.h"
#include "policy/exec_spec.h"
#include "sys/accept.h"
#include "sys/farewell.h"

namespace superd {

namespace {

// Connections taken from one listener before the loop looks at the others.
constexpr int batch_size = 16;
// Launches of one service in hand; above it clients wait in the kernel's queue.
constexpr std::size_t launches_in_hand = 64;
constexpr auto no_descriptors_pause = std::chrono::milliseconds(200);

Hold hold_for(Refusal reason) {
    switch (reason) {
        case Refusal::rate: return Hold::rate;
        case Refusal::max_processes: return Hold::processes;
        default: return Hold::connections;
    }
}

// SO_PRIORITY is the one option of a listener that its connections do not inherit.
void set_priority(int connection, std::uint32_t priority) {
    const int value = static_cast<int>(priority);
    ::setsockopt(connection, SOL_SOCKET, SO_PRIORITY, &value, sizeof value);
}

bool needs_relay(const ServicePlan& plan) {
    return is_relayed(plan.mode) ||
           std::any_of(plan.listeners.begin(), plan.listeners.end(),
                   [](const ListenerPlan& one) {
                       return one.proxy_protocol.has_value() || !one.tls.empty();
                   });
}

std::string still_there(const Service& service) {
    const std::uint32_t left = service.active - service.residents;
    if (is_relayed(service.plan->mode))
        return fmt::format("{} connection{} still there after stop_timeout: closed anew", left,
                left == 1 ? "" : "s");
    return fmt::format(
            "{} process{} still there after stop_timeout: KILL", left, left == 1 ? "" : "es");
}

// Where it cannot be read there is nothing to compare: no connection is refused for it.
double one_minute_load() {
    const Fd file(::open("/proc/loadavg", O_RDONLY | O_CLOEXEC));
    std::array<char, 64> text{};
    if (!file || ::read(file.get(), text.data(), text.size() - 1) <= 0) return 0;
    return std::strtod(text.data(), nullptr);
}

}  // namespace

void Supervisor::on_knock(Service& service, Listener& listener) {
    if (handing_over_) {
        listener.poll->stop();
        return;
    }
    if (is_relayed(service.plan->mode) && !is_connection_kind(listener.plan.kind))
        give_datagrams(service, listener);
    else if (takes_connections(service.plan->mode))
        accept_batch(service, listener);
    else
        start_workers(service);
}

void Supervisor::accept_batch(Service& service, Listener& listener) {
    for (int i = 0; i < batch_size; ++i) {
        // After the first it is not known whether another one waits: a pause that nobody has
        // run into is none.
        if (i > 0 && (is_full(service) || service.holds.has(Hold::descriptors))) return;
        if (!may_accept(service)) return;
        Endpoint peer;
        Accepted accepted = accept_connection(
                listener.fd.get(), listener.plan.kind, peer, !is_given_away(*service.plan));
        switch (accepted.outcome) {
            case AcceptOutcome::accepted:
                consider(service, listener, std::move(accepted.connection), peer);
                break;
            case AcceptOutcome::gone: break;
            case AcceptOutcome::empty: return;
            case AcceptOutcome::no_resources:
                on_no_descriptors(service, listener, accepted.error);
                return;
            case AcceptOutcome::broken:
                outputs_.log().log(FailEvent{.service = service.name(),
                        .stage = "accept",
                        .subject = listener.plan.address,
                        .error = accepted.error,
                        .detail = "the listener is opened anew"});
                doors_.close(listener, false);
                doors_.open(service, listener);
                doors_.watch(service);
                return;
        }
    }
}

bool Supervisor::is_full(const Service& service) const {
    const AdmissionPlan& plan = service.plan->admission;
    const AdmissionBook book = book_of(service);
    const auto reached = [](const Bound& bound, std::uint32_t count) {
        return bound.value && count >= *bound.value;
    };
    return reached(plan.max_connections, service.active) ||
           reached(book.max_processes, live_) ||
           (plan.rate && is_exhausted(*plan.rate, book.rate, loop_.now()));
}

bool Supervisor::may_accept(Service& service) {
    if (processes_.spawner().pending(service.index) >= launches_in_hand) {
        hold(service, Hold::launches);
        return false;
    }
    if (needs_relay(*service.plan) && !relays_.ready()) {
        hold(service, Hold::relay);
        return false;
    }
    const Decision decision = decide_accepting(book_of(service), loop_.now());
    const auto* wait = std::get_if<Wait>(&decision);
    if (wait == nullptr) return true;
    if (limiter_.allow(service.index, wait->reason, loop_.now())) {
        outputs_.log().log(NoticeEvent{.level = Level::notice,
                .service = service.name(),
                .text = fmt::format("paused: {} reached, rule={}", refusal_name(wait->reason),
                        plan_->where(wait->rule))});
    }
    hold(service, hold_for(wait->reason), wait->until);
    return false;
}

AdmissionBook Supervisor::book_of(const Service& service) const {
    ServiceRecord& record = *service.record;
    return {.plan = &service.plan->admission,
            .access = &service.access,
            .denials = &denying_.list(),
            .sources = const_cast<SourceTable*>(&sources_),
            .rate = {&record.tokens, &record.tokens_at, &record.paused_until},
            .service = service.index,
            .connections = service.active,
            .processes = live_,
            // A relayed connection is no process.
            .max_processes =
                    is_relayed(service.plan->mode) ? Bound{} : plan_->daemon.max_processes,
            .stopping = stopping_ || service.stopping};
}

AdmissionFacts Supervisor::facts_of(const Service& service, const Endpoint& peer) const {
    AdmissionFacts facts;
    facts.peer = peer;
    if (!denying_.list().empty()) facts.wall = loop_.wall();
    if (!service.plan->admission.hours.empty()) facts.local = local_time(loop_.wall());
    if (service.plan->admission.max_load) {
        const Mono now = loop_.now();
        if (now - load_at_ >= std::chrono::seconds(1)) {
            load_at_ = now;
            load_ = one_minute_load();
        }
        facts.load = load_;
    }
    return facts;
}

void Supervisor::consider(
        Service& service, Listener& listener, Fd connection, const Endpoint& peer) {
    const Mono now = loop_.now();
    AdmissionFacts facts = facts_of(service, peer);
    const Sender sender = Proxying::sender(service, listener, peer);
    const bool by_proxy = sender == Sender::proxy;
    if (by_proxy) facts.stage = AdmissionStage::of_proxy;
    std::vector<std::uint32_t> groups;
    if (peer.family == Family::unix && service.access.needs_groups()) {
        auto known = peer_groups(connection.get());
        if (!known) {
            // One that is denied by its group cannot be told from others.
            ++service.record->accepted;
            return refuse(service, listener, std::move(connection), peer, {});
        }
        groups = std::move(*known);
        facts.groups = groups;
    }
    facts.name = holding_.remembered_name(service, peer);
    ++service.record->accepted;
    if (sender == Sender::stranger)
        return refuse(service, listener, std::move(connection), peer,
                Refuse{Refusal::not_allowed, listener.plan.proxy_protocol->origin});
    const Decision decision = decide(facts, book_of(service), now);
    if (const auto* refusal = std::get_if<Refuse>(&decision)) {
        refuse(service, listener, std::move(connection), peer, *refusal);
        return;
    }
    const auto* admit = std::get_if<Admit>(&decision);
    const bool waits = admit != nullptr && !by_proxy &&
                       Holding::must_wait(service, peer, admit->needs_name);
    if (waits) {
        if (const auto refusal = holding_.refuse_unheld(service, peer, admit->needs_name)) {
            refuse(service, listener, std::move(connection), peer, *refusal);
            return;
        }
    }
    const auto index = processes_.records().take();
    if (!index || std::holds_alternative<Wait>(decision)) {
        if (index) processes_.records().give_back(*index);
        refuse(service, listener, std::move(connection), peer,
                Refuse{Refusal::max_processes, {}});
        return;
    }
    ProcessRecord& record = processes_.records().at(*index);
    const bool relayed =
            by_proxy || !listener.plan.tls.empty() || is_relayed(service.plan->mode);
    record.proxied = by_proxy ? ProxyStep::awaited : ProxyStep::none;
    record.tls = listener.plan.tls.empty() ? TlsStep::none : TlsStep::awaited;
    record.kind = relayed ? ProcessKind::relayed : ProcessKind::handler;
    record.service = service.index;
    record.generation = static_cast<std::uint32_t>(
            state_.header().plan_sequence.load(std::memory_order_relaxed));
    record.listener = static_cast<std::uint32_t>(&listener - service.listeners.data());
    record.source = std::get<Admit>(decision).source;
    record.cookie = socket_cookie(connection.get());
    record.id = ++state_.header().next_connection;
    record.started = to_nanoseconds(now);
    record.peer = peer;
    record.local = local_endpoint(connection.get());
    if (listener.plan.priority) set_priority(connection.get(), *listener.plan.priority);
    record.connection.store(connection.get(), std::memory_order_relaxed);
    record.flags = waits ? record_held : 0;
    // Last: from here on a superd that comes after this one starts the handler.
    record.state.store(RecordState::accepted, std::memory_order_release);
    if (record.source != no_source) ++sources_.at(record.source).active;
    if (service.plan->builtin == Builtin::sensor) sense(service, peer, record.local);
    if (waits) {
        holding_.hold(service, *index, std::move(connection));
        return;
    }
    if (by_proxy) return proxying_.start(service, *index, std::move(connection), false);
    holding_.ask_beside(service, *index);
    start_conversation(
            service, *index, std::move(connection), {std::string(facts.name.name), {}});
}

void Supervisor::start_conversation(
        Service& service, std::uint32_t index, Fd connection, PeerFacts facts) {
    const ProcessRecord& record = processes_.records().at(index);
    if (securing_.is_due(service, record))
        securing_.start(service, index, std::move(connection), false);
    else if (record.kind == ProcessKind::relayed)
        start_relayed(service, index, std::move(connection));
    else
        start_handler(service, index, std::move(connection), std::move(facts));
}

// The counts of source are taken already: by consider(), or again by a recovery.
void Supervisor::start_handler(
        Service& service, std::uint32_t index, Fd connection, PeerFacts facts) {
    ProcessRecord& record = processes_.records().at(index);
    ++service.active;
    ++service.launching;
    ++live_;
    Launch launch;
    launch.record = index;
    launch.service = service.index;
    launch.plan = spawn_plan_of(service);
    // A service that is reached through tcpmux may have no listener of its own.
    static const ListenerPlan none;
    const auto& listeners = service.plan->listeners;
    const ListenerPlan& from =
            listeners.empty()
                    ? none
                    : listeners[std::min<std::size_t>(record.listener, listeners.size() - 1)];
    launch.facts = {from.kind, record.peer, record.local, from.path, std::move(facts.name),
            std::move(facts.user)};
    launch.facts.cookie = record.cookie;
    if (record.proxied == ProxyStep::known) launch.facts.proxied = proxying_.environment(index);
    if (record.peer.family == Family::unix)
        launch.facts.remote_path = unix_peer_name(connection.get());
    const bool greeted = send_banner(service, record, connection.get());
    launch.connection = connection.release();
    launch.standard_error = outputs_.descriptor_for(service, service.plan->exec.standard_error);
    record.flags = 0;
    if (service.always_steps_in || !greeted) {
        record.flags = launch_steps_in;
        launch.step_in = {.wanted = true,
                .program = exec_program_.get(),
                .spec = service.exec_spec,
                .report = state_.header().report_fd[1],
                .connection = record.id,
                .banner_sent = record.banner_sent};
    }
    if (service.plan->prestart.count != 0 && greeted &&
            warming_.handlers().give(service, launch))
        return;
    processes_.launch(std::move(launch));
}

std::uint64_t Supervisor::log_refusal(Service& service, std::string_view socket,
        const Endpoint& peer, const Endpoint& local, const Refuse& why, std::string_view user) {
    ++service.record->refused[static_cast<std::size_t>(why.reason)];
    const auto suppressed = limiter_.allow(service.index, why.reason, loop_.now());
    if (!suppressed) return 0;
    const std::uint64_t id = ++state_.header().next_connection;
    outputs_.log().log(RefuseEvent{.service = service.name(),
            .connection = id,
            .peer = peer,
            .local = local,
            .socket = socket,
            .reason = refusal_name(why.reason),
            .rule = why.denial != nullptr ? denial_text(*why.denial) : plan_->where(why.rule),
            .user = user,
            .suppressed = *suppressed,
            .facts = service.plan->log.refused});
    return id;
}

void Supervisor::refuse(Service& service, Listener& listener, Fd connection,
        const Endpoint& peer, const Refuse& why, std::uint32_t banner_sent,
        std::string_view user) {
    const Endpoint local = local_endpoint(connection.get());
    const std::uint64_t id =
            log_refusal(service, listener.plan.address, peer, local, why, user);
    const AdmissionPlan& plan = service.plan->admission;
    std::string text = plan.banner.text.substr(
            std::min<std::size_t>(banner_sent, plan.banner.text.size()));
    text += refusal_text(plan);
    if (id != 0 && user.empty())
        holding_.ask_refused(
                service, id, peer, local, text.empty() ? std::move(connection) : Fd());
    if (!text.empty())
        farewells_.take(std::move(connection), listener.plan.kind, std::move(text));
}

// After the record, so that it is known how much of it a client was sent; what its socket does
// not take at once is left to superd-exec. True where nothing is left to send.
bool Supervisor::send_banner(const Service& service, ProcessRecord& record, int connection) {
    const std::string_view banner = service.plan->admission.banner.text;
    if (record.banner_sent >= banner.size()) return true;
    const auto sent = send_some(connection, banner.substr(record.banner_sent));
    // Where the client has gone its handler finds out by itself, as it always does.
    record.banner_sent += static_cast<std::uint32_t>(sent.value_or(banner.size()));
    return record.banner_sent >= banner.size();
}

void Supervisor::on_no_descriptors(Service& service, Listener& listener, int error) {
    ++service.record->refused[static_cast<std::size_t>(Refusal::no_descriptors)];
    if (limiter_.allow(service.index, Refusal::no_descriptors, loop_.now())) {
        outputs_.log().log(FailEvent{.service = service.name(),
                .stage = "accept",
                .subject = listener.plan.address,
                .error = error,
                .detail = "accepting pauses; clients wait in the kernel's queue"});
    }
    hold(service, Hold::descriptors, loop_.now() + no_descriptors_pause);
}

// A relay is to have a copy, and there is no number for it: the client goes, the next ones
// wait.
void Supervisor::refuse_uncopied(Service& service, std::uint32_t index, Fd connection) {
    ProcessRecord& record = processes_.records().at(index);
    record.connection.store(-1, std::memory_order_relaxed);
    connection.reset();
    const auto& listeners = service.plan->listeners;
    const bool known = record.listener < listeners.size();
    log_refusal(service, known ? listeners[record.listener].address : std::string_view(),
            record.peer, record.local, Refuse{Refusal::no_descriptors, {}});
    forget_process(index);
    processes_.records().give_back(index);
    hold(service, Hold::descriptors, loop_.now() + no_descriptors_pause);
}

void Supervisor::hold(Service& service, Hold what, Mono until) {
    if (options_.debug)
        outputs_.log().log(NoticeEvent{.level = Level::debug,
                .service = service.name(),
                .text = fmt::format("accepts nothing: {}", hold_text(what))});
    service.holds.set(what, until);
    if (what == Hold::processes) any_process_hold_ = true;
    doors_.watch(service);
    if (until != Mono::max()) arm_timer(service);
    changed(service);
}

void Supervisor::release(Service& service, Hold what) {
    if (!service.holds.has(what)) return;
    service.holds.clear(what);
    if (options_.debug)
        outputs_.log().log(NoticeEvent{.level = Level::debug,
                .service = service.name(),
                .text = fmt::format("no longer: {}", hold_text(what))});
    doors_.watch(service);
    changed(service);
}

void Supervisor::arm_timer(Service& service) {
    const Mono next = std::min(service.holds.next(), service.kill_at);
    if (next == Mono::max()) return;
    if (!service.timer)
        service.timer =
                std::make_unique<Timer>(loop_, [this, &service] { on_service_timer(service); });
    service.timer->start(std::max(next - loop_.now(), Nanoseconds{0}));
}

void Supervisor::on_service_timer(Service& service) {
    const Mono now = loop_.now();
    service.holds.expire(now);
    if (service.kill_at <= now) {
        service.kill_at = Mono::max();
        outputs_.log().log(NoticeEvent{.level = Level::warning,
                .service = service.name(),
                .text = still_there(service)});
        signal_handlers(service, SIGKILL);
    }
    doors_.watch(service);
    arm_timer(service);
    changed(service);
}

}  // namespace superd
