// SPDX-License-Identifier: MIT
// What relays are given: connections, answers and sockets, collected in packets. The processes
// themselves are relay_processes.cc's.
#include "engine/relays.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>

#include "base/packet_socket.h"
#include "engine/relay_slot.h"

namespace superd {

namespace {

// Connections that may wait in superd for one relay.
constexpr std::size_t most_waiting = 64;
// Connections that are collected before they are sent; the end of a turn sends what there is.
constexpr std::size_t messages_a_packet = 8;

}  // namespace

Relays::Relays(Loop& loop, Processes& processes, EventSink& log, RelaySink& sink,
        PrefaceSink& prefaces, TlsSink& tls, RelayOptions options)
        : loop_(loop),
          processes_(processes),
          log_(log),
          sink_(sink),
          prefaces_(prefaces),
          tls_(tls),
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

void Relays::preface(
        std::uint32_t record, const PrefaceMessage& message, Fd client, Giving how) {
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

void Relays::secure(
        std::uint32_t record, const SecureMessage& message, Fd client, Giving how) {
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(client));
    give(record, encode_message(ToRelay{message}), std::move(descriptors), how,
            message.profile);
}

void Relays::give(std::uint32_t index, Packet packet, std::vector<Fd> descriptors, Giving how,
        std::uint32_t profile) {
    ProcessRecord& record = processes_.records().at(index);
    const bool same =
            how.again && record.relay < relays_.size() && relays_[record.relay]->usable();
    Relay* relay = same ? relays_[record.relay].get() : choose();
    if (relay == nullptr || !packet || !give_profile(*relay, profile)) {
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
            {std::move(*packet), std::move(descriptors), index, how.keeps_client, profile});
    if (relay->waiting.size() >= messages_a_packet && !relay->writing) flush(*relay);
}

void Relays::next_upstream(std::uint32_t index, Fd upstream, const UpstreamFacts& facts) {
    const ProcessRecord& record = processes_.records().at(index);
    if (record.relay >= relays_.size()) return;
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(upstream));
    send(*relays_[record.relay],
            encode_message(ToRelay{UpstreamMessage{{index, record.id}, facts, {}}}),
            std::move(descriptors));
}

void Relays::first_upstream(std::uint32_t index, Fd upstream, const UpstreamFacts& facts,
        std::string header) {
    const ProcessRecord& record = processes_.records().at(index);
    if (record.relay >= relays_.size()) return;
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(upstream));
    send(*relays_[record.relay],
            encode_message(
                    ToRelay{UpstreamMessage{{index, record.id}, facts, std::move(header)}}),
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
            {std::move(*packet), std::move(descriptors), ~std::uint32_t{0}, false, 0});
}

// As many of the first ones as go into one packet.
std::size_t Relays::collect(const Relay& relay, RelayPacket& packet) {
    packet.clear();
    std::size_t count = 0;
    for (const Waiting& one : relay.waiting) {
        std::array<int, packet_descriptor_limit> numbers{};
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
                if (!stuck_timer_.active()) stuck_timer_.start(relay_patience);
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

}  // namespace superd
