// SPDX-License-Identifier: MIT
// The last lines of each service, in memory, for `superctl logs`.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/reader.h"

namespace superd {

// Bounded thrice: lines a service, bytes a service (an eighth of all) and bytes in all. What a
// service printed and what superd said of it (pid 0) are counted apart, so that a busy
// service's START and EXIT lines do not push its own words out. When the whole is full, every
// service gives up the older eighth of its lines.
class LogRing {
public:
    LogRing(std::size_t lines, std::size_t bytes) : line_bound_(lines), byte_bound_(bytes) {}

    void append(const LogLine& line);
    // The newest `count` lines of these services (empty: of all), oldest first. Valid until
    // the next append().
    [[nodiscard]] std::vector<const LogLine*> select(
            std::span<const std::string> services, std::size_t count) const;

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    struct Entry {
        std::uint64_t sequence = 0;
        LogLine line;
    };

    struct Lines {
        std::deque<Entry> entries;
        std::size_t bytes = 0;
    };

    struct Service {
        Lines printed, said;
    };

    Entry take_oldest(Lines& lines);
    void shrink();
    void shrink(Lines& lines);

    const std::size_t line_bound_, byte_bound_;
    std::map<std::string, Service, std::less<>> services_;
    std::size_t bytes_ = 0;
    std::uint64_t next_ = 1;
};

}  // namespace superd
