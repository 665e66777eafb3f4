// SPDX-License-Identifier: MIT
// The addresses that are kept out for a time, and the file in the state directory that they
// outlive a restart, an upgrade and a kill -9 in.
//
// The file is a journal: each change is one line, written at once ("+ DENIAL", "- SOURCE",
// "- all"), and the whole is written anew when it has grown to twice what it says. What does
// not read as such a line is left out and said.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "policy/denials.h"

namespace superd {

class DenyList {
public:
    // Empty until load().
    explicit DenyList(std::string path) : path_(std::move(path)) {}

    // Reads the file; one that is not there is an empty one. An error leaves what could be
    // read.
    [[nodiscard]] Result<void> load(Wall now);

    // Each holds from now on even where it could not be written down, which the result says.
    [[nodiscard]] Result<void> add(Denial denial, Wall now);
    // found: whether there was one.
    [[nodiscard]] Result<void> remove(const Source& source, bool& found);
    [[nodiscard]] Result<void> clear();

    [[nodiscard]] const Denials& denials() const { return denials_; }

    // Those in force, the oldest first.
    [[nodiscard]] std::vector<Denial> in_force(Wall now);

private:
    void take(std::string_view line, std::size_t& strange);
    [[nodiscard]] Result<void> append(const std::string& line, Wall now);
    [[nodiscard]] Result<void> rewrite(Wall now);

    const std::string path_;
    Denials denials_;
    Fd file_;
    std::size_t lines_ = 0;
};

}  // namespace superd
