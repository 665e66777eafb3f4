// SPDX-License-Identifier: MIT
// superctl: reads the command line and calls the verb.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "base/text.h"
#include "base/units.h"
#include "control/ctl.h"
#include "control/names.h"

#include "config.h"

namespace superd {

namespace {

// What the options of all verbs are read into.
struct Words {
    std::vector<std::string> names;
    std::string program, file, as, key, from, at, what = "ready", signal = "TERM", connection,
                                                  whom, timeout, service, copies;
    DenyWords deny;
    bool quiet = false, effective = false, dry_run = false, follow = false, no_colour = false;
    unsigned lines = 10;
    std::uint32_t log_lines = 50;
    ImportChoices import;
    CtlProbe probe;
    std::string dialect = "openbsd";
};

// An option left empty by a script's unset variable would say "all", or nothing at all.
std::string check_not_empty(const std::string& value) {
    return value.empty() ? "must not be empty" : "";
}

// superd-tls or its like beside this program (a build tree), else where it was installed to.
std::string find_beside(const std::string& name) {
    std::array<char, 4096> self{};
    const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
    std::string path(self.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    path = path.substr(0, path.rfind('/')) + '/' + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
    path = SUPERD_LIBEXECDIR "/" + name;
    return ::access(path.c_str(), X_OK) == 0 ? path : "";
}

struct Superctl {
    CLI::App app{"Asks superd and tells it what to do."};
    CtlGlobals globals;
    Words words;
    std::function<int()> verb;

    CLI::App* add(const char* name, const char* help, std::function<int()> run) {
        auto* sub = app.add_subcommand(name, help);
        sub->final_callback([this, run = std::move(run)] { verb = run; });
        return sub;
    }

    void add_names(CLI::App* sub, bool required) {
        auto* option = sub->add_option("NAME", words.names, "Services; * ? [ ] match names");
        if (required) option->required();
    }

    void add_global_options();
    void add_looking();
    void add_telling();
    void add_file();
    void add_tls();
    void add_import();
    // What to say of the word where a verb belongs; empty where it is one, or there is none.
    [[nodiscard]] std::string wrong_verb(int argc, char** argv) const;
    void find_json(int argc, char** argv);
    int run(int argc, char** argv);
};

void Superctl::add_global_options() {
    globals.socket = default_control_path();
    globals.default_file = SUPERD_SYSCONFDIR "/superd.toml";
    globals.tls_program = find_beside("superd-tls");
    app.require_subcommand(1);
    app.fallthrough();
    app.add_option("--socket", globals.socket, "The daemon's control socket");
    app.add_flag("--json", globals.json, "Print one JSON object instead of text");
    app.add_option("--timeout", words.timeout, "How long to wait for an answer, like 10s")
            ->check(check_not_empty);
    app.set_version_flag("-V,--version", "superctl " PACKAGE_VERSION);
}

void Superctl::add_looking() {
    auto* status = add("status", "The daemon and its services, or some of them in detail",
            [this] { return ctl_status(globals, words.names, words.quiet, words.lines); });
    add_names(status, false);
    status->add_flag("-q,--quiet", words.quiet, "Print nothing; exit 3 where NAME is down");
    status->add_option("-n,--lines", words.lines, "Lines of the log to show with NAME");
    add_names(add("list", "The names of the services",
                      [this] { return ctl_list(globals, words.names); }),
            false);
    auto* show = add("show", "A service's options as they are in force",
            [this] { return ctl_show(globals, words.names, words.effective); });
    add_names(show, true);
    show->add_flag(
            "--effective", words.effective, "Also what is inherited but means nothing here");
    add_names(add("why", "Why a service is in its state",
                      [this] { return ctl_why(globals, words.names); }),
            true);
    add_names(add("sandbox", "What a service is confined to, and whether its processes are",
                      [this] { return ctl_sandbox(globals, words.names); }),
            true);
    auto* explain = add("explain", "Whether a client would be let in, and by which rule",
            [this] { return ctl_explain(globals, words.names.front(), words.from, words.at); });
    explain->add_option("NAME", words.names, "The service")->required()->expected(1);
    explain->add_option(
                   "--from", words.from, "198.51.100.7, 2001:db8::1, uid:1000 or user:alice")
            ->required();
    explain->add_option("--at", words.at, "18:30 or \"2026-11-23 18:30\"; now without it");
    add_names(add("sockets", "Every listener and its state",
                      [this] { return ctl_sockets(globals, words.names); }),
            false);
    add_names(add("timers", "What runs by the clock, and when it comes next",
                      [this] { return ctl_timers(globals, words.names); }),
            false);
    add_names(add("connections", "Every connection that a handler serves",
                      [this] { return ctl_connections(globals, words.names); }),
            false);
    auto* logs = add("logs", "What services have printed",
            [this] { return ctl_logs(globals, words.names, words.log_lines, words.follow); });
    add_names(logs, false);
    logs->add_option("-n,--lines", words.log_lines, "So many lines of the past");
    logs->add_flag("-f,--follow", words.follow, "Go on with what comes");
    add("version", "The versions of superctl and of the daemon",
            [this] { return ctl_version(globals); });
}

void Superctl::add_telling() {
    struct Action {
        const char *verb, *method, *help;
    };

    for (const auto& action :
            {Action{"start", "Start", "Open the listeners, start what starts at boot"},
                    Action{"stop", "Stop", "Close the listeners and end the processes"},
                    Action{"restart", "Restart", "Stop, then start"},
                    Action{"reload", "Reload",
                            "Have it read its own configuration again, as its file says"},
                    Action{"pause", "Pause", "Keep the listeners open and accept nothing"},
                    Action{"resume", "Resume", "Accept again"},
                    Action{"drain", "Drain", "Close the listeners, let connections finish"}})
        add_names(add(action.verb, action.help,
                          [this, method = action.method] {
                              return ctl_act(globals, method, words.names);
                          }),
                true);
    auto* scale = add("scale", "Have so many copies of a service with replicas",
            [this] { return ctl_scale(globals, words.service, words.copies); });
    scale->add_option("NAME", words.service, "The service")->required();
    scale->add_option("N", words.copies, "How many copies")->required();
    auto* kill = add("kill", "Send a signal to a service's processes", [this] {
        return ctl_kill(globals, words.names, words.signal, words.connection, words.whom);
    });
    add_names(kill, true);
    kill->add_option("-s,--signal", words.signal, "TERM without it");
    auto* one = kill->add_option("--connection", words.connection,
                            "Only to the handler of this connection")
                        ->check(check_not_empty);
    kill->add_option("--whom", words.whom,
                "\"main\": the program; \"control\": the command beside it; \"all\": both, and "
                "what came of them")
            ->check(CLI::IsMember({"main", "control", "all"}))
            ->excludes(one);
    auto* deny = add("deny", "Keep an address out of every service; without one, list them",
            [this] { return ctl_deny(globals, words.deny); });
    deny->add_option("ADDRESS", words.deny.address, "198.51.100.7; an IPv6 one is its /64")
            ->check(check_not_empty);
    deny->add_option("--for", words.deny.length, "How long, like 10m; 1h without it")
            ->check(check_not_empty);
    deny->add_flag("--forever", words.deny.forever, "Until it is cleared");
    deny->add_option("--reason", words.deny.reason, "For the log and for people");
    deny->add_flag("--clear", words.deny.clear, "Let ADDRESS in again");
    deny->add_flag("--all", words.deny.all, "With --clear: all of them");
    auto* wait = add("wait", "Wait until a service is there",
            [this] { return ctl_wait(globals, words.names, words.what); });
    add_names(wait, true);
    wait->add_option("--for,--state", words.what,
            "ready, running, stopped, idle, listening or another state; ready without it");
}

void Superctl::add_tls() {
    auto* tls = app.add_subcommand("tls", "What is in force of TLS, here and elsewhere");
    tls->require_subcommand(1);
    tls->fallthrough();
    auto* ciphers = tls->add_subcommand("ciphers", "The cipher suites of a [tls.NAME]");
    ciphers->final_callback(
            [this] { verb = [this] { return ctl_tls_ciphers(globals, words.file, words.key); }; });
    ciphers->fallthrough();
    ciphers->add_option("NAME", words.key, "The profile")->required();
    ciphers->add_option("-c,--config", words.file, "Another file than the daemon's");
    auto* probe = tls->add_subcommand("probe", "What a server shows of its TLS");
    probe->final_callback([this] { verb = [this] { return ctl_tls_probe(globals, words.probe); }; });
    probe->fallthrough();
    probe->add_option("HOST:PORT", words.probe.target, "The server")->required();
    probe->add_option("--alpn", words.probe.alpn, "A protocol to ask for");
    probe->add_option("--trust", words.probe.trust, "A file with certificates to believe");
}

void Superctl::add_file() {
    auto* check = add("check", "Check the file, without a daemon",
            [this] { return ctl_check(globals, words.file, words.as); });
    check->add_option("FILE", words.file, "Another file than the daemon's");
    check->add_option("--as", words.as, "The path that FILE will have");
    auto* options = add("options", "The options of superd.toml",
            [this] { return ctl_options(globals, words.key); });
    options->add_option("KEY", words.key, "One of them, or xinetd:KEY, inetd:KEY, systemd:KEY");
    auto* reload = add("reload-config", "Read the file and apply what changed",
            [this] { return ctl_reload(globals, words.dry_run); });
    reload->add_flag("--dry-run", words.dry_run, "Only say what would change");
    auto* upgrade = add("upgrade", "Put another superd in the running one's place",
            [this] { return ctl_upgrade(globals, words.program); });
    upgrade->add_option("PROGRAM", words.program,
            "Its path; without it the file that superd was started from, as it is now");
    add("reopen-logs", "Open log files anew, after they were moved away",
            [this] { return ctl_reopen_logs(globals); });
    auto* edit = add("edit", "Edit the file, check it, put it in place, reload", [this] {
        return ctl_edit(globals, words.file, words.names.empty() ? "" : words.names.front());
    });
    edit->add_option("NAME", words.names, "The file and line that define this service")
            ->expected(0, 1);
    edit->add_option("--file", words.file, "Another file than the daemon's");

    struct Switch {
        const char *verb, *help;
        bool on;
    };

    for (const auto& choice : {Switch{"enable", "Switch services on, in superd.d", true},
                 Switch{"disable", "Switch services off, in superd.d", false}}) {
        auto* sub = add(choice.verb, choice.help, [this, on = choice.on] {
            return ctl_enable(globals, words.file, words.names, on);
        });
        add_names(sub, true);
        sub->add_option("--file", words.file, "Another main file than the daemon's");
    }
    auto* trial = add("try", "Start one handler and join the terminal to it",
            [this] { return ctl_try(globals, words.file, words.names.front()); });
    trial->add_option("NAME", words.names, "The service")->required()->expected(1);
    trial->add_option("--file", words.file, "Another file than the daemon's");
    add("diff", "What reload-config would change",
            [this] { return ctl_reload(globals, true); });
}

void Superctl::add_import() {
    auto* import =
            app.add_subcommand("import", "Another super-server's configuration as superd.toml");
    import->require_subcommand(1);
    import->fallthrough();
    import->add_option("-o,--output", words.import.output, "A file, not standard output");
    import->add_option("--split", words.import.folder,
            "A folder: superd.toml, and superd.d/NAME.toml for each service");
    import->add_flag("--strict", words.import.strict, "Fail where anything would be lost");
    import->add_flag("--force", words.import.force, "Write over files that are there");
    auto* xinetd = import->add_subcommand("xinetd", "xinetd.conf and what it includes");
    xinetd->add_option("FILE", words.names, "Files and folders; /etc/xinetd.conf without any");
    xinetd->final_callback([this] {
        verb = [this] {
            return ctl_import(globals, words.import,
                    [this](ImportHost& host) { return import_xinetd(words.names, host); });
        };
    });
    auto* inetd = import->add_subcommand("inetd", "inetd.conf");
    inetd->add_option("FILE", words.names, "The file; /etc/inetd.conf without it")
            ->expected(0, 1);
    inetd->add_option("--dialect", words.dialect, "Whose inetd it was written for")
            ->check(CLI::IsMember({"openbsd", "netbsd", "freebsd", "gnu", "busybox"}));
    inetd->final_callback([this] {
        verb = [this] {
            return ctl_import(globals, words.import, [this](ImportHost& host) {
                const auto dialect = read_inetd_dialect(words.dialect);
                return import_inetd(
                        words.names.empty() ? "/etc/inetd.conf" : words.names.front(),
                        dialect.value_or(InetdDialect::openbsd), host);
            });
        };
    });
    auto* systemd = import->add_subcommand("systemd", "Socket units and their services");
    systemd->add_option("UNIT", words.names, "Files, or names of units: ssh.socket")
            ->required();
    systemd->final_callback([this] {
        verb = [this] {
            return ctl_import(globals, words.import,
                    [this](ImportHost& host) { return import_systemd(words.names, host); });
        };
    });
}

// The one verb that begins with what was typed: "stat" for status, "reload-c" for
// reload-config.
std::string_view one_begun(std::string_view word, std::span<const std::string_view> verbs) {
    std::string_view found;
    for (const std::string_view verb : verbs) {
        if (!verb.starts_with(word)) continue;
        if (!found.empty()) return {};
        found = verb;
    }
    return found;
}

// CLI11 would only say that a subcommand is required.
std::string Superctl::wrong_verb(int argc, char** argv) const {
    std::vector<std::string> names;
    for (const auto* sub : app.get_subcommands({}))
        names.push_back(sub->get_name());
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--socket" || word == "--timeout") ++i;
        if (word.starts_with('-')) continue;
        if (std::find(names.begin(), names.end(), word) != names.end()) return {};
        std::vector<std::string_view> verbs(names.begin(), names.end());
        if (const auto begun = one_begun(word, verbs); !begun.empty()) verbs = {begun};
        const auto near = verbs.size() == 1 ? verbs.front() : nearest(word, verbs);
        const auto hint = near.empty() ? "see superctl --help"
                                       : "did you mean " + std::string(near) + "?";
        return "no verb " + quote_value(word) + "; " + hint;
    }
    const bool asks = argc > 1 && std::any_of(argv + 1, argv + argc, [](std::string_view word) {
        return word == "-h" || word == "--help" || word == "-V" || word == "--version";
    });
    if (!asks) return "no verb; begin with superctl status, superctl --help names all of them";
    return {};
}

// What stands behind a mistake has not been read yet.
void Superctl::find_json(int argc, char** argv) {
    const std::vector<std::string_view> given(argv + 1, argv + argc);
    globals.json = std::find(given.begin(), given.end(), "--json") != given.end();
}

int Superctl::run(int argc, char** argv) {
    add_global_options();
    add_looking();
    add_telling();
    add_file();
    add_import();
    add_tls();
    const auto wrong = wrong_verb(argc, argv);
    if (!wrong.empty()) {
        find_json(argc, argv);
        return ctl_fail(globals, {exit_code::usage, wrong});
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        find_json(argc, argv);
        if (globals.json && error.get_exit_code() != 0)
            return ctl_fail(globals, {exit_code::usage, error.what()});
        const int code = app.exit(error);  // prints help, the version or what is wrong
        return code == 0 ? exit_code::ok : exit_code::usage;
    }
    const char* plain = std::getenv("NO_COLOR");
    globals.colour = ::isatty(1) == 1 && (plain == nullptr || *plain == '\0') && !globals.json;
    if (!words.timeout.empty()) {
        const auto timeout = parse_duration(words.timeout);
        if (!timeout)
            return ctl_fail(globals, {exit_code::usage, "--timeout: " + timeout.error()});
        globals.timeout = *timeout;
    }
    const int code = verb();
    return std::fflush(stdout) == 0 ? code : exit_code::failed;
}

}  // namespace

}  // namespace superd

int main(int argc, char** argv) {
    return superd::Superctl().run(argc, argv);
}
