// SPDX-License-Identifier: MIT
// What a running supervisor tells: why a service is as it is, who would be let in and by which
// line of the file, and the sentences that orders are answered with.
#include <csignal>

#include "control/object.h"
#include "engine/supervisor.h"

#include "support/catch.h"
#include "support/supervising.h"

namespace superd {
namespace {

using test::Supervised;

// The header of a service that whoever runs the tests may run.
std::string service(const std::string& name, const std::string& lines) {
    return "[service." + name + "]\nuser = \"" + std::to_string(::geteuid()) + "\"\n" + lines;
}

constexpr const char* handler = "listen = \"tcp:127.0.0.1:0\"\nexec = [\"/bin/cat\"]\n";
constexpr const char* sleeper = "exec = [\"/usr/bin/tail\", \"-f\", \"/dev/null\"]\n";

struct Bench : Supervised {
    explicit Bench(const std::string& config) {
        write_config(config);
        start_from_file();
    }

    ~Bench() { end_all(); }

    // "denied LINE: sentence", the line being that of superd.toml.
    [[nodiscard]] std::string explain(
            const std::string& name, const std::string& from, Wall at = Wall{}) const {
        const auto asker = parse_asker(from);
        REQUIRE(asker);
        const auto said = supervisor->explain(name, *asker, at);
        if (!said) return "(none)";
        const auto colon = said->rule.rfind(':');
        const std::string line =
                colon == std::string::npos ? "-" : said->rule.substr(colon + 1);
        CHECK(said->admitted == (said->reason == "admitted"));
        return said->reason + " " + line + ": " + said->text;
    }

    [[nodiscard]] std::string why(const std::string& name) const {
        const auto text = supervisor->why(name);
        return text ? *text : "(none)";
    }

    [[nodiscard]] bool why_has(const std::string& name, const std::string& part) const {
        const std::string text = why(name);
        INFO(text);
        return text.find(part) != std::string::npos;
    }

    Outcome denied(const char* address, std::optional<Nanoseconds> length) {
        Outcome answer{-1, "never answered"};
        supervisor->deny(*parse_source(address), length, "superctl", "probing",
                [&](Outcome o) { answer = std::move(o); });
        return answer;
    }

    Outcome allowed_again(const std::optional<Source>& source) {
        Outcome answer{-1, "never answered"};
        supervisor->allow_again(source, [&](Outcome o) { answer = std::move(o); });
        return answer;
    }
};

}  // namespace

TEST_CASE("explain: the verdict, the sentence, and the line of the file that decides") {
    Bench bench(service("h", std::string(handler) +
                                     "allow = [\"192.0.2.0/24\",\n  \"198.51.100.7\"]\n"
                                     "deny = \"192.0.2.64/26\"\n"));
    CHECK(bench.explain("h", "192.0.2.1") ==
            "admitted 5: 192.0.2.1 is allowed by \"192.0.2.0/24\"");
    CHECK(bench.explain("h", "198.51.100.7").starts_with("admitted 6: "));
    CHECK(bench.explain("h", "192.0.2.65") ==
            "denied 7: 192.0.2.65 is denied by \"192.0.2.64/26\"");
    CHECK(bench.explain("h", "203.0.113.1") ==
            "not_allowed 5: 203.0.113.1 is in no entry of allow");
    CHECK(bench.explain("h", "::ffff:192.0.2.65").starts_with("denied 7: "));
    CHECK(bench.explain("nosuch", "192.0.2.1") == "(none)");
}

TEST_CASE("explain: who is asked about without a group is not in root's") {
    Bench bench(service(
            "u", "listen = \"unix:@superd-view-" + std::to_string(::getpid()) +
                         "\"\nexec = [\"/bin/cat\"]\nallow = [\"gid:0\", \"uid:77\"]\n"));
    CHECK(bench.explain("u", "uid:1000").starts_with("not_allowed 5: "));
    CHECK(bench.explain("u", "uid:1000,gid:0").starts_with("admitted 5: "));
    CHECK(bench.explain("u", "uid:1000,gid:100").starts_with("not_allowed 5: "));
    CHECK(bench.explain("u", "uid:1000,gid:100,groups:100+0").starts_with("admitted 5: "));
    CHECK(bench.explain("u", "uid:1000,gid:100,groups:100+1").starts_with("not_allowed 5: "));
    CHECK(bench.explain("u", "uid:77").starts_with("admitted 5: "));
}

TEST_CASE("explain: hours count at the time that is asked about") {
    const Wall at(std::chrono::seconds(1'800'000'000));
    const std::time_t seconds = 1'800'000'000;
    std::tm parts{};
    REQUIRE(::localtime_r(&seconds, &parts) != nullptr);
    constexpr const char* days[]{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    const std::string today = days[parts.tm_wday], tomorrow = days[(parts.tm_wday + 1) % 7];
    Bench bench(service("h", std::string(handler) + "hours = \"" + today + " 00:00-24:00\"\n"));
    CHECK(bench.explain("h", "192.0.2.1", at).starts_with("admitted"));
    const std::string later = bench.explain("h", "192.0.2.1", at + std::chrono::hours(48));
    CHECK(later.starts_with("hours 5: "));
    CHECK(later.find("is outside of hours, which open next at " + today) != std::string::npos);
    Bench other(
            service("h", std::string(handler) + "hours = \"" + tomorrow + " 00:00-24:00\"\n"));
    CHECK(other.explain("h", "192.0.2.1", at).starts_with("hours 5: "));
}

TEST_CASE("explain: what takes no connections now, or takes them itself, says so") {
    Bench bench(service("h", handler) + service("d", sleeper) +
                service("w", "listen = \"tcp:127.0.0.1:0\"\nmode = \"worker\"\n" +
                                     std::string(sleeper)) +
                service("m", std::string(handler) + "start = \"manual\"\n"));
    CHECK(bench.explain("d", "192.0.2.1") ==
            "admitted -: d is a daemon: it accepts connections itself, superd asks nothing");
    CHECK(bench.explain("w", "192.0.2.1") ==
            "admitted -: w is a worker: it accepts connections itself, superd asks nothing");
    CHECK(bench.explain("m", "192.0.2.1") ==
            "stopped -: m is stopped: start = \"manual\": nobody can connect");
    CHECK(bench.order(&Supervisor::stop, "h").code == 0);
    CHECK(bench.explain("h", "192.0.2.1") ==
            "stopped -: h is stopped: stopped by hand: nobody can connect");
}

TEST_CASE("deny: an address is kept out of every service until it is let in again") {
    Bench bench(service("h", handler));
    const Outcome done = bench.denied("127.0.0.1", std::chrono::hours(1));
    CHECK(done.code == 0);
    CHECK(done.message.starts_with("127.0.0.1 is denied by superctl: probing, until "));
    CHECK(bench.explain("h", "127.0.0.1")
                    .starts_with("denied -: 127.0.0.1 is denied by superctl"));
    CHECK(bench.read_all(bench.connect("h")).empty());
    const auto refused = bench.status("h").refused;
    REQUIRE(refused.size() == 1);
    CHECK(refused[0] == std::pair<std::string, std::uint64_t>{"denied", 1});
    CHECK(bench.why_has("h", "1 connection refused: denied.\n"));
    REQUIRE(bench.supervisor->denials().size() == 1);
    CHECK(bench.log().find("127.0.0.1 is denied by superctl: probing") != std::string::npos);

    const Outcome other = bench.allowed_again(parse_source("192.0.2.9"));
    CHECK(other.code == 1);
    CHECK(other.message == "192.0.2.9 is not denied; superctl deny lists");
    CHECK(bench.allowed_again(parse_source("127.0.0.1")).message ==
            "127.0.0.1 is not denied any more");
    CHECK(bench.explain("h", "127.0.0.1").starts_with("admitted"));
    CHECK(bench.denied("2001:db8::5", std::nullopt).message ==
            "2001:db8::/64 is denied by superctl: probing, for good");
    CHECK(bench.allowed_again(std::nullopt).message == "nobody is denied any more");
    CHECK(bench.supervisor->denials().empty());
    Fd client = bench.connect("h");
    REQUIRE(::send(client.get(), "hello\n", 6, 0) == 6);
    CHECK(bench.says(client, "hello"));
}

TEST_CASE("why: each state names its cause, its place in the file, and what changes it") {
    Bench bench(service("h", handler) + service("d", sleeper) +
                service("off", std::string(handler) + "enabled = false\n") +
                service("m", std::string(handler) + "start = \"manual\"\n") +
                service("fails", "exec = [\"/nonexistent/program\"]\n"));
    CHECK(bench.why_has("h", "h is listening.\nIt is defined at "));
    CHECK(bench.why_has("h", "superd.toml:1.\n"));
    CHECK(bench.why_has("h", "tcp:127.0.0.1:0 is listening.\n"));
    CHECK(bench.why_has("off", "off is disabled: enabled = false.\nIt is defined at "));
    CHECK(bench.why_has("off", "superctl enable it, or superctl start it for now.\n"));
    CHECK(bench.why_has("m", "m is stopped: start = \"manual\""));
    CHECK_FALSE(bench.why_has("m", "again"));  // nobody has stopped it
    REQUIRE(bench.turn_until([&] { return bench.status("fails").failed > 0; }));
    CHECK(bench.why_has("fails", "Last failure: exec /nonexistent/program: No such file"));
    CHECK(bench.why("nosuch") == "(none)");

    CHECK(bench.order(&Supervisor::pause, "h").code == 0);
    CHECK(bench.why_has("h", "h is paused: paused by hand"));
    CHECK(bench.why_has("h", "superctl resume h lets it accept again.\n"));
    CHECK(bench.order(&Supervisor::stop, "h").code == 0);
    CHECK(bench.why_has("h", "superctl start h opens it again.\n"));
    REQUIRE(bench.becomes("d", ServiceState::running));
    CHECK(bench.order(&Supervisor::stop, "d").code == 0);
    CHECK(bench.why_has("d", "superctl start d starts it again.\n"));
    CHECK(bench.why_has("d", "The last process ended with signal TERM.\n"));
    CHECK(bench.order(&Supervisor::start, "off").code == 0);
    CHECK(bench.status("off").state == ServiceState::listening);
    CHECK_FALSE(bench.why_has("off", "enabled = false: "));
}

TEST_CASE("orders: what cannot be done has a code and says what to do instead") {
    Bench bench(service("h", handler) +
                service("d", std::string(sleeper) + "start = \"manual\"\n"));
    const std::pair<const char*, void (Supervisor::*)(std::string_view, Reply)> verbs[] = {
            {"start", &Supervisor::start}, {"stop", &Supervisor::stop},
            {"restart", &Supervisor::restart}, {"pause", &Supervisor::pause},
            {"resume", &Supervisor::resume}, {"drain", &Supervisor::drain},
            {"reload", &Supervisor::reload}};
    for (const auto& [name, verb] : verbs) {
        INFO(name);
        const Outcome none = bench.order(verb, "nosuch");
        CHECK(none.code == 4);
        CHECK(none.message == "no service \"nosuch\"; superctl list shows them");
    }
    const Outcome resumed = bench.order(&Supervisor::resume, "h");
    CHECK(resumed.code == 1);
    CHECK(resumed.message == "h is not paused; superctl why h");
    const Outcome paused = bench.order(&Supervisor::pause, "d");
    CHECK(paused.code == 1);
    CHECK(paused.message == "d has no listener that could be paused; superctl stop d");
    CHECK(bench.order(&Supervisor::stop, "h").code == 0);
    const Outcome stopped = bench.order(&Supervisor::pause, "h");
    CHECK(stopped.code == 3);
    CHECK(stopped.message == "h is stopped; superctl start h");
    CHECK(bench.status("h").state == ServiceState::stopped);  // and nothing was done
}

TEST_CASE("orders: kill tells those that are there, one connection, or nobody") {
    Bench bench(service("h", handler));
    const auto kill = [&](int signal, std::uint64_t connection) {
        Outcome answer{-1, "never answered"};
        bench.supervisor->kill(
                "h", signal, connection, [&](Outcome o) { answer = std::move(o); });
        return answer;
    };
    CHECK(kill(SIGTERM, 0).code == 3);
    CHECK(kill(SIGTERM, 0).message == "h has no process");
    std::vector<Fd> clients;
    for (int i = 0; i < 2; ++i) {
        clients.push_back(bench.connect("h"));
        REQUIRE(::send(clients.back().get(), "hello\n", 6, 0) == 6);
        REQUIRE(bench.says(clients.back(), "hello"));
    }
    const auto processes = bench.status("h").processes;
    REQUIRE(processes.size() == 2);
    CHECK(kill(SIGTERM, 0xdead).code == 3);
    CHECK(kill(SIGTERM, 0xdead).message == "h has no connection dead; superctl connections h");
    CHECK(kill(SIGCONT, 0).message == "2 processes told");
    const Outcome one = kill(SIGTERM, processes[0].connection);
    CHECK(one.code == 0);
    CHECK(one.message == "1 process told");
    REQUIRE(bench.turn_until([&] { return bench.status("h").processes.size() == 1; }));
    CHECK(bench.status("h").processes[0].connection == processes[1].connection);
    CHECK(bench.status("h").last_exit == "signal TERM");
}

}  // namespace superd
