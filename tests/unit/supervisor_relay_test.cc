// SPDX-License-Identifier: MIT
// The supervisor and superd-relay: builtins, redirects, tcpmux and ident as a client sees them,
// with a real relay (this very program) and sockets on loopback.
#include <csignal>

#include <sys/wait.h>

#include "engine/supervisor.h"

#include "support/catch.h"
#include "support/supervising.h"

namespace superd {
namespace {

using test::Supervised;

std::string builtin(const std::string& name, const std::string& lines = "",
        const std::string& kind = "tcp") {
    return "[service." + name + "]\nlisten = \"" + kind + ":127.0.0.1:0\"\nbuiltin = \"" +
           name + "\"\n" + lines;
}

std::string user() {
    return "user = \"" + std::to_string(::geteuid()) + "\"\n";
}

struct Bench : Supervised {
    explicit Bench(const std::string& config) {
        write_config(config);
        start_from_file();
    }

    // The relay goes with its channel; nothing is left for the tests that follow.
    ~Bench() {
        end_all();
        supervisor.reset();
        while (::waitpid(-1, nullptr, 0) > 0) {
        }
    }

    [[nodiscard]] Fd talk(std::string_view name, std::string_view text) const {
        Fd client = connect(name);
        REQUIRE(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(text.size()));
        return client;
    }

    // What comes until there is that much, or the end.
    std::string read(const Fd& client, std::size_t size) {
        std::string text;
        turn_until([&] {
            char block[4096];
            const ssize_t got = ::recv(client.get(), block, sizeof block, MSG_DONTWAIT);
            if (got > 0) text.append(block, static_cast<std::size_t>(got));
            return text.size() >= size || got == 0;
        });
        return text;
    }

    [[nodiscard]] Fd accepted(const Fd& listener) {
        Fd server;
        REQUIRE(turn_until([&] {
            server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            return static_cast<bool>(server);
        }));
        return server;
    }

    [[nodiscard]] bool log_has(const std::string& part) {
        return turn_until([&] { return log().find(part) != std::string::npos; });
    }
};

// A server of the test's own, not blocking.
Fd server_on(std::uint32_t& port, ListenerKind kind = ListenerKind::tcp) {
    ListenerPlan plan = test::loopback_plan(kind);
    Fd fd = test::open_or_fail(plan);
    port = test::port_of(fd.get());
    return fd;
}

std::string redirect(
        const std::string& to, const std::string& lines = "", const std::string& kind = "tcp") {
    return "[service.r]\nlisten = \"" + kind + ":127.0.0.1:0\"\nredirect = " + to + "\n" +
           lines;
}

}  // namespace

TEST_CASE("relaying: a builtin's connection is counted, shown, and closed by kill") {
    Bench bench(builtin("echo"));
    const Fd client = bench.talk("echo", "hello");
    CHECK(bench.read(client, 5) == "hello");
    const ServiceStatus status = bench.status("echo");
    CHECK(status.connections == 1);
    CHECK(status.started == 1);
    REQUIRE(status.processes.size() == 1);
    CHECK(status.processes[0].kind == "relayed");
    CHECK(status.processes[0].pid == 0);
    CHECK(bench.supervisor->why("echo")->find("superd-relay serves it, without a process of "
                                              "its own: 1 connection now, 1 in "
                                              "all.\n") != std::string::npos);
    bench.supervisor->kill("echo", SIGTERM, 0, [](const Outcome&) {});
    CHECK(bench.read_all(client).empty());
    REQUIRE(bench.turn_until([&] { return bench.status("echo").connections == 0; }));
    CHECK(bench.status("echo").exited == 1);
    CHECK(bench.log_has("end=closed received=5 sent=5"));
    const Fd next = bench.talk("echo", "again");
    CHECK(bench.read(next, 5) == "again");
}

TEST_CASE("relaying: max_connections holds for builtins, and who waits comes in") {
    Bench bench(builtin("echo", "max_connections = 1\n"));
    Fd first = bench.talk("echo", "1");
    CHECK(bench.read(first, 1) == "1");
    const Fd second = bench.talk("echo", "2");
    REQUIRE(bench.becomes("echo", ServiceState::paused));
    first.reset();
    CHECK(bench.read(second, 1) == "2");
}

TEST_CASE("relaying: a redirect carries both ways, each half by itself, and says who asks") {
    std::uint32_t port = 0;
    const Fd listener = server_on(port);
    Bench bench(redirect(
            "\"tcp:127.0.0.1:" + std::to_string(port) + "\"", "send_proxy = \"v1\"\n"));
    const Fd client = bench.talk("r", "question");
    ::shutdown(client.get(), SHUT_WR);
    const Fd server = bench.accepted(listener);
    const std::string header = "PROXY TCP4 127.0.0.1 127.0.0.1 " +
                               std::to_string(test::port_of(client.get())) + " " +
                               std::to_string(bench.port("r")) + "\r\n";
    CHECK(bench.read(server, header.size() + 9) == header + "question");  // and the end
    REQUIRE(::send(server.get(), "answer", 6, MSG_NOSIGNAL) == 6);
    ::shutdown(server.get(), SHUT_WR);
    CHECK(bench.read_all(client) == "answer");
    CHECK(bench.log_has("end=finished received=8 sent=6"));
}

TEST_CASE("relaying: a target that cannot be reached is left out, and the next one taken") {
    std::uint32_t gone = 0, port = 0;
    server_on(gone).reset();
    const Fd listener = server_on(port);
    const std::string first = "tcp:127.0.0.1:" + std::to_string(gone),
                      second = "tcp:127.0.0.1:" + std::to_string(port);
    Bench bench(redirect("[\"" + first + "\", \"" + second + "\"]"));
    const Fd client = bench.talk("r", "x");
    const Fd server = bench.accepted(listener);
    CHECK(bench.read(server, 1) == "x");
    CHECK(bench.status("r").last_failure == "connect " + first + ": Connection refused");
    INFO(bench.log());
    CHECK(bench.log_has("left out for 1s600ms"));
}

TEST_CASE("relaying: where no target can be reached the client is let go, with the reason") {
    std::uint32_t gone = 0;
    server_on(gone).reset();
    Bench bench(redirect("\"tcp:127.0.0.1:" + std::to_string(gone) + "\""));
    const Fd client = bench.connect("r");
    CHECK(bench.read_all(client).empty());
    REQUIRE(bench.turn_until([&] { return bench.status("r").exited == 1; }));
    CHECK(bench.log_has("end=connect"));
    CHECK(bench.status("r").state == ServiceState::listening);  // it goes on
}

TEST_CASE("relaying: tcpmux hands the connection to the service that was named") {
    const std::string handler =
            "exec = [\"/bin/sh\", \"-c\", \"read x; echo got $x\"]\n" + user();
    Bench bench(builtin("tcpmux") + "[service.Plus]\ntcpmux = \"plus\"\n" + handler +
                "[service.plain]\ntcpmux = \"plain\"\n" + handler +
                "[service.closed]\ntcpmux = \"plain\"\ndeny = \"127.0.0.0/8\"\n" + handler +
                "[service.off]\ntcpmux = \"plain\"\nenabled = false\n" + handler);
    CHECK(bench.read_all(bench.talk("tcpmux", "PLUS\r\nline one\n")) ==
            "+Go\r\ngot line one\n");
    CHECK(bench.read_all(bench.talk("tcpmux", "plain\nline two\n")) == "got line two\n");
    CHECK(bench.status("Plus").started == 1);
    REQUIRE(bench.turn_until([&] { return bench.status("plain").exited == 1; }));
    CHECK(bench.status("tcpmux").connections == 0);
    const auto said = [&](const std::string& line) {
        const Fd client = bench.talk("tcpmux", line);
        ::shutdown(client.get(), SHUT_WR);
        return bench.read_all(client);
    };
    CHECK(said("closed\r\n") == "-Service closed is refused\r\n");
    CHECK(bench.status("closed").refused.at(0).first == "denied");
    for (const char* none : {"nosuch", "off", "tcpmux"})
        CHECK(said(std::string(none) + "\r\n") ==
                "-Service " + std::string(none) + " is not known\r\n");
    CHECK(said("help\r\n") == "Plus\r\nclosed\r\nplain\r\n");
}

TEST_CASE("relaying: ident names the owner of a connection, and of no other") {
    Bench bench(builtin("ident"));
    const Fd client = bench.connect("ident");
    const std::string ports = std::to_string(bench.port("ident")) + " , " +
                              std::to_string(test::port_of(client.get()));
    const std::string question = ports + "\r\n1 , 1\r\n";
    REQUIRE(::send(client.get(), question.data(), question.size(), MSG_NOSIGNAL) > 0);
    ::shutdown(client.get(), SHUT_WR);
    const std::string answers = bench.read_all(client);
    CHECK(answers.starts_with(ports + " : USERID : UNIX : "));
    CHECK(answers.ends_with("\r\n1 , 1 : ERROR : NO-USER\r\n"));
}

TEST_CASE("relaying: who touches a sensor is kept out of every service") {
    Bench bench(builtin("sensor", "deny_for = \"1h\"\n") + builtin("echo"));
    CHECK(bench.read_all(bench.connect("sensor")).empty());
    REQUIRE(bench.turn_until([&] { return !bench.supervisor->denials().empty(); }));
    const Denial denial = bench.supervisor->denials()[0];
    CHECK(denial.source.text() == "127.0.0.1");
    CHECK(denial.by == "sensor");
    CHECK(denial.until - denial.since >= 3600);
    CHECK(bench.read_all(bench.talk("echo", "x")).empty());
    CHECK(bench.status("echo").refused.at(0).first == "denied");
}

TEST_CASE("relaying: datagrams of a builtin are answered and counted, of a redirect carried") {
    std::uint32_t port = 0;
    const Fd server = server_on(port, ListenerKind::udp);
    Bench bench(builtin("echo", "", "udp") +
                redirect("\"udp:127.0.0.1:" + std::to_string(port) + "\"", "", "udp"));
    const auto client_of = [&](const char* name) {
        return test::connect_v4(bench.port(name), SOCK_DGRAM);
    };
    const Fd client = client_of("echo");
    REQUIRE(::send(client.get(), "hello", 5, 0) == 5);
    CHECK(bench.read(client, 5) == "hello");
    const Fd other = client_of("r");
    REQUIRE(::send(other.get(), "question", 8, 0) == 8);
    sockaddr_in from{};
    socklen_t size = sizeof from;
    char text[64];
    ssize_t got = -1;
    REQUIRE(bench.turn_until([&] {
        got = ::recvfrom(server.get(), text, sizeof text, MSG_DONTWAIT,
                reinterpret_cast<sockaddr*>(&from), &size);
        return got >= 0;
    }));
    CHECK(std::string(text, static_cast<std::size_t>(got)) == "question");
    REQUIRE(::sendto(server.get(), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), size) ==
            6);
    CHECK(bench.read(other, 6) == "answer");
    CHECK(bench.status("r").connections == 1);
}

TEST_CASE("relaying: when the relay dies its connections end, and another one serves") {
    Bench bench(builtin("echo"));
    const Fd client = bench.talk("echo", "one");
    CHECK(bench.read(client, 3) == "one");
    // It is the only child there is.
    siginfo_t info{};
    pid_t relay = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "stat");
        std::string line;
        if (!std::getline(file, line)) continue;
        std::istringstream fields(line.substr(line.rfind(") ") + 2));
        char state = 0;
        pid_t parent = 0;
        fields >> state >> parent;
        if (parent == ::getpid()) relay = std::stoi(entry.path().filename().string());
    }
    REQUIRE(relay > 0);
    REQUIRE(::waitid(P_PID, static_cast<id_t>(relay), &info, WEXITED | WNOHANG | WNOWAIT) == 0);
    REQUIRE(info.si_pid == 0);  // it lives
    REQUIRE(::kill(relay, SIGKILL) == 0);
    CHECK(bench.read_all(client).empty());
    REQUIRE(bench.turn_until([&] { return bench.status("echo").connections == 0; }));
    CHECK(bench.log_has("end=relay_lost"));
    CHECK(bench.log_has("has died; its connections have ended"));
    const Fd next = bench.talk("echo", "two");
    CHECK(bench.read(next, 3) == "two");
}

}  // namespace superd
