// SPDX-License-Identifier: MIT
// Addresses that are kept out of every service for a time.
#include <fmt/format.h>

#include "engine/supervisor.h"

namespace superd {

namespace {

constexpr int code_failed = 1;

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
    if (loaded) return;
    outputs_.log().log(FailEvent{.stage = loaded.error().operation,
            .subject = loaded.error().subject,
            .error = loaded.error().code,
            .detail = "addresses that were to be kept out may get in"});
}

std::vector<Denial> Supervisor::denials() {
    return deny_list_.in_force(loop_.wall());
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
    if (!source) return reply(outcome_of(deny_list_.clear(), "nobody is denied any more"));
    bool found = false;
    const auto written = deny_list_.remove(*source, found);
    if (!found)
        return reply({code_failed, source->text() + " is not denied; superctl deny lists"});
    reply(outcome_of(written, source->text() + " is not denied any more"));
}

}  // namespace superd
