// SPDX-License-Identifier: MIT
// Looks at what a control client sends before the D-Bus library does, and bounds it.
//
// The library would allocate up to 128 MiB for one unfinished message and offers no smaller
// limit. So the bytes of a client pass through this gate: first the lines of the
// authentication, up to and with "BEGIN", bounded as a whole; then messages, each measured by
// the 16 bytes at its head before those bytes go on. What passes is unchanged; nothing is
// stored but one head.
//
// The caller forwards what admit() lets through, and opens the second part with
// begin_messages() only once the library itself says that authentication is over: so both
// always agree on where the first message begins.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace superd {

class FrameGate {
public:
    static constexpr std::size_t max_authentication = 4096;
    static constexpr std::size_t max_message = 64 * 1024;

    enum class State : std::uint8_t { authenticating, begun, messages, refused };

    // How many bytes from the front of `bytes` may go on now. Fewer than all: at the end of the
    // authentication (state begun: call begin_messages(), then admit() the rest), or for ever
    // (state refused: the client is to be dropped).
    [[nodiscard]] std::size_t admit(std::string_view bytes);
    void begin_messages();

    [[nodiscard]] State state() const { return state_; }

private:
    [[nodiscard]] std::size_t admit_authentication(std::string_view bytes);
    [[nodiscard]] std::size_t admit_messages(std::string_view bytes);
    void measure();

    State state_ = State::authenticating;
    std::size_t seen_ = 0;  // bytes of the authentication
    std::string line_;      // its current line, without its end; at most max_authentication
    std::array<unsigned char, 16> head_{};
    std::size_t head_size_ = 0;  // bytes of head_ that are there
    std::size_t remaining_ = 0;  // of the current message, behind its head
};

}  // namespace superd
