// SPDX-License-Identifier: MIT
#include "sys/recovery.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "sys/slots.h"

#include "support/catch.h"
#include "support/launching.h"
#include "support/sockets.h"
#include "support/wait_until.h"

using namespace superd;
using namespace superd::test;

namespace {

// A child of this process that waits, as a launch of a former superd is one of the guard's.
pid_t waiting_child() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::pause();
        ::_exit(0);
    }
    return pid;
}

struct Loopback {
    int listener = -1;
    sockaddr_in address{};

    Loopback() : listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        if (::bind(listener, generic, length) != 0 || ::listen(listener, 8) != 0 ||
                ::getsockname(listener, generic, &length) != 0)
            std::abort();
    }

    [[nodiscard]] Pair connection() const {
        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            std::abort();
        return {client, ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
    }
};

// A state with room for a few, as a superd that was killed leaves it.
struct Leftover {
    State state = State::for_test();

    ProcessRecord& record(std::uint32_t index, RecordState at) {
        ProcessRecord& one = state.processes()[index];
        one.state = at;
        one.pidfd = -1;
        one.connection = -1;
        one.kind = ProcessKind::handler;
        state.header().process_high = std::max(state.header().process_high, index + 1);
        return one;
    }

    ProcessRecord& with_connection(std::uint32_t index, int fd) {
        ProcessRecord& one = record(index, RecordState::accepted);
        one.connection = fd;
        one.cookie = socket_cookie(fd);
        return one;
    }

    void listener(int fd) {
        state.listeners()[0].fd = fd;
        state.header().listener_high = 1;
    }

    void listeners(const std::array<int, 2>& both) {
        listener(both[0]);
        state.listeners()[1].fd = both[1];
        state.header().listener_high = 2;
    }
};

Recovered action_of(const Recovery& recovery, std::uint32_t record) {
    for (const RecoveredRecord& one : recovery.records)
        if (one.record == record) return one.action;
    std::abort();
}

void in_clean_process(const std::function<void(Checker&)>& body) {
    CHECK(in_own_process([&](Checker& check) {
        check.need(reserve_slots().has_value(), "slots");
        body(check);
    }) == "done\n");
}

}  // namespace

TEST_CASE("recovery: what becomes of a launch, for every trace it can leave") {
    using enum RecordState;

    struct Case {
        const char* name;
        LaunchTrace trace;
        Recovered expected;
    };

    const Case cases[] = {
            {"accepted, never cloned", {.state = accepted, .connected = true},
                    Recovered::start},
            {"cloned, died before it left",
                    {.state = accepted, .cloned = true, .connected = true, .attempts = 1},
                    Recovered::start},
            {"the same a second time",
                    {.state = accepted, .cloned = true, .connected = true, .attempts = 2},
                    Recovered::give_up},
            {"in hand when eight superds died",
                    {.state = accepted, .connected = true, .deaths = 8}, Recovered::give_up},
            {"left and lives",
                    {.state = left, .cloned = true, .alive = true, .began_exec = true},
                    Recovered::running},
            {"left, lives and has not exec'd yet: it will",
                    {.state = left, .cloned = true, .alive = true, .connected = true},
                    Recovered::running},
            {"left, died, may have answered",
                    {.state = left, .cloned = true, .began_exec = true, .connected = true},
                    Recovered::running},
            {"left and killed before exec was tried",
                    {.state = left, .cloned = true, .connected = true, .attempts = 1},
                    Recovered::start},
            {"left and killed before exec, but its connection is gone",
                    {.state = left, .cloned = true}, Recovered::running},
            {"running", {.state = running, .cloned = true, .alive = true, .began_exec = true},
                    Recovered::running},
            {"running and ended", {.state = running, .cloned = true, .began_exec = true},
                    Recovered::running},
            {"its child could not start",
                    {.state = left, .cloned = true, .failed = true, .connected = true},
                    Recovered::failed},
            {"its child could not leave the table",
                    {.state = accepted, .cloned = true, .failed = true, .connected = true},
                    Recovered::failed},
            {"clone itself failed", {.state = accepted, .failed = true}, Recovered::forget},
            {"the connection is gone", {.state = accepted}, Recovered::forget},
            {"a worker has none", {.state = accepted, .needs_connection = false},
                    Recovered::start},
    };
    for (const Case& one : cases) {
        INFO(one.name);
        CHECK(decide_recovery(one.trace) == one.expected);
    }
}

TEST_CASE("recovery: a connection that no child has moves out of its slot and is started") {
    in_clean_process([](Checker& check) {
        Leftover left;
        const Pair pair = socket_pair();
        const int slot = slot_number(7, SlotPart::connection);
        put_at(pair.theirs, slot);
        ::close(pair.theirs);
        left.with_connection(4, slot);
        const Recovery recovery = recover_launches(left.state, std::array{pair.ours});
        check.need(recovery.records.size() == 1, "one record");
        check.equal(recovery.records[0].record, 4U, "record");
        check.that(recovery.records[0].action == Recovered::start, "start");
        const ProcessRecord& record = left.state.processes()[4];
        check.that(record.connection.load() >= low_number, "above the slots");
        check.equal(socket_cookie(record.connection.load()), record.cookie, "the same socket");
        check.equal(static_cast<int>(record.deaths), 1, "deaths");
        check.equal(socket_cookie(slot), std::uint64_t{0}, "the slot is covered");
        ::close(record.connection.load());
        check.equal(read_to_end(pair.ours), "", "there was no other copy");
    });
}

TEST_CASE(
        "recovery: a child that was cloned is waited for until it has left, and not repeated") {
    in_clean_process([](Checker& check) {
        Leftover left;
        const Pair pair = socket_pair();
        ProcessRecord& record = left.with_connection(0, pair.theirs);
        const pid_t child = ::fork();
        if (child == 0) {
            // Says `left` only when somebody has looked at it and waits.
            if (!wait_until([&] { return record.pidfd.load() >= 0 && is_asleep(::getppid()); }))
                ::_exit(1);
            record.stage = static_cast<std::uint8_t>(SpawnStage::exec);
            record.state = RecordState::left;
            ::pause();
        }
        record.pid = child;
        const Recovery recovery = recover_launches(left.state, std::array{pair.ours});
        check.that(action_of(recovery, 0) == Recovered::running, "running");
        check.that(record.pidfd.load() >= 0, "watched");
        check.equal(record.connection.load(), -1, "superd's copy is closed");
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    });
}

TEST_CASE(
        "recovery: a child that does not leave the table is killed, and its work done again") {
    in_clean_process([](Checker& check) {
        Leftover left;
        const Pair pair = socket_pair();
        ProcessRecord& record = left.with_connection(0, pair.theirs);
        const pid_t child = waiting_child();
        ::kill(child, SIGSTOP);
        record.pid = child;
        record.attempts = 1;
        const Recovery recovery = recover_launches(left.state, std::array{pair.ours});
        check.that(action_of(recovery, 0) == Recovered::start, "start");
        check.equal(record.pid.load(), 0, "no child");
        int status = 0;
        check.equal(::waitpid(child, &status, 0), child, "ended");
        check.that(WIFSIGNALED(status), "killed");
        check.that(socket_cookie(record.connection.load()) == record.cookie, "connection");
    });
}

TEST_CASE("recovery: a connection over which two launches died is closed") {
    in_clean_process([](Checker& check) {
        Leftover left;
        const Pair pair = socket_pair();
        ProcessRecord& record = left.with_connection(0, pair.theirs);
        record.attempts = 2;
        const Recovery recovery = recover_launches(left.state, std::array{pair.ours});
        check.that(action_of(recovery, 0) == Recovered::give_up, "give up");
        check.equal(read_to_end(pair.ours), "", "closed");
    });
}

TEST_CASE("recovery: both copies of a moving connection are one connection") {
    in_clean_process([](Checker& check) {
        Loopback loopback;
        Leftover left;
        left.listener(loopback.listener);
        const Pair pair = loopback.connection();
        // Killed between dup3 into the slot and close: the record speaks of the slot.
        const int slot = slot_number(0, SlotPart::connection);
        put_at(pair.theirs, slot);
        left.with_connection(0, slot);
        const Recovery recovery = recover_launches(left.state, std::array{pair.ours});
        check.that(action_of(recovery, 0) == Recovered::start, "start");
        check.equal(recovery.connections.size(), std::size_t{0}, "not found again");
        check.that(left.state.processes()[0].connection.load() != pair.theirs &&
                           socket_cookie(pair.theirs) == 0,
                "the other copy is closed");
    });
}

TEST_CASE(
        "recovery: a connection accepted and not written down is found by its local address") {
    in_clean_process([](Checker& check) {
        Loopback ours, foreign;
        Leftover left;
        left.listener(ours.listener);
        const Pair found = ours.connection();
        const Pair other =
                foreign.connection();  // as a control client, or one of a dead library
        const int file = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        const int kept = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        const Recovery recovery = recover_launches(
                left.state, std::array{found.ours, other.ours, foreign.listener, kept});
        check.need(recovery.connections.size() == 1, "one connection");
        const FoundConnection& connection = recovery.connections[0];
        check.equal(connection.fd, found.theirs, "descriptor");
        check.equal(connection.listener, 0U, "listener");
        check.equal(connection.cookie, socket_cookie(found.theirs), "cookie");
        check.that(connection.peer.family == Family::ip, "peer");
        check.equal(
                connection.local.port, std::uint32_t{::ntohs(ours.address.sin_port)}, "local");
        check.equal(::fcntl(file, F_GETFD), -1, "an unknown file is closed");
        check.equal(::fcntl(kept, F_GETFD), FD_CLOEXEC, "a kept one is not");
        check.equal(recovery.closed, 2U, "closed");
        check.equal(read_to_end(other.ours), "", "a stranger's connection is closed");
        check.equal(::fcntl(ours.listener, F_GETFD), FD_CLOEXEC, "the listener stays");
    });
}

TEST_CASE("recovery: one accepted for a relay is found too, one being turned away is not") {
    in_clean_process([](Checker& check) {
        Loopback ours;
        Leftover left;
        left.listener(ours.listener);
        const Pair relayed = ours.connection(), refused = ours.connection();
        set_blocking(relayed.theirs, false);  // as accept_connection() makes it for a relay
        set_blocking(refused.theirs, false);
        check.that(mark_turned_away(refused.theirs), "marked");
        const Recovery recovery =
                recover_launches(left.state, std::array{relayed.ours, refused.ours});
        check.need(recovery.connections.size() == 1, "one connection");
        check.equal(recovery.connections[0].fd, relayed.theirs, "the relay's");
        check.equal(read_to_end(refused.ours), "", "the refused one is closed");
    });
}

namespace {

// A listening socket as the tests below need several of one port. port 0: any free one.
int listen_at(const IpAddress& ip, bool v6only, std::uint32_t& port, const char* device = "") {
    const bool v6 = v6only || !ip.is_v4();
    const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1, only = v6only ? 1 : 0;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    const auto length = static_cast<socklen_t>(std::strlen(device));
    if (length != 0 && ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, length) != 0)
        return -1;
    SocketAddress address;
    if (v6) {
        sockaddr_in6 in6{};
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&in6.sin6_addr, ip.bytes.data(), ip.bytes.size());
        std::memcpy(address.get(), &in6, address.length = sizeof in6);
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&in.sin_addr, ip.bytes.data() + 12, 4);
        std::memcpy(address.get(), &in, address.length = sizeof in);
    }
    if (::bind(fd, address.get(), address.length) != 0 || ::listen(fd, 8) != 0) return -1;
    port = port_of(fd);
    return fd;
}

// A client at 127.0.0.1 whom one of both listeners has: recovery takes it for that one's.
void check_found(
        Checker& check, const std::array<int, 2>& ours, std::uint32_t port, std::size_t whose) {
    Leftover left;
    left.listeners(ours);
    const Fd client = connect_v4(port);
    check.need(wait_readable(ours[whose]), "a client of the right one");
    const int connection = ::accept4(ours[whose], nullptr, nullptr, SOCK_CLOEXEC);
    const Recovery recovery = recover_launches(left.state, std::array{client.get()});
    check.need(recovery.connections.size() == 1, "found");
    check.equal(recovery.connections[0].fd, connection, "descriptor");
    check.equal(std::size_t{recovery.connections[0].listener}, whose, "listener");
}

}  // namespace

TEST_CASE("recovery: an IPv4 connection is not taken for one of an IPv6 listener on its port") {
    for (const bool v6_first : {true, false}) {
        in_clean_process([&](Checker& check) {
            std::uint32_t port = 0;
            const int v4 = listen_at(IpAddress::v4(INADDR_ANY), false, port);
            const int v6 = listen_at(IpAddress{}, true, port);
            check.need(v4 >= 0 && v6 >= 0, "both listeners");
            check_found(check, v6_first ? std::array{v6, v4} : std::array{v4, v6}, port,
                    v6_first ? 1 : 0);
        });
    }
}

TEST_CASE("recovery: the listener of a connection's very address goes before a wildcard") {
    in_clean_process([](Checker& check) {
        std::uint32_t port = 0;
        const int any = listen_at(IpAddress::v4(INADDR_ANY), false, port);
        const int exact = listen_at(IpAddress::v4(INADDR_LOOPBACK), false, port);
        check.need(any >= 0 && exact >= 0, "both listeners");
        check_found(check, {any, exact}, port, 1);
    });
}

TEST_CASE("recovery: the listener of a connection's very device goes before one of any") {
    const std::string said = in_namespace([] {
        return in_own_process([](Checker& check) {
            check.need(reserve_slots().has_value(), "slots");
            std::uint32_t port = 0;
            const int any = listen_at(IpAddress::v4(INADDR_ANY), false, port);
            const int bound = listen_at(IpAddress::v4(INADDR_ANY), false, port, "lo");
            check.need(any >= 0 && bound >= 0, "both listeners");
            check_found(check, {any, bound}, port, 1);
        });
    });
    if (said != "skipped") CHECK(said == "done\n");
}

TEST_CASE("recovery: a connection that may be one of two listeners' is closed") {
    in_clean_process([](Checker& check) {
        std::uint32_t port = 0;
        const int one = listen_at(IpAddress::v4(INADDR_LOOPBACK), false, port);
        const int other = listen_at(IpAddress::v4(INADDR_LOOPBACK), false, port);
        check.need(one >= 0 && other >= 0, "both listeners");
        // Whichever of them the kernel chose has it.
        const int client = connect_v4(port).release();
        pollfd knocks[] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
        check.need(::poll(knocks, 2, 10000) == 1, "a knock");
        const bool first = (knocks[0].revents & POLLIN) != 0;
        check.need(::accept4(first ? one : other, nullptr, nullptr, SOCK_CLOEXEC) >= 0, "it");
        Leftover left;
        left.listeners({one, other});
        const Recovery recovery = recover_launches(left.state, std::array{client});
        check.equal(recovery.connections.size(), std::size_t{0}, "nobody's");
        check.that(wait_readable(client), "closed");
    });
}

TEST_CASE("recovery: a record whose number has become another file loses that file nothing") {
    in_clean_process([](Checker& check) {
        Leftover left;
        const Pair old = socket_pair(), fresh = socket_pair();
        ProcessRecord& record = left.with_connection(0, old.theirs);
        ::dup3(fresh.theirs, old.theirs, O_CLOEXEC);
        const pid_t child = waiting_child();
        record.pid = child;
        record.state = RecordState::running;
        const Recovery recovery = recover_launches(
                left.state, std::array{old.ours, fresh.ours, fresh.theirs, old.theirs});
        check.that(action_of(recovery, 0) == Recovered::running, "running");
        check.that(socket_cookie(old.theirs) == socket_cookie(fresh.theirs), "still open");
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    });
}
