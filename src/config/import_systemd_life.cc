// SPDX-License-Identifier: MIT
// What systemd does around a program, in superd's words: readiness, the watchdog, commands
// beside it, bounds and confinement.
#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "base/units.h"
#include "config/capabilities.h"
#include "config/import_systemd.h"
#include "config/system_calls.h"

namespace superd {

namespace {

enum class Kind : std::uint8_t {
    // Of workers alone.
    time,
    size,
    count,
    percent,
    notify_access,
    commands,
    reload,
    // Of handlers, too.
    boolean,
    words,
    paths,
    capabilities,
    calls,
    families
};

struct LifeRow {
    std::string_view key;
    Kind kind;
    std::string_view is;  // superd's key
};

constexpr std::array life_rows{LifeRow{"TimeoutStartSec", Kind::time, "start_timeout"},
        LifeRow{"TimeoutAbortSec", Kind::time, "abort_timeout"},
        LifeRow{"RuntimeMaxSec", Kind::time, "run_timeout"},
        LifeRow{"WatchdogSec", Kind::time, "watchdog"},
        LifeRow{"MemoryMax", Kind::size, "memory_max"},
        LifeRow{"MemoryLimit", Kind::size, "memory_max"},
        LifeRow{"TasksMax", Kind::count, "tasks_max"},
        LifeRow{"IOWeight", Kind::count, "io_weight"},
        LifeRow{"FileDescriptorStoreMax", Kind::count, "fd_store"},
        LifeRow{"CPUQuota", Kind::percent, "cpu_max"},
        LifeRow{"NotifyAccess", Kind::notify_access, "notify_access"},
        LifeRow{"ExecStartPre", Kind::commands, "exec_pre"},
        LifeRow{"ExecStartPost", Kind::commands, "exec_post"},
        LifeRow{"ExecStop", Kind::commands, "exec_stop"},
        LifeRow{"ExecStopPost", Kind::commands, "exec_stop_post"},
        LifeRow{"ExecReload", Kind::reload, "reload"},
        LifeRow{"NoNewPrivileges", Kind::boolean, "no_new_privs"},
        LifeRow{"PrivateTmp", Kind::boolean, "private_tmp"},
        LifeRow{"PrivateDevices", Kind::boolean, "private_devices"},
        LifeRow{"PrivateNetwork", Kind::boolean, "private_network"},
        LifeRow{"PrivateIPC", Kind::boolean, "private_ipc"},
        LifeRow{"PrivatePIDs", Kind::boolean, "private_pids"},
        LifeRow{"LockPersonality", Kind::boolean, "lock_personality"},
        LifeRow{"MemoryDenyWriteExecute", Kind::boolean, "memory_deny_write_execute"},
        LifeRow{"RestrictNamespaces", Kind::boolean, "restrict_namespaces"},
        LifeRow{"RestrictRealtime", Kind::boolean, "restrict_realtime"},
        LifeRow{"RestrictSUIDSGID", Kind::boolean, "restrict_suid_sgid"},
        LifeRow{"ProtectKernelTunables", Kind::boolean, "protect_kernel"},
        LifeRow{"ProtectKernelLogs", Kind::boolean, "protect_kernel"},
        LifeRow{"ProtectControlGroups", Kind::boolean, "protect_kernel"},
        LifeRow{"ProtectSystem", Kind::words, "protect_system"},
        LifeRow{"ProtectHome", Kind::words, "protect_home"},
        LifeRow{"ReadOnlyPaths", Kind::paths, "read_only_paths"},
        LifeRow{"ReadWritePaths", Kind::paths, "read_write_paths"},
        LifeRow{"InaccessiblePaths", Kind::paths, "inaccessible_paths"},
        LifeRow{"CapabilityBoundingSet", Kind::capabilities, "capabilities"},
        LifeRow{"AmbientCapabilities", Kind::capabilities, "ambient_capabilities"},
        LifeRow{"SystemCallFilter", Kind::calls, {}},
        LifeRow{"RestrictAddressFamilies", Kind::families, "address_families"}};

constexpr std::string_view not_so =
        "PROTECTION LOST: superd has this in other words; the "
        "service runs without it, see Sandbox in superd.toml(5)";

bool is_confinement(Kind kind) {
    return kind >= Kind::boolean;
}

// The words of a line, without a '~' that turns them round.
struct Words {
    bool inverted = false;
    std::vector<std::string> words;
};

Words words_of(std::string_view value) {
    Words words;
    words.inverted = value.starts_with('~');
    if (words.inverted) value.remove_prefix(1);
    words.words = split_unit_list(value);
    return words;
}

std::string lower_without(std::string_view word, std::string_view prefix) {
    std::string out(word.starts_with(prefix) ? word.substr(prefix.size()) : word);
    std::transform(out.begin(), out.end(), out.begin(),
            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

class LifeImporter {
public:
    LifeImporter(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes)
            : unit_(unit), accept_(accept), host_(host), notes_(notes) {}

    void take(const UnitLine& line, const LifeRow& row) {
        if (accept_ && !is_confinement(row.kind))
            return notes_.lose(line,
                    "a handler lives as long as its connection: this is of "
                    "daemons and workers alone");
        const std::string value = expand_service_line(line, unit_, host_, notes_);
        switch (row.kind) {
            case Kind::time: return take_time(line, value, row);
            case Kind::size: return take_size(line, value, row);
            case Kind::count: return take_count(line, value, row);
            case Kind::percent: return take_percent(line, value, row);
            case Kind::notify_access: return take_access(line, value);
            case Kind::commands: return take_command(line, value, row);
            case Kind::reload: return take_reload(line, value);
            case Kind::boolean: return take_boolean(line, value, row);
            case Kind::words: return take_word(line, value, row);
            case Kind::paths: return take_paths(line, value, row);
            case Kind::capabilities: return take_capabilities(line, value, row);
            case Kind::calls: return take_calls(line, value);
            case Kind::families: return take_families(line, value);
        }
    }

private:
    void set(const UnitLine& line, const LifeRow& row, std::string value) {
        notes_.set(line, std::string(row.is), std::move(value));
    }

    void wrong(const UnitLine& line) { notes_.lose(line, "is not a value that superd takes"); }

    // ---- bounds

    void take_time(const UnitLine& line, const std::string& value, const LifeRow& row) {
        const auto time = parse_unit_time(value);
        if (value == "infinity" || (time && time->count() == 0)) {
            if (row.is == "abort_timeout") return wrong(line);
            return set(line, row, R"("unlimited")");
        }
        if (!time || *time > std::chrono::hours(24)) return wrong(line);
        set(line, row, toml_text(format_duration(*time)));
    }

    void take_size(const UnitLine& line, const std::string& value, const LifeRow& row) {
        if (value == "infinity") return notes_.info(line, "no bound, as it is here");
        const auto size = parse_unit_size(value);
        if (!size || *size < (1u << 20)) return wrong(line);
        set(line, row, toml_text(format_size(*size)));
    }

    void take_count(const UnitLine& line, const std::string& value, const LifeRow& row) {
        if (value == "infinity") return notes_.info(line, "no bound, as it is here");
        const auto count = parse_decimal(value);
        if (!count) return wrong(line);
        set(line, row, std::to_string(*count));
    }

    void take_percent(const UnitLine& line, const std::string& value, const LifeRow& row) {
        const bool good = value.ends_with('%') &&
                          parse_decimal(std::string_view(value).substr(0, value.size() - 1));
        good ? set(line, row, toml_text(value)) : wrong(line);
    }

    void take_access(const UnitLine& line, const std::string& value) {
        if (value != "none" && value != "main" && value != "all" && value != "exec")
            return wrong(line);
        if (value != "exec") return notes_.set(line, "notify_access", toml_text(value));
        notes_.service().set("notify_access", R"("main")");
        notes_.say(ImportSeverity::warning, line, R"(notify_access = "main")",
                "commands beside the program have no NOTIFY_SOCKET");
    }

    // ---- commands

    // The words; nothing, and it is said why, where superd cannot run them.
    std::optional<std::vector<std::string>> command_of(
            const UnitLine& line, const std::string& value) {
        const auto start = std::min(value.find_first_not_of("@-:+!|"), value.size());
        const std::string prefixes = value.substr(0, start);
        auto words = split_unit_words(std::string_view(value).substr(start));
        if (!words) return notes_.lose(line, words.error()), std::nullopt;
        if (prefixes.find_first_of("@+!|") != std::string::npos)
            return notes_.lose(
                           line, "superd runs it as the service's user, and no shell for it"),
                   std::nullopt;
        if (words->empty() || !words->front().starts_with('/') ||
                std::find(words->begin(), words->end(), ";") != words->end())
            return notes_.lose(line, "superd takes one command with its absolute path"),
                   std::nullopt;
        if (prefixes.find('-') != std::string::npos &&
                (line.key == "ExecStartPre" || line.key == "ExecStartPost"))
            notes_.warn(line, "'-': where it fails, that is a failure of the start here");
        return std::move(*words);
    }

    static bool has_variable(const std::vector<std::string>& words) {
        return std::any_of(words.begin(), words.end(),
                [](const std::string& word) { return word.find('$') != std::string::npos; });
    }

    void take_command(const UnitLine& line, const std::string& value, const LifeRow& row) {
        const auto words = command_of(line, value);
        if (!words) return;
        if (has_variable(*words)) return notes_.lose(line, "superd puts no variables in");
        std::string& list = lists_[std::string(row.is)];
        list += (list.empty() ? "" : ", ") + toml_array(*words);
        set(line, row, '[' + list + ']');
    }

    // "/bin/kill -HUP $MAINPID" is a signal here.
    void take_reload(const UnitLine& line, const std::string& value) {
        const auto words = command_of(line, value);
        if (!words) return;
        if (notes_.service().find("reload") != nullptr)
            return notes_.lose(line, "a reload is one command or signal");
        const std::string& program = words->front();
        const bool kills = program.ends_with("/kill") && words->back() == "$MAINPID";
        if (kills && words->size() == 3 && (*words)[1].starts_with('-'))
            return notes_.set(line, "reload", toml_text(signal_of((*words)[1].substr(1))));
        if (kills && words->size() == 4 && (*words)[1] == "-s")
            return notes_.set(line, "reload", toml_text(signal_of((*words)[2])));
        if (has_variable(*words)) return notes_.lose(line, "superd puts no variables in");
        notes_.set(line, "reload", toml_array(*words));
    }

    static std::string signal_of(std::string word) {
        if (word.starts_with("SIG")) word.erase(0, 3);
        return word;
    }

    // ---- confinement

    void take_boolean(const UnitLine& line, const std::string& value, const LifeRow& row) {
        const auto on = parse_unit_boolean(value);
        if (on == false) return notes_.info(line, "as it is here");
        on ? set(line, row, "true") : notes_.lose(line, std::string(not_so));
    }

    void take_word(const UnitLine& line, const std::string& value, const LifeRow& row) {
        const auto on = parse_unit_boolean(value);
        if (on == false) return notes_.info(line, "as it is here");
        const std::string word = on == true ? "yes" : value;
        const bool good = word == "yes" ||
                          (row.is == "protect_system" ? word == "full" || word == "strict"
                                                      : word == "read-only" || word == "tmpfs");
        good ? set(line, row, toml_text(word)) : notes_.lose(line, std::string(not_so));
    }

    // superd wants the paths to be there.
    void take_paths(const UnitLine& line, const std::string& value, const LifeRow& row) {
        std::vector<std::string>& paths = words_[std::string(row.is)];
        for (std::string path : split_unit_list(value)) {
            const bool optional = path.starts_with('-');
            path.erase(0, std::min(path.find('/'), path.size()));
            if (path.empty()) return notes_.lose(line, std::string(not_so));
            const bool there = host_.is_directory(path) || host_.read(path).error != ENOENT;
            if (!optional || there)
                paths.push_back(std::move(path));
            else
                notes_.info(line, path + " is not there and left out");
        }
        if (!paths.empty()) set(line, row, toml_list(paths));
    }

    void take_capabilities(const UnitLine& line, const std::string& value, const LifeRow& row) {
        const Words given = words_of(value);
        std::vector<std::string>& names = words_[std::string(row.is)];
        for (const std::string& word : given.words) {
            names.push_back(lower_without(word, "CAP_"));
            if (!capability_by_name(names.back()))
                return notes_.lose(line, std::string(not_so));
        }
        if (given.inverted && row.is != "capabilities")
            return notes_.lose(line, std::string(not_so));
        const std::string list = toml_array(names);
        set(line, row, given.inverted ? "{ remove = " + list + " }" : list);
    }

    void take_calls(const UnitLine& line, const std::string& value) {
        const Words given = words_of(value);
        const std::string key = given.inverted ? "deny_system_calls" : "allow_system_calls";
        std::vector<std::string>& calls = words_[key];
        for (const std::string& word : given.words) {
            if (word.find(':') != std::string::npos)
                return notes_.lose(line, std::string(not_so));
            if (is_system_call(word))
                calls.push_back(word);
            else
                notes_.warn(line, escape(word) + " is no system call here and left out");
        }
        if (!calls.empty()) notes_.set(line, key, toml_list(calls));
    }

    void take_families(const UnitLine& line, const std::string& value) {
        const Words given = words_of(value == "none" ? "" : value);
        std::vector<std::string>& names = words_["address_families"];
        for (const std::string& word : given.words) {
            names.push_back(lower_without(word, "AF_"));
            if (given.inverted || !address_family_by_name(names.back()))
                return notes_.lose(line, std::string(not_so));
        }
        notes_.set(line, "address_families", toml_array(names));
    }

    const Unit& unit_;
    bool accept_;
    ImportHost& host_;
    UnitNotes& notes_;
    std::map<std::string, std::string> lists_;               // of commands, by key
    std::map<std::string, std::vector<std::string>> words_;  // by key, over several lines
};

const LifeRow* find_row(const UnitLine& line) {
    if (line.section != "Service") return nullptr;
    for (const LifeRow& row : life_rows)
        if (row.key == line.key) return &row;
    return nullptr;
}

}  // namespace

bool is_life_line(const UnitLine& line) {
    return find_row(line) != nullptr;
}

void import_life_lines(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes) {
    LifeImporter importer(unit, accept, host, notes);
    for (const UnitLine& line : unit.lines)
        if (const LifeRow* row = find_row(line)) importer.take(line, *row);
}

}  // namespace superd
