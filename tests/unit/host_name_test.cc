// SPDX-License-Identifier: MIT
// Host names: what is one, and what lies below what.
#include "base/host_name.h"

#include "support/catch.h"

namespace superd {

TEST_CASE("host names: are folded to lower case and lose their final dot") {
    CHECK(parse_host_name("DB.Example.ORG.") == "db.example.org");
    CHECK(parse_host_name("localhost") == "localhost");
    CHECK(parse_host_name("3com.com") == "3com.com");
    CHECK(parse_host_name("_ssh._tcp.example.org") == "_ssh._tcp.example.org");
}

TEST_CASE("host names: what could be an address, a forged line or too long is none") {
    for (const char* text : {"", ".", "a..b", ".a", "a b", "a\nb", "a/b", "-a", "a-", "1.2.3.4",
                 "10", "::1", "a:b", "a\\b", "*.example.org", "\xc3\xa4.org"})
        CHECK(parse_host_name(text) == std::nullopt);
    CHECK(parse_host_name(std::string(63, 'a')));
    CHECK_FALSE(parse_host_name(std::string(64, 'a')));
    std::string longest(253, 'a');
    for (std::size_t i = 60; i < longest.size(); i += 61)
        longest[i] = '.';
    CHECK(parse_host_name(longest));
    CHECK_FALSE(parse_host_name("a" + longest));
}

TEST_CASE("host names: below means at a dot, and not the domain itself") {
    CHECK(is_below("db.example.org", "example.org"));
    CHECK(is_below("a.b.example.org", "example.org"));
    CHECK_FALSE(is_below("example.org", "example.org"));
    CHECK_FALSE(is_below("badexample.org", "example.org"));
    CHECK_FALSE(is_below("org", "example.org"));
}

}  // namespace superd
