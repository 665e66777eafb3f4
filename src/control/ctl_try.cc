// SPDX-License-Identifier: MIT
// superctl try: one handler at the terminal, started as superd would start it.
//
// No daemon takes part. The file is read, the spawn plan made and the child launched by the
// same code as in superd, only by plain fork; the connection is a socket pair, the terminal its
// client.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "control/ctl.h"
#include "control/names.h"
#include "engine/directories.h"
#include "policy/spawn_plan.h"
#include "sys/launcher.h"

namespace superd {

namespace {

// Both ends of the conversation and the child that has one of them.
struct Trial {
    std::shared_ptr<const ServicePlan> service;
    Prefixes prefixes;
    Fd client;
    Fd pidfd;
    int pid = 0;
    std::chrono::steady_clock::time_point started;
};

std::shared_ptr<const ServicePlan> find_service(const Plan& plan, const std::string& name) {
    for (const auto& service : plan.services)
        if (service->name == name) return service;
    return nullptr;
}

Outcome may_try(const ServicePlan& service) {
    if (service.mode != Mode::handler)
        return {exit_code::failed,
                fmt::format("{} is no handler: try starts what serves one connection; superctl "
                            "start {} starts it",
                        service.name, service.name)};
    if (service.exec.identity.change && ::geteuid() != 0)
        return {exit_code::not_permitted, fmt::format("{} runs as {}: only root can try it",
                                                  service.name, service.exec.identity.user)};
    return {};
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

// Copies of credentials that the daemon's own do not know of.
Prefixes prefixes_for(const CtlGlobals& globals) {
    Prefixes prefixes = default_prefixes(folder_of(globals.socket));
    prefixes.credentials = folder_of(globals.socket) + fmt::format("/try-{}", ::getpid());
    return prefixes;
}

SpawnContext context_for(const Prefixes& prefixes) {
    SpawnContext context;
    for (char** entry = environ; *entry != nullptr; ++entry)
        context.own_environment.emplace_back(*entry);
    context.runtime_prefix = prefixes.runtime;
    context.state_prefix = prefixes.state;
    context.cache_prefix = prefixes.cache;
    context.logs_prefix = prefixes.logs;
    context.credentials_prefix = prefixes.credentials;
    return context;
}

// A client of this host, on the service's first listener.
ConnectionFacts facts_for(const ServicePlan& service) {
    ConnectionFacts facts;
    if (service.listeners.empty()) return facts;
    const auto& listener = service.listeners.front();
    facts.kind = listener.kind;
    if (listener.kind == ListenerKind::tcp) {
        facts.peer.family = facts.local.family = Family::ip;
        facts.peer.ip = facts.local.ip = IpAddress::v4(INADDR_LOOPBACK);
        facts.peer.port = 1;
        facts.local.port = listener.port;
    } else {
        facts.peer.family = facts.local.family = Family::unix;
        facts.peer.uid = ::getuid();
        facts.peer.gid = ::getgid();
        facts.peer.pid = static_cast<std::uint32_t>(::getpid());
        facts.local_path = listener.path;
    }
    return facts;
}

std::string failure_text(const ServicePlan& service, const LaunchResult& result) {
    const bool names_program = result.stage == SpawnStage::exec;
    return fmt::format("{} could not be started: {}{}{}: {}", service.name,
            stage_name(result.stage), names_program ? " " : "",
            names_program ? service.exec.argv.front() : "", errno_text(result.error));
}

tl::expected<void, Outcome> launch(Trial& trial) {
    const auto broken = [](const Error& error) {
        return tl::unexpected(Outcome{exit_code::failed, error.text()});
    };
    auto state = State::create({.processes = 1, .services = 1, .listeners = 1, .sources = 1});
    if (!state) return broken(state.error());
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    int pair[2];
    if (!null || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return broken(fail("socketpair").value());
    trial.client.reset(pair[0]);
    Launch order;
    order.plan = make_spawn_plan(*trial.service, context_for(trial.prefixes));
    order.facts = facts_for(*trial.service);
    order.connection = pair[1];
    order.standard_error = STDERR_FILENO;
    auto& record = state->processes()[0];
    record.state.store(RecordState::accepted);
    record.pidfd.store(-1);
    Launcher launcher(*state, SpawnMethod::fork, 0, null.get());

    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    trial.started = std::chrono::steady_clock::now();
    const auto result = launcher.run(order);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

    trial.pid = record.pid.load();
    trial.pidfd.reset(record.pidfd.load());
    if (result.stage == SpawnStage::none) return {};
    if (trial.pid > 0) ::waitpid(trial.pid, nullptr, __WALL);
    return tl::unexpected(Outcome{exit_code::failed, failure_text(*trial.service, result)});
}

bool write_all(int fd, const char* data, std::size_t size) {
    while (size > 0) {
        const auto put = ::write(fd, data, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        data += put;
        size -= static_cast<std::size_t>(put);
    }
    return true;
}

// False at the end of `from`, or when `to` takes no more.
bool copy_some(int from, int to) {
    std::array<char, 4096> buffer;
    const auto got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) return true;
    return got > 0 && write_all(to, buffer.data(), static_cast<std::size_t>(got));
}

// What the handler wrote before it ended is still there to be read.
void drain(int client) {
    pollfd entry{.fd = client, .events = POLLIN, .revents = 0};
    while (::poll(&entry, 1, 0) > 0 && copy_some(client, STDOUT_FILENO)) {
    }
}

// False where the handler takes nothing any more.
bool send_some(int client, std::string& text) {
    const auto put = ::send(client, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) return errno == EINTR || errno == EAGAIN;
    text.erase(0, static_cast<std::size_t>(put));
    return true;
}

// What was typed; empty at its end.
std::string read_typed() {
    std::array<char, 4096> buffer;
    ssize_t got = -1;
    while ((got = ::read(STDIN_FILENO, buffer.data(), buffer.size())) < 0 && errno == EINTR) {
    }
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

// Terminal to handler and back, until the handler has ended or closed the connection. Who
// waited for the handler to take what was typed would keep it from being rid of its answer.
void converse(const Trial& trial) {
    const int client = trial.client.get();
    bool typing = true;
    std::string unsent;
    for (;;) {
        const bool listens = typing && unsent.empty();
        const auto wanted = static_cast<short>(unsent.empty() ? POLLIN : POLLIN | POLLOUT);
        std::array<pollfd, 3> entries = {pollfd{.fd = client, .events = wanted, .revents = 0},
                pollfd{.fd = trial.pidfd.get(), .events = POLLIN, .revents = 0},
                pollfd{.fd = listens ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0}};
        if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) return;
        if ((entries[0].revents & ~POLLOUT) != 0 && !copy_some(client, STDOUT_FILENO)) return;
        if (entries[1].revents != 0) return drain(client);
        if (entries[2].revents != 0) unsent = read_typed();
        const bool ended = entries[2].revents != 0 && unsent.empty();
        if (ended || !(unsent.empty() || send_some(client, unsent))) {
            typing = false;
            unsent.clear();
            ::shutdown(client, SHUT_WR);
        }
    }
}

std::string end_text(int status) {
    if (WIFEXITED(status)) return fmt::format("status {}", WEXITSTATUS(status));
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    return fmt::format("signal {}{}", name != nullptr ? name : std::to_string(WTERMSIG(status)),
            WCOREDUMP(status) ? ", core dumped" : "");
}

int finish(const CtlGlobals& globals, Trial& trial) {
    trial.client.reset();
    int status = 0;
    while (::waitpid(trial.pid, &status, __WALL) < 0 && errno == EINTR) {
    }
    const auto took = std::chrono::steady_clock::now() - trial.started;
    const auto text = end_text(status);
    const auto& name = trial.service->name;
    if (globals.json) {
        const nlohmann::ordered_json json{{"version", 1},
                {"try", {{"service", name}, {"pid", trial.pid}, {"end", text}}}};
        std::fprintf(stderr, "%s\n", json.dump().c_str());
    } else {
        std::fprintf(stderr, "superctl: %s (pid %d) ended with %s after %s\n", name.c_str(),
                trial.pid, text.c_str(), approximate_duration(took).c_str());
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? exit_code::ok : exit_code::failed;
}

}  // namespace

int ctl_try(const CtlGlobals& globals, const std::string& file, const std::string& name) {
    const auto path = ctl_config_path(globals, file);
    const auto result = read_config(ctl_read_options(path, ""));
    if (!result.plan) {
        std::fputs(render(result.diagnostics).c_str(), stderr);
        return ctl_fail(globals, {exit_code::failed, fmt::format("{} has errors", path)});
    }
    Trial trial;
    trial.service = find_service(*result.plan, name);
    if (trial.service == nullptr)
        return ctl_fail(globals,
                {exit_code::no_such_service, fmt::format("{} has no service {}", path, name)});
    if (const auto allowed = may_try(*trial.service); allowed.code != exit_code::ok)
        return ctl_fail(globals, allowed);
    if (trial.service->exec.sandbox.steps_in())
        std::fprintf(stderr,
                "superctl: %s is tried without the namespaces and the Landlock of its "
                "sandbox\n",
                name.c_str());
    ::signal(SIGPIPE, SIG_IGN);  // the handler may close its end while we write
    trial.prefixes = prefixes_for(globals);
    for (const auto& error : make_directories(*trial.service, trial.prefixes))
        std::fprintf(stderr, "superctl: %s\n", error.text().c_str());
    const auto launched = launch(trial);
    if (launched) converse(trial);
    remove_credentials(trial.service->name, trial.prefixes);
    ::rmdir(trial.prefixes.credentials.c_str());
    return launched ? finish(globals, trial) : ctl_fail(globals, launched.error());
}

}  // namespace superd
