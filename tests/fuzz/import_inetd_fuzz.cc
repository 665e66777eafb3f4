// SPDX-License-Identifier: MIT
// Any bytes are an inetd.conf of any dialect, which the first byte chooses.
#include "import_fuzz.h"

using namespace superd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    constexpr unsigned dialects = 5;
    fuzz::FuzzHost host(std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
    const auto dialect = static_cast<InetdDialect>(data[0] % dialects);
    fuzz::must_be_sound(import_inetd("/etc/inetd.conf", dialect, host), host);
    return 0;
}
