// SPDX-License-Identifier: MIT
// What the fuzz targets of importers share: a host made of the input, and what must hold of
// every import.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/import.h"
#include "config/resolve.h"

namespace superd::fuzz {

inline void must(bool holds) {
    if (!holds) std::abort();
}

// Every name is there but "no…"; the input is each file, so that includes meet themselves, and
// after a few files no more are there, for what fills 100,000 takes a second and teaches
// little.
class FuzzHost final : public ImportHost {
public:
    explicit FuzzHost(std::string text) : text_(std::move(text)) {}

    File read(const std::string& path) override {
        if (path.starts_with("/etc/hosts.")) return {"ALL: ALL\n", 0};
        if (path.starts_with("/etc/default") || path.starts_with("/etc/sysconfig"))
            return {"XINETD_OPTS=\"" + text_.substr(0, 80) + "\"\n", 0};
        if (path.size() > 40 || ++read_ > 12) return {{}, ENOENT};
        return {text_, 0};
    }

    Directory list(const std::string&) override { return {{"a", "b.c", "d~", "e.conf"}, 0}; }

    bool is_directory(const std::string& path) override { return path.ends_with('/'); }

    bool is_executable(const std::string& path) override { return !path.ends_with("no"); }

    bool user_exists(const std::string& name) override { return !name.starts_with("no"); }

    bool group_exists(const std::string& name) override { return !name.starts_with("no"); }

    std::optional<std::string> group_of(const std::string& user) override { return user; }

    std::optional<std::uint16_t> port_of(const std::string& name, const std::string&) override {
        if (name.starts_with("no")) return std::nullopt;
        return static_cast<std::uint16_t>(1000 + name.size());
    }

    std::optional<std::uint32_t> rpc_number_of(const std::string& name) override {
        if (name.starts_with("no")) return std::nullopt;
        return 100001;
    }

    std::optional<Network> network_of(const std::string& name) override {
        if (!name.starts_with("net")) return std::nullopt;
        return Network::parse("10.0.0.0/8");
    }

    std::vector<IpAddress> addresses_of(const std::string& name) override {
        if (name.starts_with("no")) return {};
        return {IpAddress::v4(0xc0000201)};
    }

private:
    std::string text_;
    int read_ = 0;
};

class FuzzNames final : public NameService {
protected:
    std::optional<UserEntry> ask_user(const std::string& name) override {
        if (name.starts_with("no")) return std::nullopt;
        return UserEntry{1, 1, name, "/", ""};
    }

    std::optional<std::uint32_t> ask_group(const std::string& name) override {
        if (name.starts_with("no")) return std::nullopt;
        return 1;
    }

    std::vector<std::uint32_t> ask_groups(const std::string&, std::uint32_t gid) override {
        return {gid};
    }

    std::optional<std::uint16_t> ask_port(const std::string&, const char*) override {
        return std::nullopt;
    }

    std::optional<std::uint32_t> ask_rpc_program(const std::string&) override { return 100001; }
};

inline void must_be_taken(const std::string& text) {
    Diagnostics diagnostics;
    Document document;
    document.files.push_back(
            {"superd.toml", {}, parse_toml(text, 0, "superd.toml", diagnostics)});
    must(document.files.front().root != nullptr);
    ReadOptions options;
    options.path = "superd.toml";
    options.root = true;
    FuzzNames names;
    static_cast<void>(resolve_document(document, options, names, diagnostics));
    must(!diagnostics.has_errors());
}

// Settles the import: superd takes what is written, and the report is plain text.
inline void must_be_sound(Import import, ImportHost& host) {
    settle_import(import, host);
    must_be_taken(write_import(import, false).front().text);
    for (const ImportedFile& file : write_import(import, true))
        must(!file.name.empty() && file.name.find("..") == std::string::npos);
    for (const char c : render_import_report(import))
        must(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
    must(!import_report_json(import).empty());
}

}  // namespace superd::fuzz
