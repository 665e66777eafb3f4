// SPDX-License-Identifier: MIT
// sandbox and the switches behind it, from text to plan.
#include <linux/capability.h>
#include <sys/socket.h>

#include "config/sandbox_presets.h"

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

using Words = std::vector<std::string>;

Resolved resolve(const std::string& body, const std::string& before = {}, bool root = true) {
    const std::string user = root ? "user = \"git\"\n" : "";
    return resolve_text(
            before + "[service.s]\nlisten = \"tcp:2222\"\nexec = \"/bin/true\"\n" + user + body,
            root);
}

SandboxPlan good(const std::string& body, const std::string& before = {}) {
    const Resolved resolved = resolve(body, before);
    INFO(body);
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service("s");
    if (plan == nullptr) FAIL("there is no service");
    return plan != nullptr ? plan->exec.sandbox : SandboxPlan{};
}

bool refuses(const std::string& body, const char* what, bool root = true) {
    const std::string text = resolve(body, {}, root).errors();
    INFO(text);
    return text.find(what) != std::string::npos;
}

constexpr std::uint64_t bit(unsigned number) {
    return std::uint64_t{1} << number;
}

}  // namespace

TEST_CASE("resolve: without a word nothing is confined") {
    const SandboxPlan plan = good("");
    CHECK(plan == SandboxPlan{});
    CHECK_FALSE(plan.confines());
    CHECK_FALSE(plan.remounts());
}

TEST_CASE("resolve: a preset is what its switches would be, and its filters are made") {
    for (const Sandbox preset : {Sandbox::standard, Sandbox::strict}) {
        SandboxPlan plan = good(preset == Sandbox::strict ? "sandbox = \"strict\"\n"
                                                          : "sandbox = \"standard\"\n");
        CHECK(plan.filters.size() == 2);
        CHECK(plan.confines());
        plan.filters.clear();
        CHECK(plan == preset_plan(preset));
    }
    CHECK(good("sandbox = \"none\"\n") == SandboxPlan{});
    CHECK(refuses("sandbox = \"hard\"\n", "strict"));
}

TEST_CASE("resolve: a switch that is written stands over the preset of its own table") {
    const SandboxPlan plan =
            good("sandbox = \"strict\"\nmemory_deny_write_execute = false\n"
                 "allow_system_calls = { add = [\"ptrace\"] }\n"
                 "address_families = { add = [\"AF_NETLINK\"], remove = [\"inet\"] }\n"
                 "capabilities = { add = [\"net_raw\"] }\n");
    CHECK_FALSE(plan.memory_deny_write_execute);
    CHECK(plan.restrict_namespaces);
    CHECK(plan.allow_system_calls == Words{"@system-service", "ptrace"});
    REQUIRE(plan.address_families);
    CHECK(plan.address_families->numbers ==
            std::vector<std::uint16_t>{AF_UNIX, AF_INET6, AF_NETLINK});
    REQUIRE(plan.capabilities);
    CHECK(plan.capabilities->bits == bit(CAP_NET_RAW));
}

TEST_CASE("resolve: a preset replaces what the layers below it say") {
    const std::string defaults = "[defaults]\nrestrict_realtime = false\nno_new_privs = true\n";
    CHECK(good("sandbox = \"standard\"\n", defaults).restrict_realtime);
    CHECK_FALSE(good("sandbox = \"none\"\n", defaults).no_new_privs);
    CHECK(good("", defaults).no_new_privs);
    const std::string preset = "[defaults]\nsandbox = \"strict\"\n";
    CHECK_FALSE(good("restrict_realtime = false\n", preset).restrict_realtime);
    CHECK(good("restrict_realtime = false\n", preset).lock_personality);
}

TEST_CASE("resolve: capabilities by name, all of them less some") {
    const auto some = good("capabilities = [\"CAP_KILL\", \"net_bind_service\"]\n");
    REQUIRE(some.capabilities);
    CHECK(some.capabilities->bits == (bit(CAP_KILL) | bit(CAP_NET_BIND_SERVICE)));
    const auto less = good("capabilities = { remove = [\"sys_admin\"] }\n");
    REQUIRE(less.capabilities);
    CHECK(less.capabilities->bits == ~bit(CAP_SYS_ADMIN));
    CHECK(good("capabilities = []\n").confines());
    CHECK(good("ambient_capabilities = \"net_raw\"\n").ambient_capabilities.bits ==
            bit(CAP_NET_RAW));
    CHECK(refuses("capabilities = \"net_bind_servise\"\n", "\"net_bind_service\"?"));
    CHECK(refuses("ambient_capabilities = \"net_raw\"\ncapabilities = []\n",
            "not all among capabilities"));
}

TEST_CASE("resolve: a filter brings no_new_privs along unless that is refused") {
    CHECK(good("deny_system_calls = \"@clock\"\n").no_new_privs);
    const auto early = good("no_new_privs = false\nrestrict_realtime = true\n");
    CHECK_FALSE(early.no_new_privs);
    CHECK(early.filters.size() == 1);
    CHECK(refuses("deny_system_calls = \"execve\"\n", "without execve"));
    CHECK(refuses(
            "no_new_privs = false\ndeny_system_calls = \"@setuid\"\n", "with no_new_privs"));
}

TEST_CASE("resolve: words that are no system calls") {
    CHECK(refuses("deny_system_calls = \"@clok\"\n", "not a group of system calls"));
    CHECK(refuses("allow_system_calls = [\"raed\"]\n", "is no system call"));
    CHECK(refuses("allow_system_calls = \"~@clock\"\n", "deny_system_calls"));
    CHECK(refuses("address_families = \"netlnk\"\n", "\"netlink\"?"));
    CHECK(
            refuses("sandbox = \"strict\"\nallow_system_calls = { remove = "
                    "[\"@system-service\"] }\n",
                    "nothing is left of allow_system_calls"));
    CHECK(good("allow_system_calls = []\nsandbox = \"strict\"\n").allow_system_calls.empty());
}

TEST_CASE("resolve: paths and namespaces") {
    const SandboxPlan plan =
            good("protect_system = \"strict\"\nprotect_home = \"tmpfs\"\n"
                 "read_write_paths = [\"/tmp\"]\nprivate_network = true\n");
    CHECK(plan.protect_system == ProtectSystem::strict);
    CHECK(plan.protect_home == ProtectHome::tmpfs);
    CHECK(plan.remounts());
    CHECK_FALSE(plan.confines());
    CHECK(plan.read_write_paths == Words{"/tmp"});
    CHECK(good("private_network = true\n").steps_in());
    CHECK_FALSE(good("private_network = true\n").remounts());
    // A /proc of its own belongs to a pid namespace.
    CHECK(good("private_pids = true\n").private_pids);
    CHECK(good("private_pids = true\n").remounts());
    CHECK_FALSE(good("sandbox = \"strict\"\n").private_pids);
    CHECK(refuses("protect_system = true\n", "protect_system"));
    CHECK(refuses("read_only_paths = \"srv\"\n", "srv"));
    const std::string missing = resolve("inaccessible_paths = \"/nonexistent\"\n").text();
    CHECK(missing.find("warning") != std::string::npos);
}

TEST_CASE("resolve: Landlock brings no_new_privs along and cannot be without") {
    CHECK(good("landlock_read = [\"/\"]\n").no_new_privs);
    CHECK(refuses("landlock_read = \"/\"\nno_new_privs = false\n", "cannot gain"));
}

TEST_CASE("resolve: without root, what only root can do is an error") {
    for (const char* body :
            {"protect_system = \"full\"\n", "private_tmp = true\n", "private_network = true\n",
                    "private_pids = true\n", "read_only_paths = \"/usr\"\n"})
        CHECK(refuses(body, "only root may make a namespace", false));
    CHECK(resolve("landlock_read = \"/\"\nprotect_home = \"no\"\n", {}, false).text() == "");
    CHECK(refuses("sandbox = \"standard\"\n", "needs root", false));
    CHECK(refuses("capabilities = []\n", "capabilities needs root", false));
    CHECK(refuses("ambient_capabilities = [\"kill\"]\n", "only root has any to give", false));
    CHECK(refuses(
            "restrict_realtime = true\nno_new_privs = false\n", "without no_new_privs", false));
    for (const char* body : {"no_new_privs = true\n", "deny_system_calls = \"@mount\"\n",
                 "sandbox = \"none\"\n", "address_families = [\"unix\"]\n"})
        CHECK(resolve(body, {}, false).text() == "");
}
