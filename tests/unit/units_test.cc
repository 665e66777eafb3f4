// SPDX-License-Identifier: MIT
#include "base/units.h"

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

std::string duration_error(std::string_view text) {
    const auto parsed = parse_duration(text);
    return parsed ? "accepted" : parsed.error();
}

std::string size_error(std::string_view text) {
    const auto parsed = parse_size(text);
    return parsed ? "accepted" : parsed.error();
}

std::string frequency_error(std::string_view text) {
    const auto parsed = parse_frequency(text);
    return parsed ? "accepted" : parsed.error();
}

}  // namespace

TEST_CASE("units: durations of one or more units are read") {
    struct Case {
        std::string_view text;
        Nanoseconds value;
    };

    for (const Case& c :
            {Case{"250ms", 250ms}, Case{"1h30m", 90min}, Case{"2d", 48h}, Case{"10s", 10s},
                    Case{"5m", 5min}, Case{"5min", 5min}, Case{"1w", 168h}, Case{"7us", 7us},
                    Case{"1w2d3h4m5s6ms7us", 168h + 48h + 3h + 4min + 5s + 6ms + 7us},
                    Case{"0s", 0s}, Case{"90m", 90min}, Case{"106751d", 24h * 106751}}) {
        INFO(c.text);
        REQUIRE(parse_duration(c.text));
        CHECK(*parse_duration(c.text) == c.value);
    }
}

TEST_CASE("units: what is no duration says what to write") {
    CHECK(duration_error("600") == "\"600\" has no unit; write \"600s\"");
    CHECK(duration_error("5 minutes") == "\"5 minutes\" is not a duration; write \"5m\"");
    CHECK(duration_error("1 hour 30 min") ==
            "\"1 hour 30 min\" is not a duration; write \"1h30m\"");
    CHECK(duration_error("30 s") == "\"30 s\" is not a duration; write \"30s\"");
    CHECK(duration_error("1h30") == "\"1h30\" is not a duration; write \"1h30s\"");
    CHECK(duration_error("s") == "\"s\" is not a duration; write \"1s\"");
    CHECK(duration_error("unlimited") == "\"unlimited\" is not a duration");
    const std::string form = "write a number and a unit, such as \"250ms\" or \"1h30m\"";
    for (const auto* wrong :
            {"", "-5s", "1.5h", "30m1h", "1m1min", "1s1s", "5 parsecs", "1y", "s5"}) {
        INFO(wrong);
        CHECK_THAT(duration_error(wrong), Catch::Matchers::EndsWith(form));
    }
}

TEST_CASE("units: a duration that does not fit is refused, not wrapped") {
    CHECK(duration_error("106752d") == "\"106752d\" is too long a time");
    CHECK(duration_error("106751d1000000000s") == "\"106751d1000000000s\" is too long a time");
    CHECK(duration_error("18446744073709551616us") ==
            "\"18446744073709551616us\" is too long a time");
    CHECK_FALSE(parse_duration("99999999999999999999"));
}

TEST_CASE("units: a duration's text is read back") {
    struct Case {
        Nanoseconds value;
        std::string_view text;
    };

    for (const Case& c : {Case{0s, "0s"}, Case{90min, "1h30m"}, Case{250ms, "250ms"},
                 Case{1500ms, "1s500ms"}, Case{24h * 8 + 1us, "8d1us"}, Case{60s, "1m"}}) {
        CHECK(format_duration(c.value) == c.text);
        CHECK(parse_duration(c.text).value() == c.value);
    }
}

TEST_CASE("units: durations for people are short") {
    CHECK(approximate_duration(0s) == "0s");
    CHECK(approximate_duration(12345us) == "12ms");
    CHECK(approximate_duration(340us) == "340us");
    CHECK(approximate_duration(4215ms) == "4.2s");
    CHECK(approximate_duration(4s) == "4s");
    CHECK(approximate_duration(42500ms) == "42s");
    CHECK(approximate_duration(200s) == "3m20s");
    CHECK(approximate_duration(10000s) == "2h46m");
    CHECK(approximate_duration(50h) == "2d2h");
    CHECK(approximate_duration(48h) == "2d");
}

TEST_CASE("units: sizes are of 1024") {
    CHECK(parse_size("512M").value() == 512ULL << 20);
    CHECK(parse_size("4K").value() == 4096);
    CHECK(parse_size("1048576").value() == 1048576);
    CHECK(parse_size("0").value() == 0);
    CHECK(parse_size("2G").value() == 2ULL << 30);
    CHECK(parse_size("16777215T").value() == 16777215ULL << 40);
    CHECK(size_error("16777216T") == "\"16777216T\" is too large a size");
    CHECK(size_error("99999999999999999999") == "\"99999999999999999999\" is too large a size");
}

TEST_CASE("units: what is no size says what to write") {
    CHECK(size_error("10MB") == "\"10MB\" is not a size; write \"10M\"");
    CHECK(size_error("512 MiB") == "\"512 MiB\" is not a size; write \"512M\"");
    CHECK(size_error("4k") == "\"4k\" is not a size; write \"4K\"");
    CHECK(size_error("100B") == "\"100B\" is not a size; write \"100\"");
    for (const auto* wrong : {"", "K", "-1", "1.5G", "1KM", "lots", "1KK"}) {
        INFO(wrong);
        CHECK_THAT(size_error(wrong), Catch::Matchers::EndsWith("such as \"512M\""));
    }
}

TEST_CASE("units: a size's text is read back") {
    for (const std::uint64_t size : {0ULL, 1ULL, 1023ULL, 1024ULL, 1536ULL, 512ULL << 20,
                 3ULL << 40, 1ULL << 63, ~0ULL}) {
        CHECK(parse_size(format_size(size)).value() == size);
    }
    CHECK(format_size(512ULL << 20) == "512M");
    CHECK(format_size(1536) == "1536");
}

TEST_CASE("units: rates are so many in a period") {
    CHECK(parse_frequency("50/s").value() == Frequency{50, 1s});
    CHECK(parse_frequency("6/min").value() == Frequency{6, 1min});
    CHECK(parse_frequency("6/m").value() == Frequency{6, 1min});
    CHECK(parse_frequency("100/10s").value() == Frequency{100, 10s});
    CHECK(parse_frequency("1000/h").value() == Frequency{1000, 1h});
    CHECK(parse_frequency("4294967295/1h30m").value() == Frequency{4294967295U, 90min});
}

TEST_CASE("units: what is no rate says what to write") {
    CHECK(frequency_error("50") == "\"50\" is not a rate; write \"50/s\"");
    CHECK(frequency_error("fast") ==
            "\"fast\" is not a rate; write so many in a period, such as \"50/s\" or \"6/min\"");
    CHECK(frequency_error("0/s") == "\"0/s\": the number must be from 1 to 4294967295");
    CHECK(frequency_error("4294967296/s") ==
            "\"4294967296/s\": the number must be from 1 to 4294967295");
    CHECK(frequency_error("5/0s") == "\"5/0s\": the period must be longer than nothing");
    CHECK(frequency_error("5/second") == "\"5/second\" is not a rate; write \"5/s\"");
    for (const auto* wrong : {"", "/", "/s", "5/", "5/s/s", "-5/s", "5 /s"}) {
        INFO(wrong);
        CHECK_FALSE(parse_frequency(wrong));
    }
}

TEST_CASE("units: a rate's text is read back") {
    for (const auto* text : {"50/s", "6/min", "100/10s", "1000/h", "1/d", "5/1h30m", "1/w"}) {
        CHECK(format_frequency(parse_frequency(text).value()) == text);
    }
}

TEST_CASE("units: modes are octal and at most 07777") {
    CHECK(parse_mode("0660").value() == 0660U);
    CHECK(parse_mode("7777").value() == 07777U);
    CHECK(parse_mode("0").value() == 0U);
    CHECK(parse_mode("0o660").error() == "\"0o660\" is not a mode; write \"0660\"");
    for (const auto* wrong : {"", "10000", "0680", "u=rw", "-1", "0o99"}) {
        INFO(wrong);
        CHECK_FALSE(parse_mode(wrong));
    }
    CHECK(format_mode(0660) == "0660");
    CHECK(format_mode(04755) == "4755");
    CHECK(format_mode(0) == "0000");
}

TEST_CASE("units: timestamps are UTC with milliseconds") {
    CHECK(format_timestamp(Wall(0s)) == "1970-01-01T00:00:00.000Z");
    CHECK(format_timestamp(Wall(1795398482114ms)) == "2026-11-23T01:48:02.114Z");
    CHECK(format_timestamp(Wall(951782399999999us)) == "2000-02-28T23:59:59.999Z");
}
