// SPDX-License-Identifier: MIT
// Unit files: where they are, drop-ins over them, and which of their lines hold.
#include <algorithm>
#include <array>
#include <cerrno>

#include "base/result.h"
#include "base/text.h"
#include "config/import_systemd.h"

namespace superd {

namespace {

// Highest first.
constexpr std::array<std::string_view, 5> unit_folders{"/etc/systemd/system",
        "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
        "/lib/systemd/system"};

// Keys whose values add up; an empty one takes all before it back. Of other keys the last
// holds.
constexpr std::array<std::string_view, 39> list_keys{"AmbientCapabilities", "BindPaths",
        "BindReadOnlyPaths", "CacheDirectory", "CapabilityBoundingSet",
        "ConfigurationDirectory", "CPUAffinity", "DeviceAllow", "Environment",
        "EnvironmentFile", "ExecCondition", "ExecReload", "ExecStart", "ExecStartPost",
        "ExecStartPre", "ExecStop", "ExecStopPost", "ExecStopPre", "InaccessiblePaths",
        "IPAddressAllow", "IPAddressDeny", "LoadCredential", "LoadCredentialEncrypted",
        "LogsDirectory", "OpenFile", "PassEnvironment", "ReadOnlyPaths", "ReadWritePaths",
        "RestrictAddressFamilies", "RuntimeDirectory", "SetCredential",
        "SetCredentialEncrypted", "Sockets", "StateDirectory", "SuccessExitStatus",
        "SupplementaryGroups", "Symlinks", "SystemCallFilter", "UnsetEnvironment"};

bool is_listen(std::string_view key) {
    return key.starts_with("Listen");
}

bool is_list(std::string_view key) {
    return is_listen(key) ||
           std::find(list_keys.begin(), list_keys.end(), key) != list_keys.end();
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::vector<std::string> folders_around(const std::string& folder) {
    std::vector<std::string> folders{folder};
    const bool standard =
            std::find(unit_folders.begin(), unit_folders.end(), folder) != unit_folders.end();
    if (standard) folders.assign(unit_folders.begin(), unit_folders.end());
    return folders;
}

// No unit comes near; what is made of each line is bounded by these.
constexpr std::size_t most_lines = 1000, longest_value = 16384;

// A line after its continuations have been joined.
struct Joined {
    std::string text;
    std::uint32_t line = 0;
};

// One unit file's text: what it adds to the unit.
class Parser {
public:
    Parser(Unit& unit, Import& import, const std::string& path)
            : unit_(unit), import_(import), path_(path) {}

    void parse(std::string_view text) {
        Joined joined;
        std::uint32_t number = 0;
        for (const std::string_view raw : split(text, '\n')) {
            ++number;
            const std::string_view line = trim(raw);
            if (line.starts_with('#') || line.starts_with(';')) {
                unit_.comments.push_back(escape(trim(line.substr(1))));
                continue;
            }
            if (joined.text.empty()) joined.line = number;
            const bool more = line.ends_with('\\');
            joined.text += more ? line.substr(0, line.size() - 1) : line;
            if (more) {
                joined.text += ' ';
                continue;
            }
            take(joined);
            joined = {};
        }
        take(joined);
    }

private:
    void take(const Joined& joined) {
        const std::string_view line = trim(joined.text);
        if (line.empty()) return;
        if (line.front() == '[' && line.back() == ']') {
            section_ = std::string(line.substr(1, line.size() - 2));
            return;
        }
        const auto equals = line.find('=');
        if (equals == std::string_view::npos || trim(line.substr(0, equals)).empty())
            return lose(joined, "is not KEY=VALUE; systemd ignores it");
        if (section_.empty()) return lose(joined, "stands before the first [section]");
        add({{path_, joined.line}, section_, std::string(trim(line.substr(0, equals))),
                std::string(trim(line.substr(equals + 1)))});
    }

    void lose(const Joined& joined, std::string message) {
        import_.notes.push_back({.severity = ImportSeverity::lost,
                .at = {path_, joined.line},
                .read = std::string(trim(joined.text)),
                .message = std::move(message)});
        import_.errors_at.push_back({path_, joined.line});
    }

    void add(UnitLine line) {
        const bool list = is_list(line.key);
        if (!list || line.value.empty())
            std::erase_if(unit_.lines, [&](const UnitLine& other) {
                return other.section == line.section &&
                       (other.key == line.key || (is_listen(line.key) && is_listen(other.key)));
            });
        if (line.value.empty()) return;
        if (unit_.lines.size() < most_lines && line.value.size() <= longest_value)
            return unit_.lines.push_back(std::move(line));
        line.value.resize(std::min<std::size_t>(line.value.size(), 80));
        lose({line.text(), line.at.line}, "is longer than superd reads units");
    }

    Unit& unit_;
    Import& import_;
    const std::string& path_;
    std::string section_;
};

}  // namespace

// ---- names

std::optional<UnitName> UnitName::parse(std::string_view name) {
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0 || dot + 1 == name.size())
        return std::nullopt;
    UnitName unit;
    unit.suffix = std::string(name.substr(dot));
    const std::string_view stem = name.substr(0, dot);
    const auto at = stem.find('@');
    unit.prefix = std::string(stem.substr(0, at));
    unit.templated = at != std::string_view::npos;
    if (unit.templated) unit.instance = std::string(stem.substr(at + 1));
    if (unit.prefix.empty()) return std::nullopt;
    return unit;
}

std::string UnitName::stem() const {
    return templated ? prefix + "@" + instance : prefix;
}

std::string UnitName::full() const {
    return stem() + suffix;
}

const UnitLine* Unit::find(std::string_view section, std::string_view key) const {
    for (const UnitLine& line : lines)
        if (line.section == section && line.key == key) return &line;
    return nullptr;
}

// ---- files

std::optional<Unit> UnitReader::read(const std::string& path, std::string& why) {
    const auto slash = path.rfind('/');
    const auto name = UnitName::parse(path.substr(slash == std::string::npos ? 0 : slash + 1));
    if (!name) {
        why = "is not the name of a unit";
        return std::nullopt;
    }
    if (slash != std::string::npos) {
        // The file that was named comes before others of its name.
        std::vector<std::string> folders = folders_around(folder_of(path));
        const auto own = std::find(folders.begin(), folders.end(), folder_of(path));
        std::rotate(folders.begin(), own, own + 1);
        return read_in(folders, *name, why);
    }
    std::vector<std::string> folders{"."};
    folders.insert(folders.end(), unit_folders.begin(), unit_folders.end());
    return read_in(folders, *name, why);
}

std::optional<Unit> UnitReader::read_beside(
        const Unit& other, const UnitName& name, std::string& why) {
    const auto slash = other.path.rfind('/');
    return read_in(folders_around(slash == std::string::npos ? "." : folder_of(other.path)),
            name, why);
}

std::optional<Unit> UnitReader::read_in(
        const std::vector<std::string>& folders, const UnitName& name, std::string& why) {
    std::vector<std::string> names{name.full()};
    if (name.templated && !name.instance.empty())
        names.push_back(name.prefix + "@" + name.suffix);
    why = errno_text(ENOENT);
    for (const std::string& wanted : names)
        for (const std::string& folder : folders) {
            const std::string path = folder == "." ? wanted : folder + "/" + wanted;
            const auto file = host_.read(path);
            if (file.error == ENOENT) continue;
            if (file.error != 0 || trim(file.text).empty()) {
                why = file.error != 0 ? errno_text(file.error) : "is masked: the file is empty";
                return std::nullopt;
            }
            Unit unit;
            unit.name = name;
            unit.path = path;
            parse(unit, path, file.text);
            add_drop_ins(unit, folders);
            return unit;
        }
    return std::nullopt;
}

// Files of one name hide each other, the highest folder's and the most particular unit's
// first; what is left counts in the order of the names.
void UnitReader::add_drop_ins(Unit& unit, const std::vector<std::string>& folders) {
    std::vector<std::string> names{unit.name.full()};
    if (unit.name.templated && !unit.name.instance.empty())
        names.push_back(unit.name.prefix + "@" + unit.name.suffix);
    const std::string& prefix = unit.name.prefix;
    for (auto dash = prefix.rfind('-'); dash != std::string::npos && dash > 0;
            dash = prefix.rfind('-', dash - 1))
        names.push_back(prefix.substr(0, dash + 1) + unit.name.suffix);
    names.push_back(unit.name.suffix.substr(1));
    std::map<std::string, std::string> files;
    for (const std::string& folder : folders)
        for (const std::string& name : names) {
            const std::string drop_in = (folder == "." ? name : folder + "/" + name) + ".d";
            for (const std::string& file : host_.list(drop_in).names)
                if (file.ends_with(".conf")) files.try_emplace(file, drop_in + "/" + file);
        }
    for (const auto& [file, path] : files)
        parse(unit, path, host_.read(path).text);
}

void UnitReader::parse(Unit& unit, const std::string& path, std::string_view text) {
    Parser(unit, import_, path).parse(text);
}

}  // namespace superd
