// SPDX-License-Identifier: MIT
// Any bytes are a configuration of xinetd: the import ends, and superd takes what it writes.
#include "import_fuzz.h"

using namespace superd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::FuzzHost host(std::string(reinterpret_cast<const char*>(data), size));
    fuzz::must_be_sound(import_xinetd({}, host), host);
    return 0;
}
