// SPDX-License-Identifier: MIT
// every, at, after and their like, from text to plan.
#include <chrono>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* program = "exec = \"/bin/true\"\nuser = \"git\"\n";

Resolved resolve(const std::string& body, const std::string& before = {}) {
    return resolve_text(before + "[service.s]\n" + program + body, true);
}

ServicePlan good(const std::string& body, const std::string& before = {}) {
    const Resolved resolved = resolve(body, before);
    INFO(body);
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service("s");
    if (plan == nullptr) FAIL("there is no service");
    return plan != nullptr ? *plan : ServicePlan{};
}

bool refuses(const std::string& body, const char* what) {
    const std::string text = resolve(body).text();
    INFO(body << "\n" << text);
    CHECK(text.find("error: ") != std::string::npos);
    return text.find(what) != std::string::npos;
}

CalendarRule rule(const std::string& text) {
    const ServicePlan plan = good("at = \"" + text + "\"\n");
    REQUIRE(plan.timer.at.size() == 1);
    return plan.timer.at[0];
}

// Services db and app, each with those lines.
std::string two(const std::string& app, const std::string& db = {}) {
    return "[service.db]\n" + std::string(program) + db + "[service.app]\n" + program + app;
}

std::string errors_of(const std::string& text) {
    return resolve_text(text, true).text();
}

bool says(const std::string& text, const char* what) {
    INFO(text);
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("when: every is a duration of a second at least") {
    const ServicePlan plan = good("every = \"10m\"\njitter = \"30s\"\n");
    CHECK(plan.timer.every == 10min);
    CHECK(plan.timer.jitter == 30s);
    CHECK(plan.timer.any());
    CHECK_FALSE(good("").timer.any());
    CHECK(refuses("every = \"10ms\"\n", "out of range"));
    CHECK(refuses("every = 10\n", "\"10s\""));
    CHECK(refuses("every = \"10m\"\nat = \"03:30\"\n", "every and at exclude each other"));
    CHECK(refuses("jitter = \"1m\"\n", "jitter means nothing without at or every"));
    CHECK(refuses("missed = \"run\"\n", "missed means nothing without at or every"));
    CHECK(refuses("every = \"10m\"\nmissed = \"run\"\n", "missed is for at"));
    CHECK(refuses(
            "listen = \"tcp:1\"\nevery = \"10m\"\n", "every means nothing for a handler"));
    CHECK(good("at = \"03:30\"\nmissed = \"run\"\n").timer.missed == Missed::run);
}

TEST_CASE("when: moments of the calendar") {
    CHECK(rule("03:30").times == std::vector<std::uint32_t>{3 * 3600 + 30 * 60});
    CHECK(rule("03:30").weekdays == 0x7f);
    CHECK(rule("18:00,6:00,06:00").times == std::vector<std::uint32_t>{6 * 3600, 18 * 3600});
    CHECK(rule("23:59:59").times == std::vector<std::uint32_t>{86399});
    CHECK(rule("Mon..Fri 03:30").weekdays == 0x1f);
    CHECK(rule("Sat..Mon,Wed 03:30").weekdays == 0x65);
    CHECK(rule("Jan,Jul 03:30").months == 0x41);
    CHECK(rule("Nov..Feb 03:30").months == 0xc03);
    CHECK(rule("day 1,15 03:30").days == (1u << 1 | 1u << 15));
    CHECK(rule("day 29..31,last 03:30").days == (7u << 29 | 1u));
    const CalendarRule all = rule("  Sun  Feb day 1..7   04:00 ");
    CHECK(all.text == "Sun Feb day 1..7 04:00");
    CHECK(all.weekdays == 0x40);
    CHECK(all.months == 2);
    CHECK(all.days == 0xfe);
    CHECK(good("at = [\"03:30\", \"Sat 12:00\"]\n").timer.at.size() == 2);
    CHECK(rule("Feb day 29 00:00").days == 1u << 29);
}

TEST_CASE("when: what is no moment is an error that says what to write") {
    CHECK(refuses("at = \"24:00\"\n", "\"24:00\" is not a time of the day"));
    CHECK(refuses("at = \"3\"\n", "is not a time of the day"));
    CHECK(refuses("at = \"03:3\"\n", "is not a time of the day"));
    CHECK(refuses("at = \"03:30,\"\n", "is not a time of the day"));
    CHECK(refuses("at = \"\"\n", "is not a moment"));
    CHECK(refuses("at = \"Fry 03:30\"\n", "\"Fry\" is neither a day of the week nor a month"));
    CHECK(refuses("at = \"day 32 03:30\"\n", "\"32\" is not a day of the month"));
    CHECK(refuses("at = \"day 7..1 03:30\"\n", "is not a day of the month"));
    CHECK(refuses("at = \"day 03:30\"\n", "has no number behind it"));
    CHECK(refuses("at = \"Mon Tue 03:30\"\n", "is one too many"));
    CHECK(refuses("at = \"Feb,Apr day 31 03:30\"\n", "never comes"));
    CHECK(refuses("at = \"Feb day 30 03:30\"\n", "never comes"));
    // In others' words.
    CHECK(refuses("at = \"30 3 * * *\"\n", "write \"03:30\""));
    CHECK(refuses("at = \"*-*-* 03:30:00\"\n", "write \"03:30\""));
    CHECK(refuses("at = \"daily\"\n", "write \"00:00\""));
    CHECK(refuses("at = \"hourly\"\n", "write every = \"1h\""));
}

TEST_CASE("when: a service by the clock neither starts with superd nor comes back by itself") {
    const ServicePlan plan = good("at = \"03:30\"\n");
    CHECK(plan.start == Start::demand);
    CHECK(plan.life.restart == Restart::no);
    CHECK(good("at = \"03:30\"\nstart = \"boot\"\n").start == Start::boot);
    CHECK(good("every = \"1h\"\nrestart = \"on-failure\"\n").life.restart ==
            Restart::on_failure);
    CHECK(refuses("at = \"03:30\"\nstart = \"manual\"\n", "at and every start it"));
    CHECK(refuses("at = \"03:30\"\nrestart = \"always\"\n", "restart cannot be that"));
    const ServicePlan inherited =
            good("at = \"03:30\"\n", "[defaults]\nrestart = \"always\"\n");
    CHECK(inherited.life.restart == Restart::no);
    REQUIRE(inherited.skipped.size() == 1);
    CHECK(inherited.skipped[0].key == "restart");
}

TEST_CASE("when: other services are named once, and must be there") {
    const Resolved resolved = resolve_text(
            two("after = [\"db\", \"db\"]\nrequires = \"db\"\nwants = \"db\"\n"), true);
    CHECK(resolved.text() == "");
    const ServicePlan* const app = resolved.service("app");
    REQUIRE(app != nullptr);
    REQUIRE(app->dependencies.after.size() == 1);
    CHECK(app->dependencies.after[0].name == "db");
    CHECK(app->dependencies.requires_.size() == 1);
    CHECK(app->dependencies.wants.size() == 1);

    CHECK(says(errors_of(two("after = \"dbb\"\n")), "there is no service \"dbb\""));
    CHECK(says(errors_of(two("after = \"dbb\"\n")), "did you mean \"db\"?"));
    CHECK(says(errors_of(two("after = \"app\"\n")), "app cannot be in its own after"));
    CHECK(says(errors_of(two("requires = \"db\"\n", "after = \"app\"\n")),
            "each of these starts after the next one: db -> app -> db"));
    CHECK(says(errors_of(two("after = 3\n")), "error: "));
    CHECK(says(errors_of("[defaults]\nafter = \"db\"\n" + two("")), "error: "));
}

TEST_CASE("when: two in conflict cannot both start with superd, nor one with the other") {
    CHECK(says(errors_of(two("conflicts = \"db\"\n")), "both start with superd"));
    CHECK(errors_of(two("conflicts = \"db\"\n", "start = \"manual\"\n")) == "");
    CHECK(errors_of(two("conflicts = \"db\"\n", "enabled = false\n")) == "");
    CHECK(says(errors_of(two("start = \"manual\"\nconflicts = \"db\"\nwants = \"db\"\n")),
            "app starts db and is in conflict with it"));
}
