// SPDX-License-Identifier: MIT
// A supervisor with a real loop, real processes and sockets on loopback, turned by hand.
#pragma once

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "config/codec.h"
#include "engine/supervisor.h"

#include "support/launching.h"
#include "support/sockets.h"
#include "support/turning.h"

namespace superd::test {

inline std::shared_ptr<ServicePlan> service_plan(
        std::string name, Mode mode, std::vector<std::string> argv) {
    auto plan = std::make_shared<ServicePlan>();
    plan->name = std::move(name);
    plan->mode = mode;
    plan->pass = mode == Mode::worker ? Pass::listen_fds : Pass::in_stdin;
    plan->exec.argv = std::move(argv);
    plan->exec.standard_error.kind = OutputKind::null;
    plan->exec.standard_output.kind = OutputKind::null;
    if (mode == Mode::daemon)
        plan->start = Start::boot;
    else
        plan->listeners.push_back(loopback_plan(ListenerKind::tcp));
    return plan;
}

inline std::vector<std::string> shell(const std::string& line) {
    return {"/bin/sh", "-c", line};
}

inline std::shared_ptr<const Plan> plan_with(
        std::vector<std::shared_ptr<const ServicePlan>> services) {
    auto plan = std::make_shared<Plan>();
    plan->files = {"/etc/superd.toml"};
    plan->daemon.max_processes.value = 200;
    plan->services = std::move(services);
    return plan;
}

// Everything that the process prints on descriptor 2 while it lives.
class StderrFile {
public:
    explicit StderrFile(const std::string& path)
            : path_(path), saved_(::fcntl(2, F_DUPFD_CLOEXEC, 100)) {
        const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        ::dup2(file.get(), 2);
    }

    ~StderrFile() { ::dup2(saved_.get(), 2); }

    StderrFile(const StderrFile&) = delete;
    StderrFile& operator=(const StderrFile&) = delete;

    [[nodiscard]] std::string text() const {
        std::ostringstream text;
        text << std::ifstream(path_).rdbuf();
        return text.str();
    }

private:
    std::string path_;
    Fd saved_;
};

class Supervised {
public:
    Supervised() : stderr_(scratch / "log"), state(State::for_test({256, 16, 16, 256})) {}

    // Writes superd.toml, to be read by reload().
    void write_config(const std::string& text) const {
        std::ofstream(scratch / "superd.toml", std::ios::trunc) << text;
    }

    Supervisor& make() {
        SupervisorOptions options;
        options.read.path = scratch / "superd.toml";
        options.version = "1";
        options.run_directory = scratch / "run";
        options.state_directory = scratch / "state";
        ::mkdir(options.run_directory.c_str(), 0700);
        ::mkdir(options.state_directory.c_str(), 0700);
        options.prefixes = {scratch / "run", scratch / "lib", scratch / "cache",
                scratch / "logs", scratch / "run/credentials"};
        options.spawner.method = probe_spawn_method() == SpawnMethod::fork ? SpawnMethod::fork
                                                                           : SpawnMethod::vfork;
        options.spawner.threads = 2;
        options.relay.program = std::filesystem::read_symlink("/proc/self/exe").string();
        supervisor = std::make_unique<Supervisor>(loop, state, std::move(options));
        return *supervisor;
    }

    Supervisor& start(std::vector<std::shared_ptr<const ServicePlan>> services) {
        const auto plan = plan_with(std::move(services));
        (void)state.commit_plan(encode_plan(*plan)).value();
        make().start(plan);
        return *supervisor;
    }

    // Starts with what superd.toml says.
    Supervisor& start_from_file() {
        ReadOptions read;
        read.path = scratch / "superd.toml";
        ReadResult result = read_config(read);
        INFO(render(result.diagnostics, false));
        REQUIRE(result.plan);
        const auto plan = std::make_shared<const Plan>(std::move(*result.plan));
        (void)state.commit_plan(encode_plan(*plan)).value();
        make().start(plan);
        return *supervisor;
    }

    // False: it did not come to hold in time.
    template <class Condition>
    bool turn_until(Condition condition) {
        return test::turn_until(loop, condition);
    }

    [[nodiscard]] ServiceStatus status(std::string_view name) const {
        return supervisor->service(name).value();
    }

    bool becomes(std::string_view name, ServiceState state_wanted) {
        return turn_until([&] { return status(name).state == state_wanted; });
    }

    [[nodiscard]] std::uint32_t port(std::string_view name) const {
        return port_of(status(name).listeners.at(0).fd);
    }

    [[nodiscard]] Fd connect(std::string_view name) const { return connect_v4(port(name)); }

    // What the other side writes until it closes; the loop turns meanwhile.
    std::string read_all(const Fd& client) {
        std::string text;
        bool ended = false;
        turn_until([&] {
            char block[4096];
            const ssize_t got = ::recv(client.get(), block, sizeof block, MSG_DONTWAIT);
            if (got > 0) text.append(block, static_cast<std::size_t>(got));
            ended = got == 0 || (got < 0 && errno != EAGAIN);
            return ended;
        });
        return ended ? text : text + "(still open)";
    }

    bool says(const Fd& client, const std::string& line) {
        std::string text;
        return turn_until([&] {
            char block[256];
            const ssize_t got = ::recv(client.get(), block, sizeof block, MSG_DONTWAIT);
            if (got > 0) text.append(block, static_cast<std::size_t>(got));
            return text.find(line) != std::string::npos;
        });
    }

    Outcome order(void (Supervisor::*verb)(std::string_view, Reply), std::string_view name) {
        std::optional<Outcome> outcome;
        (supervisor.get()->*verb)(name, [&](Outcome o) { outcome = std::move(o); });
        turn_until([&] { return outcome.has_value(); });
        return outcome.value_or(Outcome{-1, "never answered"});
    }

    // Stops every service and kills its processes, those that are still being started too, so
    // that nothing is left for the tests that follow.
    void end_all() {
        const auto ignored = [](const Outcome&) {};
        for (const std::string& name : supervisor->names()) supervisor->stop(name, ignored);
        for (const std::string& name : supervisor->names()) {
            CHECK(turn_until([&] {
                const auto status = supervisor->service(name);
                if (!status || status->processes.empty()) return true;
                supervisor->kill(name, SIGKILL, 0, ignored);
                return false;
            }));
        }
    }

    ReloadReport reload(bool dry_run = false) {
        std::optional<ReloadReport> report;
        supervisor->reload_config(dry_run, [&](ReloadReport r) { report = std::move(r); });
        turn_until([&] { return report.has_value(); });
        REQUIRE(report);
        return std::move(*report);
    }

    [[nodiscard]] std::string log() const { return stderr_.text(); }

    Scratch scratch;

private:
    StderrFile stderr_;

public:
    State state;
    Loop loop;
    std::unique_ptr<Supervisor> supervisor;
};

}  // namespace superd::test
