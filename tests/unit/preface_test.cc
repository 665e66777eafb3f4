// SPDX-License-Identifier: MIT
#include "relay/preface.h"

#include "support/catch.h"

using namespace superd;

TEST_CASE("preface: a line is found whole, in pieces, and never beyond its bound") {
    CHECK(find_line("", 10).state == LineSeen::State::incomplete);
    CHECK(find_line("abc", 10).state == LineSeen::State::incomplete);
    CHECK(find_line("abc\r\n", 10).size == 5);
    CHECK(find_line("abc\nrest\n", 10).size == 4);
    CHECK(find_line("\n", 10).size == 1);
    CHECK(find_line("0123456789", 10).state == LineSeen::State::too_long);
    CHECK(find_line("012345678\n", 10).state == LineSeen::State::complete);
    CHECK(find_line("0123456789\n", 10).state == LineSeen::State::too_long);
}

TEST_CASE("tcpmux: names of services in any case, and nothing else") {
    CHECK(parse_tcpmux_line("FTP\r\n") == "ftp");
    CHECK(parse_tcpmux_line("a-b_c.1\n") == "a-b_c.1");
    for (const char* line : {"\r\n", "\n", "two words\r\n", "tab\there\r\n", "\x07\r\n",
                 "na\xc3\xafve\r\n", "cr\rin\r\n"})
        CHECK_FALSE(parse_tcpmux_line(line));
}

TEST_CASE("ident: the questions and answers of RFC 1413") {
    CHECK(parse_ident_line("6193, 23\r\n") == IdentQuestion{6193, 23});
    CHECK(parse_ident_line(" 6193 ,23 \r\n") == IdentQuestion{6193, 23});
    CHECK(parse_ident_line("1,65535\n") == IdentQuestion{1, 65535});
    for (const char* line :
            {"\r\n", "0, 1\r\n", "1, 0\r\n", "65536, 1\r\n", "1\r\n", "1, 2, 3\r\n",
                    "-1, 2\r\n", "a, b\r\n", "1 2\r\n", "99999999999999999999, 1\r\n"})
        CHECK_FALSE(parse_ident_line(line));
    CHECK(ident_answer({6193, 23}, "stjohns") == "6193 , 23 : USERID : UNIX : stjohns\r\n");
    CHECK(ident_error(IdentQuestion{6195, 23}, "NO-USER") == "6195 , 23 : ERROR : NO-USER\r\n");
    CHECK(ident_error({}, "INVALID-PORT") == "0 , 0 : ERROR : INVALID-PORT\r\n");
}
