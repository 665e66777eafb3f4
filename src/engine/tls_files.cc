// SPDX-License-Identifier: MIT
#include "engine/tls_files.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>

#include "sys/sealed_file.h"
#include "tls/material.h"

namespace superd {

Result<TlsFiles::Entry> TlsFiles::read(const TlsPlan& plan) {
    const auto material = read_tls_material(plan);
    if (!material) return tl::unexpected(material.error());
    auto file = sealed_file("tls-profile", encode_tls_material(*material));
    if (!file) return tl::unexpected(file.error());
    return Entry{++last_number_, plan, std::move(*file)};
}

std::vector<std::uint32_t> TlsFiles::take_plan(
        const Plan& plan, const std::function<void(const std::string&)>& say) {
    std::vector<std::uint32_t> dropped;
    std::map<std::string, Entry, std::less<>> next;
    for (const TlsPlan& profile : plan.tls) {
        auto old = entries_.extract(profile.name);
        auto fresh = read(profile);
        if (fresh) {
            if (!old.empty()) dropped.push_back(old.mapped().number);
            next.emplace(profile.name, std::move(*fresh));
            continue;
        }
        say("TLS profile " + profile.name + ": " + fresh.error().text() +
                (old.empty() ? "; its connections are refused" : "; the one before stays"));
        if (!old.empty()) next.insert(std::move(old));
    }
    for (const auto& [name, entry] : entries_)
        dropped.push_back(entry.number);
    entries_ = std::move(next);
    return dropped;
}

const TlsFiles::Entry* TlsFiles::find(std::string_view name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
}

Result<TlsFiles::Opened> TlsFiles::open(std::uint32_t number) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
            [number](const auto& one) { return one.second.number == number; });
    if (found == entries_.end()) return fail(ENOENT, "open", "TLS profile");
    const Entry& entry = found->second;
    Opened files;
    files.key_process = entry.plan.key_process;
    files.material.reset(::fcntl(entry.material.get(), F_DUPFD_CLOEXEC, 3));
    if (!files.material) return fail("copy", entry.plan.name);
    for (const std::string& path : entry.plan.keys) {
        auto key = open_tls_file(path);
        if (!key) return tl::unexpected(key.error());
        files.keys.push_back(std::move(*key));
    }
    return files;
}

}  // namespace superd
