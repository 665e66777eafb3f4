// SPDX-License-Identifier: MIT
#include "control/frame_gate.h"

#include "support/catch.h"

using namespace superd;
using namespace std::string_view_literals;

namespace {

std::string message(std::uint32_t body, std::uint32_t fields, bool little = true) {
    std::string bytes(16, '\0');
    bytes[0] = little ? 'l' : 'B';
    bytes[1] = 1;
    bytes[3] = 1;
    for (unsigned i = 0; i < 4; ++i) {
        const auto at = little ? i : 3 - i;
        bytes[4 + at] = static_cast<char>(body >> (8 * i));
        bytes[12 + at] = static_cast<char>(fields >> (8 * i));
    }
    return bytes;
}

FrameGate open_gate() {
    FrameGate gate;
    REQUIRE(gate.admit("\0AUTH EXTERNAL\r\nBEGIN\r\n"sv) == 23);
    gate.begin_messages();
    return gate;
}

}  // namespace

TEST_CASE("gate: authentication passes up to and with BEGIN, the rest waits") {
    FrameGate gate;
    const auto bytes = "\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\1"sv;
    CHECK(gate.admit(bytes) == bytes.size() - 2);
    CHECK(gate.state() == FrameGate::State::begun);
    CHECK(gate.admit("l\1") == 0);
}

TEST_CASE("gate: authentication may come byte by byte") {
    FrameGate gate;
    for (const char byte : "\0AUTH EXTERNAL\r\nBEGIN\r\n"sv)
        CHECK(gate.admit({&byte, 1}) == 1);
    CHECK(gate.state() == FrameGate::State::begun);
}

TEST_CASE("gate: BEGIN counts only as a line of its own") {
    FrameGate gate;
    static_cast<void>(gate.admit("\0XBEGIN\r\nBEGIN \r\nBEGIN\nbegin\r\n"sv));
    CHECK(gate.state() == FrameGate::State::authenticating);
}

TEST_CASE("gate: authentication without its NUL, with another one, or too long is refused") {
    FrameGate no_nul, second_nul, endless;
    CHECK(no_nul.admit("AUTH") == 0);
    CHECK(no_nul.state() == FrameGate::State::refused);
    static_cast<void>(second_nul.admit("\0A\0"sv));
    CHECK(second_nul.state() == FrameGate::State::refused);
    std::string bytes(FrameGate::max_authentication + 1, 'x');
    bytes[0] = '\0';
    CHECK(endless.admit(bytes) == FrameGate::max_authentication);
    CHECK(endless.state() == FrameGate::State::refused);
}

TEST_CASE("gate: messages up to the limit pass, in any pieces and both byte orders") {
    for (const bool little : {true, false}) {
        auto gate = open_gate();
        const std::uint32_t fields = 20, body = FrameGate::max_message - 16 - 24;
        auto bytes = message(body, fields, little) + std::string(24 + body, 'x');
        bytes += message(0, 0, little) + message(8, 8, little) + std::string(16, 'y');
        for (std::size_t at = 0; at < bytes.size(); at += 7) {
            const auto piece = std::string_view(bytes).substr(at, 7);
            REQUIRE(gate.admit(piece) == piece.size());
        }
        CHECK(gate.state() == FrameGate::State::messages);
    }
}

TEST_CASE("gate: the head of a message over the limit does not pass") {
    const std::pair<std::uint32_t, std::uint32_t> sizes[] = {{FrameGate::max_message - 15, 0},
            {0, FrameGate::max_message}, {0xffffffff, 0xffffffff}, {100'000'000, 16}};
    for (const auto& [body, fields] : sizes) {
        auto gate = open_gate();
        CHECK(gate.admit(message(body, fields)) == 15);
        CHECK(gate.state() == FrameGate::State::refused);
        CHECK(gate.admit("more") == 0);
    }
}

TEST_CASE("gate: what is no D-Bus message of version 1 does not pass") {
    for (const std::size_t at : {std::size_t{0}, std::size_t{3}}) {
        auto gate = open_gate();
        auto bytes = message(0, 0);
        bytes[at] = 2;
        CHECK(gate.admit(bytes) == 15);
        CHECK(gate.state() == FrameGate::State::refused);
    }
}
