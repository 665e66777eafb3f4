// SPDX-License-Identifier: MIT
// D-Bus errors and the exit codes they stand for.
#include "control/names.h"

namespace superd {

namespace {

struct ErrorName {
    int code;
    const char* name;
};

constexpr ErrorName errors[] = {
        {exit_code::failed, "org.superd.Error.Failed"},
        {exit_code::usage, "org.freedesktop.DBus.Error.InvalidArgs"},
        {exit_code::not_running, "org.superd.Error.NotRunning"},
        {exit_code::no_such_service, "org.superd.Error.NoSuchService"},
        {exit_code::not_permitted, "org.superd.Error.AccessDenied"},
        {exit_code::timeout, "org.superd.Error.TimedOut"},
};

}  // namespace

const char* error_name_of(int code) {
    for (const auto& error : errors)
        if (error.code == code) return error.name;
    return errors[0].name;
}

int exit_code_of(std::string_view error_name) {
    for (const auto& error : errors)
        if (error_name == error.name) return error.code;
    return exit_code::failed;
}

}  // namespace superd
