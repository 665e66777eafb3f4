// SPDX-License-Identifier: MIT
// superctl scale: what it refuses, and which part of a plan it takes.
#include "engine/scaling.h"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

constexpr const char* text =
        "[service.q]\nuser = \"git\"\nexec = \"/bin/cat\"\nreplicas = 2\n"
        "[service.named]\nuser = \"git\"\nexec = \"/bin/cat\"\nreplicas = [\"a\"]\n"
        "[service.behind]\nuser = \"git\"\nexec = \"/bin/cat\"\nafter = \"q\"\n"
        "[service.single]\nuser = \"git\"\nexec = \"/bin/cat\"\n";

Plan plan_of(std::vector<ScaledCopies> scaled = {}, const std::string& file = text) {
    const Resolved resolved =
            resolve_files({{"/etc/superd.toml", file}}, true, std::move(scaled));
    REQUIRE(resolved.errors() == "");
    return resolved.plan;
}

Outcome refusal(const Plan& plan, const char* name, std::uint32_t count) {
    const auto refused = refuse_scale(plan, name, count);
    return refused ? *refused : Outcome{};
}

std::vector<std::string> names_of(const Plan& plan) {
    std::vector<std::string> names;
    for (const auto& one : plan.services)
        names.push_back(one->name);
    return names;
}

const ServicePlan& service_of(const Plan& plan, const std::string& name) {
    for (const auto& one : plan.services)
        if (one->name == name) return *one;
    FAIL("there is no service " << name);
    return *plan.services.front();
}

}  // namespace

TEST_CASE("scaling: only a service whose replicas are a number, and within its bounds") {
    const Plan plan = plan_of();
    CHECK(refusal(plan, "q", 1).code == 0);
    CHECK(refusal(plan, "q", 1024).code == 0);
    CHECK(refusal(plan, "q", 0).code == 2);
    CHECK(refusal(plan, "q", 1025).message ==
            "1025 is out of range: there are from 1 to 1024 copies; superctl stop q ends all "
            "of "
            "them");
    CHECK(refusal(plan, "nobody", 2).code == 4);
    CHECK(refusal(plan, "q@1", 2).message == "q@1 is a copy of q: superctl scale q N");
    CHECK(refusal(plan, "single", 2).message ==
            "single has no replicas; write replicas = N at /etc/superd.toml:13");
    CHECK(refusal(plan, "named", 2).message ==
            "the copies of named are named one by one at /etc/superd.toml:8: add one there, "
            "and superctl reload-config");
}

TEST_CASE("scaling: the numbers in force are kept beside the new one") {
    const Plan plan = plan_of({{"q", 2, 5}});
    CHECK(scaled_copies(plan_of()).empty());
    CHECK(scaled_copies(plan) == std::vector<ScaledCopies>{{"q", 2, 5}});
    CHECK(scaled_copies(plan, "q", 3) == std::vector<ScaledCopies>{{"q", 2, 3}});
    const std::string two = std::string(text) +
                            "[service.r]\nuser = \"git\"\nexec = \"/bin/cat\"\nreplicas = 1\n";
    CHECK(scaled_copies(plan_of({{"q", 2, 5}}, two), "r", 4) ==
            std::vector<ScaledCopies>{{"q", 2, 5}, {"r", 1, 4}});
}

TEST_CASE("scaling: its copies are taken, who comes after them knows, and nothing else is") {
    const Plan before = plan_of();
    std::string edited = text;
    edited.replace(edited.rfind("/bin/cat"), 8, "/bin/tac");
    const auto next = with_copies(before, plan_of({{"q", 2, 3}}, edited), "q");
    REQUIRE(next);
    const Plan& after = *next;
    CHECK(names_of(after) ==
            std::vector<std::string>{"behind", "named@a", "q@0", "q@1", "q@2", "single"});
    const std::vector<ServiceName>& awaited = service_of(after, "behind").dependencies.after;
    REQUIRE(awaited.size() == 3);
    CHECK(awaited[2].name == "q@2");
    CHECK(service_of(after, "single").exec.argv.front() == "/bin/cat");
    CHECK(scaled_copies(after) == std::vector<ScaledCopies>{{"q", 2, 3}});
    const auto back = with_copies(after, plan_of(), "q");
    REQUIRE(back);
    CHECK(names_of(*back) == names_of(before));
    CHECK(scaled_copies(*back).empty());
}

TEST_CASE("scaling: a plan of other files is not mixed with the one in force") {
    Plan other = plan_of({{"q", 2, 3}});
    other.files.emplace_back("/etc/superd.d/more.toml");
    CHECK_FALSE(with_copies(plan_of(), other, "q"));
    CHECK_FALSE(with_copies(plan_of(), plan_of(), "single"));
}

TEST_CASE("scaling: it says how many there are, and what the file says where that differs") {
    CHECK(describe_copies(plan_of().copies.back()) == "2 copies");
    CHECK(describe_copies(plan_of({{"q", 2, 1}}).copies.back()) ==
            "1 copy; the file asks for 2");
}
