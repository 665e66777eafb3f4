// SPDX-License-Identifier: MIT
#include "config/networks.h"

#include <cstdio>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "config/environment_file.h"

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

// A file of the test's own, removed with it.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& text) {
        std::string pattern = "/tmp/superd-unit-XXXXXX";
        const int fd = ::mkstemp(pattern.data());
        REQUIRE(fd >= 0);
        ::close(fd);
        path_ = pattern;
        write(text);
    }

    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    ~TemporaryFile() { std::remove(path_.c_str()); }

    void write(const std::string& text) const { std::ofstream(path_) << text; }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

std::vector<std::string> texts(const std::vector<Network>& blocks) {
    std::vector<std::string> out;
    for (const Network& block : blocks)
        out.push_back(block.text());
    return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("networks: blocks are written as one or a list") {
    const Resolved resolved = resolve_text(
            "[networks]\noffice = [\"10.0.0.0/8\", \"fd00::/8\"]\nlan = "
            "\"192.168.7.0/24\"\nnone = []\n");
    CHECK(resolved.text() == "");
    REQUIRE(resolved.plan.networks.size() == 3);
    CHECK(resolved.plan.networks[0].name == "office");
    CHECK(texts(resolved.plan.networks[0].blocks) == Texts{"10.0.0.0/8", "fd00::/8"});
    CHECK(texts(resolved.plan.networks[1].blocks) == Texts{"192.168.7.0/24"});
    CHECK(resolved.plan.networks[2].blocks.empty());
    CHECK(resolved.plan.where(resolved.plan.networks[1].origin) == "/etc/superd.toml:3");
}

TEST_CASE("networks: what is no block is an error") {
    struct Case {
        const char *value, *said;
    };

    const Case cases[] = {{"\"@lan\"",
                                  "2:5 error: \"@lan\" is not an address or block [a network "
                                  "is made of blocks, not of other networks]\n"},
            {"\"/etc/x\"",
                    "2:5 error: \"/etc/x\" is not an address or block [write { file = "
                    "\"/etc/x\" } for a list in a file]\n"},
            {"5", "2:5 error: a block of network \"n\" is text, not an integer [write "
                  "\"5\"]\n"},
            {"{}", "2:1 error: network \"n\" is empty [write a list of blocks, or { file = "
                   "\"/path\" }]\n"},
            {"{ fil = \"x\" }",
                    "2:7 error: unknown key \"fil\" in a network [write { file = \"/path\" "
                    "}]\n"},
            {"{ file = \"/nonexistent\" }",
                    "2:5 error: the list /nonexistent cannot be read: No such file or "
                    "directory\n"}};
    for (const Case& one : cases) {
        INFO(one.value);
        CHECK(resolve_text(std::string("[networks]\nn = ") + one.value + "\n").text() ==
                one.said);
    }
    CHECK(resolve_text("[networks]\nn = \"10.0.0.1/8\"\n").text() ==
            "2:5 error: \"10.0.0.1/8\" has bits set after its first 8 [write \"10.0.0.0/8\" "
            "for the block or \"10.0.0.1\" for the one address]\n");
}

TEST_CASE("networks: a list file has one block a line, with comments") {
    Diagnostics diagnostics;
    const auto blocks = parse_network_list(
            "# bad ones\n192.0.2.0/24\n\n  2001:db8::1  # one\r\n10.0.0.1", "/x", diagnostics);
    CHECK(diagnostics.all().empty());
    CHECK(texts(blocks) == Texts{"192.0.2.0/24", "2001:db8::1", "10.0.0.1"});
}

TEST_CASE("networks: mistakes in a list file have its line and column, twenty at most") {
    Diagnostics diagnostics;
    std::string text = "10.0.0.1\n  nonsense\n";
    const auto blocks = parse_network_list(text, "/x", diagnostics);
    CHECK(blocks.size() == 1);
    REQUIRE(diagnostics.all().size() == 1);
    CHECK(diagnostics.all()[0].at.file == "/x");
    CHECK(diagnostics.all()[0].at.line == 2);
    CHECK(diagnostics.all()[0].at.column == 3);
    CHECK(diagnostics.all()[0].source_line == "  nonsense");
    for (int i = 0; i < 100; ++i)
        text += "nonsense\n";
    Diagnostics many;
    CHECK(parse_network_list(text, "/x", many).size() == 1);
    CHECK(many.all().size() == 20);
}

TEST_CASE("networks: a file is read again, and one that is broken keeps its blocks") {
    const TemporaryFile file("10.0.0.0/8\n");
    Plan plan = resolve_text(
            "[networks]\nn = { file = \"" + file.path() + "\" }\nm = \"192.0.2.1\"\n")
                        .plan;
    REQUIRE(plan.networks.size() == 2);
    CHECK(plan.networks[0].file == file.path());
    CHECK(texts(plan.networks[0].blocks) == Texts{"10.0.0.0/8"});
    file.write("10.0.0.0/8\n192.0.2.0/24\n");
    Diagnostics good;
    plan.networks = reread_networks(plan, good);
    CHECK(good.all().empty());
    CHECK(texts(plan.networks[0].blocks) == Texts{"10.0.0.0/8", "192.0.2.0/24"});
    CHECK(texts(plan.networks[1].blocks) == Texts{"192.0.2.1"});
    file.write("10.0.0.0/8\noops\n");
    Diagnostics broken;
    plan.networks = reread_networks(plan, broken);
    CHECK(broken.has_errors());
    CHECK(plan.networks[0].blocks.size() == 2);
    std::remove(file.path().c_str());
    Diagnostics gone;
    CHECK(reread_networks(plan, gone)[0].blocks.size() == 2);
    REQUIRE(gone.all().size() == 1);
    CHECK(gone.all()[0].at.file == "/etc/superd.toml");
    CHECK(gone.all()[0].at.line == 2);
}

TEST_CASE("networks: a FIFO or a folder is no list: it would deny nobody") {
    CHECK(resolve_text("[networks]\nn = { file = \"/etc\" }\n").errors() != "");
    const std::string path = "/tmp/superd-unit-fifo-" + std::to_string(::getpid());
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const Resolved resolved = resolve_text("[networks]\nn = { file = \"" + path + "\" }\n");
    std::remove(path.c_str());
    CHECK(resolved.errors() != "");
}

TEST_CASE("networks: a relative file is beside the file that names it") {
    const TemporaryFile file("10.0.0.0/8\n");
    const auto slash = file.path().rfind('/');
    const Resolved resolved = resolve_files({{file.path().substr(0, slash) + "/main.toml",
            "[networks]\nn = { file = \"" + file.path().substr(slash + 1) + "\" }\n"}});
    CHECK(resolved.text() == "");
    CHECK(resolved.plan.networks[0].file == file.path());
}

TEST_CASE("environment file: lines as systemd writes them") {
    const auto variables = parse_environment(
            "# comment\n; comment\n\nA=1\n  B = two words  \nC=\"a \\\"q\\\" \\$x \\n\"\nD='s "
            "\\ '\\''t'\nE=a\\\nb\nF=\nG=\"one\ntwo\"\nH=x # not a comment\nI=\\ y\\ \n");
    REQUIRE(variables);
    const std::vector<std::pair<std::string, std::string>> expected{{"A", "1"},
            {"B", "two words"}, {"C", "a \"q\" $x \\n"}, {"D", "s \\ 't"}, {"E", "ab"},
            {"F", ""}, {"G", "one\ntwo"}, {"H", "x # not a comment"}, {"I", " y "}};
    REQUIRE(variables->size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK((*variables)[i].name == expected[i].first);
        CHECK((*variables)[i].value == expected[i].second);
        CHECK((*variables)[i].secret);
    }
}

TEST_CASE("environment file: mistakes have their line") {
    const auto wrong = [](std::string_view text) {
        const auto parsed = parse_environment(text);
        REQUIRE_FALSE(parsed);
        return std::to_string(parsed.error().line) + " " + parsed.error().message;
    };
    CHECK(wrong("A=1\nnonsense\n") == "2 that is not NAME=value");
    CHECK(wrong("1A=1\n") == "1 \"1A\" is not the name of a variable");
    CHECK(wrong("export A=1\n") == "1 \"export A\" is not the name of a variable");
    CHECK(wrong("\nA=\"open\n\n") == "2 a quote is not closed");
    CHECK(wrong(std::string_view("A=a\0b\n", 6)) == "1 the value holds a NUL");
}

TEST_CASE("environment file: its variables come before environment and must be root's alone") {
    const TemporaryFile file("A=from-file\nB=secret\n");
    const std::string text = service_text(
            "environment_file = \"" + file.path() + "\"\nenvironment = { A = \"table\" }");
    CHECK(::chmod(file.path().c_str(), 0644) == 0);
    CHECK(resolve_text(text).errors().find(
                  "must belong to root and be closed to others [chown root ") !=
            std::string::npos);
    CHECK(::chmod(file.path().c_str(), 0600) == 0);
    if (::geteuid() != 0) return;
    const Resolved resolved = resolve_text(text);
    CHECK(resolved.text() == "");
    CHECK(resolved.service("s")->exec.environment ==
            std::vector<Variable>{{"A", "table", false}, {"B", "secret", true}});
    file.write("A=1\nbad\n");
    CHECK(resolve_text(text).errors() == "2:1 error: that is not NAME=value\n");
}
