// SPDX-License-Identifier: MIT
// superctl tls: done by superd-tls, for superctl has no part of OpenSSL.
#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "config/config.h"
#include "config/tls_findings.h"
#include "control/ctl.h"
#include "control/names.h"

namespace superd {

namespace {

// Does not come back but with an error.
int run(const CtlGlobals& globals, std::vector<std::string> words) {
    if (globals.tls_program.empty())
        return ctl_fail(globals, {exit_code::failed, "there is no superd-tls"});
    if (globals.json) words.insert(words.begin() + 1, "--json");
    words.insert(words.begin(), "superd-tls");
    std::vector<char*> argv;
    for (std::string& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(globals.tls_program.c_str(), argv.data());
    return ctl_fail(globals,
            {exit_code::failed, fmt::format("{}: {}", globals.tls_program, errno_text(errno))});
}

// As standard input from now on.
bool say(const std::string& bytes) {
    const Fd file(::memfd_create("tls-profile", MFD_CLOEXEC));
    return file &&
           ::write(file.get(), bytes.data(), bytes.size()) ==
                   static_cast<ssize_t>(bytes.size()) &&
           ::lseek(file.get(), 0, SEEK_SET) == 0 && ::dup2(file.get(), 0) == 0;
}

}  // namespace

int ctl_tls_ciphers(const CtlGlobals& globals, const std::string& file, const std::string& name) {
    const auto path = ctl_config_path(globals, file);
    const auto result = read_config(ctl_read_options(path, ""));
    if (!result.plan) {
        std::fputs(render(result.diagnostics).c_str(), stderr);
        return ctl_fail(globals, {exit_code::failed, fmt::format("{} has errors", path)});
    }
    const auto& profiles = result.plan->tls;
    const auto found = std::find_if(profiles.begin(), profiles.end(),
            [&](const TlsPlan& one) { return one.name == name; });
    if (found == profiles.end()) {
        std::vector<std::string> names;
        for (const TlsPlan& one : profiles)
            names.push_back(one.name);
        return ctl_fail(globals,
                {exit_code::failed,
                        fmt::format("{} has no TLS profile \"{}\"{}", path, escape(name),
                                names.empty() ? "" : "; it has " + join(names, ", "))});
    }
    if (!say(encode_tls_profiles({*found})))
        return ctl_fail(globals, {exit_code::failed, errno_text(errno)});
    return run(globals, {"ciphers"});
}

int ctl_tls_probe(const CtlGlobals& globals, const CtlProbe& probe) {
    std::vector<std::string> words{"probe"};
    for (const std::string& protocol : probe.alpn)
        words.insert(words.end(), {"--alpn", protocol});
    if (!probe.trust.empty()) words.insert(words.end(), {"--trust", probe.trust});
    words.insert(words.end(), {"--", probe.target});
    return run(globals, std::move(words));
}

}  // namespace superd
