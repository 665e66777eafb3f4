// SPDX-License-Identifier: MIT
// The TLS profiles that superd has given a relay, by superd's numbers for them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "tls/context.h"

namespace superd {

class TlsProfiles {
public:
    // descriptors: a file with an encoded TlsMaterial, then one for each of its keys.
    void take(std::uint32_t number, const std::vector<Fd>& descriptors);
    void drop(std::uint32_t number) { known_.erase(number); }

    void clear() { known_.clear(); }

    // Null, with `error` saying why, where it cannot be used.
    [[nodiscard]] std::shared_ptr<const TlsContext> find(
            std::uint32_t number, std::string& error) const;

private:
    struct Known {
        std::shared_ptr<const TlsContext> context;
        std::string error;
    };

    std::unordered_map<std::uint32_t, Known> known_;
};

}  // namespace superd
