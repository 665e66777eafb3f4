// SPDX-License-Identifier: MIT
// Nodes of a document to values: one converter a type, each mistake reported where it stands.
//
// All converters return nothing where the value is wrong; the report then has the reason.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.h"
#include "config/plan.h"
#include "config/report.h"
#include "config/tree.h"

namespace superd {

// "\"text\"", with what a terminal should not see escaped.
[[nodiscard]] std::string quoted(std::string_view text);

class Values {
public:
    explicit Values(Report& report) : report_(report) {}

    [[nodiscard]] Report& report() { return report_; }

    // `what` names the value in messages: the option's key, mostly.
    [[nodiscard]] const std::string* text(const Node& node, std::string_view what);
    [[nodiscard]] std::optional<bool> boolean(const Node& node, std::string_view what);
    [[nodiscard]] std::optional<std::int64_t> integer(const Node& node, const Option& option);
    [[nodiscard]] std::optional<double> number(const Node& node, const Option& option);
    // A number, or "unlimited": then `value` is empty.
    [[nodiscard]] std::optional<Bound> bound(const Node& node, const Option& option);
    [[nodiscard]] std::optional<Nanoseconds> duration(const Node& node, std::string_view what);
    [[nodiscard]] std::optional<Nanoseconds> duration(const Node& node, const Option& option);
    // A duration, "forever" (zero) or "never": then the inner one is empty.
    [[nodiscard]] std::optional<std::optional<Nanoseconds>> denial(
            const Node& node, const Option& option);
    // A duration, or "unlimited": then the inner one is empty.
    [[nodiscard]] std::optional<std::optional<Nanoseconds>> time_bound(
            const Node& node, const Option& option);
    [[nodiscard]] std::optional<std::uint64_t> size(const Node& node, std::string_view what);
    [[nodiscard]] std::optional<std::uint64_t> size(const Node& node, const Option& option);
    [[nodiscard]] std::optional<std::uint32_t> mode(const Node& node, const Option& option);
    // The index of the word in option.words.
    [[nodiscard]] std::optional<std::size_t> choice(const Node& node, const Option& option);
    // An absolute path without "." and ".." in it.
    [[nodiscard]] std::optional<std::string> path(const Node& node, std::string_view what);
    // One line of text of at most option.high bytes.
    [[nodiscard]] std::optional<std::string> line(const Node& node, const Option& option);

    // ---- values with a form of their own (values_special.cc, values_limits.cc)

    // argv: the program's absolute path first.
    [[nodiscard]] std::optional<std::vector<std::string>> command(const Node& node);
    [[nodiscard]] std::optional<HoursWindow> hours(const Node& node);
    [[nodiscard]] std::optional<Output> output(const Node& node, const Option& option);
    [[nodiscard]] std::optional<SinkPlan> sink(const Node& node);
    // One word of log_admitted or log_refused as its LogFacts bit.
    [[nodiscard]] std::optional<std::uint8_t> log_fact(const Node& node, const Option& option);
    [[nodiscard]] std::optional<Frequency> frequency(const Node& node, std::string_view what);
    // A frequency, or "unlimited": then the inner one is empty.
    [[nodiscard]] std::optional<std::optional<Frequency>> frequency_bound(
            const Node& node, std::string_view what);
    // One entry of at: "Mon..Fri 03:30".
    [[nodiscard]] std::optional<CalendarRule> calendar(const Node& node);
    // One entry of clean_exit: 3 or "USR1".
    [[nodiscard]] std::optional<CleanExit> clean_exit(const Node& node);
    // A capability's number, an address family's, a system call or a group of them
    // (values_sandbox.cc).
    [[nodiscard]] std::optional<unsigned> capability(const Node& node, std::string_view what);
    [[nodiscard]] std::optional<std::uint16_t> address_family(const Node& node);
    [[nodiscard]] std::optional<std::string> system_call(
            const Node& node, std::string_view what);
    // One command, or a list of lists.
    [[nodiscard]] std::optional<std::vector<Command>> commands(const Node& node);
    // "HUP", { signal = "HUP", wait = true }, or a command.
    [[nodiscard]] std::optional<ReloadPlan> reload(const Node& node);
    // 4, { count = 4, max_age = "10m" } (values_warm.cc).
    [[nodiscard]] std::optional<PrestartPlan> prestart(const Node& node, const Option& option);
    // "fd:3", "listen:tcp:80"; ports by number only.
    [[nodiscard]] std::optional<ReadyPlan> ready(const Node& node);
    // { tcp = "127.0.0.1:80", every = "5s", failures = 3 } (values_health.cc)
    [[nodiscard]] std::optional<HealthPlan> health(const Node& node);
    [[nodiscard]] std::optional<RlimitPlan> rlimit(
            const std::string& name, const Place& at, const Node& node);

    struct IoPriority {
        std::uint8_t scheduling_class = 0,
                     level = 0;  // ioprio_set(2): 1 realtime, 2 best-effort, 3 idle
    };

    // "150%", within the option's bounds.
    [[nodiscard]] std::optional<std::uint32_t> percent(const Node& node, const Option& option);
    [[nodiscard]] std::optional<IoPriority> ionice(const Node& node);
    // Appends the processors of "0-3", "5" or 5.
    bool cpus(const Node& node, std::vector<std::uint32_t>& into);
    // "sshd", "shop/cache": relative, no "." or "..".
    [[nodiscard]] std::optional<std::string> directory_name(
            const Node& node, std::string_view what);
    [[nodiscard]] std::optional<std::string> variable_name(const Node& node);
    // "239.1.2.3", "ff02::1%eth0"
    [[nodiscard]] std::optional<std::string> multicast(const Node& node);

    struct Wrappers {
        bool asked = false;
        std::string name;  // empty: the program's
    };

    // true, false, or a daemon's name as hosts_access(5) has it.
    [[nodiscard]] std::optional<Wrappers> wrappers(const Node& node);

    // Place as an Origin of the plan, whose files are the document's.
    [[nodiscard]] static Origin origin(const Place& place) {
        return {place.file, place.line, place.column};
    }

private:
    void wrong_type(const Node& node, std::string_view what, std::string_view wanted);
    std::optional<SinkPlan> sized_file(const Node& node);
    std::optional<bool> rotation_key(
            std::string_view key, const Node& value, RotationPlan& into);
    bool in_range(const Node& node, const Option& option, std::int64_t value);
    std::optional<std::uint64_t> limit_value(
            std::string_view text, char form, std::string& why) const;

    Report& report_;
};

// A string split at blanks, with single and double quotes and nothing else; nothing where a
// quote is left open.
[[nodiscard]] std::optional<std::vector<std::string>> split_command(std::string_view text);
// As the file writes it: "syslog:local4.info"; of a file only the path.
[[nodiscard]] std::string sink_text(const SinkPlan& sink);
// LogFacts as words, in the order of their bits.
[[nodiscard]] std::vector<std::string_view> log_fact_words(std::uint8_t bits);
// [A-Za-z_][A-Za-z0-9_]*
[[nodiscard]] bool is_variable_name(std::string_view name);
// "cpu" -> RLIMIT_CPU; -1 where there is none.
[[nodiscard]] int rlimit_by_name(std::string_view name);
[[nodiscard]] std::string_view rlimit_name(int resource);
// How a limit is written: 'd' seconds, 'u' microseconds, 's' bytes, 'n' a number.
[[nodiscard]] char rlimit_form(int resource);

}  // namespace superd
