// SPDX-License-Identifier: MIT
// Which services are announced where, what is said of them, and what became of it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "engine/announcer.h"
#include "engine/manager.h"
#include "engine/service.h"
#include "log/sinks.h"

namespace superd {

// Owned by the supervisor. Loop thread.
class Announcements {
public:
    // Starts a superd-announce for one kind of them; see Announcer::Launch.
    using Launch = std::function<bool(Announcing where, int theirs, int ours)>;
    // Null: there is none with this index any more.
    using FindService = std::function<const Service*(std::uint32_t index)>;

    // has_program: there is a superd-announce that could be started.
    Announcements(
            Loop& loop, EventSink& log, bool has_program, Launch launch, FindService find);

    // Where the service is to be found has changed, perhaps. Costs nothing for most.
    void follow(const Service& service);

    // superd stops: nothing is announced any more.
    void withdraw();
    // ... and that has been done, or takes too long.
    [[nodiscard]] bool withdrawn() const;

    // By the number that a superd-announce's record has as its listener.
    [[nodiscard]] Announcer& of_record(std::uint32_t where);

    // Empty: the service asks for no such announcement.
    [[nodiscard]] std::optional<AnnouncementStatus> status_of(
            const Service& service, Announcing where) const;

private:
    [[nodiscard]] Announcer make(Loop& loop, const Launch& launch, Announcing where);
    [[nodiscard]] const Announcer& at(Announcing where) const;
    void on_news(Announcing where, std::uint32_t id);

    EventSink& log_;
    const FindService find_;
    const bool has_program_;
    std::array<Announcer, announcing_count> announcers_;  // by Announcing
    bool withdrawn_ = false;
};

}  // namespace superd
