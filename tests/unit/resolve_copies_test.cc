// SPDX-License-Identifier: MIT
// replicas: which copies there are, and what each of them is told.
#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

constexpr const char* program = "user = \"git\"\nexec = [\"/bin/echo\", \"%i\"]\n";

Resolved resolve(const std::string& body, const std::string& more = {}) {
    return resolve_text("[service.q]\n" + std::string(program) + body + more, true);
}

ServicePlan good(const Resolved& resolved, const char* name) {
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service(name);
    if (plan == nullptr) FAIL("there is no service " << name);
    return plan != nullptr ? *plan : ServicePlan{};
}

bool says(const std::string& text, const char* what) {
    INFO(text);
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("copies: a number makes services of their own, and none of the name itself") {
    const Resolved resolved = resolve("replicas = 2\n");
    CHECK(good(resolved, "q@0").exec.argv == std::vector<std::string>{"/bin/echo", "0"});
    const ServicePlan second = good(resolved, "q@1");
    CHECK(second.exec.argv == std::vector<std::string>{"/bin/echo", "1"});
    CHECK(second.copy.of == "q");
    CHECK(second.copy.name == "1");
    CHECK(resolved.service("q") == nullptr);
    CHECK(resolved.service("q@2") == nullptr);
}

TEST_CASE("copies: another number asked for at run time counts while the file's is the same") {
    const auto scaled = [](const char* replicas, ScaledCopies asked) {
        const Resolved resolved =
                resolve_files({{"/etc/superd.toml", "[service.q]\n" + std::string(program) +
                                                            "replicas = " + replicas}},
                        true, {std::move(asked)});
        REQUIRE(resolved.text() == "");
        REQUIRE(resolved.plan.copies.size() == 1);
        CHECK(resolved.plan.services.size() == resolved.plan.copies[0].names.size());
        return resolved.plan.copies[0];
    };
    const CopiesPlan more = scaled("2", {"q", 2, 4});
    CHECK(more.names == std::vector<std::string>{"0", "1", "2", "3"});
    CHECK(more.written == 2);
    CHECK(more.scaled == 4U);
    CHECK(scaled("3", {"q", 3, 1}).names == std::vector<std::string>{"0"});
    // The file's own number again, another one of the file, another service, a list of names.
    for (const CopiesPlan& plain : {scaled("2", {"q", 2, 2}), scaled("2", {"q", 3, 5}),
                 scaled("2", {"r", 2, 5}), scaled("[\"a\", \"b\"]", {"q", 2, 5})}) {
        CHECK(plain.names.size() == 2);
        CHECK(plain.scaled == std::nullopt);
    }
}

TEST_CASE("copies: a list gives them names, and every text may have them in it") {
    const Resolved resolved = resolve(
            "replicas = [\"usr\", \"etc\"]\nlisten = [\"unix:/run/%i.sock\"]\n"
            "environment = { WHO = \"%n of %p, 100%%, %x\" }\nstate_directory = \"q/%i\"\n"
            "directory = \"/%i\"\nstderr = \"file:/var/log/%p-%i.log\"\n");
    const ServicePlan plan = good(resolved, "q@etc");
    REQUIRE(plan.listeners.size() == 1);
    CHECK(plan.listeners[0].address == "unix:/run/etc.sock");
    CHECK(plan.listeners[0].name == "q");
    REQUIRE(plan.exec.environment.size() == 1);
    CHECK(plan.exec.environment[0].value == "q@etc of q, 100%, %x");
    CHECK(plan.exec.state_directory == std::vector<std::string>{"q/etc"});
    CHECK(plan.exec.directory == "/etc");
    CHECK(plan.exec.standard_error.path == "/var/log/q-etc.log");
}

TEST_CASE("copies: a port is made of text too") {
    const Resolved resolved = resolve("replicas = 3\nlisten = \"tcp:808%i\"\n");
    const ServicePlan plan = good(resolved, "q@2");
    REQUIRE(plan.listeners.size() == 1);
    CHECK(plan.listeners[0].port == 8082);
}

TEST_CASE("copies: an override says how many, and is read with the name put in") {
    const Resolved resolved = resolve(
            "replicas = 1\n", "[override.q]\nreplicas = 2\nexec = [\"/bin/cat\", \"%n\"]\n");
    CHECK(good(resolved, "q@1").exec.argv == std::vector<std::string>{"/bin/cat", "q@1"});
}

TEST_CASE("copies: without replicas a percent is a percent") {
    const Resolved resolved = resolve("");
    CHECK(good(resolved, "q").exec.argv == std::vector<std::string>{"/bin/echo", "%i"});
}

TEST_CASE("copies: who starts after them starts after all of them") {
    const Resolved resolved = resolve("replicas = 2\n",
            "[service.app]\nuser = \"git\"\nexec = \"/bin/true\"\nafter = \"q\"\n"
            "wants = \"q@1\"\n");
    const ServicePlan plan = good(resolved, "app");
    REQUIRE(plan.dependencies.after.size() == 2);
    CHECK(plan.dependencies.after[0].name == "q@0");
    CHECK(plan.dependencies.after[1].name == "q@1");
    REQUIRE(plan.dependencies.wants.size() == 1);
    CHECK(plan.dependencies.wants[0].name == "q@1");
}

TEST_CASE("copies: what cannot be is refused") {
    CHECK(says(resolve("replicas = 0\n").text(), "0 is out of range for replicas"));
    CHECK(says(resolve("replicas = 1025\n").text(), "it goes from 1 to 1024"));
    CHECK(says(resolve("replicas = []\n").text(), "replicas names no copy"));
    CHECK(says(resolve("replicas = \"two\"\n").text(), "a number or a list of names"));
    CHECK(says(resolve("replicas = [\"a\", \"a\"]\n").text(), "stands there twice"));
    CHECK(says(resolve("replicas = [\"a/b\"]\n").text(), "is not a name for a copy"));
    CHECK(says(resolve("replicas = [1]\n").text(), "the name of a copy is text"));
    const std::string longest(61, 'a');
    CHECK(resolve("replicas = [\"" + longest + "\"]\n").text().empty());
    CHECK(says(resolve("replicas = [\"" + longest + "a\"]\n").text(), "is too long"));
    CHECK(says(resolve("replicas = 2\nafter = \"q\"\n").text(), "cannot be in its own after"));
    CHECK(says(resolve("replicas = 2\nlisten = \"tcp:80\"\n").text(),
            "tcp:80 would be the address of several copies of q"));
}
