// SPDX-License-Identifier: MIT
// The TLS profiles of the plan as relays are given them: read once, put together in a memory
// file that nobody can change, under a number that is never used again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"

namespace superd {

class TlsFiles {
public:
    // One profile as it is in force.
    struct Entry {
        std::uint32_t number = 0;
        TlsPlan plan;
        Fd material;  // an encoded TlsMaterial (tls/material.h)
        std::vector<std::string> keys, paths;  // of its keys, and of all its files
        std::string state;  // of all its files: another one where any has changed
    };

    // What cannot be read is said, and what was there before stays in force. Gives back the
    // numbers that are not in force any more.
    std::vector<std::uint32_t> take_plan(
            const Plan& plan, const std::function<void(const std::string&)>& say);

    // The files of these profiles may have changed, and are good. Gives back the numbers that
    // are not in force any more.
    std::vector<std::uint32_t> refresh(const std::vector<TlsPlan>& profiles,
            const std::function<void(const std::string&)>& say);
    [[nodiscard]] std::vector<std::string> paths() const;

    // Null where there is no such profile that could be read.
    [[nodiscard]] const Entry* find(std::string_view name) const;
    struct Opened {
        Fd material;           // a copy
        std::vector<Fd> keys;  // their files, opened anew
        bool key_process = true;
    };

    [[nodiscard]] Result<Opened> open(std::uint32_t number) const;

private:
    [[nodiscard]] Result<Entry> read(const TlsPlan& plan);

    std::map<std::string, Entry, std::less<>> entries_;  // by profile
    std::uint32_t last_number_ = 0;
};

}  // namespace superd
