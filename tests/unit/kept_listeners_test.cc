// SPDX-License-Identifier: MIT
// What whoever started superd is told to keep, and not to keep any longer.
#include "engine/kept_listeners.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/accept.h"

#include "support/catch.h"

namespace superd {

namespace {

struct Starter {
    std::vector<std::string> heard;
    std::vector<int> given;
    int deaf = 0;  // so many messages find no room

    [[nodiscard]] KeptListeners::Send send() {
        return [this](const std::string& text, int fd) {
            if (deaf > 0) {
                --deaf;
                return false;
            }
            heard.push_back(text);
            given.push_back(fd);
            return true;
        };
    }
};

}  // namespace

TEST_CASE("kept listeners: one is given with its name, later, and taken back by it", "[kept]") {
    Loop loop;
    Starter starter;
    starter.deaf = 2;  // and tried again
    KeptListeners kept(loop, starter.send());
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const std::string name = fmt::format("FDNAME=listener-{}\n", socket_cookie(socket.get()));

    kept.keep(socket.get());
    CHECK(starter.heard.empty());
    loop.run();
    REQUIRE(starter.heard.size() == 1);
    CHECK(starter.heard[0] == "FDSTORE=1\nFDPOLL=0\n" + name);
    CHECK(starter.given[0] == socket.get());

    kept.let_go(socket.get());
    loop.run();
    REQUIRE(starter.heard.size() == 2);
    CHECK(starter.heard[1] == "FDSTOREREMOVE=1\n" + name);
    CHECK(starter.given[1] == -1);
}

TEST_CASE("kept listeners: one that is closed before it was given is not given", "[kept]") {
    Loop loop;
    Starter starter;
    KeptListeners kept(loop, starter.send());
    const Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    kept.keep(socket.get());
    kept.let_go(socket.get());
    loop.run();
    REQUIRE(starter.heard.size() == 1);
    CHECK(starter.given[0] == -1);
}

TEST_CASE("kept listeners: what stands in the file system is bound anew instead", "[kept]") {
    Loop loop;
    Starter starter;
    KeptListeners kept(loop, starter.send());
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    kept.keep(socket.get());
    kept.let_go(socket.get());
    loop.run();
    CHECK(starter.heard.empty());
}

}  // namespace superd
