// SPDX-License-Identifier: MIT
// The result of an operation that the system may refuse.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace superd {

// A system failure: what was tried, on what, and errno. A user's mistake is not an Error but a
// Diagnostic; a bug is neither (it aborts).
struct Error {
    int code = 0;           // errno(3)
    std::string operation;  // "bind", "open" ...: a verb or the name of the system call
    std::string subject;    // the path, address or name it was tried on; may be empty

    // "bind tcp:22: Address already in use"
    [[nodiscard]] std::string text() const;
};

template <class T>
using Result = tl::expected<T, Error>;

// An Error made from the current errno.
[[nodiscard]] tl::unexpected<Error> fail(std::string operation, std::string subject = {});
[[nodiscard]] tl::unexpected<Error> fail(
        int code, std::string operation, std::string subject = {});

// "No such file or directory" for ENOENT; thread-safe, unlike strerror(3).
[[nodiscard]] std::string errno_text(int code);

}  // namespace superd
