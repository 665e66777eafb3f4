// SPDX-License-Identifier: MIT
#include "base/text.h"

#include "support/catch.h"

using namespace superd;

namespace {

std::string_view nearest_key(std::string_view word) {
    static constexpr std::array<std::string_view, 5> keys{
            "listen", "exec", "max_connections", "max_per_source", "nice"};
    return nearest(word, keys);
}

}  // namespace

TEST_CASE("text: trim takes blanks off both ends and nothing else") {
    CHECK(trim("  a b\t\r\n") == "a b");
    CHECK(trim("a") == "a");
    CHECK(trim(" \t ").empty());
    CHECK(trim("").empty());
}

TEST_CASE("text: split keeps empty parts") {
    CHECK(split("a,b,,c", ',') == std::vector<std::string_view>{"a", "b", "", "c"});
    CHECK(split("", ',') == std::vector<std::string_view>{""});
    CHECK(split(",", ',') == std::vector<std::string_view>{"", ""});
}

TEST_CASE("text: join is the opposite of split") {
    CHECK(join(std::vector<std::string>{"a", "", "c"}, ", ") == "a, , c");
    CHECK(join(std::vector<std::string>{}, ", ").empty());
    CHECK(join(std::vector<std::string>{"a"}, ", ") == "a");
}

TEST_CASE("text: parse_decimal takes digits only, up to 64 bits") {
    CHECK(parse_decimal("0") == 0U);
    CHECK(parse_decimal("007") == 7U);
    CHECK(parse_decimal("18446744073709551615") == 18446744073709551615U);
    for (const auto* wrong : {"", "18446744073709551616", "184467440737095516150", "+1", "-1",
                 " 1", "1 ", "1a", "0x10", "1.0"}) {
        INFO(wrong);
        CHECK_FALSE(parse_decimal(wrong));
    }
    CHECK_FALSE(parse_decimal(std::string_view("1\0", 2)));
}

TEST_CASE("text: parse_octal takes octal digits only, up to 32 bits") {
    CHECK(parse_octal("0660") == 0660U);
    CHECK(parse_octal("37777777777") == 0xffffffffU);
    for (const auto* wrong : {"", "40000000000", "8", "0o17", "-7"}) {
        INFO(wrong);
        CHECK_FALSE(parse_octal(wrong));
    }
}

TEST_CASE("text: escape keeps printable text as it is") {
    CHECK(escape("plain text, \"quoted\"") == "plain text, \"quoted\"");
    CHECK(escape("gr\u00fc\u00df \u20ac \U0001f600") == "gr\u00fc\u00df \u20ac \U0001f600");
}

TEST_CASE("text: escape shows control characters, backslash and DEL") {
    CHECK(escape("a\nb\tc\rd\\e") == "a\\nb\\tc\\rd\\\\e");
    CHECK(escape("\x1b[31m\x7f") == "\\x1b[31m\\x7f");
    CHECK(escape(std::string_view("\0", 1)) == "\\x00");
    // U+009B is a terminal's CSI in one character.
    CHECK(escape("\u009b31m") == "\\xc2\\x9b31m");
}

TEST_CASE("text: escape shows every byte that is not UTF-8") {
    struct Case {
        std::string_view bytes, shown;
    };

    for (const Case& c : {Case{"\xff", "\\xff"}, Case{"\xc3", "\\xc3"}, Case{"\xc3(", "\\xc3("},
                 Case{"\x80", "\\x80"}, Case{"\xc0\xaf", "\\xc0\\xaf"},  // overlong
                 Case{"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},                // overlong
                 Case{"\xed\xa0\x80", "\\xed\\xa0\\x80"},                // surrogate
                 Case{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},       // > U+10FFFF
                 Case{"\xf0\x9f\x98", "\\xf0\\x9f\\x98"}, Case{"\xe2\x82x", "\\xe2\\x82x"}}) {
        CHECK(escape(c.bytes) == c.shown);
    }
}

TEST_CASE("text: quote_value quotes only where a log line needs it") {
    CHECK(quote_value("plain") == "plain");
    CHECK(quote_value("") == "\"\"");
    CHECK(quote_value("a b") == "\"a b\"");
    CHECK(quote_value("a=b") == "\"a=b\"");
    CHECK(quote_value("say \"hi\"") == "\"say \\\"hi\\\"\"");
    CHECK(quote_value("a\nb") == "a\\nb");
}

TEST_CASE("text: nearest finds the word that was meant") {
    CHECK(nearest_key("lisen") == "listen");
    CHECK(nearest_key("listne") == "listen");
    CHECK(nearest_key("max_conections") == "max_connections");
    CHECK(nearest_key("max_per_sources") == "max_per_source");
    CHECK(nearest_key("exce") == "exec");
}

TEST_CASE("text: nearest finds nothing where nothing is near") {
    CHECK(nearest_key("ports").empty());
    CHECK(nearest_key("rice") == "nice");
    CHECK(nearest_key("rick").empty());
    CHECK(nearest_key("").empty());
    CHECK(nearest_key(std::string(100000, 'x')).empty());
    CHECK(nearest("exec", {}).empty());
}
