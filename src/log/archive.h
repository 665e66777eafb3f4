// SPDX-License-Identifier: MIT
// The files that a rotated log file leaves behind: their names, which there are, which have to
// go.
//
// "shop.log" leaves "shop.log.20261123T014802.114Z", when it was ended, and that one becomes
// "shop.log.20261123T014802.114Z.gz". A file that is being compressed ends in ".gz.part-PID".
// The order of the names is that in which the files were ended, be the clock set back
// meanwhile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/plan.h"

namespace superd {

inline constexpr std::size_t stamp_length = 20;  // "20261123T014802.114Z"

// The stamp of `now`, or the next one after `last` where the clock shows an earlier time.
[[nodiscard]] std::string make_stamp(Wall now, std::string_view last);
// A thousandth of a second later. Stamps as is_stamp() takes them.
[[nodiscard]] std::string next_stamp(std::string_view stamp);
[[nodiscard]] bool is_stamp(std::string_view text);

enum class ArchiveKind : std::uint8_t { plain, compressed, unfinished };

struct ArchiveName {
    std::string_view stamp;  // within the name
    ArchiveKind kind = ArchiveKind::plain;
};

// Nothing where `entry` is not of the log file `file`.
[[nodiscard]] std::optional<ArchiveName> parse_archive(
        std::string_view file, std::string_view entry);

struct Archive {
    std::string name, stamp;
    ArchiveKind kind = ArchiveKind::plain;
    std::uint64_t size = 0;
};

// Those of `file` in a directory (a loan), oldest first.
[[nodiscard]] Result<std::vector<Archive>> list_archives(int directory, std::string_view file);

// The names that have to go so that the plan's bounds hold. What is unfinished counts for
// nothing and stays.
[[nodiscard]] std::vector<std::string> surplus_archives(
        const std::vector<Archive>& archives, const RotationPlan& plan);

}  // namespace superd
