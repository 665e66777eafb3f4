// SPDX-License-Identifier: MIT
#include "engine/holding.h"

#include <algorithm>
#include <memory>
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

Holding::Holding(Supervisor& supervisor)
        : supervisor_(supervisor), look_(supervisor.loop_, [this] { look(); }) {}

PeerName Holding::remembered_name(const Service& service, const Endpoint& peer) const {
    if (!service.access.has_names() || peer.family != Family::ip) return {};
    const Resolver::Name* known = supervisor_.resolver_.remembered(peer);
    if (known == nullptr) return {};
    return known->status == NameStatus::confirmed ? PeerName{NameKnown::confirmed, known->name}
                                                  : PeerName{NameKnown::unknown, {}};
}

bool Holding::must_wait(const Service& service, const Endpoint& peer, bool needs_name) {
    return needs_name || wants_user(service, peer, Ident::require);
}

std::optional<Refuse> Holding::refuse_unheld(
        const Service& service, const Endpoint& peer, bool needs_name) const {
    if (held_.size() < most_held) return std::nullopt;
    AdmissionFacts facts;
    facts.peer = peer;
    facts.wall = supervisor_.loop_.wall();
    const auto refusal = needs_name ? decide_named(facts, supervisor_.book_of(service))
                                    : std::optional<Refuse>{};
    return refusal.value_or(Refuse{Refusal::ident, {}});
}

void Holding::hold(Service& service, std::uint32_t index, Fd connection) {
    ProcessRecord& record = supervisor_.processes_.records().at(index);
    ++service.active;
    if (record.kind != ProcessKind::relayed) ++supervisor_.live_;
    (void)supervisor_.send_banner(service, record, connection.get());
    held_[index] = Held{.id = record.id, .connection = std::move(connection)};
    if (!look_.active()) look_.start(look_interval, look_interval);
    go_on_with(service, index);
}

// What is not known yet is asked for, one after the other: a client that its name keeps out
// need not be asked about.
void Holding::go_on_with(Service& service, std::uint32_t index) {
    const ProcessRecord& record = supervisor_.processes_.records().at(index);
    Held& held = held_.at(index);
    const Mode mode = service.plan->mode;
    const bool gone = service.removed || mode == Mode::worker || mode == Mode::daemon;
    if (gone || supervisor_.stopping_ || service.stopping)
        return drop(index, Refuse{Refusal::stopping, {}});
    AdmissionFacts facts;
    facts.peer = record.peer;
    facts.wall = supervisor_.loop_.wall();
    facts.name = held.name_known == NameKnown::not_asked ? remembered_name(service, record.peer)
                                                         : PeerName{held.name_known, held.name};
    const AccessDecision access = service.access.decide(facts.peer, {}, facts.name);
    if (access.needs_name) {
        supervisor_.resolver_.find_name(record.peer,
                supervisor_.plan_->daemon.name_lookup_timeout,
                [this, index, id = record.id](
                        const Resolver::Name& name) { on_name(index, id, name); });
        return;
    }
    if (const auto refusal = decide_named(facts, supervisor_.book_of(service)))
        return drop(index, *refusal);
    if (facts.name.known == NameKnown::confirmed) held.name = facts.name.name;
    if (wants_user(service, record.peer, Ident::require) && held.user.empty()) {
        supervisor_.resolver_.find_user(record.local, record.peer,
                service.plan->admission.ident_timeout,
                [this, index, id = record.id](
                        const IdentReply& reply) { on_user(index, id, reply); });
        return;
    }
    launch(service, index);
}

Holding::Held* Holding::find(std::uint32_t index, std::uint64_t id) {
    const auto known = held_.find(index);
    return known != held_.end() && known->second.id == id ? &known->second : nullptr;
}

void Holding::on_name(std::uint32_t index, std::uint64_t id, const Resolver::Name& name) {
    Held* held = find(index, id);
    if (held == nullptr) return;
    const bool confirmed = name.status == NameStatus::confirmed;
    held->name_known = confirmed ? NameKnown::confirmed : NameKnown::unknown;
    held->name = confirmed ? name.name : "";
    go_on_with(
            *supervisor_.by_index_[supervisor_.processes_.records().at(index).service], index);
}

void Holding::on_user(std::uint32_t index, std::uint64_t id, const IdentReply& reply) {
    Held* held = find(index, id);
    if (held == nullptr) return;
    Service& service =
            *supervisor_.by_index_[supervisor_.processes_.records().at(index).service];
    const ProcessRecord& record = supervisor_.processes_.records().at(index);
    log_ident(service.name(), record.id, record.peer, reply);
    if (reply.status != IdentStatus::user) return drop(index, Refuse{Refusal::ident, {}});
    held->user = reply.text;
    go_on_with(service, index);
}

void Holding::log_ident(const std::string& service, std::uint64_t connection,
        const Endpoint& peer, const IdentReply& reply) {
    const bool known = reply.status == IdentStatus::user;
    supervisor_.outputs_.log().log(IdentEvent{.service = service,
            .connection = connection,
            .peer = peer,
            .user = known ? std::string_view(reply.text) : "",
            .error = known ? "" : std::string_view(reply.text),
            .system = reply.system});
}

void Holding::ask_beside(const Service& service, std::uint32_t index) {
    const ProcessRecord& record = supervisor_.processes_.records().at(index);
    if (!wants_user(service, record.peer, Ident::log)) return;
    supervisor_.resolver_.find_user(record.local, record.peer,
            service.plan->admission.ident_timeout,
            [this, name = service.name(), id = record.id, index, peer = record.peer](
                    const IdentReply& reply) {
                log_ident(name, id, peer, reply);
                const ProcessRecord& now = supervisor_.processes_.records().at(index);
                const bool same = now.id == id && now.state.load() != RecordState::free;
                if (reply.status == IdentStatus::user && same) users_[index] = reply.text;
            });
}

// The line is written by now, the answer is one of its own under the same number. While it is
// asked for the client's host must still know the connection, so that is kept open, and the
// client learns of its refusal a little later. A flood of refusals is not followed by one of
// questions.
void Holding::ask_refused(const Service& service, std::uint64_t id, const Endpoint& peer,
        const Endpoint& local, Fd connection) {
    if ((service.plan->log.refused & log_user) == 0 || refused_asked_ >= most_refused_asked ||
            !wants_user(service, peer, Ident::log) || supervisor_.stopping_)
        return;
    ++refused_asked_;
    auto kept = std::make_shared<Fd>(std::move(connection));
    supervisor_.resolver_.find_user(local, peer, service.plan->admission.ident_timeout,
            [this, name = service.name(), id, peer, kept](const IdentReply& reply) {
                --refused_asked_;
                kept->reset();
                log_ident(name, id, peer, reply);
            });
}

void Holding::launch(Service& service, std::uint32_t index) {
    auto node = held_.extract(index);
    Held& held = node.mapped();
    ProcessRecord& record = supervisor_.processes_.records().at(index);
    record.flags = 0;
    // start_handler() counts them again.
    --service.active;
    if (record.kind != ProcessKind::relayed) --supervisor_.live_;
    if (!held.user.empty()) users_[index] = held.user;
    // A reload may have made something else of its service.
    set_blocking(held.connection.get(), !is_given_away(*service.plan));
    supervisor_.start_conversation(service, index, std::move(held.connection),
            {std::move(held.name), std::move(held.user)});
}

// Nothing of it stays; with a reason it is refused, without one the client has gone.
void Holding::drop(std::uint32_t index, const std::optional<Refuse>& why) {
    auto node = held_.extract(index);
    ProcessRecord& record = supervisor_.processes_.records().at(index);
    Service& service = *supervisor_.by_index_[record.service];
    Fd connection = std::move(node.mapped().connection);
    record.connection.store(-1, std::memory_order_relaxed);
    const auto listener = std::min<std::size_t>(record.listener, service.listeners.size());
    const Endpoint peer = record.peer;
    const std::uint32_t banner_sent = record.banner_sent;
    const std::string user = std::move(node.mapped().user);
    supervisor_.forget_process(index);
    supervisor_.processes_.records().give_back(index);
    if (why && listener < service.listeners.size()) {
        supervisor_.refuse(service, service.listeners[listener], std::move(connection), peer,
                *why, banner_sent, user);
    } else if (supervisor_.options_.debug) {
        supervisor_.outputs_.log().log(NoticeEvent{.level = Level::debug,
                .service = service.name(),
                .text = "a client went away before it could be let in: " + peer.text()});
    }
    // While superd stops nobody waits for these: supervisor_.on_service_empty() might call it
    // finished.
    if (service.active == 0 && !supervisor_.stopping_) supervisor_.on_service_empty(service);
    supervisor_.changed(service);
}

void Holding::drop_all_of(const Service& service) {
    std::vector<std::uint32_t> gone;
    for (const auto& [index, held] : held_)
        if (supervisor_.processes_.records().at(index).service == service.index)
            gone.push_back(index);
    for (const std::uint32_t index : gone)
        drop(index, Refuse{Refusal::stopping, {}});
}

void Holding::look() {
    std::vector<std::uint32_t> gone;
    for (const auto& [index, held] : held_)
        if (has_gone(held.connection.get())) gone.push_back(index);
    for (const std::uint32_t index : gone)
        drop(index, std::nullopt);
    if (held_.empty()) look_.stop();
}

std::string_view Holding::user_of(std::uint32_t index) const {
    if (users_.empty()) return {};
    const auto known = users_.find(index);
    return known == users_.end() ? std::string_view() : known->second;
}

std::size_t Holding::held_by(const Service& service) const {
    return static_cast<std::size_t>(
            std::count_if(held_.begin(), held_.end(), [&](const auto& entry) {
                return supervisor_.processes_.records().at(entry.first).service ==
                       service.index;
            }));
}

void Holding::move_user(std::uint32_t from, std::uint32_t to) {
    auto known = users_.extract(from);
    if (!known) return;
    known.key() = to;
    users_.insert(std::move(known));
}

void Holding::forget_user(std::uint32_t index) {
    if (!users_.empty()) users_.erase(index);
}

void Holding::learn_name(
        const Service& service, const Endpoint& from, std::function<void()> done) {
    if (from.family != Family::ip || !service.access.decide(from).needs_name) return done();
    supervisor_.resolver_.find_name(from, supervisor_.plan_->daemon.name_lookup_timeout,
            [done = std::move(done)](const Resolver::Name&) { done(); });
}

}  // namespace superd
