// SPDX-License-Identifier: MIT
// A host made of memory for the readers of foreign configurations.
#pragma once

#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/import.h"

namespace superd::test {

class FakeImportHost : public ImportHost {
public:
    std::map<std::string, std::string> files;
    std::set<std::string> users{"root", "nobody", "git", "0"}, groups{"root", "staff", "0"};
    std::set<std::string> missing_programs;  // all others are there
    std::map<std::string, std::uint16_t> ports{{"ssh/tcp", 22}, {"ftp/tcp", 21},
            {"telnet/tcp", 23}, {"tftp/udp", 69}, {"echo/tcp", 7}, {"echo/udp", 7},
            {"time/tcp", 37}, {"time/udp", 37}, {"tcpmux/tcp", 1}, {"finger/tcp", 79},
            {"rsync/tcp", 873}, {"ntalk/udp", 518}, {"discard/udp", 9}, {"discard/tcp", 9},
            {"chargen/tcp", 19}, {"netstat/tcp", 15}, {"printer/tcp", 515}, {"nntp/tcp", 119},
            {"munin/tcp", 4949}, {"amanda/tcp", 10080}, {"smtp/tcp", 25}};
    std::map<std::string, std::vector<std::string>> hosts{{"db.example.org", {"192.0.2.7"}},
            {"both.example.org", {"2001:db8::7", "192.0.2.8"}}};

    File read(const std::string& path) override {
        const auto found = files.find(path);
        if (found == files.end()) return {{}, ENOENT};
        return {found->second, 0};
    }

    Directory list(const std::string& path) override {
        if (!is_directory(path)) return {{}, ENOENT};
        Directory directory;
        const std::string prefix = path.ends_with('/') ? path : path + "/";
        for (const auto& [name, text] : files)
            if (name.starts_with(prefix) && name.find('/', prefix.size()) == std::string::npos)
                directory.names.push_back(name.substr(prefix.size()));
        return directory;
    }

    bool is_directory(const std::string& path) override {
        const std::string prefix = path.ends_with('/') ? path : path + "/";
        const auto after = files.lower_bound(prefix);
        return after != files.end() && after->first.starts_with(prefix);
    }

    bool is_executable(const std::string& path) override {
        return !missing_programs.contains(path);
    }

    bool user_exists(const std::string& name) override { return users.contains(name); }

    bool group_exists(const std::string& name) override { return groups.contains(name); }

    std::optional<std::string> group_of(const std::string& user) override { return user; }

    std::optional<std::uint16_t> port_of(
            const std::string& service, const std::string& protocol) override {
        const auto found = ports.find(service + "/" + protocol);
        if (found == ports.end()) return std::nullopt;
        return found->second;
    }

    std::optional<std::uint32_t> rpc_number_of(const std::string& program) override {
        if (program == "rstatd") return 100001;
        return std::nullopt;
    }

    std::optional<Network> network_of(const std::string& name) override {
        if (name == "campus") return Network::parse("10.20.0.0/16");
        return std::nullopt;
    }

    std::vector<IpAddress> addresses_of(const std::string& host) override {
        std::vector<IpAddress> found;
        if (const auto known = hosts.find(host); known != hosts.end())
            for (const std::string& text : known->second)
                found.push_back(IpAddress::parse(text).value_or(IpAddress{}));
        return found;
    }
};

// "SEVERITY FILE:LINE [SERVICE] READ -> MADE: MESSAGE", one a line.
inline std::string notes_of(const Import& import) {
    std::string out;
    for (const ImportNote& note : import.notes) {
        out += note.severity == ImportSeverity::lost      ? "lost "
               : note.severity == ImportSeverity::warning ? "warning "
                                                          : "info ";
        out += note.at.file + ":" + std::to_string(note.at.line) + " [" + note.service + "] " +
               note.read + " -> " + note.made + ": " + note.message + "\n";
    }
    return out;
}

}  // namespace superd::test
