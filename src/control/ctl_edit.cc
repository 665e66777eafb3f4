// SPDX-License-Identifier: MIT
// superctl edit: a copy, the editor, a check, the difference, one step into place, a reload.
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/diff.h"
#include "control/ctl.h"
#include "control/install.h"
#include "control/names.h"

namespace superd {

namespace {

// What is edited: the main file, or one that it includes.
struct Target {
    std::string main_file, path;  // path: without symbolic links, for it will be replaced
    std::uint32_t line = 0;       // where to begin; 0: anywhere

    struct stat before {};

    std::optional<Plan> plan;  // of the file as it stands; empty where it has errors

    [[nodiscard]] bool is_main() const { return path == main_file; }
};

std::string real_path(const std::string& path) {
    char* found = ::realpath(path.c_str(), nullptr);
    if (found == nullptr) return path;
    std::string result = found;
    std::free(found);
    return result;
}

tl::expected<Target, Outcome> find_target(
        const std::string& main_file, const std::string& name) {
    Target target;
    target.main_file = target.path = real_path(main_file);
    auto result = read_config(ctl_read_options(target.main_file, ""));
    if (result.plan && !name.empty()) {
        for (const auto& service : result.plan->services) {
            if (service->name != name) continue;
            target.path = real_path(result.plan->files.at(service->origin.file));
            target.line = service->origin.line;
        }
        if (target.line == 0)
            return tl::unexpected(Outcome{exit_code::no_such_service,
                    fmt::format("{} has no service {}; superctl edit without a name opens it",
                            main_file, name)});
    }
    target.plan = std::move(result.plan);
    if (::stat(target.path.c_str(), &target.before) < 0)
        return tl::unexpected(
                Outcome{exit_code::failed, fail("open", target.path).value().text()});
    return target;
}

std::string editor() {
    for (const char* name : {"VISUAL", "EDITOR"})
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0')
            return value;
    return "vi";
}

// "+12 FILE" is understood by these; others would take it for a file.
bool takes_line(const std::string& command) {
    const auto program = command.substr(0, command.find(' '));
    const auto name = program.substr(program.rfind('/') + 1);
    for (const char* known :
            {"vi", "vim", "nvim", "nano", "emacs", "joe", "mcedit", "ne", "kak"})
        if (name == known) return true;
    return false;
}

// The editor's variable may hold arguments: the shell splits it, as for every program that
// starts one.
bool run_editor(const std::string& file, std::uint32_t line) {
    const auto command = editor();
    const auto at = fmt::format("+{}", line);
    const auto script = "exec " + command + " \"$@\"";
    std::vector<const char*> words = {"sh", "-c", script.c_str(), "superctl"};
    if (line > 0 && takes_line(command)) words.push_back(at.c_str());
    words.push_back(file.c_str());
    words.push_back(nullptr);
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
        ::execv("/bin/sh", const_cast<char* const*>(words.data()));
        ::_exit(127);
    }
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool is_interactive() {
    return ::isatty(0) == 1 && ::isatty(1) == 1;
}

// The first letter of the answer; the first of `letters` for an empty line, 'q' at the end.
char ask(const std::string& question) {
    std::fputs(question.c_str(), stdout);
    std::fflush(stdout);
    std::array<char, 64> line{};
    if (std::fgets(line.data(), line.size(), stdin) == nullptr) return 'q';
    return line[0];
}

bool is_untouched(const Target& target) {
    struct stat now {};

    return ::stat(target.path.c_str(), &now) == 0 && now.st_ino == target.before.st_ino &&
           now.st_mtim.tv_sec == target.before.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == target.before.st_mtim.tv_nsec;
}

// The main file's copy is read under its name. An included file is reached only through the
// main one: the copy stands in its place for the time of the check. superd reads the file only
// when told to.
Result<ReadResult> check_copy(const Target& target, const std::string& copy) {
    if (target.is_main()) return read_config(ctl_read_options(copy, target.main_file));
    if (auto there = exchange(copy, target.path); !there) return tl::unexpected(there.error());
    auto result = read_config(ctl_read_options(target.main_file, ""));
    if (auto back = exchange(copy, target.path); !back) return tl::unexpected(back.error());
    return result;
}

void print_changes(const Target& target, const Plan& plan) {
    if (!target.plan) return;
    for (const auto& change : diff_plans(*target.plan, plan)) {
        if (change.change == Change::keep) continue;
        std::string keys;
        for (const auto& key : change.keys)
            keys += (keys.empty() ? ": " : ", ") + key;
        const char sign = change.change == Change::added     ? '+'
                          : change.change == Change::removed ? '-'
                                                             : '~';
        ctl_print(fmt::format("{} {}{}{}\n", sign, change.name, keys,
                change.restart ? " (after a restart)" : ""));
    }
}

// What was written is kept; a copy that nobody touched is not.
Outcome keep(const Target& target, const std::string& copy, const std::string& why) {
    const auto before = read_file(target.path), after = read_file(copy);
    const bool same = before && after && *before == *after;
    if (same) ::unlink(copy.c_str());
    if (same || !after) return {exit_code::failed, why};
    return {exit_code::failed, fmt::format("{}; what you wrote is kept in {}", why, copy)};
}

// Editor and check until the copy is right: nothing, or why it ends without one.
Outcome edit_copy(const CtlGlobals& globals, const Target& target, const std::string& copy) {
    for (auto line = target.line;; line = 0) {
        if (!run_editor(copy, line))
            return keep(target, copy, fmt::format("{} failed", editor()));
        const auto result = check_copy(target, copy);
        if (!result) return keep(target, copy, result.error().text());
        std::fputs(render(result->diagnostics).c_str(), stderr);
        if (!result->plan) {
            if (is_interactive() && ask("Edit again? [Y/n] ") != 'n') continue;
            return keep(target, copy, "the new file has errors, nothing was changed");
        }
        if (!globals.json)
            print_changes(target, *result->plan);  // else the reload's answer is all
        if (!is_interactive()) return {};
        const char answer = ask("Put it in place and reload? [Y/n/e] ");
        if (answer == 'e') continue;
        if (answer == 'n' || answer == 'q') return keep(target, copy, "nothing was changed");
        return {};
    }
}

}  // namespace

int ctl_edit(const CtlGlobals& globals, const std::string& file, const std::string& name) {
    const auto target = find_target(ctl_config_path(globals, file), name);
    if (!target) return ctl_fail(globals, target.error());
    const auto copy = copy_beside(target->path);
    if (!copy) {
        const bool denied = copy.error().code == EACCES || copy.error().code == EPERM;
        return ctl_fail(globals,
                {denied ? exit_code::not_permitted : exit_code::failed, copy.error().text()});
    }
    const auto edited = edit_copy(globals, *target, *copy);
    if (edited.code != exit_code::ok) return ctl_fail(globals, edited);
    const auto before = read_file(target->path), after = read_file(*copy);
    if (before && after && *before == *after) {
        ::unlink(copy->c_str());
        ctl_say(globals, "nothing was changed");
        return exit_code::ok;
    }
    if (!is_untouched(*target))
        return ctl_fail(
                globals, keep(*target, *copy, target->path + " was changed by somebody else"));
    if (const auto installed = install_copy(*copy, target->path); !installed)
        return ctl_fail(globals, keep(*target, *copy, installed.error().text()));
    if (auto client = ControlClient::connect(globals.socket))
        return ctl_reload(globals, false, target->plan.has_value());
    ctl_say(globals,
            fmt::format("{} is in place; no superd runs that would read it now", target->path));
    return exit_code::ok;
}

}  // namespace superd
