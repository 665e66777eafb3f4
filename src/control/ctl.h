// SPDX-License-Identifier: MIT
// The verbs of superctl. Each talks to superd or reads the file, prints, and returns an exit
// code of control/names.h. src/cmd/superctl.cc reads the command line.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/clock.h"
#include "config/config.h"
#include "config/import.h"
#include "control/client.h"

namespace superd {

// What stands before any verb.
struct CtlGlobals {
    std::string default_file;  // the configuration where no daemon tells its own
    std::string socket;        // of the daemon
    std::string tls_program{};  // superd-tls; empty: there is none
    bool json = false;
    bool colour = false;  // standard output is a terminal that wants it
    Nanoseconds timeout = no_timeout;
};

// How superctl speaks. Standard output is for answers; errors go to standard error, with --json
// as {"version": 1, "error": {"code": …, "message": …}} to standard output.
int ctl_fail(const CtlGlobals& globals, const Outcome& outcome);
void ctl_print(const std::string& text);
// That something is done: a line, with --json {"version": 1, "message": …}.
void ctl_say(const CtlGlobals& globals, const std::string& message);
// For questions: a daemon that runs answers them within 10 s, unless told otherwise.
[[nodiscard]] Nanoseconds ctl_read_timeout(const CtlGlobals& globals);
// Each line escaped: what superd says may quote what others sent.
[[nodiscard]] std::string ctl_lines(const std::string& text);

// The names that the arguments mean: globs are matched against the daemon's services, the name
// of a service with replicas stands for all its copies, other words stand for themselves. No
// arguments: all services.
[[nodiscard]] tl::expected<std::vector<std::string>, Outcome> ctl_names(
        const CtlGlobals& globals, ControlClient& client,
        const std::vector<std::string>& words);

// The same against names that are known.
[[nodiscard]] tl::expected<std::vector<std::string>, Outcome> ctl_matching(
        const std::vector<std::string>& words, const std::vector<std::string>& all);

// ---- looking (ctl_look.cc)
int ctl_status(const CtlGlobals& globals, const std::vector<std::string>& names, bool quiet,
        unsigned log_lines);
int ctl_list(const CtlGlobals& globals, const std::vector<std::string>& names);
int ctl_show(const CtlGlobals& globals, const std::vector<std::string>& names, bool effective);
int ctl_why(const CtlGlobals& globals, const std::vector<std::string>& names);
// The services that run by the clock.
int ctl_timers(const CtlGlobals& globals, const std::vector<std::string>& names);
int ctl_sockets(const CtlGlobals& globals, const std::vector<std::string>& names);
int ctl_connections(const CtlGlobals& globals, const std::vector<std::string>& names);
// from: see parse_endpoint(), and "user:NAME"; at: empty for now, "2026-11-23 18:30" or
// "18:30".
int ctl_explain(const CtlGlobals& globals, const std::string& name, const std::string& from,
        const std::string& at);
int ctl_version(const CtlGlobals& globals);

// What confines it, by the plan and by what the kernel says of its processes
// (ctl_sandbox.cc).
int ctl_sandbox(const CtlGlobals& globals, const std::vector<std::string>& words);

// ---- telling (ctl_tell.cc)
// method: of the control object, "Start" ...
int ctl_act(
        const CtlGlobals& globals, const char* method, const std::vector<std::string>& names);
// signal: "TERM", "SIGTERM" or a number; connection: hexadecimal, empty for all; whom: "main",
// "control" or "all", empty: what superd itself started.
int ctl_kill(const CtlGlobals& globals, const std::vector<std::string>& names,
        const std::string& signal, const std::string& connection, const std::string& whom = {});
// copies: how many there are to be, of a service with replicas.
int ctl_scale(const CtlGlobals& globals, const std::string& name, const std::string& copies);
int ctl_wait(const CtlGlobals& globals, const std::vector<std::string>& names,
        const std::string& what);
// brief: what was said of the file and its changes is said already.
// Another program in superd's place; empty: the one that superd was started from, as it is now.
int ctl_upgrade(const CtlGlobals& globals, const std::string& program);

int ctl_reload(const CtlGlobals& globals, bool dry_run, bool brief = false);

int ctl_reopen_logs(const CtlGlobals& globals);

// ---- addresses kept out (ctl_deny.cc)
struct DenyWords {
    std::string address{};  // empty: list, or all with clear
    std::string length{};   // "1h"; empty: the usual one
    std::string reason{};
    bool forever = false, clear = false, all = false;
};

int ctl_deny(const CtlGlobals& globals, const DenyWords& words);
// The number of a signal; nothing where there is none of that name.
[[nodiscard]] std::optional<int> parse_signal(const std::string& text);
// Seconds since 1970 of a time people write, local unless it ends in Z.
[[nodiscard]] std::optional<std::int64_t> parse_when(const std::string& text, std::int64_t now);

// ---- the file (ctl_file.cc, ctl_edit.cc, ctl_enable.cc)
// file empty: the daemon's, or the built-in path where no daemon answers. as: see ReadOptions.
int ctl_check(const CtlGlobals& globals, const std::string& file, const std::string& as);
int ctl_options(const CtlGlobals& globals, const std::string& key);
int ctl_edit(const CtlGlobals& globals, const std::string& file, const std::string& name);
int ctl_enable(const CtlGlobals& globals, const std::string& file,
        const std::vector<std::string>& words, bool enabled);
[[nodiscard]] std::string ctl_config_path(const CtlGlobals& globals, const std::string& given);
// To read path as the daemon would: as root's where the file is root's.
// What is in force with a TLS profile, and what a server shows of its TLS (ctl_tls.cc).
int ctl_tls_ciphers(const CtlGlobals& globals, const std::string& file, const std::string& name);

struct CtlProbe {
    std::string target;  // "HOST:PORT"
    std::vector<std::string> alpn;
    std::string trust;  // a file with certificates to believe; empty: the system's alone
};

int ctl_tls_probe(const CtlGlobals& globals, const CtlProbe& probe);
[[nodiscard]] ReadOptions ctl_read_options(const std::string& path, const std::string& as);

// ---- other super-servers' configurations (ctl_import.cc)
struct ImportChoices {
    std::string output;   // a file; empty or "-": standard output
    std::string folder;   // superd.toml and superd.d/NAME.toml below it; empty: one file
    bool strict = false;  // anything lost is a failure, and nothing is written
    bool force = false;   // write over what is there
};

// What `read` reads goes through the checker to where choices say; the report to standard
// error, with --json as one object to standard output.
int ctl_import(const CtlGlobals& globals, ImportChoices choices,
        const std::function<Import(ImportHost&)>& read);

// ---- one handler at the terminal (ctl_try.cc)
int ctl_try(const CtlGlobals& globals, const std::string& file, const std::string& name);

// ---- output of services (ctl_logs.cc)
int ctl_logs(const CtlGlobals& globals, const std::vector<std::string>& names,
        std::uint32_t lines, bool follow);
// The newest lines of one service for `status NAME`; empty where superd-log does not answer.
[[nodiscard]] std::vector<std::string> ctl_last_lines(
        const CtlGlobals& globals, const std::string& name, std::uint32_t lines);

}  // namespace superd
