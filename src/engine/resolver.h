// SPDX-License-Identifier: MIT
// superd's side of superd-resolve: names of addresses, users behind connections, addresses of
// names, all asked off the loop.
//
// The program is started when something is asked and none runs; when it dies, what it had in
// hand is asked of the next one, once. Every question is answered by its callback, from the
// loop or before the call returns, at the latest when its time is over; how many wait and how
// much is remembered is bounded. Loop thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "loop/loop.h"
#include "sys/resolve_channel.h"

namespace superd {

class Resolver {
public:
    struct Name {
        NameStatus status = NameStatus::failed;
        std::string name;  // confirmed; unconfirmed: what the address claims
    };

    using OnName = std::function<void(const Name&)>;
    using OnUser = std::function<void(const IdentReply&)>;
    // failed: try again later; without it an empty list means that there is no such name.
    using OnAddresses = std::function<void(bool failed, const std::vector<IpAddress>&)>;
    using OnVisited = std::function<void(const HttpAnswer&)>;
    // Starts superd-resolve with its end of the channel; false: not now.
    using Launch = std::function<bool(Fd)>;

    struct Limits {
        std::size_t waiting = 2048;
        std::size_t remembered = 4096;
        Nanoseconds keep{std::chrono::minutes(1)};          // what was found, or is not there
        Nanoseconds keep_failure{std::chrono::seconds(5)};  // that nobody answered
    };

    Resolver(Loop& loop, Launch launch) : Resolver(loop, std::move(launch), Limits{}) {}

    Resolver(Loop& loop, Launch launch, const Limits& limits);

    // The name of an IP peer. Those who ask for one address at one time share a look-up.
    void find_name(const Endpoint& peer, Nanoseconds timeout, OnName callback);
    // What is remembered of it; null: nothing (any more).
    [[nodiscard]] const Name* remembered(const Endpoint& peer) const;
    // Of an IP connection, by its two ends.
    void find_user(
            const Endpoint& local, const Endpoint& peer, Nanoseconds timeout, OnUser callback);
    void find_addresses(const std::string& name, Nanoseconds timeout, OnAddresses callback);
    // The status of a page.
    void visit(HttpQuery page, Nanoseconds timeout, OnVisited callback);

    [[nodiscard]] std::size_t waiting() const { return pending_.size(); }

private:
    using Key = std::pair<IpAddress, std::uint32_t>;  // with the zone of a link-local address

    struct Memory {
        Name name;
        Mono until;
    };

    struct Pending {
        Query query;
        Mono deadline;
        unsigned programs = 0;  // that it was sent to
        std::variant<std::vector<OnName>, OnUser, OnAddresses, OnVisited> callback;
    };

    using Callback = decltype(Pending::callback);

    static Key key_of(const Endpoint& peer) { return {peer.ip, peer.scope}; }

    void ask(Query query, Nanoseconds timeout, Callback callback);
    void send(std::uint64_t id, Pending& pending);
    void open();
    void on_channel(int events, int error);
    void lose_channel();
    void on_tick();
    void finish(std::uint64_t id, const Answer& answer);
    void deliver(Pending pending, const Answer& answer);
    void remember(const Key& key, const Name& name);

    Loop& loop_;
    const Launch launch_;
    const Limits limits_;
    Fd channel_;
    std::unique_ptr<Poll> poll_;
    Timer tick_;     // while something waits: deadlines, and what the channel had no room for
    Timer restart_;  // a program that dies again and again is not started at once
    std::uint32_t failures_ = 0;
    std::uint64_t last_id_ = 0;
    std::map<std::uint64_t, Pending> pending_;  // by id: the order in which they were asked
    std::map<Key, std::uint64_t> asked_names_;
    std::deque<std::uint64_t> unsent_;
    std::map<Key, Memory> memory_;
    std::deque<Key> remembered_order_;  // the oldest first
};

}  // namespace superd
