// SPDX-License-Identifier: MIT
// Connections of builtins and redirects: what superd gives to superd-relay, and what it is told
// and asked.
#include <algorithm>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "engine/supervisor.h"
#include "sys/accept.h"
#include "sys/farewell.h"
#include "sys/socket_owner.h"

#include "relay/preface.h"
#include "relay/protocol.h"

namespace superd {

namespace {

// For the line that says which service a tcpmux client wants.
constexpr Nanoseconds preface_time = std::chrono::seconds(10);

std::string_view listener_address(const Service& service, const ProcessRecord& record) {
    const auto& listeners = service.plan->listeners;
    if (record.listener >= listeners.size()) return {};
    return listeners[record.listener].address;
}

void send_promptly(int connection) {
    const int on = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

std::string lower_case(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

bool is_for_tcpmux(const Service& service) {
    const ServicePlan& plan = *service.plan;
    return plan.tcpmux != Tcpmux::no && plan.mode == Mode::handler && !service.removed &&
           service.wants_listeners() && service.order() != Order::pause;
}

}  // namespace

// ---- connections

// No spawner has it: the descriptor is superd's until a relay has taken it.
void Supervisor::start_relayed(
        Service& service, std::uint32_t index, Fd connection, bool again) {
    ProcessRecord& record = processes_.records().at(index);
    const ServicePlan& plan = *service.plan;
    ++service.active;
    const bool keeps = plan.mode == Mode::builtin && !is_given_away(plan);
    Fd copy;
    if (keeps) {
        copy.reset(::fcntl(connection.get(), F_DUPFD_CLOEXEC, low_number));
        if (!copy) return refuse_uncopied(service, index, std::move(connection));
    }
    if ((record.flags & record_started) == 0) {
        record.flags = static_cast<std::uint8_t>(record.flags | record_started);
        ++service.record->started;
        outputs_.log().log(StartEvent{.service = service.name(),
                .connection = record.id,
                .peer = record.peer,
                .local = record.local,
                .socket = listener_address(service, record),
                .user = holding_.user_of(index),
                .facts = plan.log.admitted,
                .via = proxying_.via(index)});
    }
    // accept_batch() has seen to it, for the plan of its time.
    if (again) set_blocking(connection.get(), !is_given_away(plan));
    const ConnectionName name{index, record.id};
    if (!greet(service, record, connection.get())) {
        record.connection.store(-1, std::memory_order_relaxed);
        connection.reset();
        return on_relayed_ended(index, {.name = name, .end = RelayEnd::client});
    }
    // A relay takes its own first write for the client's first, which never waits.
    if (record.banner_sent > 0) send_promptly(connection.get());
    const Nanoseconds idle = plan.idle_timeout.value_or(Nanoseconds{0});
    if (plan.mode == Mode::builtin) {
        Fd client = keeps ? std::move(copy) : std::move(connection);
        if (keeps) (void)connection.release();  // the record has it
        relays_.serve(index, {name, plan.builtin, keeps ? preface_time : idle},
                std::move(client), {.again = again, .keeps_client = keeps});
        return;
    }
    if (park(service, index, again)) {
        (void)connection.release();  // the record has it
        return;
    }
    connect_relayed(service, index, std::move(connection), again);
}

// To its first target.
void Supervisor::connect_relayed(
        Service& service, std::uint32_t index, Fd connection, bool again) {
    ProcessRecord& record = processes_.records().at(index);
    const ServicePlan& plan = *service.plan;
    const ConnectionName name{index, record.id};
    auto upstream = open_upstream(service, index, 0);
    if (!upstream) {
        record.connection.store(-1, std::memory_order_relaxed);
        connection.reset();
        on_relayed_ended(index,
                {.name = name, .end = RelayEnd::connect, .error = upstream.error().code});
        return;
    }
    relays_.pump(index,
            {name, plan.idle_timeout.value_or(Nanoseconds{0}), plan.connect_timeout,
                    proxying_.header_for(service, index), record.peer.family == Family::ip,
                    upstream_facts(service, index)},
            std::move(connection), std::move(*upstream), {.again = again});
}

// As start_relayed() and connect_relayed(), with a client that its relay has already.
void Supervisor::answer_secured(Service& service, std::uint32_t index) {
    ProcessRecord& record = processes_.records().at(index);
    const ServicePlan& plan = *service.plan;
    record.flags = static_cast<std::uint8_t>(record.flags | record_started);
    ++service.record->started;
    const std::string tls = securing_.told(index, "SSL_PROTOCOL"),
                      cipher = securing_.told(index, "SSL_CIPHER"),
                      sni = securing_.told(index, "SSL_TLS_SNI_SERVERNAME");
    outputs_.log().log(StartEvent{.service = service.name(),
            .connection = record.id,
            .peer = record.peer,
            .local = record.local,
            .socket = listener_address(service, record),
            .user = holding_.user_of(index),
            .facts = plan.log.admitted,
            .via = proxying_.via(index),
            .tls = tls,
            .cipher = cipher,
            .sni = sni});
    auto upstream = open_upstream(service, index, 0);
    if (!upstream) return relays_.end(index, RelayEnd::connect, upstream.error().code);
    relays_.first_upstream(index, std::move(*upstream), upstream_facts(service, index),
            proxying_.header_for(service, index));
}

void Supervisor::log_unanswered(const Service& service, std::uint32_t index, int error) {
    const ProcessRecord& record = processes_.records().at(index);
    outputs_.log().log(FailEvent{.service = service.name(),
            .connection = record.id,
            .peer = record.peer,
            .stage = "tls",
            .error = error,
            .detail = "the connection is closed"});
}

// banner, then banner_admitted; both are small enough for the socket of a client that is there.
bool Supervisor::greet(const Service& service, ProcessRecord& record, int connection) {
    if (!send_banner(service, record, connection)) return false;
    const std::string_view admitted = service.plan->admission.banner_admitted.text;
    if (admitted.empty()) return true;
    const auto before = static_cast<std::uint32_t>(service.plan->admission.banner.text.size());
    const std::size_t sent = std::max(record.banner_sent, before) - before;
    if (sent >= admitted.size()) return true;
    const auto more = send_some(connection, admitted.substr(sent));
    record.banner_sent += static_cast<std::uint32_t>(more.value_or(0));
    return more && sent + *more == admitted.size();
}

void Supervisor::on_relayed_ended(std::uint32_t index, const EndedMessage& message) {
    ProcessRecord& record = processes_.records().at(index);
    Service& service = *by_index_[record.service];
    if (record.proxied == ProxyStep::awaited)
        return proxying_.on_ended(service, index, message.end);
    if (record.tls == TlsStep::awaited)
        return securing_.on_ended(service, index, message.end);
    const bool handler = service.plan->mode == Mode::handler;
    if (handler && message.end == RelayEnd::handed_over) return take_back(service, index);
    // A copy that superd kept. It may outlive its record: who finds it is not to serve it again.
    if (const int kept = record.connection.exchange(-1); kept >= 0) {
        static_cast<void>(mark_turned_away(kept));
        processes_.spawner().close_later(kept);
    }
    // A handler behind TLS has an EXIT line of its own.
    const bool behind = handler && record.tls == TlsStep::known;
    if (!behind) {
        ++service.record->exited;
        log_relayed_end(service, record, message);
    }
    forget_process(index);
    processes_.records().give_back(index);
    if (service.active == 0) on_service_empty(service);
    if (!waiters_.empty()) changed(service);
}

void Supervisor::log_relayed_end(
        Service& service, const ProcessRecord& record, const EndedMessage& message) {
    const auto index = static_cast<std::uint32_t>(&record - &processes_.records().at(0));
    const Endpoint via = proxying_.via(index);
    outputs_.log().log(ExitEvent{.service = service.name(),
            .connection = record.id,
            .duration = loop_.now() - from_nanoseconds(record.started),
            .peer = record.peer,
            .via = via,
            .facts = service.plan->log.admitted,
            .end = relay_end_name(message.end),
            .received = message.received,
            .sent = message.sent,
            .error = message.error});
}

void Supervisor::on_relays_ready() {
    for (auto& [name, service] : services_)
        release(*service, Hold::relay);
}

// ---- tcpmux (RFC 1078)

Service* Supervisor::find_for_tcpmux(std::string_view name) const {
    for (const auto& [known, service] : services_)
        if (is_for_tcpmux(*service) && lower_case(known) == name) return service.get();
    return nullptr;
}

std::string Supervisor::tcpmux_help() const {
    std::string text;
    for (const auto& [name, service] : services_)
        if (is_for_tcpmux(*service) && text.size() + name.size() + 2 <= relay_text_limit)
            text += name + "\r\n";
    return text;
}

void Supervisor::on_asked(std::uint32_t index, const AskedMessage& message) {
    ProcessRecord& record = processes_.records().at(index);
    Service& mux = *by_index_[record.service];
    if (mux.plan->builtin != Builtin::tcpmux) return relays_.end(index);
    if (message.service == "help")
        return relays_.answer(index, tcpmux_help(), AnswerThen::close);
    Service* wanted = find_for_tcpmux(message.service);
    if (wanted == nullptr)
        return relays_.answer(
                index, "-Service " + message.service + " is not known\r\n", AnswerThen::close);
    if (!admit_to(*wanted, index))
        return relays_.answer(
                index, "-Service " + message.service + " is refused\r\n", AnswerThen::close);
    const bool plus = wanted->plan->tcpmux == Tcpmux::plus;
    relays_.answer(index, plus ? "+Go\r\n" : "", AnswerThen::hand_over);
}

// Admit or Refuse: neither a line that was read nor a datagram can be put back to wait, and a
// name that is not known yet lets nobody in.
Decision Supervisor::decide_at_once(const Service& service, const Endpoint& peer) {
    AdmissionFacts facts = facts_of(service, peer);
    facts.name = holding_.remembered_name(service, peer);
    const Decision decision = decide(facts, book_of(service), loop_.now());
    if (const auto* wait = std::get_if<Wait>(&decision))
        return Refuse{wait->reason, wait->rule};
    const auto* admit = std::get_if<Admit>(&decision);
    if (admit != nullptr && Holding::must_wait(service, peer, admit->needs_name))
        return Refuse{Refusal::not_allowed, service.access.allow_origin()};
    return decision;
}

// The connection becomes the wanted service's, by that one's own rules; its handler starts when
// the relay has let go.
bool Supervisor::admit_to(Service& wanted, std::uint32_t index) {
    ProcessRecord& record = processes_.records().at(index);
    Service& mux = *by_index_[record.service];
    ++wanted.record->accepted;
    const Decision decision = decide_at_once(wanted, record.peer);
    if (const auto* refusal = std::get_if<Refuse>(&decision)) {
        log_refusal(wanted, {}, record.peer, record.local, *refusal);
        return false;
    }
    ++mux.record->exited;
    log_relayed_end(mux, record, {.name = {index, record.id}, .end = RelayEnd::handed_over});
    forget_process(index);
    record.service = wanted.index;
    record.listener = 0;
    record.source = std::get<Admit>(decision).source;
    if (record.source != no_source) ++sources_.at(record.source).active;
    ++wanted.active;
    return true;
}

// The relay has read the name and nothing behind it: the raw socket is the handler's.
void Supervisor::take_back(Service& service, std::uint32_t index) {
    ProcessRecord& record = processes_.records().at(index);
    Fd connection(record.connection.load());
    set_blocking(connection.get(), true);  // whatever the relay did to it
    record.kind = ProcessKind::handler;
    record.attempts = 0;
    record.started = to_nanoseconds(loop_.now());
    record.state.store(RecordState::accepted, std::memory_order_release);
    --service.active;  // start_handler() counts it
    start_handler(service, index, std::move(connection), {});
}

// ---- ident (RFC 1413)

void Supervisor::on_ident(std::uint32_t index, const IdentMessage& message) {
    const ProcessRecord& record = processes_.records().at(index);
    if (by_index_[record.service]->plan->builtin != Builtin::ident) return relays_.end(index);
    Endpoint local = record.local, remote = record.peer;
    local.port = message.local;
    remote.port = message.remote;
    const IdentQuestion question{message.local, message.remote};
    const auto uid = connection_owner(local, remote);
    const auto name = uid ? passwd_name(*uid) : std::nullopt;
    if (name)
        relays_.answer(index, ident_answer(question, *name), AnswerThen::go_on);
    else if (uid)
        relays_.answer(index, ident_answer(question, std::to_string(*uid)), AnswerThen::go_on);
    else
        relays_.answer(index, ident_error(question, "NO-USER"), AnswerThen::go_on);
}

}  // namespace superd
