// SPDX-License-Identifier: MIT
// Inside import_systemd(): units as they are written, and what their values mean.
//
// The rules are those of systemd.syntax(7), systemd.unit(5), systemd.socket(5),
// systemd.service(5), systemd.exec(5) and systemd.time(7).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "config/import.h"

namespace superd {

// "foo@bar.socket": prefix "foo", instance "bar", suffix ".socket".
struct UnitName {
    std::string prefix{}, instance{}, suffix{};
    bool templated = false;  // has an '@'

    [[nodiscard]] static std::optional<UnitName> parse(std::string_view name);
    // "foo@bar.socket"; "foo@.socket" of a template.
    [[nodiscard]] std::string full() const;
    // "foo@bar"
    [[nodiscard]] std::string stem() const;
};

// KEY=VALUE, specifiers not expanded.
struct UnitLine {
    ImportPlace at{};
    std::string section{}, key{}, value{};

    [[nodiscard]] std::string text() const { return key + "=" + value; }

    // text() for the report, cut where it is long.
    [[nodiscard]] std::string shown() const { return key + "=" + value.substr(0, 400); }
};

struct Unit {
    UnitName name{};
    std::string path{};             // of the unit itself
    std::vector<UnitLine> lines{};  // what holds: resets and repetitions are done
    std::vector<std::string> comments{};

    // The value of a key that has one; null where it is not there.
    [[nodiscard]] const UnitLine* find(std::string_view section, std::string_view key) const;
};

// Units and their drop-in folders.
class UnitReader {
public:
    UnitReader(ImportHost& host, Import& import) : host_(host), import_(import) {}

    // The unit in that file, or the template it is an instance of, with its drop-ins; a name
    // without a folder is looked for where systemd does. Nothing where there is none: `why`
    // says so.
    std::optional<Unit> read(const std::string& path, std::string& why);
    // The unit of that name near another one.
    std::optional<Unit> read_beside(const Unit& other, const UnitName& name, std::string& why);

private:
    std::optional<Unit> read_in(
            const std::vector<std::string>& folders, const UnitName& name, std::string& why);
    void add_drop_ins(Unit& unit, const std::vector<std::string>& folders);
    void parse(Unit& unit, const std::string& path, std::string_view text);

    ImportHost& host_;
    Import& import_;
};

// ---- values

[[nodiscard]] std::optional<bool> parse_unit_boolean(std::string_view text);
// "90", "1min 30s", "2.5h"; nothing for "infinity" and for what is no time span.
[[nodiscard]] std::optional<Nanoseconds> parse_unit_time(std::string_view text);
// "512M", "1.5G"; in bytes.
[[nodiscard]] std::optional<std::uint64_t> parse_unit_size(std::string_view text);

// Words with quotes and C escapes; a mistake is a sentence.
[[nodiscard]] tl::expected<std::vector<std::string>, std::string> split_unit_words(
        std::string_view text);

// Words between blanks, without any quotes.
[[nodiscard]] std::vector<std::string> split_unit_list(std::string_view text);

// %i, %n and their like for a unit of the system's manager; what cannot be known here stays as
// it is, and is added to `unknown`.
[[nodiscard]] std::string expand_specifiers(
        std::string_view text, const UnitName& unit, ImportHost& host, std::string& unknown);

// ---- a service in the making

// What is said about one unit's lines, and where it goes.
class UnitNotes {
public:
    UnitNotes(Import& import, ImportService& service) : import_(import), service_(service) {}

    // superd says it: KEY=VALUE became key = value.
    void set(const UnitLine& line, std::string key, std::string value);
    void info(const UnitLine& line, std::string message);
    void warn(const UnitLine& line, std::string message);
    void lose(const UnitLine& line, std::string message);
    // lose(), and the service comes in disabled.
    void forbid(const UnitLine& line, std::string message);
    void say(ImportSeverity severity, const UnitLine& line, std::string made,
            std::string message);

    [[nodiscard]] ImportService& service() { return service_; }

private:
    Import& import_;
    ImportService& service_;
};

// The sockets of a unit as listeners of the service. Keys about connections become settings of
// the service where it accepts.
void import_socket_unit(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes);
// The [Service] section (and [Unit] of the service).
void import_service_unit(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes);
// The part of it that is about the program: Environment=, EnvironmentFile=, Type=, ExecStart=.
// True: it starts as root, whatever User= says.
[[nodiscard]] bool import_service_command(
        const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes);
// The value of a line of it with its specifiers expanded; what cannot be known forbids it.
[[nodiscard]] std::string expand_service_line(
        const UnitLine& line, const Unit& unit, ImportHost& host, UnitNotes& notes);

// When it is started again: Restart=, StartLimitBurst= and their like.
[[nodiscard]] bool is_restart_line(const UnitLine& line);
void import_restart_lines(const Unit& unit, bool accept, UnitNotes& notes);

// What is done around the program: readiness, commands beside it, bounds, confinement.
[[nodiscard]] bool is_life_line(const UnitLine& line);
void import_life_lines(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes);

// A line that no other function takes: its value converted, or said to mean nothing here, to be
// another thing here, or to be lost. `value` has its specifiers expanded.
void import_plain_line(const UnitLine& line, const std::string& value, UnitNotes& notes);

}  // namespace superd
