// SPDX-License-Identifier: MIT
// The numbers of services with dynamic_user.
#include "config/dynamic_users.h"

#include <set>
#include <string>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

bool nobody(std::uint32_t) {
    return false;
}

std::uint32_t given(DynamicUsers& users, const std::string& service,
        const DynamicUsers::Test& is_account = nobody,
        const DynamicUsers::Test& in_use = nobody) {
    const auto number = users.take(service, is_account, in_use);
    return number ? *number : 0;
}

std::string service(const std::string& name, const std::string& body) {
    return "[service." + name + "]\nexec = \"/bin/true\"\n" + body;
}

}  // namespace

TEST_CASE(
        "dynamic user: every service has a number of its own, in the range, until none is "
        "left") {
    DynamicUsers users;
    std::set<std::uint32_t> seen;
    const std::uint32_t count = last_dynamic_user - first_dynamic_user + 1;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto number = users.take("s" + std::to_string(i), nobody, nobody);
        REQUIRE(number);
        seen.insert(*number);
    }
    CHECK(seen.size() == count);
    CHECK(*seen.begin() == first_dynamic_user);
    CHECK(*seen.rbegin() == last_dynamic_user);
    CHECK_FALSE(users.take("one more", nobody, nobody));
}

TEST_CASE(
        "dynamic user: the number goes by the name, and past accounts, processes and others") {
    DynamicUsers first, second, third;
    const std::uint32_t number = given(first, "web");
    CHECK(given(second, "web") == number);
    const auto same = [&](std::uint32_t id) {
        return id == number;
    };
    const std::uint32_t other = given(third, "web", same);
    CHECK(other != number);
    DynamicUsers fourth, fifth;
    CHECK(given(fourth, "web", nobody, same) == other);
    fifth.reserve(number);
    CHECK(given(fifth, "web") == other);
}

TEST_CASE("dynamic user: what a service has it keeps, and nobody else is given it") {
    DynamicUsers plain;
    const std::uint32_t number = given(plain, "web");
    const std::uint32_t mine = number == 61200 ? 61201 : 61200;
    const std::string former = dynamic_users_text({{"gone", number}, {"web", mine}});
    DynamicUsers users;
    users.remember(former);
    // Its own processes run under it.
    CHECK(given(users, "web", nobody, [&](std::uint32_t id) { return id == mine; }) == mine);
    const std::uint32_t fresh = given(users, "fresh");
    CHECK(fresh != number);
    CHECK(fresh != mine);
    CHECK(given(users, "gone") == number);
    // An account that has come since is in the way.
    DynamicUsers later;
    later.remember(former);
    CHECK(given(later, "web", [&](std::uint32_t id) { return id == mine; }) != mine);
}

TEST_CASE(
        "dynamic user: of what is no pair of a name and a number in the range nothing is "
        "kept") {
    DynamicUsers users, plain;
    users.remember("web web= web=x web=0 web=61183 web=65520 web=99999999999 =");
    CHECK(given(users, "web") == given(plain, "web"));
    // Two cannot have one number: the first has it.
    DynamicUsers twice;
    twice.remember("a=61300 b=61300");
    CHECK(given(twice, "a") == 61300);
    CHECK(given(twice, "b") != 61300);
}

TEST_CASE("resolve: dynamic_user is an identity without names, and a sandbox") {
    const Resolved resolved = resolve_text(
            service("a", "dynamic_user = true\n") + service("b", "dynamic_user = true\n"));
    CHECK(resolved.text() == "");
    const ServicePlan *const a = resolved.service("a"), *const b = resolved.service("b");
    REQUIRE(a != nullptr);
    REQUIRE(b != nullptr);
    const IdentityPlan& identity = a->exec.identity;
    CHECK(identity.change);
    CHECK(identity.uid >= first_dynamic_user);
    CHECK(identity.uid <= last_dynamic_user);
    CHECK(identity.gid == identity.uid);
    CHECK(identity.groups.empty());
    CHECK(b->exec.identity.uid != identity.uid);
    const SandboxPlan& sandbox = a->exec.sandbox;
    CHECK(sandbox.dynamic_user);
    CHECK(sandbox.no_new_privs);
    CHECK(sandbox.private_tmp);
    CHECK(sandbox.restrict_suid_sgid);
    CHECK(sandbox.protect_system == ProtectSystem::strict);
    CHECK(sandbox.protect_home == ProtectHome::read_only);
    CHECK(sandbox.filters.size() == 1);
}

TEST_CASE("resolve: dynamic_user and user, the one that stands over the other counts") {
    const std::string own = service("s", "dynamic_user = true\n");
    const Resolved over = resolve_text("[defaults]\nuser = \"git\"\ngroup = \"staff\"\n" + own);
    CHECK(over.text() == "");
    const ServicePlan* const plan = over.service("s");
    REQUIRE(plan != nullptr);
    CHECK(plan->exec.sandbox.dynamic_user);
    CHECK(plan->exec.identity.gid == plan->exec.identity.uid);
    const Resolved under = resolve_text(
            "[defaults]\ndynamic_user = true\n" + service("s", "user = \"git\"\n"));
    CHECK(under.text() == "");
    const ServicePlan* const named = under.service("s");
    REQUIRE(named != nullptr);
    CHECK_FALSE(named->exec.sandbox.dynamic_user);
    CHECK(named->exec.identity.uid == 1001);
    CHECK(resolve_text(service("s", "dynamic_user = false\nuser = \"git\"\n")).text() == "");
}

TEST_CASE("resolve: what dynamic_user cannot go together with is an error") {
    const auto refuses = [](const std::string& body, const char* what, bool root = true) {
        const std::string text =
                resolve_text(service("s", "dynamic_user = true\n" + body), root).errors();
        INFO(body << ": " << text);
        return text.find(what) != std::string::npos;
    };
    CHECK(refuses("user = \"git\"\n", "user and dynamic_user exclude"));
    CHECK(refuses("group = \"git\"\n", "group and dynamic_user exclude"));
    CHECK(refuses("", "dynamic_user needs root", false));
    CHECK(refuses("no_new_privs = false\n", "does not go without no_new_privs"));
    CHECK(refuses("private_tmp = false\n", "does not go without private_tmp"));
    CHECK(refuses("protect_system = \"no\"\n", "does not go without protect_system"));
    CHECK(refuses("protect_home = \"no\"\n", "does not go without protect_home"));
    CHECK_FALSE(refuses("protect_home = \"tmpfs\"\n", "protect_home"));
    CHECK_FALSE(refuses("protect_system = \"full\"\n", "protect_system"));
}

TEST_CASE("resolve: a number that the file names itself is given to no dynamic_user") {
    DynamicUsers users;
    const std::uint32_t number = given(users, "s");
    const std::string text = std::to_string(number);
    const Resolved resolved =
            resolve_text(service("s", "dynamic_user = true\n") +
                         service("z", "user = \"" + text + "\"\ngroup = \"" + text + "\"\n"));
    const ServicePlan* const plan = resolved.service("s");
    REQUIRE(plan != nullptr);
    CHECK(plan->exec.identity.uid != number);
}
