// SPDX-License-Identifier: MIT
// Cuts what several writers print into one stream into lines.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace superd {

// Keeps the unfinished line of each writer (pid) apart. A line longer than the limit comes out
// in pieces, all but the last marked as continued; what is kept of all writers together is
// bounded by four times the limit and 4 KiB, the oldest piece coming out early.
class LineSplitter {
public:
    struct Line {
        std::int32_t pid;
        std::string_view text;  // without its end ("\n" or "\r\n"); valid during the call
        bool continued;         // more of the same line follows
    };

    using Emit = std::function<void(const Line&)>;

    explicit LineSplitter(std::size_t limit) : limit_(limit) {}

    void feed(std::int32_t pid, std::string_view bytes, Mono now, const Emit& emit);
    // Gives out unfinished lines: those begun at or before `begun`, or all.
    void flush(Mono begun, const Emit& emit);
    void flush_all(const Emit& emit);
    // When the oldest unfinished line was begun.
    [[nodiscard]] std::optional<Mono> oldest() const;

private:
    struct Partial {
        std::int32_t pid;
        Mono begun;
        std::string text;
    };

    void keep(std::int32_t pid, std::string_view rest, Mono now, const Emit& emit);
    void emit_whole(std::int32_t pid, std::string_view text, const Emit& emit) const;

    const std::size_t limit_;
    std::vector<Partial> partials_;  // oldest first
    std::size_t kept_ = 0;           // bytes in partials_
};

}  // namespace superd
