// SPDX-License-Identifier: MIT
// RFC 1413: the question, and answers of every kind.
#include "sys/ident.h"

#include "support/catch.h"

namespace superd {

TEST_CASE("ident: the question names the peer's port first") {
    CHECK(ident_question(6193, 23) == "6193, 23\r\n");
}

TEST_CASE("ident: the RFC's own answers are understood") {
    CHECK(parse_ident_reply("6193, 23 : USERID : UNIX : stjohns", 6193, 23) ==
            IdentReply{IdentStatus::user, "stjohns", "UNIX"});
    CHECK(parse_ident_reply("6193,23:USERID:OTHER,US-ASCII:St Johns: x", 6193, 23) ==
            IdentReply{IdentStatus::user, "St Johns: x", "OTHER,US-ASCII"});
    CHECK(parse_ident_reply("6195, 23 : ERROR : NO-USER", 6195, 23) ==
            IdentReply{IdentStatus::error, "NO-USER"});
    CHECK(parse_ident_reply("6193 , 23 : userid : UNIX : joe", 6193, 23).text == "joe");
}

TEST_CASE("ident: what is not about these ports or not in the protocol's words is no answer") {
    for (const char* line : {"", ":", "6193, 23", "6193, 23 : USERID", "6193, 23 : USERID : x",
                 "6193, 23 : USERID : UNIX :  ", "6193, 24 : USERID : UNIX : joe",
                 "23, 6193 : USERID : UNIX : joe", "6193 23 : USERID : UNIX : joe",
                 "6193, 23 : WHO : UNIX : joe", "6193, 23 : ERROR :"})
        CHECK(parse_ident_reply(line, 6193, 23).status == IdentStatus::failed);
}

TEST_CASE("ident: a user is bounded, and nothing hides behind a NUL") {
    const std::string head = "6193, 23 : USERID : UNIX : ";
    CHECK(parse_ident_reply(head + std::string(600, 'u'), 6193, 23).text ==
            std::string(ident_user_limit, 'u'));
    CHECK(parse_ident_reply("1, 2 : USERID : " + std::string(600, 's') + " : joe", 1, 2)
                    .system == std::string(ident_system_limit, 's'));
    CHECK(parse_ident_reply(head + std::string("joe\0root", 8), 6193, 23).text == "joe");
}

}  // namespace superd
