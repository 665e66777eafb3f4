// SPDX-License-Identifier: MIT
#include "engine/tls_files.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

#include "sys/sealed_file.h"
#include "tls/material.h"

namespace superd {

namespace {

// What tells one content of a key's file from another, without reading it.
std::string state_of(const std::vector<std::string>& keys) {
    std::string state;
    for (const std::string& path : keys) {
        struct stat facts {};

        if (::stat(path.c_str(), &facts) != 0) continue;
        for (const auto number : {static_cast<long long>(facts.st_ino),
                     static_cast<long long>(facts.st_size),
                     static_cast<long long>(facts.st_mtim.tv_sec),
                     static_cast<long long>(facts.st_mtim.tv_nsec)})
            state += ' ' + std::to_string(number);
    }
    return state;
}

}  // namespace

Result<TlsFiles::Entry> TlsFiles::read(const TlsPlan& plan) {
    const auto material = read_tls_material(plan);
    if (!material) return tl::unexpected(material.error());
    const std::string bytes = encode_tls_material(*material);
    auto file = sealed_file("tls-profile", bytes);
    if (!file) return tl::unexpected(file.error());
    return Entry{++last_number_, plan, std::move(*file), material->keys,
            tls_file_paths(*material), bytes + state_of(material->keys)};
}

std::vector<std::uint32_t> TlsFiles::refresh(const std::vector<TlsPlan>& profiles,
        const std::function<void(const std::string&)>& say) {
    std::vector<std::uint32_t> dropped;
    for (const TlsPlan& profile : profiles) {
        const auto known = entries_.find(profile.name);
        auto fresh = read(profile);
        if (!fresh) {
            say("TLS profile " + profile.name + ": " + fresh.error().text() +
                    "; the one before stays");
            continue;
        }
        if (known != entries_.end() && known->second.state == fresh->state) continue;
        say("TLS profile " + profile.name + ": its files have changed and are in force");
        if (known != entries_.end()) dropped.push_back(known->second.number);
        entries_.insert_or_assign(profile.name, std::move(*fresh));
    }
    return dropped;
}

std::vector<std::string> TlsFiles::paths() const {
    std::vector<std::string> paths;
    for (const auto& [name, entry] : entries_)
        paths.insert(paths.end(), entry.paths.begin(), entry.paths.end());
    return paths;
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
    for (const std::string& path : entry.keys) {
        auto key = open_tls_file(path);
        if (!key) return tl::unexpected(key.error());
        files.keys.push_back(std::move(*key));
    }
    return files;
}

}  // namespace superd
