// SPDX-License-Identifier: MIT
// [Service]: identity, limits and descriptors. The program is import_systemd_command.cc's.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/units.h"
#include "config/import_systemd.h"

namespace superd {

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

// One value of Limit...=, as rlimits has it; the unit depends on the limit.
std::optional<std::string> limit_value(std::string_view name, std::string_view text) {
    constexpr std::array<std::string_view, 7> counts{
            "nofile", "nproc", "locks", "sigpending", "nice", "rtprio", "rttime"};
    if (text == "infinity") return "unlimited";
    if (name == "cpu") {
        const auto time = parse_unit_time(text);
        return time ? std::optional(format_duration(*time)) : std::nullopt;
    }
    if (name == "rttime") {
        const bool plain = parse_decimal(text).has_value();
        const auto time = parse_unit_time(plain ? std::string(text) + "us" : std::string(text));
        return time ? std::optional(format_duration(*time)) : std::nullopt;
    }
    if (std::find(counts.begin(), counts.end(), name) != counts.end()) {
        const auto number = parse_decimal(text);
        return number ? std::optional(std::to_string(*number)) : std::nullopt;
    }
    constexpr std::array<std::string_view, 8> sizes{
            "as", "core", "data", "fsize", "memlock", "msgqueue", "rss", "stack"};
    if (std::find(sizes.begin(), sizes.end(), name) == sizes.end()) return std::nullopt;
    const auto bytes = parse_unit_size(text);
    return bytes ? std::optional(format_size(*bytes)) : std::nullopt;
}

// A number that means something without quotes stays one.
std::string limit_text(std::string_view name, const std::string& value) {
    const bool number = name != "cpu" && name != "rttime" && parse_decimal(value).has_value();
    return number ? value : toml_text(value);
}

class ServiceImporter {
public:
    ServiceImporter(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes)
            : unit_(unit), accept_(accept), host_(host), notes_(notes) {}

    void import() {
        as_root_ = import_service_command(unit_, accept_, host_, notes_);
        take_identity();
        take_descriptors();
        import_restart_lines(unit_, accept_, notes_);
        import_life_lines(unit_, accept_, host_, notes_);
        for (const UnitLine& line : unit_.lines)
            take(line);
        finish();
    }

private:
    ImportService& service() { return notes_.service(); }

    std::string expand(const UnitLine& line) {
        return expand_service_line(line, unit_, host_, notes_);
    }

    const UnitLine* find(std::string_view key) const { return unit_.find("Service", key); }

    // ---- identity

    void take_identity() {
        const UnitLine* user = find("User");
        const UnitLine* dynamic = find("DynamicUser");
        std::string name = user != nullptr && !as_root_ ? expand(*user) : "root";
        const bool wanted = dynamic != nullptr && parse_unit_boolean(dynamic->value) == true;
        if (wanted && as_root_)
            notes_.forbid(*dynamic, "a program that starts as root cannot have it here");
        else if (wanted && (user == nullptr || !host_.user_exists(name)))
            return take_dynamic_user(*dynamic, user);
        else if (wanted)
            notes_.info(*dynamic, "there is a user of that name, which counts");
        if (user != nullptr && !host_.user_exists(name))
            notes_.forbid(*user, "there is no such user here");
        if (user != nullptr)
            notes_.set(*user, "user", toml_text(name));
        else
            service().set("user", toml_text(name));
        if (const UnitLine* group = find("Group"); group != nullptr && !as_root_)
            take_group(*group);
        if (!as_root_) take_groups();
    }

    void take_dynamic_user(const UnitLine& line, const UnitLine* user) {
        notes_.set(line, "dynamic_user", "true");
        if (user != nullptr) notes_.warn(*user, "its number has no name here");
        if (const UnitLine* group = find("Group"))
            notes_.warn(*group, "its group has the number of its user, and no name here");
        take_groups();
    }

    void take_group(const UnitLine& line) {
        const std::string name = expand(line);
        notes_.set(line, "group", toml_text(name));
        if (!host_.group_exists(name)) notes_.forbid(line, "there is no such group here");
    }

    void take_groups() {
        std::vector<std::string> groups;
        const UnitLine* last = nullptr;
        for (const UnitLine& line : unit_.lines) {
            if (line.section != "Service" || line.key != "SupplementaryGroups") continue;
            last = &line;
            for (std::string& name : split_unit_list(expand(line))) {
                if (!host_.group_exists(name))
                    notes_.forbid(line, "there is no group " + escape(name) + " here");
                groups.push_back(std::move(name));
            }
        }
        if (last != nullptr)
            notes_.set(*last, "groups", "{ add = " + toml_array(groups) + " }");
    }

    // ---- descriptors

    void take_descriptors() {
        const UnitLine* in = find("StandardInput");
        const bool socket = in != nullptr && in->value == "socket";
        if (in != nullptr && !socket && in->value != "null")
            notes_.lose(*in, "superd gives a program its socket or nothing");
        if (!socket)
            service().set("pass", R"("listen_fds")");
        else if (!accept_)
            service().set("pass", R"("stdin")");
        if (socket) notes_.say(ImportSeverity::info, *in, R"(pass = "stdin")", {});
        take_output(socket);
        take_error(socket);
    }

    void take_output(bool socket) {
        const UnitLine* out = find("StandardOutput");
        if (out == nullptr) return;
        const bool to_socket = out->value == "socket" || (out->value == "inherit" && socket);
        if (accept_ && socket) {
            if (!to_socket)
                notes_.lose(*out,
                        "descriptor 1 of a program with its connection on descriptor "
                        "0 is that connection");
            return;
        }
        set_output(*out, "stdout");
    }

    void take_error(bool socket) {
        const UnitLine *out = find("StandardOutput"), *error = find("StandardError");
        const std::string kind = error == nullptr ? "inherit" : error->value;
        const bool out_is_socket =
                out == nullptr || out->value == "inherit" || out->value == "socket";
        if (accept_ && ((kind == "inherit" && socket && out_is_socket) || kind == "socket")) {
            service().set("stderr", R"("socket")");
            const UnitLine& line = error != nullptr ? *error : *find("StandardInput");
            return notes_.say(ImportSeverity::warning, line, R"(stderr = "socket")",
                    "errors go to the client; without the line they go to the log");
        }
        if (error != nullptr) return set_output(*error, "stderr");
        if (out != nullptr && !out_is_socket) set_output(*out, "stderr");
    }

    void set_output(const UnitLine& line, const std::string& key) {
        const std::string value = expand(line);
        const auto colon = value.find(':');
        const std::string kind = value.substr(0, colon);
        if (value == "null") return notes_.set(line, key, R"("null")");
        if (kind == "file" || kind == "append" || kind == "truncate") {
            const std::string file = "file:" + value.substr(colon + 1);
            if (kind != "append") notes_.warn(line, "superd appends to the file");
            return notes_.set(line, key, toml_text(file));
        }
        if (value == "journal" || value == "inherit" || value == "syslog")
            return notes_.say(ImportSeverity::info, line, key + " = \"log\"",
                    "superd's log, which may be the journal");
        notes_.lose(line, "goes to superd's log");
    }

    // ---- the other lines

    void take(const UnitLine& line) {
        if (is_taken(line) || is_restart_line(line) || is_life_line(line)) return;
        const std::string value = expand(line);
        const std::string& key = line.key;
        if (line.section != "Service") return import_plain_line(line, value, notes_);
        if (key == "WorkingDirectory") return take_directory(line, value);
        if (key == "PassEnvironment") return take_passed(line, value);
        if (key == "CPUAffinity") return take_cpus(line, value);
        if (key == "LoadCredential") return take_credential(line, value);
        if (key == "TimeoutSec") return take_timeout(line, value);
        if (key.starts_with("IOScheduling")) return;
        if (key.starts_with("Limit")) return take_limit(line, value);
        if (key == "NonBlocking" && parse_unit_boolean(value) == false)
            return notes_.info(line, {});
        if (!take_folders(line, value)) import_plain_line(line, value, notes_);
    }

    static bool is_taken(const UnitLine& line) {
        constexpr std::array<std::string_view, 12> keys{"Environment", "EnvironmentFile",
                "ExecStart", "Type", "User", "Group", "SupplementaryGroups", "DynamicUser",
                "StandardInput", "StandardOutput", "StandardError", "Accept"};
        return line.section == "Service" &&
               std::find(keys.begin(), keys.end(), line.key) != keys.end();
    }

    void take_directory(const UnitLine& line, std::string value) {
        if (value.starts_with('-')) value.erase(0, 1);
        if (value == "~") return notes_.lose(line, "write the user's home as directory");
        if (!value.starts_with('/')) return notes_.lose(line, "is not an absolute path");
        notes_.set(line, "directory", toml_text(value));
    }

    void take_timeout(UnitLine line, const std::string& value) {
        line.key = "TimeoutStopSec";
        if (find("TimeoutStopSec") == nullptr) import_plain_line(line, value, notes_);
    }

    void take_passed(const UnitLine& line, const std::string& value) {
        for (std::string& name : split_unit_list(value))
            passed_.push_back(std::move(name));
        notes_.set(line, "pass_environment", toml_list(passed_));
    }

    void take_cpus(const UnitLine& line, const std::string& value) {
        for (const std::string& part : split_unit_list(value))
            for (const std::string_view one : split(part, ',')) {
                if (one.empty()) continue;
                if (one.find_first_not_of("0123456789-") != std::string_view::npos)
                    return notes_.lose(line, "superd takes numbers of processors only");
                cpus_.emplace_back(one);
            }
        if (!cpus_.empty()) notes_.set(line, "cpu_affinity", toml_list(cpus_));
    }

    // NAME:PATH; a bare NAME is one that systemd was given itself.
    void take_credential(const UnitLine& line, const std::string& value) {
        const auto colon = value.find(':');
        const std::string path = colon == std::string::npos ? "" : value.substr(colon + 1);
        if (!path.starts_with('/') || host_.is_directory(path))
            return notes_.forbid(line, "a credential is NAME:/PATH of one file");
        credentials_ += (credentials_.empty() ? "" : ", ") + toml_key(value.substr(0, colon)) +
                        " = " + toml_text(path);
        notes_.set(line, "credentials", "{ " + credentials_ + " }");
    }

    bool take_folders(const UnitLine& line, const std::string& value) {
        constexpr std::array<std::pair<std::string_view, std::string_view>, 4> folders{
                {{"RuntimeDirectory", "runtime_directory"},
                        {"StateDirectory", "state_directory"},
                        {"CacheDirectory", "cache_directory"},
                        {"LogsDirectory", "logs_directory"}}};
        for (const auto& [theirs, ours] : folders) {
            const std::string mode = std::string(theirs) + "Mode";
            if (line.key == theirs) return add_folders(line, std::string(ours), value), true;
            if (line.key != mode) continue;
            if (parse_octal(value) == 0755u)
                notes_.info(line, "as superd makes them");
            else
                notes_.lose(line, "superd makes it 0755: others can read what lies in it");
            return true;
        }
        if (line.key != "RuntimeDirectoryPreserve") return false;
        notes_.info(line, "superd leaves the directory where it is");
        return true;
    }

    void add_folders(const UnitLine& line, const std::string& key, const std::string& value) {
        std::vector<std::string>& names = folders_[key];
        for (const std::string& word : split_unit_list(value)) {
            const auto colon = word.find(':');
            if (colon != std::string::npos)
                notes_.lose(line, "superd makes no links to directories");
            names.push_back(word.substr(0, colon));
        }
        if (!names.empty()) notes_.set(line, key, toml_list(names));
    }

    void take_limit(const UnitLine& line, const std::string& value) {
        const std::string name = lower(std::string_view(line.key).substr(5));
        const auto colon = value.find(':');
        auto soft = limit_value(name, trim(std::string_view(value).substr(0, colon)));
        const auto hard =
                colon == std::string::npos
                        ? soft
                        : limit_value(name, trim(std::string_view(value).substr(colon + 1)));
        if (!soft || !hard) return notes_.lose(line, "superd has no such limit");
        const std::string text = colon == std::string::npos ? limit_text(name, *soft)
                                                            : toml_text(*soft + ":" + *hard);
        limits_ += (limits_.empty() ? "" : ", ") + name + " = " + text;
        notes_.set(line, "rlimits", "{ " + limits_ + " }");
    }

    // ---- at the end

    void finish() {
        const UnitLine *kind = find("IOSchedulingClass"), *level = find("IOSchedulingPriority");
        if (kind == nullptr && level == nullptr) return;
        const UnitLine& line = kind != nullptr ? *kind : *level;
        std::string name = kind != nullptr ? kind->value : "best-effort";
        if (name == "1") name = "realtime";
        if (name == "2") name = "best-effort";
        if (name == "3") name = "idle";
        if (name == "none" || name == "0") return notes_.info(line, {});
        if (name != "idle") name += ":" + (level != nullptr ? level->value : std::string("4"));
        notes_.set(line, "ionice", toml_text(name));
    }

    const Unit& unit_;
    bool accept_;
    ImportHost& host_;
    UnitNotes& notes_;
    std::map<std::string, std::vector<std::string>> folders_;
    std::vector<std::string> passed_, cpus_;
    std::string limits_, credentials_;
    bool as_root_ = false;
};

}  // namespace

void import_service_unit(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes) {
    ServiceImporter(unit, accept, host, notes).import();
}

}  // namespace superd
