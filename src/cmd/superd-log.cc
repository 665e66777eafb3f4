// SPDX-License-Identifier: MIT
// superd-log: reads what superd and its services print and writes it to the log's sinks.
//
// Started by superd, with its own identity, its control channel on descriptor 0 and superd's
// stderr on 2. It opens nothing but sockets of syslog and the journal: streams and files come
// over the channel.
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <getopt.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "log/collector.h"
#include "sys/descriptors.h"

#include "config.h"

namespace {

constexpr int usage_error = 2;

// TERM ends it in order. A terminal's INT and HUP, and QUIT, are for superd, which then closes
// the channel; a reader that goes away and a file that is too long are errors of write(2).
superd::Fd take_signals() {
    for (const int signal : {SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ})
        ::signal(signal, SIG_IGN);
    sigset_t mask;
    ::sigemptyset(&mask);
    ::sigaddset(&mask, SIGTERM);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    return superd::Fd(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

int main(int argc, char** argv) {
    const option options[] = {{"version", no_argument, nullptr, 'V'}, {nullptr, 0, nullptr, 0}};
    for (int c = 0; (c = ::getopt_long(argc, argv, "V", options, nullptr)) != -1;) {
        if (c != 'V') return usage_error;
        std::printf("superd-log %s\n", PACKAGE_VERSION);
        return 0;
    }
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    // As many streams as there may be services.
    static_cast<void>(superd::raise_descriptor_limit());
    superd::Fd channel = superd::take_channel();
    if (!channel) {
        std::fputs(
                "superd-log: descriptor 0 is not superd's channel; superd starts this "
                "program\n",
                stderr);
        return usage_error;
    }
    const superd::Fd signals = take_signals();
    const superd::SystemClock clock;
    superd::Collector collector(std::move(channel), clock, {});
    collector.run(signals.get());
    return 0;
}
