// SPDX-License-Identifier: MIT
// superd's side of superd-announce.
#include "engine/announcer.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "policy/backoff.h"

namespace superd {

namespace {

// superd's end waits no longer for others to have forgotten its services.
constexpr auto patience = std::chrono::seconds(2);
constexpr auto retry_interval = std::chrono::milliseconds(20);
// News of the program must not keep the rest of superd waiting.
constexpr int packets_a_turn = 32;

bool same_news(const AnnounceReport& a, const AnnounceReport& b) {
    return a.state == b.state && a.error == b.error && a.text == b.text;
}

}  // namespace

Announcer::Announcer(Loop& loop, Launch launch, OnNews on_news)
        : loop_(loop),
          launch_(std::move(launch)),
          on_news_(std::move(on_news)),
          send_(loop, [this] { flush(); }),
          restart_(loop, [this] { flush(); }),
          // Not that of a list which a former superd sent and whose reports are on their way.
          number_(static_cast<std::uint32_t>(loop.now().time_since_epoch().count() >> 10)) {}

void Announcer::set(Announcement announcement) {
    if (stopping_) return;
    const std::uint32_t id = announcement.id;
    const auto [known, fresh] = entries_.try_emplace(id);
    Entry& entry = known->second;
    if (!fresh && !entry.dropped && entry.wanted == announcement) return;
    entry.wanted = std::move(announcement);
    entry.report.reset();
    entry.dropped = false;
    change();
}

void Announcer::drop(std::uint32_t id) {
    const auto known = entries_.find(id);
    if (known == entries_.end() || known->second.dropped) return;
    known->second = {.wanted = std::move(known->second.wanted), .dropped = true};
    known->second.wanted.ports.clear();
    change();
}

const Announcement* Announcer::find(std::uint32_t id) const {
    const auto known = entries_.find(id);
    return known == entries_.end() || known->second.dropped ? nullptr : &known->second.wanted;
}

const AnnounceReport* Announcer::report_of(std::uint32_t id) const {
    const auto known = entries_.find(id);
    return known == entries_.end() || !known->second.report ? nullptr : &*known->second.report;
}

void Announcer::withdraw() {
    if (std::exchange(stopping_, true)) return;
    give_up_at_ = loop_.now() + patience;
    for (auto& [id, entry] : entries_) {
        entry.dropped = true;
        entry.wanted.ports.clear();
    }
    restart_.stop();
    change();
    flush();
}

bool Announcer::withdrawn() const {
    return !channel_ || settled_ || loop_.now() >= give_up_at_;
}

// Whatever else changes in this turn goes with the same list.
void Announcer::change() {
    sent_ = settled_ = false;
    send_.start(Nanoseconds{0});
}

void Announcer::flush() {
    if (sent_) return;
    if (!channel_) {
        const bool any = std::any_of(entries_.begin(), entries_.end(),
                [](const auto& entry) { return !entry.second.wanted.ports.empty(); });
        if (!any)
            std::erase_if(entries_, [](const auto& entry) { return entry.second.dropped; });
        // One that is ending comes first: it takes back what it had announced.
        if (any && !running_ && !stopping_ && !restart_.active()) open();
        if (!channel_) return;
    }
    ++number_;
    const auto packet = encode_announcements(make_list());
    const auto sent = packet ? send_announce_packet(channel_.get(), *packet)
                             : Result<void>(fail(EMSGSIZE, "send"));
    sent_ = sent || sent.error().code != EAGAIN;
    if (!sent_) send_.start(retry_interval);
}

// What no longer fits into a packet is said to be refused.
AnnouncementList Announcer::make_list() {
    AnnouncementList list{.number = number_};
    std::size_t size = announce_head_size;
    for (auto& [id, entry] : entries_) {
        const std::size_t more = announced_size(entry.wanted);
        if (size + more <= announce_packet_limit && list.wanted.size() < announcement_limit) {
            size += more;
            list.wanted.push_back(entry.wanted);
            continue;
        }
        entry.report = AnnounceReport{number_, id, AnnounceState::refused, 0,
                "superd-announce has as many services as it takes"};
        say(entry);
    }
    return list;
}

void Announcer::open() {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
        channel_.reset(ends[0]);
        theirs_.reset(ends[1]);
    }
    if (!channel_ || !launch_(theirs_.get(), channel_.get())) {
        channel_.reset();
        theirs_.reset();
        restart_.start(backoff_delay(++failures_));
        return;
    }
    running_ = true;
    started_ = loop_.now();
    watch();
}

void Announcer::watch() {
    poll_ = std::make_unique<Poll>(loop_, channel_.get(), [this](int, int) { on_channel(); });
    poll_->start(Poll::readable | Poll::hangup);
}

void Announcer::adopt(Fd channel) {
    running_ = true;
    started_ = loop_.now();
    channel_ = std::move(channel);
    if (!channel_) return;  // it ends by itself, and the next one begins
    watch();
    change();
}

void Announcer::on_started() {
    theirs_.reset();
}

void Announcer::on_ended() {
    if (poll_) on_channel();  // what it said before it went
    lose_channel();
    running_ = false;
    if (loop_.now() - started_ > backoff_ceiling) failures_ = 0;
    for (auto& [id, entry] : entries_)
        entry.report.reset();
    if (entries_.empty() || stopping_) return;
    sent_ = settled_ = false;
    restart_.start(backoff_delay(failures_++));
}

void Announcer::lose_channel() {
    poll_.reset();
    channel_.reset();
    theirs_.reset();
}

// What is left over makes the channel readable in the next turn.
void Announcer::on_channel() {
    for (int i = 0; i < packets_a_turn; ++i) {
        const auto packet = receive_announce_packet(channel_.get(), announce_news_limit);
        if (!packet && packet.error().code == EAGAIN) return;
        const auto news = packet ? decode_announce_news(*packet) : std::nullopt;
        // A program that says what it cannot say is not listened to any more.
        if (!news) return lose_channel();
        if (const auto* report = std::get_if<AnnounceReport>(&*news))
            take(*report);
        else
            on_settled(std::get<AnnounceSettled>(*news).number);
        if (!channel_) return;
    }
}

// A report about another list than the last one says nothing of what is wanted now.
void Announcer::take(const AnnounceReport& report) {
    const auto known = entries_.find(report.id);
    if (report.number != number_ || !sent_ || known == entries_.end() ||
            known->second.wanted.ports.empty())
        return;
    known->second.report = report;
    say(known->second);
}

void Announcer::say(Entry& entry) {
    const bool old = entry.said && entry.said_of == entry.wanted &&
                     same_news(*entry.said, *entry.report);
    if (old) return;
    entry.said = entry.report;
    entry.said_of = entry.wanted;
    on_news_(entry.wanted.id);
}

void Announcer::on_settled(std::uint32_t number) {
    if (number != number_ || !sent_) return;
    settled_ = true;
    std::erase_if(entries_, [](const auto& entry) { return entry.second.dropped; });
    if (entries_.empty()) lose_channel();  // it ends: there is nothing to do for it
}

}  // namespace superd
