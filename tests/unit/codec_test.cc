// SPDX-License-Identifier: MIT
#include "config/codec.h"

#include <random>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

// Something in every field.
const std::string everything = R"([superd]
log = ["journal", "file:/x"]
admin_group = "staff"
max_processes = 100
dump_file = "/run/dump"
[networks]
office = ["10.0.0.0/8", "fd00::/8"]
[defaults]
user = "git"
max_per_source = 7
[service.handler]
description = "all of it"
listen = [
  { address = "tcp:[::1]:22", name = "a", keepalive = true, keepalive_time = "1m", v6only = false, tos = 4 },
  { address = "unix:/run/x", mode = "0600", owner = "git", group = "www" },
]
exec = ["/bin/true", "a b"]
argv0 = "-x"
allow = ["@office", "uid:5"]
deny = "192.0.2.0/24"
hours = "Mon..Fri 07:00-19:00"
rate = { limit = "50/s", burst = 100, pause = "10s" }
rate_per_source = "6/min"
max_load = 4.5
on_limit = "refuse"
refuse_text = "full\n"
umask = "0027"
nice = -5
oom_score_adjust = 100
rlimits = { cpu = "5m", nofile = "256:1024" }
directory = "/tmp"
runtime_directory = "x"
environment = { A = "b" }
pass_environment = "TZ"
credentials = { db = "/etc/passwd" }
cpu_affinity = [0, 1]
ionice = "best-effort:3"
stderr = "file:/tmp/err"
stop_timeout = "1m"
on_stop = "end"
[service.worker]
listen = "udp:69"
workers = 3
start = "boot"
exec = "/bin/true"
[service.daemon]
enabled = false
exec = "/bin/true"
start = "manual"
)";

Plan everything_plan() {
    const Resolved resolved = resolve_text(everything);
    REQUIRE(resolved.errors() == "");
    return resolved.plan;
}

bool same(const Plan& a, const Plan& b) {
    if (a.files != b.files || !(a.daemon == b.daemon) || a.networks != b.networks ||
            a.services.size() != b.services.size())
        return false;
    for (std::size_t i = 0; i < a.services.size(); ++i)
        if (!(*a.services[i] == *b.services[i])) return false;
    return true;
}

}  // namespace

TEST_CASE("codec: a plan comes back as it was") {
    const Plan plan = everything_plan();
    const std::string bytes = encode_plan(plan);
    const auto back = decode_plan(bytes);
    REQUIRE(back);
    CHECK(same(plan, *back));
    CHECK(encode_plan(*back) == bytes);
    const auto empty = decode_plan(encode_plan(Plan{}));
    REQUIRE(empty);
    CHECK(empty->services.empty());
}

TEST_CASE("codec: numbers at their limits come back") {
    auto service = std::make_shared<ServicePlan>();
    service->exec.nice = std::numeric_limits<std::int32_t>::min();
    service->exec.oom_score_adjust = std::numeric_limits<std::int32_t>::max();
    service->exec.rlimits.push_back({255, ~std::uint64_t{0}, 0});
    service->stop_timeout = Nanoseconds::max();
    service->launch_timeout = Nanoseconds::min();
    service->admission.max_load = -0.0;
    service->admission.max_connections.value = std::numeric_limits<std::uint32_t>::max();
    Plan plan;
    plan.services.push_back(service);
    const auto back = decode_plan(encode_plan(plan));
    REQUIRE(back);
    CHECK(same(plan, *back));
}

TEST_CASE("codec: no shorter text is a plan, nor a longer one") {
    const std::string bytes = encode_plan(everything_plan());
    for (std::size_t length = 0; length < bytes.size(); ++length)
        REQUIRE_FALSE(decode_plan(std::span(bytes.data(), length)));
    CHECK_FALSE(decode_plan(bytes + '\0'));
}

TEST_CASE("codec: a plan of another build, or something else, is not taken") {
    std::string bytes = encode_plan(everything_plan());
    for (std::size_t i = 0; i < 12; ++i) {
        std::string other = bytes;
        other[i] = static_cast<char>(other[i] ^ 1);
        CHECK_FALSE(decode_plan(other));
    }
    CHECK_FALSE(decode_plan(encode_read_result(ReadResult{})));
    CHECK_FALSE(decode_read_result(bytes));
}

TEST_CASE("codec: damaged bytes give no plan or a whole one, never a crash") {
    const std::string bytes = encode_plan(everything_plan());
    std::mt19937 random(4711);
    for (int round = 0; round < 5000; ++round) {
        std::string damaged = bytes;
        for (int i = 0; i < 3; ++i)
            damaged[random() % damaged.size()] = static_cast<char>(random());
        if (const auto plan = decode_plan(damaged)) CHECK(decode_plan(encode_plan(*plan)));
    }
}

TEST_CASE("codec: a count that is larger than what follows is refused before memory is taken") {
    // Behind magic, version and fingerprint, none of which holds a NUL, is the count of files.
    const std::string bytes = encode_plan(Plan{});
    const std::string magic_and_more = bytes.substr(0, bytes.find('\0'));
    CHECK_FALSE(decode_plan(magic_and_more + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));
    CHECK_FALSE(decode_plan(magic_and_more + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
}

TEST_CASE("codec: what the reader answers comes back with its diagnostics") {
    ReadResult result;
    result.plan = everything_plan();
    result.files = {"/etc/superd.toml", "/etc/superd.d/x.toml"};
    Diagnostic diagnostic;
    diagnostic.severity = Severity::warning;
    diagnostic.at = {"/etc/superd.toml", 3, 7};
    diagnostic.message = "message";
    diagnostic.suggestion = "suggestion";
    diagnostic.source_line = "line";
    diagnostic.other = {"/x", 1, 2};
    result.diagnostics.add(diagnostic);
    result.diagnostics.error({"/y", 0, 0}, "wrong");
    const auto back = decode_read_result(encode_read_result(result));
    REQUIRE(back);
    REQUIRE(back->plan);
    CHECK(same(*result.plan, *back->plan));
    CHECK(back->files == result.files);
    CHECK(back->diagnostics.has_errors());
    CHECK(render(back->diagnostics) == render(result.diagnostics));
    const std::string bytes = encode_read_result(result);
    for (std::size_t length = 0; length < bytes.size(); length += 7)
        CHECK_FALSE(decode_read_result(std::span(bytes.data(), length)));
}

TEST_CASE("codec: the JSON of a service speaks as superd.toml does and hides secrets") {
    Plan plan = everything_plan();
    auto handler = std::make_shared<ServicePlan>(*plan.services[1]);
    REQUIRE(handler->name == "handler");
    handler->exec.environment.push_back({"SECRET", "hidden", true});
    handler->exec.argv.push_back("\xff not UTF-8");
    const std::string json = plan_json(plan, *handler);
    for (const char* part : {"\"name\": \"handler\"", "\"mode\": \"handler\"",
                 "\"umask\": \"0027\"", "\"stop_timeout\": \"1m\"", "\"cpu\": \"5m:5m\"",
                 "\"nofile\": \"256:1024\"", "\"ionice\": \"best-effort:3\"",
                 "\"limit\": \"50/s\"", "\"max_per_source\": 7", "\"rule\": \"@office\"",
                 "\"origin\": \"/etc/superd.toml:19\"", "\"stderr\": \"file:/tmp/err\"",
                 "\"A\": \"b\"", "\"user\": \"git\"", "\"address\": \"tcp:[::1]:22\"",
                 "\"keepalive_time\": \"1m\"", "\"on_stop\": \"end\"",
                 "\"hours\": \"Mon,Tue,Wed,Thu,Fri 07:00-19:00\"", "\"mode\": \"0600\""}) {
        INFO(part);
        CHECK(json.find(part) != std::string::npos);
    }
    CHECK(json.find("hidden") == std::string::npos);
    CHECK(json.find("SECRET") == std::string::npos);
}
