// SPDX-License-Identifier: MIT
// The supervisor's side of handlers that are started ahead: when there are to be any, what they
// are launched with, and what becomes of one that a client has come for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/warm.h"

namespace superd {

class Supervisor;

// Owned by the supervisor, a part of it.
class Warming final : private WarmHost {
public:
    Warming(Supervisor& supervisor, std::string library);

    // After anything that may have changed whether clients can come.
    void follow(Service& service);

    [[nodiscard]] WarmHandlers& handlers() { return handlers_; }

    [[nodiscard]] const WarmHandlers& handlers() const { return handlers_; }

    // A sentence or two for `why`; empty where nothing is started ahead.
    [[nodiscard]] static std::string sentences(const std::optional<WarmStatus>& status);

private:
    void equip_warm(Service& service, Launch& launch) override;
    [[nodiscard]] std::uint32_t room_for_warm() const override;
    void count_warm(bool more) override;
    void on_warm_arrived(std::uint32_t record, std::uint32_t from) override;
    void on_warm_not_launched(std::uint32_t record, const LaunchResult& result) override;
    void on_warm_changed(Service& service) override;

    Supervisor& supervisor_;
    WarmHandlers handlers_;
};

}  // namespace superd
