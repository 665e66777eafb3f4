// SPDX-License-Identifier: MIT
// superctl try: one handler at the terminal, here with files in its place.
#include <nlohmann/json.hpp>

#include "control/ctl.h"
#include "control/install.h"
#include "control/names.h"

#include "support/catch.h"
#include "support/control_server.h"

using namespace superd;
using test::Said;

namespace {

// Standard input while it lives.
class Typed {
public:
    explicit Typed(const std::string& text)
            : memory_(::memfd_create("typed", MFD_CLOEXEC)),
              saved_(::fcntl(0, F_DUPFD_CLOEXEC, 100)) {
        REQUIRE(::write(memory_.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
        ::lseek(memory_.get(), 0, SEEK_SET);
        ::dup2(memory_.get(), 0);
    }

    ~Typed() { ::dup2(saved_.get(), 0); }

    Typed(const Typed&) = delete;
    Typed& operator=(const Typed&) = delete;

private:
    Fd memory_, saved_;
};

struct Bench {
    test::TemporaryFolder folder;

    // A service of those lines is tried; `name` another than its own where it is given.
    Said try_it(const std::string& lines, const std::string& typed = "",
            const std::string& name = "t", bool json = false) {
        const std::string file = folder.path + "/superd.toml";
        REQUIRE(write_file(file, "[service.t]\nuser = \"" + std::to_string(::geteuid()) +
                                         "\"\n" + lines + "\n"));
        const CtlGlobals globals{
                .default_file = "", .socket = folder.path + "/control", .json = json};
        const Typed input(typed);
        return test::said_by([&] { return ctl_try(globals, file, name); });
    }

    Said try_shell(
            const std::string& script, const std::string& typed = "", bool json = false) {
        return try_it("listen = \"tcp:127.0.0.1:40011\"\nexec = [\"/bin/sh\", \"-c\", '''" +
                              script + "''']",
                typed, "t", json);
    }
};

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("superctl try: what is typed goes to the handler, what it says to the terminal") {
    Bench bench;
    const Said said = bench.try_shell("read x; echo \"got $x\"", "hello\n");
    CHECK(said.code == exit_code::ok);
    CHECK(said.out == "got hello\n");
    CHECK(said.err.starts_with("superctl: t (pid "));
    CHECK(holds(said.err, ") ended with status 0 after "));
    CHECK(bench.try_shell("exec cat", "a\nb\n").out == "a\nb\n");  // and the end of it
    CHECK(bench.try_shell("echo problem >&2", "").err.starts_with("problem\n"));
}

TEST_CASE("superctl try: much both ways does not stand still") {
    Bench bench;
    std::string text;
    for (int i = 0; text.size() < 3'000'000; ++i)
        text += "line " + std::to_string(i) + "\n";
    // It reads a megabyte before it says anything, and says it at once.
    const Said said = bench.try_shell("exec dd bs=1M iflag=fullblock status=none", text);
    CHECK(said.code == exit_code::ok);
    CHECK((said.out == text));
}

TEST_CASE("superctl try: a handler that takes nothing, or says nothing, ends it all the same") {
    Bench bench;
    const std::string much(1'000'000, 'x');
    CHECK(bench.try_shell("exit 0", much).code == exit_code::ok);
    CHECK(bench.try_shell("exec <&-; echo bye", much).out == "bye\n");
    CHECK(bench.try_shell("exec >&-; exec cat >/dev/null", "x").code == exit_code::ok);
}

TEST_CASE("superctl try: it sees the environment of a client of this host") {
    Bench bench;
    const Said said = bench.try_shell("echo $PROTO $TCPREMOTEIP $REMOTE_HOST $TCPLOCALPORT");
    CHECK(said.out == "TCP 127.0.0.1 127.0.0.1 40011\n");
}

TEST_CASE("superctl try: how it ended is the exit code and a sentence, or an object") {
    Bench bench;
    const Said three = bench.try_shell("exit 3");
    CHECK(three.code == exit_code::failed);
    CHECK(holds(three.err, " ended with status 3 after "));
    const Said killed = bench.try_shell("kill -TERM $$");
    CHECK(killed.code == exit_code::failed);
    CHECK(holds(killed.err, " ended with signal TERM after "));
    const Said object = bench.try_shell("echo out", "", true);
    CHECK(object.out == "out\n");
    const auto json = nlohmann::json::parse(object.err)["try"];
    CHECK(json["service"] == "t");
    CHECK(json["end"] == "status 0");
}

TEST_CASE("superctl try: what cannot be tried is said, and why") {
    Bench bench;
    const std::string listen = "listen = \"tcp:127.0.0.1:40011\"\n";
    const Said missing = bench.try_it(listen + "exec = \"/nonexistent/program\"");
    CHECK(missing.code == exit_code::failed);
    CHECK(holds(missing.err,
            "t could not be started: exec /nonexistent/program: No such file or directory"));
    const Said none = bench.try_it(listen + "exec = \"/bin/true\"", "", "gone");
    CHECK(none.code == exit_code::no_such_service);
    const Said worker = bench.try_it("listen = \"udp:127.0.0.1:40011\"\nexec = \"/bin/true\"");
    CHECK(worker.code == exit_code::failed);
    CHECK(holds(worker.err, "t is no handler: try starts what serves one connection"));
    const Said broken = bench.try_it(listen + "exec = \"/bin/true\"\nnosuch = 1");
    CHECK(broken.code == exit_code::failed);
    CHECK(holds(broken.err, "unknown key \"nosuch\""));
    CHECK(nlohmann::json::parse(bench.try_it(listen + "exec = \"/bin/true\"", "", "gone", true)
                                        .out)["error"]["code"] == exit_code::no_such_service);
    CHECK(std::distance(std::filesystem::directory_iterator(bench.folder.path), {}) == 1);
}
