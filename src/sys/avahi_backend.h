// SPDX-License-Identifier: MIT
// Keeps Avahi told: publishes what is wanted over multicast DNS, again when Avahi or the bus
// was restarted, and under another name where somebody has the one that was asked for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sys/announce_server.h"
#include "sys/avahi_bus.h"

namespace superd {

class AvahiBackend final : public AnnounceBackend {
public:
    explicit AvahiBackend(AnnounceReports& reports) : reports_(reports) {}

    void want(AnnouncementList list, Mono now) override;
    void add_to(std::vector<pollfd>& entries) override;
    [[nodiscard]] Mono next(Mono now) const override;
    void on_polled(Mono now) override;
    void withdraw() override;

private:
    // One announcement as it is published.
    struct Group {
        Announcement announcement;
        std::string path{};  // of Avahi's EntryGroup; empty: there is none now
        std::string name{};  // as tried last; empty: the one asked for
        unsigned renamed = 0;
        std::optional<AnnounceReport> said{};
    };

    void connect(Mono now);
    void look_at_avahi();
    void on_server(bool runs);
    void on_group(const AvahiNews& news);
    void publish(Group& group);
    [[nodiscard]] AvahiOutcome try_publish(Group& group);
    [[nodiscard]] AvahiOutcome rename(Group& group);
    void take_back(Group& group);
    // A name that is taken is not the end of it; all else is.
    void conclude(Group& group, const AvahiOutcome& outcome);
    void lose_bus(int error);
    void forget_groups();
    void say(Group& group, AnnounceState state, int error, std::string text);
    void say_waiting(int error, const std::string& what);

    AnnounceReports& reports_;
    AvahiBus bus_;
    std::uint32_t number_ = 0;
    std::map<std::uint32_t, Group> groups_;   // by id, those with ports
    bool runs_ = false;                       // Avahi publishes
    std::string missing_ = "the system bus";  // what is waited for where it does not
    int missing_error_ = 0;
    Mono retry_at_ = Mono::max();
    std::uint32_t failures_ = 0;
};

}  // namespace superd
