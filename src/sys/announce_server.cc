// SPDX-License-Identifier: MIT
// The loop of superd-announce.
#include "sys/announce_server.h"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

namespace superd {

namespace {

int wait_ms(Mono until, Mono now) {
    if (until == Mono::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

bool is_for(Announcing where, const AnnouncementList& list) {
    return std::all_of(list.wanted.begin(), list.wanted.end(), [where](const auto& one) {
        return one.what.index() == static_cast<std::size_t>(where);
    });
}

}  // namespace

void AnnounceServer::run(AnnounceBackend& backend) {
    std::vector<pollfd> entries;
    while (!ended_) {
        entries.assign({{channel_.get(), POLLIN, 0}});
        backend.add_to(entries);
        const Mono now = SystemClock().now();
        const int ready =
                ::poll(entries.data(), entries.size(), wait_ms(backend.next(now), now));
        if (ready < 0 && errno != EINTR) break;
        if (ready > 0 && entries[0].revents != 0) take_lists(backend);
        if (!ended_) backend.on_polled(SystemClock().now());
    }
    backend.withdraw();
}

// Each list is all there is: of several the last one counts.
void AnnounceServer::take_lists(AnnounceBackend& backend) {
    std::optional<AnnouncementList> last;
    for (;;) {
        const auto packet = receive_announce_packet(channel_.get(), announce_packet_limit);
        if (!packet && packet.error().code == EBADMSG) continue;
        if (!packet) {
            ended_ = packet.error().code != EAGAIN;
            break;
        }
        auto list = decode_announcements(*packet);
        if (list && is_for(where_, *list)) last = std::move(*list);
    }
    if (!last || ended_) return;
    said_.clear();
    settled_ = 0;
    backend.want(std::move(*last), SystemClock().now());
}

void AnnounceServer::report(const AnnounceReport& report) {
    const auto [known, fresh] = said_.try_emplace(report.id, report);
    if (!fresh && known->second == report) return;
    known->second = report;
    send(report);
}

void AnnounceServer::settled(std::uint32_t number) {
    if (number == settled_) return;
    settled_ = number;
    send(AnnounceSettled{number});
}

// Waits where superd does not read: there is nothing better to do, and a superd that is gone
// for good closes the channel.
void AnnounceServer::send(const AnnounceNews& news) {
    const auto packet = encode_announce_news(news);
    if (!packet || ended_) return;
    for (;;) {
        const auto sent = send_announce_packet(channel_.get(), *packet);
        if (sent) return;
        const int error = sent.error().code;
        if (error != EAGAIN && error != ENOBUFS) {
            ended_ = true;
            return;
        }
        pollfd entry{channel_.get(), POLLOUT, 0};
        ::poll(&entry, 1, 1000);
    }
}

}  // namespace superd
