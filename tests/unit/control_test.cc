// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/client.h"
#include "control/names.h"
#include "control/server.h"

#include "support/catch.h"
#include "support/control_server.h"

using namespace superd;

namespace {

using std::chrono::seconds;

using Folder = test::TemporaryFolder;

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
            std::filesystem::directory_iterator("/proc/self/fd"))
        ++count;
    return count;
}

// Two services, and clients that block in a thread while the loop turns here.
struct Fixture : test::ControlFixture {
    Fixture() {
        manager.daemon_status.version = "0.1.0";
        manager.add("ssh", ServiceState::listening);
        manager.add("web", ServiceState::running);
    }

    void with_client(const std::function<void(ControlClient&)>& talk) {
        in_thread([&] {
            auto client = ControlClient::connect(path);
            if (client) talk(*client);
            return client.has_value();
        });
    }

    // A client by hand, for what no library would send.
    [[nodiscard]] Fd raw_client() const {
        Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
                0);
        return fd;
    }

    void turn_until(const std::function<bool()>& there) {
        while (!there())
            loop.turn(true);
    }

    [[nodiscard]] std::size_t clients() const { return server->clients(); }
};

void send_all(const Fd& fd, std::string_view bytes) {
    REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
}

std::string receive_some(const Fd& fd) {
    char buffer[512];
    const auto got = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "";
}

// True once the other end has closed.
bool is_closed(const Fd& fd) {
    pollfd entry{.fd = fd.get(), .events = POLLRDHUP, .revents = 0};
    return ::poll(&entry, 1, 0) == 1;
}

void add_ten_thousand(FakeManager& manager) {
    for (int i = 0; i < 10'000; ++i) {
        const std::string name = "service-" + std::to_string(i);
        manager.services[name].name = name;
    }
}

}  // namespace

TEST_CASE("control: the daemon and a service are described in JSON") {
    Fixture f;
    f.manager.daemon_status.config_path = "/etc/superd.toml";
    auto& web = f.manager.services["web"];
    web.refused = {{"denied", 3}};
    web.processes.push_back({.pid = 77,
            .kind = "handler",
            .connection = 0x18f2,
            .peer = {},
            .local = {},
            .since = {}});
    f.open();
    std::string daemon, service;
    f.with_client([&](ControlClient& client) {
        daemon = client.call("Describe", {}, seconds(60)).message;
        service = client.call("DescribeService", {"web"}, seconds(60)).message;
    });
    const auto d = nlohmann::json::parse(daemon);
    CHECK(d["version"] == 1);
    CHECK(d["daemon"]["config"]["path"] == "/etc/superd.toml");
    CHECK(d["daemon"]["services"]["listening"] == 1);
    const auto s = nlohmann::json::parse(service)["service"];
    CHECK(s["state"] == "running");
    CHECK(s["refused"]["denied"] == 3);
    CHECK(s["connections"]["max"] == 200);
    CHECK(s["processes"][0]["connection"] == "18f2");
}

TEST_CASE("control: bytes that are not UTF-8 do not break a document or a sentence") {
    Fixture f;
    f.manager.services["web"].detail = "exec /opt/\xff: No such file";
    f.manager.outcome = {1, "exec /opt/\xff failed"};
    f.open();
    Outcome described, started;
    f.with_client([&](ControlClient& client) {
        described = client.call("DescribeService", {"web"}, seconds(60));
        started = client.call("Start", {"web"}, seconds(60));
    });
    CHECK(described.code == 0);
    CHECK(described.message.find("\xef\xbf\xbd") != std::string::npos);
    CHECK(started.code == exit_code::failed);
    CHECK(started.message.find("\\xff") != std::string::npos);
}

TEST_CASE("control: each action reaches the engine and its outcome the client") {
    Fixture f;
    f.open();
    const std::vector<std::pair<const char*, std::string>> actions = {{"Start", "start ssh"},
            {"Stop", "stop ssh"}, {"Restart", "restart ssh"}, {"Pause", "pause ssh"},
            {"Resume", "resume ssh"}, {"Drain", "drain ssh"}, {"Reload", "reload ssh"}};
    for (const auto& [method, asked] : actions) {
        f.manager.outcome = {0, "done"};
        Outcome good, bad, unknown;
        f.with_client([&](ControlClient& client) {
            good = client.call(method, {"ssh"}, seconds(60));
            f.manager.outcome = {3, "not running"};
            bad = client.call(method, {"ssh"}, seconds(60));
            unknown = client.call(method, {"nobody"}, seconds(60));
        });
        CHECK(f.manager.asked.front() == asked);
        CHECK(good.code == 0);
        CHECK(good.message == "done");
        CHECK(bad.code == exit_code::not_running);
        CHECK(bad.message == "not running");
        CHECK(unknown.code == exit_code::no_such_service);
        f.manager.asked.clear();
    }
}

TEST_CASE(
        "control: kill carries the signal and the connection, and refuses what is no signal") {
    Fixture f;
    f.open();
    Outcome good, bad;
    f.with_client([&](ControlClient& client) {
        good = client.kill("ssh", 15, 0x18f2, seconds(60));
        bad = client.kill("ssh", 200, 0, seconds(60));
    });
    CHECK(f.manager.asked == std::vector<std::string>{"kill 15 6386 ssh"});
    CHECK(good.code == 0);
    CHECK(bad.code != 0);
}

TEST_CASE("control: scale carries the number of copies") {
    Fixture f;
    f.open();
    f.manager.outcome = {0, "5 copies"};
    Outcome good, unknown;
    f.with_client([&](ControlClient& client) {
        good = client.scale("ssh", 5, seconds(60));
        unknown = client.scale("nobody", 1, seconds(60));
    });
    CHECK(f.manager.asked == std::vector<std::string>{"scale 5 ssh", "scale 1 nobody"});
    CHECK(good.message == "5 copies");
    CHECK(unknown.code == exit_code::no_such_service);
}

TEST_CASE("control: kill by whom, and nobody else") {
    Fixture f;
    f.open();
    Outcome good, word, number;
    f.with_client([&](ControlClient& client) {
        good = client.kill_whom("ssh", "control", 1, seconds(60));
        word = client.kill_whom("ssh", "everybody", 1, seconds(60));
        number = client.kill_whom("ssh", "all", 0, seconds(60));
    });
    CHECK(f.manager.asked == std::vector<std::string>{"kill --whom control 1 ssh"});
    CHECK(good.code == 0);
    CHECK(word.code == exit_code::usage);
    CHECK(number.code == exit_code::usage);
}

TEST_CASE("control: an answer may come turns later") {
    Fixture f;
    f.manager.hold = true;
    f.open();
    Timer later(f.loop, [&] {
        if (!f.manager.held.empty()) std::exchange(f.manager.held, {}).front()({0, "stopped"});
    });
    later.start(std::chrono::milliseconds(60), std::chrono::milliseconds(60));
    Outcome outcome;
    f.with_client([&](ControlClient& client) {
        outcome = client.call("Stop", {"web"}, seconds(60));
    });
    CHECK(outcome.message == "stopped");
}

TEST_CASE("control: a client may go while its answer is under way") {
    Fixture f;
    f.manager.hold = true;
    f.open();
    Outcome outcome;
    f.with_client([&](ControlClient& client) {
        outcome = client.call("Stop", {"web"}, std::chrono::milliseconds(20));
    });
    CHECK(outcome.code == exit_code::timeout);
    f.turn_until([&] { return f.clients() == 0; });
    REQUIRE(f.manager.held.size() == 1);
    f.manager.held.front()({0, "too late"});
}

TEST_CASE("control: a request the engine forgets fails instead of hanging") {
    Fixture f;
    f.manager.hold = true;
    f.open();
    Timer forget(f.loop, [&] { f.manager.held.clear(); });
    forget.start(std::chrono::milliseconds(60), std::chrono::milliseconds(60));
    Outcome outcome;
    f.with_client([&](ControlClient& client) {
        outcome = client.call("Stop", {"web"}, seconds(60));
    });
    CHECK(outcome.code == exit_code::failed);
}

TEST_CASE("control: wait ends when the state comes, and says when it never will") {
    Fixture f;
    f.manager.add("db", ServiceState::starting);
    f.manager.add("old", ServiceState::starting);
    f.open();
    Timer change(f.loop, [&] {
        if (f.manager.waits.empty()) return;
        f.manager.set_state("db", ServiceState::running);
        f.manager.set_state("old", ServiceState::failed);
    });
    change.start(std::chrono::milliseconds(60), std::chrono::milliseconds(60));
    Outcome ready, failed, unknown, nonsense;
    f.with_client([&](ControlClient& client) {
        ready = client.call("Wait", {"db", "ready"}, seconds(60));
        failed = client.call("Wait", {"old", "ready"}, seconds(60));
        unknown = client.call("Wait", {"nobody", "ready"}, seconds(60));
        nonsense = client.call("Wait", {"db", "green"}, seconds(60));
    });
    CHECK(ready.code == 0);
    CHECK(failed.code == exit_code::failed);
    CHECK(failed.message.find("superctl why old") != std::string::npos);
    CHECK(unknown.code == exit_code::no_such_service);
    CHECK(nonsense.code != 0);
}

TEST_CASE("control: the wait of a client that went away is forgotten") {
    Fixture f;
    f.open();
    Outcome outcome;
    f.with_client([&](ControlClient& client) {
        outcome = client.call("Wait", {"web", "stopped"}, std::chrono::milliseconds(20));
    });
    CHECK(outcome.code == exit_code::timeout);
    f.turn_until([&] { return f.clients() == 0; });
    CHECK(f.manager.last_token == 1);
    CHECK(f.manager.waits.empty());
}

TEST_CASE("control: reload-config carries diagnostics and changes") {
    Fixture f;
    f.manager.report.code = 1;
    f.manager.report.message = "the file has errors";
    f.manager.report.diagnostics.error({"/etc/superd.toml", 3, 7}, "no such user");
    f.manager.report.changes = {
            {"ssh", Change::in_place, {"nice"}, false}, {"web", Change::keep, {}, false}};
    f.open();
    ControlClient::Reload reload;
    f.with_client(
            [&](ControlClient& client) { reload = client.reload_config(true, seconds(60)); });
    CHECK(reload.outcome.code == 1);
    CHECK(reload.outcome.message == "the file has errors");
    const auto json = nlohmann::json::parse(reload.json)["reload"];
    CHECK(json["diagnostics"][0]["line"] == 3);
    REQUIRE(json["changes"].size() == 1);
    CHECK(json["changes"][0]["change"] == "in_place");
    CHECK(f.manager.asked == std::vector<std::string>{"reload-config --dry-run"});
}

TEST_CASE("control: explain takes the peer apart and passes the verdict on") {
    Fixture f;
    f.manager.explanation = {false, "denied", "/etc/superd.toml:31", "denied by @blocked"};
    f.open();
    Outcome verdict, nonsense;
    f.with_client([&](ControlClient& client) {
        verdict = client.explain("ssh", "198.51.100.7:51544", 0, seconds(60));
        nonsense = client.explain("ssh", "example", 0, seconds(60));
    });
    REQUIRE(f.manager.explained.size() == 1);
    CHECK(f.manager.explained[0].peer.text() == "198.51.100.7:51544");
    const auto json = nlohmann::json::parse(verdict.message)["explanation"];
    CHECK(json["admitted"] == false);
    CHECK(json["rule"] == "/etc/superd.toml:31");
    CHECK(nonsense.code != 0);
}

TEST_CASE("control: addresses are denied, let in again and listed") {
    Fixture f;
    f.manager.denied = {{parse_source("198.51.100.7").value(), 0, 60, "superctl", "a\xff"},
            {parse_source("2001:db8::1").value(), 0, 0, "telnet-sensor", ""}};
    f.open();
    Outcome hour, good, block, late, one, all, listed;
    f.with_client([&](ControlClient& client) {
        hour = client.deny("198.51.100.7", 3600, "probing ports", seconds(60));
        good = client.deny("2001:db8::1", 0, "", seconds(60));
        block = client.deny("198.51.100.0/24", 60, "", seconds(60));
        late = client.deny("198.51.100.7", -1, "", seconds(60));
        one = client.call("AllowAgain", {"198.51.100.7"}, seconds(60));
        all = client.call("AllowAgain", {""}, seconds(60));
        listed = client.call("Denied", {}, seconds(60));
    });
    CHECK(block.code == exit_code::usage);
    CHECK(late.code == exit_code::usage);
    CHECK(f.manager.asked ==
            std::vector<std::string>{"deny 198.51.100.7 3600s superctl probing ports",
                    "deny 2001:db8::/64 forever superctl ", "allow 198.51.100.7", "allow all"});
    const auto denied = nlohmann::json::parse(listed.message)["denied"];
    REQUIRE(denied.size() == 2);
    CHECK(denied[0]["source"] == "198.51.100.7");
    CHECK(denied[0]["until"] == "1970-01-01T00:01:00.000Z");
    CHECK(denied[1]["source"] == "2001:db8::/64");
    CHECK(denied[1]["until"] == "");
}

TEST_CASE("control: list, why and overview answer") {
    Fixture f;
    f.open();
    std::vector<std::string> names;
    Outcome why, unknown, overview;
    f.with_client([&](ControlClient& client) {
        names = client.list(seconds(60)).value_or(std::vector<std::string>{});
        why = client.call("Why", {"ssh"}, seconds(60));
        unknown = client.call("Why", {"nobody"}, seconds(60));
        overview = client.call("Overview", {}, seconds(60));
    });
    CHECK(names == std::vector<std::string>{"ssh", "web"});
    CHECK(why.message == "ssh is as it is\nbecause a test says so");
    CHECK(unknown.code == exit_code::no_such_service);
    CHECK(nlohmann::json::parse(overview.message)["services"].size() == 2);
}

TEST_CASE(
        "control: ten thousand services fit into one answer, made in many turns of the loop") {
    Fixture f;
    add_ten_thousand(f.manager);
    f.open();
    std::size_t most = 0, before = 0;
    f.loop.at_turn_end([&] {
        most = std::max(most, f.manager.asked_for - before);
        before = f.manager.asked_for;
    });
    Outcome overview;
    f.with_client([&](ControlClient& client) {
        overview = client.call("Overview", {}, seconds(60));
    });
    CHECK(nlohmann::json::parse(overview.message)["services"].size() == 10'002);
    CHECK(f.manager.asked_for == 10'002);
    CHECK(most < 5'000);
}

TEST_CASE("control: an overview that nobody waits for any more is given up") {
    Fixture f;
    add_ten_thousand(f.manager);
    f.open();
    f.with_client([&](ControlClient& client) {
        CHECK(client.call("Overview", {}, std::chrono::milliseconds(1)).code ==
                exit_code::timeout);
    });
    f.turn_until([&] { return f.clients() == 0; });
    CHECK(f.manager.asked_for < 10'002);
}

TEST_CASE("control: the socket has mode 0660 and goes with the server") {
    Fixture f;
    f.open();

    struct stat node {};

    REQUIRE(::stat(f.path.c_str(), &node) == 0);
    CHECK((node.st_mode & 07777) == 0660);
    f.server.reset();
    CHECK(::stat(f.path.c_str(), &node) != 0);
}

TEST_CASE("control: a second superd on one socket is told who has it") {
    Fixture f;
    f.open();
    auto second = ControlServer::open(f.loop, f.manager, {.path = f.path, .admin_gid = {}});
    REQUIRE_FALSE(second);
    CHECK(second.error() ==
            "another superd, pid " + std::to_string(::getpid()) + ", listens on " + f.path);
    Outcome still;
    f.with_client(
            [&](ControlClient& client) { still = client.call("Describe", {}, seconds(60)); });
    CHECK(still.code == 0);
}

TEST_CASE(
        "control: a socket whose listener has died is replaced, though a child still has it") {
    Fixture f;
    int alive[2];
    REQUIRE(::pipe2(alive, O_CLOEXEC) == 0);
    const Fd ours(alive[0]);
    Fd theirs(alive[1]);
    const pid_t listener = ::fork();
    if (listener == 0) {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        f.path.copy(address.sun_path, sizeof address.sun_path - 1);
        if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
                ::listen(fd, 8) != 0)
            ::_exit(1);
        // The copy: it ends with this test, whose end of the pipe it watches.
        if (::fork() != 0) ::_exit(0);
        pollfd end{.fd = alive[1], .events = 0, .revents = 0};
        ::close(alive[0]);
        ::poll(&end, 1, -1);
        ::_exit(0);
    }
    int status = -1;
    REQUIRE(::waitpid(listener, &status, 0) == listener);
    REQUIRE(status == 0);
    CHECK_FALSE(is_closed(f.raw_client()));  // it would answer somebody who asks
    f.open();
    Outcome ours_answers;
    f.with_client([&](ControlClient& client) {
        ours_answers = client.call("Describe", {}, seconds(60));
    });
    CHECK(ours_answers.code == 0);
}

TEST_CASE("control: a socket nobody listens on is replaced, another kind of file is not") {
    Fixture f;
    {
        Fd stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        f.path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(stale.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
                0);
    }
    f.open();
    f.server.reset();
    std::filesystem::create_directory(f.path);
    const auto refused =
            ControlServer::open(f.loop, f.manager, {.path = f.path, .admin_gid = {}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().find("is no socket") != std::string::npos);
}

TEST_CASE("control: nobody at the socket is exit code 7") {
    Folder folder;
    const auto client = ControlClient::connect(folder.path + "/control");
    REQUIRE_FALSE(client);
    CHECK(client.error().code == exit_code::unreachable);
}

TEST_CASE("control: a client that does not authenticate in time is dropped") {
    Fixture f;
    f.open({.path = {},
            .admin_gid = {},
            .authentication_timeout = std::chrono::milliseconds(20)});
    const auto client = f.raw_client();
    send_all(client, std::string_view("\0AUTH", 5));
    f.turn_until([&] { return f.clients() == 1; });
    f.turn_until([&] { return f.clients() == 0; });
    CHECK(is_closed(client));
}

TEST_CASE(
        "control: one unfinished huge message costs the client its connection, superd "
        "nothing") {
    Fixture f;
    f.open();
    const auto client = f.raw_client();
    using namespace std::string_view_literals;
    send_all(client, "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"sv);
    // Little endian, a method call whose body is to have 100 MB.
    send_all(client, "l\1\0\1\0\x40\xf5\5\1\0\0\0\0\0\0\0"sv);
    f.turn_until([&] { return is_closed(client); });
    CHECK(receive_some(client).starts_with("DATA\r\nOK "));
}

TEST_CASE("control: BEGIN before authentication does not shift where messages begin") {
    Fixture f;
    f.open();
    const auto client = f.raw_client();
    using namespace std::string_view_literals;
    send_all(client,
            "\0BEGIN\r\nl\1\0\1\x30\0\0\0\1\0\0\0\0\0\0\0AUTH ANONYMOUS\r\nBEGIN\r\n"sv);
    f.turn_until([&] { return is_closed(client); });
    f.turn_until([&] { return f.clients() == 0; });
}

TEST_CASE("control: there is a limit to clients, and places come back") {
    Fixture f;
    f.open({.path = {}, .admin_gid = {}, .max_clients = 2});
    const auto one = f.raw_client();
    auto two = f.raw_client();
    f.turn_until([&] { return f.clients() == 2; });
    const auto three = f.raw_client();
    f.turn_until([&] { return is_closed(three); });
    CHECK(f.clients() == 2);
    two.reset();
    f.turn_until([&] { return f.clients() == 1; });
    const auto four = f.raw_client();
    f.turn_until([&] { return f.clients() == 2; });
    CHECK_FALSE(is_closed(four));
}

TEST_CASE("control: a client that asks and never reads is held back, then dropped") {
    Fixture f;
    f.manager.services["web"].detail = std::string(20'000, 'x');
    f.open({.path = {}, .admin_gid = {}, .write_timeout = std::chrono::milliseconds(50)});
    const auto client = f.raw_client();
    using namespace std::string_view_literals;
    using namespace std::string_literals;
    send_all(client, "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"sv);
    std::string call = "l\1\0\1\0\0\0\0\1\0\0\0\x78\0\0\0"s.substr(0, 16);
    const std::string fields =
            "\1\1o\0\x13\0\0\0/org/superd/Superd1\0\0\0\0\0"
            "\2\1s\0\x23\0\0\0org.freedesktop.DBus.Introspectable\0\0\0\0\0"
            "\3\1s\0\x0a\0\0\0Introspect\0\0\0\0\0\0"s;
    REQUIRE(fields.size() % 8 == 0);
    call[12] = static_cast<char>(fields.size() - 5);  // without the padding at the end
    call += fields;
    std::size_t sent = 0;
    // Until neither superd nor the kernel takes more.
    while (!is_closed(client)) {
        const auto put =
                ::send(client.get(), call.data(), call.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0) sent += static_cast<std::size_t>(put);
        if (put != static_cast<ssize_t>(call.size())) break;
        f.loop.turn(false);
    }
    CHECK(sent < 4'000'000);
    f.turn_until([&] { return f.clients() == 0; });
}

TEST_CASE("control: descriptors open before and after are equal") {
    Fixture f;
    const auto before = open_descriptors();
    f.open();
    for (int i = 0; i < 20; ++i)
        f.with_client([&](ControlClient& client) {
            static_cast<void>(client.call("Describe", {}, seconds(60)));
        });
    f.turn_until([&] { return f.clients() == 0; });
    f.server.reset();
    f.loop.turn(false);
    CHECK(open_descriptors() == before);
}

TEST_CASE("control: root, the own user and the admin group may change things, others may not") {
    const ControlRights rights{.own_uid = 500, .admin_gid = 27};
    CHECK(may_change(rights, {.uid = 0, .gid = 0, .pid = 1, .groups = {}}));
    CHECK(may_change(rights, {.uid = 500, .gid = 500, .pid = 1, .groups = {}}));
    CHECK(may_change(rights, {.uid = 1000, .gid = 27, .pid = 1, .groups = {}}));
    CHECK(may_change(rights, {.uid = 1000, .gid = 1000, .pid = 1, .groups = {4, 27}}));
    CHECK_FALSE(may_change(rights, {.uid = 1000, .gid = 1000, .pid = 1, .groups = {4}}));
    CHECK_FALSE(may_change({500, {}}, {.uid = 1000, .gid = 27, .pid = 1, .groups = {27}}));
}
