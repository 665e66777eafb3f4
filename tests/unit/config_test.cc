// SPDX-License-Identifier: MIT
// Whole files, from the disk to the plan.
#include "config/config.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "config/codec.h"

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

constexpr const char* host_file = "tests/data/host.toml";

ReadResult read_host() {
    ReadOptions options;
    options.path = host_file;
    options.root = true;
    return read_config(options);
}

const ServicePlan& find(const Plan& plan, std::string_view name) {
    for (const auto& service : plan.services)
        if (service->name == name) return *service;
    FAIL("no service " << name);
    throw std::logic_error("unreachable");
}

}  // namespace

TEST_CASE("config: a host's file is read with its includes and lists") {
    const ReadResult result = read_host();
    INFO(render(result.diagnostics));
    REQUIRE(result.plan);
    CHECK(result.diagnostics.all().empty());
    const Plan& plan = *result.plan;
    REQUIRE(result.files.size() == 2);
    CHECK(result.files == plan.files);
    CHECK(result.files[0].ends_with("tests/data/host.toml"));
    CHECK(result.files[1].ends_with("tests/data/host.d/local.toml"));
    CHECK(plan.services.size() == 6);
    REQUIRE(plan.networks.size() == 3);
    CHECK(plan.networks[2].blocks.size() == 2);
    CHECK(plan.daemon.max_processes.value == 2000u);

    const ServicePlan& shell = find(plan, "shell");
    CHECK(shell.admission.max_connections.value == 150u);
    CHECK(shell.admission.max_per_source.value == 5u);
    CHECK(shell.admission.rate_per_source->pause == 5min);
    CHECK(shell.stop_timeout == 30s);

    const ServicePlan& copy = find(plan, "copy");
    CHECK(copy.exec.argv == std::vector<std::string>{"/bin/cat", "-u", "-"});
    CHECK(copy.admission.max_connections.value == 5u);
    CHECK(plan.where(copy.admission.max_connections.origin).ends_with("host.d/local.toml:2"));
    REQUIRE(copy.admission.access.size() == 4);
    CHECK(copy.admission.access[2].text == "192.0.2.0/24");
    CHECK(copy.admission.hours.size() == 2);
    CHECK(copy.admission.on_limit == OnLimit::refuse);

    CHECK(find(plan, "packets").mode == Mode::worker);
    CHECK(find(plan, "packets").skipped.size() == 3);
    const ServicePlan& pool = find(plan, "pool");
    CHECK(pool.start == Start::boot);
    CHECK(pool.pass == Pass::listen_fds);
    REQUIRE(pool.listeners.size() == 2);
    CHECK(pool.listeners[0].name == "pool");
    CHECK(pool.listeners[1].name == "local");
    CHECK(find(plan, "runner").mode == Mode::daemon);
    CHECK_FALSE(find(plan, "runner").enabled);
    CHECK_FALSE(find(plan, "later").enabled);

    const auto back = decode_read_result(encode_read_result(result));
    REQUIRE(back);
    REQUIRE(back->plan);
    CHECK(encode_plan(*back->plan) == encode_plan(plan));
}

TEST_CASE("config: a file that is not there is an error and no plan") {
    ReadOptions options;
    options.path = "tests/data/nosuch.toml";
    const ReadResult result = read_config(options);
    CHECK_FALSE(result.plan);
    CHECK(result.diagnostics.has_errors());
}

TEST_CASE("config: a broken file has all its mistakes at once and no plan") {
    std::string path = "/tmp/superd-unit-XXXXXX";
    const int fd = ::mkstemp(path.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream(path) << "[superd]\nlogg = 1\n[service.a]\nlisten = \"22\"\nexec = "
                           "\"x\"\n[service.b]\nwait = \"yes\"\nexec = \"/bin/true\"\n";
    ReadOptions options;
    options.path = path;
    const ReadResult result = read_config(options);
    std::remove(path.c_str());
    CHECK_FALSE(result.plan);
    CHECK(result.diagnostics.all().size() == 4);
    const std::string text = render(result.diagnostics);
    CHECK(text.find(path + ":4:10: error: \"22\" is not an address\n    listen = \"22\"\n      "
                           "       ^\n    write \"tcp:22\"\n") != std::string::npos);
}
