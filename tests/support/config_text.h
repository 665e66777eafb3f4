// SPDX-License-Identifier: MIT
// Configuration text resolved in memory, with users, groups and ports of the test's own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "config/config.h"
#include "config/nss.h"
#include "config/resolve.h"
#include "config/tree.h"

namespace superd::test {

class FakeNames final : public NameService {
protected:
    std::optional<UserEntry> ask_user(const std::string& name) override {
        for (const UserEntry& user : users())
            if (user.name == name || std::to_string(user.uid) == name) return user;
        return std::nullopt;
    }

    std::optional<std::uint32_t> ask_group(const std::string& name) override {
        static const std::map<std::string, std::uint32_t> groups{{"root", 0}, {"git", 1001},
                {"staff", 50}, {"www", 33}, {"33", 33}, {"4711", 4711}};
        const auto found = groups.find(name);
        return found == groups.end() ? std::nullopt : std::optional(found->second);
    }

    std::vector<std::uint32_t> ask_groups(const std::string& user, std::uint32_t gid) override {
        if (user == "git") return {gid, 50, 33, 50};
        return {gid};
    }

    std::optional<std::uint16_t> ask_port(
            const std::string& name, const char* protocol) override {
        const std::string_view of(protocol);
        if (name == "ssh" && of == "tcp") return std::uint16_t{22};
        if (name == "tftp" && of == "udp") return std::uint16_t{69};
        return std::nullopt;
    }

    std::optional<std::string> ask_port_name(std::uint16_t port, const char*) override {
        if (port == 22) return "ssh";
        return std::nullopt;
    }

    std::optional<std::uint32_t> ask_rpc_program(const std::string& name) override {
        if (name == "rstatd") return 100001;
        if (name == "rusersd") return 100002;
        return std::nullopt;
    }

    std::vector<std::string> ask_rpc_programs() override { return {"rstatd", "rusersd"}; }

private:
    static const std::vector<UserEntry>& users() {
        static const std::vector<UserEntry> made{{0, 0, "root", "/root", "/bin/bash"},
                {1001, 1001, "git", "/srv/git", "/usr/bin/git-shell"},
                {65534, 65534, "nobody", "/nonexistent", ""}};
        return made;
    }
};

struct Resolved {
    Plan plan;
    Diagnostics diagnostics;

    // The service of that name; the test fails by a null dereference guarded with REQUIRE.
    [[nodiscard]] const ServicePlan* service(std::string_view name) const {
        for (const auto& one : plan.services)
            if (one->name == name) return one.get();
        return nullptr;
    }

    // "LINE:COLUMN error: message [suggestion] (also FILE:LINE)", one a line.
    [[nodiscard]] std::string text() const {
        std::string out;
        for (const Diagnostic& d : diagnostics.all()) {
            out += std::to_string(d.at.line) + ":" + std::to_string(d.at.column);
            out += d.severity == Severity::error ? " error: " : " warning: ";
            out += d.message;
            if (!d.suggestion.empty()) out += " [" + d.suggestion + "]";
            if (!d.other.file.empty())
                out += " (also " + d.other.file + ":" + std::to_string(d.other.line) + ")";
            out += "\n";
        }
        return out;
    }

    // The same without warnings.
    [[nodiscard]] std::string errors() const {
        Resolved only;
        for (const Diagnostic& d : diagnostics.all())
            if (d.severity == Severity::error) only.diagnostics.add(d);
        return only.text();
    }
};

// Files by name, the first one the main file; includes are not looked for.
inline Resolved resolve_files(
        const std::vector<std::pair<std::string, std::string>>& files, bool root = true,
        std::vector<ScaledCopies> scaled = {}) {
    Resolved result;
    Document document;
    for (const auto& [path, text] : files) {
        const auto number = static_cast<std::uint32_t>(document.files.size());
        SourceFile file;
        file.path = path;
        for (const std::string_view line : split(text, '\n'))
            file.lines.emplace_back(line);
        file.root = parse_toml(text, number, path, result.diagnostics);
        document.files.push_back(std::move(file));
    }
    FakeNames names;
    ReadOptions options;
    options.path = files.front().first;
    options.root = root;
    options.scaled = std::move(scaled);
    result.plan = resolve_document(document, options, names, result.diagnostics);
    result.diagnostics.sort();
    return result;
}

inline Resolved resolve_text(const std::string& text, bool root = true) {
    return resolve_files({{"/etc/superd.toml", text}}, root);
}

// A whole service of that text: a listener, a program and a user where the text names none.
inline std::string service_text(const std::string& body) {
    std::string text = "[service.s]\n" + body + "\n";
    if (body.find("exec") == std::string::npos) text += "exec = \"/bin/true\"\n";
    if (body.find("user =") == std::string::npos) text += "user = \"git\"\n";
    return text;
}

}  // namespace superd::test
