// SPDX-License-Identifier: MIT
// The JSON documents of the control object.
//
// Each is one object with "version": 1; a field may be added within a version, none changes its
// meaning. Times are text like "2026-11-23T01:48:02.114Z", connection numbers hexadecimal text
// as in the log. Bytes that are not UTF-8 arrive as U+FFFD.
//
// daemon_document:
//   version, daemon: { version, pid, guard_pid, since, starts, log_socket, config: { path,
//   state }, plan_sequence, processes, max_processes, root, upgrade_failure, services: { STATE:
//   how many, ... } }
//
// service_document:
//   version, service: { name, description, state, detail, since, enabled, mode, start,
//   defined_at,
//     listeners: [ { name, address, state, detail, bound } ],
//     copies: { of, number, written },   of a copy: how many there are of what service, and
//     how many the file asks for, which superctl scale may have changed
//     prestart: { wanted, parked, starting, served_warm, served_cold, trouble },   where
//     handlers are started ahead; trouble: why they cannot be
//     announcements: [ { how, state, text } ],   how "rpc" or "mdns"; state "announced",
//     "waiting", "refused" or "withdrawn"
//     processes: [ { pid, kind, connection, peer, local, user, since } ],   connection, peer
//     and local only for handlers, user where it is known; kind "held" has no process yet
//     connections: { now, max },   max null: unlimited
//     accepted, started, failed, exited, dropped_datagrams, log_lines, log_lost,
//     usage: { processor_seconds, memory, tasks, pressure: { processor, memory, io } },   of
//     daemons and workers that run in a control group; null: nobody counts it; pressure in
//     percent of the last ten seconds that some of them waited for it
//     refused: { REASON: how many, ... },
//     stored: [ name of a descriptor that is kept, ... ], last_exit, last_failure }
//
// overview_document:
//   version, services: [ as above, but without processes; in its place process_count and, where
//   there is one, the first pid ], in the order of the names
//
// explanation_document:
//   version, explanation: { service, from, at, admitted, reason, rule, text }
//
// denials_document:
//   version, denied: [ { source, by, reason, since, until } ], the oldest first; until empty:
//   for good
//
// reload_document:
//   version, reload: { code, message, diagnostics: [ { severity, file, line, column, message,
//   suggestion, source_line, other } ], changes: [ { service, change, keys: [], restart } ] },
//   change as in "in_place", "rebind", "added", "removed"; other, where there is a second
//   place: { file, line, column }
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/manager.h"

namespace superd {

[[nodiscard]] std::string daemon_document(const Manager& manager);
[[nodiscard]] std::string service_document(const ServiceStatus& service, const Plan& plan);
[[nodiscard]] std::string explanation_document(std::string_view service, const Endpoint& from,
        Wall at, const Explanation& explanation);
[[nodiscard]] std::string denials_document(const std::vector<Denial>& denials);
[[nodiscard]] std::string reload_document(const ReloadReport& report);
// One of "diagnostics", and back; what is missing or of another type reads as empty.
[[nodiscard]] nlohmann::ordered_json diagnostic_json(const Diagnostic& diagnostic);
[[nodiscard]] Diagnostic read_diagnostic(const nlohmann::ordered_json& json);

// overview_document, made service by service: with thousands of them it takes longer than
// clients of superd should wait for the loop. A service that is gone when its turn comes is
// left out. manager must outlive it.
class OverviewDocument {
public:
    explicit OverviewDocument(const Manager& manager);

    // False: every service is in it.
    [[nodiscard]] bool add_next();
    // Once, when all have been added.
    [[nodiscard]] std::string take();

private:
    const Manager& manager_;
    const std::vector<std::string> names_;
    std::size_t next_ = 0;
    std::string text_;
};

}  // namespace superd
