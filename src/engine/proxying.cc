// SPDX-License-Identifier: MIT
#include "engine/proxying.h"

#include <algorithm>
#include <utility>
#include <variant>

#include <fcntl.h>
#include <fmt/format.h>

#include "base/text.h"
#include "engine/supervisor.h"
#include "policy/exec_spec.h"
#include "sys/accept.h"

#include "relay/protocol.h"

namespace superd {

namespace {

// Names of variables, s6-networking's where it has any.
constexpr std::string_view name_address = "PROXY_IP", name_port = "PROXY_PORT",
                           name_id = "PROXY_UNIQUE_ID", name_alpn = "SSL_ALPN",
                           name_server = "SSL_TLS_SNI_SERVERNAME",
                           name_protocol = "SSL_PROTOCOL", name_cipher = "SSL_CIPHER",
                           name_client = "SSL_PEER_CERT_CN";

const ListenerPlan* listener_of(const Service& service, const ProcessRecord& record) {
    const auto& listeners = service.plan->listeners;
    return record.listener < listeners.size() ? &listeners[record.listener] : nullptr;
}

const ProxyProtocolPlan* rules_of(const Service& service, const ProcessRecord& record) {
    const ListenerPlan* listener = listener_of(service, record);
    return listener != nullptr && listener->proxy_protocol ? &*listener->proxy_protocol
                                                           : nullptr;
}

std::string in_hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes)
        out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

std::string from_hex(std::string_view text) {
    std::string out;
    const auto digit = [](char c) {
        return c >= 'a' ? c - 'a' + 10 : c - '0';
    };
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
    return out;
}

void add(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(name).append(1, '=').append(value).append(1, '\n');
}

// The name of a client's certificate counts where the proxy has verified it.
std::string variables_of(const ProxyFacts& facts, const Endpoint& proxy) {
    std::string out;
    if (proxy.family == Family::ip) {
        add(out, name_address, proxy.ip.text());
        add(out, name_port, std::to_string(proxy.port));
    }
    add(out, name_id, in_hex(facts.unique_id));
    add(out, name_alpn, facts.alpn);
    add(out, name_server, facts.authority);
    if (!facts.tls || (facts.tls->client & ProxyTls::used) == 0) return out;
    add(out, name_protocol, facts.tls->version);
    add(out, name_cipher, facts.tls->cipher);
    if (facts.tls->is_verified()) add(out, name_client, facts.tls->name);
    return out;
}

std::string value_of(std::string_view variables, std::string_view name) {
    for (const std::string_view line : split(variables, '\n'))
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == '=')
            return std::string(line.substr(name.size() + 1));
    return {};
}

// As the header of the proxy before superd had it.
std::optional<ProxyTls> tls_of(std::string_view variables) {
    ProxyTls tls{.client = ProxyTls::used,
            .version = value_of(variables, name_protocol),
            .name = value_of(variables, name_client),
            .cipher = value_of(variables, name_cipher)};
    if (tls.version.empty()) return std::nullopt;
    if (!tls.name.empty()) tls.client |= ProxyTls::certificate;
    return tls;
}

}  // namespace

// ---- who it is

void Proxying::compile(Service& service, const NetworkTables& networks) {
    service.proxies.clear();
    for (const ListenerPlan& listener : service.plan->listeners)
        service.proxies.push_back(listener.proxy_protocol
                                          ? AccessIndex(listener.proxy_protocol->from, networks)
                                          : AccessIndex());
}

Sender Proxying::sender(
        const Service& service, const Listener& listener, const Endpoint& peer) {
    const auto& rules = listener.plan.proxy_protocol;
    if (!rules) return Sender::client;
    const auto place = static_cast<std::size_t>(&listener - service.listeners.data());
    if (place < service.proxies.size() && service.proxies[place].decide(peer).allowed)
        return Sender::proxy;
    return rules->required ? Sender::stranger : Sender::client;
}

// ---- the header

void Proxying::start(Service& service, std::uint32_t index, Fd connection, bool again) {
    Supervisor& of = supervisor_;
    const ProcessRecord& record = of.processes_.records().at(index);
    ++service.active;
    const ProxyProtocolPlan* rules = rules_of(service, record);
    // Only after a kill: the plan it was accepted by is another one now.
    if (rules == nullptr) {
        (void)connection.release();  // the record has it
        return refuse(service, index, Refuse{Refusal::preface, service.plan->origin});
    }
    Fd copy(::fcntl(connection.get(), F_DUPFD_CLOEXEC, low_number));
    if (!copy) return of.refuse_uncopied(service, index, std::move(connection));
    (void)connection.release();  // the record has it
    of.relays_.preface(index, {{index, record.id}, rules->versions, rules->timeout},
            std::move(copy), {.again = again, .keeps_client = true});
}

void Proxying::on_ended(Service& service, std::uint32_t index, RelayEnd end) {
    const bool asked = end == RelayEnd::asked;
    refuse(service, index, Refuse{asked ? Refusal::stopping : Refusal::preface, {}},
            asked ? std::string_view() : relay_end_name(end));
}

void Proxying::on_unproxied(std::uint32_t index, const UnproxiedMessage& message) {
    Supervisor& of = supervisor_;
    const ProcessRecord& record = of.processes_.records().at(index);
    Service& service = *of.by_index_[record.service];
    const ProxyProtocolPlan* rules = rules_of(service, record);
    refuse(service, index,
            Refuse{Refusal::preface, rules != nullptr ? rules->origin : service.plan->origin},
            message.error != 0 ? errno_text(message.error) : proxy_fault_text(message.fault));
}

void Proxying::on_proxied(std::uint32_t index, const ProxiedMessage& message) {
    Supervisor& of = supervisor_;
    ProcessRecord& record = of.processes_.records().at(index);
    Service& service = *of.by_index_[record.service];
    const bool gone = service.removed || service.stopping || of.stopping_ ||
                      !takes_connections(service.plan->mode);
    if (gone) return refuse(service, index, Refuse{Refusal::stopping, {}});
    const Endpoint client =
            message.facts.client.family == Family::ip ? message.facts.client : record.peer;
    AdmissionFacts facts = of.facts_of(service, client);
    facts.name = of.holding_.remembered_name(service, client);
    facts.stage = AdmissionStage::behind_proxy;
    const Decision decision = decide(facts, of.book_of(service), of.loop_.now());
    // From here on a superd that comes after this one reads the message again, and decides
    // again; with `known` it goes on from there.
    record.state.store(RecordState::accepted, std::memory_order_release);
    write_down(index, message.facts);
    go_on(service, index, decision);
}

// `known` is go_on()'s to say.
void Proxying::write_down(std::uint32_t index, const ProxyFacts& facts) {
    ProcessRecords& records = supervisor_.processes_.records();
    ProcessRecord& record = records.at(index);
    ProxiedRecord& place = records.proxied_place(index);
    // Twice after a kill: the proxy is still the one that was written down first.
    if (place.proxy.family == Family::none) place.proxy = record.peer;
    keep_text(place.variables, variables_of(facts, place.proxy));
    if (facts.client.family != Family::ip) return;
    record.peer = facts.client;
    record.local = facts.destination;
}

void Proxying::go_on(Service& service, std::uint32_t index, const Decision& decision) {
    Supervisor& of = supervisor_;
    ProcessRecord& record = of.processes_.records().at(index);
    if (const auto* refusal = std::get_if<Refuse>(&decision))
        return refuse(service, index, *refusal);
    // It cannot be put back into the queue.
    if (const auto* wait = std::get_if<Wait>(&decision))
        return refuse(service, index, Refuse{wait->reason, wait->rule});
    const Admit& admit = std::get<Admit>(decision);
    const bool waits = Holding::must_wait(service, record.peer, admit.needs_name);
    if (waits) {
        const auto refusal = of.holding_.refuse_unheld(service, record.peer, admit.needs_name);
        if (refusal) return refuse(service, index, *refusal);
    }
    record.source = admit.source;
    record.attempts = 0;
    record.started = to_nanoseconds(of.loop_.now());
    record.flags = waits ? record_held : 0;
    const bool relayed =
            record.tls == TlsStep::awaited || is_relayed(service.plan->mode);
    record.kind = relayed ? ProcessKind::relayed : ProcessKind::handler;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    record.proxied = ProxyStep::known;
    if (record.source != no_source) ++of.sources_.at(record.source).active;
    --service.active;  // the next step counts it
    Fd connection(record.connection.load());
    // Whatever the relay did to it.
    set_blocking(connection.get(), !is_given_away(*service.plan));
    if (waits) return of.holding_.hold(service, index, std::move(connection));
    const PeerName name = of.holding_.remembered_name(service, record.peer);
    of.start_conversation(service, index, std::move(connection), {std::string(name.name), {}});
}

// The line has both addresses; the connection is closed, whoever waits for it learns so.
void Proxying::refuse(
        Service& service, std::uint32_t index, const Refuse& why, std::string_view detail) {
    Supervisor& of = supervisor_;
    ProcessRecord& record = of.processes_.records().at(index);
    const Endpoint proxy = of.processes_.records().proxied_place(index).proxy;
    const ListenerPlan* listener = listener_of(service, record);
    ++service.record->refused[static_cast<std::size_t>(why.reason)];
    if (const auto suppressed = of.limiter_.allow(service.index, why.reason, of.loop_.now()))
        of.outputs_.log().log(RefuseEvent{.service = service.name(),
                .connection = record.id,
                .peer = record.peer,
                .local = record.local,
                .via = proxy,
                .socket = listener != nullptr ? std::string_view(listener->address) : "",
                .reason = refusal_name(why.reason),
                .rule = why.denial != nullptr ? denial_text(*why.denial)
                                              : of.plan_->where(why.rule),
                .detail = detail,
                .suppressed = *suppressed,
                .facts = service.plan->log.refused});
    Fd connection(record.connection.exchange(-1));
    const std::string text = proxy.family == Family::none
                                     ? std::string()
                                     : refusal_text(service.plan->admission);
    if (!text.empty() && listener != nullptr && connection)
        of.farewells_.take(std::move(connection), listener->kind, text);
    else if (connection && mark_turned_away(connection.get()))
        of.processes_.spawner().close_later(connection.release());
    of.forget_process(index);
    of.processes_.records().give_back(index);
    if (service.active == 0) of.on_service_empty(service);
    if (!of.waiters_.empty()) of.changed(service);
}

// ---- what others are told

std::string Proxying::environment(std::uint32_t index) const {
    const ProxiedRecord* known = supervisor_.processes_.records().proxied(index);
    if (known == nullptr) return {};
    std::string out = known->variables;
    std::replace(out.begin(), out.end(), '\n', '\0');
    return out;
}

Endpoint Proxying::via(std::uint32_t index) const {
    const ProxiedRecord* known = supervisor_.processes_.records().proxied(index);
    return known == nullptr ? Endpoint{} : known->proxy;
}

std::string Proxying::header_for(const Service& service, std::uint32_t index) const {
    const ServicePlan& plan = *service.plan;
    const ProcessRecord& record = supervisor_.processes_.records().at(index);
    const unsigned tlvs = plan.send_proxy_tlvs.bits;
    if (plan.send_proxy != SendProxy::v2 || tlvs == 0)
        return make_proxy_header(plan.send_proxy, record.peer, record.local);
    const ProxiedRecord* known = supervisor_.processes_.records().proxied(index);
    const std::string_view variables = known == nullptr ? "" : known->variables;
    ProxyFacts facts{.version = 2, .client = record.peer, .destination = record.local};
    facts.checked = (tlvs & ProxyTlvs::crc32c) != 0;
    // One that the client's first proxy has given it goes on with it.
    const std::string id = value_of(variables, name_id);
    if ((tlvs & ProxyTlvs::unique_id) != 0)
        facts.unique_id = id.empty() ? fmt::format("{:x}", record.id) : from_hex(id);
    if ((tlvs & ProxyTlvs::alpn) != 0) facts.alpn = value_of(variables, name_alpn);
    if ((tlvs & ProxyTlvs::authority) != 0) facts.authority = value_of(variables, name_server);
    if ((tlvs & ProxyTlvs::ssl) != 0) facts.tls = tls_of(variables);
    return make_proxy_header(facts);
}

}  // namespace superd
