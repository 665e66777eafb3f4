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

bool exists(const std::string& path) {
    struct stat facts {};

    return ::lstat(path.c_str(), &facts) == 0 || errno != ENOENT;
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
        if (!choices.force && exists(file.name))
            return {exit_code::failed, file.name + " is there already; --force writes over it"};
    for (const ImportedFile& file : files)
        if (const auto written = write_file(file.name, file.text); !written)
            return {exit_code::failed, written.error().text()};
    return {exit_code::ok, {}};
}

int report(const CtlGlobals& globals, const ImportChoices& choices, const Import& import,
        const std::vector<ImportedFile>& files) {
    const bool to_files = !choices.folder.empty() || !choices.output.empty();
    if (globals.json) {
        ctl_print(import_report_json(import, to_files ? std::vector<ImportedFile>{} : files));
    } else {
        std::fputs(render_import_report(import).c_str(), stderr);
        if (!to_files) ctl_print(files.front().text);
    }
    return choices.strict && import.has_losses() ? exit_code::failed : exit_code::ok;
}

}  // namespace

int ctl_import(const CtlGlobals& globals, const ImportChoices& choices,
        const std::function<Import(ImportHost&)>& read) {
    if (!choices.folder.empty() && !choices.output.empty())
        return ctl_fail(globals, {exit_code::usage, "--split names the folder: leave out -o"});
    SystemImportHost host;
    Import import = read(host);
    if (import.services.empty() && !import.errors_at.empty()) {
        std::fputs(render_import_report(import).c_str(), stderr);
        return ctl_fail(globals, {exit_code::failed, "nothing could be read"});
    }
    settle_import(import, host);
    const auto files = place(write_import(import, !choices.folder.empty()), choices);
    if (!files.front().name.empty() && !(choices.strict && import.has_losses()))
        if (const Outcome outcome = put(files, choices); outcome.code != exit_code::ok)
            return ctl_fail(globals, outcome);
    return report(globals, choices, import, files);
}

}  // namespace superd
