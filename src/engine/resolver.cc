// SPDX-License-Identifier: MIT
// superd's side of superd-resolve.
#include "engine/resolver.h"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

#include "policy/backoff.h"
#include "sys/lookups.h"

namespace superd {

namespace {

constexpr auto tick_interval = std::chrono::milliseconds(20);
// A question that two programs died over is not asked a third time.
constexpr unsigned most_programs = 2;
// Answers must not keep the rest of superd waiting.
constexpr int packets_a_turn = 32;

void set_question(Query& query, std::uint64_t id, Nanoseconds left) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    std::visit(
            [&](auto& typed) {
                typed.id = id;
                typed.timeout_ms =
                        static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 1, 3'600'000));
            },
            query);
}

}  // namespace

Resolver::Resolver(Loop& loop, Launch launch, const Limits& limits)
        : loop_(loop),
          launch_(std::move(launch)),
          limits_(limits),
          tick_(loop, [this] { on_tick(); }),
          restart_(loop, [this] {
              if (!pending_.empty()) open();
          }) {}

const Resolver::Name* Resolver::remembered(const Endpoint& peer) const {
    const auto known = memory_.find(key_of(peer));
    return known != memory_.end() && known->second.until > loop_.now() ? &known->second.name
                                                                       : nullptr;
}

void Resolver::find_name(const Endpoint& peer, Nanoseconds timeout, OnName callback) {
    if (const Name* known = remembered(peer)) {
        const Name copy = *known;  // the callback may ask for others
        return callback(copy);
    }
    const Key key = key_of(peer);
    if (const auto asked = asked_names_.find(key); asked != asked_names_.end()) {
        auto& callbacks = std::get<std::vector<OnName>>(pending_.at(asked->second).callback);
        if (callbacks.size() >= limits_.waiting) return callback({});
        callbacks.push_back(std::move(callback));
        return;
    }
    if (pending_.size() >= limits_.waiting) return callback({});
    std::vector<OnName> callbacks;
    callbacks.push_back(std::move(callback));
    asked_names_[key] = last_id_ + 1;
    ask(NameQuery{.address = peer.ip, .scope = peer.scope}, timeout, std::move(callbacks));
}

void Resolver::find_user(
        const Endpoint& local, const Endpoint& peer, Nanoseconds timeout, OnUser callback) {
    ask(IdentQuery{.local = local.ip,
                .peer = peer.ip,
                .scope = peer.scope,
                .local_port = static_cast<std::uint16_t>(local.port),
                .peer_port = static_cast<std::uint16_t>(peer.port)},
            timeout, std::move(callback));
}

void Resolver::find_addresses(
        const std::string& name, Nanoseconds timeout, OnAddresses callback) {
    ask(AddressQuery{.name = name}, timeout, std::move(callback));
}

void Resolver::visit(HttpQuery page, Nanoseconds timeout, OnVisited callback) {
    ask(std::move(page), timeout, std::move(callback));
}

void Resolver::ask(Query query, Nanoseconds timeout, Callback callback) {
    Pending pending{std::move(query), loop_.now() + timeout, 0, std::move(callback)};
    if (pending_.size() >= limits_.waiting) {
        const Answer none = failed_answer(pending.query);
        return deliver(std::move(pending), none);
    }
    const std::uint64_t id = ++last_id_;
    pending_.emplace(id, std::move(pending));
    unsent_.push_back(id);
    if (!tick_.active()) tick_.start(tick_interval, tick_interval);
    if (!channel_ && !restart_.active())
        open();
    else
        on_tick();
}

void Resolver::open() {
    int ends[2] = {-1, -1};
    const bool made = ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0;
    if (!made || !launch_(Fd(ends[1]))) {
        if (made) Fd(ends[0]).reset();
        restart_.start(backoff_delay(++failures_));
        return;
    }
    channel_.reset(ends[0]);
    poll_ = std::make_unique<Poll>(loop_, channel_.get(),
            [this](int events, int error) { on_channel(events, error); });
    poll_->start(Poll::readable | Poll::hangup);
    // What an earlier program had is asked again.
    unsent_.clear();
    for (const auto& [id, pending] : pending_)
        unsent_.push_back(id);
    on_tick();
}

void Resolver::send(std::uint64_t id, Pending& pending) {
    set_question(pending.query, id, pending.deadline - loop_.now());
    const auto packet = encode_query(pending.query);
    if (!packet) return finish(id, failed_answer(pending.query));
    const auto sent = send_resolve_packet(channel_.get(), *packet);
    if (sent)
        ++pending.programs;
    else  // full, or broken: the poll says which; tried again with the next tick
        unsent_.push_front(id);
}

void Resolver::on_tick() {
    const Mono now = loop_.now();
    std::vector<std::uint64_t> late;
    for (const auto& [id, pending] : pending_)
        if (pending.deadline <= now) late.push_back(id);
    for (const std::uint64_t id : late)
        if (const auto known = pending_.find(id); known != pending_.end())
            finish(id, failed_answer(known->second.query));
    for (std::size_t i = unsent_.size(); i > 0 && channel_ && !unsent_.empty(); --i) {
        const std::uint64_t id = unsent_.front();
        unsent_.pop_front();
        const auto known = pending_.find(id);
        if (known != pending_.end()) send(id, known->second);
        if (!unsent_.empty() && unsent_.front() == id) break;
    }
    if (pending_.empty()) {
        unsent_.clear();
        tick_.stop();
    }
}

// What is left over makes the channel readable in the next turn.
void Resolver::on_channel(int, int) {
    for (int i = 0; i < packets_a_turn; ++i) {
        const auto packet = receive_resolve_packet(channel_.get());
        if (!packet && packet.error().code == EAGAIN) return;
        const auto answer = packet ? decode_answer(*packet) : std::nullopt;
        // A program that says what it cannot say is not listened to any more.
        if (!answer) return lose_channel();
        failures_ = 0;
        finish(id_of(*answer), *answer);
        if (!channel_) return;
    }
}

void Resolver::lose_channel() {
    poll_.reset();
    channel_.reset();
    restart_.start(backoff_delay(failures_++));
    std::vector<std::uint64_t> given_up;
    for (const auto& [id, pending] : pending_)
        if (pending.programs >= most_programs) given_up.push_back(id);
    for (const std::uint64_t id : given_up)
        if (const auto known = pending_.find(id); known != pending_.end())
            finish(id, failed_answer(known->second.query));
}

// An answer to nothing that was asked, or of another kind than was asked for, is none.
void Resolver::finish(std::uint64_t id, const Answer& answer) {
    const auto known = pending_.find(id);
    if (known == pending_.end() || known->second.query.index() != answer.index()) return;
    Pending pending = std::move(known->second);
    pending_.erase(known);
    deliver(std::move(pending), answer);
}

void Resolver::deliver(Pending pending, const Answer& answer) {
    if (const auto* user = std::get_if<IdentAnswer>(&answer))
        return std::get<OnUser>(pending.callback)(user->reply);
    if (const auto* found = std::get_if<AddressAnswer>(&answer))
        return std::get<OnAddresses>(pending.callback)(found->failed, found->addresses);
    if (const auto* visited = std::get_if<HttpAnswer>(&answer))
        return std::get<OnVisited>(pending.callback)(*visited);
    const auto& answered = std::get<NameAnswer>(answer);
    const auto& asked = std::get<NameQuery>(pending.query);
    const Key key{asked.address, asked.scope};
    const Name name{answered.status, answered.name};
    asked_names_.erase(key);
    remember(key, name);
    for (const OnName& callback : std::get<std::vector<OnName>>(pending.callback))
        callback(name);
}

void Resolver::remember(const Key& key, const Name& name) {
    const bool failed = name.status == NameStatus::failed;
    const Mono until = loop_.now() + (failed ? limits_.keep_failure : limits_.keep);
    const auto [place, fresh] = memory_.insert_or_assign(key, Memory{name, until});
    if (!fresh) return;
    remembered_order_.push_back(key);
    if (remembered_order_.size() <= limits_.remembered) return;
    memory_.erase(remembered_order_.front());
    remembered_order_.pop_front();
}

}  // namespace superd
