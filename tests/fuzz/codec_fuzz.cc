// SPDX-License-Identifier: MIT
// A plan from arbitrary bytes: nothing, or a whole one that encodes and decodes again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/codec.h"
#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // The fuzzer cannot guess the fingerprint: a valid header, which holds no NUL, stands
    // before half of the inputs.
    const std::string empty = superd::encode_plan(superd::Plan{});
    std::string bytes;
    if (size > 0 && (data[0] & 1) != 0) bytes = empty.substr(0, empty.find('\0'));
    if (size > 0) bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (const auto plan = superd::decode_plan(bytes)) {
        const std::string again = superd::encode_plan(*plan);
        if (!superd::decode_plan(again)) std::abort();
        for (const auto& service : plan->services)
            if (superd::plan_json(*plan, *service).empty()) std::abort();
    }
    static_cast<void>(superd::decode_read_result(bytes));
    return 0;
}
