// SPDX-License-Identifier: MIT
#include "engine/config_reader.h"

#include <csignal>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/codec.h"

#include "support/catch.h"
#include "support/sockets.h"
#include "support/turning.h"

namespace superd {
namespace {

using test::Scratch;

const std::string good = "[service.one]\nlisten = \"tcp:127.0.0.1:0\"\nexec = [\"/bin/cat\"]\n";

// A reader, the loop it is in, files to read and the answers that came.
struct Reading {
    Scratch scratch;
    Loop loop;
    ConfigReader reader{loop};
    std::vector<Result<ReadResult>> answers;

    [[nodiscard]] ReadOptions file(const std::string& name, const std::string& text) const {
        std::ofstream(scratch / name, std::ios::trunc) << text;
        ReadOptions options;
        options.path = scratch / name;
        return options;
    }

    ConfigReader::Callback keep() {
        return [this](Result<ReadResult> answer) {
            answers.push_back(std::move(answer));
        };
    }

    bool turn_until_answers(std::size_t count) {
        return test::turn_until(loop, [&] { return answers.size() >= count; });
    }
};

std::function<ReadOptions()> given(ReadOptions options) {
    return [options = std::move(options)] {
        return options;
    };
}

Fd plan_file(const Plan& plan) {
    Fd file(::memfd_create("plan", MFD_CLOEXEC));
    const std::string bytes = encode_plan(plan);
    REQUIRE(::write(file.get(), bytes.data(), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
    return file;
}

// While it lives no file may grow: the first write of a process that inherits it is its end.
class NoWriting {
public:
    NoWriting() {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &none);
    }

    ~NoWriting() { ::setrlimit(RLIMIT_FSIZE, &before_); }

    NoWriting(const NoWriting&) = delete;
    NoWriting& operator=(const NoWriting&) = delete;

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("config reader: what is read is asked for when its turn comes, scaled copies too") {
    Reading r;
    ReadOptions options = r.file("copies.toml",
            "[service.q]\nreplicas = 2\nexec = [\"/bin/cat\"]\n"
            "[service.r]\nreplicas = 2\nexec = [\"/bin/cat\"]\n");
    r.reader.read(given(options), r.keep());
    r.reader.read([&options] { return options; }, r.keep());
    options.scaled = {{"q", 2, 3}, {"r", 2, 1}};
    REQUIRE(r.turn_until_answers(2));
    for (const auto& answer : r.answers)
        REQUIRE((answer && answer->plan));
    CHECK(r.answers[0]->plan->services.size() == 4);
    const std::vector<CopiesPlan>& copies = r.answers[1]->plan->copies;
    REQUIRE(copies.size() == 2);
    CHECK(copies[0].names.size() == 3);
    CHECK(copies[1].names.size() == 1);
}

TEST_CASE("config reader: a good file comes back as a plan, from the loop and once") {
    Reading r;
    CHECK_FALSE(r.reader.busy());
    r.reader.read(given(r.file("good.toml", good)), r.keep());
    CHECK(r.reader.busy());
    CHECK(r.answers.empty());
    REQUIRE(r.turn_until_answers(1));
    CHECK_FALSE(r.reader.busy());
    REQUIRE(r.answers[0]);
    REQUIRE(r.answers[0]->plan);
    CHECK(r.answers[0]->plan->services.at(0)->name == "one");
    CHECK(r.answers[0]->files == std::vector<std::string>{r.scratch / "good.toml"});
    r.loop.turn(false);
    CHECK(r.answers.size() == 1);
}

TEST_CASE("config reader: a mistake comes back with its place, not as a failure") {
    Reading r;
    r.reader.read(given(r.file("bad.toml", good + "no_such_key = 1\n")), r.keep());
    REQUIRE(r.turn_until_answers(1));
    REQUIRE(r.answers[0]);
    CHECK_FALSE(r.answers[0]->plan);
    REQUIRE(r.answers[0]->diagnostics.all().size() == 1);
    CHECK(render(r.answers[0]->diagnostics, false).find("bad.toml:4:1: ") != std::string::npos);
}

TEST_CASE("config reader: the options of the read arrive at the other side") {
    Reading r;
    ReadOptions options = r.file("copy.toml", good);
    options.as = "/etc/superd.toml";
    options.root = true;  // a service must name its user then
    r.reader.read(given(options), r.keep());
    options.root = false;
    r.reader.read(given(options), r.keep());
    REQUIRE(r.turn_until_answers(2));
    REQUIRE(r.answers[0]);
    CHECK_FALSE(r.answers[0]->plan);
    const std::string said = render(r.answers[0]->diagnostics);
    INFO(said);
    CHECK(said.find("/etc/superd.toml:1:") != std::string::npos);
    REQUIRE(r.answers[1]);
    CHECK(r.answers[1]->plan);
}

TEST_CASE("config reader: reads that are asked for at once are done in order") {
    Reading r;
    std::string order;
    for (const char* name : {"a", "b", "c"}) {
        r.reader.read(given(r.file(name, good)), [&, name](Result<ReadResult> answer) {
            order += name;
            // The next one is asked for from inside an answer.
            if (order == "a")
                r.reader.read(given(r.file("d", good)), [&](auto last) {
                    order += "d";
                    r.answers.push_back(std::move(last));
                });
            r.answers.push_back(std::move(answer));
        });
    }
    REQUIRE(r.turn_until_answers(4));
    CHECK(order == "abcd");
    CHECK_FALSE(r.reader.busy());
}

TEST_CASE("config reader: a reader process that is killed is a failure that names the signal") {
    Reading r;
    const ReadOptions options = r.file("good.toml", good);
    {
        const NoWriting none;
        r.reader.read(given(options), r.keep());
    }
    REQUIRE(r.turn_until_answers(1));
    REQUIRE_FALSE(r.answers[0]);
    CHECK(r.answers[0].error().text().find("ended by signal " + std::to_string(SIGXFSZ)) !=
            std::string::npos);
    r.reader.read(given(options), r.keep());
    REQUIRE(r.turn_until_answers(2));
    CHECK(r.answers[1]);
}

TEST_CASE("config reader: the answer counts where somebody else has reaped the process") {
    Reading r;
    r.reader.read(given(r.file("good.toml", good)), r.keep());
    REQUIRE(::waitpid(-1, nullptr, 0) > 0);
    REQUIRE(r.turn_until_answers(1));
    REQUIRE(r.answers[0]);
    CHECK(r.answers[0]->plan);
}

TEST_CASE("config reader: one that goes first calls nobody and leaves no descriptor") {
    Reading r;
    const ReadOptions options = r.file("good.toml", good);
    r.loop.turn(false);
    const std::size_t before = test::open_descriptors();
    {
        ConfigReader reader(r.loop);
        reader.read(given(options), r.keep());
        reader.read(given(options), r.keep());
        CHECK(test::open_descriptors() > before);
    }
    REQUIRE(::waitpid(-1, nullptr, 0) > 0);
    r.loop.turn(false);
    CHECK(r.answers.empty());
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("config reader: files behind networks are read again for a plan that stays") {
    Reading r;
    static_cast<void>(r.file("lan.list", "192.0.2.0/24\n"));
    const ReadOptions options =
            r.file("good.toml", "[networks]\nlan = { file = \"lan.list\" }\n" + good);
    const auto first = ConfigReader::read_now(options, [] {});
    REQUIRE(first);
    REQUIRE(first->plan);
    CHECK(first->plan->networks.at(0).blocks.at(0).text() == "192.0.2.0/24");
    static_cast<void>(r.file("lan.list", "198.51.100.0/24\n203.0.113.9\n"));
    const Fd file = plan_file(*first->plan);
    r.reader.reread_networks(file.get(), r.keep());
    REQUIRE(r.turn_until_answers(1));
    REQUIRE(r.answers[0]);
    REQUIRE(r.answers[0]->plan);
    const auto& blocks = r.answers[0]->plan->networks.at(0).blocks;
    REQUIRE(blocks.size() == 2);
    CHECK(blocks[0].text() == "198.51.100.0/24");
    CHECK(r.answers[0]->plan->services.size() == 1);
}

TEST_CASE("config reader: what is no plan is no answer") {
    Reading r;
    const Fd empty(::memfd_create("empty", MFD_CLOEXEC));
    r.reader.reread_networks(empty.get(), r.keep());
    REQUIRE(r.turn_until_answers(1));
    REQUIRE_FALSE(r.answers[0]);
    CHECK(r.answers[0].error().text().find("nothing that can be read") != std::string::npos);
    CHECK(run_config_reader({"nonsense"}) == 2);
    CHECK(run_config_reader({}) == 2);
}

TEST_CASE("config reader: the first start waits for the answer and does something meanwhile") {
    Reading r;
    int meanwhile = 0;
    const auto answer = ConfigReader::read_now(r.file("good.toml", good), [&] { ++meanwhile; });
    CHECK(meanwhile == 1);
    REQUIRE(answer);
    CHECK(answer->plan);
}

}  // namespace superd
