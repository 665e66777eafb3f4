// SPDX-License-Identifier: MIT
// The messages between superd and superd-announce: encoding, decoding, sending, receiving.
#include "sys/announce_channel.h"

#include <algorithm>
#include <set>

#include "base/packet.h"
#include "base/packet_socket.h"
#include "base/text.h"

namespace superd {

namespace {

// The type bytes of one direction are none of the other's.
constexpr std::uint8_t first_list = 1, first_news = 64;
constexpr const char* subject = "announce channel";

using ToAnnounce = std::variant<AnnouncementList>;

bool has_ids(const AnnouncementList& list) {
    std::set<std::uint32_t> ids;
    return std::all_of(list.wanted.begin(), list.wanted.end(),
            [&](const Announcement& one) { return ids.insert(one.id).second; });
}

}  // namespace

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, RpcAnnouncement>& m) {
    c.value(m.program);
    c.value(m.low);
    c.value(m.high);
    c.require(m.low <= m.high && m.high - m.low < rpc_versions_limit);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, MdnsAnnouncement>& m) {
    c.text(m.type, mdns_type_limit);
    c.text(m.name, mdns_name_limit);
    c.list(m.txt, mdns_texts_limit, [&](auto& text) { c.text(text, mdns_text_limit); });
    c.require(m.type.starts_with('_') && escape(m.type) == m.type);
    c.require(escape(m.name) == m.name);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, AnnouncedPort>& m) {
    c.value(m.datagrams);
    c.value(m.ip);
    c.value(m.port);
    c.require(m.port != 0);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, Announcement>& m) {
    c.value(m.id);
    auto where = static_cast<Announcing>(m.what.index());
    c.value(where, Announcing::mdns);
    if constexpr (!Coder::writes)
        if (where == Announcing::mdns) m.what = MdnsAnnouncement{};
    std::visit([&](auto& what) { code_fields(c, what); }, m.what);
    c.list(m.ports, announced_port_limit, [&](auto& port) { code_fields(c, port); });
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, AnnouncementList>& m) {
    c.value(m.number);
    c.list(m.wanted, announcement_limit, [&](auto& one) { code_fields(c, one); });
    c.require(has_ids(m));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, AnnounceReport>& m) {
    c.value(m.number);
    c.value(m.id);
    c.value(m.state, AnnounceState::refused);
    c.value(m.error);
    c.text(m.text, announce_text_limit);
    c.require(escape(m.text) == m.text);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, AnnounceSettled>& m) {
    c.value(m.number);
}

std::string_view announcing_word(Announcing where) {
    return where == Announcing::rpc ? "rpc" : "mdns";
}

std::size_t announced_size(const Announcement& announcement) {
    PacketWriter out;
    code_fields(out, announcement);
    const auto packet = out.take(announce_packet_limit);
    return packet ? packet->size() : announce_packet_limit;
}

std::optional<std::string> encode_announcements(const AnnouncementList& list) {
    return encode_packet(ToAnnounce(list), first_list, announce_packet_limit);
}

std::optional<std::string> encode_announce_news(const AnnounceNews& news) {
    return encode_packet(news, first_news, announce_news_limit);
}

std::optional<AnnouncementList> decode_announcements(std::string_view packet) {
    auto list = decode_packet<ToAnnounce>(packet, first_list, announce_packet_limit);
    if (!list) return std::nullopt;
    return std::get<AnnouncementList>(std::move(*list));
}

std::optional<AnnounceNews> decode_announce_news(std::string_view packet) {
    return decode_packet<AnnounceNews>(packet, first_news, announce_news_limit);
}

Result<void> send_announce_packet(int channel, std::string_view packet) {
    return send_packet(channel, packet, {}, subject);
}

Result<std::string> receive_announce_packet(int channel, std::size_t limit) {
    std::string packet(limit + 1, '\0');
    const auto received = receive_packet(channel, packet, 0, subject);
    if (!received) return tl::unexpected(received.error());
    packet.resize(received->size);
    return packet;
}

}  // namespace superd
