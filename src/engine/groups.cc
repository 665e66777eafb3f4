// SPDX-License-Identifier: MIT
// All processes that came of one daemon or worker, taken together.
#include "engine/groups.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>

#include <fmt/format.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/process.h"
#include "sys/stillness.h"

namespace superd {

namespace {

// As long as the guard lives it is the same, and no other superd has it.
std::string directory_name(const StateHeader& header) {
    std::string name = "superd-";
    for (std::size_t i = 0; i < 6; ++i)
        name += fmt::format("{:02x}", header.source_seed[i]);
    return name;
}

std::string group_name(std::string_view service, std::uint32_t number) {
    return fmt::format("{}/{}", service, number);
}

// The program, and the process group that it is in: mostly it leads one, but a program may have
// named another process that does its work. As long as the process can be told, ended or not,
// the number of the group is nobody else's.
bool signal_led(const ProcessRecord& process, int signal) {
    const std::int32_t pid = process.pid.load();
    const pid_t group = pid > 1 ? ::getpgid(pid) : -1;
    if (!signal_process(process, signal)) return false;
    if (group > 1 && group != ::getpgrp()) ::kill(-group, signal);
    return true;
}

}  // namespace

Groups::Groups(const State& state) : header_(state.header()) {}

Groups::~Groups() {
    if (tree_) tree_->remove_empty();
}

// Looked for when the first process lives on by itself: a superd of handlers needs none.
const std::optional<CgroupTree>& Groups::tree() const {
    if (!looked_) tree_ = CgroupTree::find(directory_name(header_));
    looked_ = true;
    return tree_;
}

Groups::Place Groups::open(std::string_view service, std::uint32_t number) const {
    if (!tree()) return {};
    const std::string name = group_name(service, number);
    auto directory = tree()->open(name);
    if (!directory) return {};
    return {std::make_shared<const Fd>(std::move(*directory)),
            tree()->path_of(name) + "/cgroup.procs"};
}

Result<void> Groups::bound(std::string_view service, const LimitsPlan& limits) const {
    if (!tree() && !limits.any()) return {};
    if (!tree())
        return fail(
                0, "memory_max and its like: no control group of version 2 may be made here");

    struct Bound {
        std::string_view key, file;
        std::optional<std::string> value;
        std::string none;
    };

    constexpr std::uint64_t period = 100'000;  // microseconds; what cpu.max counts in
    const auto text = [](const auto& number) {
        return number ? std::optional(std::to_string(*number)) : std::nullopt;
    };
    std::optional<std::string> share;
    if (limits.cpu_max) share = fmt::format("{} {}", *limits.cpu_max * period / 100, period);
    Result<void> first;
    for (const Bound& one : {Bound{"memory_max", "memory.max", text(limits.memory_max), "max"},
                 Bound{"tasks_max", "pids.max", text(limits.tasks_max), "max"},
                 Bound{"cpu_max", "cpu.max", share, fmt::format("max {}", period)},
                 Bound{"io_weight", "io.weight", text(limits.io_weight), "100"}}) {
        // A bound of another plan is let go; a file that is not there bounds nothing.
        if (!one.value && !tree()->read(service, std::string(one.file))) continue;
        auto done = bound_one(service, one.key, one.file, one.value.value_or(one.none));
        if (!done && one.value && first) first = std::move(done);
    }
    return first;
}

Result<void> Groups::bound_one(std::string_view service, std::string_view key,
        std::string_view file, const std::string& value) const {
    const std::string controller(file.substr(0, file.find('.')));
    auto done = tree()->enable(controller);
    if (!done && (done.error().code == ENOENT || done.error().code == EINVAL))
        return fail(0, std::string(key) + ": the kernel has no " + controller +
                               " controller for superd's group");
    if (done) done = tree()->write(service, std::string(file), value);
    if (!done) return fail(done.error().code, std::string(key) + ": " + done.error().subject);
    return {};
}

std::optional<GroupUsage> Groups::usage(std::string_view service) const {
    if (!tree()) return std::nullopt;
    const auto read = [&](const char* file) {
        return tree()->read(service, file).value_or(std::string());
    };
    const auto processor = count_in(read("cpu.stat"), "usage_usec");
    if (!processor) return std::nullopt;
    GroupUsage usage;
    usage.processor = std::chrono::microseconds(*processor);
    usage.memory = parse_decimal(trim(read("memory.current")));
    usage.tasks = parse_decimal(trim(read("pids.current")));
    usage.processor_pressure = pressure_in(read("cpu.pressure"));
    usage.memory_pressure = pressure_in(read("memory.pressure"));
    usage.io_pressure = pressure_in(read("io.pressure"));
    return usage;
}

std::uint64_t Groups::memory_kills(std::string_view service) const {
    if (tree())
        if (const auto events = tree()->read(service, "memory.events"))
            return count_in(*events, "oom_kill").value_or(0);
    return memory_kills_of_all();
}

std::optional<bool> Groups::holds(
        std::string_view service, const ProcessRecord& process, std::int32_t pid) const {
    if (!tree()) return std::nullopt;
    const auto all = tree()->processes(group_name(service, process.listener));
    const auto has = [&all](std::int32_t one) {
        return std::find(all.begin(), all.end(), one) != all.end();
    };
    if (!has(process.pid.load())) return std::nullopt;
    return has(pid);
}

unsigned Groups::signal(
        std::string_view service, const ProcessRecord& process, int signal) const {
    const unsigned told =
            tree() ? tree()->signal(group_name(service, process.listener), signal) : 0;
    if (told > 0) return told;
    return signal_led(process, signal) ? 1 : 0;
}

std::vector<pid_t> Groups::members(
        std::string_view service, const ProcessRecord& process) const {
    std::vector<pid_t> members;
    if (tree()) members = tree()->processes(group_name(service, process.listener));
    return members.empty() ? members_of_group(process.pid.load()) : members;
}

unsigned Groups::end(std::string_view service, const ProcessRecord& process) const {
    const std::string name = group_name(service, process.listener);
    const auto left = tree() ? tree()->processes(name) : std::vector<pid_t>{};
    if (!left.empty() && tree()->kill(name)) return static_cast<unsigned>(left.size());
    if (left.empty() && tree()) {
        signal_process(process, SIGKILL);
        return 0;
    }
    signal_led(process, SIGKILL);
    return 0;
}

}  // namespace superd
