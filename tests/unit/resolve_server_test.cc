// SPDX-License-Identifier: MIT
// superd-resolve's loop with look-ups of the test's own, and ident servers on loopback.
#include "sys/resolve_server.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "support/catch.h"
#include "support/sockets.h"

namespace superd {
namespace {

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

// The server in a thread; closing `near` ends it.
class Served {
public:
    explicit Served(LookupPool::Look look, std::uint16_t port = ident_port) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        near.reset(ends[0]);
        thread_ = std::thread([far = ends[1], look = std::move(look), port]() mutable {
            ResolveServer(Fd(far), std::move(look), port).run();
        });
    }

    ~Served() {
        near.reset();
        thread_.join();
    }

    void ask(const Query& query) const {
        REQUIRE(send_resolve_packet(near.get(), encode_query(query).value()));
    }

    [[nodiscard]] Answer next() const {
        pollfd entry{near.get(), POLLIN, 0};
        REQUIRE(::poll(&entry, 1, 20'000) == 1);
        return decode_answer(receive_resolve_packet(near.get()).value()).value();
    }

    Fd near;

private:
    std::thread thread_;
};

class Gate {
public:
    void open() {
        const std::scoped_lock lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

    void pass() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return open_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

struct Listener {
    Fd fd;
    std::uint16_t port = 0;
};

// On 127.0.0.2, so that the address an ident question comes from can be told.
Listener listen_on(const char* address) {
    Listener made{Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), 0};
    sockaddr_in at{};
    at.sin_family = AF_INET;
    REQUIRE(::inet_pton(AF_INET, address, &at.sin_addr) == 1);
    REQUIRE(::bind(made.fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(made.fd.get(), 8) == 0);
    socklen_t size = sizeof at;
    REQUIRE(::getsockname(made.fd.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
    made.port = ntohs(at.sin_port);
    return made;
}

IdentQuery ident_query(std::uint32_t timeout_ms) {
    return {7, timeout_ms, ip("127.0.0.1"), ip("127.0.0.2"), 0, 22, 51544};
}

}  // namespace

TEST_CASE("resolve server: a look-up that hangs delays no other") {
    Gate gate;
    const Served served([&](const Query& query) -> Answer {
        const auto& name = std::get<NameQuery>(query);
        if (name.id == 1) gate.pass();
        return NameAnswer{name.id, NameStatus::confirmed, "a.example"};
    });
    served.ask(NameQuery{1, 60'000, ip("192.0.2.1"), 0});
    served.ask(NameQuery{2, 60'000, ip("192.0.2.2"), 0});
    CHECK(id_of(served.next()) == 2);
    gate.open();
    CHECK(id_of(served.next()) == 1);
}

TEST_CASE("resolve server: a question whose time is over is answered without a look-up") {
    std::atomic<int> looked = 0;
    const Served served([&](const Query& query) {
        ++looked;
        return failed_answer(query);
    });
    served.ask(NameQuery{1, 0, ip("192.0.2.1"), 0});
    CHECK(served.next() == Answer(NameAnswer{1, NameStatus::failed, ""}));
    CHECK(looked == 0);
}

TEST_CASE("resolve server: more questions than may wait are refused, not kept") {
    Gate gate;
    LookupPool pool({.threads = 1, .waiting = 2}, [&](const Query& query) {
        gate.pass();
        return failed_answer(query);
    });
    const Mono later = SystemClock().now() + std::chrono::hours(1);
    unsigned taken = 0;
    for (std::uint64_t id = 0; id < 10; ++id)
        taken += pool.submit(NameQuery{id, 1, ip("192.0.2.1"), 0}, later) ? 1U : 0U;
    CHECK(taken >= 2);
    CHECK(taken <= 3);  // one may have left the queue for its thread
    gate.open();
}

TEST_CASE("resolve server: what is no question changes nothing") {
    const Served served([](const Query& query) { return failed_answer(query); });
    REQUIRE(send_resolve_packet(served.near.get(), "nonsense"));
    REQUIRE(send_resolve_packet(served.near.get(), std::string(resolve_packet_limit + 1, 'x')));
    served.ask(AddressQuery{5, 1000, "db1.internal"});
    CHECK(served.next() == Answer(AddressAnswer{5, true, {}}));
}

TEST_CASE("resolve server: a page is asked for, and its status told") {
    const Listener server = listen_on("127.0.0.1");
    const Served served([](const Query& query) { return failed_answer(query); });
    const auto port = static_cast<std::uint16_t>(server.port);
    served.ask(HttpQuery{9, 60'000, ip("127.0.0.1"), port, "here:80", "/health"});
    const Fd client(::accept4(server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(client);
    char block[256];
    const ssize_t got = ::recv(client.get(), block, sizeof block, 0);
    REQUIRE(got > 0);
    CHECK(std::string(block, static_cast<std::size_t>(got))
                    .starts_with("GET /health HTTP/1.1\r\nHost: here:80\r\n"));
    REQUIRE(::send(client.get(), "HTTP/1.1 50", 11, 0) == 11);
    REQUIRE(::send(client.get(), "3 Busy\r\n", 8, 0) == 8);
    CHECK(served.next() == Answer(HttpAnswer{9, 503, 0}));
}

TEST_CASE("resolve server: a page that nobody serves, or not in time, has no status") {
    Listener server = listen_on("127.0.0.1");
    const Served served([](const Query& query) { return failed_answer(query); });
    const auto port = static_cast<std::uint16_t>(server.port);
    served.ask(HttpQuery{1, 50, ip("127.0.0.1"), port, "here", "/"});
    CHECK(served.next() == Answer(HttpAnswer{1, 0, ETIMEDOUT}));
    served.ask(HttpQuery{2, 60'000, ip("127.0.0.1"), port, "here", "/"});
    const Fd silent(::accept4(server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const Fd client(::accept4(server.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(client);
    REQUIRE(::send(client.get(), "SSH-2.0-x\r\n", 11, 0) == 11);
    CHECK(served.next() == Answer(HttpAnswer{2, 0, EPROTO}));
    server.fd.reset();
    served.ask(HttpQuery{3, 60'000, ip("127.0.0.1"), port, "here", "/"});
    CHECK(served.next() == Answer(HttpAnswer{3, 0, ECONNREFUSED}));
}

TEST_CASE("resolve server: ident is asked from the local address, with the peer's port first") {
    const Listener identd = listen_on("127.0.0.2");
    const Served served([](const Query& query) { return failed_answer(query); }, identd.port);
    served.ask(ident_query(60'000));
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const Fd client(::accept4(
            identd.fd.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
    REQUIRE(client);
    CHECK(ntohl(from.sin_addr.s_addr) == INADDR_LOOPBACK);
    char block[64];
    const ssize_t got = ::recv(client.get(), block, sizeof block, 0);
    CHECK(std::string(block, static_cast<std::size_t>(got)) == "51544, 22\r\n");
    // In two pieces, as a slow server sends.
    REQUIRE(::send(client.get(), "51544, 22 : USERID", 18, 0) == 18);
    REQUIRE(::send(client.get(), " : UNIX : alice\r\n", 17, 0) == 17);
    CHECK(served.next() == Answer(IdentAnswer{7, {IdentStatus::user, "alice", "UNIX"}}));
}

TEST_CASE("resolve server: ident servers that say nothing, too much or nonsense have failed") {
    const Listener identd = listen_on("127.0.0.2");
    const Served served([](const Query& query) { return failed_answer(query); }, identd.port);
    const Answer failed = IdentAnswer{7, {}};

    SECTION("nothing") {
        served.ask(ident_query(50));
        CHECK(served.next() == failed);
    }
    SECTION("the end at once") {
        served.ask(ident_query(60'000));
        Fd(::accept4(identd.fd.get(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
        CHECK(served.next() == failed);
    }
    SECTION("a line without an end") {
        served.ask(ident_query(60'000));
        const Fd client(::accept4(identd.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
        const std::string noise(4096, ':');
        REQUIRE(::send(client.get(), noise.data(), noise.size(), MSG_NOSIGNAL) > 0);
        CHECK(served.next() == failed);
    }
}

TEST_CASE("resolve server: nobody listens at the peer") {
    std::uint16_t port = 0;
    { port = listen_on("127.0.0.2").port; }
    const Served served([](const Query& query) { return failed_answer(query); }, port);
    served.ask(ident_query(60'000));
    CHECK(served.next() == Answer(IdentAnswer{7, {}}));
}

TEST_CASE("resolve server: the host's own names are looked up and confirmed") {
    const Answer answer = look_up(NameQuery{1, 1000, ip("127.0.0.1"), 0});
    const auto& name = std::get<NameAnswer>(answer);
    CHECK(name.status == NameStatus::confirmed);
    const auto addresses = std::get<AddressAnswer>(look_up(AddressQuery{2, 1000, name.name}));
    CHECK_FALSE(addresses.failed);
    CHECK(std::find(addresses.addresses.begin(), addresses.addresses.end(), ip("127.0.0.1")) !=
            addresses.addresses.end());
}

}  // namespace superd
