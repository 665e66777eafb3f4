// SPDX-License-Identifier: MIT
// The control socket: listens on a UNIX path and serves the control object to each client.
//
// Each client is a D-Bus peer (no bus daemon); what may be asked stands in control/object.h.
// All bounds are here: clients, clients of one user, the time to authenticate, the size of a
// message (control/frame_gate.h), what a client that does not read can make superd keep.
// Reading is open to all who can reach the socket; changing needs uid 0, superd's own uid or
// membership in the admin group, by the credentials the client had when it connected.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "control/access.h"
#include "engine/manager.h"
#include "log/event.h"
#include "loop/loop.h"

namespace superd {

class ControlSession;

struct ControlOptions {
    std::string path;  // of the socket; its folder is made where it is missing
    std::optional<std::uint32_t>
            admin_gid;  // the socket's group; empty: only root and the own uid
    std::uint32_t max_clients = 64;
    std::uint32_t max_clients_per_user = 16;  // uid 0 and the own uid are not counted here
    Nanoseconds authentication_timeout{std::chrono::seconds(2)};
    Nanoseconds write_timeout{
            std::chrono::seconds(30)};  // a client that does not read is dropped
    EventSink* log = nullptr;           // who changed what; may be empty
};

class ControlServer {
public:
    // Binds and listens, mode 0660. A socket that nobody listens on is replaced; where somebody
    // does, the sentence says so: "another superd, pid 812, listens on /run/superd/control".
    // loop, manager and options.log must outlive the server.
    [[nodiscard]] static tl::expected<std::unique_ptr<ControlServer>, std::string> open(
            Loop& loop, Manager& manager, const ControlOptions& options);
    // Drops all clients and removes the socket.
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // After a reload with another admin_group. Clients that are connected keep the rights of
    // the groups they came with, judged by the new group.
    void set_admin_gid(std::optional<std::uint32_t> gid);

    [[nodiscard]] std::size_t clients() const { return sessions_.size(); }

    [[nodiscard]] const std::string& path() const { return options_.path; }

private:
    ControlServer(Loop& loop, Manager& manager, const ControlOptions& options, Fd listener);
    void on_connection();
    void let_in(Fd client);
    [[nodiscard]] bool has_room(const ControlCredentials& peer) const;
    void bury_ended();

    Loop& loop_;
    Manager& manager_;
    ControlOptions options_;
    ControlRights rights_;
    Fd listener_;
    std::uint64_t device_ = 0, inode_ = 0;  // of the socket's node: only that one is removed
    std::unique_ptr<Poll> poll_;
    Timer bury_;       // sessions end inside their own callbacks
    Timer come_back_;  // accepts again after a lack of descriptors
    std::vector<std::shared_ptr<ControlSession>> sessions_;
};

}  // namespace superd
