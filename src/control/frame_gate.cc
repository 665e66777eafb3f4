// SPDX-License-Identifier: MIT
// Bounds what a control client sends.
#include "control/frame_gate.h"

#include <algorithm>

namespace superd {

namespace {

// The D-Bus specification, "Message Format": byte order, type, flags, protocol version, length
// of the body, serial, length of the array of header fields, which is padded to 8 bytes.
constexpr std::size_t version_at = 3, body_at = 4, fields_at = 12;

std::uint64_t read_u32(const std::array<unsigned char, 16>& head, std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const auto shift = head[0] == 'l' ? 8 * i : 8 * (3 - i);
        value |= static_cast<std::uint64_t>(head[at + i]) << shift;
    }
    return value;
}

}  // namespace

std::size_t FrameGate::admit(std::string_view bytes) {
    switch (state_) {
        case State::authenticating: return admit_authentication(bytes);
        case State::messages: return admit_messages(bytes);
        case State::begun:
        case State::refused: break;
    }
    return 0;
}

void FrameGate::begin_messages() {
    if (state_ == State::begun) state_ = State::messages;
}

// A client begins with one NUL byte, then come lines that end with CR LF.
std::size_t FrameGate::admit_authentication(std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char byte = bytes[i];
        if ((seen_++ == 0) != (byte == '\0') || seen_ > max_authentication) {
            state_ = State::refused;
            return i;
        }
        if (seen_ == 1) continue;
        line_ += byte;
        if (!line_.ends_with("\r\n")) continue;
        if (line_ == "BEGIN\r\n") {
            state_ = State::begun;
            return i + 1;
        }
        line_.clear();
    }
    return bytes.size();
}

std::size_t FrameGate::admit_messages(std::string_view bytes) {
    std::size_t passed = 0;
    while (passed < bytes.size()) {
        if (remaining_ > 0) {
            const auto step = std::min(remaining_, bytes.size() - passed);
            remaining_ -= step;
            passed += step;
            continue;
        }
        head_[head_size_++] = static_cast<unsigned char>(bytes[passed]);
        if (head_size_ == head_.size()) measure();
        if (state_ == State::refused) return passed;
        ++passed;
    }
    return passed;
}

void FrameGate::measure() {
    head_size_ = 0;
    const auto fields = (read_u32(head_, fields_at) + 7) & ~std::uint64_t{7};
    const auto rest = fields + read_u32(head_, body_at);
    const bool known = (head_[0] == 'l' || head_[0] == 'B') && head_[version_at] == 1;
    if (!known || head_.size() + rest > max_message)
        state_ = State::refused;
    else
        remaining_ = static_cast<std::size_t>(rest);
}

}  // namespace superd
