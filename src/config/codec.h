// SPDX-License-Identifier: MIT
// A plan as bytes: for the saved state and for the reader process. Versioned; a decoder never
// trusts its input (bounded counts and lengths) and returns nothing rather than half a plan.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "config/diagnostics.h"
#include "config/plan.h"

namespace superd {

[[nodiscard]] std::string encode_plan(const Plan& plan);
[[nodiscard]] std::optional<Plan> decode_plan(std::span<const char> bytes);

// What superd-exec is told about a service (config/exec_spec.h).
struct ExecSpec;
[[nodiscard]] std::string encode_exec_spec(const ExecSpec& spec);
[[nodiscard]] std::optional<ExecSpec> decode_exec_spec(std::span<const char> bytes);

// What the reader process answers: diagnostics, files and, where there is no error, the plan.
struct ReadResult;
[[nodiscard]] std::string encode_read_result(const ReadResult& result);
[[nodiscard]] std::optional<ReadResult> decode_read_result(std::span<const char> bytes);

// The plan of a service as JSON text, keys as in Field::name, values as superd.toml writes them
// (durations, sizes, modes); values of environment variables that came from an environment_file
// are never among them. For `superctl show --json`.
[[nodiscard]] std::string plan_json(const Plan& plan, const ServicePlan& service);

}  // namespace superd
