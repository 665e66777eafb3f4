// SPDX-License-Identifier: MIT
// Listeners of a daemon that still runs, duplicated with pidfd_getfd(2) (Linux 5.6): the port
// stays open while one inetd takes the place of another.
//
// Both processes then have the same open socket: whoever is faster takes a connection, and the
// queue is one. What one of them sets on it (O_NONBLOCK, options, a larger backlog) holds for
// the other as well.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"
#include "sys/rpc_listing.h"

namespace superd {

// Descriptors that whoever started superd gives it (sd_listen_fds(3)), moved above the launch
// slots: the caller's. To be called in the process that is meant, before slots are reserved.
// Takes LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES out of the environment.
[[nodiscard]] std::vector<int> take_listen_fds();
// What of them is left in the environment of a superd that takes another one's place.
void forget_listen_fds();

// A bound TCP or UDP socket of somebody else.
struct ForeignListener {
    Fd fd{};
    ListenerKind kind = ListenerKind::tcp;
    bool ipv6 = false;  // AF_INET6; v6only: without IPv4
    bool v6only = false;
    bool mptcp = false;
    Endpoint local{};
    std::string interface {};  // SO_BINDTODEVICE
};

// It is what `plan` asks for: the same protocol, port, address and families.
[[nodiscard]] bool is_same_address(const ForeignListener& listener, const ListenerPlan& plan);
// The same where plan leaves the port to the kernel: one at which rpcbind has every version
// that rpc asks for.
[[nodiscard]] bool is_same_program(const ForeignListener& listener, const ListenerPlan& plan,
        const RpcPlan& rpc, const std::vector<RpcPort>& registered);
// It keeps `plan` from being bound although it is not the same: the port, and an address or a
// family in common.
[[nodiscard]] bool overlaps(const ForeignListener& listener, const ListenerPlan& plan);
// "tcp4:22", "tcp6:[::1]:22", "udp:69" for both families.
[[nodiscard]] std::string address_text(const ForeignListener& listener);

class ForeignListeners {
public:
    // Needs the right to trace pid. ESRCH: no such process.
    [[nodiscard]] static Result<ForeignListeners> of_process(int pid);

    // Those among descriptors, which become its own; the others are closed. holder: whose they
    // are. What is not claimed of them is to be closed for good.
    [[nodiscard]] static ForeignListeners of_descriptors(
            const std::vector<int>& descriptors, std::string holder);

    // True: the holder keeps them for superd, and uses none of them itself.
    [[nodiscard]] bool stored() const { return stored_; }

    // "xinetd, pid 812"
    [[nodiscard]] const std::string& holder() const { return holder_; }

    // What rpcbind has: by it the ports are known that nobody asked for by number.
    void set_registered(std::vector<RpcPort> ports) { registered_ = std::move(ports); }

    // The listener for plan, once: close-on-exec, non-blocking, listening with the plan's
    // backlog and with those of its options that can still be set.
    [[nodiscard]] Fd claim(const ListenerPlan& plan, const std::optional<RpcPlan>& rpc = {});

    // Those that nobody has claimed.
    [[nodiscard]] const std::vector<ForeignListener>& rest() const { return listeners_; }

private:
    std::string holder_;
    bool stored_ = false;
    std::vector<ForeignListener> listeners_;
    std::vector<RpcPort> registered_;
};

}  // namespace superd
