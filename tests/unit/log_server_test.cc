// SPDX-License-Identifier: MIT
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <grp.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "log/reader.h"
#include "log/server.h"

#include "support/catch.h"
#include "support/log_program.h"
#include "support/skip.h"

using namespace superd;
using namespace superd::test;

namespace {

LogLine line(const std::string& service, const std::string& text) {
    return {"2026-11-23T01:48:02.114Z", service, 7, text, false, 0};
}

struct Server {
    Server() {
        Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
                        sizeof address) == 0);
        REQUIRE(::listen(listener.get(), 32) == 0);
        ::chmod(path.c_str(), 0666);
        ::chmod(dir.path().c_str(), 0755);
        server.set_listener(std::move(listener));
        server.set_access(::geteuid(), std::nullopt);
    }

    LogReader ask(const LogQuery& query) {
        auto reader = LogReader::open(path, query);
        REQUIRE(reader);
        server.on_ready(now);
        server.on_ready(now);  // accepted, then read
        return std::move(*reader);
    }

    void append(const LogLine& entry) {
        ring.append(entry);
        server.publish(entry);
    }

    Directory dir;
    std::string path = dir / "logs";
    LogRing ring{1000, 16 * 1024 * 1024};
    LogServer server{ring};
    Mono now{std::chrono::hours(1)};
};

// What a reader gets until the end, or until so many lines have come.
std::vector<std::string> texts(LogReader& reader, std::size_t count = ~std::size_t{0}) {
    std::vector<std::string> out;
    while (out.size() < count) {
        const auto next = reader.next();
        REQUIRE(next);
        if (!*next) break;
        out.push_back((*next)->service + ":" + (*next)->text);
    }
    return out;
}

Fd raw_reader(const Server& server) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, server.path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof address) == 0);
    return socket;
}

// Serves on a thread of its own while the test reads.
class Serving {
public:
    explicit Serving(Server& server) : thread_([this, &server] { run(server); }) {}

    ~Serving() {
        const std::uint64_t one = 1;
        CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one);
        thread_.join();
    }

    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;

private:
    void run(Server& server) {
        pollfd entries[] = {{server.server.descriptor(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
        while (::poll(entries, 2, -1) > 0 && entries[1].revents == 0)
            server.server.on_ready(server.now);
    }

    Fd stop_{::eventfd(0, EFD_CLOEXEC)};
    std::thread thread_;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("log server: a reader gets the past of its services and the end") {
    Server server;
    server.append(line("a", "1"));
    server.append(line("b", "2"));
    server.append(line("a", "3"));
    LogReader all = server.ask({});
    CHECK(texts(all) == Texts{"a:1", "b:2", "a:3"});
    LogReader some = server.ask({{"a"}, 1, false});
    CHECK(texts(some) == Texts{"a:3"});
    CHECK(server.server.readers() == 0);
}

TEST_CASE("log server: a reader that follows gets what comes, of its services only") {
    Server server;
    server.append(line("a", "1"));
    LogReader reader = server.ask({{"a", "c"}, 10, true});
    CHECK(texts(reader, 1) == Texts{"a:1"});
    server.append(line("b", "2"));
    server.append(line("c", "3"));
    server.server.flush(server.now);
    CHECK(texts(reader, 1) == Texts{"c:3"});
    CHECK(server.server.readers() == 1);
    { const LogReader gone = std::move(reader); }
    server.server.on_ready(server.now);
    CHECK(server.server.readers() == 0);
}

TEST_CASE("log server: a slow reader loses lines and is told how many; the rest is whole") {
    Server server;
    LogReader reader = server.ask({{}, 0, true});
    const std::string text(1000, 'x');
    constexpr std::uint64_t sent = 5000;
    for (std::uint64_t i = 0; i < sent; ++i) {
        server.append(line("a", text));
        server.server.flush(server.now);
    }
    const Serving serving(server);
    std::uint64_t got = 0, lost = 0;
    while (got + lost < sent) {
        const auto next = reader.next();
        REQUIRE(next);
        REQUIRE(*next);
        if ((*next)->lost == 0) REQUIRE((*next)->text == text);
        lost += (*next)->lost;
        got += (*next)->lost == 0 ? 1U : 0U;
    }
    CHECK(got + lost == sent);
    CHECK(lost > 1000);
    CHECK(got > 1000);
}

TEST_CASE("log server: a long past is cut to its newest part, which is said first") {
    Server server;
    for (int i = 0; i < 1000; ++i)
        server.append(
                line("s" + std::to_string(i % 10), std::string(4000, 'x') + std::to_string(i)));
    LogReader reader = server.ask({{}, 1000, false});
    const Serving serving(server);
    const auto first = reader.next();
    REQUIRE(first);
    REQUIRE(*first);
    CHECK((*first)->lost > 500);
    const Texts rest = texts(reader);
    CHECK(rest.size() + (*first)->lost == 1000);
    CHECK_THAT(rest.back(), Catch::EndsWith("x999"));
}

TEST_CASE("log server: the seventeenth reader is sent away") {
    Server server;
    std::vector<LogReader> readers;
    for (std::size_t i = 0; i < LogServer::reader_bound; ++i)
        readers.push_back(server.ask({{}, 0, true}));
    LogReader late = server.ask({});
    CHECK(late.next().error().code == EACCES);
    readers.pop_back();
    server.append(line("a", "1"));
    LogReader again = server.ask({});
    CHECK(texts(again) == Texts{"a:1"});
}

TEST_CASE("log server: a reader that does not ask, or asks nonsense, is dropped") {
    Server server;
    const Fd silent = raw_reader(server), chatty = raw_reader(server),
             wrong = raw_reader(server);
    write_all(chatty.get(), std::string(LogServer::question_bound + 1, 'x'));
    write_all(wrong.get(), "{\"lines\":\"many\"}\n");
    for (int i = 0; i < 4; ++i)
        server.server.on_ready(server.now);
    CHECK(server.server.readers() == 1);
    CHECK(read_available(wrong.get()) == "{\"error\":\"not a question\"}\n");
    CHECK(server.server.timeout(server.now) == 2000);
    server.now += std::chrono::seconds(2);
    server.server.flush(server.now);
    CHECK(server.server.readers() == 0);
    CHECK(server.server.timeout(server.now) == -1);
}

namespace {

// A child with another identity asks; 0: got the line, 1: refused, 2: anything else.
int ask_as(Server& server, unsigned uid, unsigned gid, std::vector<gid_t> groups) {
    const int pid = ::fork();
    if (pid == 0) {
        if (::setgroups(groups.size(), groups.data()) != 0 || ::setresgid(gid, gid, gid) != 0 ||
                ::setresuid(uid, uid, uid) != 0)
            ::_exit(3);
        auto reader = LogReader::open(server.path, {});
        if (!reader) ::_exit(4);
        const auto next = reader->next();
        if (next && *next) ::_exit((*next)->text == "secret" ? 0 : 2);
        ::_exit(!next && next.error().code == EACCES ? 1 : 2);
    }
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
        pollfd entry{server.server.descriptor(), POLLIN, 0};
        if (::poll(&entry, 1, 10) == 1) server.server.on_ready(server.now);
    }
    return WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("log server: only root, superd's own user and the admin group may read") {
    if (::geteuid() != 0) {
        skip("needs root to be somebody else");
        return;
    }
    Server server;
    server.append(line("a", "secret"));
    server.server.set_access(4001, std::nullopt);
    CHECK(ask_as(server, 0, 0, {}) == 0);
    CHECK(ask_as(server, 4001, 4001, {}) == 0);
    CHECK(ask_as(server, 4002, 4002, {}) == 1);
    CHECK(ask_as(server, 4002, 4010, {4010}) == 1);
    server.server.set_access(4001, 4010);
    CHECK(ask_as(server, 4002, 4010, {}) == 0);
    CHECK(ask_as(server, 4002, 4002, {1, 4010}) == 0);
    CHECK(ask_as(server, 4002, 4002, {1}) == 1);
}
