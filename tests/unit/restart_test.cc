// SPDX-License-Identifier: MIT
#include "policy/restart.h"

#include <csignal>
#include <string>

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t middle = 0x80000000;  // no jitter

int exited(int code) {
    return code << 8;
}

int killed(int signal, bool core = false) {
    return signal | (core ? 0x80 : 0);
}

LifePlan plan_of(Restart restart) {
    LifePlan plan;
    plan.restart = restart;
    plan.clean_exit = usual_clean_exits();
    return plan;
}

LifeEnd end_of(EndKind kind, Nanoseconds up = 0s) {
    LifeEnd end;
    end.kind = kind;
    end.up = up;
    end.chance = middle;
    return end;
}

Mono at(Nanoseconds time) {
    return Mono(1000s + time);
}

}  // namespace

TEST_CASE("restart: an end is classified by what counts as clean") {
    const auto usual = usual_clean_exits();
    CHECK(classify_exit(exited(0), usual) == EndKind::clean);
    CHECK(classify_exit(exited(1), usual) == EndKind::status);
    CHECK(classify_exit(exited(15), usual) == EndKind::status);  // not signal 15
    for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE})
        CHECK(classify_exit(killed(signal), usual) == EndKind::clean);
    CHECK(classify_exit(killed(SIGKILL), usual) == EndKind::signal);
    CHECK(classify_exit(killed(SIGSEGV, true), usual) == EndKind::core);
    CHECK(classify_exit(-1, usual) == EndKind::unknown);

    const std::vector<CleanExit> own = {{false, 3}, {true, SIGUSR1}};
    CHECK(classify_exit(exited(0), own) == EndKind::status);
    CHECK(classify_exit(exited(3), own) == EndKind::clean);
    CHECK(classify_exit(killed(SIGUSR1), own) == EndKind::clean);
    CHECK(classify_exit(killed(SIGTERM), own) == EndKind::signal);
}

TEST_CASE("restart: each policy with each end") {
    struct Row {
        EndKind end;
        bool on_failure, on_abnormal, on_success;
    };

    constexpr Row rows[] = {
            {EndKind::clean, false, false, true},
            {EndKind::status, true, false, false},
            {EndKind::signal, true, true, false},
            {EndKind::core, true, true, false},
            {EndKind::launch, true, false, false},
            {EndKind::unknown, true, true, false},
    };
    for (const Row& row : rows) {
        CAPTURE(static_cast<int>(row.end));
        CHECK_FALSE(restarts_after(Restart::no, row.end));
        CHECK(restarts_after(Restart::always, row.end));
        CHECK(restarts_after(Restart::on_failure, row.end) == row.on_failure);
        CHECK(restarts_after(Restart::on_abnormal, row.end) == row.on_abnormal);
        CHECK(restarts_after(Restart::on_success, row.end) == row.on_success);
    }
}

TEST_CASE("restart: the pause doubles up to its ceiling") {
    const LifePlan plan = plan_of(Restart::always);
    CHECK(restart_pause(plan, 1, middle) == 100ms);
    CHECK(restart_pause(plan, 2, middle) == 200ms);
    CHECK(restart_pause(plan, 5, middle) == 1600ms);
    CHECK(restart_pause(plan, 10, middle) == 51200ms);
    CHECK(restart_pause(plan, 11, middle) == 60s);
    CHECK(restart_pause(plan, 4'000'000'000, middle) == 60s);
}

TEST_CASE("restart: chance adds or takes a tenth, never more") {
    const LifePlan plan = plan_of(Restart::always);
    for (const std::uint32_t n : {1U, 3U, 20U}) {
        const Nanoseconds usual = restart_pause(plan, n, middle);
        CHECK(restart_pause(plan, n, 0) == usual - usual / 10);
        const Nanoseconds most = restart_pause(plan, n, ~std::uint32_t{0});
        CHECK(most <= usual + usual / 10);
        CHECK(most > usual + usual / 11);
    }
}

TEST_CASE("restart: no delay at all, and a delay above its own ceiling") {
    LifePlan plan = plan_of(Restart::always);
    plan.restart_delay = 0s;
    CHECK(restart_pause(plan, 1, middle) == 0s);
    CHECK(restart_pause(plan, 50, middle) == 0s);
    plan.restart_delay = 90s;
    CHECK(restart_pause(plan, 1, middle) == 90s);
    CHECK(restart_pause(plan, 9, middle) == 90s);
}

TEST_CASE("restart: what was stopped rests, and has nothing to make up for") {
    const LifePlan plan = plan_of(Restart::always);
    RestartTally tally;
    tally.failures = 5;
    LifeEnd end = end_of(EndKind::signal);
    end.wanted = false;
    CHECK(judge_end(plan, end, tally, at(0s)).event == LifeEvent::rest);
    CHECK(tally.failures == 0);
}

TEST_CASE("restart: what there was no room for is tried again, whatever the policy") {
    LifePlan plan = plan_of(Restart::no);
    plan.restart_limit = Frequency{1, 1h};
    RestartTally tally;
    for (const Nanoseconds pause : {100ms, 200ms, 400ms}) {
        const Verdict verdict = judge_end(plan, end_of(EndKind::shortage), tally, at(0s));
        CHECK(verdict.event == LifeEvent::retry);
        CHECK(verdict.pause == pause);
        CHECK_FALSE(verdict.limit_reached);
    }
}

TEST_CASE("restart: where it is not asked for, a good end finishes and a bad one fails") {
    const LifePlan plan = plan_of(Restart::no);
    RestartTally tally;
    CHECK(judge_end(plan, end_of(EndKind::clean), tally, at(0s)).event == LifeEvent::finish);
    CHECK(judge_end(plan, end_of(EndKind::core), tally, at(0s)).event == LifeEvent::give_up);
    CHECK(tally.failures == 1);
}

TEST_CASE("restart: failures in a row make the pause grow, a long life makes up for them") {
    const LifePlan plan = plan_of(Restart::on_failure);
    RestartTally tally;
    Nanoseconds last{0};
    for (int i = 0; i < 5; ++i) {
        const Verdict verdict = judge_end(plan, end_of(EndKind::status, 10ms), tally, at(0s));
        CHECK(verdict.event == LifeEvent::retry);
        CHECK(verdict.pause > last);
        last = verdict.pause;
    }
    CHECK(last == 1590ms);
    CHECK(tally.failures == 5);
    CHECK(judge_end(plan, end_of(EndKind::status, 60s), tally, at(0s)).pause == 0s);
    CHECK(tally.failures == 1);
}

TEST_CASE("restart: the pause counts from the start of what has ended") {
    const LifePlan plan = plan_of(Restart::on_failure);
    RestartTally tally;
    CHECK(judge_end(plan, end_of(EndKind::signal, 40ms), tally, at(0s)).pause == 60ms);
    CHECK(judge_end(plan, end_of(EndKind::signal, 5s), tally, at(0s)).pause == 0s);
    tally.failures = 7;
    CHECK(judge_end(plan, end_of(EndKind::signal, 5s), tally, at(0s)).pause == 7800ms);
    CHECK(judge_end(plan, end_of(EndKind::launch, 0s), tally, at(0s)).pause == 25600ms);
}

TEST_CASE("restart: what ends well is not kept away for what failed before") {
    const LifePlan plan = plan_of(Restart::always);
    RestartTally tally;
    tally.failures = 9;
    CHECK(judge_end(plan, end_of(EndKind::clean, 2s), tally, at(0s)).pause == 0s);
    tally.failures = 9;
    CHECK(judge_end(plan, end_of(EndKind::clean, 1ms), tally, at(0s)).pause == 99ms);
    tally.failures = 9;
    CHECK(judge_end(plan, end_of(EndKind::status, 2s), tally, at(0s)).pause == 49200ms);
}

TEST_CASE("restart: the limit counts restarts within its window, however long each life was") {
    LifePlan plan = plan_of(Restart::always);
    plan.restart_limit = Frequency{3, 10s};
    RestartTally tally;
    for (int i = 0; i < 3; ++i)
        CHECK(judge_end(plan, end_of(EndKind::status, 1s), tally, at(i * 2s)).event ==
                LifeEvent::retry);
    const Verdict last = judge_end(plan, end_of(EndKind::status, 1s), tally, at(8s));
    CHECK(last.event == LifeEvent::give_up);
    CHECK(last.limit_reached);
    // A new window.
    CHECK(judge_end(plan, end_of(EndKind::status, 1s), tally, at(10s)).event ==
            LifeEvent::retry);
    CHECK(tally.in_window == 1);
}

TEST_CASE("restart: a service with listeners is never given up, it pauses") {
    LifePlan plan = plan_of(Restart::always);
    plan.restart_limit = Frequency{1, 1h};
    RestartTally tally;
    LifeEnd end = end_of(EndKind::launch);
    end.has_doors = true;
    CHECK(judge_end(plan, end, tally, at(0s)).pause == 100ms);
    const Verdict verdict = judge_end(plan, end, tally, at(1s));
    CHECK(verdict.event == LifeEvent::retry);
    CHECK(verdict.pause == 60s);
    CHECK(verdict.limit_reached);
}

TEST_CASE("restart: a failure of no policy's concern still counts for the next judgement") {
    LifePlan plan = plan_of(Restart::on_abnormal);
    RestartTally tally;
    CHECK(judge_end(plan, end_of(EndKind::status), tally, at(0s)).event == LifeEvent::give_up);
    CHECK(judge_end(plan, end_of(EndKind::status), tally, at(0s)).event == LifeEvent::give_up);
    CHECK(tally.failures == 2);
    CHECK(judge_end(plan, end_of(EndKind::clean), tally, at(0s)).event == LifeEvent::finish);
    CHECK(tally.failures == 0);
}

TEST_CASE("restart: what was stopped for nobody needed it rests until somebody does") {
    for (const Restart restart : {Restart::no, Restart::on_failure, Restart::always}) {
        LifePlan plan;
        plan.restart = restart;
        RestartTally tally{3, 0, 0};
        const Verdict verdict = judge_end(plan, {.kind = EndKind::idle}, tally, Mono(1000s));
        CHECK(verdict.event == LifeEvent::rest);
        CHECK(tally.failures == 0);
    }
}

TEST_CASE("restart: what is replaced has its successor at once, and that is no failure") {
    for (const Restart restart : {Restart::no, Restart::on_failure, Restart::always}) {
        LifePlan plan;
        plan.restart = restart;
        plan.restart_limit = Frequency{1, 10s};
        RestartTally tally;
        for (int i = 0; i < 3; ++i) {
            const Verdict verdict =
                    judge_end(plan, {.kind = EndKind::recycled}, tally, Mono(1000s));
            CHECK(verdict.event == LifeEvent::retry);
            CHECK(verdict.pause == 0s);
        }
        CHECK(tally.failures == 0);
        const Verdict ordered = judge_end(
                plan, {.kind = EndKind::recycled, .wanted = false}, tally, Mono(1000s));
        CHECK(ordered.event == LifeEvent::rest);
    }
    CHECK((is_good_end(EndKind::recycled) && is_good_end(EndKind::idle)));
    CHECK_FALSE(is_good_end(EndKind::unhealthy));
}

TEST_CASE("restart: a failed health check is superd's doing, and counts as a failure") {
    CHECK(is_superds_doing(EndKind::unhealthy));
    CHECK(restarts_after(Restart::on_failure, EndKind::unhealthy));
    CHECK(restarts_after(Restart::on_abnormal, EndKind::unhealthy));
    CHECK_FALSE(restarts_after(Restart::on_success, EndKind::unhealthy));
}
