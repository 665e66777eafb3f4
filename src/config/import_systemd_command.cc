// SPDX-License-Identifier: MIT
// [Service]: the program, its arguments and its environment, which systemd puts into them.
#include <algorithm>
#include <array>

#include "base/text.h"
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

bool has(std::string_view text, char c) {
    return text.find(c) != std::string_view::npos;
}

class CommandImporter {
public:
    CommandImporter(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes)
            : unit_(unit), accept_(accept), host_(host), notes_(notes) {}

    bool import() {
        read_environment();
        take_type();
        take_command();
        return as_root_;
    }

private:
    ImportService& service() { return notes_.service(); }

    std::string expand(const UnitLine& line) {
        return expand_service_line(line, unit_, host_, notes_);
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
        if (type == "dbus" || (accept_ && type.starts_with("notify")))
            return notes_.warn(*line, "it counts as running when it is started");
        if (type == "notify-reload")
            service().set("reload", R"({ signal = "HUP", wait = true })");
        if (type.starts_with("notify")) return notes_.set(*line, "ready", R"("notify")");
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
            for (std::string& one : split_unit_list(variable(line, name)))
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

    const Unit& unit_;
    bool accept_;
    ImportHost& host_;
    UnitNotes& notes_;
    std::map<std::string, std::string> variables_;
    std::vector<std::string> secret_files_;
    std::size_t put_in_ = 0;  // characters of variables in the command
    bool as_root_ = false;
};

}  // namespace

std::string expand_service_line(
        const UnitLine& line, const Unit& unit, ImportHost& host, UnitNotes& notes) {
    std::string unknown;
    std::string value = expand_specifiers(line.value, unit.name, host, unknown);
    if (!unknown.empty())
        notes.forbid(line, "what " + unknown +
                                   " stands for is not known here, or is another thing "
                                   "for each connection");
    return value;
}

bool import_service_command(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes) {
    return CommandImporter(unit, accept, host, notes).import();
}

}  // namespace superd
