// SPDX-License-Identifier: MIT
// What superd reads of superd-resolve and superd-announce, these of superd, and of ident
// servers: what is accepted reads back the same and keeps its bounds.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/host_name.h"
#include "sys/announce_channel.h"
#include "sys/ident.h"
#include "sys/resolve_channel.h"

using namespace superd;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

void check_answer(std::string_view bytes) {
    const auto answer = decode_answer(bytes);
    if (!answer) return;
    must(encode_answer(*answer) == bytes);
    if (const auto* name = std::get_if<NameAnswer>(&*answer))
        must(name->name.size() <= host_name_limit &&
                name->name.find_first_of("\n\r \"\\") == std::string::npos);
    if (const auto* addresses = std::get_if<AddressAnswer>(&*answer))
        must(addresses->addresses.size() <= resolved_address_limit);
}

void check_announcements(std::string_view bytes) {
    if (const auto list = decode_announcements(bytes)) {
        must(encode_announcements(*list) == bytes);
        must(list->wanted.size() <= announcement_limit);
        for (const Announcement& announcement : list->wanted)
            must(announcement.ports.size() <= announced_port_limit);
    }
    const auto news = decode_announce_news(bytes);
    if (!news) return;
    must(encode_announce_news(*news) == bytes);
    if (const auto* report = std::get_if<AnnounceReport>(&*news))
        must(report->text.size() <= announce_text_limit &&
                report->text.find_first_of("\n\r\x1b") == std::string::npos);
}

void check_reply(std::string_view bytes) {
    const IdentReply reply = parse_ident_reply(bytes, 6193, 23);
    must(reply.text.size() <= ident_user_limit);
    must(reply.text.empty() == (reply.status == IdentStatus::failed));
    // Whatever a peer says can be handed to superd.
    must(encode_answer(IdentAnswer{1, reply}).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check_answer(bytes);
    if (const auto query = decode_query(bytes)) must(encode_query(*query) == bytes);
    check_announcements(bytes);
    check_reply(bytes);
    check_reply("6193, 23 : USERID : UNIX : " + std::string(bytes));
    return 0;
}
