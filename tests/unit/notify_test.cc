// SPDX-License-Identifier: MIT
#include "sys/notify.h"

#include <cstdlib>
#include <string>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/catch.h"

using namespace superd;

namespace {

// A socket with an abstract name that nobody else has, and the name as NOTIFY_SOCKET has it.
struct Receiver {
    Receiver() : fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socklen_t length = sizeof address;
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t));
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
        name.assign(address.sun_path, length - sizeof(sa_family_t));
        name.at(0) = '@';
    }

    [[nodiscard]] std::string next() const {
        char text[256];
        const ssize_t n = ::recv(fd.get(), text, sizeof text, 0);
        return n < 0 ? "" : std::string(text, static_cast<std::size_t>(n));
    }

    Fd fd;
    std::string name;
};

void set(const char* name, const std::string& value) {
    if (value.empty())
        ::unsetenv(name);
    else
        ::setenv(name, value.c_str(), 1);
}

}  // namespace

TEST_CASE("notify: messages reach the socket of the environment, even without descriptors") {
    const Receiver receiver;
    set("NOTIFY_SOCKET", receiver.name);
    const Notifier notifier = Notifier::from_environment();
    CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
    notifier.send("READY=1\n");
    CHECK(receiver.next() == "READY=1\n");
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    notifier.send("WATCHDOG=1\n");
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(receiver.next() == "WATCHDOG=1\n");
}

TEST_CASE("notify: without a socket in the environment nothing happens") {
    set("NOTIFY_SOCKET", "");
    const Notifier notifier = Notifier::from_environment();
    CHECK(notifier.descriptor() == -1);
    notifier.send("READY=1\n");
}

TEST_CASE(
        "notify: a watchdog is for the process that it names, or for any, and goes no "
        "further") {
    const std::string self = std::to_string(::getpid());
    const std::string other = std::to_string(::getppid());

    struct Case {
        std::string period, pid;
        Nanoseconds wanted;
    };

    const Case known = GENERATE_COPY(Case{"2000000", "", std::chrono::seconds(2)},
            Case{"2000000", self, std::chrono::seconds(2)},
            Case{"2000000", other, Nanoseconds{0}}, Case{"2000000", "x", Nanoseconds{0}},
            Case{"", "", Nanoseconds{0}}, Case{"", self, Nanoseconds{0}},
            Case{"0", "", Nanoseconds{0}}, Case{"soon", "", Nanoseconds{0}},
            Case{"-1", "", Nanoseconds{0}}, Case{"18446744073709551615", "", Nanoseconds{0}});
    INFO(known.period << " for " << known.pid);
    set("WATCHDOG_USEC", known.period);
    set("WATCHDOG_PID", known.pid);
    CHECK(take_watchdog_period() == known.wanted);
    CHECK(std::getenv("WATCHDOG_USEC") == nullptr);
    CHECK(std::getenv("WATCHDOG_PID") == nullptr);
}
