// SPDX-License-Identifier: MIT
// The names that redirects go to: when they are looked up, and what is known meanwhile. The
// test plays superd-resolve.
#include "engine/target_names.h"

#include <optional>

#include "support/asked_program.h"

namespace superd {
namespace {

using namespace std::chrono_literals;

class Log final : public EventSink {
public:
    void log(const Event& event) override {
        if (const auto* notice = std::get_if<NoticeEvent>(&event))
            lines.push_back((notice->level == Level::warning ? "warning " : "") +
                            std::string(notice->text));
    }

    std::vector<std::string> lines;
};

struct Bench : test::AskedProgram {
    Bench()
            : names(loop, resolver, log,
                      [this](const std::string& host) { news.push_back(host); }) {}

    AddressQuery asked() { return std::get<AddressQuery>(next()); }

    // True: nothing more has been asked by now.
    [[nodiscard]] bool silent() {
        loop.turn(false);
        return !program || !receive_resolve_packet(program.get());
    }

    // Answers and waits until that has been heard.
    void answer(const AddressQuery& query, const std::vector<const char*>& addresses,
            bool failed = false) {
        AddressAnswer answer{.id = query.id, .failed = failed};
        for (const char* one : addresses)
            answer.addresses.push_back(*IpAddress::parse(one));
        const std::size_t before = news.size();
        say(answer);
        REQUIRE(turn_until([&] { return news.size() > before; }));
    }

    [[nodiscard]] std::string known(const std::string& host) const {
        std::string text;
        for (const IpAddress& one : names.addresses(host))
            text += (text.empty() ? "" : " ") + one.text();
        return text;
    }

    Log log;
    std::vector<std::string> news;
    TargetNames names;
};

}  // namespace

TEST_CASE("target names: each is asked for once, and known when the answer has come") {
    Bench bench;
    bench.names.want({"a.example.org", "b.example.org"}, 10s, 1h);
    const AddressQuery first = bench.asked(), second = bench.asked();
    CHECK(first.name == "a.example.org");
    CHECK(second.name == "b.example.org");
    CHECK(bench.known("a.example.org").empty());
    bench.answer(second, {"2001:db8::1", "192.0.2.1"});
    CHECK(bench.news == std::vector<std::string>{"b.example.org"});
    CHECK(bench.known("b.example.org") == "2001:db8::1 192.0.2.1");
    CHECK(bench.log.lines ==
            std::vector<std::string>{"b.example.org is 2001:db8::1, 192.0.2.1"});
    bench.answer(first, {"192.0.2.2"});
    CHECK(bench.known("a.example.org") == "192.0.2.2");
    CHECK(bench.silent());  // until an hour is over
    bench.names.want(
            {"a.example.org", "b.example.org"}, 10s, 1h);  // a reload that changed nothing
    CHECK(bench.silent());
    CHECK(bench.known("b.example.org") == "2001:db8::1 192.0.2.1");
}

TEST_CASE("target names: they are asked for again in time, and only a change is told") {
    Bench bench;
    bench.names.want({"a.example.org"}, 10s, 20ms);
    bench.answer(bench.asked(), {"192.0.2.1"});
    bench.answer(bench.asked(), {"192.0.2.1"});
    CHECK(bench.log.lines.size() == 1);
    bench.answer(bench.asked(), {"192.0.2.9"});
    CHECK(bench.known("a.example.org") == "192.0.2.9");
    CHECK(bench.log.lines.size() == 2);
    CHECK(bench.log.lines.back() == "a.example.org is 192.0.2.9");
}

TEST_CASE("target names: a look-up that fails leaves what was known, and says so once") {
    Bench bench;
    bench.names.want({"a.example.org"}, 10s, 20ms);
    bench.answer(bench.asked(), {"192.0.2.1"});
    bench.answer(bench.asked(), {}, true);
    bench.answer(bench.asked(), {}, false);
    CHECK(bench.known("a.example.org") == "192.0.2.1");
    CHECK(bench.log.lines == std::vector<std::string>{"a.example.org is 192.0.2.1",
                                     "warning the addresses of a.example.org stay 192.0.2.1: "
                                     "nobody answered in time"});
    bench.answer(bench.asked(), {"192.0.2.1"});  // well again, and nothing has changed
    bench.answer(bench.asked(), {}, false);
    CHECK(bench.log.lines.size() == 3);
    CHECK(bench.log.lines.back() ==
            "warning the addresses of a.example.org stay 192.0.2.1: there is no such name");
}

TEST_CASE(
        "target names: who waits for a name hurries it, though not more often than makes "
        "sense") {
    Bench bench;
    CHECK_FALSE(bench.names.hurry("a.example.org"));  // nobody wants it
    bench.names.want({"a.example.org"}, 10s, 1h);
    const AddressQuery query = bench.asked();
    CHECK(bench.names.hurry("a.example.org"));  // its answer is on its way
    bench.answer(query, {});
    CHECK(bench.log.lines == std::vector<std::string>{"warning no address of a.example.org is "
                                                      "known: there is no such name"});
    CHECK_FALSE(bench.names.hurry("a.example.org"));  // it has been asked for a moment ago
    CHECK(bench.silent());
}

TEST_CASE("target names: an answer for a name that a reload took away is nobody's") {
    Bench bench;
    bench.names.want({"a.example.org"}, 10s, 1h);
    const AddressQuery query = bench.asked();
    bench.names.want({"b.example.org"}, 10s, 1h);
    const AddressQuery other = bench.asked();
    CHECK(other.name == "b.example.org");
    AddressAnswer late{.id = query.id, .addresses = {*IpAddress::parse("192.0.2.1")}};
    REQUIRE(send_resolve_packet(bench.program.get(), encode_answer(late).value()));
    bench.answer(other, {"192.0.2.2"});
    CHECK(bench.news == std::vector<std::string>{"b.example.org"});
    CHECK(bench.known("a.example.org").empty());
    // Wanted again it is asked for again.
    bench.names.want({"a.example.org", "b.example.org"}, 10s, 1h);
    CHECK(bench.asked().name == "a.example.org");
    CHECK(bench.silent());
}

}  // namespace superd
