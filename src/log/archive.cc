// SPDX-License-Identifier: MIT
// The files that a rotated log file leaves behind.
#include "log/archive.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace superd {

namespace {

constexpr std::string_view shape =
        "dddddddd"
        "T"
        "dddddd"
        "."
        "ddd"
        "Z";
constexpr std::string_view compressed_end = ".gz", unfinished_mark = ".gz.part-";

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string stamp_of(Wall time) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(ms).count();
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[64] = "";
    const std::size_t length = std::strftime(text, sizeof text, "%Y%m%dT%H%M%S", &parts);
    std::snprintf(text + length, sizeof text - length, ".%03dZ",
            static_cast<int>((ms % std::chrono::seconds(1)).count()));
    return text;
}

}  // namespace

bool is_stamp(std::string_view text) {
    if (text.size() != stamp_length) return false;
    for (std::size_t i = 0; i < stamp_length; ++i)
        if (shape[i] == 'd' ? !is_digit(text[i]) : text[i] != shape[i]) return false;
    return true;
}

// Counts in the digits alone: what comes out sorts behind, be it no time of any clock.
std::string next_stamp(std::string_view stamp) {
    std::string next(stamp);
    for (std::size_t i = stamp_length; i-- > 0;) {
        if (!is_digit(next[i])) continue;
        if (next[i] != '9') {
            ++next[i];
            return next;
        }
        next[i] = '0';
    }
    return std::string(stamp);
}

std::string make_stamp(Wall now, std::string_view last) {
    std::string stamp = stamp_of(now);
    return is_stamp(last) && stamp <= last ? next_stamp(last) : stamp;
}

std::optional<ArchiveName> parse_archive(std::string_view file, std::string_view entry) {
    if (!entry.starts_with(file) || entry.size() < file.size() + 1 + stamp_length ||
            entry[file.size()] != '.')
        return std::nullopt;
    const std::string_view stamp = entry.substr(file.size() + 1, stamp_length);
    if (!is_stamp(stamp)) return std::nullopt;
    const std::string_view rest = entry.substr(file.size() + 1 + stamp_length);
    if (rest.empty()) return ArchiveName{stamp, ArchiveKind::plain};
    if (rest == compressed_end) return ArchiveName{stamp, ArchiveKind::compressed};
    if (!rest.starts_with(unfinished_mark)) return std::nullopt;
    const std::string_view pid = rest.substr(unfinished_mark.size());
    if (pid.empty() || pid.size() > 10 || !std::all_of(pid.begin(), pid.end(), is_digit))
        return std::nullopt;
    return ArchiveName{stamp, ArchiveKind::unfinished};
}

Result<std::vector<Archive>> list_archives(int directory, std::string_view file) {
    Fd copy(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!copy) return fail("open", std::string(file));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), ::closedir);
    if (!stream) return fail("opendir", std::string(file));
    static_cast<void>(copy.release());
    std::vector<Archive> archives;
    while (const dirent* entry = ::readdir(stream.get())) {
        const auto name = parse_archive(file, entry->d_name);

        struct stat status {};

        if (!name || ::fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
                !S_ISREG(status.st_mode))
            continue;
        archives.push_back({entry->d_name, std::string(name->stamp), name->kind,
                static_cast<std::uint64_t>(status.st_size)});
    }
    std::sort(archives.begin(), archives.end(),
            [](const Archive& a, const Archive& b) { return a.name < b.name; });
    return archives;
}

std::vector<std::string> surplus_archives(
        const std::vector<Archive>& archives, const RotationPlan& plan) {
    std::vector<std::string> surplus;
    std::uint64_t kept = 0, bytes = 0;
    std::string_view stamp;
    bool full = false;
    for (auto archive = archives.rbegin(); archive != archives.rend(); ++archive) {
        if (archive->kind == ArchiveKind::unfinished) continue;
        // Both forms of one file stand beside each other for a moment.
        const bool fresh = archive->stamp != stamp;
        stamp = archive->stamp;
        bytes += archive->size;
        kept += fresh ? 1U : 0U;
        full = full || kept > plan.keep || bytes > plan.keep_size.value_or(~0ull);
        if (full) surplus.push_back(archive->name);
    }
    return surplus;
}

}  // namespace superd
