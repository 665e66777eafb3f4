// SPDX-License-Identifier: MIT
// The supervisor's side of TLS: connections whose handshake a relay does, and what becomes of
// them when it is complete.
//
// Such a connection stays with its relay to the end; its record is a relayed one's. A handler
// is started only after the handshake, on one end of a socket pair whose other end the relay is
// given, and has a record of its own. The two records are a pair (ProcessRecord::partner): they
// count as one connection until both have ended.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "engine/relays.h"
#include "engine/service.h"
#include "engine/tls_files.h"
#include "engine/watches.h"
#include "policy/admission.h"

namespace superd {

class Supervisor;
struct TlsFacts;

// Owned by the supervisor, a part of it.
class Securing final : public TlsSink {
public:
    explicit Securing(Supervisor& supervisor) : supervisor_(supervisor) {}

    // After the plan has changed.
    void take_plan(const Plan& plan);
    // One of the profiles' files may have changed.
    void on_files_changed();
    // Whether the handshake with its client is still to be done.
    [[nodiscard]] bool is_due(const Service& service, const ProcessRecord& record) const;

    // Has it done. The record is `accepted`.
    void start(Service& service, std::uint32_t index, Fd connection, bool again);
    // Its relay has died over it, or it was told to end.
    void on_ended(Service& service, std::uint32_t index, RelayEnd end);
    // What a handshake has come to, "SSL_PROTOCOL" and its like; empty where there was none.
    [[nodiscard]] std::string told(std::uint32_t index, std::string_view name) const;
    // Version, cipher suite, and the client's certificate, for people; empty where there is none.
    [[nodiscard]] std::string summary(std::uint32_t index) const;
    // A record is about to be forgotten. True: another one counts on in its place.
    bool hand_on(std::uint32_t index);
    // Of a handler: the connection before it counts for both.
    [[nodiscard]] bool is_counted_by_partner(std::uint32_t index) const;
    // After all were adopted: connections whose handler never came to be.
    void end_unanswered();

    // ---- of relays
    void on_secured(std::uint32_t index, const SecuredMessage& message) override;
    void on_unsecured(std::uint32_t index, const UnsecuredMessage& message) override;
    [[nodiscard]] std::optional<Profile> open_profile(std::uint32_t number) override;

private:
    void rotate_tickets();
    void start_behind(Service& service, std::uint32_t index);
    [[nodiscard]] std::optional<std::uint32_t> make_partner(
            std::uint32_t index, const Fd& connection);
    void refuse(Service& service, std::uint32_t index, const Refuse& why,
            std::string_view detail = {});
    void write_down(std::uint32_t index, const TlsFacts& facts);

    Supervisor& supervisor_;
    TlsFiles files_;
    std::unique_ptr<FileWatch> watch_;
    std::vector<std::string> tickets_;  // the newest first
    std::unique_ptr<Timer> rotation_;
};

}  // namespace superd
