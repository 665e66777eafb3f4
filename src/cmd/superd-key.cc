// SPDX-License-Identifier: MIT
// superd-key: holds the private keys of TLS and signs for one superd-relay; started by superd
// alone. See superd-key(8).
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include <getopt.h>

#include "base/text.h"
#include "sys/descriptors.h"

#include "config.h"
#include "relay/sandbox.h"
#include "tls/context.h"
#include "tls/key_server.h"

namespace {

constexpr int usage_error = 2;

// "UID:GID", numbers: superd has looked the name up.
std::optional<superd::SandboxOptions::User> parse_user(const char* text) {
    const auto parts = superd::split(text, ':');
    if (parts.size() != 2) return std::nullopt;
    const auto uid = superd::parse_decimal(parts[0]), gid = superd::parse_decimal(parts[1]);
    if (!uid || !gid || *uid >= 0xffffffff || *gid >= 0xffffffff) return std::nullopt;
    return superd::SandboxOptions::User{
            static_cast<std::uint32_t>(*uid), static_cast<std::uint32_t>(*gid)};
}

// Nothing: it was asked for something else, and status is the exit status.
std::optional<superd::SandboxOptions> parse_options(int argc, char** argv, int& status) {
    static constexpr option table[] = {{"version", no_argument, nullptr, 'V'},
            {"user", required_argument, nullptr, 'u'},
            {"root", required_argument, nullptr, 'r'}, {nullptr, 0, nullptr, 0}};
    superd::SandboxOptions options{.user = {}, .closed = true, .root = {}};
    status = usage_error;
    for (int c = 0; (c = ::getopt_long(argc, argv, "V", table, nullptr)) != -1;) {
        switch (c) {
            case 'V':
                std::printf("superd-key %s\n", PACKAGE_VERSION);
                status = 0;
                return std::nullopt;
            case 'u':
                options.user = parse_user(optarg);
                if (!options.user) return std::nullopt;
                break;
            case 'r': options.root = optarg; break;
            default: return std::nullopt;
        }
    }
    if (optind < argc) return std::nullopt;
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    int status = 0;
    const auto options = parse_options(argc, argv, status);
    if (!options) return status;
    for (const int signal : {SIGINT, SIGHUP, SIGQUIT, SIGTERM, SIGPIPE})
        ::signal(signal, SIG_IGN);
    superd::Fd channel = superd::take_channel();
    if (!channel) {
        std::fputs("superd-key: descriptor 0 is not superd's channel; superd starts this program\n",
                stderr);
        return usage_error;
    }
    superd::begin_openssl();
    const auto sandbox = superd::enter_sandbox(*options);
    if (!sandbox) {
        std::fprintf(stderr, "superd-key: %s\n", sandbox.error().text().c_str());
        return 1;
    }
    superd::KeyServer(std::move(channel)).run();
    return 0;
}
