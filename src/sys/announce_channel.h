// SPDX-License-Identifier: MIT
// The messages between superd and superd-announce: one bounded packet each on a SOCK_SEQPACKET
// socket (base/packet.h).
//
// superd says what is to be announced, always all of it; superd-announce says what became of
// it. superd trusts no report further than decode_announce_news() does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace superd {

inline constexpr std::size_t announce_packet_limit = std::size_t{96} << 10;  // of a list
inline constexpr std::size_t announce_news_limit = 512;
inline constexpr std::size_t announcement_limit = 2048, announced_port_limit = 32;
inline constexpr std::size_t announce_text_limit = 256;
inline constexpr std::uint32_t rpc_versions_limit = 100;  // of one program
// RFC 6763: an instance's name, a type with its protocol, one text of a TXT record and all.
inline constexpr std::size_t mdns_name_limit = 63, mdns_type_limit = 21, mdns_text_limit = 255,
                             mdns_texts_limit = 64;

// Whom superd-announce speaks to. A process speaks to one.
enum class Announcing : std::uint8_t { rpc, mdns };
inline constexpr std::size_t announcing_count = 2;
[[nodiscard]] std::string_view announcing_word(Announcing where);  // "rpc", "mdns"

// ---- from superd

// Where clients find a service.
struct AnnouncedPort {
    bool datagrams = false;
    IpAddress
            ip{};  // 0.0.0.0 or ::, or one address; a socket for both families is two of these
    std::uint16_t port = 0;
    bool operator==(const AnnouncedPort&) const = default;
};

// An RPC program with its versions from low to high.
struct RpcAnnouncement {
    std::uint32_t program = 0, low = 0, high = 0;
    bool operator==(const RpcAnnouncement&) const = default;
};

// An instance of a service as multicast DNS has it (RFC 6763).
struct MdnsAnnouncement {
    std::string type{};  // "_ssh._tcp"; "_ssh": with the protocol of each port
    std::string name{};  // empty: the host's
    std::vector<std::string> txt{};
    bool operator==(const MdnsAnnouncement&) const = default;
};

struct Announcement {
    std::uint32_t id = 0;  // comes back with reports; once in a list
    std::variant<RpcAnnouncement, MdnsAnnouncement> what{};  // in the order of Announcing
    // None: it is not to be found, and what an earlier superd-announce left of it goes.
    std::vector<AnnouncedPort> ports{};
    bool operator==(const Announcement&) const = default;
};

// Takes the place of the list before.
struct AnnouncementList {
    std::uint32_t number = 0;
    std::vector<Announcement> wanted{};
    bool operator==(const AnnouncementList&) const = default;
};

// ---- from superd-announce

enum class AnnounceState : std::uint8_t {
    waiting,    // the other side is not there: error and text say why
    announced,  // text: under what name, where that is not the one asked for
    refused,    // it does not want it: text says why
};

// About an announcement that has ports: after each new list, and when it changes.
struct AnnounceReport {
    std::uint32_t number = 0;  // of the list
    std::uint32_t id = 0;
    AnnounceState state = AnnounceState::waiting;
    std::uint32_t error = 0;  // errno; 0: none
    std::string text{};       // one line without control characters; may be empty
    bool operator==(const AnnounceReport&) const = default;
};

// What the list no longer has is withdrawn, as far as there is anybody to withdraw it from.
struct AnnounceSettled {
    std::uint32_t number = 0;
    bool operator==(const AnnounceSettled&) const = default;
};

using AnnounceNews = std::variant<AnnounceReport, AnnounceSettled>;

// What an announcement takes of a list's announce_packet_limit.
[[nodiscard]] std::size_t announced_size(const Announcement& announcement);
inline constexpr std::size_t announce_head_size = 7;

// Nothing where a field is out of its bounds.
[[nodiscard]] std::optional<std::string> encode_announcements(const AnnouncementList& list);
[[nodiscard]] std::optional<std::string> encode_announce_news(const AnnounceNews& news);
// Nothing for anything that encode_ would not have made.
[[nodiscard]] std::optional<AnnouncementList> decode_announcements(std::string_view packet);
[[nodiscard]] std::optional<AnnounceNews> decode_announce_news(std::string_view packet);

// As send_packet() and receive_packet(); limit: of the kind of packet that is waited for.
[[nodiscard]] Result<void> send_announce_packet(int channel, std::string_view packet);
[[nodiscard]] Result<std::string> receive_announce_packet(int channel, std::size_t limit);

}  // namespace superd
