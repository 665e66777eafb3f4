// SPDX-License-Identifier: MIT
// The superd-relay processes: their start and end, what they say, and how a next superd finds
// them.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <sys/socket.h>

#include "base/packet_socket.h"
#include "engine/relay_slot.h"
#include "policy/backoff.h"
#include "policy/rate.h"
#include "policy/spawn_plan.h"

namespace superd {

namespace {

// News of relays must not keep the rest of superd waiting.
constexpr int packets_a_turn = 32;

// Heard twice it is as heard once: the name of what has ended is nobody's any more.
bool may_repeat(const FromRelay& message) {
    return std::holds_alternative<EndedMessage>(message) ||
           std::holds_alternative<ReachedMessage>(message) ||
           std::holds_alternative<ProxiedMessage>(message) ||
           std::holds_alternative<UnproxiedMessage>(message) ||
           std::holds_alternative<SecuredMessage>(message) ||
           std::holds_alternative<UnsecuredMessage>(message);
}

}  // namespace

// ---- the processes

bool Relays::start(Relay& relay) {
    if (options_.program.empty()) {
        say(Level::error, "there is no superd-relay: builtins and redirects cannot be served");
        relay.not_before = loop_.now() + backoff_ceiling;
        return false;
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        relay.not_before = loop_.now() + backoff_delay(++relay.failures);
        return false;
    }
    relay.channel.reset(ends[0]);
    relay.theirs.reset(ends[1]);
    const auto index = processes_.records().take();
    if (!index) {
        relay.channel.reset();
        relay.theirs.reset();
        relay.not_before = loop_.now() + backoff_delay(++relay.failures);
        return false;
    }
    relay.record = *index;
    relay.started = loop_.now();
    ProcessRecord& record = processes_.records().at(*index);
    record.connection.store(relay.channel.get(), std::memory_order_relaxed);
    launch(ProcessKind::relay, *index, relay, relay.theirs.get());
    watch(relay);
    send(relay, encode_message(ToRelay{GreetMessage{}}));
    return true;
}

void Relays::launch(
        ProcessKind kind, std::uint32_t index, const Relay& relay, int theirs) {
    const bool keys = kind == ProcessKind::key;
    const IdentityPlan& identity = keys ? options_.key_identity : options_.identity;
    ProcessRecord& record = processes_.records().at(index);
    record.kind = kind;
    record.service = ~std::uint32_t{0};
    record.listener = relay.number;
    record.started = to_nanoseconds(loop_.now());
    record.state.store(RecordState::accepted, std::memory_order_release);
    auto plan = std::make_shared<SpawnPlan>();
    plan->service = keys ? "superd-key" : "superd-relay";
    plan->program = keys ? options_.key_program : options_.program;
    plan->argv = {plan->service};
    if (identity.change) {
        plan->argv.push_back(fmt::format("--user={}:{}", identity.uid, identity.gid));
        plan->argv.push_back("--root=" + options_.root);
    }
    plan->fixed_environment = {"PATH=/usr/bin:/bin"};
    plan->mode = Mode::worker;
    plan->launch_timeout = std::chrono::seconds(10);
    Launch launch;
    launch.record = index;
    launch.service = ~std::uint32_t{0};
    launch.plan = std::move(plan);
    launch.listeners = {theirs};
    launch.listeners_blocking = false;
    launch.standard_error = options_.standard_error;
    launch.standard_output = options_.standard_error;
    processes_.launch(std::move(launch));
}

void Relays::watch(Relay& relay) {
    relay.poll = std::make_unique<Poll>(loop_, relay.channel.get(),
            [this, &relay](int events, int) { on_channel(relay, events); });
    relay.poll->start(Poll::readable);
}

void Relays::on_channel(Relay& relay, int events) {
    if ((events & Poll::writable) != 0) flush(relay);
    read_all(relay);
}

void Relays::read_all(Relay& relay) {
    for (int i = 0; i < packets_a_turn && relay.poll; ++i) {
        auto messages = peek_from_relay(relay.channel.get());
        if (messages) {
            // What would be lost for good with a superd that dies over it is dropped last.
            const bool repeats = std::all_of(messages->begin(), messages->end(), may_repeat);
            if (!repeats) drop_packet(relay.channel.get());
            for (FromRelay& message : *messages)
                handle(relay, {std::move(message)});
            if (repeats && relay.channel) drop_packet(relay.channel.get());
            continue;
        }
        if (messages.error().code == EAGAIN) return;
        // Gone, or it speaks nonsense: nothing it says is believed any more.
        relay.poll.reset();
        if (messages.error().code == EBADMSG)
            say(Level::error,
                    fmt::format("superd-relay {} does not keep to the protocol: killed",
                            relay.number));
        // One that has not exec'd yet has no pid to be killed by; its end comes by itself.
        if (relay.lives()) (void)processes_.send_signal(relay.record, SIGKILL);
    }
}

void Relays::handle(Relay& relay, const News& news) {
    const FromRelay& message = news.message;
    if (const auto* ended = std::get_if<EndedMessage>(&message)) {
        if (has_given(relay, ended->name)) sink_.on_relayed_ended(ended->name.record, *ended);
        return;
    }
    if (const auto* unreached = std::get_if<UnreachedMessage>(&message)) {
        if (has_given(relay, unreached->name))
            sink_.on_unreached(unreached->name.record, unreached->error);
        return;
    }
    if (const auto* reached = std::get_if<ReachedMessage>(&message)) {
        if (has_given(relay, reached->name)) sink_.on_reached(reached->name.record);
        return;
    }
    if (const auto* proxied = std::get_if<ProxiedMessage>(&message)) {
        if (!awaits_header(relay, proxied->name)) return;
        forget_waiting(relay, proxied->name.record);
        return prefaces_.on_proxied(proxied->name.record, *proxied);
    }
    if (const auto* unproxied = std::get_if<UnproxiedMessage>(&message)) {
        if (!awaits_header(relay, unproxied->name)) return;
        forget_waiting(relay, unproxied->name.record);
        return prefaces_.on_unproxied(unproxied->name.record, *unproxied);
    }
    if (const auto* secured = std::get_if<SecuredMessage>(&message)) {
        if (awaits_handshake(relay, secured->name))
            tls_.on_secured(secured->name.record, *secured);
        return;
    }
    if (const auto* unsecured = std::get_if<UnsecuredMessage>(&message)) {
        if (awaits_handshake(relay, unsecured->name))
            tls_.on_unsecured(unsecured->name.record, *unsecured);
        return;
    }
    if (const auto* asked = std::get_if<AskedMessage>(&message)) {
        if (has_given(relay, asked->name)) sink_.on_asked(asked->name.record, *asked);
        return;
    }
    if (const auto* ident = std::get_if<IdentMessage>(&message)) {
        if (has_given(relay, ident->name)) sink_.on_ident(ident->name.record, *ident);
        return;
    }
    if (const auto* counts = std::get_if<CountsMessage>(&message)) {
        if (of_watch(counts->watch) == &relay) sink_.on_counts(*counts);
        return;
    }
    if (const auto* sensed = std::get_if<SensedMessage>(&message)) {
        if (of_watch(sensed->watch) == &relay) sink_.on_sensed(sensed->watch, sensed->peer);
        return;
    }
    if (const auto* flow = std::get_if<FlowAskedMessage>(&message)) {
        if (of_watch(flow->watch) == &relay) sink_.on_flow_asked(*flow);
        return;
    }
    const auto& ready = std::get<ReadyMessage>(message);
    if (ready.version != relay_protocol_version) {
        say(Level::error,
                fmt::format("superd-relay speaks version {} of the protocol, superd {}",
                        ready.version, relay_protocol_version));
        (void)processes_.send_signal(relay.record, SIGKILL);
        return;
    }
    relay.answered = true;
}

// A relay is believed about the connections that it was given and no others.
bool Relays::has_given(const Relay& relay, const ConnectionName& name) const {
    if (name.record >= processes_.records().capacity()) return false;
    const ProcessRecord& record = processes_.records().at(name.record);
    return record.state.load() == RecordState::running && record.kind == ProcessKind::relayed &&
           record.id == name.id && record.relay == relay.number;
}

// Its news may be read by a superd that is about to give the connection to the relay again, for
// it does not know whether the one before had.
bool Relays::awaits_header(const Relay& relay, const ConnectionName& name) const {
    if (name.record >= processes_.records().capacity()) return false;
    const ProcessRecord& record = processes_.records().at(name.record);
    const RecordState state = record.state.load();
    return (state == RecordState::running || state == RecordState::accepted) &&
           record.kind == ProcessKind::relayed && record.proxied == ProxyStep::awaited &&
           record.id == name.id && record.relay == relay.number;
}

bool Relays::awaits_handshake(const Relay& relay, const ConnectionName& name) const {
    return has_given(relay, name) &&
           processes_.records().at(name.record).tls == TlsStep::awaited;
}

void Relays::forget_waiting(Relay& relay, std::uint32_t record) {
    std::erase_if(relay.waiting, [record](const Waiting& one) { return one.record == record; });
}

void Relays::on_launch_failed(std::uint32_t record, const LaunchResult& result) {
    log_.log(FailEvent{.service = "superd-relay",
            .stage = stage_name(result.stage),
            .subject = options_.program,
            .error = result.error});
    on_ended(record);
}

Relays::Relay* Relays::of_process(std::uint32_t record) {
    for (const auto& relay : relays_)
        if (relay->record == record) return relay.get();
    return nullptr;
}

// It has its end of the channel; without ours of that end its death closes the channel.
void Relays::on_started(std::uint32_t record) {
    if (Relay* relay = of_process(record)) relay->theirs.reset();
}

void Relays::on_ended(std::uint32_t record) {
    if (Relay* relay = of_process(record)) on_gone(*relay);
}

void Relays::on_gone(Relay& relay) {
    if (relay.poll) read_all(relay);  // what it said before it went
    relay.poll.reset();
    relay.record = ~std::uint32_t{0};
    relay.channel.reset();
    relay.theirs.reset();
    relay.writing = relay.answered = false;
    relay.profiles.clear();
    // Its superd-key ends by itself.
    relay.key_record = ~std::uint32_t{0};
    relay.key_channel.reset();
    relay.key_theirs.reset();
    auto waiting = std::exchange(relay.waiting, {});
    const Mono now = loop_.now();
    if (now - relay.started > backoff_ceiling) relay.failures = 0;
    relay.not_before = now + backoff_delay(relay.failures++);
    say(Level::error,
            fmt::format("superd-relay {} has died; its connections have ended", relay.number));
    end_connections(relay);
    std::vector<std::uint32_t> lost;
    for (const auto& [watch, number] : watches_)
        if (number == relay.number) lost.push_back(watch);
    for (const std::uint32_t watch : lost) {
        watches_.erase(watch);
        sink_.on_watch_lost(watch);
    }
    // What it had not taken yet is another one's, if there is one now.
    for (auto& one : waiting) {
        if (one.record == ~std::uint32_t{0}) continue;
        ProcessRecord& record = processes_.records().at(one.record);
        Relay* other = choose();
        if (other == nullptr || !give_profile(*other, one.profile)) {
            if (!one.keeps_client) record.connection.store(-1, std::memory_order_relaxed);
            one.descriptors.clear();
            sink_.on_relayed_ended(
                    one.record, {.name = {one.record, record.id}, .end = RelayEnd::lost});
            continue;
        }
        record.relay = static_cast<std::uint8_t>(other->number);
        other->waiting.push_back(std::move(one));
    }
    if (waited_for_ && ready()) {
        waited_for_ = false;
        sink_.on_relays_ready();
    }
}

void Relays::end_connections(const Relay& relay) {
    std::vector<std::uint32_t> ended;
    processes_.records().for_each([&](std::uint32_t index, const ProcessRecord& record) {
        if (record.kind == ProcessKind::relayed && record.relay == relay.number &&
                record.state.load() == RecordState::running)
            ended.push_back(index);
    });
    for (const std::uint32_t index : ended)
        sink_.on_relayed_ended(index,
                {.name = {index, processes_.records().at(index).id}, .end = RelayEnd::lost});
}

void Relays::on_stuck() {
    bool any = false;
    for (const auto& relay : relays_) {
        if (!relay->writing) continue;
        if (loop_.now() - relay->waiting_since < relay_patience) {
            any = true;
            continue;
        }
        say(Level::error,
                fmt::format("superd-relay {} takes nothing any more: killed", relay->number));
        (void)processes_.send_signal(relay->record, SIGKILL);
    }
    if (any) stuck_timer_.start(relay_patience);
}

// ---- over restarts of superd

void Relays::adopt(std::uint32_t index) {
    ProcessRecord& record = processes_.records().at(index);
    const unsigned number = record.listener;
    while (relays_.size() <= number && relays_.size() < 256) {
        relays_.push_back(std::make_unique<Relay>());
        relays_.back()->number = static_cast<unsigned>(relays_.size() - 1);
    }
    Relay& relay = *relays_[number];
    relay.record = index;
    relay.started = from_nanoseconds(record.started);
    relay.channel.reset(record.connection.load());
    relay.answered = true;
    if (!relay.channel) {  // killed before that was written down: there is no way to talk
        (void)processes_.send_signal(index, SIGKILL);
        return;
    }
    watch(relay);
    send(relay, encode_message(ToRelay{GreetMessage{}}));
}

void Relays::end_orphans() {
    for (const auto& relay : relays_)
        if (!relay->lives()) end_connections(*relay);
}

void Relays::say(Level level, const std::string& text) {
    log_.log(NoticeEvent{.level = level, .text = text});
}

}  // namespace superd
