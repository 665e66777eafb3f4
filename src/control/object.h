// SPDX-License-Identifier: MIT
// The control object: path /org/superd/Superd1, interface org.superd.Superd1.Manager.
//
//   Start, Stop, Restart, Reload, Pause, Resume, Drain (s service) -> (s message)
//   Scale (s service, u copies) -> (s message)
//   KillWhom (s service, s whom, i signal) -> (s message)      whom: "main", "control", "all"
//   Kill (s service, i signal, t connection) -> (s message)      connection 0: every process
//   ReloadConfig (b dry_run) -> (i code, s message, s json)      reload_document
//   Upgrade (s program) -> (s version)           empty: the file that superd was started from
//   ReopenLogs () -> (s message)
//   Wait (s service, s what) -> (s message)      see control/wait_for.h
//   Describe () -> (s json)                      daemon_document
//   ListServices () -> (as names)
//   Overview () -> (s json)                      overview_document
//   DescribeService (s service) -> (s json)      service_document
//   Why (s service) -> (s text)
//   Explain (s service, s from, x at) -> (s json)   at: seconds since 1970, 0: now;
//                                                from: see parse_endpoint()
//   ShowPlan (s service) -> (s json)             plan_json() of config/codec.h
//   Version                                      property
//
// Errors: org.superd.Error.{Failed,NotRunning,NoSuchService,AccessDenied,TimedOut} and
// org.freedesktop.DBus.Error.InvalidArgs; see control/names.h. The methods of the first five
// lines change something and need the right to; a dry run does not.
// Beside it /org/freedesktop/DBus answers Hello, AddMatch, RemoveMatch and GetNameOwner, so
// that busctl --address= and gdbus take the socket for a bus.
#pragma once

#include <optional>
#include <string_view>

#include "base/address.h"
#include "engine/manager.h"

struct sd_bus;

namespace superd {

class ControlSession;

// Returns a negative errno as sd-bus does. session must outlive the bus's last message.
[[nodiscard]] int add_control_objects(sd_bus* bus, ControlSession& session);

// The peer of a question: "198.51.100.7", "198.51.100.7:51544", "2001:db8::1",
// "[2001:db8::1]:80", "uid:1000", "uid:1000,gid:100", "vsock:3".
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);
// The same, and "uid:1000,gid:100,groups:27+46".
[[nodiscard]] std::optional<Asker> parse_asker(std::string_view text);

}  // namespace superd
