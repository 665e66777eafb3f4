// SPDX-License-Identifier: MIT
#include "relay/relay.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace superd {

namespace {

// No connection's number has it.
constexpr std::uint64_t preface_mark = std::uint64_t{1} << 63;
// superd's messages must not keep the connections waiting.
constexpr int packets_a_turn = 16;
// While superd does not read, its channel is tried again.
constexpr int retry_ms = 20;
// How soon superd learns what came of datagrams.
constexpr Nanoseconds counts_every = std::chrono::milliseconds(500);
// Beyond it superd is not reading: news of datagrams are dropped. What a connection or a flow
// has to say is kept, for each waits for an answer and says one thing at a time.
constexpr std::size_t most_waiting = 10'000;

}  // namespace

Relay::Relay(Fd channel, const Clock& clock, std::uint32_t sandbox)
        : clock_(clock), poller_(clock), channel_(std::move(channel)), count_timer_(*this) {
    if (!poller_.add_level(channel_.get(), *this)) std::abort();
    tell(ReadyMessage{.sandbox = sandbox});
}

Relay::~Relay() {
    if (channel_) poller_.remove(channel_.get(), *this);
}

void Relay::run() {
    while (turn(-1)) {
    }
}

bool Relay::turn(int max_ms) {
    if (!waiting_.empty()) max_ms = max_ms < 0 ? retry_ms : std::min(max_ms, retry_ms);
    poller_.turn(max_ms);
    flush();
    graveyard_.clear();
    return !(draining_ && conversations_.empty() && waiting_.empty());
}

void Relay::on_events(std::uint32_t) {
    take_messages();
}

void Relay::take_messages() {
    for (int i = 0; i < packets_a_turn && channel_; ++i) {
        auto packet = receive_to_relay(channel_.get());
        if (packet) {
            for (ToRelayPacket& message : *packet)
                handle(std::move(message));
            continue;
        }
        if (packet.error().code == EAGAIN) return;
        if (packet.error().code == EBADMSG) continue;
        // superd has gone for good: what is here is served to its end.
        poller_.remove(channel_.get(), *this);
        channel_.reset();
        waiting_.clear();
        services_.clear();
        forwards_.clear();
        draining_ = true;
        std::vector<Conversation*> all;
        for (const auto& [record, conversation] : conversations_)
            all.push_back(conversation.get());
        for (Conversation* conversation : all)
            conversation->on_abandoned();
    }
}

void Relay::handle(ToRelayPacket packet) {
    std::visit([&](auto& message) { take(message, packet.descriptors); }, packet.message);
}

void Relay::take(const GreetMessage& message, std::vector<Fd>&) {
    // Of another version: nothing it says can be trusted to mean what it meant.
    if (message.version != relay_protocol_version) draining_ = true;
    services_.clear();
    forwards_.clear();
    profiles_.clear();
}

void Relay::take(const ServeMessage& message, std::vector<Fd>& descriptors) {
    if (is_known(message.name)) return;
    auto conversation = make_builtin(*this, message, std::move(descriptors[0]));
    if (conversation)
        begin(std::move(conversation));
    else
        tell(EndedMessage{.name = message.name, .end = RelayEnd::refused});
}

void Relay::take(const PrefaceMessage& message, std::vector<Fd>& descriptors) {
    // What comes after the header may be given under the same number.
    if (is_known({message.name.record, message.name.id | preface_mark})) return;
    begin(make_proxy_preface(*this, message, std::move(descriptors[0])));
}

void Relay::take(const PumpMessage& message, std::vector<Fd>& descriptors) {
    if (is_known(message.name)) return;
    begin(make_pump(*this, message, std::move(descriptors[0]), std::move(descriptors[1])));
}

void Relay::take(const UpstreamMessage& message, std::vector<Fd>& descriptors) {
    if (Conversation* conversation = find(message.name))
        conversation->take_upstream(
                std::move(descriptors[0]), message.upstream, message.header);
}

void Relay::take(const EndMessage& message, std::vector<Fd>&) {
    if (Conversation* conversation = find(message.name))
        return conversation->end(message.end, message.error);
    for (const auto& [number, forward] : forwards_)
        if (forward->end(message.name, message.end)) return;
}

void Relay::take(const AnswerMessage& message, std::vector<Fd>&) {
    if (Conversation* conversation = find(message.name))
        conversation->take_answer(message.text, message.then);
}

// ---- TLS

void Relay::take(const ProfileMessage& message, std::vector<Fd>& descriptors) {
    profiles_.take(message.number, message.first_key, descriptors);
}

void Relay::take(const KeysMessage&, std::vector<Fd>& descriptors) {
    profiles_.take_channel(std::move(descriptors[0]));
}

void Relay::take(const TicketsMessage& message, std::vector<Fd>&) {
    profiles_.take_tickets(message.keys);
}

void Relay::take(const DropProfileMessage& message, std::vector<Fd>&) {
    profiles_.drop(message.number);
}

void Relay::take(const SecureMessage& message, std::vector<Fd>& descriptors) {
    if (is_known(message.name)) return;
    std::string error;
    auto context = profiles_.find(message.profile, error);
    if (!context)
        return tell(UnsecuredMessage{message.name, 0, error.substr(0, relay_reason_limit)});
    begin(make_tls_pump(*this, message, std::move(descriptors[0]), std::move(context)));
}

// ---- datagrams

void Relay::take(const WatchMessage& message, std::vector<Fd>& descriptors) {
    // A list that cannot be read lets nobody in.
    const auto access = read_access_list(descriptors[1].get());
    services_[message.watch] = std::make_unique<DatagramService>(poller_, buffers_, clock_,
            message, std::move(descriptors[0]), access.value_or(AccessList({}, false)),
            DatagramService::News{[this, watch = message.watch](const Endpoint& peer) {
                                      tell(SensedMessage{watch, peer});
                                  },
                    [this] {
                        if (!count_timer_.is_set())
                            poller_.wheel().set(count_timer_, poller_.now() + counts_every);
                    }});
}

void Relay::take(const ForwardMessage& message, std::vector<Fd>& descriptors) {
    ConversationOwner& owner = *this;
    forwards_[message.watch] = std::make_unique<DatagramForward>(
            owner, buffers_, message.watch, std::move(descriptors[0]));
}

void Relay::take(const FlowMessage& message, std::vector<Fd>& descriptors) {
    const auto found = forwards_.find(message.watch);
    if (found != forwards_.end())
        found->second->admit(message, std::move(descriptors[0]));
    else
        tell(EndedMessage{.name = message.name, .end = RelayEnd::refused});
}

void Relay::take(const FlowRefusedMessage& message, std::vector<Fd>&) {
    const auto found = forwards_.find(message.watch);
    if (found != forwards_.end()) found->second->refuse(message.flow);
}

void Relay::take(const UnwatchMessage& message, std::vector<Fd>&) {
    send_counts();
    services_.erase(message.watch);
    forwards_.erase(message.watch);
}

void Relay::send_counts() {
    for (const auto& [watch, service] : services_) {
        const auto counts = service->take_counts();
        if (counts.received > 0)
            tell(CountsMessage{watch, counts.received, counts.answered, counts.refused});
    }
}

// ---- conversations

void Relay::begin(std::unique_ptr<Conversation> conversation) {
    Conversation& begun = *conversation;
    auto& place = conversations_[begun.name().record];
    // superd gives a record's number anew only when its connection has ended.
    if (place) place->end(RelayEnd::asked);
    conversations_[begun.name().record] = std::move(conversation);
    begun.start();
}

// Given before, by this superd or the one before it.
bool Relay::is_known(const ConnectionName& name) {
    if (std::find(taken_.begin(), taken_.end(), name.id) != taken_.end()) return true;
    taken_[next_taken_++ % taken_.size()] = name.id;
    return false;
}

Conversation* Relay::find(const ConnectionName& name) {
    const auto found = conversations_.find(name.record);
    if (found == conversations_.end() || found->second->name() != name) return nullptr;
    return found->second.get();
}

void Relay::on_unreached(Conversation& conversation, int error) {
    tell(UnreachedMessage{conversation.name(), error});
}

void Relay::on_ended(Conversation& conversation, RelayEnd end, int error) {
    tell(EndedMessage{.name = conversation.name(),
            .end = end,
            .error = error,
            .received = conversation.received(),
            .sent = conversation.sent()});
    on_told(conversation);
}

void Relay::on_told(Conversation& conversation) {
    const auto found = conversations_.find(conversation.name().record);
    graveyard_.push_back(std::move(found->second));
    conversations_.erase(found);
}

void Relay::tell(const FromRelay& message) {
    const bool news = std::holds_alternative<SensedMessage>(message) ||
                      std::holds_alternative<CountsMessage>(message);
    if (news && waiting_.size() >= most_waiting) return;
    if (auto packet = encode_message(message); packet && channel_)
        waiting_.push_back(std::move(*packet));
}

void Relay::flush() {
    while (!waiting_.empty() && channel_) {
        packet_.clear();
        auto next = waiting_.begin();
        while (next != waiting_.end() && packet_.add(*next))
            ++next;
        const auto sent = packet_.send(channel_.get());
        if (!sent) return;  // no room; or it has been closed, which reading finds out
        waiting_.erase(waiting_.begin(), next);
    }
    if (!channel_) waiting_.clear();
}

}  // namespace superd
