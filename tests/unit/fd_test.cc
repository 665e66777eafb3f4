// SPDX-License-Identifier: MIT
#include "base/fd.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "base/result.h"

#include "support/catch.h"

using namespace superd;

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

Fd open_null() {
    Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(fd);
    return fd;
}

}  // namespace

TEST_CASE("fd: closes what it owns when it ends") {
    int number = -1;
    {
        const Fd fd = open_null();
        number = fd.get();
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("fd: moving gives the descriptor to one owner") {
    Fd first = open_null();
    const int number = first.get();
    Fd second = std::move(first);
    CHECK_FALSE(first);  // NOLINT(bugprone-use-after-move): that it is empty is the point
    CHECK(first.get() == -1);
    CHECK(second.get() == number);

    Fd third = open_null();
    const int old = third.get();
    third = std::move(second);
    CHECK(third.get() == number);
    CHECK_FALSE(is_open(old));
    CHECK(is_open(number));
}

TEST_CASE("fd: release gives the descriptor away open") {
    Fd fd = open_null();
    const int number = fd.release();
    CHECK_FALSE(fd);
    CHECK(is_open(number));
    ::close(number);
}

TEST_CASE("fd: reset takes a new descriptor and closes the old one") {
    Fd fd = open_null();
    const int old = fd.get();
    const int next = ::dup(old);
    fd.reset(next);
    CHECK(fd.get() == next);
    CHECK_FALSE(is_open(old));
    fd.reset();
    CHECK_FALSE(is_open(next));
}

TEST_CASE("fd: closing leaves errno alone") {
    Fd fd(1 << 20);  // not open: close(2) fails with EBADF
    errno = ENOENT;
    fd.reset();
    CHECK(errno == ENOENT);
}

TEST_CASE("result: an error's text names the operation, the subject and the cause") {
    CHECK((Error{EADDRINUSE, "bind", "tcp:22"}).text() ==
            "bind tcp:22: Address already in use");
    CHECK((Error{ENOMEM, "fork", ""}).text() == "fork: Cannot allocate memory");
    CHECK((Error{0, "", "nothing but a subject"}).text() == "nothing but a subject");
    errno = EACCES;
    const Result<int> failed = fail("open", "/x");
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == EACCES);
    CHECK(errno_text(ENOENT) == "No such file or directory");
    CHECK(errno_text(99999) == "error 99999");
}
