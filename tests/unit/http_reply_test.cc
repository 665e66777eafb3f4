// SPDX-License-Identifier: MIT
// What an HTTP server's answer says.
#include "sys/http_reply.h"

#include <random>
#include <string>

#include "support/catch.h"

using namespace superd;

namespace {

std::uint16_t status_of(std::string_view heard) {
    const HttpReply reply = read_http_reply(heard, false);
    CHECK(reply.complete);
    return reply.status;
}

}  // namespace

TEST_CASE("http: the status of an answer") {
    CHECK(status_of("HTTP/1.1 200 OK\r\n") == 200);
    CHECK(status_of("HTTP/1.0 503 Service Unavailable\r\nX: y\r\n\r\nno") == 503);
    CHECK(status_of("HTTP/1.1 204\n") == 204);
    CHECK(status_of("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\n") == 302);
    CHECK_FALSE(read_http_reply("HTTP/1.1 200 OK", false).complete);
    CHECK_FALSE(read_http_reply("HTTP/1.1 100 Continue\r\nX: y\r\n", false).complete);
    CHECK(read_http_reply("HTTP/1.1 200 OK", true).status == 0);
    CHECK(read_http_reply("", true).complete);
}

TEST_CASE("http: what is no answer has no status") {
    for (const char* text : {"SSH-2.0-x\r\n", "HTTP/2 200\r\n", "HTTP/1.1 99 x\r\n",
                 "HTTP/1.1 600 x\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n",
                 "HTTP/1.1  200 OK\r\n", "HTTP/1.1 -20 OK\r\n", "\n"})
        CHECK(status_of(text) == 0);
    const std::string endless(http_reply_limit, 'x');
    CHECK(read_http_reply(endless, false).complete);
}

TEST_CASE("http: any bytes have a status that can be, or none") {
    std::mt19937 random(2);
    const std::string base = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    for (int i = 0; i < 20000; ++i) {
        std::string altered = base.substr(0, random() % (base.size() + 1));
        for (int j = 0; j < 3 && !altered.empty(); ++j)
            altered[random() % altered.size()] = static_cast<char>(random());
        const HttpReply reply = read_http_reply(altered, random() % 2 == 0);
        CHECK((reply.status == 0 || (reply.status >= 200 && reply.status < 600)));
    }
}

TEST_CASE("http: the question names the host and closes") {
    CHECK(http_question("127.0.0.1:8080", "/health?x=1") ==
            "GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: superd\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n");
}
