// SPDX-License-Identifier: MIT
// The small part of the engine that tests of launches need: records, a spawner, a reaper and
// the programs' answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/accept.h"
#include "sys/reaper.h"
#include "sys/spawner.h"
#include "sys/state.h"

#include "support/own_process.h"
#include "support/wait_until.h"

namespace superd::test {

// The methods that work here: all of them, or the one that sanitizers leave.
inline std::vector<SpawnMethod> spawn_methods() {
    switch (probe_spawn_method()) {
        case SpawnMethod::shared_table:
            return {SpawnMethod::shared_table, SpawnMethod::vfork, SpawnMethod::fork};
        case SpawnMethod::vfork: return {SpawnMethod::vfork, SpawnMethod::fork};
        case SpawnMethod::fork: return {SpawnMethod::fork};
    }
    return {};
}

inline std::shared_ptr<SpawnPlan> plan_of(std::vector<std::string> argv) {
    auto plan = std::make_shared<SpawnPlan>();
    plan->service = "test";
    plan->program = argv.front();
    plan->argv = std::move(argv);
    plan->directory = "/";
    plan->launch_timeout = 2 * patience;
    plan->listen_fdnames = "connection";
    return plan;
}

inline std::shared_ptr<SpawnPlan> report_plan(std::vector<std::string> arguments = {}) {
    std::vector<std::string> argv{test_program("report")};
    for (std::string& argument : arguments)
        argv.push_back(std::move(argument));
    return plan_of(std::move(argv));
}

// Both ends of a stream, blocking, close-on-exec.
struct Pair {
    int ours = -1, theirs = -1;
};

inline Pair socket_pair() {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    return {ends[0], ends[1]};
}

inline std::string read_to_end(int fd) {
    std::string text;
    char block[16384];
    for (ssize_t n; (n = ::read(fd, block, sizeof block)) > 0;)
        text.append(block, static_cast<std::size_t>(n));
    ::close(fd);
    return text;
}

// KEY=VALUE lines of tests/programs/report.
inline std::map<std::string, std::string> parse_report(const std::string& text) {
    std::map<std::string, std::string> values;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        const bool variable = line.starts_with("env.");
        const std::size_t sign = line.find('=', variable ? 4 : 0);
        if (sign != std::string::npos) values[line.substr(0, sign)] = line.substr(sign + 1);
        if (end == std::string::npos) break;
        at = end + 1;
    }
    return values;
}

inline Reaper make_reaper(const State& state) {
    auto made = Reaper::create(state);
    if (made) return std::move(*made);
    std::abort();
}

// Everything below the numbers reserve_slots() needs must be free: use in_own_process().
class Bench {
public:
    explicit Bench(SpawnMethod method, unsigned threads = 2, unsigned ceiling = 256)
            : state(State::for_test({2048, 16, 16, 256})),
              spawner(state, {.method = method, .threads = threads, .ceiling = ceiling}),
              reaper(make_reaper(state)) {
        state.header().process_high = static_cast<std::uint32_t>(state.processes().size());
    }

    std::uint32_t take_record(ProcessKind kind = ProcessKind::handler) {
        ProcessRecord& record = state.processes()[next_];
        record.pid = 0;
        record.pidfd = -1;
        record.connection = -1;
        record.error = 0;
        record.kind = kind;
        record.attempts = 0;
        record.state = RecordState::accepted;
        return next_++;
    }

    std::uint32_t submit(std::shared_ptr<const SpawnPlan> plan, int connection,
            std::uint32_t service = 0, const Endpoint& peer = {}) {
        Launch launch;
        launch.facts.peer = peer;
        launch.record = take_record();
        launch.service = service;
        launch.plan = std::move(plan);
        launch.connection = connection;
        state.processes()[launch.record].connection = connection;
        if (connection >= 0)
            state.processes()[launch.record].cookie = socket_cookie(connection);
        const std::uint32_t index = launch.record;
        spawner.submit(std::move(launch));
        return index;
    }

    // Results until `count` more are there; those that could be started are watched.
    std::vector<LaunchResult> results(std::size_t count) {
        std::vector<LaunchResult> out;
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (out.size() < count) {
            if (std::chrono::steady_clock::now() > deadline) std::abort();
            pollfd entry{.fd = spawner.event_fd(), .events = POLLIN, .revents = 0};
            ::poll(&entry, 1, 5);
            spawner.drain(out);
            spawner.tick(std::chrono::steady_clock::now());
        }
        for (const LaunchResult& result : out)
            if (state.processes()[result.record].pid.load() > 0)
                (void)reaper.add(result.record);
        return out;
    }

    // Ends until `count` more are there, each reaped and its record freed.
    std::vector<Ended> ends(std::size_t count) {
        std::vector<Ended> out;
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (out.size() < count) {
            if (std::chrono::steady_clock::now() > deadline) std::abort();
            pollfd entry{.fd = reaper.fd(), .events = POLLIN, .revents = 0};
            ::poll(&entry, 1, 1000);
            const std::size_t before = out.size();
            reaper.wait(out);
            for (std::size_t i = before; i < out.size(); ++i) {
                reaper.reap(out[i].record);
                state.processes()[out[i].record].state = RecordState::free;
            }
        }
        return out;
    }

    // One handler from its start to its end: what it wrote on its connection.
    std::string answer_of(std::shared_ptr<const SpawnPlan> plan) {
        const Pair pair = socket_pair();
        submit(std::move(plan), pair.theirs);
        const auto started = results(1);
        std::string text = read_to_end(pair.ours);
        ends(1);
        return text;
    }

    State state;
    Spawner spawner;
    Reaper reaper;

private:
    std::uint32_t next_ = 0;
};

}  // namespace superd::test
