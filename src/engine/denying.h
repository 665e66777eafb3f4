// SPDX-License-Identifier: MIT
// Addresses that are kept out of every service for a time: who asks for it, and who is told.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/deny_list.h"
#include "engine/manager.h"
#include "log/event.h"
#include "loop/loop.h"

namespace superd {

// Owned by the supervisor. Loop thread.
class Denying {
public:
    // What keeps denials apart from superd's own decisions is given the blocks that are denied
    // now: some time after a change, and when the first of them is over.
    using Spread = std::function<void(std::vector<Network> blocks)>;

    // path: of the file, see DenyList.
    Denying(Loop& loop, EventSink& log, std::string path, Spread spread);

    // Reads the file and says what it could not; the blocks that are denied now.
    [[nodiscard]] std::vector<Network> load();

    [[nodiscard]] const Denials& list() const { return list_.denials(); }

    // The oldest first.
    [[nodiscard]] std::vector<Denial> in_force() { return list_.in_force(loop_.wall()); }

    // As Manager has them; reply is called before they return.
    void deny(const Source& source, std::optional<Nanoseconds> length, std::string_view by,
            std::string_view reason, const Reply& reply);
    void allow_again(const std::optional<Source>& source, const Reply& reply);
    // The same for a sensor, which waits for nothing.
    void deny(const Endpoint& peer, std::optional<Nanoseconds> length, std::string_view by,
            std::string_view reason);

private:
    void on_changed();
    void spread_now();

    Loop& loop_;
    EventSink& log_;
    DenyList list_;
    const Spread spread_;
    Timer timer_;
    Mono spread_at_{};
    bool waits_for_expiry_ = false;
};

}  // namespace superd
