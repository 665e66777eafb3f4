// SPDX-License-Identifier: MIT
#include "sys/stillness.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "base/text.h"

namespace superd {

namespace {

// proc_pid_stat(5): the state, the parent and the group stand behind the name, which may be
// anything and ends with the last ')'.
struct ProcessStat {
    char state = 'X';
    pid_t group = 0;
};

ProcessStat stat_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    const std::size_t name_end = line.rfind(')');
    ProcessStat stat;
    if (name_end == std::string::npos || name_end + 2 >= line.size()) return stat;
    stat.state = line[name_end + 2];
    const std::size_t group_at = line.find(' ', name_end + 4);
    if (group_at != std::string::npos)
        stat.group = static_cast<pid_t>(std::strtol(line.c_str() + group_at, nullptr, 10));
    return stat;
}

bool is_still(char state) {
    return state == 'T' || state == 't' || state == 'Z' || state == 'X';
}

// Entries come and go while they are read.
template <class Visit>
void for_each_number(const std::string& directory, Visit visit) {
    std::error_code error;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
        if (const auto number = parse_decimal(entry->path().filename().string()))
            visit(static_cast<pid_t>(*number), entry->path().string());
}

}  // namespace

bool are_still(const std::vector<pid_t>& processes) {
    bool still = true;
    for (const pid_t process : processes)
        for_each_number("/proc/" + std::to_string(process) + "/task",
                [&](pid_t, const std::string& path) {
                    still = still && is_still(stat_of(path + "/stat").state);
                });
    return still;
}

std::vector<pid_t> members_of_group(pid_t group) {
    std::vector<pid_t> members;
    for_each_number("/proc", [&](pid_t process, const std::string& path) {
        const ProcessStat stat = stat_of(path + "/stat");
        if (stat.group == group && stat.state != 'X') members.push_back(process);
    });
    return members;
}

}  // namespace superd
