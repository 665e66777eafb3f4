// SPDX-License-Identifier: MIT
// Connections that are admitted but for what superd-resolve has to find out first: the name of
// their client, or the user behind it.
//
// Such a connection has its record from the start, is `accepted` there and flagged as held, and
// counts as a connection of the service and of its source; only the launch is missing. A superd
// that comes after this one finds it so and asks anew: nothing is lost, nothing started twice.
#include <algorithm>
#include <utility>
#include <vector>

#include <poll.h>

#include "engine/supervisor.h"
#include "sys/accept.h"

namespace superd {

namespace {

// All services together: each holds a descriptor, and nothing a stranger can cause is endless.
constexpr std::size_t most_held = 1024;
constexpr std::size_t most_refused_asked = 64;
constexpr auto look_interval = std::chrono::milliseconds(250);

// Both directions are closed, or the connection was reset. A client that has only finished
// sending is still there.
bool has_gone(int fd) {
    pollfd entry{fd, 0, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

bool wants_user(const Service& service, const Endpoint& peer, Ident how) {
    return service.plan->admission.ident == how && peer.family == Family::ip;
}

}  // namespace

PeerName Supervisor::remembered_name(const Service& service, const Endpoint& peer) const {
    if (!service.access.has_names() || peer.family != Family::ip) return {};
    const Resolver::Name* known = resolver_.remembered(peer);
    if (known == nullptr) return {};
    return known->status == NameStatus::confirmed ? PeerName{NameKnown::confirmed, known->name}
                                                  : PeerName{NameKnown::unknown, {}};
}

bool Supervisor::must_wait(const Service& service, const Endpoint& peer, bool needs_name) {
    return needs_name || wants_user(service, peer, Ident::require);
}

// Who cannot be asked about is refused: there is no room.
std::optional<Refuse> Supervisor::refuse_unheld(
        const Service& service, const Endpoint& peer, bool needs_name) const {
    if (held_.size() < most_held) return std::nullopt;
    AdmissionFacts facts;
    facts.peer = peer;
    facts.wall = loop_.wall();
    const auto refusal =
            needs_name ? decide_named(facts, book_of(service)) : std::optional<Refuse>{};
    return refusal.value_or(Refuse{Refusal::ident, {}});
}

// record is `accepted` and flagged; its source is counted already, as for start_handler().
void Supervisor::hold_connection(Service& service, std::uint32_t index, Fd connection) {
    ProcessRecord& record = processes_.records().at(index);
    ++service.active;
    if (record.kind != ProcessKind::relayed) ++live_;
    (void)send_banner(service, record, connection.get());
    held_[index] = Held{.id = record.id, .connection = std::move(connection)};
    if (!held_look_.active()) held_look_.start(look_interval, look_interval);
    go_on_with(service, index);
}

// What is not known yet is asked for, one after the other: a client that its name keeps out
// need not be asked about.
void Supervisor::go_on_with(Service& service, std::uint32_t index) {
    const ProcessRecord& record = processes_.records().at(index);
    Held& held = held_.at(index);
    const Mode mode = service.plan->mode;
    const bool gone = service.removed || mode == Mode::worker || mode == Mode::daemon;
    if (gone || stopping_ || service.stopping)
        return drop_held(index, Refuse{Refusal::stopping, {}});
    AdmissionFacts facts;
    facts.peer = record.peer;
    facts.wall = loop_.wall();
    facts.name = held.name_known == NameKnown::not_asked ? remembered_name(service, record.peer)
                                                         : PeerName{held.name_known, held.name};
    const AccessDecision access = service.access.decide(facts.peer, {}, facts.name);
    if (access.needs_name) {
        resolver_.find_name(record.peer, plan_->daemon.name_lookup_timeout,
                [this, index, id = record.id](
                        const Resolver::Name& name) { on_name(index, id, name); });
        return;
    }
    if (const auto refusal = decide_named(facts, book_of(service)))
        return drop_held(index, *refusal);
    if (facts.name.known == NameKnown::confirmed) held.name = facts.name.name;
    if (wants_user(service, record.peer, Ident::require) && held.user.empty()) {
        resolver_.find_user(record.local, record.peer, service.plan->admission.ident_timeout,
                [this, index, id = record.id](
                        const IdentReply& reply) { on_user(index, id, reply); });
        return;
    }
    launch_held(service, index);
}

Supervisor::Held* Supervisor::find_held(std::uint32_t index, std::uint64_t id) {
    const auto known = held_.find(index);
    return known != held_.end() && known->second.id == id ? &known->second : nullptr;
}

void Supervisor::on_name(std::uint32_t index, std::uint64_t id, const Resolver::Name& name) {
    Held* held = find_held(index, id);
    if (held == nullptr) return;
    const bool confirmed = name.status == NameStatus::confirmed;
    held->name_known = confirmed ? NameKnown::confirmed : NameKnown::unknown;
    held->name = confirmed ? name.name : "";
    go_on_with(*by_index_[processes_.records().at(index).service], index);
}

void Supervisor::on_user(std::uint32_t index, std::uint64_t id, const IdentReply& reply) {
    Held* held = find_held(index, id);
    if (held == nullptr) return;
    Service& service = *by_index_[processes_.records().at(index).service];
    const ProcessRecord& record = processes_.records().at(index);
    log_ident(service.name(), record.id, record.peer, reply);
    if (reply.status != IdentStatus::user) return drop_held(index, Refuse{Refusal::ident, {}});
    held->user = reply.text;
    go_on_with(service, index);
}

void Supervisor::log_ident(const std::string& service, std::uint64_t connection,
        const Endpoint& peer, const IdentReply& reply) {
    const bool known = reply.status == IdentStatus::user;
    outputs_.log().log(IdentEvent{.service = service,
            .connection = connection,
            .peer = peer,
            .user = known ? std::string_view(reply.text) : "",
            .error = known ? "" : std::string_view(reply.text),
            .system = reply.system});
}

// Beside the start of the service: whenever the answer comes, it is logged, and kept for
// `superctl connections` while the connection lasts.
void Supervisor::ask_beside(const Service& service, std::uint32_t index) {
    const ProcessRecord& record = processes_.records().at(index);
    if (!wants_user(service, record.peer, Ident::log)) return;
    resolver_.find_user(record.local, record.peer, service.plan->admission.ident_timeout,
            [this, name = service.name(), id = record.id, index, peer = record.peer](
                    const IdentReply& reply) {
                log_ident(name, id, peer, reply);
                const ProcessRecord& now = processes_.records().at(index);
                const bool same = now.id == id && now.state.load() != RecordState::free;
                if (reply.status == IdentStatus::user && same) users_[index] = reply.text;
            });
}

// The line is written by now, the answer is one of its own under the same number. While it is
// asked for the client's host must still know the connection, so that is kept open, and the
// client learns of its refusal a little later. A flood of refusals is not followed by one of
// questions.
void Supervisor::ask_refused(const Service& service, std::uint64_t id, const Endpoint& peer,
        const Endpoint& local, Fd connection) {
    if ((service.plan->log.refused & log_user) == 0 || refused_asked_ >= most_refused_asked ||
            !wants_user(service, peer, Ident::log) || stopping_)
        return;
    ++refused_asked_;
    auto kept = std::make_shared<Fd>(std::move(connection));
    resolver_.find_user(local, peer, service.plan->admission.ident_timeout,
            [this, name = service.name(), id, peer, kept](const IdentReply& reply) {
                --refused_asked_;
                kept->reset();
                log_ident(name, id, peer, reply);
            });
}

void Supervisor::launch_held(Service& service, std::uint32_t index) {
    auto node = held_.extract(index);
    Held& held = node.mapped();
    ProcessRecord& record = processes_.records().at(index);
    record.flags = 0;
    // start_handler() counts them again.
    --service.active;
    if (record.kind != ProcessKind::relayed) --live_;
    if (!held.user.empty()) users_[index] = held.user;
    // A reload may have made something else of its service.
    set_blocking(held.connection.get(), !is_given_away(*service.plan));
    start_conversation(service, index, std::move(held.connection),
            {std::move(held.name), std::move(held.user)});
}

// Nothing of it stays; with a reason it is refused, without one the client has gone.
void Supervisor::drop_held(std::uint32_t index, const std::optional<Refuse>& why) {
    auto node = held_.extract(index);
    ProcessRecord& record = processes_.records().at(index);
    Service& service = *by_index_[record.service];
    Fd connection = std::move(node.mapped().connection);
    record.connection.store(-1, std::memory_order_relaxed);
    const auto listener = std::min<std::size_t>(record.listener, service.listeners.size());
    const Endpoint peer = record.peer;
    const std::uint32_t banner_sent = record.banner_sent;
    const std::string user = std::move(node.mapped().user);
    forget_process(index);
    processes_.records().give_back(index);
    if (why && listener < service.listeners.size()) {
        refuse(service, service.listeners[listener], std::move(connection), peer, *why,
                banner_sent, user);
    } else if (options_.debug) {
        outputs_.log().log(NoticeEvent{.level = Level::debug,
                .service = service.name(),
                .text = "a client went away before it could be let in: " + peer.text()});
    }
    // While superd stops nobody waits for these: on_service_empty() might call it finished.
    if (service.active == 0 && !stopping_) on_service_empty(service);
    changed(service);
}

void Supervisor::drop_held_of(const Service& service) {
    std::vector<std::uint32_t> gone;
    for (const auto& [index, held] : held_)
        if (processes_.records().at(index).service == service.index) gone.push_back(index);
    for (const std::uint32_t index : gone)
        drop_held(index, Refuse{Refusal::stopping, {}});
}

void Supervisor::look_at_held() {
    std::vector<std::uint32_t> gone;
    for (const auto& [index, held] : held_)
        if (has_gone(held.connection.get())) gone.push_back(index);
    for (const std::uint32_t index : gone)
        drop_held(index, std::nullopt);
    if (held_.empty()) held_look_.stop();
}

std::string_view Supervisor::user_of(std::uint32_t index) const {
    if (users_.empty()) return {};
    const auto known = users_.find(index);
    return known == users_.end() ? std::string_view() : known->second;
}

std::size_t Supervisor::held_by(const Service& service) const {
    return static_cast<std::size_t>(
            std::count_if(held_.begin(), held_.end(), [&](const auto& entry) {
                return processes_.records().at(entry.first).service == service.index;
            }));
}

void Supervisor::learn_name(
        std::string_view name, const Endpoint& from, std::function<void()> done) {
    const Service* service = find(name);
    const bool asks = service != nullptr && from.family == Family::ip &&
                      service->access.decide(from).needs_name;
    if (!asks) return done();
    resolver_.find_name(from, plan_->daemon.name_lookup_timeout,
            [done = std::move(done)](const Resolver::Name&) { done(); });
}

}  // namespace superd
