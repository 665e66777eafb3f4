// SPDX-License-Identifier: MIT
#include "base/result.h"

#include <cerrno>

#include <string.h>

namespace superd {

std::string errno_text(int code) {
    if (const char* text = ::strerrordesc_np(code)) return text;
    return "error " + std::to_string(code);
}

std::string Error::text() const {
    std::string out = operation;
    if (!subject.empty()) out += (out.empty() ? "" : " ") + subject;
    if (code != 0) out += (out.empty() ? "" : ": ") + errno_text(code);
    return out;
}

tl::unexpected<Error> fail(int code, std::string operation, std::string subject) {
    return tl::unexpected(Error{code, std::move(operation), std::move(subject)});
}

tl::unexpected<Error> fail(std::string operation, std::string subject) {
    return fail(errno, std::move(operation), std::move(subject));
}

}  // namespace superd
