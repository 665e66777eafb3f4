// SPDX-License-Identifier: MIT
#include <string>

#include "log/json.h"
#include "log/reader.h"

#include "support/catch.h"

using namespace superd;

namespace {

std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

}  // namespace

TEST_CASE("json: a string is written so that any bytes give valid JSON") {
    struct Row {
        std::string_view in, out;
    };

    const Row rows[] = {
            {"", "\"\""},
            {"plain text", "\"plain text\""},
            {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
            {"\n\t\r\x01\x1f\x7f", "\"\\n\\t\\r\\u0001\\u001f\\u007f\""},
            {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
            {"\xf0\x9f\x90\x82", "\"\xf0\x9f\x90\x82\""},
            {"\xff", "\"\xef\xbf\xbd\""},
            {"\xc3", "\"\xef\xbf\xbd\""},
            {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
            {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
            {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (const Row& row : rows)
        CHECK(quoted(row.in) == row.out);
}

TEST_CASE("json: what is written reads back the same") {
    std::string all;
    for (int c = 0; c < 128; ++c)
        all += static_cast<char>(c);
    all += "\xc3\xbc\xf0\x9f\x90\x82\xe2\x82\xac";
    const std::string form = quoted(all);
    JsonScanner in(form);
    CHECK(in.string() == all);
    CHECK(in.at_end());
}

TEST_CASE("json: escapes of other writers are understood") {
    JsonScanner in(R"( "\u00fc\ud83d\udc02\b\f\/" )");
    CHECK(in.string() == "\xc3\xbc\xf0\x9f\x90\x82\b\f/");
    CHECK(in.at_end());
}

TEST_CASE("json: bad strings and numbers are refused") {
    for (const char* bad : {"\"abc", "abc", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
                 "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\", ""})
        CHECK_FALSE(JsonScanner(bad).string());
    for (const char* bad : {"", "x", "1.5", "1e3", "99999999999999999999", "\"1\""})
        CHECK_FALSE(JsonScanner(bad).number());
    CHECK(JsonScanner("-12").number() == -12);
    CHECK_FALSE(JsonScanner("True").boolean());
}

TEST_CASE("log query: it reads back as written") {
    const LogQuery queries[] = {{}, {{"a"}, 0, true}, {{"a", "b\"c", ""}, 4000000000U, false}};
    for (const LogQuery& query : queries)
        CHECK(parse_query(format_query(query)) == query);
    CHECK(parse_query(R"({"services":["a"],"lines":50,"follow":true})") ==
            LogQuery{{"a"}, 50, true});
    CHECK(parse_query(" { } ") == LogQuery{});
}

TEST_CASE("log query: anything else is refused") {
    for (const char* bad : {"", "[]", "{", "{}}", "{\"lines\":-1}", "{\"lines\":4294967296}",
                 "{\"lines\":\"5\"}", "{\"services\":\"a\"}", "{\"services\":[1]}",
                 "{\"services\":[\"a\",]}", "{\"follow\":1}", "{\"other\":1}", "{\"lines\":1,}",
                 "{\"lines\" 1}", "{lines:1}"})
        CHECK_FALSE(parse_query(bad));
}

TEST_CASE("log line: it reads back as written") {
    LogLine line;
    line.time = "2026-11-23T01:48:02.114Z";
    line.service = "ssh";
    line.pid = 812;
    line.text = "tab\there \"quoted\"";
    line.continued = true;
    std::string form;
    format_line(form, line);
    CHECK(form ==
            "{\"time\":\"2026-11-23T01:48:02.114Z\",\"service\":\"ssh\",\"pid\":812,"
            "\"text\":\"tab\\there \\\"quoted\\\"\",\"continued\":true}");
    const auto back = parse_line(form);
    REQUIRE(back);
    CHECK(back->time == line.time);
    CHECK(back->service == line.service);
    CHECK(back->pid == line.pid);
    CHECK(back->text == line.text);
    CHECK(back->continued);
    form.clear();
    LogLine lost;
    lost.lost = 7;
    format_line(form, lost);
    CHECK(form == "{\"lost\":7}");
    CHECK(parse_line(form)->lost == 7);
}

TEST_CASE("log line: people see service, pid and escaped text") {
    LogLine line{"2026-11-23T01:48:02.114Z", "ssh", 812, "a\x1b[31mred \\", false, 0};
    std::string out;
    format_line_text(out, line);
    CHECK(out == "2026-11-23T01:48:02.114Z ssh[812]: a\\x1b[31mred \\\\");
    line.continued = true;
    line.text = "part";
    out.clear();
    format_line_text(out, line);
    CHECK(out == "2026-11-23T01:48:02.114Z ssh[812]: part\\");
    out.clear();
    format_line_text(out, {"2026-11-23T01:48:02.114Z", "ssh", 0, "ssh START pid=1", false, 0});
    CHECK(out == "2026-11-23T01:48:02.114Z ssh START pid=1");
    out.clear();
    format_line_text(out, {"2026-11-23T01:48:02.114Z", "ssh", -1, "whose", false, 0});
    CHECK(out == "2026-11-23T01:48:02.114Z ssh: whose");
}
