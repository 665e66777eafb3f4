// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include "log/lines.h"

#include "support/catch.h"

using namespace superd;

namespace {

struct Lines {
    explicit Lines(std::size_t limit) : splitter(limit) {}

    void feed(int pid, std::string_view bytes) {
        splitter.feed(pid, bytes, clock.now(), emit());
    }

    LineSplitter::Emit emit() {
        return [this](const LineSplitter::Line& line) {
            out.push_back(std::to_string(line.pid) + ":" + std::string(line.text) +
                          (line.continued ? "+" : ""));
        };
    }

    FakeClock clock;
    LineSplitter splitter;
    std::vector<std::string> out;
};

using Out = std::vector<std::string>;

}  // namespace

TEST_CASE("log lines: whole lines come out at once, the rest when its end comes") {
    Lines lines(100);
    lines.feed(1, "one\ntwo\nthr");
    CHECK(lines.out == Out{"1:one", "1:two"});
    CHECK(lines.splitter.oldest() == lines.clock.now());
    lines.feed(1, "ee\n\nfour\r\n");
    CHECK(lines.out == Out{"1:one", "1:two", "1:three", "1:", "1:four"});
    CHECK_FALSE(lines.splitter.oldest());
}

TEST_CASE("log lines: unfinished lines of two writers are kept apart") {
    Lines lines(100);
    lines.feed(1, "from ");
    lines.feed(2, "by ");
    lines.feed(1, "one\nmore");
    lines.feed(2, "two\n");
    lines.splitter.flush_all(lines.emit());
    CHECK(lines.out == Out{"1:from one", "2:by two", "1:more"});
}

TEST_CASE("log lines: a long line comes out in marked pieces however it arrives") {
    const Out expected{"1:0123456789+", "1:0123456789+", "1:xyz"};
    const std::string text = "01234567890123456789xyz\n";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        Lines lines(10);
        for (std::size_t at = 0; at < text.size(); at += step)
            lines.feed(1, std::string_view(text).substr(at, step));
        CHECK(lines.out == expected);
    }
}

TEST_CASE("log lines: a line of exactly the limit is not marked") {
    for (const std::size_t step : {1U, 3U, 11U}) {
        const std::string text = "0123456789\n";
        Lines lines(10);
        for (std::size_t at = 0; at < text.size(); at += step)
            lines.feed(1, std::string_view(text).substr(at, step));
        CHECK(lines.out == Out{"1:0123456789"});
    }
}

TEST_CASE("log lines: an unfinished line comes out after its time, others stay") {
    Lines lines(100);
    lines.feed(1, "old");
    const Mono begun = lines.clock.now();
    lines.clock.advance(std::chrono::milliseconds(500));
    lines.feed(2, "new");
    CHECK(lines.splitter.oldest() == begun);
    lines.splitter.flush(begun, lines.emit());
    CHECK(lines.out == Out{"1:old"});
    lines.feed(1, "er\n");
    CHECK(lines.out == Out{"1:old", "1:er"});
    CHECK(lines.splitter.oldest() == lines.clock.now());
}

TEST_CASE("log lines: writers that never end a line cannot fill the memory") {
    Lines lines(100);
    for (int pid = 1; pid <= 1000; ++pid)
        lines.feed(pid, "x");
    CHECK(lines.out.size() >= 930);
    CHECK(lines.out.front() == "1:x");
}
