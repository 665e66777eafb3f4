// SPDX-License-Identifier: MIT
#include "sys/notify_listener.h"

#include <array>
#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/listening.h"

#include "support/catch.h"
#include "support/launching.h"
#include "support/sockets.h"

namespace superd::test {

namespace {

// As sd_notify(3) would, with count copies of descriptor 0.
void send_to(const std::string& name, std::string_view text, std::size_t count = 0) {
    const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    iovec vector{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = length;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (count > 0) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memset(CMSG_DATA(header), 0, count * sizeof(int));
    }
    REQUIRE(::sendmsg(fd.get(), &message, 0) == static_cast<ssize_t>(text.size()));
}

}  // namespace

TEST_CASE("notify listener: a message comes with its sender's pid, by a path and without one") {
    const Scratch scratch;
    for (const std::string& path : {std::string(scratch / "notify"), std::string()}) {
        CAPTURE(path);
        auto opened = open_notify_listener(path);
        REQUIRE(opened);
        const Fd fd = std::move(*opened);
        const std::string name = notify_address(fd.get());
        if (path.empty())
            CHECK(name.front() == '@');
        else
            CHECK(name == path);
        NotifyReceiver receiver;
        NotifyReceiver::Datagram datagram;
        CHECK_FALSE(receiver.receive(fd.get(), datagram));
        send_to(name, "READY=1");
        send_to(name, "");
        REQUIRE(receiver.receive(fd.get(), datagram));
        CHECK(datagram.text == "READY=1");
        CHECK(datagram.pid == ::getpid());
        CHECK(datagram.uid == ::getuid());
        CHECK_FALSE(datagram.damaged);
        CHECK(datagram.descriptors.empty());
        REQUIRE(receiver.receive(fd.get(), datagram));
        CHECK(datagram.text.empty());
        CHECK_FALSE(receiver.receive(fd.get(), datagram));
    }
}

TEST_CASE("notify listener: descriptors are owned, and what is too long is damaged") {
    auto opened = open_notify_listener({});
    REQUIRE(opened);
    const Fd fd = std::move(*opened);
    const std::string name = notify_address(fd.get());
    NotifyReceiver receiver;
    NotifyReceiver::Datagram datagram;
    send_to(name, "BARRIER=1", 2);
    REQUIRE(receiver.receive(fd.get(), datagram));
    CHECK(datagram.descriptors.size() == 2);
    CHECK_FALSE(datagram.damaged);
    send_to(name, std::string(notice_limit + 2, 'x'));
    REQUIRE(receiver.receive(fd.get(), datagram));
    CHECK(datagram.damaged);
    CHECK(datagram.descriptors.empty());
}

TEST_CASE("notify listener: a path that is too long is refused, what stood there is replaced") {
    const Scratch scratch;
    CHECK_FALSE(open_notify_listener(scratch / std::string(120, 'x')));
    const std::string path = scratch / "notify";
    auto first = open_notify_listener(path);
    REQUIRE(first);
    auto second = open_notify_listener(path);
    REQUIRE(second);

    struct stat facts {};

    REQUIRE(::stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0666);
    CHECK(notify_address(STDIN_FILENO).empty());
}

TEST_CASE("listening: sockets that take connections are seen, and whose they are") {
    const Scratch scratch;
    const Fd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(tcp.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    socklen_t length = sizeof address;
    ::getsockname(tcp.get(), reinterpret_cast<sockaddr*>(&address), &length);
    const Fd local(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const std::string path = scratch / "socket";
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    REQUIRE(::bind(local.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);

    const auto own = [&](bool of_unix) {
        std::vector<ListeningSocket> found;
        for (ListeningSocket& one : listening_sockets(of_unix)) {
            const bool same = of_unix ? one.path == path : one.port == ntohs(address.sin_port);
            if (same) found.push_back(std::move(one));
        }
        return found;
    };
    CHECK(own(false).empty());
    CHECK(own(true).empty());
    REQUIRE(::listen(tcp.get(), 1) == 0);
    REQUIRE(::listen(local.get(), 1) == 0);
    const auto of_tcp = own(false), of_unix = own(true);
    REQUIRE(of_tcp.size() == 1);
    REQUIRE(of_unix.size() == 1);
    CHECK(of_tcp[0].ip.text() == "127.0.0.1");
    CHECK(holds_any(::getpid(), of_tcp));
    CHECK(holds_any(::getpid(), of_unix));
    CHECK_FALSE(holds_any(::getpid(), {}));
}

}  // namespace superd::test
