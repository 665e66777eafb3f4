// SPDX-License-Identifier: MIT
// What an HTTP server answers a health check: a status that can be, or none; and with more of
// the answer a status that was there stays.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sys/http_reply.h"

using namespace superd;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const HttpReply all = read_http_reply(bytes, true);
    must(all.complete);
    must(all.status == 0 || (all.status >= 200 && all.status < 600));
    const HttpReply half = read_http_reply(bytes.substr(0, size / 2), false);
    if (half.complete && half.status != 0) must(all.status == half.status);
    return 0;
}
