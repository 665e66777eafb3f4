// SPDX-License-Identifier: MIT
// The decision whether a connection is let in now, refused, or has to wait.
//
// Asked in this order, the first that objects decides: stopping, denials, access, hours, load,
// max_processes, max_connections, max_per_source, rate_per_source, rate.
//
// What depends on nobody's address is asked before accept(2) too, by decide_accepting(): a
// connection that has to wait stays in the kernel's queue. After an accept that it allowed,
// decide() never says Wait.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "base/address.h"
#include "base/clock.h"
#include "config/plan.h"
#include "policy/access.h"
#include "policy/denials.h"
#include "policy/hours.h"
#include "policy/rate.h"
#include "policy/refusal.h"
#include "policy/sources.h"

namespace superd {

// What is decided on: a client's connection; one of a proxy that is yet to say whose it is, for
// which nothing is asked of addresses but denials; or the client that it then named, for which
// all the rest is.
enum class AdmissionStage : std::uint8_t { whole, of_proxy, behind_proxy };

// About this connection, and the world at its time.
struct AdmissionFacts {
    Endpoint peer;
    std::span<const std::uint32_t> groups;  // UNIX peer; only where AccessIndex::needs_groups()
    LocalTime local;                        // only where the plan has hours
    double load = 0;                        // only where the plan has max_load
    PeerName name;
    Wall wall{};  // only where there are denials
    AdmissionStage stage = AdmissionStage::whole;
};

// What the engine keeps for one service. The pointers are loans for the call; only the buckets
// and the source table change.
struct AdmissionBook {
    const AdmissionPlan* plan = nullptr;
    const AccessIndex* access = nullptr;
    const Denials* denials = nullptr;  // of all services; may be null
    SourceTable* sources = nullptr;
    Bucket rate;                    // the service's own
    std::uint32_t service = 0;      // its number in the source table
    std::uint32_t connections = 0;  // it holds now
    std::uint32_t processes = 0;    // of all services now
    Bound max_processes;            // [superd]
    bool stopping = false;          // the service, or all of superd
};

struct Admit {
    std::uint32_t source = no_source;  // index in the source table
    // Nothing else objects, but the peer's name was not given and decides: hold the connection,
    // look the name up, then ask decide_named().
    bool needs_name = false;
};

struct Refuse {
    Refusal reason = Refusal::denied;
    Origin rule;
    const Denial* denial = nullptr;  // the address is kept out everywhere; a loan
};

struct Wait {
    Refusal reason = Refusal::max_connections;  // what there is too much of
    Origin rule;
    Mono until = Mono::max();  // max(): until a connection or a process has ended
};

using Decision = std::variant<Admit, Refuse, Wait>;

// Before accept(2): may one be taken from the queue now? Never Refuse. A rate whose bucket is
// empty begins its pause here.
[[nodiscard]] Decision decide_accepting(const AdmissionBook& book, Mono now);

// After accept(2). Admit has taken its tokens; the caller counts the connection in the
// service and in its source.
[[nodiscard]] Decision decide(const AdmissionFacts& facts, const AdmissionBook& book, Mono now);

// For a connection that decide() admitted but for its name, once that is known: why not, or
// nothing. A name that was not asked for is unknown.
[[nodiscard]] std::optional<Refuse> decide_named(
        const AdmissionFacts& facts, const AdmissionBook& book);

// For the start of a worker, which has no peer: Wait until hours, load, max_processes and rate
// (which counts starts) allow it. Refuse only when stopping.
[[nodiscard]] Decision decide_start(
        const AdmissionFacts& facts, const AdmissionBook& book, Mono now);

// The same decision as decide_accepting() and decide() would make together, with nothing taken,
// and a sentence for people about it: "198.51.100.7 is denied by "@blocked"", "6 of 5
// connections …".
struct AdmissionExplanation {
    Decision decision;
    Origin rule;       // what decided, for Admit too; line 0: built-in or nothing
    std::string text;  // a sentence without its file:line
};

// "198.51.100.7 is denied by "@blocked"": the decision of allow and deny alone.
[[nodiscard]] std::string access_sentence(std::string_view who, const AccessDecision& access);

[[nodiscard]] AdmissionExplanation explain(
        const AdmissionFacts& facts, const AdmissionBook& book, Mono now);

}  // namespace superd
