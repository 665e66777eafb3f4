// SPDX-License-Identifier: MIT
#include "sys/accept.h"

#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>

#include "sys/descriptors.h"

#include "support/catch.h"
#include "support/skip.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

// Lets no new descriptor be made, until it goes.
class NoDescriptors {
public:
    NoDescriptors() {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const Fd next(::dup(0));
        rlimit tight = before_;
        tight.rlim_cur = static_cast<rlim_t>(next.get());
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
    }

    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

private:
    rlimit before_{};
};

Accepted accept_one(int listener, ListenerKind kind) {
    Endpoint peer;
    REQUIRE(wait_readable(listener));
    Accepted got = accept_connection(listener, kind, peer);
    REQUIRE(got.outcome == AcceptOutcome::accepted);
    return got;
}

}  // namespace

TEST_CASE("accept: a blocking, close-on-exec connection with its peer; then nothing more") {
    const Fd listener = open_or_fail(loopback_plan(ListenerKind::tcp));
    const Fd client = connect_v4(port_of(listener.get()));
    REQUIRE(client);
    Endpoint peer;
    const Accepted got = accept_connection(listener.get(), ListenerKind::tcp, peer);
    REQUIRE(got.outcome == AcceptOutcome::accepted);
    CHECK((::fcntl(got.connection.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(got.connection.get(), F_GETFL) & O_NONBLOCK) == 0);
    CHECK(peer.family == Family::ip);
    CHECK(peer.ip.text() == "127.0.0.1");
    CHECK(peer.port == port_of(client.get()));
    CHECK(local_endpoint(got.connection.get()).port == port_of(listener.get()));
    CHECK(accept_connection(listener.get(), ListenerKind::tcp, peer).outcome ==
            AcceptOutcome::empty);
}

TEST_CASE("accept: a UNIX peer is known by its credentials and groups") {
    const Scratch scratch;
    for (const auto& [kind, type] : {std::pair{ListenerKind::unix_stream, SOCK_STREAM},
                 std::pair{ListenerKind::unix_seqpacket, SOCK_SEQPACKET}}) {
        const std::string path = scratch / std::to_string(type);
        const Fd listener = open_or_fail(path_plan(kind, path));
        const Fd client = connect_unix(path, type);
        REQUIRE(client);
        Endpoint peer;
        const Accepted got = accept_connection(listener.get(), kind, peer);
        REQUIRE(got.outcome == AcceptOutcome::accepted);
        CHECK(peer.family == Family::unix);
        CHECK(peer.uid == ::getuid());
        CHECK(peer.gid == ::getgid());
        CHECK(peer.pid == static_cast<std::uint32_t>(::getpid()));
        std::vector<gid_t> own(static_cast<std::size_t>(::getgroups(0, nullptr)));
        REQUIRE(::getgroups(static_cast<int>(own.size()), own.data()) >= 0);
        auto groups = peer_groups(got.connection.get());
        REQUIRE(groups);
        std::ranges::sort(own);
        std::ranges::sort(*groups);
        CHECK(std::vector<gid_t>(groups->begin(), groups->end()) == own);
    }
}

TEST_CASE("accept: more groups than the first guess are all told") {
    if (::getuid() != 0) {
        skip("only root may give itself 300 groups");
        return;
    }
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd read_end(ends[0]), write_end(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
        std::vector<gid_t> many(300);
        for (gid_t i = 0; i < 300; ++i)
            many[i] = 70000 + i;
        int pair[2];
        std::size_t count = 0;
        if (::setgroups(many.size(), many.data()) == 0 &&
                ::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0)
            if (const auto groups = peer_groups(pair[0])) count = groups->size();
        (void)!::write(write_end.get(), &count, sizeof count);
        ::_exit(0);
    }
    std::size_t count = 0;
    CHECK(::read(read_end.get(), &count, sizeof count) == sizeof count);
    ::waitpid(child, nullptr, 0);
    CHECK(count == 300);
}

TEST_CASE("accept: groups of a socket that has none are an error") {
    const Fd listener = open_or_fail(loopback_plan(ListenerKind::tcp));
    CHECK_FALSE(peer_groups(listener.get()));
}

TEST_CASE("accept: what each errno means") {
    struct {
        int error;
        AcceptOutcome outcome;
    } const cases[] = {
            {EAGAIN, AcceptOutcome::empty},
            {ECONNABORTED, AcceptOutcome::gone},
            {EINTR, AcceptOutcome::gone},
            {EPERM, AcceptOutcome::gone},
            {EPROTO, AcceptOutcome::gone},
            {ENETDOWN, AcceptOutcome::gone},
            {ENOPROTOOPT, AcceptOutcome::gone},
            {EHOSTDOWN, AcceptOutcome::gone},
            {ENONET, AcceptOutcome::gone},
            {EHOSTUNREACH, AcceptOutcome::gone},
            {ENETUNREACH, AcceptOutcome::gone},
            {ETIMEDOUT, AcceptOutcome::gone},
            {EMFILE, AcceptOutcome::no_resources},
            {ENFILE, AcceptOutcome::no_resources},
            {ENOBUFS, AcceptOutcome::no_resources},
            {ENOMEM, AcceptOutcome::no_resources},
            {EINVAL, AcceptOutcome::broken},
            {EBADF, AcceptOutcome::broken},
            {ENOTSOCK, AcceptOutcome::broken},
            {EOPNOTSUPP, AcceptOutcome::broken},
    };

    for (const auto& c : cases) {
        CAPTURE(c.error);
        CHECK(classify_accept_error(c.error) == c.outcome);
    }
}

TEST_CASE("accept: a listener that was shut down is broken, not empty") {
    const Fd listener = open_or_fail(loopback_plan(ListenerKind::tcp));
    REQUIRE(::shutdown(listener.get(), SHUT_RDWR) == 0);
    Endpoint peer;
    CHECK(accept_connection(listener.get(), ListenerKind::tcp, peer).outcome ==
            AcceptOutcome::broken);
}

TEST_CASE("accept: a client that connects and vanishes before accept harms nobody") {
    const Fd listener = open_or_fail(loopback_plan(ListenerKind::tcp));
    {
        const Fd client = connect_v4(port_of(listener.get()));
        REQUIRE(client);
        const linger reset{1, 0};
        ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    const Fd second = connect_v4(port_of(listener.get()));
    REQUIRE(second);
    int accepted = 0;
    Endpoint peer;
    for (int i = 0; i < 2 && peer.port != port_of(second.get()); ++i) {
        const AcceptOutcome outcome =
                accept_connection(listener.get(), ListenerKind::tcp, peer).outcome;
        CHECK((outcome == AcceptOutcome::accepted || outcome == AcceptOutcome::gone));
        accepted += outcome == AcceptOutcome::accepted;
    }
    CHECK(accepted >= 1);
    CHECK(peer.port == port_of(second.get()));
}

TEST_CASE("accept: connections have cookies of their own, copies share them") {
    const Fd listener = open_or_fail(loopback_plan(ListenerKind::tcp));
    const Fd one = connect_v4(port_of(listener.get())),
             two = connect_v4(port_of(listener.get()));
    const Accepted first = accept_one(listener.get(), ListenerKind::tcp);
    const Accepted second = accept_one(listener.get(), ListenerKind::tcp);
    const std::uint64_t cookie = socket_cookie(first.connection.get());
    CHECK(cookie != 0);
    CHECK(cookie != socket_cookie(second.connection.get()));
    CHECK(cookie != socket_cookie(listener.get()));
    const Fd copy(::dup(first.connection.get()));
    CHECK(socket_cookie(copy.get()) == cookie);
    CHECK(socket_cookie(-1) == 0);
}

TEST_CASE("descriptors: when they run out accept says so, and the client waits in the queue") {
    const Fd listener = open_or_fail(loopback_plan(ListenerKind::tcp));
    const Fd client = connect_v4(port_of(listener.get()));
    REQUIRE(client);
    Endpoint peer;
    {
        const NoDescriptors none;
        const Accepted got = accept_connection(listener.get(), ListenerKind::tcp, peer);
        CHECK(got.outcome == AcceptOutcome::no_resources);
        CHECK(got.error == EMFILE);
    }
    CHECK(accept_connection(listener.get(), ListenerKind::tcp, peer).outcome ==
            AcceptOutcome::accepted);
}

TEST_CASE("descriptors: the limit is raised to what is allowed, and its old value returned") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit low = before;
    low.rlim_cur = 64;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    const auto original = raise_descriptor_limit();
    rlimit now{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &now) == 0);
    ::setrlimit(RLIMIT_NOFILE, &before);
    REQUIRE(original);
    CHECK(original->rlim_cur == 64);
    CHECK(original->rlim_max == before.rlim_max);
    CHECK(now.rlim_cur == before.rlim_max);
}
