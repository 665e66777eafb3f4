// SPDX-License-Identifier: MIT
// Lays out what one child needs before it is cloned: pointers, environment, descriptor map.
#include "sys/launch_buffer.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "sys/step_in.h"

namespace superd {

namespace {

constexpr std::size_t usual_environment = 1024;
constexpr std::size_t pid_digits = 11;  // ten and a NUL
const std::string step_in_name = "superd-exec";

void append_variable(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(1, '=').append(value).append(1, '\0');
}

// "NAME=" with room for the pid of a process that does not exist yet; where that is in `out`.
std::size_t append_pid_variable(std::string& out, std::string_view name) {
    out.append(name).append(1, '=');
    const std::size_t at = out.size();
    out.append(pid_digits, '\0');
    return at;
}

// The kernel does not write to the strings of execve(2), whose type is older than const.
char* writable(const std::string& text) {
    return const_cast<char*>(text.c_str());
}

int output_source(OutputKind kind, int given, int socket, int null) {
    if (kind == OutputKind::socket && socket >= 0) return socket;
    return kind == OutputKind::null || kind == OutputKind::socket || given < 0 ? null : given;
}

// Those of the sockets, where they are passed, and of what was kept.
std::string fd_names(const Launch& launch, std::size_t passed) {
    const bool sockets = passed > launch.stored.size();
    if (launch.stored.empty()) return launch.plan->listen_fdnames;
    return sockets ? launch.plan->listen_fdnames + ":" + launch.stored_names
                   : launch.stored_names;
}

}  // namespace

LaunchBuffer::LaunchBuffer() {
    text_.reserve(usual_environment);
    environment_.reserve(64);
    argv_.reserve(16);
    sources_.reserve(8);
}

ChildWork& LaunchBuffer::prepare(const Launch& launch, const LaunchNumbers& numbers) {
    const SpawnPlan& plan = *launch.plan;
    work_ = ChildWork{};
    work_.plan = &plan;
    map_descriptors(launch, numbers);
    if (launch.step_in.wanted) {
        write_step_in(launch);
        return work_;
    }
    write_environment(launch);
    write_arguments(plan);
    write_oom_score(plan);
    write_cpu_mask(plan);
    return work_;
}

// stdin: the socket on 0, for a handler also on 1. listen_fds: the sockets from 3 up and only
// there, because a second copy on 0 would keep a connection open that its handler has closed.
void LaunchBuffer::map_descriptors(const Launch& launch, const LaunchNumbers& numbers) {
    const SpawnPlan& plan = *launch.plan;
    const bool handler = launch.connection >= 0;
    passed_ = 0;
    const int first_listener = launch.listeners.empty() ? -1 : launch.listeners.front();
    const int socket = handler ? numbers.connection : first_listener;
    const bool in_stdin = plan.pass == Pass::in_stdin && socket >= 0;

    const int error =
            output_source(plan.standard_error, numbers.standard_error, socket, numbers.null);
    const int output = handler && in_stdin
                               ? socket
                               : output_source(plan.standard_output, numbers.standard_output,
                                         socket, numbers.null);
    sources_.assign({in_stdin ? socket : numbers.null, output, error});
    if (plan.pass == Pass::listen_fds) {
        if (handler) sources_.push_back(socket);
        sources_.insert(sources_.end(), launch.listeners.begin(), launch.listeners.end());
    }
    for (const Loan& stored : launch.stored)
        sources_.push_back(stored.fd);
    passed_ = sources_.size() - 3;
    if (launch.ready.fd >= 0 && launch.ready_number >= sources_.size()) {
        sources_.resize(launch.ready_number, -1);
        sources_.push_back(launch.ready.fd);
    }
    work_.sources = sources_.data();
    work_.source_count = sources_.size();
    const Endpoint& peer = launch.facts.peer;
    if (handler && launch.facts.kind == ListenerKind::tcp && peer.family == Family::ip &&
            peer.ip.is_v4())
        work_.ipv4_client = in_stdin ? 0 : 3;
    if (launch.listeners_blocking && !launch.listeners.empty()) {
        work_.blocking_from = in_stdin ? 0 : 3;
        work_.blocking_count = in_stdin ? 1 : launch.listeners.size();
    }
}

// superd-exec is given an empty environment, for what a service is given could tell the dynamic
// linker of a root process what to load; what only this connection adds goes by argv, which
// everybody may read, and the rest by the sealed file.
void LaunchBuffer::write_step_in(const Launch& launch) {
    const auto own = static_cast<unsigned>(sources_.size());
    write_connection_variables(launch);
    sources_.insert(sources_.end(),
            {launch.step_in.spec, launch.step_in.report, launch.step_in.program});
    work_.sources = sources_.data();
    work_.source_count = sources_.size();
    work_.step_in = static_cast<int>(own) + 2;
    const StepInCall call{.descriptors = own,
            .socket = launch.connection < 0 || launch.plan->pass == Pass::in_stdin ? 0U : 3U,
            .kind = launch.facts.kind,
            .record = launch.record,
            .connection = launch.step_in.connection,
            .banner_sent = launch.step_in.banner_sent};
    call_text_ = call.text();
    environment_.assign({nullptr});
    argv_.assign({writable(step_in_name), writable(call_text_)});
    append_variables(argv_);
    argv_.push_back(nullptr);
    work_.argv = argv_.data();
    work_.environment = environment_.data();
}

// What this launch adds to the plan's environment, each with a NUL behind it.
void LaunchBuffer::write_connection_variables(const Launch& launch) {
    const SpawnPlan& plan = *launch.plan;
    text_.clear();
    std::size_t local_pid = 0, listen_pid = 0, watchdog_pid = 0;
    if (launch.connection >= 0) append_connection_environment(text_, launch.facts);
    if (launch.connection >= 0 && launch.facts.peer.family == Family::unix) {
        const IdentityPlan& own = plan.identity;
        append_variable(
                text_, "UNIXLOCALUID", std::to_string(own.change ? own.uid : ::getuid()));
        append_variable(
                text_, "UNIXLOCALGID", std::to_string(own.change ? own.gid : ::getgid()));
        local_pid = append_pid_variable(text_, "UNIXLOCALPID");
    }
    for (const std::string& variable : launch.variables)
        text_.append(variable).append(1, '\0');
    if (launch.watched) watchdog_pid = append_pid_variable(text_, "WATCHDOG_PID");
    if (passed_ > 0) {
        append_variable(text_, "LISTEN_FDS", std::to_string(passed_));
        append_variable(text_, "LISTEN_FDNAMES", fd_names(launch, passed_));
        listen_pid = append_pid_variable(text_, "LISTEN_PID");
    }
    work_.local_pid = local_pid > 0 ? text_.data() + local_pid : nullptr;
    work_.watchdog_pid = watchdog_pid > 0 ? text_.data() + watchdog_pid : nullptr;
    work_.listen_pid = listen_pid > 0 ? text_.data() + listen_pid : nullptr;
}

void LaunchBuffer::append_variables(std::vector<char*>& to) {
    for (std::size_t at = 0; at < text_.size();) {
        to.push_back(text_.data() + at);
        at += std::strlen(text_.data() + at) + 1;
        while (at < text_.size() && text_[at] == '\0')
            ++at;
    }
}

void LaunchBuffer::write_environment(const Launch& launch) {
    write_connection_variables(launch);
    environment_.clear();
    for (const std::string& variable : launch.plan->fixed_environment)
        environment_.push_back(writable(variable));
    append_variables(environment_);
    environment_.push_back(nullptr);
    work_.environment = environment_.data();
}

void LaunchBuffer::write_arguments(const SpawnPlan& plan) {
    argv_.clear();
    for (const std::string& argument : plan.argv)
        argv_.push_back(writable(argument));
    argv_.push_back(nullptr);
    work_.argv = argv_.data();
}

void LaunchBuffer::write_oom_score(const SpawnPlan& plan) {
    if (!plan.oom_score_adjust) return;
    oom_text_ = std::to_string(*plan.oom_score_adjust);
    work_.oom_text = oom_text_.data();
    work_.oom_length = oom_text_.size();
}

void LaunchBuffer::write_cpu_mask(const SpawnPlan& plan) {
    if (plan.cpu_affinity.empty()) return;
    constexpr std::size_t bits = sizeof(unsigned long) * CHAR_BIT;
    const auto highest = *std::max_element(plan.cpu_affinity.begin(), plan.cpu_affinity.end());
    cpu_mask_.assign(highest / bits + 1, 0);
    for (const std::uint32_t cpu : plan.cpu_affinity)
        cpu_mask_[cpu / bits] |= 1UL << cpu % bits;
    work_.cpu_mask = cpu_mask_.data();
    work_.cpu_mask_size = cpu_mask_.size() * sizeof(unsigned long);
}

}  // namespace superd
