// SPDX-License-Identifier: MIT
// superd-resolve: asks name servers and ident servers for superd.
//
// Started by superd when it is first needed, with its own identity and the channel on
// descriptor 0. It reads what strangers wrote, so it can do nothing but ask and answer.
#include <csignal>
#include <cstdio>

#include <fcntl.h>
#include <getopt.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/confine.h"
#include "sys/descriptors.h"
#include "sys/resolve_server.h"

#include "config.h"

namespace {

constexpr int usage_error = 2;

}  // namespace

int main(int argc, char** argv) {
    const option options[] = {{"version", no_argument, nullptr, 'V'}, {nullptr, 0, nullptr, 0}};
    for (int c = 0; (c = ::getopt_long(argc, argv, "V", options, nullptr)) != -1;) {
        if (c != 'V') return usage_error;
        std::printf("superd-resolve %s\n", PACKAGE_VERSION);
        return 0;
    }
    superd::Fd channel = superd::take_channel();
    if (!channel) {
        std::fputs(
                "superd-resolve: descriptor 0 is not superd's channel; superd starts this "
                "program\n",
                stderr);
        return usage_error;
    }
    // A terminal's signals are for superd, which then closes the channel.
    for (const int signal : {SIGINT, SIGHUP, SIGQUIT, SIGPIPE})
        ::signal(signal, SIG_IGN);
    if (const auto confined = superd::confine_network_client(); !confined)
        std::fprintf(stderr, "superd-resolve: %s\n", confined.error().text().c_str());
    superd::ResolveServer server(std::move(channel));
    server.run();
    // Not through destructors: threads may hang in a look-up for as long as a name server
    // likes.
    ::_exit(0);
}
