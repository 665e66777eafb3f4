// SPDX-License-Identifier: MIT
#include "sys/rpc_backend.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/text.h"
#include "policy/backoff.h"

namespace superd {

namespace {

// A rpcbind that was restarted behind a socket that stayed has forgotten everything.
constexpr auto look_interval = std::chrono::seconds(30);
// While others' entries stand where ours would: an inetd whose place superd takes goes soon,
// and until ours are there clients find nothing.
constexpr auto borrowed_interval = std::chrono::seconds(3);

std::string taken_text(const RpcEntry& entry) {
    std::string text = fmt::format("version {} over {} is registered by {}, at {}",
            entry.key.version, entry.key.netid,
            entry.owner == "superuser" ? "root" : "user " + entry.owner, entry.address);
    text = escape(text);
    text.resize(std::min(text.size(), announce_text_limit));
    return escape(text) == text ? text : "";
}

}  // namespace

RpcBackend::RpcBackend(AnnounceReports& reports, Options options)
        : reports_(reports), options_(std::move(options)) {
    watch_socket();
}

void RpcBackend::watch_socket() {
    const std::string folder = options_.socket.substr(0, options_.socket.rfind('/'));
    watch_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (::inotify_add_watch(watch_.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO) < 0)
        watch_.reset();
}

void RpcBackend::add_to(std::vector<pollfd>& entries) {
    if (watch_) entries.push_back({watch_.get(), POLLIN, 0});
}

bool RpcBackend::socket_appeared() {
    const std::string name = options_.socket.substr(options_.socket.rfind('/') + 1);
    alignas(inotify_event) std::array<char, 4096> buffer;
    bool appeared = false;
    for (;;) {
        const ssize_t size = watch_ ? ::read(watch_.get(), buffer.data(), buffer.size()) : -1;
        if (size <= 0) return appeared;
        for (ssize_t at = 0; at < size;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* said = buffer.data() + at + sizeof event;
            appeared = appeared || (event.len > 0 && name == said) ||
                       (event.mask & IN_Q_OVERFLOW) != 0;
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
    }
}

Mono RpcBackend::next(Mono) const {
    return look_at_;
}

void RpcBackend::want(AnnouncementList list, Mono now) {
    list_ = std::move(list);
    failures_ = 0;
    look(now);
}

void RpcBackend::on_polled(Mono now) {
    const bool appeared = socket_appeared();
    // It is bound a moment before it listens: the tries begin anew, close to one another.
    if (appeared) failures_ = 0;
    if (look_at_ != Mono::max() && (appeared || now >= look_at_)) look(now);
}

void RpcBackend::look(Mono now) {
    const auto done = bring_in_line();
    if (done) {
        reports_.settled(list_.number);
    } else {
        const int error = done.error().code;
        for (const Announcement& announcement : list_.wanted)
            if (!announcement.ports.empty())
                report(announcement.id, AnnounceState::waiting, error, {});
        // One that is not there has nothing of ours either.
        if (error == ENOENT || error == ECONNREFUSED) reports_.settled(list_.number);
    }
    failures_ = done && *done ? 0 : failures_ + 1;
    const Nanoseconds most = done && borrows_ ? borrowed_interval : look_interval;
    const auto pause =
            failures_ == 0 ? most : std::min<Nanoseconds>(backoff_delay(failures_), most);
    const bool idle = list_.wanted.empty() && ours_.empty();
    look_at_ = idle ? Mono::max() : now + pause;
}

Result<bool> RpcBackend::bring_in_line() {
    if (list_.wanted.empty() && ours_.empty()) return true;
    auto talk = options_.connect();
    if (!talk) return tl::unexpected(talk.error());
    auto listed = (*talk)->list();
    if (!listed) return tl::unexpected(listed.error());
    const RpcSteps steps = make_rpc_steps(list_, *listed, ours_, options_.owner);
    if (auto gone = take_away(**talk, steps.unset); !gone) return tl::unexpected(gone.error());
    std::set<RpcKey> ours;
    bool all = true;
    borrows_ = false;
    for (const Announcement& announcement : list_.wanted) {
        const auto standing = steps.standings.find(announcement.id);
        if (standing == steps.standings.end()) continue;
        borrows_ = borrows_ || standing->second.borrowed || !standing->second.taken.empty();
        for (const RpcEntry& entry : rpc_entries(announcement))
            ours.insert(entry.key);
        // Written down first: what comes of a call that fails is not known.
        ours_.insert(ours.begin(), ours.end());
        const auto done = bring_in_line(**talk, announcement.id, standing->second);
        if (!done) return done;
        all = all && *done;
    }
    ours_ = std::move(ours);
    return all;
}

Result<void> RpcBackend::take_away(RpcbindTalk& talk, const std::vector<RpcEntry>& gone) {
    for (const RpcEntry& entry : gone) {
        const auto unset = talk.unset(entry.key);
        if (!unset) return tl::unexpected(unset.error());
    }
    return {};
}

Result<bool> RpcBackend::bring_in_line(
        RpcbindTalk& talk, std::uint32_t id, const RpcStanding& standing) {
    std::string trouble;
    for (const RpcEntry& entry : standing.taken)
        if (trouble.empty()) trouble = taken_text(entry);
    for (const RpcEntry& entry : standing.to_set) {
        const auto set = talk.set(entry);
        if (!set) return tl::unexpected(set.error());
        if (!*set && trouble.empty())
            trouble = fmt::format("version {} over {}", entry.key.version, entry.key.netid);
    }
    const auto state = trouble.empty() ? AnnounceState::announced : AnnounceState::refused;
    report(id, state, 0, std::move(trouble));
    return state == AnnounceState::announced;
}

void RpcBackend::report(std::uint32_t id, AnnounceState state, int error, std::string text) {
    reports_.report(
            {list_.number, id, state, static_cast<std::uint32_t>(error), std::move(text)});
}

// What is left behind by a rpcbind that does not answer goes when that one does.
void RpcBackend::withdraw() {
    for (Announcement& announcement : list_.wanted)
        announcement.ports.clear();
    static_cast<void>(bring_in_line());
}

}  // namespace superd
