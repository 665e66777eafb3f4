// SPDX-License-Identifier: MIT
// Seccomp filters, made when the file is read, so that neither superd nor a child between clone
// and exec has to.
//
// Each service has up to two programs, of which the stricter answer counts: one for the calls
// that are let through or not by their number, one that looks at arguments. A call that is
// refused fails with EPERM (socket(2) of a family that is not allowed with EAFNOSUPPORT,
// clone3(2) and openat2(2), whose arguments no filter sees, with ENOSYS, so that the C library
// falls back); calls of a foreign architecture end the process.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/plan_sandbox.h"

namespace superd {

// "@clock", or the name of a call of any architecture.
[[nodiscard]] bool is_system_call(std::string_view word);
// What a word stands for: a group's calls, or itself.
[[nodiscard]] std::vector<std::string_view> calls_of_word(std::string_view word);

// The first call among the words that a launch itself cannot do without; empty: none is. early:
// the filter is loaded before the identity changes.
[[nodiscard]] std::string_view needed_by_launch(
        const std::vector<std::string>& words, bool early);

class FilterCompiler {
public:
    // The programs for what the plan says; none where it asks for none. The same question gets
    // the same answer without the work.
    [[nodiscard]] Result<std::vector<FilterProgram>> compile(const SandboxPlan& plan);

private:
    std::map<std::string, std::vector<FilterProgram>, std::less<>> known_;
};

}  // namespace superd
