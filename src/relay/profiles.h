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
#include "tls/tickets.h"

namespace superd {

class TlsProfiles {
public:
    // The way to superd-key, for profiles that come after it.
    void take_channel(Fd channel);
    void take_tickets(std::vector<std::string> keys);
    // descriptors: a file with an encoded TlsMaterial, then one for each of its keys; without
    // any superd-key has them, from first_key on.
    void take(std::uint32_t number, std::uint32_t first_key, const std::vector<Fd>& descriptors);
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
    std::shared_ptr<const KeyChannel> channel_;
    std::shared_ptr<TicketKeys> tickets_ = std::make_shared<TicketKeys>();
};

}  // namespace superd
