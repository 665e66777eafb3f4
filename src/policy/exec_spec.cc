// SPDX-License-Identifier: MIT
// When superd-exec steps in, and what it is told.
#include "policy/exec_spec.h"

#include "base/text.h"

namespace superd {

namespace {

std::string_view last_part(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Where the range begins; npos where there is none.
std::size_t range_at(std::string_view context) {
    std::size_t at = 0;
    for (int colon = 0; colon < 3; ++colon) {
        at = context.find(':', at);
        if (at == std::string_view::npos) return at;
        ++at;
    }
    return at < context.size() ? at : std::string_view::npos;
}

// What superd makes for the service is for it to write to.
void add_own_directories(ExecSpec& spec) {
    for (const std::string& variable : spec.environment)
        for (const std::string_view name : {"RUNTIME_DIRECTORY=", "STATE_DIRECTORY=",
                     "CACHE_DIRECTORY=", "LOGS_DIRECTORY="})
            if (variable.starts_with(name))
                for (const std::string_view path :
                        split(std::string_view(variable).substr(name.size()), ':'))
                    spec.sandbox.read_write_paths.emplace_back(path);
}

}  // namespace

bool always_steps_in(const ServicePlan& service) {
    if (service.exec.sandbox.steps_in()) return true;
    return service.mode == Mode::handler &&
           (service.admission.tcp_wrappers || service.exec.peer_label ||
                   !service.admission.banner_admitted.text.empty());
}

bool may_step_in(const ServicePlan& service) {
    return always_steps_in(service) ||
           (service.mode == Mode::handler && !service.admission.banner.text.empty());
}

ExecSpec make_exec_spec(const ServicePlan& service, const SpawnPlan& spawn) {
    ExecSpec spec;
    spec.service = spawn.service;
    spec.program = spawn.program;
    spec.argv = spawn.argv;
    spec.environment = spawn.fixed_environment;
    spec.identity = spawn.identity;
    spec.umask = spawn.umask;
    spec.nice = spawn.nice;
    spec.oom_score_adjust = spawn.oom_score_adjust;
    spec.rlimits = spawn.rlimits;
    spec.directory = spawn.directory;
    spec.root = spawn.root;
    spec.cpu_affinity = spawn.cpu_affinity;
    spec.ionice_class = spawn.ionice_class;
    spec.ionice_level = spawn.ionice_level;
    spec.sandbox = spawn.sandbox;
    if (spec.sandbox.protect_system == ProtectSystem::strict) add_own_directories(spec);
    spec.timeout = spawn.launch_timeout;
    if (service.admission.tcp_wrappers) spec.daemon = wrappers_name(service);
    spec.peer_label = service.exec.peer_label;
    spec.banner = service.admission.banner.text;
    spec.banner_admitted = service.admission.banner_admitted.text;
    spec.refusal = refusal_text(service.admission);
    return spec;
}

std::shared_ptr<SpawnPlan> spawn_plan_of(const ExecSpec& spec) {
    auto plan = std::make_shared<SpawnPlan>();
    plan->service = spec.service;
    plan->program = spec.program;
    plan->argv = spec.argv;
    plan->fixed_environment = spec.environment;
    plan->identity = spec.identity;
    plan->umask = spec.umask;
    plan->nice = spec.nice;
    plan->oom_score_adjust = spec.oom_score_adjust;
    plan->rlimits = spec.rlimits;
    plan->directory = spec.directory;
    plan->root = spec.root;
    plan->cpu_affinity = spec.cpu_affinity;
    plan->ionice_class = spec.ionice_class;
    plan->ionice_level = spec.ionice_level;
    plan->sandbox = spec.sandbox;
    plan->confines = spec.sandbox.confines();
    plan->launch_timeout = spec.timeout;
    return plan;
}

std::string wrappers_name(const ServicePlan& service) {
    const std::string& written = service.admission.tcp_wrappers_name;
    if (!written.empty()) return written;
    const ExecPlan& exec = service.exec;
    if (!exec.argv0.empty()) return std::string(last_part(exec.argv0));
    return exec.argv.empty() ? service.name : std::string(last_part(exec.argv.front()));
}

std::string refusal_text(const AdmissionPlan& plan) {
    return plan.banner_refused.text + plan.refuse_text;
}

std::string with_range_of(std::string_view own, std::string_view peer) {
    const std::size_t here = range_at(own), there = range_at(peer);
    if (here == std::string_view::npos || there == std::string_view::npos) return {};
    return std::string(own.substr(0, here)).append(peer.substr(there));
}

}  // namespace superd
