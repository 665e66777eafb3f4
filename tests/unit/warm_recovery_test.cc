// SPDX-License-Identifier: MIT
#include "sys/warm_recovery.h"

#include <csignal>
#include <cstdlib>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/accept.h"
#include "sys/park_protocol.h"

#include "support/catch.h"

using namespace superd;

namespace {

// A handler that was started ahead, with its channel, as a superd that was killed leaves it.
struct Waiting {
    State state = State::for_test();
    Fd theirs, client;
    pid_t pid = 0;

    // 0: the handler; 1: the connection on its way to it.
    ProcessRecord& warm() const { return state.processes()[0]; }

    ProcessRecord& connection() const { return state.processes()[1]; }

    Waiting() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
        theirs = Fd(ends[1]);
        pid = ::fork();
        if (pid == 0) {
            ::close(ends[0]);
            for (;;)
                ::pause();
        }
        theirs.reset();
        warm().kind = ProcessKind::warm;
        warm().pid = pid;
        warm().pidfd = -1;
        warm().connection = ends[0];
        warm().state = RecordState::running;
        state.header().process_high = 2;
    }

    ~Waiting() {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }

    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    void put_on_its_way() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
        client = Fd(ends[0]);
        connection().kind = ProcessKind::handler;
        connection().connection = ends[1];
        connection().cookie = socket_cookie(ends[1]);
        connection().id = 0x18f2;
        connection().source = 7;
        connection().pidfd = -1;
        connection().state = RecordState::accepted;
        warm().id = 0x18f2;
    }

    // The end of the process; false: it was not killed.
    bool was_killed() {
        int status = 0;
        if (::waitpid(pid, &status, 0) != pid) return false;
        pid = 0;
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }
};

// One more, whose process says something at once.
struct Saying : Waiting {
    explicit Saying(char word) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        ::close(warm().connection.load());
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
        warm().connection = ends[0];
        pid = ::fork();
        if (pid == 0) {
            ::close(ends[0]);
            if (::write(ends[1], &word, 1) != 1) ::_exit(1);
            for (;;)
                ::pause();
        }
        ::close(ends[1]);
        warm().pid = pid;
    }
};

}  // namespace

TEST_CASE("warm recovery: a handler that waits is killed, and gets nothing", "[warm]") {
    Waiting waiting;
    settle_warm(waiting.state);
    CHECK(waiting.warm().kind == ProcessKind::warm);
    CHECK(waiting.warm().connection.load() == -1);
    CHECK(waiting.was_killed());
}

TEST_CASE("warm recovery: who has said that it has the connection, has it", "[warm]") {
    Saying saying(park_taken);
    saying.put_on_its_way();
    const std::uint64_t cookie = saying.connection().cookie;
    settle_warm(saying.state);
    CHECK(saying.warm().kind == ProcessKind::handler);
    CHECK(saying.warm().cookie == cookie);
    CHECK(saying.warm().id == 0x18f2);
    CHECK(saying.warm().source == 7);
    CHECK(saying.warm().connection.load() == -1);
    CHECK(saying.connection().state.load() == RecordState::free);
    CHECK(::kill(saying.pid, 0) == 0);
}

TEST_CASE("warm recovery: where it was not said the connection is another one's", "[warm]") {
    Waiting waiting;
    waiting.put_on_its_way();
    settle_warm(waiting.state);
    CHECK(waiting.warm().kind == ProcessKind::warm);
    CHECK(waiting.warm().id == 0);
    CHECK(waiting.connection().state.load() == RecordState::accepted);
    CHECK(waiting.connection().connection.load() >= 0);
    CHECK(waiting.was_killed());
    ::close(waiting.connection().connection.load());
}

TEST_CASE("warm recovery: the connection's record goes before the handler's is one", "[warm]") {
    Waiting waiting;
    waiting.put_on_its_way();
    const int connection = waiting.connection().connection.load();
    // As a superd leaves them that was killed between the two.
    waiting.connection().state = RecordState::free;
    settle_warm(waiting.state);
    CHECK(waiting.warm().kind == ProcessKind::handler);
    CHECK(::kill(waiting.pid, 0) == 0);
    ::close(connection);
}
