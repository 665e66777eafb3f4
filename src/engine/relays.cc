// SPDX-License-Identifier: MIT
#include "engine/relays.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include "policy/backoff.h"
#include "policy/rate.h"
#include "policy/spawn_plan.h"

#include "relay/channel.h"

namespace superd {

namespace {

// A relay that takes nothing for so long is killed, and another one started.
constexpr auto patience = std::chrono::seconds(10);
// Connections that may wait in superd for one relay.
constexpr std::size_t most_waiting = 64;
// Connections that are collected before they are sent; the end of a turn sends what there is.
constexpr std::size_t messages_a_packet = 8;
// News of relays must not keep the rest of superd waiting.
constexpr int packets_a_turn = 32;

}  // namespace

// A message that no packet has taken yet.
struct Relays::Waiting {
    std::string message;
    std::vector<Fd> descriptors;
    std::uint32_t record = ~std::uint32_t{0};  // whose connection goes with it
    bool keeps_client = false;
};

struct Relays::Relay {
    unsigned number = 0;
    std::uint32_t record = ~std::uint32_t{0};  // of its process; ~0: there is none
    Fd channel;
    Fd theirs;  // its end, until it has been started
    std::unique_ptr<Poll> poll;
    std::deque<Waiting> waiting;  // for the end of the turn, and room in the channel
    Mono waiting_since{};
    Mono not_before{};
    Mono started{};
    std::uint32_t failures = 0;
    bool answered = false;  // it has said ReadyMessage
    bool writing = false;   // the poll waits for room

    [[nodiscard]] bool lives() const { return record != ~std::uint32_t{0}; }

    // Not while it is being killed.
    [[nodiscard]] bool usable() const { return lives() && poll != nullptr; }
};

struct Relays::News {
    FromRelay message;
};

Relays::Relays(
        Loop& loop, Processes& processes, EventSink& log, RelaySink& sink, RelayOptions options)
        : loop_(loop),
          processes_(processes),
          log_(log),
          sink_(sink),
          options_(std::move(options)),
          ready_timer_(loop,
                  [this] {
                      if (std::exchange(waited_for_, false)) sink_.on_relays_ready();
                  }),
          stuck_timer_(loop, [this] { on_stuck(); }) {
    for (unsigned i = 0; i < std::max(options_.count, 1U); ++i) {
        relays_.push_back(std::make_unique<Relay>());
        relays_.back()->number = i;
    }
    loop_.at_turn_end([this] {
        for (const auto& relay : relays_)
            if (!relay->waiting.empty() && !relay->writing) flush(*relay);
    });
}

Relays::~Relays() = default;

// ---- giving

bool Relays::ready() {
    Mono first = Mono::max();
    for (const auto& relay : relays_) {
        const bool may =
                relay->usable() || (!relay->lives() && relay->not_before <= loop_.now());
        if (may && relay->waiting.size() < most_waiting) return true;
        if (!relay->lives()) first = std::min(first, relay->not_before);
    }
    waited_for_ = true;
    if (first != Mono::max()) ready_timer_.start(std::max(first - loop_.now(), Nanoseconds{0}));
    return false;
}

// In turn, those in a back-off left out; a relay that is not there yet is started. The one that
// a packet is being collected for is taken until that has been sent.
Relays::Relay* Relays::choose() {
    for (std::size_t i = 0; i < relays_.size(); ++i) {
        Relay& relay = *relays_[(next_ + i) % relays_.size()];
        if (relay.usable() && relay.waiting.size() < most_waiting) return &relay;
        if (!relay.lives() && relay.not_before <= loop_.now() && start(relay)) return &relay;
    }
    return nullptr;
}

void Relays::serve(std::uint32_t record, const ServeMessage& message, Fd client, Giving how) {
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(client));
    give(record, encode_message(ToRelay{message}), std::move(descriptors), how);
}

void Relays::pump(
        std::uint32_t record, const PumpMessage& message, Fd client, Fd upstream, Giving how) {
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(client));
    descriptors.push_back(std::move(upstream));
    give(record, encode_message(ToRelay{message}), std::move(descriptors), how);
}

void Relays::give(std::uint32_t index, Packet packet, std::vector<Fd> descriptors, Giving how) {
    ProcessRecord& record = processes_.records().at(index);
    const bool same =
            how.again && record.relay < relays_.size() && relays_[record.relay]->usable();
    Relay* relay = same ? relays_[record.relay].get() : choose();
    if (relay == nullptr || !packet) {
        if (!how.keeps_client) record.connection.store(-1, std::memory_order_relaxed);
        descriptors.clear();
        sink_.on_relayed_ended(index,
                {.name = {index, record.id}, .end = RelayEnd::lost, .error = ECONNREFUSED});
        return;
    }
    // Written down first: whoever is killed in between leaves a connection that is given again,
    // to the same relay, which knows its number.
    record.relay = static_cast<std::uint8_t>(relay->number);
    relay->waiting.push_back(
            {std::move(*packet), std::move(descriptors), index, how.keeps_client});
    if (relay->waiting.size() >= messages_a_packet && !relay->writing) flush(*relay);
}

void Relays::next_upstream(std::uint32_t index, Fd upstream, const UpstreamFacts& facts) {
    const ProcessRecord& record = processes_.records().at(index);
    if (record.relay >= relays_.size()) return;
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(upstream));
    send(*relays_[record.relay],
            encode_message(ToRelay{UpstreamMessage{{index, record.id}, facts}}),
            std::move(descriptors));
}

void Relays::end(std::uint32_t record) {
    end(record, RelayEnd::asked, 0);
}

void Relays::end(std::uint32_t record, RelayEnd how, int error) {
    const ProcessRecord& given = processes_.records().at(record);
    if (given.relay >= relays_.size()) return;
    send(*relays_[given.relay],
            encode_message(ToRelay{EndMessage{{record, given.id}, how, error}}));
}

void Relays::send(Relay& relay, Packet packet, std::vector<Fd> descriptors) {
    if (!packet || !relay.usable()) return;
    relay.waiting.push_back(
            {std::move(*packet), std::move(descriptors), ~std::uint32_t{0}, false});
}

// As many of the first ones as go into one packet.
std::size_t Relays::collect(const Relay& relay, RelayPacket& packet) {
    packet.clear();
    std::size_t count = 0;
    for (const Waiting& one : relay.waiting) {
        std::array<int, 2> numbers{};
        for (std::size_t i = 0; i < one.descriptors.size(); ++i)
            numbers.at(i) = one.descriptors[i].get();
        if (!packet.add(one.message, {numbers.data(), one.descriptors.size()})) break;
        ++count;
    }
    return count;
}

// The relay has it: what superd still holds of it goes.
void Relays::on_sent(const Waiting& one) {
    if (one.record == ~std::uint32_t{0}) return;
    ProcessRecord& record = processes_.records().at(one.record);
    record.state.store(RecordState::running, std::memory_order_release);
    if (!one.keeps_client) record.connection.store(-1, std::memory_order_relaxed);
}

// Never blocks: what the relay does not take waits here, and the services wait with it.
void Relays::flush(Relay& relay) {
    if (!relay.usable()) return;
    RelayPacket packet;
    while (!relay.waiting.empty()) {
        std::size_t count = collect(relay, packet);
        const auto sent = packet.send(relay.channel.get());
        if (!sent && (sent.error().code == EAGAIN || sent.error().code == ETOOMANYREFS)) {
            if (!std::exchange(relay.writing, true)) {
                relay.waiting_since = loop_.now();
                relay.poll->start(Poll::readable | Poll::writable);
                if (!stuck_timer_.active()) stuck_timer_.start(patience);
            }
            return;
        }
        if (!sent) return;  // it has gone: its end is on its way
        for (; count > 0; --count) {
            on_sent(relay.waiting.front());
            relay.waiting.pop_front();
        }
        next_ = relay.number + 1;
    }
    if (std::exchange(relay.writing, false)) relay.poll->start(Poll::readable);
    if (std::exchange(waited_for_, false)) sink_.on_relays_ready();
}

std::size_t Relays::pending() const {
    std::size_t count = 0;
    for (const auto& relay : relays_)
        count += relay->waiting.size();
    return count;
}

void Relays::answer(std::uint32_t index, std::string text, AnswerThen then) {
    const ProcessRecord& record = processes_.records().at(index);
    if (record.relay >= relays_.size()) return;
    send(*relays_[record.relay],
            encode_message(ToRelay{AnswerMessage{{index, record.id}, std::move(text), then}}));
}

// ---- datagrams

bool Relays::watch(const WatchMessage& message, int socket, Fd access) {
    std::vector<Fd> descriptors;
    descriptors.emplace_back(::fcntl(socket, F_DUPFD_CLOEXEC, low_number));
    if (!descriptors.back()) return false;
    descriptors.push_back(std::move(access));
    return give_socket(message.watch, encode_message(ToRelay{message}), std::move(descriptors));
}

bool Relays::forward(std::uint32_t watch, int socket) {
    std::vector<Fd> descriptors;
    descriptors.emplace_back(::fcntl(socket, F_DUPFD_CLOEXEC, low_number));
    if (!descriptors.back()) return false;
    return give_socket(
            watch, encode_message(ToRelay{ForwardMessage{watch}}), std::move(descriptors));
}

bool Relays::give_socket(std::uint32_t watch, Packet packet, std::vector<Fd> descriptors) {
    Relay* relay = packet ? choose() : nullptr;
    if (relay == nullptr) return false;
    watches_[watch] = relay->number;
    send(*relay, std::move(packet), std::move(descriptors));
    return true;
}

Relays::Relay* Relays::of_watch(std::uint32_t watch) const {
    const auto known = watches_.find(watch);
    return known == watches_.end() ? nullptr : relays_[known->second].get();
}

unsigned Relays::relay_of_watch(std::uint32_t watch) const {
    const auto known = watches_.find(watch);
    return known == watches_.end() ? 0 : known->second;
}

void Relays::unwatch(std::uint32_t watch) {
    if (Relay* relay = of_watch(watch))
        send(*relay, encode_message(ToRelay{UnwatchMessage{watch}}));
    watches_.erase(watch);
}

void Relays::answer_flow(std::uint32_t watch, const FlowMessage& message, Fd upstream) {
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(upstream));
    if (Relay* relay = of_watch(watch))
        send(*relay, encode_message(ToRelay{message}), std::move(descriptors));
}

void Relays::answer_flow(std::uint32_t watch, const FlowRefusedMessage& message) {
    if (Relay* relay = of_watch(watch)) send(*relay, encode_message(ToRelay{message}));
}

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
    launch(relay, *index);
    watch(relay);
    send(relay, encode_message(ToRelay{GreetMessage{}}));
    return true;
}

void Relays::launch(Relay& relay, std::uint32_t index) {
    ProcessRecord& record = processes_.records().at(index);
    record.kind = ProcessKind::relay;
    record.service = ~std::uint32_t{0};
    record.listener = relay.number;
    record.started = to_nanoseconds(loop_.now());
    record.connection.store(relay.channel.get(), std::memory_order_relaxed);
    record.state.store(RecordState::accepted, std::memory_order_release);
    auto plan = std::make_shared<SpawnPlan>();
    plan->service = "superd-relay";
    plan->program = options_.program;
    plan->argv = {"superd-relay"};
    if (options_.identity.change) {
        plan->argv.push_back(
                fmt::format("--user={}:{}", options_.identity.uid, options_.identity.gid));
        plan->argv.push_back("--root=" + options_.root);
    }
    plan->fixed_environment = {"PATH=/usr/bin:/bin"};
    plan->mode = Mode::worker;
    plan->launch_timeout = std::chrono::seconds(10);
    Launch launch;
    launch.record = index;
    launch.service = ~std::uint32_t{0};
    launch.plan = std::move(plan);
    launch.listeners = {relay.theirs.get()};
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
        auto messages = receive_from_relay(relay.channel.get());
        if (messages) {
            for (FromRelay& message : *messages)
                handle(relay, {std::move(message)});
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
        if (other == nullptr) {
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
        if (loop_.now() - relay->waiting_since < patience) {
            any = true;
            continue;
        }
        say(Level::error,
                fmt::format("superd-relay {} takes nothing any more: killed", relay->number));
        (void)processes_.send_signal(relay->record, SIGKILL);
    }
    if (any) stuck_timer_.start(patience);
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
