// SPDX-License-Identifier: MIT
// Addresses that are kept out of every service for a time.
#include <algorithm>

#include <fmt/format.h>

#include "engine/supervisor.h"

namespace superd {

namespace {

constexpr int code_failed = 1;
constexpr auto spread_every = std::chrono::milliseconds(500);
// The clock may be set meanwhile.
constexpr auto longest_wait = std::chrono::minutes(10);

std::int64_t seconds_of(Wall time) {
    return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

Outcome outcome_of(const Result<void>& written, std::string done) {
    if (written) return {0, std::move(done)};
    return {code_failed, done + ", but not beyond a restart: " + written.error().text()};
}

}  // namespace

void Supervisor::load_denials() {
    const auto loaded = deny_list_.load(loop_.wall());
    doors_.set_denied(deny_list_.denials().in_force(loop_.wall()).blocks);
    on_denials_changed();
    if (loaded) return;
    outputs_.log().log(FailEvent{.stage = loaded.error().operation,
            .subject = loaded.error().subject,
            .error = loaded.error().code,
            .detail = "addresses that were to be kept out may get in"});
}

std::vector<Denial> Supervisor::denials() {
    return deny_list_.in_force(loop_.wall());
}

// What keeps denials apart from superd's own decisions: filters of workers and lists that
// relays have. A flood of denials must not make superd do nothing else.
void Supervisor::on_denials_changed() {
    if (spread_timer_.active() && !waits_for_expiry_) return;
    waits_for_expiry_ = false;
    spread_timer_.start(std::max(spread_at_ + spread_every - loop_.now(), Nanoseconds{0}));
}

void Supervisor::spread_denials() {
    spread_at_ = loop_.now();
    const Wall now = loop_.wall();
    auto in_force = deny_list_.denials().in_force(now);
    if (in_force.until != 0) {
        const auto left = std::chrono::seconds(in_force.until) - now.time_since_epoch();
        waits_for_expiry_ = true;
        spread_timer_.start(std::clamp(std::chrono::duration_cast<Nanoseconds>(left),
                Nanoseconds(spread_every), Nanoseconds(longest_wait)));
    }
    if (in_force.blocks == doors_.denied()) return;
    doors_.set_denied(std::move(in_force.blocks));
    for (const auto& [name, service] : services_) {
        if (service->plan->mode == Mode::worker) renew_filters(*service);
        if (service->plan->mode == Mode::builtin) give_anew(*service);
    }
}

void Supervisor::deny(const Source& source, std::optional<Nanoseconds> length,
        std::string_view by, std::string_view reason, Reply reply) {
    const Wall now = loop_.wall();
    Denial denial;
    denial.source = source;
    denial.since = seconds_of(now);
    // Rounded up: never shorter than was asked for.
    if (length) denial.until = seconds_of(now + *length) + 1;
    denial.by = by;
    denial.reason = reason;
    const auto written = deny_list_.add(denial, now);
    on_denials_changed();
    const std::string text =
            source.text() + " is denied by " + denial_text(deny_list_.denials().all().back());
    outputs_.log().log(NoticeEvent{.level = Level::notice, .text = text});
    const Outcome outcome = outcome_of(written, text);
    if (!written)
        outputs_.log().log(NoticeEvent{.level = Level::error, .text = outcome.message});
    reply(outcome);
}

void Supervisor::deny(const Endpoint& peer, std::optional<Nanoseconds> length,
        std::string_view by, std::string_view reason) {
    if (peer.family == Family::ip)
        deny(Source::of(peer), length, by, reason, [](const Outcome&) {});
}

void Supervisor::allow_again(const std::optional<Source>& source, Reply reply) {
    on_denials_changed();
    if (!source) return reply(outcome_of(deny_list_.clear(), "nobody is denied any more"));
    bool found = false;
    const auto written = deny_list_.remove(*source, found);
    if (!found)
        return reply({code_failed, source->text() + " is not denied; superctl deny lists"});
    reply(outcome_of(written, source->text() + " is not denied any more"));
}

}  // namespace superd
