// SPDX-License-Identifier: MIT
// Reads the main file and what it includes into one document.
#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "base/result.h"
#include "base/text.h"
#include "config/config.h"
#include "config/file.h"
#include "config/tree.h"

namespace superd {

namespace {

constexpr std::size_t max_files = 20000;
constexpr std::size_t max_total_size = std::size_t{64} << 20;
constexpr unsigned max_include_depth = 16;

using FileId = std::pair<dev_t, ino_t>;

bool is_pattern(std::string_view text) {
    return text.find_first_of("*?[") != std::string_view::npos;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string below(const std::string& folder, std::string_view name) {
    return (folder == "/" ? "" : folder) + '/' + std::string(name);
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> out;
    for (std::string_view line : split(text, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        out.emplace_back(line);
    }
    return out;
}

// The paths that a pattern names, in the order of their bytes whatever the locale.
class Expansion {
public:
    // The paths, or the error of a folder that is there and cannot be read.
    static Result<std::vector<std::string>> of(const std::string& pattern) {
        Expansion expansion;
        auto parts = split(pattern, '/');
        expansion.descend("/", parts, 1);
        if (expansion.error_) return tl::unexpected(*expansion.error_);
        std::sort(expansion.found_.begin(), expansion.found_.end());
        return std::move(expansion.found_);
    }

private:
    using Parts = std::vector<std::string_view>;

    void descend(const std::string& folder, const Parts& parts, std::size_t n) {
        if (error_ || found_.size() > max_files) return;
        if (n == parts.size()) {
            found_.push_back(folder);
        } else if (!is_pattern(parts[n])) {
            const std::string next = below(folder, parts[n]);

            struct stat status {};

            if (::lstat(next.c_str(), &status) == 0) descend(next, parts, n + 1);
        } else {
            for (const std::string& name : matching(folder, std::string(parts[n])))
                descend(below(folder, name), parts, n + 1);
        }
    }

    std::vector<std::string> matching(const std::string& folder, const std::string& pattern) {
        std::vector<std::string> names;
        const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), ::closedir);
        if (!stream) {
            if (errno != ENOENT && errno != ENOTDIR)
                error_ = fail("read folder", folder).value();
            return names;
        }
        for (;;) {
            errno = 0;
            const dirent* entry = ::readdir(stream.get());
            if (!entry && errno != 0) error_ = fail("read folder", folder).value();
            if (!entry) return names;
            if (::fnmatch(pattern.c_str(), entry->d_name, FNM_PERIOD) == 0) {
                names.emplace_back(entry->d_name);
            }
        }
    }

    std::vector<std::string> found_;
    std::optional<Error> error_;
};

// Where the copies of files are, by the path of each file.
std::map<std::string, std::string> read_index(const std::string& folder) {
    std::map<std::string, std::string> copies;
    const auto index = read_regular_file(folder + '/' + kept_files_index);
    if (!index) return copies;
    for (const std::string_view line : split(index->text, '\n')) {
        const auto blank = line.find(' ');
        if (blank == std::string_view::npos) continue;
        copies.emplace(line.substr(blank + 1), below(folder, line.substr(0, blank)));
    }
    return copies;
}

class Loader {
public:
    Loader(const LoadOptions& options, Diagnostics& diagnostics)
            : check_ownership_(options.check_ownership), diagnostics_(diagnostics) {
        if (!options.copies.empty()) copies_ = read_index(options.copies);
    }

    Document run(const LoadOptions& options) {
        const std::string real = absolute_path(options.path);
        read(real, options.as.empty() ? real : absolute_path(options.as), nullptr);
        attach_source_lines(document_, diagnostics_);
        return std::move(document_);
    }

private:
    // One entry of `include`.
    struct Include {
        Place at;
        std::string pattern;
    };

    void complain(const Place* from, const std::string& shown, FileProblem problem) {
        if (from) {
            problem.message = escape(shown) + ' ' + problem.message;
            return diagnostics_.error(document_.position(*from), std::move(problem.message),
                    std::move(problem.suggestion));
        }
        diagnostics_.error(
                {shown, 0, 0}, std::move(problem.message), std::move(problem.suggestion));
    }

    // Reads `path`, whose name in messages is `shown`; from: the include that asked for it.
    void read(const std::string& path, const std::string& shown, const Place* from) {
        if (check_ownership_ && !is_roots_alone(path, shown, from)) return;
        auto content = read_regular_file(copy_of(path));
        if (!content) return complain(from, shown, content.error());
        const FileId id{content->device, content->inode};
        if (std::find(open_.begin(), open_.end(), id) != open_.end()) {
            return complain(from, shown, {"includes itself, by way of this line", {}});
        }
        // Two patterns may match one file; it is read where it is named first.
        if (!seen_.insert(id).second) return;
        if (!is_within_bounds(content->text.size(), shown, from)) return;
        open_.push_back(id);
        parse(content->text, shown);
        open_.pop_back();
    }

    std::string copy_of(const std::string& path) const {
        if (!copies_) return path;
        const auto copy = copies_->find(path);
        return copy == copies_->end() ? std::string() : copy->second;
    }

    // The paths that a pattern names: among the files themselves, or among those kept.
    Result<std::vector<std::string>> expand(const std::string& pattern) const {
        if (!copies_) return Expansion::of(pattern);
        std::vector<std::string> paths;
        for (const auto& [path, copy] : *copies_) {
            if (::fnmatch(pattern.c_str(), path.c_str(), FNM_PERIOD | FNM_PATHNAME) == 0)
                paths.push_back(path);
        }
        return paths;
    }

    bool is_roots_alone(const std::string& path, const std::string& shown, const Place* from) {
        FileProblem problem = find_foreign_writer(path);
        if (problem.message.empty()) return true;
        if (from) {
            diagnostics_.error(document_.position(*from), std::move(problem.message),
                    std::move(problem.suggestion));
        } else {
            diagnostics_.error(
                    {shown, 0, 0}, std::move(problem.message), std::move(problem.suggestion));
        }
        return false;
    }

    bool is_within_bounds(std::size_t size, const std::string& shown, const Place* from) {
        total_ += size;
        const bool too_many = document_.files.size() >= max_files;
        if (too_many || total_ > max_total_size) {
            if (!full_) {
                complain(from, shown,
                        {too_many ? "would be file number " + std::to_string(max_files + 1)
                                  : "makes all files together larger than " +
                                                std::to_string(max_total_size >> 20) + " MiB",
                                {}});
            }
            full_ = true;
            return false;
        }
        return true;
    }

    void parse(const std::string& text, const std::string& shown) {
        const auto index = static_cast<std::uint32_t>(document_.files.size());
        document_.files.push_back({shown, lines_of(text), nullptr});
        auto root = parse_toml(text, index, shown, diagnostics_);
        if (!root) return;
        auto& table = std::get<TableValue>(root->value);
        std::vector<Include> includes = take_includes(table);
        report_misplaced(table, {});
        document_.files[index].root = std::move(root);
        for (const Include& include : includes)
            follow(include, folder_of(shown));
    }

    // The entries of `include`, which is taken out of the table: nothing further needs it.
    std::vector<Include> take_includes(TableValue& table) {
        std::vector<Include> out;
        const auto member = std::find_if(table.members.begin(), table.members.end(),
                [](const Member& candidate) { return candidate.key == "include"; });
        if (member == table.members.end()) return out;
        if (const auto* list = std::get_if<ArrayValue>(&member->value->value)) {
            for (const auto& item : list->items)
                add_include(*item, out);
        } else {
            add_include(*member->value, out);
        }
        table.members.erase(member);
        return out;
    }

    void add_include(const Node& node, std::vector<Include>& out) {
        const auto* pattern = std::get_if<std::string>(&node.value);
        if (!pattern || pattern->empty() || pattern->find('\0') != std::string::npos) {
            return diagnostics_.error(document_.position(node.at),
                    "include takes the name of a file, or a list of them",
                    "write include = [\"superd.d/*.toml\"]");
        }
        out.push_back({node.at, *pattern});
    }

    void follow(const Include& include, const std::string& folder) {
        if (open_.size() >= max_include_depth) {
            return diagnostics_.error(document_.position(include.at),
                    "files include each other more than " + std::to_string(max_include_depth) +
                            " deep");
        }
        const bool absolute = include.pattern.starts_with('/');
        const std::string path =
                absolute_path(absolute ? include.pattern : below(folder, include.pattern));
        if (!is_pattern(include.pattern)) return read(path, path, &include.at);
        const auto paths = expand(path);
        if (!paths) {
            return diagnostics_.error(
                    document_.position(include.at), "cannot " + escape(paths.error().text()));
        }
        for (const std::string& match : *paths) {
            if (full_) return;
            read(match, match, &include.at);
        }
    }

    // `include` below a header belongs to that table, where it means nothing. Tables of names
    // that the user chooses ([networks], environment) may hold the word.
    void report_misplaced(TableValue& table, const std::vector<std::string>& path) {
        for (auto member = table.members.begin(); member != table.members.end();) {
            if (!path.empty() && member->key == "include" &&
                    means_files(*member->value, path)) {
                diagnostics_.error(document_.position(member->at),
                        "include must stand before the first [table]; here it belongs to [" +
                                escape(join(path, ".")) + ']',
                        "move this line to the top of the file");
                member = table.members.erase(member);
                continue;
            }
            descend(*member, path);
            ++member;
        }
    }

    void descend(Member& member, std::vector<std::string> path) {
        path.push_back(member.key);
        if (auto* inner = std::get_if<TableValue>(&member.value->value)) {
            if (!inner->is_inline) report_misplaced(*inner, path);
        } else if (auto* list = std::get_if<ArrayValue>(&member.value->value)) {
            for (auto& item : list->items) {
                auto* element = std::get_if<TableValue>(&item->value);
                if (element && !element->is_inline) report_misplaced(*element, path);
            }
        }
    }

    static bool names_files(const Node& node) {
        const auto* text = std::get_if<std::string>(&node.value);
        return text && (text->ends_with(".toml") || text->find('*') != std::string::npos);
    }

    static bool means_files(const Node& node, const std::vector<std::string>& path) {
        constexpr std::array<std::string_view, 2> whole{"superd", "defaults"};
        constexpr std::array<std::string_view, 3> named{"profile", "service", "override"};
        const auto is = [&](std::string_view name) {
            return name == path.front();
        };
        if (path.size() == 1 && std::any_of(whole.begin(), whole.end(), is)) return true;
        if (path.size() == 2 && std::any_of(named.begin(), named.end(), is)) return true;
        const auto* list = std::get_if<ArrayValue>(&node.value);
        if (!list) return names_files(node);
        return std::any_of(list->items.begin(), list->items.end(),
                [](const auto& item) { return names_files(*item); });
    }

    const bool check_ownership_;
    std::optional<std::map<std::string, std::string>> copies_;  // read instead of the files
    Diagnostics& diagnostics_;
    Document document_;
    std::vector<FileId> open_;  // the files being read, the main file first
    std::set<FileId> seen_;
    std::size_t total_ = 0;
    bool full_ = false;
};

}  // namespace

Document load_document(const LoadOptions& options, Diagnostics& diagnostics) {
    return Loader(options, diagnostics).run(options);
}

}  // namespace superd
