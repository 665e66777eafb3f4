// SPDX-License-Identifier: MIT
#include "cmd/superd_options.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include <getopt.h>
#include <unistd.h>

#include "base/text.h"
#include "config/file.h"
#include "engine/directories.h"

#include "config.h"

namespace superd {

namespace {

constexpr std::string_view usage_text =
        "usage: superd [-c FILE] [-t] [--as FILE] [-d] [--background] [--pid-file FILE]\n"
        "              [--run DIR] [--state DIR] [--socket PATH] [--take-from PID]\n"
        "              [--no-guard] [--spawn shared|vfork|fork] [-V]\n"
        "see superd(8)\n";

std::string environment_or(const char* name, std::string fallback) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : std::move(fallback);
}

// Exits where text is no pid.
int parse_pid(std::string_view text) {
    const auto pid = parse_decimal(text);
    if (pid && *pid > 0 && *pid <= 0x7fffffff) return static_cast<int>(*pid);
    std::fprintf(stderr, "superd: --take-from takes a process number\n%s", usage_text.data());
    std::exit(2);
}

Resume parse_resume(std::string_view text) {
    if (auto resume = Resume::parse(text)) return *resume;
    std::fputs("superd: --resume is what one superd tells another\n", stderr);
    std::exit(2);
}

// Without "..", for a service may not be allowed to walk through the folders before it.
std::string plain_path(const std::string& path) {
    std::error_code failed;
    const auto plain = std::filesystem::weakly_canonical(absolute_path(path), failed);
    return failed ? absolute_path(path) : plain.string();
}

}  // namespace

bool is_root() {
    return ::geteuid() == 0;
}

DaemonOptions parse_options(int argc, char** argv) {
    enum {
        as_option = 256,
        background_option,
        pid_file_option,
        run_option,
        state_option,
        socket_option,
        no_guard_option,
        spawn_option,
        take_from_option,
        resume_option_number,
        check_state_option
    };

    static constexpr std::array<option, 16> long_options{
            {{"config", required_argument, nullptr, 'c'}, {"check", no_argument, nullptr, 't'},
                    {"debug", no_argument, nullptr, 'd'},
                    {"version", no_argument, nullptr, 'V'}, {"help", no_argument, nullptr, 'h'},
                    {"as", required_argument, nullptr, as_option},
                    {"background", no_argument, nullptr, background_option},
                    {"pid-file", required_argument, nullptr, pid_file_option},
                    {"run", required_argument, nullptr, run_option},
                    {"state", required_argument, nullptr, state_option},
                    {"socket", required_argument, nullptr, socket_option},
                    {"no-guard", no_argument, nullptr, no_guard_option},
                    {"take-from", required_argument, nullptr, take_from_option},
                    {"spawn", required_argument, nullptr, spawn_option},
                    {"resume", required_argument, nullptr, resume_option_number},
                    {"check-state", no_argument, nullptr, check_state_option}}};
    std::array<option, long_options.size() + 1> table{};
    std::copy(long_options.begin(), long_options.end(), table.begin());
    DaemonOptions options;
    for (;;) {
        const int letter = ::getopt_long(argc, argv, "c:tdVh", table.data(), nullptr);
        if (letter < 0) break;
        switch (letter) {
            case 'c': options.file = optarg; break;
            case 't': options.check = true; break;
            case 'd': options.debug = true; break;
            case as_option: options.as = optarg; break;
            case background_option: options.background = true; break;
            case pid_file_option: options.pid_file = optarg; break;
            case run_option: options.run = optarg; break;
            case state_option: options.state = optarg; break;
            case socket_option: options.socket = optarg; break;
            case no_guard_option: options.no_guard = true; break;
            case spawn_option: options.spawn = optarg; break;
            case take_from_option: options.take_from = parse_pid(optarg); break;
            case check_state_option: options.check_state = true; break;
            case resume_option_number: options.resume = parse_resume(optarg); break;
            case 'V': std::puts("superd " PACKAGE_VERSION); std::exit(0);
            case 'h': std::fputs(usage_text.data(), stdout); std::exit(0);
            default: std::fputs(usage_text.data(), stderr); std::exit(2);
        }
    }
    if (optind < argc) {
        std::fprintf(stderr, "superd: \"%s\": no such argument\n%s", argv[optind],
                usage_text.data());
        std::exit(2);
    }
    return options;
}

void fill_defaults(DaemonOptions& options) {
    const std::string home = environment_or("HOME", "/");
    if (options.run.empty()) options.run = default_run_directory();
    if (options.state.empty()) {
        options.state = is_root() ? "/var/lib/superd"
                                  : environment_or("XDG_STATE_HOME", home + "/.local/state") +
                                            "/superd";
    }
    if (options.socket.empty())
        options.socket = environment_or("SUPERD_CONTROL", options.run + "/control");
    // These paths are handed on, to children with directories of their own.
    for (std::string* path : {&options.run, &options.state, &options.socket})
        *path = plain_path(*path);
    if (!options.pid_file.empty()) options.pid_file = absolute_path(options.pid_file);
    std::array<char, 4096> absolute;
    if (::realpath(options.file.c_str(), absolute.data()) != nullptr && options.as.empty() &&
            options.file[0] != '/')
        options.file = absolute.data();
}

}  // namespace superd
