// SPDX-License-Identifier: MIT
// The verb import: another super-server's configuration as superd.toml. Needs no daemon.
#include <cerrno>
#include <cstdio>

#include <fmt/core.h>
#include <sys/stat.h>

#include "config/import_host.h"
#include "control/ctl.h"
#include "control/install.h"
#include "control/names.h"

namespace superd {

namespace {

// Why nothing may be written there; empty: it may.
std::string why_not(const std::string& path, bool force) {
    struct stat facts {};

    if (::lstat(path.c_str(), &facts) != 0) return errno == ENOENT ? "" : errno_text(errno);
    if (!S_ISREG(facts.st_mode)) return "is no regular file";
    return force ? "" : "is there already; --force writes over it";
}

// Where each file goes; empty names: to standard output.
std::vector<ImportedFile> place(std::vector<ImportedFile> files, const ImportChoices& choices) {
    for (ImportedFile& file : files)
        if (!choices.folder.empty())
            file.name = choices.folder + "/" + file.name;
        else
            file.name = choices.output;
    return files;
}

Outcome put(const std::vector<ImportedFile>& files, const ImportChoices& choices) {
    // Nothing is written where something would have to be left out.
    for (const ImportedFile& file : files)
        if (const auto why = why_not(file.name, choices.force); !why.empty())
            return {exit_code::failed, file.name + ": " + why};
    for (const ImportedFile& file : files)
        if (const auto written = write_file(file.name, file.text); !written)
            return {exit_code::failed, written.error().text()};
    return {exit_code::ok, {}};
}

// files: those for standard output.
void report(const CtlGlobals& globals, const Import& import,
        const std::vector<ImportedFile>& files) {
    if (globals.json) return ctl_print(import_report_json(import, files));
    std::fputs(render_import_report(import).c_str(), stderr);
    for (const ImportedFile& file : files)
        ctl_print(file.text);
}

}  // namespace

int ctl_import(const CtlGlobals& globals, ImportChoices choices,
        const std::function<Import(ImportHost&)>& read) {
    if (choices.output == "-") choices.output.clear();
    if (!choices.folder.empty() && !choices.output.empty())
        return ctl_fail(globals, {exit_code::usage, "--split names the folder: leave out -o"});
    SystemImportHost host;
    Import import = read(host);
    if (import.services.empty() && !import.errors_at.empty()) {
        std::fputs(render_import_report(import).c_str(), stderr);
        return ctl_fail(globals, {exit_code::failed, "nothing could be read"});
    }
    settle_import(import, host);
    auto files = place(write_import(import, !choices.folder.empty()), choices);
    const bool refused = choices.strict && import.has_losses();
    const bool to_files = !files.front().name.empty();
    if (to_files && !refused)
        if (const Outcome outcome = put(files, choices); outcome.code != exit_code::ok)
            return ctl_fail(globals, outcome);
    if (to_files || refused) files.clear();
    report(globals, import, files);
    return refused ? exit_code::failed : exit_code::ok;
}

}  // namespace superd
