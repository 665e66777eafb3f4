// SPDX-License-Identifier: MIT
// Connections that are admitted but for what superd-resolve has to find out first: the name of
// their client, or the user behind it; and the users that are known.
//
// Such a connection has its record from the start, is `accepted` there and flagged as held, and
// counts as a connection of the service and of its source; only the launch is missing. A superd
// that comes after this one finds it so and asks anew: nothing is lost, nothing started twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/resolver.h"
#include "engine/service.h"
#include "policy/admission.h"

namespace superd {

class Supervisor;

// Owned by the supervisor, a part of it. index: of a connection's record.
class Holding {
public:
    explicit Holding(Supervisor& supervisor);

    // What is remembered of the client's name, if lists of the service ask for names.
    [[nodiscard]] PeerName remembered_name(const Service& service, const Endpoint& peer) const;
    [[nodiscard]] static bool must_wait(
            const Service& service, const Endpoint& peer, bool needs_name);
    // Who cannot be asked about is refused: there is no room. Nothing: there is.
    [[nodiscard]] std::optional<Refuse> refuse_unheld(
            const Service& service, const Endpoint& peer, bool needs_name) const;

    // The record is `accepted` and flagged; its source is counted already, as for
    // start_handler().
    void hold(Service& service, std::uint32_t index, Fd connection);
    // They are refused: the service stops.
    void drop_all_of(const Service& service);
    [[nodiscard]] std::size_t held_by(const Service& service) const;

    // Beside the start of the service: whenever the answer comes, it is logged, and kept for
    // `superctl connections` while the connection lasts.
    void ask_beside(const Service& service, std::uint32_t index);
    // For a client that is refused, under the number of its line.
    void ask_refused(const Service& service, std::uint64_t id, const Endpoint& peer,
            const Endpoint& local, Fd connection);
    // done is called when the name, if lists of the service ask for one, can be remembered.
    void learn_name(const Service& service, const Endpoint& from, std::function<void()> done);

    // Who is behind the connection, as far as that is known; lasts until the next change.
    [[nodiscard]] std::string_view user_of(std::uint32_t index) const;
    void move_user(std::uint32_t from, std::uint32_t to);
    void forget_user(std::uint32_t index);

private:
    struct Held {
        std::uint64_t id = 0;  // of the record: tells it from a later one in its place
        Fd connection{};
        NameKnown name_known = NameKnown::not_asked;
        std::string name{}, user{};
    };

    void go_on_with(Service& service, std::uint32_t index);
    [[nodiscard]] Held* find(std::uint32_t index, std::uint64_t id);
    void on_name(std::uint32_t index, std::uint64_t id, const Resolver::Name& name);
    void on_user(std::uint32_t index, std::uint64_t id, const IdentReply& reply);
    void log_ident(const std::string& service, std::uint64_t connection, const Endpoint& peer,
            const IdentReply& reply);
    void launch(Service& service, std::uint32_t index);
    void drop(std::uint32_t index, const std::optional<Refuse>& why);
    void look();

    Supervisor& supervisor_;
    std::unordered_map<std::uint32_t, Held> held_;          // by record
    std::unordered_map<std::uint32_t, std::string> users_;  // by record: those that are known
    Timer look_;
    std::size_t refused_asked_ = 0;  // clients that are refused and asked for nevertheless
};

}  // namespace superd
