// SPDX-License-Identifier: MIT
// What services say to their notify socket: whatever it is, what is kept of it fits its field
// and can be printed, and saying it twice changes nothing.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "policy/notice.h"

using namespace superd;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

void check_status(std::string_view text) {
    must(text.size() <= notice_status_limit);
    for (const char c : text)
        must(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    must(printable(text, notice_status_limit) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto notice = parse_notice(bytes);
    must(parse_notice(bytes) == notice);
    if (!notice) return 0;
    if (notice->status) check_status(*notice->status);
    must(!notice->main_pid || *notice->main_pid > 0);
    for (const auto& time :
            {notice->monotonic, notice->watchdog_period, notice->extend_timeout})
        must(!time || *time >= Nanoseconds::zero());
    return 0;
}
