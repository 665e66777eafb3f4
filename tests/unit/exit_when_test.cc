// SPDX-License-Identifier: MIT
#include "policy/exit_when.h"

#include <array>
#include <cerrno>
#include <vector>

#include "support/catch.h"

namespace superd {
namespace {

using S = ServiceState;

EndFacts ended(std::string_view name, S state, int status = 0) {
    return {.name = name, .state = state, .ran = true, .status = status, .started = true};
}

int code(std::string_view exit_when, const std::vector<EndFacts>& services) {
    const auto exit = decide_exit(exit_when, services);
    return exit ? exit->code : -1;
}

}  // namespace

TEST_CASE("exit when: never is never") {
    CHECK(code("never", {ended("a", S::failed, 256)}) == -1);
    CHECK(code("never", {}) == -1);
}

TEST_CASE("exit when: the end of one service is superd's, with its exit code") {
    const EndFacts other = ended("b", S::running);
    CHECK(code("a", {ended("a", S::stopped), other}) == 0);
    CHECK(code("a", {other, ended("a", S::failed, 7 << 8)}) == 7);
    CHECK(code("a", {ended("a", S::failed, 9)}) == 137);
    CHECK(code("a", {ended("a", S::failed, 0)}) == 1);
    CHECK(code("a", {ended("a", S::failed, -1)}) == 1);
    for (const S state : {S::waiting, S::listening, S::starting, S::running, S::reloading,
                 S::draining, S::paused, S::backoff, S::stopping})
        CHECK(code("a", {ended("a", state)}) == -1);
    CHECK(code("c", {ended("a", S::failed)}) == -1);
}

TEST_CASE("exit when: a service with replicas has ended when all its copies have") {
    const EndFacts one = ended("a@0", S::stopped), bad = ended("a@1", S::failed, 5 << 8),
                   runs = ended("a@1", S::running), other = ended("ab@1", S::running);
    CHECK(code("a", {one, runs}) == -1);
    CHECK(code("a", {one, bad, other}) == 5);
    CHECK(code("a", {one, other}) == 0);
    CHECK(code("a", {other}) == -1);
    EndFacts fresh = ended("a@1", S::stopped);
    fresh.ran = false;
    CHECK(code("a", {one, fresh}) == -1);
}

TEST_CASE("exit when: what has not begun is not over, nor what the clock brings back") {
    EndFacts facts = ended("a", S::stopped);
    facts.ran = false;
    CHECK(code("a", {facts}) == -1);
    CHECK(code("all-stopped", {facts}) == -1);
    facts.ran = true;
    facts.comes = true;
    CHECK(code("a", {facts}) == -1);
    facts.state = S::failed;
    CHECK(code("any-failed", {facts}) == -1);
    CHECK(code("all-stopped", {facts}) == -1);
}

TEST_CASE("exit when: any that failed, all that stopped") {
    const EndFacts good = ended("g", S::stopped), bad = ended("b", S::failed, 3 << 8),
                   runs = ended("r", S::running), off = {.name = "o", .state = S::disabled};
    CHECK(code("any-failed", {good, runs}) == -1);
    CHECK(code("any-failed", {good, bad, runs}) == 3);
    CHECK(code("all-stopped", {good, runs}) == -1);
    CHECK(code("all-stopped", {good, off}) == 0);
    CHECK(code("all-stopped", {good, bad, off}) == 3);
    CHECK(code("all-stopped", {off}) == -1);
}

TEST_CASE("exit when: a program that could not be started has a shell's code") {
    EndFacts facts = ended("a", S::failed, 0);
    facts.started = false;
    facts.error = ENOENT;
    CHECK(final_code_of(facts) == 127);
    facts.error = EACCES;
    CHECK(final_code_of(facts) == 126);
    facts.error = 0;
    CHECK(final_code_of(facts) == 1);
}

}  // namespace superd
