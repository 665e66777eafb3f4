// SPDX-License-Identifier: MIT
// superctl upgrade: asks for it and waits until another superd answers.
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include <fmt/format.h>

#include "base/text.h"
#include "control/ctl.h"
#include "control/names.h"

namespace superd {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr auto look_interval = std::chrono::milliseconds(10);
// Unless --timeout says otherwise: what the successor needs to come to serve.
constexpr Nanoseconds usual_patience = std::chrono::seconds(60);

struct Running {
    std::int64_t pid = 0;
    std::string version, failure;
};

std::optional<Running> who_runs(const CtlGlobals& globals, Outcome& problem) {
    auto client = ControlClient::connect(globals.socket);
    if (!client) {
        problem = client.error();
        return {};
    }
    const auto answer = client->call("Describe", {}, globals.timeout);
    const auto json = Json::parse(answer.message, nullptr, false);
    if (answer.code != exit_code::ok || !json.is_object() || !json.contains("daemon")) {
        problem = answer;
        return {};
    }
    const auto& daemon = json["daemon"];
    return Running{daemon.value("pid", std::int64_t{0}), daemon.value("version", ""),
            daemon.value("upgrade_failure", "")};
}

// Meanwhile nobody answers, for as long as the one superd ends and the other one begins.
std::optional<Running> wait_for_other(const CtlGlobals& globals, std::int64_t before) {
    const auto end = Clock::now() + std::min(globals.timeout, usual_patience);
    for (;;) {
        Outcome problem;
        const auto running = who_runs(globals, problem);
        if (running && running->pid != before) return running;
        if (Clock::now() >= end) return {};
        std::this_thread::sleep_for(look_interval);
    }
}

int print_upgrade(const CtlGlobals& globals, const Running& before, const Running& after) {
    if (!after.failure.empty())
        return ctl_fail(globals, {exit_code::failed, fmt::format("superd {} goes on: {}",
                                                             after.version, after.failure)});
    if (globals.json)
        ctl_print(Json{{"version", 1},
                          {"upgrade", Json{{"from", before.version}, {"to", after.version},
                                              {"pid", after.pid}}}}
                          .dump() +
                  "\n");
    else
        ctl_print(fmt::format(
                "superd {} has taken the place of superd {}\n", after.version, before.version));
    return exit_code::ok;
}

}  // namespace

int ctl_upgrade(const CtlGlobals& globals, const std::string& program) {
    Outcome problem;
    const auto before = who_runs(globals, problem);
    if (!before) return ctl_fail(globals, problem);
    auto client = ControlClient::connect(globals.socket);
    if (!client) return ctl_fail(globals, client.error());
    const std::string path =
            program.empty() ? program : std::filesystem::absolute(program).string();
    const auto answer = client->call("Upgrade", {path}, globals.timeout);
    if (answer.code != exit_code::ok) return ctl_fail(globals, answer);
    const auto after = wait_for_other(globals, before->pid);
    if (!after)
        return ctl_fail(globals,
                {exit_code::timeout, "no other superd answers yet; superctl status shows it"});
    return print_upgrade(globals, *before, *after);
}

}  // namespace superd
