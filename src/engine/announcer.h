// SPDX-License-Identifier: MIT
// superd's side of superd-announce: what is to be announced, and what became of it.
//
// The program is started when there is something to announce, and again when it dies; its
// channel closes, and it ends, when there is nothing any more. A superd that takes over goes on
// with the program and the channel of the one before: nothing is withdrawn meanwhile. What is
// announced no longer is remembered until the program says that it is gone. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "loop/loop.h"
#include "sys/announce_channel.h"

namespace superd {

class Announcer {
public:
    // Starts superd-announce with its end of the channel, a loan until on_started(); ours: what
    // outlives superd and comes back by adopt(). False: not now.
    using Launch = std::function<bool(int theirs, int ours)>;
    // Something else than before has become of an announcement.
    using OnNews = std::function<void(std::uint32_t id)>;

    Announcer(Loop& loop, Launch launch, OnNews on_news);

    // Takes the place of what had its id. Sent with all others when the turn is over.
    void set(Announcement announcement);
    void drop(std::uint32_t id);

    [[nodiscard]] const Announcement* find(std::uint32_t id) const;
    // Null: nothing is known yet.
    [[nodiscard]] const AnnounceReport* report_of(std::uint32_t id) const;

    // superd stops: nothing is announced any more.
    void withdraw();
    // ... and that has been done, or takes too long.
    [[nodiscard]] bool withdrawn() const;

    // ---- news of the process
    void adopt(Fd channel);
    void on_started();
    void on_ended();

private:
    struct Entry {
        Announcement wanted;
        std::optional<AnnounceReport> report{};
        // What on_news was last called about.
        std::optional<Announcement> said_of{};
        std::optional<AnnounceReport> said{};
        bool dropped = false;  // goes when the list without it is settled
    };

    void change();
    void flush();
    void open();
    void watch();
    [[nodiscard]] AnnouncementList make_list();
    void on_channel();
    void take(const AnnounceReport& report);
    void on_settled(std::uint32_t number);
    void lose_channel();
    void say(Entry& entry);

    Loop& loop_;
    const Launch launch_;
    const OnNews on_news_;
    std::map<std::uint32_t, Entry> entries_;
    Fd channel_, theirs_;
    std::unique_ptr<Poll> poll_;
    Timer send_;     // soon, or when the channel may have room again
    Timer restart_;  // a program that dies again and again is not started at once
    Mono started_{};
    std::uint32_t failures_ = 0;
    std::uint32_t number_;  // of the list that was sent last
    bool running_ = false;  // its process has not ended
    bool sent_ = true;
    bool settled_ = true;
    bool stopping_ = false;
    Mono give_up_at_{};
};

}  // namespace superd
