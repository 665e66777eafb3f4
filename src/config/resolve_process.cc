// SPDX-License-Identifier: MIT
// What to run, as whom and within which limits.
#include <algorithm>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "config/environment_file.h"
#include "config/file.h"
#include "config/resolve.h"

namespace superd {

namespace {

class ProcessResolver {
public:
    ProcessResolver(ResolveContext& context, const ServiceInput& input,
            const ServicePlan& service, ExecPlan& plan)
            : context_(context),
              input_(input),
              layers_(input.layers),
              service_(service),
              plan_(plan) {}

    void resolve() {
        plan_.identity = resolve_identity(context_, input_, service_.name);
        take_directories();
        take_command();
        take_priorities();
        take_rlimits();
        take_limits();
        take_environment();
        take_credentials();
        take_outputs();
        take_label();
        resolve_sandbox(context_, input_, plan_);
    }

private:
    // ---- the program

    void take_command() {
        const Written* written = layers_.last("exec");
        if (written == nullptr)
            return context_.report.error(input_.section.at,
                    input_.label + " has nothing to run",
                    R"(write exec = ["/path/of/program"])");
        auto argv = context_.values.command(*written->node);
        if (!argv) return;
        plan_.argv = std::move(*argv);
        plan_.argv0 = line_of(context_, layers_, "argv0").value_or("");
        check_program(written->node->at);
    }

    // A disabled service may well wait for its package.
    void check_program(const Place& at) {
        if (!service_.enabled) return;
        const std::string path = plan_.root + plan_.argv[0];
        const std::string shown = quoted(path);
        switch (context_.host.look_at(path)) {
            case PathKind::missing:
                return context_.report.warning(at, "there is no program " + shown + " now");
            case PathKind::directory:
                return context_.report.warning(at, shown + " is a directory");
            case PathKind::file:
                return context_.report.warning(at, shown + " is not executable");
            case PathKind::program: return check_interpreter(at, path);
            default: return;
        }
    }

    // exec(2) says of a script without its interpreter what it says of a missing program.
    void check_interpreter(const Place& at, const std::string& path) {
        const std::string interpreter = context_.host.interpreter_of(path);
        if (interpreter.empty() ||
                context_.host.look_at(plan_.root + interpreter) != PathKind::missing)
            return;
        context_.report.warning(at,
                "there is no " + quoted(interpreter) + ", which runs " + quoted(path),
                interpreter.ends_with('\r') ? "its lines end as DOS has them: CR LF"
                                            : "look at its first line");
    }

    // ---- directories

    void take_directories() {
        plan_.root = take_directory("root");
        if (const Written* root = layers_.last("root"); root != nullptr && !plan_.root.empty())
            context_.privileged(root->at, "root", "only root may change what \"/\" is");
        plan_.directory = take_directory("directory");
        plan_.runtime_directory = names("runtime_directory");
        plan_.state_directory = names("state_directory");
        plan_.cache_directory = names("cache_directory");
        plan_.logs_directory = names("logs_directory");
    }

    std::string take_directory(std::string_view key) {
        const Written* written = layers_.last(key);
        if (written == nullptr) return {};
        const auto path = context_.values.path(*written->node, key);
        if (!path || *path == "/") return {};
        const std::string full = key == "root" ? *path : plan_.root + *path;
        const PathKind kind = context_.host.look_at(full);
        if (kind == PathKind::missing)
            context_.report.warning(
                    written->node->at, "there is no directory " + quoted(full) + " now");
        else if (kind != PathKind::directory && kind != PathKind::unreadable)
            context_.report.warning(written->node->at, quoted(full) + " is not a directory");
        return *path;
    }

    std::vector<std::string> names(std::string_view key) {
        std::vector<std::string> found;
        const auto list = fold_list(layers_, key, context_.report);
        if (!list) return found;
        for (const Item& item : list->items)
            if (auto name = context_.values.directory_name(*item.node, key))
                found.push_back(std::move(*name));
        return found;
    }

    // ---- priorities and limits

    void take_priorities() {
        if (const auto value = mode_of(context_, layers_, "umask")) plan_.umask = *value;
        if (const auto value = integer_of(context_, layers_, "nice"))
            plan_.nice = static_cast<std::int32_t>(*value);
        if (const auto value = integer_of(context_, layers_, "oom_score_adjust"))
            plan_.oom_score_adjust = static_cast<std::int32_t>(*value);
        if (plan_.nice.value_or(0) < 0)
            context_.privileged(layers_.last("nice")->node->at, "a negative nice",
                    "it takes time from others");
        if (plan_.oom_score_adjust.value_or(0) < 0)
            context_.privileged(layers_.last("oom_score_adjust")->node->at,
                    "a negative oom_score_adjust", "it protects from the kernel");
        take_ionice();
        take_cpus();
    }

    void take_ionice() {
        const Written* written = layers_.last("ionice");
        if (written == nullptr) return;
        const auto priority = context_.values.ionice(*written->node);
        if (!priority) return;
        plan_.ionice_class = priority->scheduling_class;
        plan_.ionice_level = priority->level;
        if (priority->scheduling_class == 1)
            context_.privileged(
                    written->node->at, "ionice realtime", "it takes the disk from others");
    }

    void take_cpus() {
        const auto list = fold_list(layers_, "cpu_affinity", context_.report);
        if (!list) return;
        for (const Item& item : list->items)
            context_.values.cpus(*item.node, plan_.cpu_affinity);
        auto& cpus = plan_.cpu_affinity;
        std::sort(cpus.begin(), cpus.end());
        cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
        if (!cpus.empty() && cpus.front() >= context_.host.processors())
            context_.report.warning(
                    list->at, "none of these processors is online: there are " +
                                      std::to_string(context_.host.processors()));
    }

    void take_rlimits() {
        for (const Entry& entry : fold_table(layers_, "rlimits", context_.report)) {
            const auto limit = context_.values.rlimit(*entry.key, entry.at, *entry.node);
            if (!limit) continue;
            plan_.rlimits.push_back(*limit);
            check_hard_limit(entry, *limit);
        }
    }

    void take_limits() {
        LimitsPlan& limits = plan_.limits;
        limits.memory_max = size_of(context_, layers_, "memory_max");
        if (const auto tasks = integer_of(context_, layers_, "tasks_max"))
            limits.tasks_max = static_cast<std::uint32_t>(*tasks);
        if (const Written* share = layers_.last("cpu_max"))
            limits.cpu_max = context_.values.percent(*share->node, *share->option);
        if (const auto weight = integer_of(context_, layers_, "io_weight"))
            limits.io_weight = static_cast<std::uint32_t>(*weight);
    }

    void check_hard_limit(const Entry& entry, const RlimitPlan& limit) {
        if (context_.options.root) return;
        rlimit own{};
        const auto resource = static_cast<__rlimit_resource_t>(limit.resource);
        if (getrlimit(resource, &own) != 0 || limit.hard <= own.rlim_max) return;
        context_.privileged(entry.node->at, "a hard limit above superd's own",
                *entry.key + " is at most " + std::to_string(own.rlim_max) + " here");
    }

    // ---- environment

    void take_environment() {
        if (const auto files = fold_list(layers_, "environment_file", context_.report))
            for (const Item& item : files->items)
                take_environment_file(*item.node);
        for (const Entry& entry : fold_table(layers_, "environment", context_.report)) {
            if (!is_variable_name(*entry.key)) {
                context_.report.error(
                        entry.at, quoted(*entry.key) + " is not the name of a variable");
                continue;
            }
            if (const std::string* value =
                            context_.values.text(*entry.node, "environment." + *entry.key))
                set_variable({*entry.key, *value, false});
        }
        if (const auto passed = fold_list(layers_, "pass_environment", context_.report))
            for (const Item& item : passed->items)
                if (auto name = context_.values.variable_name(*item.node))
                    plan_.pass_environment.push_back(std::move(*name));
    }

    void set_variable(Variable variable) {
        for (Variable& known : plan_.environment)
            if (known.name == variable.name) {
                known = std::move(variable);
                return;
            }
        plan_.environment.push_back(std::move(variable));
    }

    void take_environment_file(const Node& node) {
        const auto path = context_.values.path(node, "environment_file");
        if (!path || !closed_to_others(*path, node)) return;
        const auto content = read_regular_file(*path);
        if (!content) return unreadable(*path, content.error(), node);
        auto variables = parse_environment(content->text);
        if (!variables) {
            context_.diagnostics.error(
                    {*path, variables.error().line, 1}, variables.error().message);
            return;
        }
        for (Variable& variable : *variables)
            set_variable(std::move(variable));
    }

    // A check without root cannot read what is root's; superd itself can.
    void unreadable(const std::string& path, const FileProblem& problem, const Node& node) {
        const std::string message = quoted(path) + " " + problem.message;
        if (context_.options.root && context_.host.uid() != 0 &&
                access(path.c_str(), R_OK) != 0)
            context_.report.warning(node.at, message);
        else
            context_.report.error(node.at, message, problem.suggestion);
    }

    bool closed_to_others(const std::string& path, const Node& node) {
        struct stat info {};

        if (!context_.options.root || stat(path.c_str(), &info) != 0) return true;
        if (info.st_uid != 0 || (info.st_mode & 077) != 0) {
            context_.report.error(node.at,
                    quoted(path) + " must belong to root and be closed to others",
                    "chown root " + escape(path) + "; chmod 0600 " + escape(path));
            return false;
        }
        return true;
    }

    // ---- credentials and outputs

    void take_credentials() {
        for (const Entry& entry : fold_table(layers_, "credentials", context_.report)) {
            const std::string& name = *entry.key;
            if (name.empty() || name.size() > 255 || name == "." || name == ".." ||
                    name.find('/') != std::string::npos) {
                context_.report.error(
                        entry.at, quoted(name) + " is not a name for a credential");
                continue;
            }
            const auto path = context_.values.path(*entry.node, "credentials." + name);
            if (!path) continue;
            if (context_.host.look_at(*path) == PathKind::missing)
                context_.report.warning(
                        entry.node->at, "there is no file " + quoted(*path) + " now");
            plan_.credentials.push_back({name, *path});
        }
    }

    void take_outputs() {
        take_output("stderr", plan_.standard_error);
        take_output("stdout", plan_.standard_output);
        const Written* written = layers_.last("stderr");
        if (written == nullptr || plan_.standard_error.kind != OutputKind::socket ||
                service_.mode == Mode::handler)
            return;
        plan_.standard_error.kind = OutputKind::log;
        if (is_own(written->layer))
            context_.report.error(written->node->at,
                    R"(stderr = "socket" is for handlers: only they have a connection)");
    }

    void take_label() {
        plan_.peer_label = boolean_of(context_, layers_, "peer_label").value_or(false);
        if (plan_.peer_label &&
                context_.host.look_at("/sys/fs/selinux/enforce") == PathKind::missing)
            context_.report.warning(layers_.last("peer_label")->node->at,
                    "this kernel has no SELinux now: without it peer_label lets nobody in");
    }

    void take_output(std::string_view key, Output& into) {
        const Written* written = layers_.last(key);
        if (written == nullptr) return;
        if (auto output = context_.values.output(*written->node, *written->option))
            into = std::move(*output);
    }

    ResolveContext& context_;
    const ServiceInput& input_;
    const Layers& layers_;
    const ServicePlan& service_;
    ExecPlan& plan_;
};

}  // namespace

void resolve_process(ResolveContext& context, ServiceInput& input, ServicePlan& plan) {
    ProcessResolver(context, input, plan, plan.exec).resolve();
}

}  // namespace superd
