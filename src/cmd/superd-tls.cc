// SPDX-License-Identifier: MIT
// superd-tls: what superd and superctl need OpenSSL for, beside the connections. See
// superd-tls(8).
#include <cstdio>
#include <string>
#include <string_view>

#include <unistd.h>

#include "config.h"
#include "config/tls_findings.h"
#include "tls/check.h"

namespace {

constexpr int usage_error = 2;
// Nobody waits for it for ever: a file system may hang.
constexpr unsigned patience = 30;  // s

std::string read_input() {
    std::string bytes;
    char room[4096];
    for (ssize_t n = 0; (n = ::read(0, room, sizeof room)) > 0;)
        bytes.append(room, static_cast<std::size_t>(n));
    return bytes;
}

// superd asks about the profiles of a file.
int check() {
    const auto profiles = superd::decode_tls_profiles(read_input());
    if (!profiles) {
        std::fputs("superd-tls: check is for superd, which says what is to be checked\n", stderr);
        return usage_error;
    }
    const std::string answer =
            superd::encode_tls_findings(superd::check_tls_profiles(*profiles));
    return std::fwrite(answer.data(), 1, answer.size(), stdout) == answer.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    ::alarm(patience);
    const std::string_view verb = argc == 2 ? argv[1] : "";
    if (verb == "check") return check();
    if (verb == "-V" || verb == "--version") {
        std::printf("superd-tls %s\n", PACKAGE_VERSION);
        return 0;
    }
    std::fputs("usage: superd-tls check | -V\n", stderr);
    return usage_error;
}
