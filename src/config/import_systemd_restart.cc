// SPDX-License-Identifier: MIT
// When systemd starts a service again, in superd's words. The rules are systemd.service(5)'s.
#include <array>

#include "base/signals.h"
#include "base/text.h"
#include "base/units.h"
#include "config/import_systemd.h"

namespace superd {

namespace {

constexpr Nanoseconds longest_pause = std::chrono::hours(24);

// sysexits.h, as systemd.exec(5) names it.
struct StatusName {
    std::string_view name;
    int status;
};

constexpr std::array status_names{StatusName{"SUCCESS", 0}, StatusName{"FAILURE", 1},
        StatusName{"USAGE", 64}, StatusName{"DATAERR", 65}, StatusName{"NOINPUT", 66},
        StatusName{"NOUSER", 67}, StatusName{"NOHOST", 68}, StatusName{"UNAVAILABLE", 69},
        StatusName{"SOFTWARE", 70}, StatusName{"OSERR", 71}, StatusName{"OSFILE", 72},
        StatusName{"CANTCREAT", 73}, StatusName{"IOERR", 74}, StatusName{"TEMPFAIL", 75},
        StatusName{"PROTOCOL", 76}, StatusName{"NOPERM", 77}, StatusName{"CONFIG", 78}};

// As clean_exit has it; nothing where it is none of systemd's, or superd does not know it.
std::optional<std::string> exit_text_of(const std::string& word) {
    if (const auto number = parse_decimal(word))
        return *number <= 255 ? std::optional(std::to_string(*number)) : std::nullopt;
    for (const StatusName& known : status_names)
        if (known.name == word) return std::to_string(known.status);
    if (const auto signal = signal_by_name(word)) return toml_text(signal_name(*signal));
    return std::nullopt;
}

class RestartImporter {
public:
    RestartImporter(const Unit& unit, UnitNotes& notes) : unit_(unit), notes_(notes) {}

    void take(const UnitLine& line) {
        const std::string &key = line.key, &value = line.value;
        if (key == "Restart") return take_restart(line, value);
        if (key == "RestartSec") return take_pause(line, value);
        if (key == "RestartMaxDelaySec") return take_ceiling(line, value);
        if (key == "RestartSteps") return take_steps(line);
        if (key == "SuccessExitStatus") return take_clean_exits(line);
        take_limit(line);
    }

private:
    [[nodiscard]] bool restarts() const {
        const UnitLine* line = unit_.find("Service", "Restart");
        return line != nullptr && line->value != "no";
    }

    // Where nothing restarts it, a client does: as here.
    bool is_idle(const UnitLine& line) {
        if (restarts()) return false;
        notes_.info(line, "the next client starts it again, as long as nothing else does");
        return true;
    }

    void take_restart(const UnitLine& line, const std::string& value) {
        if (value == "no") return notes_.info(line, "as it is here");
        if (value == "on-watchdog")
            return notes_.warn(
                    line, "superd has no such choice: the next client starts it again");
        if (value == "on-abort") {
            notes_.service().set("restart", R"("on-abnormal")");
            return notes_.say(ImportSeverity::warning, line, R"(restart = "on-abnormal")",
                    "a signal, as there, and whatever else is no exit");
        }
        for (const std::string_view same :
                {"always", "on-failure", "on-abnormal", "on-success"})
            if (value == same) return notes_.set(line, "restart", toml_text(value));
        notes_.lose(line, "is not a value that systemd takes");
    }

    // superd's grows where systemd's does not, unless its ceiling is the same.
    void take_pause(const UnitLine& line, const std::string& value) {
        if (is_idle(line)) return;
        const auto pause = parse_unit_time(value);
        if (!pause || *pause > longest_pause)
            return notes_.lose(line, "is not a pause that superd can make: a day at most");
        const std::string text = toml_text(format_duration(*pause));
        notes_.service().set("restart_delay", text);
        std::string made = "restart_delay = " + text;
        if (!grows()) {
            notes_.service().set("restart_delay_max", text);
            made += ", restart_delay_max = " + text;
        }
        notes_.say(ImportSeverity::warning, line, std::move(made),
                "superd counts it from one start to the next, systemd from the end");
    }

    // systemd wants both lines.
    [[nodiscard]] bool grows() const {
        const UnitLine* steps = unit_.find("Service", "RestartSteps");
        const UnitLine* most = unit_.find("Service", "RestartMaxDelaySec");
        return steps != nullptr && steps->value != "0" && most != nullptr &&
               parse_unit_time(most->value).has_value();
    }

    void take_ceiling(const UnitLine& line, const std::string& value) {
        if (is_idle(line)) return;
        if (!grows()) return notes_.info(line, "without RestartSteps= it means nothing");
        const auto most = parse_unit_time(value);
        if (*most > longest_pause)
            return notes_.lose(line, "is not a pause that superd can make: a day at most");
        notes_.set(line, "restart_delay_max", toml_text(format_duration(*most)));
    }

    void take_steps(const UnitLine& line) {
        if (is_idle(line)) return;
        if (!grows()) return notes_.info(line, "without RestartMaxDelaySec= it means nothing");
        notes_.warn(line, "superd doubles the pause each time, in as many steps as that takes");
    }

    // The two lines make one value: it is set at the first of them.
    void take_limit(const UnitLine& line) {
        if (limit_done_) return notes_.info(line, "goes into restart_limit");
        limit_done_ = true;
        const UnitLine* burst = find_either("StartLimitBurst", nullptr);
        const UnitLine* interval = find_either("StartLimitIntervalSec", "StartLimitInterval");
        const auto count = burst == nullptr ? std::optional<std::uint64_t>(5)
                                            : parse_decimal(burst->value);
        const auto period = interval == nullptr
                                    ? std::optional<Nanoseconds>(std::chrono::seconds(10))
                                    : parse_unit_time(interval->value);
        if (!count || *count > 1'000'000 || !period)
            return notes_.lose(line, "is not a limit that superd can keep");
        if (*count == 0 || period->count() == 0)
            return notes_.info(line, "no limit, as it is here");
        const std::string text =
                format_frequency({static_cast<std::uint32_t>(*count), *period});
        notes_.service().set("restart_limit", toml_text(text));
        notes_.say(ImportSeverity::warning, line, "restart_limit = " + toml_text(text),
                "superd counts restarts only, and at the limit it pauses for "
                "restart_delay_max: the listener stays");
    }

    // systemd takes them in both sections, for they have moved.
    [[nodiscard]] const UnitLine* find_either(const char* key, const char* other) const {
        for (const char* name : {key, other}) {
            if (name == nullptr) continue;
            for (const char* section : {"Unit", "Service"})
                if (const UnitLine* line = unit_.find(section, name)) return line;
        }
        return nullptr;
    }

    void take_clean_exits(const UnitLine& line) {
        for (const std::string& word : split_unit_list(line.value)) {
            const auto text = exit_text_of(word);
            if (!text)
                return notes_.lose(line, escape(word) + " is no exit status that superd knows");
            clean_ += (clean_.empty() ? "" : ", ") + *text;
        }
        if (!clean_.empty()) notes_.set(line, "clean_exit", "{ add = [" + clean_ + "] }");
    }

    const Unit& unit_;
    UnitNotes& notes_;
    bool limit_done_ = false;
    std::string clean_;
};

}  // namespace

void import_restart_lines(const Unit& unit, bool accept, UnitNotes& notes) {
    RestartImporter importer(unit, notes);
    for (const UnitLine& line : unit.lines) {
        if (!is_restart_line(line)) continue;
        if (accept)
            notes.info(line, "a handler lives as long as its connection, and not again");
        else
            importer.take(line);
    }
}

bool is_restart_line(const UnitLine& line) {
    constexpr std::array<std::string_view, 8> keys{"Restart", "RestartSec",
            "RestartMaxDelaySec", "RestartSteps", "SuccessExitStatus", "StartLimitBurst",
            "StartLimitIntervalSec", "StartLimitInterval"};
    const bool section = line.section == "Service" || line.section == "Unit";
    for (const std::string_view key : keys)
        if (section && line.key == key) return true;
    return false;
}

}  // namespace superd
