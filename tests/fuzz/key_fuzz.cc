// SPDX-License-Identifier: MIT
// What a superd-key reads of its relay: no packet makes it sign what is no digest.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "tls/key_server.h"

using namespace superd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto* const keys = [] {
        auto* made = new KeyServer(Fd());
        made->hold(0, R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIXD9V2KLZDJPfhXW
klAPZ/xqlpFQIlgZcXDVOijcTL+hRANCAATjxxNyoen3HFG9yVV7Z3gcy+wN6DBp
rmt4KAHJDSPoa+XPWYmkgFofjz7NqryEa0gmPCQAGuk80LtB1nCHwtJS
-----END PRIVATE KEY-----
)");
        return made;
    }();
    const KeyAnswer answer = keys->answer({data, size});
    if (answer.size > sizeof answer.data) std::abort();
    if (answer.size == 0) return 0;
    // Signed: it was a whole question with a digest.
    KeyQuestion question;
    std::memcpy(&question, data, size);
    if (question.size != 32 && question.size != 48 && question.size != 64) std::abort();
    return 0;
}
