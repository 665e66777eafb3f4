// SPDX-License-Identifier: MIT
// When superd-exec steps in between fork and exec, and what it is told.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/exec_spec.h"
#include "config/plan.h"
#include "policy/spawn_plan.h"

namespace superd {

// True where each launch goes through superd-exec: tcp_wrappers, peer_label, banner_admitted of
// a handler; a sandbox that needs it.
[[nodiscard]] bool always_steps_in(const ServicePlan& service);
// True where some may: a banner that a client's socket did not take at once is finished by it.
[[nodiscard]] bool may_step_in(const ServicePlan& service);

[[nodiscard]] ExecSpec make_exec_spec(const ServicePlan& service, const SpawnPlan& spawn);
// The other way round, in superd-exec.
[[nodiscard]] std::shared_ptr<SpawnPlan> spawn_plan_of(const ExecSpec& spec);

// The name to be looked for in hosts.allow: the one that was written, else the last part of
// argv[0] as the program sees it, which is the program's own name unless argv0 says otherwise.
[[nodiscard]] std::string wrappers_name(const ServicePlan& service);
// What a refused client is sent: banner_refused, then refuse_text; empty: nothing.
[[nodiscard]] std::string refusal_text(const AdmissionPlan& plan);

// The SELinux context `own` with the range (the part behind the third colon) of `peer`; empty
// where one of them has none.
[[nodiscard]] std::string with_range_of(std::string_view own, std::string_view peer);

}  // namespace superd
