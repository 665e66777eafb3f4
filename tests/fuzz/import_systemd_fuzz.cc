// SPDX-License-Identifier: MIT
// Any bytes are a socket unit, its service, their drop-ins and their environment files.
#include "import_fuzz.h"

using namespace superd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::FuzzHost host(std::string(reinterpret_cast<const char*>(data), size));
    fuzz::must_be_sound(import_systemd({"/u/a.socket", "/u/b@c-d.socket"}, host), host);
    return 0;
}
