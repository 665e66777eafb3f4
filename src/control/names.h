// SPDX-License-Identifier: MIT
// The words that both ends of the control socket use: paths, interfaces, errors and exit codes.
#pragma once

#include <string_view>

namespace superd {

inline constexpr const char* control_name = "org.superd.Superd1";
inline constexpr const char* control_path = "/org/superd/Superd1";
inline constexpr const char* control_interface = "org.superd.Superd1.Manager";

// Exit codes of superctl; an Outcome of the engine carries one of them.
namespace exit_code {
inline constexpr int ok = 0;
inline constexpr int failed = 1;
inline constexpr int usage = 2;
inline constexpr int not_running = 3;
inline constexpr int no_such_service = 4;
inline constexpr int not_permitted = 5;
inline constexpr int timeout = 6;
inline constexpr int unreachable = 7;
}  // namespace exit_code

// The D-Bus error that carries an exit code, and back; what is no error of ours is `failed`.
[[nodiscard]] const char* error_name_of(int code);
[[nodiscard]] int exit_code_of(std::string_view error_name);

}  // namespace superd
