// SPDX-License-Identifier: MIT
#include <algorithm>

#include "config/toml_scan.h"
#include "config/tree.h"

#include "support/catch.h"

using namespace superd;

namespace {

std::unique_ptr<Node> parse(std::string_view text) {
    Diagnostics diagnostics;
    auto root = parse_toml(text, 7, "x.toml", diagnostics);
    INFO(render(diagnostics));
    REQUIRE(root);
    CHECK(diagnostics.all().empty());
    return root;
}

const TableValue& table(const Node& node) {
    return std::get<TableValue>(node.value);
}

const Node& member(const Node& node, std::string_view key) {
    const Member* found = table(node).find(key);
    REQUIRE(found);
    return *found->value;
}

// All that is said about text, which must not be accepted.
Diagnostics complaints(std::string_view text) {
    Diagnostics diagnostics;
    CHECK_FALSE(parse_toml(text, 0, "x.toml", diagnostics));
    CHECK(diagnostics.has_errors());
    return diagnostics;
}

Diagnostic complaint(std::string_view text) {
    const Diagnostics all = complaints(text);
    REQUIRE_FALSE(all.all().empty());
    return all.all().front();
}

// "LINE:COLUMN MESSAGE | SUGGESTION" of the first error.
std::string said(std::string_view text) {
    const Diagnostic first = complaint(text);
    std::string out = std::to_string(first.at.line) + ':' + std::to_string(first.at.column) +
                      ' ' + first.message;
    if (!first.suggestion.empty()) out += " | " + first.suggestion;
    return out;
}

std::string repeat(std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i)
        out += text;
    return out;
}

std::string place(const Place& at) {
    return std::to_string(at.line) + ':' + std::to_string(at.column);
}

}  // namespace

TEST_CASE("toml: values of every type arrive") {
    const auto root =
            parse("s = \"text\"\ni = -5\nf = 1.5\nb = true\nl = [1, \"two\"]\n"
                  "t = { a = 1 }\nd = 2026-11-23T01:48:02Z\nm = '''a\nb'''\n");
    CHECK(std::get<std::string>(member(*root, "s").value) == "text");
    CHECK(std::get<IntegerValue>(member(*root, "i").value).value == -5);
    CHECK(std::get<double>(member(*root, "f").value) == 1.5);
    CHECK(std::get<bool>(member(*root, "b").value));
    CHECK(std::get<ArrayValue>(member(*root, "l").value).items.size() == 2);
    CHECK(table(member(*root, "t")).is_inline);
    CHECK(std::get<DateTimeValue>(member(*root, "d").value).text == "2026-11-23T01:48:02Z");
    CHECK(std::get<std::string>(member(*root, "m").value) == "a\nb");
}

TEST_CASE("toml: types have names for messages") {
    const auto root =
            parse("s = \"\"\ni = 1\nf = 1.5\nb = true\nl = []\nt = {}\nd = 08:30:00\n");
    std::vector<std::string_view> names;
    for (const Member& each : table(*root).members)
        names.push_back(type_name(*each.value));
    CHECK(names == std::vector<std::string_view>{"a string", "an integer",
                           "a number with a fraction", "true or false", "a list", "a table",
                           "a date or time"});
}

TEST_CASE("toml: an octal number is known from a decimal one") {
    const auto root = parse("octal = 0o022\ndecimal = 18\n");
    CHECK(std::get<IntegerValue>(member(*root, "octal").value).value == 18);
    CHECK(std::get<IntegerValue>(member(*root, "octal").value).octal);
    CHECK_FALSE(std::get<IntegerValue>(member(*root, "decimal").value).octal);
}

TEST_CASE("toml: keys and values know their place, in characters") {
    const auto root =
            parse("# \u00e4\n[service.ssh]\nlisten = \"tcp:22\"\n"
                  "  environment = { \"\u00e4\" = \"\u20ac\", B = 2 }\n");
    const Member* service = table(*root).find("service");
    REQUIRE(service);
    CHECK(place(service->at) == "2:2");
    CHECK(service->at.file == 7);
    const Member* ssh = table(*service->value).find("ssh");
    REQUIRE(ssh);
    CHECK(place(ssh->at) == "2:10");
    CHECK(place(ssh->value->at) == "2:1");
    const Member* listen = table(*ssh->value).find("listen");
    REQUIRE(listen);
    CHECK(place(listen->at) == "3:1");
    CHECK(place(listen->value->at) == "3:10");
    const Node& environment = member(*ssh->value, "environment");
    CHECK(place(environment.at) == "4:17");
    CHECK(place(member(environment, "B").at) == "4:34");
}

TEST_CASE("toml: items of lists and tables of lists know their place") {
    const auto root = parse("l = [ 1,\n  \"b\" ]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n");
    const auto& items = std::get<ArrayValue>(member(*root, "l").value).items;
    CHECK(place(items.at(0)->at) == "1:7");
    CHECK(place(items.at(1)->at) == "2:3");
    const auto& elements = std::get<ArrayValue>(member(member(*root, "a"), "b").value).items;
    CHECK(place(elements.at(0)->at) == "3:1");
    CHECK(place(elements.at(1)->at) == "5:1");
    CHECK(place(member(*elements.at(1), "x").at) == "6:5");
}

TEST_CASE("toml: members keep the order of the file") {
    const auto root =
            parse("[service.z]\nz = 1\na = 2\nm.x = 3\nm.b = 4\n[service.a]\n"
                  "[defaults]\n[service.m]\n");
    std::vector<std::string> services, keys;
    for (const Member& each : table(member(*root, "service")).members)
        services.push_back(each.key);
    CHECK(services == std::vector<std::string>{"z", "a", "m"});
    for (const Member& each : table(member(member(*root, "service"), "z")).members)
        keys.push_back(each.key);
    CHECK(keys == std::vector<std::string>{"z", "a", "m"});
    CHECK(table(*root).members.front().key == "service");
    CHECK(table(*root).members.back().key == "defaults");
}

TEST_CASE("toml: a byte order mark is no part of the text") {
    const auto root = parse("\xef\xbb\xbfx = 1\n");
    CHECK(place(table(*root).find("x")->at) == "1:1");
    CHECK(said("\xef\xbb\xbfx = 1\nx = 2\n") == "2:1 \"x\" is set twice");
    CHECK(said("\xef\xbb\xbfx = yes\n") == "1:5 yes is not a value | write true");
}

TEST_CASE("toml: an empty text is an empty table") {
    CHECK(table(*parse("")).members.empty());
    CHECK(table(*parse("\n# nothing\n")).members.empty());
    CHECK(table(*parse("\xef\xbb\xbf")).members.empty());
}

TEST_CASE("toml: lines may end in CR LF") {
    const auto root = parse("x = 1\r\n[t]\r\ny = \"a\"\r\n");
    CHECK(place(member(member(*root, "t"), "y").at) == "3:5");
    CHECK(said("x = 1\r\ny = foo\r\n") == "2:5 text stands in quotes | write \"foo\"");
}

TEST_CASE("toml: texts that made parsers abort are errors") {
    for (const std::string_view text : {std::string_view("[[["), std::string_view("[\x01\x02"),
                 std::string_view("[[[[[["), std::string_view("["), std::string_view("[["),
                 std::string_view("\0", 1), std::string_view("x = \0", 5),
                 std::string_view("x = \"\\"), std::string_view("x = \"\\u12"),
                 std::string_view("x = {"), std::string_view("x = \"\"\""),
                 std::string_view("\xef\xbb"), std::string_view("."), std::string_view("=")}) {
        CHECK(complaints(text).all().size() == 1);
    }
}

TEST_CASE("toml: keys of many parts never reach the parser") {
    const std::string message = "this key has more than 16 parts";
    CHECK(said(repeat("a.", 16) + "a = 1") == "1:1 " + message);
    CHECK(said("[" + repeat("a.", 16) + "a]") == "1:2 " + message);
    CHECK(said("\n  [[" + repeat("a . ", 16) + "a]]") == "2:5 " + message);
    CHECK(said("x = { " + repeat("a.", 16) + "a = 1 }") == "1:7 " + message);
    CHECK(said("x = [{ b = 1, " + repeat("\"a\".", 16) + "a = 1 }]") == "1:15 " + message);
    CHECK(said("x = \"\"\"\"a\"\"\"\"\n" + repeat("a.", 16) + "a = 1") == "2:1 " + message);
    parse(repeat("a.", 15) + "a = 1");
    parse("x = \"" + repeat("a.", 1000) + "\"");
    parse("x = 1 # " + repeat("a.", 1000));
    parse("\"" + repeat("a.", 1000) + "\" = 1");
}

TEST_CASE("toml: keys of 40,000 parts are refused wherever they hide") {
    const std::string deep = repeat("a.", 40000) + "a";
    for (const std::string& text : {deep + " = 1", "[" + deep + "]", "[[" + deep + "]]",
                 "x = {" + deep + " = 1}", "x = [" + deep + "]", "x = \"\n" + deep + " = 1",
                 "x = '''\n'''\n" + deep + " = 1", "]\n" + deep + " = 1"}) {
        const Diagnostic first = complaint(text);
        CHECK((first.message == "this key has more than 16 parts" ||
                first.message == "this line has more than 8192 dots"));
    }
}

TEST_CASE("toml: deep nesting never reaches the parser") {
    const std::string message = "lists and tables are nested more than 32 deep";
    CHECK(said("x = " + repeat("[", 33) + repeat("]", 33)) == "1:37 " + message);
    CHECK(complaint("x = " + repeat("[", 100000)).message == message);
    CHECK(complaint("x = " + repeat("{a=", 100000)).message == message);
    CHECK(complaint("x = " + repeat("[{a=", 100000)).message == message);
    CHECK(complaint("x = " + repeat("[\n", 100000)).message == message);
    parse("x = " + repeat("[", 32) + repeat("]", 32));
    parse("x = " + repeat("{a=", 32) + "1" + repeat("}", 32));
}

TEST_CASE("toml: bytes that are not UTF-8 are shown where they stand") {
    CHECK(said("# gr\xfc\xdf") == "1:5 byte 0xFC is not UTF-8 | save the file as UTF-8");
    CHECK(said("x = \"\u00e4\xc3\"") == "1:7 byte 0xC3 is not UTF-8 | save the file as UTF-8");
    CHECK(said("\xff\xfex\x00") == "1:1 this file is in UTF-16 | save it as UTF-8");
    for (const auto* text : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\xaf",
                 "\xf0\x9f\x98", "\x80", "\xf5\x80\x80\x80"}) {
        CHECK_THAT(complaint(text).message, Catch::Matchers::EndsWith("is not UTF-8"));
    }
}

TEST_CASE("toml: control characters are errors, a tab is none") {
    CHECK(said("x = \"a\x1b\"") ==
            "1:7 control character U+001B | in a string write \\u001B; anywhere else remove "
            "it");
    CHECK(said("# \x7f") ==
            "1:3 control character U+007F | in a string write \\u007F; anywhere else remove "
            "it");
    CHECK(said("x = 1\ry = 2\n") ==
            "1:6 a carriage return without a line feed | end lines with a "
            "line feed, or with both");
    CHECK(said(std::string_view("x\0", 2)) ==
            "1:2 a NUL byte: this is not a text file in UTF-8");
    parse("\tx\t=\t\"a\tb\"\t# c\n");
}

TEST_CASE("toml: numbers of more than 64 bits are errors") {
    CHECK(said("x = 9223372036854775808") == "1:5 this number does not fit in 64 bits");
    CHECK(said("x = [1, 99999999999999999999]") == "1:9 this number does not fit in 64 bits");
    parse("x = 9223372036854775807");
}

TEST_CASE("toml: a leading zero offers the octal forms") {
    CHECK(said("umask = 022") ==
            "1:9 a number does not begin with 0 | write 0o22 or \"0022\" for "
            "a mode, 22 for a number");
    CHECK(said("mode = 0660 # rw") ==
            "1:8 a number does not begin with 0 | write 0o660 or "
            "\"0660\" for a mode, 660 for a number");
    CHECK(said("x = [1, 089]") == "1:9 a number does not begin with 0 | write 89");
}

TEST_CASE("toml: what looks like a time is explained") {
    CHECK(said("port = 08:30") ==
            "1:8 08:30 is read as a date or a time of day | write \"08:30\"");
    const auto root = parse("at = 08:30:00\n");
    CHECK(std::get<DateTimeValue>(member(*root, "at").value).text == "08:30:00");
}

TEST_CASE("toml: text without quotes is offered in quotes") {
    CHECK(said("user = nobody") == "1:8 text stands in quotes | write \"nobody\"");
    CHECK(said("stop_timeout = 5m") == "1:16 text stands in quotes | write \"5m\"");
    CHECK(said("exec = /bin/cat -v # v") ==
            "1:8 text stands in quotes | write \"/bin/cat -v\"");
    CHECK(said("listen = tcp:[::1]:22") ==
            "1:10 text stands in quotes | write \"tcp:[::1]:22\"");
    CHECK(said("l = [\"a\", b, \"c\"]") == "1:11 text stands in quotes | write \"b\"");
    CHECK(said("x = \u201ca\u201d") == "1:5 strings stand in straight quotes | write \"...\"");
}

TEST_CASE("toml: other ways to say true and false are offered ours") {
    for (const auto* word : {"True", "TRUE", "yes", "on"}) {
        CHECK(said("x = " + std::string(word)) ==
                "1:5 " + std::string(word) + " is not a value | write true");
    }
    for (const auto* word : {"False", "no", "Off"}) {
        CHECK(said("x = " + std::string(word)) ==
                "1:5 " + std::string(word) + " is not a value | write false");
    }
}

TEST_CASE("toml: a string that is not closed is shown from its beginning") {
    CHECK(said("y = 1\nx = \"abc\nz = 1\n") ==
            "2:5 this string is not closed | close it on its own line");
    CHECK(said("x = 'abc") == "1:5 this string is not closed | close it on its own line");
    CHECK(said("x = \"\"\"abc\ndef\n") ==
            "1:5 this string is not closed | close it with the same three quotes");
}

TEST_CASE("toml: an unknown escape is shown at its backslash") {
    CHECK(said("x = \"a\\qb\"") ==
            "1:7 \\ begins an escape, and this is none | write \\\\ for a "
            "backslash, or '...' for text without escapes");
}

TEST_CASE("toml: a key set twice shows both places") {
    const Diagnostic twice = complaint(
            "[service.a]\nuser = \"x\"\n[service.b]\nuser = \"y\"\n"
            "nice = 1\nuser = \"z\"\n");
    CHECK(twice.message == "\"user\" is set twice");
    CHECK(twice.at.line == 6);
    CHECK(twice.at.column == 1);
    CHECK(twice.source_line == "user = \"z\"");
    CHECK(twice.other.line == 4);
    CHECK(twice.other.column == 1);
}

TEST_CASE("toml: a table defined twice shows both places") {
    const Diagnostic twice = complaint("[service.a]\nx = 1\n[service.b]\n[service.a]\ny = 1\n");
    CHECK(twice.message == "[service.a] is defined twice");
    CHECK(twice.at.line == 4);
    CHECK(twice.other.line == 1);
}

TEST_CASE("toml: elements of a list of tables do not collide") {
    const Diagnostic twice = complaint("[[a]]\nx = 1\n[[a]]\ny = 1\nx = 2\nx = 3\n");
    CHECK(twice.at.line == 6);
    CHECK(twice.other.line == 5);
}

TEST_CASE("toml: a key that contradicts an earlier one shows it") {
    const Diagnostic clash = complaint("a = 1\nb = 2\na.b = 3\n");
    CHECK(clash.at.line == 3);
    CHECK(clash.other.line == 1);
}

TEST_CASE("toml: several mistakes are said at once") {
    const Diagnostics all = complaints(
            "umask = 022\nuser = nobody\n[t]\nx = 1\nx = 2\n"
            "good = 1\ny = yes\n");
    std::vector<std::uint32_t> lines;
    for (const Diagnostic& each : all.all())
        lines.push_back(each.at.line);
    CHECK(lines == std::vector<std::uint32_t>{1, 2, 5, 7});
    CHECK(complaints(repeat("x = y\n", 1000)).all().size() == 10);
}

TEST_CASE("toml: a list that is not closed shows where it began") {
    const Diagnostic open = complaint("x = [1, 2\ny = 3\n");
    CHECK(open.message == "a comma is missing here, or \"]\" before it");
    CHECK(open.at.line == 2);
    CHECK(open.other.line == 1);
    CHECK(open.other.column == 5);
}

TEST_CASE("toml: foreign forms are recognised") {
    CHECK(said("service ssh\n{\n}\n") ==
            "1:1 this is not TOML but looks like xinetd's form | write [service.ssh]");
    CHECK(said("service ssh {\n}\n") ==
            "1:1 this is not TOML but looks like xinetd's form | write [service.ssh]");
    CHECK(said("defaults {\n}\n") ==
            "1:1 this is not TOML but looks like xinetd's form | write [defaults]");
    CHECK(said("[service ssh]\n") ==
            "1:1 the parts of a header are joined by dots | write [service.ssh]");
    CHECK(said("only_from += \"a\"\n") ==
            "1:11 a key is set with \"=\" | a list is edited by "
            "{ add = [\"...\"], remove = [\"...\"] }");
    CHECK(said("x : 3\n") == "1:3 a key is set with \"=\", not \":\"");
    CHECK(said("x == 3\n") == "1:4 one \"=\" is enough");
}

TEST_CASE("toml: a table in braces stands on one line") {
    CHECK(said("a = { x = 1,\n y = 2 }\n") ==
            "1:5 a table in { } stands on one line | close it "
            "there, or write it as a [table] of its own");
    CHECK(said("a = { x = 1, }\n") == "1:14 no comma stands before \"}\"");
}

TEST_CASE("toml: a message never holds raw bytes of the file") {
    for (const auto* text :
            {"\u0080\u0085 = 1\n", "x = \u009b31m\n", "\u2028\n", "[\u202e]\n"}) {
        const std::string rendered = render(complaint(text));
        CHECK(rendered.find("\u009b") == std::string::npos);
        CHECK(rendered.find("\u0085") == std::string::npos);
    }
}

TEST_CASE("toml: a file of 10,000 services is read whole, with every place") {
    std::string text;
    for (int i = 0; i < 10000; ++i) {
        text += "[service.s" + std::to_string(i) + "]\nlisten = \"tcp:127.0.0.1:22\"\n" +
                "exec = [\"/bin/cat\", \"" + repeat("x", 200) + "\"]\n\n";
    }
    REQUIRE(text.size() > 2'500'000);  // the parser reads large texts in another way
    const auto root = parse(text);
    const auto& services = table(member(*root, "service")).members;
    REQUIRE(services.size() == 10000);
    std::uint32_t line = 1;
    for (const Member& service : services) {
        REQUIRE(service.at.line == line);
        REQUIRE(member(*service.value, "exec").at.line == line + 2);
        line += 4;
    }
    CHECK(said(text + "x = yes\n") == "40001:5 yes is not a value | write true");
}

TEST_CASE("toml: offsets and places are each other's opposite") {
    const std::string_view text = "ab\n\u00e4\u20acc\n\nx";
    for (std::size_t offset : {std::size_t{0}, std::size_t{2}, std::size_t{3}, std::size_t{5},
                 std::size_t{8}, std::size_t{10}, std::size_t{11}}) {
        CHECK(offset_of(text, place_of(text, offset)) == offset);
    }
    CHECK(offset_of(text, {99, 1}) == text.size());
    CHECK(offset_of(text, {1, 99}) == 2);
    CHECK(place_of(text, 8).column == 3);
}

TEST_CASE("toml: common slips are named where they are, with what to write") {
    const std::pair<const char*, const char*> slips[] = {
            {"[service.s\nx = 1\n", "1:11 \"]\" is missing in this header"},
            {"[[service.s]\nx = 1\n", "1:13 \"]\" is missing in this header"},
            {"x \"tcp:22\"\n",
                    "1:3 \"=\" is missing after the key | a line is KEY = VALUE or [TABLE]"},
            {"x =\n", "1:4 a value is missing here"},
            {"x = tcp:22\n", "1:5 text stands in quotes | write \"tcp:22\""},
            {"x = /bin/true\n", "1:5 text stands in quotes | write \"/bin/true\""},
            {"x = 10s\n", "1:5 text stands in quotes | write \"10s\""},
            {"x = \"tcp:22\n", "1:5 this string is not closed | close it on its own line"},
            {"x = \"\"\"\n",
                    "1:5 this string is not closed | close it with the same three quotes"},
            {"x = 1 y = 2\n", "1:7 something follows the value on its line"},
            {"x = 'it's'\n", "1:9 something follows the value on its line"},
            {"x = [1 2]\n", "1:8 a comma is missing here, or \"]\" before it"},
            {"x = [1,, 2]\n", "1:8 a comma without a value before it"},
            {"x = { a = 1, }\n", "1:14 no comma stands before \"}\""},
            {"x = True\n", "1:5 True is not a value | write true"},
            {"x = 05\n",
                    "1:5 a number does not begin with 0 | write 0o5 or \"0005\" for a mode, 5 "
                    "for a number"},
            {"x = 1_000_\n", "1:5 1_000_ is not a number"},
            {"x = 0o99\n", "1:5 0o99 is not a number"},
            {"x = 99999999999999999999\n", "1:5 this number does not fit in 64 bits"},
            {"x = \"a\\qb\"\n",
                    "1:7 \\ begins an escape, and this is none | write \\\\ for a "
                    "backslash, or '...' for text without escapes"},
            {"x = 2026-13-45\n",
                    "1:5 2026-13-45 is read as a date or a time of day | write "
                    "\"2026-13-45\""}};
    for (const auto& [text, what] : slips) {
        INFO(text);
        CHECK(said(text) == what);
    }
}
