// SPDX-License-Identifier: MIT
#include "engine/denying.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

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

Denying::Denying(Loop& loop, EventSink& log, std::string path, Spread spread)
        : loop_(loop),
          log_(log),
          list_(std::move(path)),
          spread_(std::move(spread)),
          timer_(loop, [this] { spread_now(); }) {}

std::vector<Network> Denying::load() {
    const auto loaded = list_.load(loop_.wall());
    on_changed();
    if (!loaded)
        log_.log(FailEvent{.stage = loaded.error().operation,
                .subject = loaded.error().subject,
                .error = loaded.error().code,
                .detail = "addresses that were to be kept out may get in"});
    return list_.denials().in_force(loop_.wall()).blocks;
}

// A flood of denials must not make superd do nothing else.
void Denying::on_changed() {
    if (timer_.active() && !waits_for_expiry_) return;
    waits_for_expiry_ = false;
    timer_.start(std::max(spread_at_ + spread_every - loop_.now(), Nanoseconds{0}));
}

void Denying::spread_now() {
    spread_at_ = loop_.now();
    const Wall now = loop_.wall();
    auto in_force = list_.denials().in_force(now);
    if (in_force.until != 0) {
        const auto left = std::chrono::seconds(in_force.until) - now.time_since_epoch();
        waits_for_expiry_ = true;
        timer_.start(std::clamp(std::chrono::duration_cast<Nanoseconds>(left),
                Nanoseconds(spread_every), Nanoseconds(longest_wait)));
    }
    spread_(std::move(in_force.blocks));
}

void Denying::deny(const Source& source, std::optional<Nanoseconds> length, std::string_view by,
        std::string_view reason, const Reply& reply) {
    const Wall now = loop_.wall();
    Denial denial;
    denial.source = source;
    denial.since = seconds_of(now);
    // Rounded up: never shorter than was asked for.
    if (length) denial.until = seconds_of(now + *length) + 1;
    denial.by = by;
    denial.reason = reason;
    const auto written = list_.add(denial, now);
    on_changed();
    const std::string text =
            source.text() + " is denied by " + denial_text(list_.denials().all().back());
    log_.log(NoticeEvent{.level = Level::notice, .text = text});
    const Outcome outcome = outcome_of(written, text);
    if (!written) log_.log(NoticeEvent{.level = Level::error, .text = outcome.message});
    reply(outcome);
}

void Denying::deny(const Endpoint& peer, std::optional<Nanoseconds> length, std::string_view by,
        std::string_view reason) {
    if (peer.family == Family::ip)
        deny(Source::of(peer), length, by, reason, [](const Outcome&) {});
}

void Denying::allow_again(const std::optional<Source>& source, const Reply& reply) {
    on_changed();
    if (!source) return reply(outcome_of(list_.clear(), "nobody is denied any more"));
    bool found = false;
    const auto written = list_.remove(*source, found);
    if (!found)
        return reply({code_failed, source->text() + " is not denied; superctl deny lists"});
    reply(outcome_of(written, source->text() + " is not denied any more"));
}

}  // namespace superd
