// SPDX-License-Identifier: MIT
// The decision, and its explanation.
#include "policy/admission.h"

#include <algorithm>

#include <fmt/format.h>

namespace superd {

namespace {

// How long to wait before the load average, which the kernel renews every 5 s, is looked at
// again.
constexpr auto load_interval = std::chrono::seconds(5);

bool is_full(const Bound& bound, std::uint32_t count) {
    return bound.value && count >= *bound.value;
}

Bucket bucket_of(SourceEntry& entry) {
    return {&entry.tokens, &entry.tokens_at, &entry.penalised_until};
}

// With a pause the rate always stops accepting; without one it follows on_limit.
bool rate_waits(const AdmissionPlan& plan) {
    return plan.rate->pause.count() > 0 || plan.on_limit == OnLimit::queue;
}

// The bounds that depend on nobody's address, all but the rate.
std::optional<Wait> full_bound(const AdmissionBook& book) {
    if (is_full(book.max_processes, book.processes))
        return Wait{Refusal::max_processes, book.max_processes.origin};
    const Bound& connections = book.plan->max_connections;
    if (is_full(connections, book.connections))
        return Wait{Refusal::max_connections, connections.origin};
    return std::nullopt;
}

std::optional<Wait> exhausted_rate(const AdmissionBook& book, Mono now) {
    const auto& rate = book.plan->rate;
    if (!rate || !is_exhausted(*rate, book.rate, now)) return std::nullopt;
    return Wait{Refusal::rate, rate->origin, next_token(*rate, book.rate, now)};
}

std::optional<Refuse> check_denials(const AdmissionFacts& facts, const AdmissionBook& book) {
    if (book.denials == nullptr) return std::nullopt;
    const Denial* denial = book.denials->find(facts.peer, facts.wall);
    if (denial == nullptr) return std::nullopt;
    return Refuse{Refusal::denied, {}, denial};
}

std::optional<Refuse> check_access(const AdmissionFacts& facts, const AdmissionBook& book) {
    const AccessDecision access = book.access->decide(facts.peer, facts.groups, facts.name);
    if (access.allowed || access.needs_name) return std::nullopt;
    return Refuse{
            access.reason, access.rule ? access.rule->origin : book.access->allow_origin()};
}

std::optional<Refuse> check_time_and_load(
        const AdmissionFacts& facts, const AdmissionPlan& plan) {
    if (!is_open(plan.hours, facts.local))
        return Refuse{Refusal::hours, plan.hours.front().origin};
    if (plan.max_load && facts.load >= *plan.max_load)
        return Refuse{Refusal::load, plan.max_load_origin};
    return std::nullopt;
}

// The per-source limits, without taking a token. entry: null where the source has none yet.
std::optional<Refuse> check_source(SourceEntry* entry, const AdmissionPlan& plan, Mono now) {
    if (!entry) return std::nullopt;
    if (is_full(plan.max_per_source, entry->active))
        return Refuse{Refusal::max_per_source, plan.max_per_source.origin};
    if (plan.rate_per_source && is_exhausted(*plan.rate_per_source, bucket_of(*entry), now))
        return Refuse{Refusal::rate_per_source, plan.rate_per_source->origin};
    return std::nullopt;
}

bool counts_sources(const AdmissionPlan& plan) {
    return plan.max_per_source.value || plan.rate_per_source;
}

// Nothing: no objection. Changes nothing.
std::optional<Decision> object(
        const AdmissionFacts& facts, const AdmissionBook& book, SourceEntry* entry, Mono now) {
    const AdmissionPlan& plan = *book.plan;
    if (book.stopping) return Refuse{Refusal::stopping, {}};
    if (const auto refuse = check_denials(facts, book)) return *refuse;
    if (facts.stage != AdmissionStage::of_proxy)
        if (const auto refuse = check_access(facts, book)) return *refuse;
    if (const auto refuse = check_time_and_load(facts, plan)) return *refuse;
    // Behind a proxy the connection is counted already, and has taken its token.
    if (facts.stage == AdmissionStage::behind_proxy) {
        if (is_full(book.max_processes, book.processes))
            return Refuse{Refusal::max_processes, book.max_processes.origin};
        if (const auto refuse = check_source(entry, plan, now)) return *refuse;
        return std::nullopt;
    }
    if (const auto wait = full_bound(book)) {
        if (plan.on_limit == OnLimit::refuse) return Refuse{wait->reason, wait->rule};
        return *wait;
    }
    if (const auto refuse = check_source(entry, plan, now)) return *refuse;
    if (const auto wait = exhausted_rate(book, now)) {
        if (!rate_waits(plan)) return Refuse{wait->reason, wait->rule};
        return *wait;
    }
    return std::nullopt;
}

// A source that was refused for its rate begins its pause; so does the service.
void begin_pauses(
        const Decision& decision, const AdmissionBook& book, SourceEntry* entry, Mono now) {
    const auto* refuse = std::get_if<Refuse>(&decision);
    if (refuse && refuse->reason == Refusal::rate_per_source)
        begin_pause(*book.plan->rate_per_source, bucket_of(*entry), now);
    const auto* wait = std::get_if<Wait>(&decision);
    if (wait && wait->reason == Refusal::rate) begin_pause(*book.plan->rate, book.rate, now);
}

}  // namespace

Decision decide_accepting(const AdmissionBook& book, Mono now) {
    const AdmissionPlan& plan = *book.plan;
    if (book.stopping) return Wait{Refusal::stopping, {}};
    if (plan.on_limit == OnLimit::queue)
        if (const auto wait = full_bound(book)) return *wait;
    if (plan.rate && rate_waits(plan))
        if (const auto wait = exhausted_rate(book, now)) {
            begin_pause(*plan.rate, book.rate, now);
            return *wait;
        }
    return Admit{};
}

Decision decide(const AdmissionFacts& facts, const AdmissionBook& book, Mono now) {
    const AdmissionPlan& plan = *book.plan;
    const Source source = Source::of(facts.peer);
    const bool counted = counts_sources(plan) && source.family != Family::none &&
                         facts.stage != AdmissionStage::of_proxy;
    // A source gets its place only when nothing else objects: who is denied costs no memory.
    auto place = counted ? book.sources->find(source, book.service) : std::nullopt;
    SourceEntry* entry = place ? &book.sources->at(*place) : nullptr;
    if (auto objection = object(facts, book, entry, now)) {
        begin_pauses(*objection, book, entry, now);
        return *objection;
    }
    if (counted && !place) {
        place = book.sources->find_or_make(source, book.service, now);
        if (!place) return Refuse{Refusal::max_per_source, plan.max_per_source.origin};
        entry = &book.sources->at(*place);
        // max_per_source = 0 would be the only objection of a new source.
        if (const auto refuse = check_source(entry, plan, now)) return *refuse;
    }
    if (plan.rate_per_source && entry)
        (void)take(*plan.rate_per_source, bucket_of(*entry), now);
    if (plan.rate && facts.stage != AdmissionStage::behind_proxy)
        (void)take(*plan.rate, book.rate, now);
    const bool needs_name =
            book.access->has_names() && facts.stage != AdmissionStage::of_proxy &&
            book.access->decide(facts.peer, facts.groups, facts.name).needs_name;
    return Admit{place.value_or(no_source), needs_name};
}

std::optional<Refuse> decide_named(const AdmissionFacts& facts, const AdmissionBook& book) {
    if (book.stopping) return Refuse{Refusal::stopping, {}};
    if (const auto refuse = check_denials(facts, book)) return refuse;
    AdmissionFacts known = facts;
    if (known.name.known == NameKnown::not_asked) known.name.known = NameKnown::unknown;
    return check_access(known, book);
}

Decision decide_start(const AdmissionFacts& facts, const AdmissionBook& book, Mono now) {
    const AdmissionPlan& plan = *book.plan;
    if (book.stopping) return Refuse{Refusal::stopping, {}};
    if (const auto refuse = check_time_and_load(facts, plan)) {
        if (refuse->reason == Refusal::load)
            return Wait{refuse->reason, refuse->rule, now + load_interval};
        const auto opening = until_open(plan.hours, facts.local);
        return Wait{refuse->reason, refuse->rule, opening ? now + *opening : Mono::max()};
    }
    if (is_full(book.max_processes, book.processes))
        return Wait{Refusal::max_processes, book.max_processes.origin};
    if (const auto wait = exhausted_rate(book, now)) {
        begin_pause(*plan.rate, book.rate, now);
        return *wait;
    }
    if (plan.rate) (void)take(*plan.rate, book.rate, now);
    return Admit{};
}

namespace {

// What the sentences speak of beside the decision itself.
struct Situation {
    const AdmissionFacts& facts;
    const AdmissionBook& book;
    const AccessDecision access;
    const SourceEntry* entry;
    Mono now;
};

std::string source_text(const AdmissionFacts& facts) {
    return Source::of(facts.peer).text();
}

std::string peer_text(const Endpoint& peer) {
    return peer.family == Family::ip ? peer.ip.text() : peer.text();
}

bool is_by_name(const AccessRule& rule) {
    return rule.kind == MatchKind::host || rule.kind == MatchKind::domain;
}

std::string access_text(const Situation& at) {
    std::string who = peer_text(at.facts.peer);
    if (at.access.needs_name)
        return fmt::format("the name of {} decides, and is not known yet", who);
    if (at.facts.name.known == NameKnown::confirmed)
        who += fmt::format(" ({})", at.facts.name.name);
    if (at.facts.name.known == NameKnown::unknown && at.access.rule &&
            is_by_name(*at.access.rule))
        return fmt::format("{} has no name that its own addresses confirm, so \"{}\" denies it",
                who, at.access.rule->text);
    return access_sentence(who, at.access);
}

std::string wait_text(Mono until, Mono now) {
    return approximate_duration(std::max(Nanoseconds(0), until - now));
}

std::string source_rate_text(const Situation& at) {
    const RatePlan& rate = *at.book.plan->rate_per_source;
    SourceEntry copy = *at.entry;
    return fmt::format("{} has used up its {}; the next is let in after {}",
            source_text(at.facts), format_frequency(rate.limit),
            wait_text(next_token(rate, bucket_of(copy), at.now), at.now));
}

std::string rate_text(const Situation& at) {
    const RatePlan& rate = *at.book.plan->rate;
    return fmt::format("the service has used up its {}; the next is let in after {}",
            format_frequency(rate.limit),
            wait_text(next_token(rate, at.book.rate, at.now), at.now));
}

std::string objection_text(Refusal reason, const Situation& at) {
    const AdmissionPlan& plan = *at.book.plan;
    switch (reason) {
        case Refusal::not_allowed:
        case Refusal::denied: return access_text(at);
        case Refusal::hours: return outside_text(at.book.plan->hours, at.facts.local);
        case Refusal::load:
            return fmt::format("the load average {:.2f} has reached max_load {:.2f}",
                    at.facts.load, *plan.max_load);
        case Refusal::max_processes:
            return fmt::format("{} of at most {} processes of all services run",
                    at.book.processes, *at.book.max_processes.value);
        case Refusal::max_connections:
            return fmt::format("{} of at most {} connections are held", at.book.connections,
                    *plan.max_connections.value);
        case Refusal::max_per_source:
            return fmt::format("{} holds {} of at most {} connections", source_text(at.facts),
                    at.entry ? at.entry->active : 0, *plan.max_per_source.value);
        case Refusal::rate_per_source: return source_rate_text(at);
        case Refusal::rate: return rate_text(at);
        case Refusal::stopping: return "the service is stopping";
        case Refusal::no_descriptors:
        case Refusal::preface:
        case Refusal::tls_handshake:
        case Refusal::ident:
        case Refusal::tcp_wrappers:
        case Refusal::count: break;
    }
    return std::string(refusal_name(reason));
}

}  // namespace

std::string access_sentence(std::string_view who, const AccessDecision& access) {
    if (access.rule)
        return fmt::format("{} is {} by \"{}\"", who, access.allowed ? "allowed" : "denied",
                access.rule->text);
    if (!access.allowed) return fmt::format("{} is in no entry of allow", who);
    return fmt::format("{} is matched by no rule, and there is no allow list", who);
}

AdmissionExplanation explain(const AdmissionFacts& facts, const AdmissionBook& book, Mono now) {
    const Source source = Source::of(facts.peer);
    SourceEntry fresh;
    SourceEntry* entry = nullptr;
    if (counts_sources(*book.plan) && source.family != Family::none) {
        const auto place = book.sources->find(source, book.service);
        entry = place ? &book.sources->at(*place) : &fresh;
    }
    const Situation at{
            facts, book, book.access->decide(facts.peer, facts.groups, facts.name), entry, now};
    const auto objection = object(facts, book, entry, now);
    if (!objection) {
        const Origin rule = at.access.rule ? at.access.rule->origin : Origin{};
        return {Admit{no_source, at.access.needs_name}, rule, access_text(at)};
    }
    const auto* refuse = std::get_if<Refuse>(&*objection);
    if (refuse && refuse->denial)
        return {*objection, {},
                fmt::format("{} is denied by {}", source_text(facts),
                        denial_text(*refuse->denial))};
    if (refuse) return {*objection, refuse->rule, objection_text(refuse->reason, at)};
    const Wait& wait = std::get<Wait>(*objection);
    return {*objection, wait.rule,
            objection_text(wait.reason, at) + "; until then it waits in the queue"};
}

}  // namespace superd
