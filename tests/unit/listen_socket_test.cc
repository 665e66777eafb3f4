// SPDX-License-Identifier: MIT
#include "sys/listen_socket.h"

#include <cerrno>
#include <fstream>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/vm_sockets.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/accept.h"

#include "support/catch.h"
#include "support/skip.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

ListenerPlan any_plan(ListenerKind kind, std::uint8_t family) {
    ListenerPlan plan;
    plan.kind = kind;
    plan.ip_family = family;
    plan.address = "tcp:0";
    return plan;
}

bool host_has_ipv6() {
    auto fd = open_listener(any_plan(ListenerKind::tcp, 6));
    if (!fd) skip("no IPv6 here");
    return fd.has_value();
}

mode_t mode_of(const std::string& path) {
    struct stat info {};

    return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

bool exists(const std::string& path) {
    struct stat info {};

    return ::lstat(path.c_str(), &info) == 0;
}

class Umask {
public:
    explicit Umask(mode_t mask) : before_(::umask(mask)) {}

    ~Umask() { ::umask(before_); }

    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;

private:
    mode_t before_;
};

// socket(AF_INET6, ...) fails from now on, as in a kernel that was started with ipv6.disable=1.
bool forbid_ipv6_sockets() {
    sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{std::size(code), code};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

std::string text_of(const char* path) {
    std::ifstream file(path);
    std::string out, line;
    while (std::getline(file, line))
        out += line + '\n';
    return out;
}

Error error_of(const ListenerPlan& plan) {
    const auto fd = open_listener(plan);
    REQUIRE_FALSE(fd);
    return fd.error();
}

}  // namespace

TEST_CASE("listener: close-on-exec and non-blocking from birth, and nothing is left behind") {
    const Scratch scratch;
    const std::size_t before = open_descriptors();
    const ListenerPlan plans[] = {loopback_plan(ListenerKind::tcp),
            loopback_plan(ListenerKind::udp),
            path_plan(ListenerKind::unix_stream, scratch / "a"),
            path_plan(ListenerKind::unix_dgram, scratch / "b"),
            path_plan(ListenerKind::unix_seqpacket, scratch / "c"),
            path_plan(ListenerKind::fifo, scratch / "d"),
            path_plan(ListenerKind::unix_stream, "@superd-test-" + std::to_string(::getpid()))};
    for (const ListenerPlan& plan : plans) {
        CAPTURE(plan.address);
        const Fd fd = open_or_fail(plan);
        CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
        CHECK((::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);
        if (plan.kind != ListenerKind::fifo)
            CHECK(int_option(fd.get(), SOL_SOCKET, SO_ACCEPTCONN) ==
                    is_connection_kind(plan.kind));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("listener: both families on one socket, and an IPv4 client is an IPv4 client") {
    if (!host_has_ipv6()) return;
    const Fd fd = open_or_fail(any_plan(ListenerKind::tcp, 0));
    CHECK(bound_text(fd.get(), ListenerKind::tcp) ==
            "tcp:[::]:" + std::to_string(port_of(fd.get())));
    CHECK(int_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY) == 0);
    const Fd client = connect_v4(port_of(fd.get()));
    REQUIRE(client);
    Endpoint peer;
    const Accepted got = accept_connection(fd.get(), ListenerKind::tcp, peer);
    REQUIRE(got.outcome == AcceptOutcome::accepted);
    CHECK(peer.ip.text() == "127.0.0.1");
    CHECK(local_endpoint(got.connection.get()).ip.text() == "127.0.0.1");
    CHECK(local_endpoint(got.connection.get()).port == port_of(fd.get()));
}

TEST_CASE("listener: one family alone leaves the port free for the other") {
    if (!host_has_ipv6()) return;
    const Fd six = open_or_fail(any_plan(ListenerKind::tcp, 6));
    CHECK(int_option(six.get(), IPPROTO_IPV6, IPV6_V6ONLY) == 1);
    CHECK_FALSE(connect_v4(port_of(six.get())));
    ListenerPlan only = any_plan(ListenerKind::tcp, 0);
    only.v6only = true;
    CHECK(int_option(open_or_fail(only).get(), IPPROTO_IPV6, IPV6_V6ONLY) == 1);
    const Fd four = open_or_fail(any_plan(ListenerKind::tcp, 4));
    CHECK(bound_text(four.get(), ListenerKind::tcp).starts_with("tcp:0.0.0.0:"));
}

TEST_CASE(
        "listener: with IPv6 switched off in the host, IPv4 clients are served by both "
        "families") {
    const std::string wrong = in_namespace([]() -> std::string {
        std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << "1\n";
        const auto fd = open_listener(any_plan(ListenerKind::tcp, 0));
        if (!fd) return fd.error().text();
        return connect_v4(port_of(fd->get())) ? "" : "no connection";
    });
    if (wrong != "skipped") CHECK(wrong == "");
}

TEST_CASE("listener: in a kernel without IPv6 both families means IPv4, and tcp6 is an error") {
    const std::string wrong = in_namespace([]() -> std::string {
        if (!forbid_ipv6_sockets()) return "skipped";
        const auto fd = open_listener(any_plan(ListenerKind::tcp, 0));
        if (!fd) return fd.error().text();
        const std::string bound = bound_text(fd->get(), ListenerKind::tcp);
        if (!bound.starts_with("tcp:0.0.0.0:")) return bound;
        const auto six = open_listener(any_plan(ListenerKind::tcp, 6));
        return six || six.error().code != EAFNOSUPPORT ? "tcp6" : "";
    });
    if (wrong != "skipped") CHECK(wrong == "");
}

TEST_CASE("listener: every TCP option is on the socket") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    plan.reuse_port = true;
    plan.free_bind = true;
    plan.defer_accept = 3s;
    plan.keepalive = true;
    plan.keepalive_time = 1500ms;  // rounded up to whole seconds
    plan.keepalive_interval = 7s;
    plan.keepalive_probes = 4;
    plan.no_delay = true;
    plan.send_buffer = 65536;
    plan.receive_buffer = 131072;
    plan.tos = 0x10;
    plan.priority = 5;
    plan.fast_open = 16;
    plan.congestion = "reno";
    const Fd fd = open_or_fail(plan);
    const int s = fd.get();
    CHECK(int_option(s, SOL_SOCKET, SO_REUSEADDR) == 1);
    CHECK(int_option(s, SOL_SOCKET, SO_REUSEPORT) == 1);
    CHECK(int_option(s, IPPROTO_IP, IP_FREEBIND) == 1);
    CHECK(int_option(s, IPPROTO_TCP, TCP_DEFER_ACCEPT) >= 3);
    CHECK(int_option(s, SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(int_option(s, IPPROTO_TCP, TCP_KEEPIDLE) == 2);
    CHECK(int_option(s, IPPROTO_TCP, TCP_KEEPINTVL) == 7);
    CHECK(int_option(s, IPPROTO_TCP, TCP_KEEPCNT) == 4);
    CHECK(int_option(s, IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(int_option(s, SOL_SOCKET, SO_SNDBUF) == 2 * 65536);  // the kernel doubles it
    CHECK(int_option(s, SOL_SOCKET, SO_RCVBUF) == 2 * 131072);
    CHECK(int_option(s, IPPROTO_IP, IP_TOS) == 0x10);
    CHECK(int_option(s, SOL_SOCKET, SO_PRIORITY) == 5);  // not what tos would make of it
    CHECK(int_option(s, IPPROTO_TCP, TCP_FASTOPEN) == 16);
    char congestion[16] = {};
    socklen_t size = sizeof congestion;
    CHECK(::getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, congestion, &size) == 0);
    CHECK(std::string(congestion) == "reno");
}

TEST_CASE("listener: without options the kernel's defaults stay") {
    const Fd fd = open_or_fail(loopback_plan(ListenerKind::tcp));
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_REUSEPORT) == 0);
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_KEEPALIVE) == 0);
    CHECK(int_option(fd.get(), IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(int_option(fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT) == 0);
    CHECK(int_option(fd.get(), IPPROTO_IP, IP_FREEBIND) == 0);
}

TEST_CASE("listener: tos on a dual-stack socket is that of both families") {
    if (!host_has_ipv6()) return;
    ListenerPlan plan = any_plan(ListenerKind::tcp, 0);
    plan.tos = 0x28;
    const Fd fd = open_or_fail(plan);
    CHECK(int_option(fd.get(), IPPROTO_IPV6, IPV6_TCLASS) == 0x28);
    CHECK(int_option(fd.get(), IPPROTO_IP, IP_TOS) == 0x28);
}

TEST_CASE("listener: mptcp is asked for in the socket itself") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    plan.mptcp = true;
    const auto fd = open_listener(plan);
    if (!fd) {
        CHECK(fd.error().operation == "set mptcp");
        skip("no MPTCP in this kernel");
        return;
    }
    CHECK(int_option(fd->get(), SOL_SOCKET, SO_PROTOCOL) == IPPROTO_MPTCP);
}

TEST_CASE("listener: interface, transparent and mark, where they are permitted") {
    const std::string wrong = in_namespace([]() -> std::string {
        ListenerPlan plan = loopback_plan(ListenerKind::tcp);
        plan.interface = "lo";
        plan.transparent = true;
        plan.mark = 7;
        const auto fd = open_listener(plan);
        if (!fd) return fd.error().text();
        char name[IFNAMSIZ] = {};
        socklen_t size = sizeof name;
        ::getsockopt(fd->get(), SOL_SOCKET, SO_BINDTODEVICE, name, &size);
        if (std::string(name) != "lo") return "interface";
        if (int_option(fd->get(), IPPROTO_IP, IP_TRANSPARENT) != 1) return "transparent";
        if (int_option(fd->get(), SOL_SOCKET, SO_MARK) != 7) return "mark";
        return "";
    });
    if (wrong != "skipped") CHECK(wrong == "");
}

TEST_CASE(
        "listener: multicast groups of both families arrive on the interface they were joined "
        "on") {
    const std::string wrong = in_namespace([]() -> std::string {
        ListenerPlan plan = any_plan(ListenerKind::udp, 0);
        plan.join = {"239.1.2.3", "ff02::1234%lo"};
        plan.interface = "lo";
        plan.broadcast = true;
        const auto fd = open_listener(plan);
        if (!fd) return fd.error().text();
        if (int_option(fd->get(), SOL_SOCKET, SO_BROADCAST) != 1) return "broadcast";
        const std::string in4 = text_of("/proc/net/igmp");
        const std::string in6 = text_of("/proc/net/igmp6");
        if (in4.find("030201EF") == std::string::npos) return "no IPv4 group:\n" + in4;
        if (in6.find("ff020000000000000000000000001234") == std::string::npos)
            return "no IPv6 group:\n" + in6;
        ListenerPlan wrong_zone = plan;
        wrong_zone.join = {"ff02::1%nosuch0"};
        const auto refused = open_listener(wrong_zone);
        if (refused || refused.error().operation != "set join")
            return "a zone that is not there";
        return "";
    });
    if (wrong != "skipped") CHECK(wrong == "");
}

TEST_CASE("listener: the error names the option that was refused") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    plan.congestion = "nosuch";
    CHECK(error_of(plan).operation == "set congestion");
    CHECK(error_of(plan).subject == plan.address);
    plan.congestion.clear();
    plan.keepalive_probes = 100000;
    CHECK(error_of(plan).text() == "set keepalive_probes tcp:127.0.0.1:0: Invalid argument");
}

TEST_CASE(
        "listener: an address or interface that is not there yet can be told from other "
        "failures") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    plan.ip = IpAddress::v4(0xc0000201);  // 192.0.2.1
    Error error = error_of(plan);
    CHECK(error.code == EADDRNOTAVAIL);
    CHECK(error.operation == "bind");
    CHECK(is_not_there_yet(error));
    plan.free_bind = true;
    CHECK(open_listener(plan));

    plan = loopback_plan(ListenerKind::tcp);
    plan.interface = "nosuch0";
    error = error_of(plan);
    CHECK(error.operation == "set interface");
    CHECK((is_not_there_yet(error) || error.code == EPERM));

    ListenerPlan zone = any_plan(ListenerKind::tcp, 6);
    zone.ip = IpAddress::parse("fe80::1").value();
    zone.interface_zone = "nosuch0";
    CHECK(is_not_there_yet(error_of(zone)));
    CHECK_FALSE(is_not_there_yet({EADDRINUSE, "bind", ""}));
}

TEST_CASE("listener: an address in use names its holder") {
    for (const ListenerKind kind : {ListenerKind::tcp, ListenerKind::udp}) {
        ListenerPlan plan = loopback_plan(kind);
        const Fd first = open_on_free_port(plan);
        CHECK(error_of(plan).code == EADDRINUSE);
        std::ifstream comm("/proc/self/comm");
        std::string name;
        std::getline(comm, name);
        CHECK(describe_holder(plan) == name + ", pid " + std::to_string(::getpid()));
        ListenerPlan everywhere = any_plan(kind, 0);
        everywhere.port = plan.port;
        CHECK(describe_holder(everywhere) == describe_holder(plan));
        ListenerPlan elsewhere = plan;
        elsewhere.ip = IpAddress::v4(INADDR_LOOPBACK + 1);
        CHECK(describe_holder(elsewhere) == "");
    }
    CHECK(describe_holder(path_plan(ListenerKind::fifo, "/nosuch")) == "");
}

TEST_CASE("listener: an IPv6 address in use names its holder too") {
    if (!host_has_ipv6()) return;
    ListenerPlan plan = any_plan(ListenerKind::tcp, 6);
    plan.ip = IpAddress::parse("::1").value();
    const Fd fd = open_on_free_port(plan);
    CHECK(describe_holder(plan).ends_with(", pid " + std::to_string(::getpid())));
}

TEST_CASE(
        "socket file: it has the mode asked for, whatever the umask, and so have its "
        "directories") {
    const Scratch scratch;
    const Umask strict(077);
    ListenerPlan plan = path_plan(ListenerKind::unix_stream, scratch / "run/deep/x.sock");
    plan.mode = 0666;
    plan.directory_mode = 0751;
    plan.owner = ::getuid();
    plan.group = ::getgid();
    plan.pass_credentials = true;
    const Fd fd = open_or_fail(plan);
    CHECK(mode_of(plan.path) == 0666);
    CHECK(mode_of(scratch / "run") == 0751);
    CHECK(mode_of(scratch / "run/deep") == 0751);
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_PASSCRED) == 1);
    CHECK(bound_text(fd.get(), plan.kind) == "unix:" + plan.path);
    CHECK(connect_unix(plan.path));
}

TEST_CASE("socket file: directories that were there keep their mode") {
    const Scratch scratch;
    REQUIRE(::mkdir((scratch / "run").c_str(), 0700) == 0);
    ListenerPlan plan = path_plan(ListenerKind::unix_stream, scratch / "run/x.sock");
    plan.directory_mode = 0755;
    const Fd fd = open_or_fail(plan);
    CHECK(mode_of(scratch / "run") == 0700);
}

TEST_CASE("socket file: an owner that may not be given fails, and the file is gone again") {
    if (::getuid() == 0) return;  // root may give anything to anybody
    const Scratch scratch;
    ListenerPlan plan = path_plan(ListenerKind::unix_stream, scratch / "x.sock");
    plan.owner = 0;
    CHECK(error_of(plan).operation == "set owner");
    CHECK_FALSE(exists(plan.path));
}

TEST_CASE("socket file: a stale one is replaced, a live one is in use and notices nothing") {
    const Scratch scratch;
    const ListenerKind kinds[] = {
            ListenerKind::unix_stream, ListenerKind::unix_dgram, ListenerKind::unix_seqpacket};
    for (const ListenerKind there : kinds)
        for (const ListenerKind wanted : kinds) {
            const std::string path = scratch / "x.sock";
            CAPTURE(static_cast<int>(there), static_cast<int>(wanted));
            {
                const Fd live = open_or_fail(path_plan(there, path));
                CHECK(error_of(path_plan(wanted, path)).code == EADDRINUSE);
                CHECK(describe_holder(path_plan(wanted, path))
                                .ends_with(std::to_string(::getpid())));
                pollfd poll{live.get(), POLLIN, 0};
                CHECK(::poll(&poll, 1, 0) == 0);
            }
            CHECK(exists(path));
            CHECK(open_listener(path_plan(wanted, path)));
            REQUIRE(::unlink(path.c_str()) == 0);
        }
}

TEST_CASE("socket file: what is no socket is never removed") {
    const Scratch scratch;
    const std::string path = scratch / "x";
    std::ofstream(path) << "precious";
    CHECK(error_of(path_plan(ListenerKind::unix_stream, path)).code == EEXIST);
    CHECK(exists(path));
    remove_node(path_plan(ListenerKind::unix_stream, path));
    remove_node(path_plan(ListenerKind::fifo, path));
    CHECK(exists(path));
    // Nor what a symbolic link points to.
    REQUIRE(::symlink(path.c_str(), (scratch / "link").c_str()) == 0);
    CHECK(error_of(path_plan(ListenerKind::unix_stream, scratch / "link")).code == EEXIST);
    CHECK(error_of(path_plan(ListenerKind::fifo, path)).code == EEXIST);
    CHECK_FALSE(open_listener(path_plan(ListenerKind::fifo, scratch / "link")));
    std::ifstream file(path);
    std::string word;
    file >> word;
    CHECK(word == "precious");
}

TEST_CASE(
        "socket file: a path or name that does not fit is an error, the longest that fits is "
        "not") {
    const Scratch scratch;
    const std::string base = scratch / "";
    ListenerPlan plan =
            path_plan(ListenerKind::unix_stream, base + std::string(107 - base.size(), 'x'));
    CHECK(open_listener(plan));
    plan.path += 'x';
    CHECK(error_of(plan).code == ENAMETOOLONG);
    const std::string name = "@superd-test-" + std::to_string(::getpid());
    CHECK(open_listener(
            path_plan(ListenerKind::unix_stream, name + std::string(108 - name.size(), 'x'))));
    CHECK(error_of(path_plan(ListenerKind::unix_stream,
                           name + std::string(109 - name.size(), 'x')))
                    .code == ENAMETOOLONG);
}

TEST_CASE("abstract name: bound without a file, in use while somebody has it") {
    const std::string name = "@superd-test-" + std::to_string(::getpid());
    const ListenerPlan plan = path_plan(ListenerKind::unix_stream, name);
    const Fd fd = open_or_fail(plan);
    CHECK(bound_text(fd.get(), plan.kind) == "unix:" + name);
    CHECK(connect_unix(name));
    CHECK(error_of(plan).code == EADDRINUSE);
    CHECK(describe_holder(plan).ends_with(", pid " + std::to_string(::getpid())));
}

TEST_CASE("socket file: remove_on_stop takes it away, without it stays") {
    const Scratch scratch;
    ListenerPlan plan = path_plan(ListenerKind::unix_stream, scratch / "x.sock");
    plan.remove_on_stop = false;
    open_or_fail(plan).reset();
    remove_node(plan);
    CHECK(exists(plan.path));
    plan.remove_on_stop = true;
    remove_node(plan);
    CHECK_FALSE(exists(plan.path));
    remove_node(plan);
}

TEST_CASE("fifo: made with its mode, never at its end, and used again when it is there") {
    const Scratch scratch;
    const Umask strict(077);
    ListenerPlan plan = path_plan(ListenerKind::fifo, scratch / "deep/pipe");
    plan.mode = 0622;
    const Fd fd = open_or_fail(plan);
    CHECK(mode_of(plan.path) == 0622);
    {
        const Fd writer(::open(plan.path.c_str(), O_WRONLY | O_CLOEXEC));
        REQUIRE(::write(writer.get(), "x", 1) == 1);
    }
    char byte = 0;
    CHECK(::read(fd.get(), &byte, 1) == 1);
    CHECK(::read(fd.get(), &byte, 1) == -1);  // EAGAIN, no end of file
    CHECK(open_listener(plan));
    remove_node(plan);
    CHECK_FALSE(exists(plan.path));
}

TEST_CASE("vsock: where the kernel has it") {
    ListenerPlan plan;
    plan.kind = ListenerKind::vsock;
    plan.cid = VMADDR_CID_ANY;
    plan.address = "vsock:any:0";
    const auto fd = open_listener(plan);
    if (!fd) {
        skip("vsock: " + fd.error().text());
        CHECK(fd.error().operation == "socket");
        return;
    }
    CHECK(bound_text(fd->get(), plan.kind).starts_with("vsock:"));
}
