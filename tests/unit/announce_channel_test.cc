// SPDX-License-Identifier: MIT
#include "sys/announce_channel.h"

#include "support/catch.h"

namespace superd {

namespace {

Announcement announcement(std::uint32_t id) {
    return {.id = id,
            .what = RpcAnnouncement{100001, 1, 3},
            .ports = {{true, IpAddress::v4(0), 40001}, {false, *IpAddress::parse("::1"), 22}}};
}

Announcement on_the_network(std::uint32_t id) {
    return {.id = id,
            .what = MdnsAnnouncement{"_http._tcp", "The shop", {"path=/", "a=b"}},
            .ports = {{false, IpAddress{}, 80}}};
}

}  // namespace

TEST_CASE("announce channel: what is encoded reads back the same", "[announce]") {
    const AnnouncementList list{7, {announcement(1), on_the_network(2)}};
    const auto packet = encode_announcements(list);
    REQUIRE(packet);
    CHECK(decode_announcements(*packet) == list);
    CHECK(packet->size() == announce_head_size + announced_size(list.wanted[0]) +
                                    announced_size(list.wanted[1]));
    for (const AnnounceNews& news : {AnnounceNews{AnnounceSettled{7}},
                 AnnounceNews{AnnounceReport{7, 2, AnnounceState::waiting, 2, ""}},
                 AnnounceNews{AnnounceReport{7, 2, AnnounceState::refused, 0, "no \"x\""}}}) {
        const auto encoded = encode_announce_news(news);
        REQUIRE(encoded);
        CHECK(decode_announce_news(*encoded) == news);
    }
}

TEST_CASE("announce channel: every packet cut short, or with more behind it, is refused",
        "[announce]") {
    const auto packet = encode_announcements({7, {announcement(1), on_the_network(2)}});
    REQUIRE(packet);
    for (std::size_t size = 0; size < packet->size(); ++size)
        CHECK_FALSE(decode_announcements(packet->substr(0, size)));
    CHECK_FALSE(decode_announcements(*packet + "x"));
    CHECK_FALSE(decode_announce_news(*packet));
}

TEST_CASE("announce channel: nothing leaves its bounds", "[announce]") {
    const auto refused = [](const Announcement& one) {
        return !encode_announcements({1, {one}});
    };
    Announcement one = announcement(1);
    one.ports[0].port = 0;
    CHECK(refused(one));
    one = announcement(1);
    one.ports.resize(announced_port_limit + 1, one.ports[0]);
    CHECK(refused(one));
    one = announcement(1);
    one.what = RpcAnnouncement{1, 3, 2};
    CHECK(refused(one));
    one.what = RpcAnnouncement{1, 0, rpc_versions_limit};
    CHECK(refused(one));
    one.what = RpcAnnouncement{1, 0xffffffffu, 0xffffffffu};
    CHECK_FALSE(refused(one));
    for (const MdnsAnnouncement& mdns : {MdnsAnnouncement{"http", "", {}},
                 MdnsAnnouncement{"_" + std::string(mdns_type_limit, 'x'), "", {}},
                 MdnsAnnouncement{"_http", std::string(mdns_name_limit + 1, 'x'), {}},
                 MdnsAnnouncement{"_http", "a\nb", {}},
                 MdnsAnnouncement{"_http", "", {std::string(mdns_text_limit + 1, 'x')}},
                 MdnsAnnouncement{
                         "_http", "", std::vector<std::string>(mdns_texts_limit + 1, "x")}}) {
        one = on_the_network(1);
        one.what = mdns;
        CHECK(refused(one));
    }
    CHECK_FALSE(encode_announcements({1, {announcement(1), announcement(1)}}));
    AnnouncementList many{1, {}};
    for (std::uint32_t id = 0; id <= announcement_limit; ++id)
        many.wanted.push_back(announcement(id));
    CHECK_FALSE(encode_announcements(many));
    CHECK_FALSE(encode_announce_news(AnnounceReport{1, 1, AnnounceState::refused, 0, "a\nb"}));
    CHECK_FALSE(encode_announce_news(AnnounceReport{
            1, 1, AnnounceState::refused, 0, std::string(announce_text_limit + 1, 'x')}));
}

}  // namespace superd
