// SPDX-License-Identifier: MIT
// superd: wiring. See superd(8).
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/superd_options.h"
#include "cmd/superd_place.h"
#include "config/codec.h"
#include "control/server.h"
#include "engine/config_reader.h"
#include "engine/last_good.h"
#include "engine/supervisor.h"
#include "sys/background.h"
#include "sys/descriptors.h"
#include "sys/guard.h"
#include "sys/notify.h"
#include "sys/take_over.h"

#include "config.h"

namespace superd {

namespace {

// Whoever started superd: what it wants to hear.
struct Starter {
    std::function<void(std::string_view)> notify;
    std::function<bool(const std::string&, int)> store;  // SupervisorOptions::store
    std::vector<int> given;                              // take_listen_fds()
    Nanoseconds watchdog{0};                             // 0: not that superd lives
    const Beginning* beginning = nullptr;  // null: no other program can take superd's place
};

// The guard judges no superd in less, whatever was asked for.
constexpr Nanoseconds least_patience = std::chrono::seconds(1);

// `superd -t`: a file that belongs to root is checked as root's superd would read it, whoever
// asks; whose the file is matters where it stands already.
int check_file(const DaemonOptions& options) {
    ReadOptions read = read_options_of(options);

    struct stat facts {};

    if (::stat(options.file.c_str(), &facts) == 0 && facts.st_uid == 0) read.root = true;
    read.check_ownership = read.root && read.as.empty();
    const ReadResult result = read_config(read);
    std::fputs(render(result.diagnostics, ::isatty(2) == 1).c_str(), stderr);
    if (!result.plan) return 1;
    const std::size_t count = result.plan->services.size();
    std::printf("%s: %zu %s, no errors\n",
            read.as.empty() ? read.path.c_str() : read.as.c_str(), count,
            count == 1 ? "service" : "services");
    return 0;
}

IdentityPlan own_identity(const char* name) {
    IdentityPlan identity;
    if (!is_root()) return identity;
    const passwd* user = ::getpwnam(name);  // NOLINT(concurrency-mt-unsafe): one thread yet
    if (user == nullptr) user = ::getpwnam("nobody");  // NOLINT(concurrency-mt-unsafe)
    if (user == nullptr) return identity;
    identity.change = true;
    identity.uid = user->pw_uid;
    identity.gid = user->pw_gid;
    identity.user = user->pw_name;
    return identity;
}

// That superd may run on: a relay for each, up to 64.
unsigned processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return static_cast<unsigned>(std::clamp(CPU_COUNT(&set), 1, 64));
}

SpawnerOptions spawner_options(const DaemonOptions& options) {
    SpawnerOptions spawner;
    if (options.spawn == "fork")
        spawner.method = SpawnMethod::fork;
    else if (options.spawn == "vfork")
        spawner.method = SpawnMethod::vfork;
    else
        spawner.method = probe_spawn_method();
    return spawner;
}

SupervisorOptions supervisor_options(const DaemonOptions& options, const Starter& starter) {
    SupervisorOptions result;
    result.read = read_options_of(options);
    result.version = PACKAGE_VERSION;
    result.run_directory = options.run;
    result.state_directory = options.state;
    result.log_program = find_own_program("superd-log");
    result.log_identity = own_identity("superd-log");
    result.resolve_program = find_own_program("superd-resolve");
    result.resolve_identity = own_identity("superd-resolve");
    result.announce_program = find_own_program("superd-announce");
    result.announce_identity = own_identity("superd-announce");
    result.exec_program = find_own_program("superd-exec");
    result.park_library = find_own_program("libsuperd-park.so");
    result.relay.program = find_own_program("superd-relay");
    result.relay.identity = own_identity("superd-relay");
    result.relay.root = options.run + "/empty";
    result.relay.key_program = find_own_program("superd-key");
    result.relay.key_identity = own_identity("superd-key");
    result.relay.standard_error = options.background ? -1 : 2;
    result.relay.count = processors();
    result.log_stderr = options.background ? -1 : 2;
    result.prefixes = default_prefixes(options.run);
    result.spawner = spawner_options(options);
    if (const auto before = raise_descriptor_limit();
            before && before->rlim_cur != before->rlim_max) {
        result.spawn_context.original_rlimits.push_back(
                {RLIMIT_NOFILE, before->rlim_cur, before->rlim_max});
    }
    for (char** entry = environ; *entry != nullptr; ++entry)
        result.spawn_context.own_environment.emplace_back(*entry);
    result.spawn_context.runtime_prefix = result.prefixes.runtime;
    result.spawn_context.state_prefix = result.prefixes.state;
    result.spawn_context.cache_prefix = result.prefixes.cache;
    result.spawn_context.logs_prefix = result.prefixes.logs;
    result.spawn_context.credentials_prefix = result.prefixes.credentials;
    result.root = is_root();
    result.debug = options.debug;
    result.notify = starter.notify;
    result.store = starter.store;
    result.watchdog = starter.watchdog;
    result.beginning = starter.beginning;
    return result;
}

struct FirstPlan {
    std::shared_ptr<const Plan> plan;  // null: there is none to start with
    std::string encoded;
    std::string trouble;  // why it is not the file's; empty: it is
};

// The plan of a first start: the file's, or the last accepted one where the file is broken.
// meanwhile: what can be done while the file is being read.
FirstPlan first_plan(const DaemonOptions& options, const std::function<void()>& meanwhile) {
    auto read = ConfigReader::read_now(read_options_of(options), meanwhile);
    if (!read)
        std::fprintf(stderr, "superd: %s\n", read.error().text().c_str());
    else
        std::fputs(render(read->diagnostics, ::isatty(2) == 1).c_str(), stderr);
    if (read && read->plan)
        return {std::make_shared<const Plan>(std::move(*read->plan)), std::move(read->encoded),
                {}};
    auto last = load_last_good(options.state);
    if (!last) last = read_kept_files(options);
    if (!last || last->daemon.broken_file == BrokenFile::refuse) return {};
    std::string encoded = encode_plan(*last);
    return {std::make_shared<const Plan>(std::move(*last)), std::move(encoded),
            "running the last accepted configuration: " +
                    (read ? first_error(read->diagnostics) : read.error().text())};
}

// --background closes standard error.
void warn_of_lost_log(const DaemonOptions& options, const Plan& plan) {
    const auto& sinks = plan.daemon.log;
    const bool lost = std::any_of(sinks.begin(), sinks.end(),
            [](const SinkPlan& sink) { return sink.kind == SinkKind::stderr_text; });
    if (options.background && (lost || sinks.empty()))
        std::fputs(
                "superd: warning: with --background nobody sees log = \"stderr\"; write log "
                "= \"syslog:daemon\" or a file below [superd]\n",
                stderr);
}

// The listeners of the daemon whose place superd takes. Where rpcbind's list cannot be had
// those of RPC services are bound anew.
Result<ForeignListeners> foreign_listeners(
        int pid, const Plan& plan, const SupervisorOptions& wanted) {
    auto found = ForeignListeners::of_process(pid);
    const bool has_rpc = std::any_of(plan.services.begin(), plan.services.end(),
            [](const auto& service) { return service->enabled && service->rpc; });
    if (!found || !has_rpc) return found;
    auto ports = ask_rpc_ports(wanted.announce_program, wanted.announce_identity);
    if (ports)
        found->set_registered(std::move(*ports));
    else
        std::fprintf(stderr, "superd: warning: no listener of an RPC service is taken: %s\n",
                ports.error().text().c_str());
    return found;
}

int serve(const DaemonOptions& options, const Starter& starter, State& state,
        std::span<const int> keep) {
    const bool fresh = state.header().plan_sequence.load() == 0;
    const Recovery recovery = fresh ? Recovery{} : recover_launches(state, keep);
    SupervisorOptions wanted;
    const auto look_around = [&] {
        wanted = supervisor_options(options, starter);
    };
    FirstPlan first;
    if (fresh) {
        first = first_plan(options, look_around);
        if (!first.plan) return exit_first_start_failed;
        warn_of_lost_log(options, *first.plan);
        if (const auto saved = state.commit_plan(first.encoded); !saved) {
            std::fprintf(stderr, "superd: %s\n", saved.error().text().c_str());
            return exit_first_start_failed;
        }
    } else {
        look_around();
        const auto bytes = state.committed_plan();
        auto saved = bytes ? decode_plan(*bytes) : std::nullopt;
        if (!saved) return 1;  // cannot happen with our own bytes; the guard tries again
        first.plan = std::make_shared<const Plan>(std::move(*saved));
    }
    std::optional<ForeignListeners> foreign;
    if (fresh && options.take_from != 0) {
        auto found = foreign_listeners(options.take_from, *first.plan, wanted);
        if (!found) {
            std::fprintf(stderr, "superd: %s\n", found.error().text().c_str());
            return exit_first_start_failed;
        }
        foreign = std::move(*found);
    } else if (fresh && !starter.given.empty()) {
        foreign = ForeignListeners::of_descriptors(starter.given, "whoever started superd");
    }
    Loop loop;
    auto admin_gid = first.plan->daemon.admin_gid;
    Supervisor supervisor(loop, state, std::move(wanted));
    if (!fresh) supervisor.recover(first.plan, recovery);
    const auto open_control = [&] {
        return ControlServer::open(loop, supervisor,
                {.path = options.socket, .admin_gid = admin_gid, .log = &supervisor.log()});
    };
    auto control = open_control();
    // After a crash the services go on without it, and it comes back by itself.
    Timer again(loop, [&] {
        control = open_control();
        if (control) again.stop();
    });
    if (!control) {
        std::fprintf(stderr, "superd: %s\n", control.error().c_str());
        if (fresh) return exit_first_start_failed;
        again.start(std::chrono::seconds(1), std::chrono::seconds(1));
    }
    supervisor.on_admin_changed([&](std::optional<std::uint32_t> gid) {
        admin_gid = gid;
        if (control) (*control)->set_admin_gid(gid);
    });
    if (fresh) {
        if (foreign) supervisor.take_from(std::move(*foreign));
        supervisor.start(first.plan, first.trouble);
        if (first.trouble.empty())
            (void)keep_last_good(options.state, *first.plan, first.encoded);
        first = {};
    }
    return supervisor.run();
}

int run(const DaemonOptions& options, Beginning beginning) {
    ::umask(022);
    const bool resumed = options.resume.text >= 0;
    const std::vector<int> given = resumed ? std::vector<int>{} : take_listen_fds();
    if (resumed) forget_listen_fds();
    auto place = resumed ? resume_place(options, beginning) : take_place(options);
    if (!place) return place.error();
    beginning.lock_fd = place->lock.get();
    const Notifier notifier = Notifier::from_environment();
    const Nanoseconds watchdog = take_watchdog_period();
    const auto notify = [&](std::string_view text) {
        notifier.send(text);
        if (text.starts_with("READY=1")) place->background.be_ready();
    };
    Starter starter{.notify = notify, .store = {}, .given = given, .watchdog = watchdog};
    if (notifier.heard())
        starter.store = [&](const std::string& text, int fd) {
            return notifier.send_with(text, fd);
        };
    GuardOptions guard{
            .no_guard = options.no_guard, .beginning = options.no_guard ? nullptr : &beginning};
    if (watchdog != Nanoseconds::zero()) guard.hung = std::max(watchdog / 2, least_patience);
    const int code = run_guard(place->state, guard, [&](State& shared) {
        starter.beginning = guard.beginning;
        return serve(options, starter, shared,
                std::array{place->lock.get(), place->background.descriptor(),
                        notifier.descriptor(), shared.header().former_program.load()});
    });
    if (!options.pid_file.empty()) ::unlink(options.pid_file.c_str());
    return code;
}

}  // namespace

}  // namespace superd

namespace {

// As it was given to main, before anything is taken out of it.
superd::Beginning beginning_of(int argc, char** argv) {
    superd::Beginning beginning{
            .arguments = {}, .environment = {}, .version = PACKAGE_VERSION, .lock_fd = -1};
    for (int i = 0; i < argc; ++i) {
        if (std::string_view(argv[i]) == superd::resume_option)
            ++i;  // and its value
        else
            beginning.arguments.emplace_back(argv[i]);
    }
    for (char** entry = environ; *entry != nullptr; ++entry)
        beginning.environment.emplace_back(*entry);
    return beginning;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--read-plan")
        return superd::run_config_reader({argv + 2, argv + argc});
    superd::Beginning beginning = beginning_of(argc, argv);
    superd::DaemonOptions options = superd::parse_options(argc, argv);
    superd::fill_defaults(options);
    if (options.check) return superd::check_file(options);
    if (options.check_state) return superd::check_state(options);
    return superd::run(options, std::move(beginning));
}
