// SPDX-License-Identifier: MIT
// superd-announce: tells others where superd's services are to be found. See
// superd-announce(8).
//
// Started by superd when a service asks for it, with its own identity and the channel on
// descriptor 0; or, without a channel, to print what rpcbind has.
#include <csignal>
#include <cstdio>
#include <optional>
#include <string_view>

#include <getopt.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/announce_server.h"
#include "sys/avahi_backend.h"
#include "sys/confine.h"
#include "sys/descriptors.h"
#include "sys/rpc_backend.h"
#include "sys/rpc_listing.h"

#include "config.h"

namespace superd {

namespace {

constexpr int usage_error = 2;

void tell_rpcbind(AnnounceServer& server) {
    RpcBackend backend(
            server, {.socket = rpcbind_socket,
                            .connect = [] { return connect_rpcbind(rpcbind_socket); },
                            .owner = rpc_owner(::geteuid())});
    server.run(backend);
}

void tell_avahi(AnnounceServer& server) {
    AvahiBackend backend(server);
    server.run(backend);
}

std::optional<Announcing> parse_where(std::string_view word) {
    for (const Announcing where : {Announcing::rpc, Announcing::mdns})
        if (word == announcing_word(where)) return where;
    return std::nullopt;
}

void confine() {
    if (const auto confined = confine_network_client(); !confined)
        std::fprintf(stderr, "superd-announce: %s\n", confined.error().text().c_str());
}

int list_registered() {
    confine();
    auto talk = connect_rpcbind(rpcbind_socket);
    auto listed = talk ? (*talk)->list() : tl::unexpected(talk.error());
    if (!listed) {
        std::fprintf(stderr, "superd-announce: %s\n", listed.error().text().c_str());
        return 1;
    }
    std::fputs(format_rpc_listing(*listed).c_str(), stdout);
    return std::fflush(stdout) == 0 ? 0 : 1;
}

int serve(std::string_view word) {
    if (word == "list") return list_registered();
    Fd channel = take_channel();
    const auto where = parse_where(word);
    if (!where || !channel) {
        std::fputs(
                "usage: superd-announce rpc|mdns, with superd's channel on descriptor 0: "
                "superd starts this program\n"
                "       superd-announce list\n",
                stderr);
        return usage_error;
    }
    // A terminal's signals are for superd, which then closes the channel.
    for (const int signal : {SIGINT, SIGHUP, SIGQUIT, SIGPIPE})
        ::signal(signal, SIG_IGN);
    confine();
    AnnounceServer server(std::move(channel), *where);
    if (*where == Announcing::rpc)
        tell_rpcbind(server);
    else
        tell_avahi(server);
    return 0;
}

}  // namespace

}  // namespace superd

int main(int argc, char** argv) {
    const option options[] = {{"version", no_argument, nullptr, 'V'}, {nullptr, 0, nullptr, 0}};
    for (int c = 0; (c = ::getopt_long(argc, argv, "V", options, nullptr)) != -1;) {
        if (c != 'V') return superd::usage_error;
        std::printf("superd-announce %s\n", PACKAGE_VERSION);
        return 0;
    }
    return superd::serve(optind + 1 == argc ? argv[optind] : "");
}
