// SPDX-License-Identifier: MIT
// [Service]: the program and its arguments, identity, limits and descriptors.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/units.h"
#include "config/environment_file.h"
#include "config/import_systemd.h"

namespace superd {

namespace {

// Where systemd looks for a program without a path.
constexpr std::array<std::string_view, 6> program_folders{
        "/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};

bool is_variable_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

bool is_variable_name(std::string_view name) {
    return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
           std::all_of(name.begin(), name.end(), is_variable_character);
}

std::vector<std::string> split_blanks(std::string_view text) {
    std::vector<std::string> words;
    for (const std::string_view word : split(text, ' '))
        if (!trim(word).empty()) words.emplace_back(trim(word));
    return words;
}

bool has(std::string_view text, char c) {
    return text.find(c) != std::string_view::npos;
}

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
        read_environment();
        take_type();
        take_command();
        take_identity();
        take_descriptors();
        for (const UnitLine& line : unit_.lines)
            take(line);
        finish();
    }

private:
    ImportService& service() { return notes_.service(); }

    std::string expand(const UnitLine& line) {
        std::string unknown;
        std::string value = expand_specifiers(line.value, unit_.name, host_, unknown);
        if (!unknown.empty())
            notes_.forbid(line, "what " + unknown +
                                        " stands for is not known here, or is another thing "
                                        "for each connection");
        return value;
    }

    const UnitLine* find(std::string_view key) const { return unit_.find("Service", key); }

    // ---- the environment

    void read_environment() {
        for (const UnitLine& line : unit_.lines)
            if (line.section == "Service" && line.key == "Environment") take_variables(line);
        for (const UnitLine& line : unit_.lines)
            if (line.section == "Service" && line.key == "EnvironmentFile") take_file(line);
        if (variables_.empty()) return;
        std::string table;
        for (const auto& [name, value] : variables_)
            table += (table.empty() ? "" : ", ") + name + " = " + toml_text(value);
        service().set("environment", "{ " + table + " }");
    }

    void take_variables(const UnitLine& line) {
        const auto words = split_unit_words(expand(line));
        if (!words) return notes_.lose(line, words.error());
        for (const std::string& word : *words) {
            const auto equals = word.find('=');
            if (equals == std::string::npos ||
                    !is_variable_name(std::string_view(word).substr(0, equals)))
                notes_.lose(line, "\"" + escape(word) + "\" is not NAME=value");
            else
                variables_[word.substr(0, equals)] = word.substr(equals + 1);
        }
        notes_.say(ImportSeverity::info, line, "environment", {});
    }

    // superd takes such files from root alone, closed to others, and lets environment win over
    // them; systemd takes any and lets the files win. So a file that anybody may read comes in
    // as what it says today.
    void take_file(const UnitLine& line) {
        std::string path = expand(line);
        const bool optional = path.starts_with('-');
        if (optional) path.erase(0, 1);
        const auto file = host_.read(path);
        if (file.error != 0 && optional)
            return notes_.info(line, "there is no such file now; the line is left out");
        if (file.error != 0) return notes_.forbid(line, "the file cannot be read");
        if (file.closed) return take_closed_file(line, path);
        const auto found = parse_environment(file.text);
        if (!found) return notes_.forbid(line, "the file: " + found.error().message);
        for (const Variable& variable : *found)
            variables_[variable.name] = variable.value;
        notes_.say(ImportSeverity::warning, line, "environment",
                "what the file says now; later changes of it go unseen");
    }

    void take_closed_file(const UnitLine& line, const std::string& path) {
        secret_files_.push_back(path);
        notes_.set(line, "environment_file", toml_list(secret_files_));
    }

    // ---- the program

    void take_type() {
        const UnitLine* line = find("Type");
        if (line == nullptr) return;
        const std::string type = expand(*line);
        if (type == "simple" || type == "exec" || type == "idle") return;
        if (type == "oneshot" && accept_) return;
        if (type == "forking")
            return notes_.forbid(*line,
                    "superd keeps to the process it starts: give the program the option "
                    "that keeps it in the foreground");
        if (type == "notify" || type == "notify-reload" || type == "dbus")
            return notes_.warn(*line,
                    "superd waits for no word of the program: it counts as "
                    "running when it is started");
        notes_.warn(*line, "superd starts the program when a client comes");
    }

    void take_command() {
        std::vector<const UnitLine*> commands;
        for (const UnitLine& line : unit_.lines)
            if (line.section == "Service" && line.key == "ExecStart") commands.push_back(&line);
        if (commands.empty()) {
            service().disabled.emplace_back("the unit has no ExecStart=");
            return notes_.say(ImportSeverity::lost, {{unit_.path, 0}, {}, unit_.path, {}}, {},
                    "there is no ExecStart= in it");
        }
        for (std::size_t i = 1; i < commands.size(); ++i)
            notes_.forbid(*commands[i], "a service has one program");
        parse_command(*commands.front());
    }

    void parse_command(const UnitLine& line) {
        std::string text = line.value;
        const auto prefix = text.find_first_not_of("@-:+!|");
        const std::string prefixes = text.substr(0, prefix);
        text.erase(0, prefixes.size());
        auto words = split_unit_words(text);
        if (!words) return notes_.forbid(line, words.error());
        if (words->empty()) return notes_.forbid(line, "there is no program in it");
        if (std::find(words->begin(), words->end(), ";") != words->end())
            return notes_.forbid(line, "a service has one program");
        std::vector<std::string> argv;
        for (std::size_t i = 0; i < words->size(); ++i)
            add_word(line, (*words)[i], i > 0 && !has(prefixes, ':'), argv);
        std::size_t size = 0;
        for (const std::string& word : argv)
            size += word.size() + 1;
        if (size > longest_command) return notes_.forbid(line, "the command is too long");
        set_command(line, prefixes, std::move(argv));
    }

    // As long as execve(2) takes one word, and more than any command.
    static constexpr std::size_t longest_command = 131072;

    void add_word(const UnitLine& line, const std::string& word, bool variables,
            std::vector<std::string>& argv) {
        const UnitLine part{line.at, line.section, line.key, word};
        std::string plain = word == "\\;" ? ";" : expand(part);
        if (!variables) return argv.push_back(std::move(plain));
        // "$NAME" as a word becomes as many words as its value has.
        const std::string_view name = std::string_view(plain).substr(plain.empty() ? 0 : 1);
        if (plain.starts_with('$') && is_variable_name(name)) {
            for (std::string& one : split_blanks(variable(line, name)))
                argv.push_back(std::move(one));
            return;
        }
        argv.push_back(substitute(line, plain));
    }

    std::string substitute(const UnitLine& line, std::string_view text) {
        std::string out;
        while (!text.empty()) {
            const auto close = text.find('}');
            if (text.starts_with("$$")) {
                out += '$';
                text.remove_prefix(2);
            } else if (text.starts_with("${") && close != std::string_view::npos &&
                       is_variable_name(text.substr(2, close - 2))) {
                out += variable(line, text.substr(2, close - 2));
                text.remove_prefix(close + 1);
            } else {
                out += text.front();
                text.remove_prefix(1);
            }
        }
        return out;
    }

    // What a variable of the command line says: systemd puts it in when it starts the program,
    // superd never does.
    std::string variable(const UnitLine& line, std::string_view name) {
        if (put_in_ > longest_command) return {};  // said already
        const auto found = variables_.find(std::string(name));
        if (found != variables_.end() && (put_in_ += found->second.size()) > longest_command) {
            notes_.forbid(line, "what its variables say is too long");
            return {};
        }
        if (found != variables_.end()) {
            notes_.warn(line, "$" + std::string(name) + " is put in as it is now");
            return found->second;
        }
        if (auto folder = folder_variable(name)) return *folder;
        constexpr std::array<std::string_view, 8> at_run_time{"REMOTE_ADDR", "REMOTE_PORT",
                "LISTEN_FDS", "LISTEN_PID", "MAINPID", "INVOCATION_ID", "NOTIFY_SOCKET",
                "CREDENTIALS_DIRECTORY"};
        const bool known =
                std::find(at_run_time.begin(), at_run_time.end(), name) != at_run_time.end();
        if (known || !secret_files_.empty()) {
            notes_.forbid(line, "superd puts no variables in: $" + std::string(name));
            return "$" + std::string(name);
        }
        notes_.info(
                line, "$" + std::string(name) + " is not set and left out, as systemd does");
        return {};
    }

    std::optional<std::string> folder_variable(std::string_view name) {
        const std::array<std::array<std::string_view, 3>, 4> folders{
                {{"RUNTIME_DIRECTORY", "RuntimeDirectory", "/run/"},
                        {"STATE_DIRECTORY", "StateDirectory", "/var/lib/"},
                        {"CACHE_DIRECTORY", "CacheDirectory", "/var/cache/"},
                        {"LOGS_DIRECTORY", "LogsDirectory", "/var/log/"}}};
        for (const auto& [variable, key, prefix] : folders)
            if (name == variable && find(key) != nullptr)
                return std::string(prefix) + find(key)->value;
        return std::nullopt;
    }

    void set_command(
            const UnitLine& line, const std::string& prefixes, std::vector<std::string> argv) {
        if (argv.empty() || argv.front().empty())
            return notes_.forbid(line, "there is no program in it");
        argv.front() = program_path(line, argv.front());
        if (has(prefixes, '@')) {
            if (argv.size() < 2) return notes_.forbid(line, "'@' needs a name for the program");
            service().set("argv0", toml_text(argv[1]));
            argv.erase(argv.begin() + 1);
        }
        if (has(prefixes, '|'))
            notes_.forbid(line, "superd starts programs, not lines for a shell");
        if (has(prefixes, '-'))
            notes_.info(line, "'-': superd logs how a program ended and goes on");
        as_root_ = has(prefixes, '+') || has(prefixes, '!');
        if (as_root_ && find("User") != nullptr)
            notes_.warn(line, "'+' or '!': the program starts as root, not as User=");
        notes_.set(line, "exec", toml_array(argv));
    }

    std::string program_path(const UnitLine& line, const std::string& program) {
        if (program.starts_with('/')) return program;
        if (program.find('/') == std::string::npos)
            for (const std::string_view folder : program_folders)
                if (host_.is_executable(std::string(folder) + program))
                    return std::string(folder) + program;
        notes_.forbid(line, "there is no program " + escape(program) + " here");
        return "/usr/bin/" + program;
    }

    // ---- identity

    void take_identity() {
        const UnitLine* user = find("User");
        const UnitLine* dynamic = find("DynamicUser");
        std::string name = user != nullptr && !as_root_ ? expand(*user) : "root";
        if (dynamic != nullptr && parse_unit_boolean(dynamic->value) == true) {
            notes_.forbid(*dynamic,
                    "superd makes no users up: make one for the service and "
                    "name it as user");
            if (!host_.user_exists(name) || name == "root") name = "nobody";
        } else if (user != nullptr && !host_.user_exists(name)) {
            notes_.forbid(*user, "there is no such user here");
        }
        if (user != nullptr)
            notes_.set(*user, "user", toml_text(name));
        else
            service().set("user", toml_text(name));
        if (const UnitLine* group = find("Group"); group != nullptr && !as_root_)
            take_group(*group);
        if (!as_root_) take_groups();
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
            for (std::string& name : split_blanks(expand(line))) {
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
        if (is_taken(line)) return;
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
        for (std::string& name : split_blanks(value))
            passed_.push_back(std::move(name));
        notes_.set(line, "pass_environment", toml_list(passed_));
    }

    void take_cpus(const UnitLine& line, const std::string& value) {
        for (const std::string& part : split_blanks(value))
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
        for (const std::string& word : split_blanks(value)) {
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
    std::map<std::string, std::string> variables_;
    std::map<std::string, std::vector<std::string>> folders_;
    std::vector<std::string> secret_files_, passed_, cpus_;
    std::string limits_, credentials_;
    std::size_t put_in_ = 0;  // characters of variables in the command
    bool as_root_ = false;
};

}  // namespace

void import_service_unit(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes) {
    ServiceImporter(unit, accept, host, notes).import();
}

}  // namespace superd
