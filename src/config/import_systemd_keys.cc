// SPDX-License-Identifier: MIT
// The directives of systemd that need no more than a converted value, those that mean nothing
// for superd, and those that it does not have.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/units.h"
#include "config/import_systemd.h"

namespace superd {

namespace {

// What becomes of a line. protection: confinement that is gone with it. command: something that
// systemd runs beside the program.
enum class Fate : std::uint8_t {
    text,
    integer,
    mode,
    path,
    duration,
    harmless,
    differs,
    missing,
    protection,
    command,
    vital
};

struct Row {
    std::string_view key;
    Fate fate;
    std::string_view is{};  // superd's key, or what to say
};

constexpr std::string_view ordering =
        "after, requires, wants and conflicts order superd's services, not units";
constexpr std::string_view depends =
        "requires and wants start superd's services, not this unit: see to it that it runs";
constexpr std::string_view restarts =
        "restart, restart_delay, restart_limit and clean_exit say when superd starts it again";
constexpr std::string_view signals = "superd ends a process with TERM, then with KILL";
constexpr std::string_view control_group = "superd's control groups have no such bound";

// Ordered by key within a topic; looked up one by one, for units are short.
constexpr std::array rows{
        // What superd says itself.
        Row{"Description", Fate::text, "description"},
        Row{"Nice", Fate::integer, "nice"},
        Row{"OOMScoreAdjust", Fate::integer, "oom_score_adjust"},
        Row{"UMask", Fate::mode, "umask"},
        Row{"RootDirectory", Fate::path, "root"},
        Row{"TimeoutStopSec", Fate::duration, "stop_timeout"},
        // Without meaning here.
        Row{"After", Fate::harmless, ordering},
        Row{"Before", Fate::harmless, ordering},
        Row{"CollectMode", Fate::harmless},
        Row{"DefaultDependencies", Fate::harmless, ordering},
        Row{"Documentation", Fate::harmless},
        Row{"GuessMainPID", Fate::harmless},
        Row{"IgnoreOnIsolate", Fate::harmless},
        Row{"RefuseManualStart", Fate::harmless},
        Row{"RefuseManualStop", Fate::harmless},
        Row{"StopWhenUnneeded", Fate::harmless},
        Row{"SourcePath", Fate::harmless},
        Row{"CPUAccounting", Fate::harmless},
        Row{"IOAccounting", Fate::harmless},
        Row{"IPAccounting", Fate::harmless},
        Row{"MemoryAccounting", Fate::harmless},
        Row{"TasksAccounting", Fate::harmless},
        Row{"RestartMode", Fate::harmless, restarts},
        Row{"IgnoreSIGPIPE", Fate::differs,
                "superd resets SIGPIPE: a write to a client that is gone ends the program"},
        // Otherwise than in systemd.
        Row{"BindsTo", Fate::differs, depends},
        Row{"Conflicts", Fate::differs, ordering},
        Row{"JoinsNamespaceOf", Fate::protection},
        Row{"OnFailure", Fate::missing, "superd starts nothing when a service fails"},
        Row{"OnSuccess", Fate::missing, "superd starts nothing when a service ends"},
        Row{"PartOf", Fate::differs, depends},
        Row{"Requires", Fate::differs, depends},
        Row{"RequiresMountsFor", Fate::differs, depends},
        Row{"Requisite", Fate::differs, depends},
        Row{"Upholds", Fate::differs, depends},
        Row{"Wants", Fate::differs, depends},
        Row{"BusName", Fate::differs, "superd waits for no name on a bus"},
        Row{"FinalKillSignal", Fate::differs, signals},
        Row{"KillMode", Fate::differs,
                "superd ends a handler's process alone, and all of a worker"},
        Row{"KillSignal", Fate::differs, signals},
        Row{"RestartKillSignal", Fate::differs, signals},
        Row{"SendSIGHUP", Fate::differs, signals},
        Row{"SendSIGKILL", Fate::differs, signals},
        Row{"WatchdogSignal", Fate::differs, "superd sends ABRT"},
        Row{"PIDFile", Fate::differs, "superd knows the process that it started"},
        Row{"RestartForceExitStatus", Fate::differs, restarts},
        Row{"RestartPreventExitStatus", Fate::differs, restarts},
        Row{"StartLimitAction", Fate::differs, restarts},
        Row{"SyslogIdentifier", Fate::differs, "lines carry the name of the service"},
        Row{"Sockets", Fate::differs, "import these units together with this one"},
        Row{"OOMPolicy", Fate::differs, control_group},
        // Not there.
        Row{"CPUWeight", Fate::missing, control_group},
        Row{"CPUShares", Fate::missing, control_group},
        Row{"Delegate", Fate::missing, control_group},
        Row{"MemoryHigh", Fate::missing, control_group},
        Row{"MemoryLow", Fate::missing, control_group},
        Row{"MemoryMin", Fate::missing, control_group},
        Row{"MemorySwapMax", Fate::missing, control_group},
        Row{"Slice", Fate::missing, control_group},
        Row{"ConfigurationDirectory", Fate::missing,
                "make the directory below /etc yourself; the program is not told of it"},
        Row{"OpenFile", Fate::missing, "superd opens no files for services"},
        Row{"ExecCondition", Fate::command},
        Row{"ExecStartPost", Fate::command},
        Row{"ExecStartPre", Fate::command},
        Row{"ExecStopPost", Fate::command},
        Row{"ExecStopPre", Fate::command},
        // What the program cannot do without.
        Row{"PAMName", Fate::vital, "superd opens no PAM session"},
        Row{"RootImage", Fate::vital, "superd mounts no images"},
        Row{"SetCredential", Fate::vital, "write the credential to a file and name it here"},
        Row{"SetCredentialEncrypted", Fate::vital, "superd decrypts no credentials"},
        Row{"LoadCredentialEncrypted", Fate::vital, "superd decrypts no credentials"},
        Row{"TTYPath", Fate::vital, "superd gives no terminals"},
        Row{"UnsetEnvironment", Fate::missing, "superd sets what environment(7) lists"},
};

constexpr std::array<std::string_view, 42> protections{"AppArmorProfile", "BindPaths",
        "BindReadOnlyPaths", "BPFProgram", "DeviceAllow", "DevicePolicy", "ExecPaths",
        "ExtensionImages", "IPEgressFilterPath", "IPIngressFilterPath", "KeyringMode",
        "MountAPIVFS", "MountFlags", "MountImages", "NetworkNamespacePath", "NFTSet",
        "NoExecPaths", "PrivateBPF", "PrivateMounts", "PrivateUsers", "ProcSubset",
        "ProtectClock", "ProtectHostname", "ProtectKernelModules", "ProtectProc", "RemoveIPC",
        "RestrictFileSystems", "RestrictNetworkInterfaces", "RootEphemeral", "SecureBits",
        "SELinuxContext", "SmackProcessLabel", "SocketBindAllow", "SocketBindDeny",
        "SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallLog",
        "TemporaryFileSystem", "IPAddressAllow", "IPAddressDeny", "CoredumpFilter",
        "Personality"};

const Row* find_row(std::string_view key) {
    for (const Row& row : rows)
        if (row.key == key) return &row;
    return nullptr;
}

bool is_protection(std::string_view key) {
    return std::find(protections.begin(), protections.end(), key) != protections.end();
}

// "no" takes nothing away that superd would have to give.
void lose_protection(const UnitLine& line, const std::string& value, UnitNotes& notes) {
    if (parse_unit_boolean(value) == false) return notes.info(line, "as it is here");
    notes.lose(
            line, "PROTECTION LOST: superd has nothing for this; the service runs without it");
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    const bool minus = text.starts_with('-');
    if (minus || text.starts_with('+')) text.remove_prefix(1);
    const auto number = parse_decimal(text);
    if (!number || *number > 0xffffffffu) return std::nullopt;
    const auto value = static_cast<std::int64_t>(*number);
    return minus ? -value : value;
}

void wrong(const UnitLine& line, UnitNotes& notes) {
    notes.lose(line, "is not a value that systemd takes");
}

void set_duration(
        const UnitLine& line, std::string_view value, std::string_view key, UnitNotes& notes) {
    constexpr Nanoseconds longest = std::chrono::hours(24);
    const auto time = parse_unit_time(value);
    const bool endless = value == "infinity" || (time && time->count() == 0);
    if (!time && !endless) return wrong(line, notes);
    if (endless || *time > longest)
        return notes.service().set(std::string(key), toml_text(format_duration(longest))),
               notes.say(ImportSeverity::warning, line, std::string(key) + " = \"1d\"",
                       "a day is the longest that superd waits");
    notes.set(line, std::string(key), toml_text(format_duration(*time)));
}

void convert(const UnitLine& line, const std::string& value, const Row& row, UnitNotes& notes) {
    const std::string key(row.is);
    if (row.fate == Fate::text) return notes.set(line, key, toml_text(value));
    if (row.fate == Fate::duration) return set_duration(line, value, row.is, notes);
    if (row.fate == Fate::path) {
        if (!value.starts_with('/')) return wrong(line, notes);
        return notes.set(line, key, toml_text(value));
    }
    if (row.fate == Fate::mode) {
        const auto mode = parse_octal(value);
        if (!mode || *mode > 07777) return wrong(line, notes);
        return notes.set(line, key, toml_text(format_mode(*mode & 0777u)));
    }
    const auto number = parse_integer(value);
    if (!number) return wrong(line, notes);
    notes.set(line, key, std::to_string(*number));
}

void apply(const UnitLine& line, const std::string& value, const Row& row, UnitNotes& notes) {
    switch (row.fate) {
        case Fate::text:
        case Fate::integer:
        case Fate::mode:
        case Fate::path:
        case Fate::duration: return convert(line, value, row, notes);
        case Fate::harmless: return notes.info(line, std::string(row.is));
        case Fate::differs: return notes.warn(line, std::string(row.is));
        case Fate::missing: return notes.lose(line, std::string(row.is));
        case Fate::protection: return lose_protection(line, value, notes);
        case Fate::vital: return notes.forbid(line, std::string(row.is));
        case Fate::command:
            return notes.lose(line,
                    "superd runs nothing when it opens sockets, and asks for no conditions");
    }
}

}  // namespace

void import_plain_line(const UnitLine& line, const std::string& value, UnitNotes& notes) {
    const std::string_view key = line.key;
    if (line.section == "Install" || line.section.starts_with("X-") || key.starts_with("X-"))
        return notes.info(line, "superd starts what its file names");
    if (const Row* row = find_row(key)) return apply(line, value, *row, notes);
    if (is_protection(key)) return lose_protection(line, value, notes);
    if (key.starts_with("Condition") || key.starts_with("Assert"))
        return notes.lose(line, "superd asks for no conditions: the service is there always");
    notes.lose(line, "superd has nothing for this");
}

}  // namespace superd
