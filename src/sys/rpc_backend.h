// SPDX-License-Identifier: MIT
// Keeps rpcbind told: registers what is wanted, again where rpcbind has forgotten it, and takes
// away what is wanted no longer.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "sys/announce_server.h"
#include "sys/rpcbind.h"

namespace superd {

class RpcBackend final : public AnnounceBackend {
public:
    using Connect = std::function<Result<std::unique_ptr<RpcbindTalk>>()>;

    struct Options {
        std::string socket = rpcbind_socket;  // whose appearance is watched for
        Connect connect{};
        std::string owner{};  // rpc_owner() of this process
    };

    RpcBackend(AnnounceReports& reports, Options options);

    void want(AnnouncementList list, Mono now) override;
    void add_to(std::vector<pollfd>& entries) override;
    [[nodiscard]] Mono next(Mono now) const override;
    void on_polled(Mono now) override;
    void withdraw() override;

private:
    void watch_socket();
    [[nodiscard]] bool socket_appeared();
    void look(Mono now);
    // True: everything is as wanted. Errors: rpcbind is not there, or went away meanwhile.
    [[nodiscard]] Result<bool> bring_in_line();
    [[nodiscard]] Result<void> take_away(RpcbindTalk& talk, const std::vector<RpcEntry>& gone);
    [[nodiscard]] Result<bool> bring_in_line(
            RpcbindTalk& talk, std::uint32_t id, const RpcStanding& standing);
    void report(std::uint32_t id, AnnounceState state, int error, std::string text);

    AnnounceReports& reports_;
    const Options options_;
    AnnouncementList list_;
    std::set<RpcKey> ours_;  // that this process has set, or may have
    Fd watch_;               // inotify on the socket's folder
    Mono look_at_ = Mono::max();
    std::uint32_t failures_ = 0;
    bool borrows_ = false;  // others' entries stand where ours would
};

}  // namespace superd
