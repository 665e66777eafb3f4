// SPDX-License-Identifier: MIT
// What superd-announce does whomever it speaks to: takes lists from the channel, lets the back
// end see to them, sends back what became of them.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <poll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sys/announce_channel.h"

namespace superd {

// Where reports go. One that says nothing new is not sent.
class AnnounceReports {
public:
    virtual ~AnnounceReports() = default;
    virtual void report(const AnnounceReport& report) = 0;
    virtual void settled(std::uint32_t number) = 0;
};

// rpcbind or Avahi. One thread; called from AnnounceServer::run() only.
class AnnounceBackend {
public:
    virtual ~AnnounceBackend() = default;
    virtual void want(AnnouncementList list, Mono now) = 0;
    // What it waits for beside the channel; looked at by on_polled().
    virtual void add_to(std::vector<pollfd>& entries) = 0;
    // When on_polled() is to be called although nothing has happened; Mono::max(): never.
    [[nodiscard]] virtual Mono next(Mono now) const = 0;
    virtual void on_polled(Mono now) = 0;
    // superd has gone: so does everything that it had announced. May take a few seconds.
    virtual void withdraw() = 0;
};

class AnnounceServer final : public AnnounceReports {
public:
    AnnounceServer(Fd channel, Announcing where)
            : channel_(std::move(channel)), where_(where) {}

    // Until the channel is closed from the other side, or broken.
    void run(AnnounceBackend& backend);

    void report(const AnnounceReport& report) override;
    void settled(std::uint32_t number) override;

private:
    void take_lists(AnnounceBackend& backend);
    void send(const AnnounceNews& news);

    Fd channel_;
    const Announcing where_;
    std::map<std::uint32_t, AnnounceReport> said_;  // by id, of the list in force
    std::uint32_t settled_ = 0;
    bool ended_ = false;
};

}  // namespace superd
