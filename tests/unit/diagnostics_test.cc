// SPDX-License-Identifier: MIT
#include "config/diagnostics.h"

#include "support/catch.h"

using namespace superd;

namespace {

Diagnostic wrong_port() {
    Diagnostic out;
    out.at = {"/etc/superd.toml", 31, 10};
    out.message = "22 is not an address";
    out.suggestion = "write \"tcp:22\"";
    out.source_line = "listen = 22";
    return out;
}

// The column, from 1, under which the caret stands.
std::size_t caret_column(const Diagnostic& diagnostic) {
    const std::string text = render(diagnostic);
    const std::size_t caret = text.find("^\n");
    REQUIRE(caret != std::string::npos);
    const std::size_t begin = text.rfind('\n', caret);
    return caret - begin - 4;  // the indentation
}

}  // namespace

TEST_CASE("diagnostics: a mistake shows its place, line, caret and suggestion") {
    CHECK(render(wrong_port()) ==
            "/etc/superd.toml:31:10: error: 22 is not an address\n"
            "    listen = 22\n"
            "             ^\n"
            "    write \"tcp:22\"\n");
}

TEST_CASE("diagnostics: a warning says so") {
    Diagnostic warning = wrong_port();
    warning.severity = Severity::warning;
    CHECK_THAT(render(warning), Catch::Matchers::Contains(":31:10: warning: 22 is"));
}

TEST_CASE("diagnostics: a second place has a line of its own") {
    Diagnostic twice = wrong_port();
    twice.other = {"/etc/superd.d/b.toml", 3, 1};
    CHECK_THAT(render(twice),
            Catch::Matchers::EndsWith(
                    "/etc/superd.d/b.toml:3:1: note: the other place is here\n"));
}

TEST_CASE("diagnostics: what concerns a whole file has no line and no caret") {
    Diagnostic missing;
    missing.at.file = "/etc/superd.toml";
    missing.message = "cannot be read: No such file or directory";
    CHECK(render(missing) ==
            "/etc/superd.toml: error: cannot be read: No such file or directory\n");
    missing.at.file.clear();
    CHECK(render(missing) == "error: cannot be read: No such file or directory\n");
}

TEST_CASE("diagnostics: a line without a column is shown without a caret") {
    Diagnostic line = wrong_port();
    line.at.column = 0;
    line.suggestion.clear();
    CHECK(render(line) ==
            "/etc/superd.toml:31: error: 22 is not an address\n    listen = 22\n");
}

TEST_CASE("diagnostics: the caret counts characters, not bytes") {
    Diagnostic umlauts = wrong_port();
    umlauts.source_line = "\u00e4\u20ac\U0001f600 = 22";
    umlauts.at.column = 7;
    CHECK(caret_column(umlauts) == 7);
}

TEST_CASE("diagnostics: a tab before the caret stays a tab") {
    Diagnostic tabs = wrong_port();
    tabs.source_line = "\tlisten\t= 22";
    tabs.at.column = 11;
    CHECK_THAT(render(tabs),
            Catch::Matchers::Contains("\n    \tlisten\t= 22\n    \t      \t  ^\n"));
}

TEST_CASE("diagnostics: the caret may stand behind the line, but no further") {
    Diagnostic end = wrong_port();
    end.source_line = "x =";
    end.at.column = 4;
    CHECK(caret_column(end) == 4);
    end.at.column = 4000;
    CHECK(caret_column(end) == 4);
}

TEST_CASE("diagnostics: of a very long line the part around the caret is shown") {
    Diagnostic wide = wrong_port();
    wide.source_line = std::string(5000, 'a') + "X" + std::string(5000, 'b');
    wide.at.column = 5001;
    const std::string text = render(wide);
    CHECK(text.size() < 600);
    const std::size_t line = text.find("    aaa");
    const std::size_t caret = text.find('^');
    REQUIRE(line != std::string::npos);
    const std::size_t caret_line = text.rfind('\n', caret) + 1;
    CHECK(text[line + (caret - caret_line)] == 'X');
}

TEST_CASE("diagnostics: nothing of the file reaches the terminal as a control sequence") {
    Diagnostic evil = wrong_port();
    evil.source_line = "x = \"\x1b[2J\u009b31m\xff\xe2\x82\"\x7f";
    evil.message = "odd \x1b[31m";
    evil.suggestion = "\r\n";
    const std::string text = render(evil);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        CHECK((byte == '\n' || (byte >= 0x20 && byte < 0x7f)));
    }
    CHECK_THAT(text, Catch::Matchers::Contains("x = \"?[2J?31m??\"?"));
}

TEST_CASE("diagnostics: colour only where it is asked for") {
    CHECK(render(wrong_port()).find('\x1b') == std::string::npos);
    const std::string colour = render(wrong_port(), true);
    CHECK_THAT(colour, Catch::Matchers::Contains("\x1b[1;31merror:\x1b[0m 22 is"));
    CHECK_THAT(colour, Catch::Matchers::Contains("\x1b[1;32m^\x1b[0m"));
}

TEST_CASE("diagnostics: errors are told from warnings") {
    Diagnostics all;
    CHECK_FALSE(all.has_errors());
    all.warning({"a", 1, 1}, "a program is missing");
    CHECK_FALSE(all.has_errors());
    all.error({"a", 1, 1}, "an unknown user");
    CHECK(all.has_errors());
    CHECK(all.all().size() == 2);
}

TEST_CASE("diagnostics: sorted by file, line and column, equal places as they came") {
    Diagnostics all;
    all.error({"b", 1, 1}, "five");
    all.error({"a", 10, 1}, "four");
    all.error({"a", 2, 7}, "two");
    all.warning({"a", 2, 7}, "three");
    all.error({"a", 2, 1}, "one");
    all.error({"a", 0, 0}, "zero");
    all.sort();
    std::string order;
    for (const Diagnostic& diagnostic : all.all())
        order += diagnostic.message + ' ';
    CHECK(order == "zero one two three four five ");
    CHECK_THAT(render(all), Catch::Matchers::StartsWith("a: error: zero\na:2:1: error: one\n"));
}

TEST_CASE("diagnostics: source lines are filled in where they are missing") {
    Diagnostics all;
    all.error({"a", 3, 1}, "needs one");
    all.error({"a", 0, 0}, "has no line");
    all.add(wrong_port());
    all.fill_source_lines([](const Position& at) { return "line " + std::to_string(at.line); });
    CHECK(all.all()[0].source_line == "line 3");
    CHECK(all.all()[1].source_line.empty());
    CHECK(all.all()[2].source_line == "listen = 22");
}

TEST_CASE("diagnostics: a file with more mistakes than anybody reads costs a bounded list") {
    Diagnostics diagnostics;
    for (std::uint32_t line = 1; line <= 5000; ++line)
        diagnostics.error({"superd.toml", line, 1}, "wrong");
    CHECK(diagnostics.has_errors());
    REQUIRE(diagnostics.all().size() == 1001);
    CHECK(render(diagnostics).find("there is more to say; these are the first 1000") !=
            std::string::npos);
    diagnostics.fill_source_lines([](const Position&) { return std::string(100'000, 'x'); });
    CHECK(diagnostics.all().front().source_line.empty());
}
