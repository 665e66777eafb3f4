// SPDX-License-Identifier: MIT
// The supervisor's side of the PROXY protocol: connections whose client is named by a header
// that a relay reads, and what becomes of them when it has.
//
// Such a connection is decided on twice. When it is accepted its sender is a proxy that the
// listener knows, and what depends on nobody's address is asked; superd keeps the descriptor,
// a relay gets a copy. When the header is read, the relay has closed its copy, and all that
// depends on the client's address is asked: from then on the connection is as if that client
// had made it, and its handler owns the raw socket.
//
// What a superd does that is killed in between, the next one does again: until the client is
// written down the connection is given to a relay anew, which knows that it has it, or its news
// is still in the channel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/fd.h"
#include "config/plan.h"
#include "engine/relays.h"
#include "engine/service.h"
#include "policy/admission.h"

#include "relay/proxy_header.h"

namespace superd {

class Supervisor;

// Who is at the other end of a connection.
enum class Sender : std::uint8_t {
    client,    // nobody but itself
    proxy,     // a header comes first
    stranger,  // not of those that may connect
};

// Owned by the supervisor, a part of it.
class Proxying final : public PrefaceSink {
public:
    explicit Proxying(Supervisor& supervisor) : supervisor_(supervisor) {}

    // After its plan or the networks have changed.
    static void compile(Service& service, const NetworkTables& networks);
    [[nodiscard]] static Sender sender(
            const Service& service, const Listener& listener, const Endpoint& peer);

    // Has the header read. The record is `accepted`, its `proxied` `awaited`.
    void start(Service& service, std::uint32_t index, Fd connection, bool again);
    // Its relay has died, or it was told to end.
    void on_ended(Service& service, std::uint32_t index, RelayEnd end);

    // For the environment, each ended by a NUL; empty where there was no header.
    [[nodiscard]] std::string environment(std::uint32_t index) const;
    // Whose header it was; family none where there was none.
    [[nodiscard]] Endpoint via(std::uint32_t index) const;
    // What a redirect sends its server before anything else.
    [[nodiscard]] std::string header_for(const Service& service, std::uint32_t index) const;

private:
    void on_proxied(std::uint32_t index, const ProxiedMessage& message) override;
    void on_unproxied(std::uint32_t index, const UnproxiedMessage& message) override;

    void go_on(Service& service, std::uint32_t index, const Decision& decision);
    void refuse(Service& service, std::uint32_t index, const Refuse& why,
            std::string_view detail = {});
    void write_down(std::uint32_t index, const ProxyFacts& facts);

    Supervisor& supervisor_;
};

}  // namespace superd
