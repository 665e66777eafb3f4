// SPDX-License-Identifier: MIT
// The part of the plan that is bound: listeners, and the addresses that superd connects to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "config/plan_base.h"
#include "config/plan_proxy.h"

namespace superd {

// What kind of thing a listener is.
enum class ListenerKind : std::uint8_t {
    tcp,
    udp,
    unix_stream,
    unix_dgram,
    unix_seqpacket,
    fifo,
    vsock,
    mqueue,
    netlink
};

// How a client asks for TLS that begins in the clear, in the order of option starttls's words.
enum class Starttls : std::uint8_t {
    none,
    smtp,
    lmtp,
    imap,
    pop3,
    ftp,
    nntp,
    ldap,
    xmpp,
    postgres
};

// True for what getsockopt(2) works on.
[[nodiscard]] constexpr bool is_socket_kind(ListenerKind kind) {
    return kind != ListenerKind::fifo && kind != ListenerKind::mqueue;
}

// True for what accept(2) works on.
[[nodiscard]] constexpr bool is_connection_kind(ListenerKind kind) {
    return kind == ListenerKind::tcp || kind == ListenerKind::unix_stream ||
           kind == ListenerKind::unix_seqpacket || kind == ListenerKind::vsock;
}

// One address to bind, resolved, and its options. Every optional that is empty leaves the
// kernel's default.
struct ListenerPlan {
    std::string name;  // LISTEN_FDNAMES; the service's name unless given
    std::string
            address;  // canonical text in superd's grammar, e.g. "tcp:22", "unix:/run/x.sock"
    Origin origin;
    ListenerKind kind = ListenerKind::tcp;

    // tcp, udp: family is 0 for both (one IPv6 socket with v6only off), 4 or 6.
    std::uint8_t ip_family = 0;
    IpAddress ip;                // all zero: any
    std::string interface_zone;  // "eth0" of [fe80::1%eth0]; empty otherwise
    std::uint32_t port = 0;  // host order; vsock: port. 0 asks the kernel for one (tests, demo)
    std::uint32_t cid = 0;   // vsock
    std::string path;        // unix, fifo, mqueue; abstract names begin with '@'
    std::uint32_t netlink_family = 0, netlink_groups = 0;  // groups: bits, as in netlink(7)

    std::uint32_t backlog = 4096;
    std::string interface;  // SO_BINDTODEVICE
    std::optional<bool> v6only;
    bool reuse_port = false;
    bool free_bind = false;
    bool transparent = false;
    std::optional<Nanoseconds> defer_accept;
    bool keepalive = false;
    std::optional<Nanoseconds> keepalive_time, keepalive_interval;
    std::optional<std::uint32_t> keepalive_probes;
    bool no_delay = false;
    std::optional<std::uint64_t> send_buffer, receive_buffer;
    std::optional<std::uint32_t> priority, tos, mark, fast_open;
    bool broadcast = false;
    bool mptcp = false;
    std::string congestion;
    std::vector<std::string> join;  // multicast groups "239.1.2.3" or "ff02::1%eth0"
    bool pass_credentials = false;
    std::optional<ProxyProtocolPlan> proxy_protocol;
    std::string tls;  // a profile of Plan::tls; empty: none
    Starttls starttls = Starttls::none;

    std::optional<std::uint32_t> max_messages, message_size;  // mqueue

    // UNIX and FIFO nodes, and message queues.
    std::uint32_t mode = 0666;
    std::optional<std::uint32_t> owner, group;  // uid, gid
    std::uint32_t directory_mode = 0755;
    bool remove_on_stop = true;

    bool operator==(const ListenerPlan&) const = default;

    template <class P = ListenerPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"name", &P::name}, Field{"address", &P::address},
                Field{"origin", &P::origin}, Field{"kind", &P::kind},
                Field{"ip_family", &P::ip_family}, Field{"ip", &P::ip},
                Field{"interface_zone", &P::interface_zone}, Field{"port", &P::port},
                Field{"cid", &P::cid}, Field{"path", &P::path},
                Field{"netlink_family", &P::netlink_family},
                Field{"netlink_groups", &P::netlink_groups}, Field{"backlog", &P::backlog},
                Field{"interface", &P::interface}, Field{"v6only", &P::v6only},
                Field{"reuse_port", &P::reuse_port}, Field{"free_bind", &P::free_bind},
                Field{"transparent", &P::transparent}, Field{"defer_accept", &P::defer_accept},
                Field{"keepalive", &P::keepalive}, Field{"keepalive_time", &P::keepalive_time},
                Field{"keepalive_interval", &P::keepalive_interval},
                Field{"keepalive_probes", &P::keepalive_probes},
                Field{"no_delay", &P::no_delay}, Field{"send_buffer", &P::send_buffer},
                Field{"receive_buffer", &P::receive_buffer}, Field{"priority", &P::priority},
                Field{"tos", &P::tos}, Field{"mark", &P::mark},
                Field{"fast_open", &P::fast_open}, Field{"broadcast", &P::broadcast},
                Field{"mptcp", &P::mptcp}, Field{"congestion", &P::congestion},
                Field{"join", &P::join}, Field{"pass_credentials", &P::pass_credentials},
                Field{"proxy_protocol", &P::proxy_protocol}, Field{"tls", &P::tls},
                Field{"starttls", &P::starttls},
                Field{"max_messages", &P::max_messages},
                Field{"message_size", &P::message_size}, Field{"mode", &P::mode},
                Field{"owner", &P::owner}, Field{"group", &P::group},
                Field{"directory_mode", &P::directory_mode},
                Field{"remove_on_stop", &P::remove_on_stop}};
    }
};

// An address to connect to: a target of redirect.
struct TargetPlan {
    std::string text;  // as written: "tcp:db1.internal:5432"
    ListenerKind kind = ListenerKind::tcp;
    std::string host;            // a name that is looked up when it is needed; empty: ip counts
    IpAddress ip;                // tcp, udp
    std::string zone;            // "eth0" of [fe80::1%eth0]
    std::uint8_t ip_family = 0;  // what host may resolve to: 0 (either), 4 or 6
    std::uint32_t port = 0;
    std::string path;  // unix kinds; abstract names begin with '@'
    Origin origin;

    bool operator==(const TargetPlan&) const = default;

    template <class P = TargetPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"text", &P::text}, Field{"kind", &P::kind},
                Field{"host", &P::host}, Field{"ip", &P::ip}, Field{"zone", &P::zone},
                Field{"ip_family", &P::ip_family}, Field{"port", &P::port},
                Field{"path", &P::path}, Field{"origin", &P::origin}};
    }
};

}  // namespace superd
