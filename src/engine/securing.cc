// SPDX-License-Identifier: MIT
#include "engine/securing.h"

#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/text.h"
#include "engine/supervisor.h"
#include "sys/accept.h"
#include "tls/tickets.h"

#include "relay/protocol.h"

namespace superd {

namespace {

const ListenerPlan* listener_of(const Service& service, const ProcessRecord& record) {
    const auto& listeners = service.plan->listeners;
    return record.listener < listeners.size() ? &listeners[record.listener] : nullptr;
}

void add(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(name).append(1, '=').append(value).append(1, '\n');
}

// What a proxy before superd has said of its own TLS counts no more.
std::string without_tls(std::string_view variables) {
    std::string out;
    for (const std::string_view line : split(variables, '\n'))
        if (!line.empty() && !line.starts_with("SSL_")) out.append(line).append(1, '\n');
    return out;
}

void add_facts(std::string& out, const TlsFacts& facts) {
    add(out, "SSL_PROTOCOL", facts.protocol);
    add(out, "SSL_CIPHER", facts.cipher);
    add(out, "SSL_CIPHER_BITS", std::to_string(facts.bits));
    add(out, "SSL_COMPRESSION", "NULL");
    add(out, "SSL_SESSION_REUSED", facts.reused ? "1" : "0");
    add(out, "SSL_ALPN", facts.alpn);
    add(out, "SSL_TLS_SNI_SERVERNAME", facts.server_name);
    add(out, "SSL_PEER_CERT_SUBJECT", facts.peer.subject);
    add(out, "SSL_PEER_CERT_ISSUER", facts.peer.issuer);
    add(out, "SSL_PEER_CERT_HASH", facts.peer.hash);
    add(out, "SSL_PEER_CERT_SAN", facts.peer.names);
    add(out, "SSL_PEER_CERT_NOT_AFTER", facts.peer.not_after);
}

}  // namespace

// ---- profiles

void Securing::take_plan(const Plan& plan) {
    Supervisor& of = supervisor_;
    const auto dropped = files_.take_plan(plan, [&](const std::string& text) {
        of.outputs_.log().log(NoticeEvent{.level = Level::error, .text = text});
    });
    for (const std::uint32_t number : dropped)
        of.relays_.drop_profile(number);
    if (!watch_ && plan.tls.empty()) return;
    if (!rotation_) {
        rotation_ = std::make_unique<Timer>(of.loop_, [this] { rotate_tickets(); });
        rotate_tickets();
    }
    rotation_->start(plan.daemon.tls_ticket_rotation);
    if (!watch_) watch_ = std::make_unique<FileWatch>(of.loop_, [this] { on_files_changed(); });
    watch_->watch(files_.paths());
}

// The key before still opens: a ticket is good for one to two rotations.
void Securing::rotate_tickets() {
    Supervisor& of = supervisor_;
    std::string key(ticket_key_size, '\0');
    if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return;
    std::vector<std::string> next;
    next.push_back(std::move(key));
    if (!tickets_.empty()) next.push_back(std::move(tickets_.front()));
    tickets_ = std::move(next);
    of.relays_.set_tickets(tickets_);
    rotation_->start(of.plan_->daemon.tls_ticket_rotation);
}

// They are looked at as when a file is read, by another process: what is wrong is said, and the
// profile stays as it was.
void Securing::on_files_changed() {
    Supervisor& of = supervisor_;
    const StateHeader& header = of.state_.header();
    const std::uint64_t sequence = header.plan_sequence.load();
    const auto then = [this, sequence](Result<ReadResult> read) {
        Supervisor& owner = supervisor_;
        // A reload has read them all.
        if (owner.state_.header().plan_sequence.load() != sequence) return;
        const auto say = [&owner](Level level, const std::string& text) {
            owner.outputs_.log().log(NoticeEvent{.level = level, .text = text});
        };
        if (!read || !read->plan)
            return say(Level::error, "TLS: changed files could not be looked at");
        for (const Diagnostic& trouble : read->diagnostics.all())
            say(Level::error, trouble.message);
        const auto dropped = files_.refresh(read->plan->tls,
                [&say](const std::string& text) { say(Level::notice, text); });
        for (const std::uint32_t number : dropped)
            owner.relays_.drop_profile(number);
        watch_->watch(files_.paths());
    };
    of.reader_.recheck_tls(
            header.plan_fd[sequence & 1], of.options_.read.tls_program, then);
}

std::optional<TlsSink::Profile> Securing::open_profile(std::uint32_t number) {
    auto files = files_.open(number);
    if (files)
        return Profile{std::move(files->material), std::move(files->keys), files->key_process};
    supervisor_.outputs_.log().log(
            NoticeEvent{.level = Level::error, .text = "TLS: " + files.error().text()});
    return std::nullopt;
}

// ---- the handshake

bool Securing::is_due(const Service& service, const ProcessRecord& record) const {
    const ListenerPlan* listener = listener_of(service, record);
    return listener != nullptr && !listener->tls.empty() && record.tls != TlsStep::known;
}

void Securing::start(Service& service, std::uint32_t index, Fd connection, bool again) {
    Supervisor& of = supervisor_;
    ProcessRecord& record = of.processes_.records().at(index);
    ++service.active;
    record.tls = TlsStep::awaited;
    record.kind = ProcessKind::relayed;
    const ListenerPlan* listener = listener_of(service, record);
    const TlsFiles::Entry* profile =
            listener == nullptr ? nullptr : files_.find(listener->tls);
    if (profile == nullptr) {
        (void)connection.release();  // the record has it
        return refuse(service, index, Refuse{Refusal::tls_handshake, service.plan->origin},
                "its profile cannot be used");
    }
    set_blocking(connection.get(), false);
    const ServicePlan& plan = *service.plan;
    of.relays_.secure(index,
            {.name = {index, record.id},
                    .profile = profile->number,
                    .handshake = profile->plan.handshake_timeout,
                    .idle = profile->plan.idle_timeout > Nanoseconds{0}
                                    ? profile->plan.idle_timeout
                                    : plan.idle_timeout.value_or(Nanoseconds{0}),
                    .connect = plan.connect_timeout,
                    .client_tcp = record.peer.family == Family::ip,
                    .starttls = listener->starttls},
            std::move(connection), {.again = again});
}

void Securing::on_ended(Service& service, std::uint32_t index, RelayEnd end) {
    const bool asked = end == RelayEnd::asked;
    refuse(service, index, Refuse{asked ? Refusal::stopping : Refusal::tls_handshake, {}},
            asked ? std::string_view() : relay_end_name(end));
}

void Securing::on_unsecured(std::uint32_t index, const UnsecuredMessage& message) {
    Supervisor& of = supervisor_;
    const ProcessRecord& record = of.processes_.records().at(index);
    Service& service = *of.by_index_[record.service];
    const ListenerPlan* listener = listener_of(service, record);
    refuse(service, index,
            Refuse{Refusal::tls_handshake,
                    listener != nullptr ? listener->origin : service.plan->origin},
            message.error != 0 ? errno_text(message.error) : message.reason);
}

void Securing::on_secured(std::uint32_t index, const SecuredMessage& message) {
    Supervisor& of = supervisor_;
    ProcessRecord& record = of.processes_.records().at(index);
    Service& service = *of.by_index_[record.service];
    // EndedMessage comes back, and on_ended() refuses it.
    if (service.removed || service.stopping || of.stopping_) return of.relays_.end(index);
    write_down(index, message.facts);
    if (is_relayed(service.plan->mode)) {
        record.tls = TlsStep::known;
        return of.answer_secured(service, index);
    }
    start_behind(service, index);
}

// `known` is the next step's to say: what is killed before is done again.
void Securing::write_down(std::uint32_t index, const TlsFacts& facts) {
    ProcessRecords& records = supervisor_.processes_.records();
    ProxiedRecord& place = records.proxied_place(index);
    std::string variables;
    if (const ProxiedRecord* known = records.proxied(index))
        variables = without_tls(known->variables);
    add_facts(variables, facts);
    keep_text(place.variables, variables);
    records.at(index).proxied = ProxyStep::known;
}

std::string Securing::told(std::uint32_t index, std::string_view name) const {
    const ProcessRecords& records = supervisor_.processes_.records();
    if (records.at(index).tls != TlsStep::known) return {};
    const ProxiedRecord* known = records.proxied(index);
    for (const std::string_view line : split(known == nullptr ? "" : known->variables, '\n'))
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=')
            return std::string(line.substr(name.size() + 1));
    return {};
}

std::string Securing::summary(std::uint32_t index) const {
    if (supervisor_.processes_.records().at(index).tls != TlsStep::known) return {};
    std::string text = told(index, "SSL_PROTOCOL") + ' ' + told(index, "SSL_CIPHER");
    for (const char* name : {"SSL_TLS_SNI_SERVERNAME", "SSL_PEER_CERT_SUBJECT"})
        if (const std::string value = told(index, name); !value.empty()) text += ' ' + value;
    return text;
}

// ---- a handler behind it

void Securing::start_behind(Service& service, std::uint32_t index) {
    Supervisor& of = supervisor_;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        of.log_unanswered(service, index, errno);
        return of.relays_.end(index);
    }
    Fd handlers(ends[0]), relays(ends[1]);
    const auto partner = make_partner(index, handlers);
    if (!partner) {
        of.log_unanswered(service, index, EAGAIN);
        return of.relays_.end(index);
    }
    set_blocking(relays.get(), false);
    of.relays_.first_upstream(index, std::move(relays), {}, {});
    of.start_handler(service, *partner, std::move(handlers), {});
    --service.active;  // start_handler() has counted the connection again
}

// The record of its handler.
std::optional<std::uint32_t> Securing::make_partner(
        std::uint32_t index, const Fd& connection) {
    ProcessRecords& records = supervisor_.processes_.records();
    const auto taken = records.take();
    if (!taken) return std::nullopt;
    ProcessRecord& client = records.at(index);
    ProcessRecord& record = records.at(*taken);
    record.kind = ProcessKind::handler;
    record.service = client.service;
    record.generation = client.generation;
    record.listener = client.listener;
    record.cookie = socket_cookie(connection.get());
    record.id = client.id;
    record.started = to_nanoseconds(supervisor_.loop_.now());
    record.peer = client.peer;
    record.local = client.local;
    record.connection.store(connection.get(), std::memory_order_relaxed);
    record.tls = TlsStep::known;
    records.move_proxied(index, *taken);
    record.partner = index + 1;
    client.partner = *taken + 1;
    client.tls = TlsStep::known;
    // Last: from here on a superd that comes after this one starts the handler.
    record.state.store(RecordState::accepted, std::memory_order_release);
    return taken;
}

bool Securing::hand_on(std::uint32_t index) {
    ProcessRecords& records = supervisor_.processes_.records();
    ProcessRecord& record = records.at(index);
    const std::uint32_t partner = std::exchange(record.partner, 0);
    if (partner == 0) return false;
    ProcessRecord& other = records.at(partner - 1);
    if (std::exchange(other.partner, 0) != index + 1) return false;
    if (record.source != no_source) other.source = std::exchange(record.source, no_source);
    return true;
}

bool Securing::is_counted_by_partner(std::uint32_t index) const {
    const ProcessRecords& records = supervisor_.processes_.records();
    const std::uint32_t partner = records.at(index).partner;
    if (partner == 0 || partner > records.capacity()) return false;
    const ProcessRecord& other = records.at(partner - 1);
    return other.partner == index + 1 && other.kind == ProcessKind::relayed &&
           other.state.load() == RecordState::running;
}

void Securing::end_unanswered() {
    Supervisor& of = supervisor_;
    of.processes_.records().for_each([&](std::uint32_t index, const ProcessRecord& record) {
        const bool waits = record.kind == ProcessKind::relayed &&
                           record.tls == TlsStep::known && record.partner == 0 &&
                           record.state.load() == RecordState::running &&
                           of.has_service(record) &&
                           of.by_index_[record.service]->plan->mode == Mode::handler;
        if (waits) of.relays_.end(index);
    });
}

// ---- refusing

void Securing::refuse(
        Service& service, std::uint32_t index, const Refuse& why, std::string_view detail) {
    Supervisor& of = supervisor_;
    ProcessRecord& record = of.processes_.records().at(index);
    const ListenerPlan* listener = listener_of(service, record);
    ++service.record->refused[static_cast<std::size_t>(why.reason)];
    if (const auto suppressed = of.limiter_.allow(service.index, why.reason, of.loop_.now()))
        of.outputs_.log().log(RefuseEvent{.service = service.name(),
                .connection = record.id,
                .peer = record.peer,
                .local = record.local,
                .via = of.proxying_.via(index),
                .socket = listener != nullptr ? std::string_view(listener->address) : "",
                .reason = refusal_name(why.reason),
                .rule = of.plan_->where(why.rule),
                .detail = detail,
                .suppressed = *suppressed,
                .facts = service.plan->log.refused});
    // Only where no relay has it yet.
    if (const int connection = record.connection.exchange(-1); connection >= 0)
        of.processes_.spawner().close_later(connection);
    of.forget_process(index);
    of.processes_.records().give_back(index);
    if (service.active == 0) of.on_service_empty(service);
    if (!of.waiters_.empty()) of.changed(service);
}

}  // namespace superd
