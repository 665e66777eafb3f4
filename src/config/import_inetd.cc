// SPDX-License-Identifier: MIT
// inetd.conf: its files, comments, includes and default addresses.
#include "config/import_inetd.h"

#include <algorithm>
#include <cerrno>

#include <fnmatch.h>

#include "base/result.h"
#include "base/text.h"

namespace superd {

namespace {

// An include may name many files and each of them more; no real host comes near.
constexpr std::size_t most_files = 1000, deepest_include = 16;
// Of a line in the report.
constexpr std::size_t longest_shown = 400;
// fnmatch(3) takes a time exponential in the number of asterisks.
constexpr std::ptrdiff_t most_asterisks = 6;

constexpr std::string_view off_mark = "#<off>#";

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string in_folder(const std::string& folder, const std::string& name) {
    return folder == "/" ? "/" + name : folder == "." ? name : folder + "/" + name;
}

bool is_blank_line(std::string_view line) {
    return trim(line).empty();
}

// What holds for the lines of a file from some line on, and for the files it includes there.
struct Ambient {
    std::string hosts, policy;
};

class Reader {
public:
    Reader(const InetdRules& rules, ImportHost& host, Import& import)
            : rules_(rules), host_(host), import_(import), services_(rules, host, import) {}

    void read(const std::string& path) {
        if (!host_.is_directory(path)) {
            read_file(path, {});
        } else {
            const auto directory = host_.list(path);
            if (directory.error != 0) fail({path, 0}, errno_text(directory.error));
            for (const std::string& name : directory.names)
                read_file(in_folder(path, name), {});
        }
        services_.finish(path);
    }

private:
    void lose(const ImportPlace& at, std::string read, std::string message) {
        import_.notes.push_back({.severity = ImportSeverity::lost,
                .at = at,
                .read = std::move(read),
                .message = std::move(message)});
        import_.errors_at.push_back(at);
    }

    void fail(const ImportPlace& at, const std::string& why) {
        lose(at, at.file, "cannot be read: " + why);
    }

    void warn(const ImportPlace& at, std::string read, std::string message) {
        import_.notes.push_back({.severity = ImportSeverity::warning,
                .at = at,
                .read = std::move(read),
                .message = std::move(message)});
    }

    void read_file(const std::string& path, Ambient ambient) {
        if (++files_ > most_files)
            return lose({path, 0}, path, "more files than anybody includes; not read");
        const auto file = host_.read(path);
        if (file.error != 0) return fail({path, 0}, errno_text(file.error));
        chain_.push_back(path);
        InetdText text(file.text, rules_);
        while (text.next_line())
            if (!take_line(text, ambient)) break;
        end_comments();
        chain_.pop_back();
    }

    [[nodiscard]] ImportPlace here(const InetdText& text) const {
        return {chain_.back(), text.number()};
    }

    // False where the rest of the file is not read.
    bool take_line(InetdText& text, Ambient& ambient) {
        const std::string_view line = trim(text.line());
        if (is_blank_line(line)) return end_header(), true;
        if (line.front() == '#') return take_comment(text, ambient), true;
        bool go_on = take_definition(text, ambient);
        while (go_on && rules_.dialect == InetdDialect::netbsd && !is_blank_line(text.rest()) &&
                trim(text.rest()).front() != '#')
            go_on = take_definition(text, ambient);
        return go_on;
    }

    // ---- comments

    void take_comment(const InetdText& text, Ambient& ambient) {
        const std::string_view line = trim(text.line());
        if (rules_.policies && line.starts_with("#@")) return take_policy(text, ambient);
        if (line.starts_with(off_mark) && take_off(text, ambient)) return;
        comments_.emplace_back(escape(trim(line.substr(1))));
    }

    // Debian's update-inetd switches a line off with this mark.
    bool take_off(const InetdText& text, const Ambient& ambient) {
        InetdText off(trim(text.line()).substr(off_mark.size()), rules_, text.number());
        off.next_line();
        InetdEntry entry = begin(off, text.line());
        entry.disabled.emplace_back("it was switched off: " + std::string(off_mark));
        const auto word = off.word();
        if (!word || take_service(entry, *word, off, ambient)) return false;
        const auto type = off.word();
        if (!type || parse_inetd_fields(entry, *type, off, rules_)) return false;
        add(std::move(entry));
        return true;
    }

    void take_policy(const InetdText& text, Ambient& ambient) {
        ambient.policy = std::string(trim(trim(text.line()).substr(2)));
    }

    // The comments above the first blank line, before any service, are the file's own.
    void end_header() {
        if (header_over_) return;
        end_comments();
        header_over_ = true;
    }

    void end_comments() {
        std::move(comments_.begin(), comments_.end(), std::back_inserter(import_.comments));
        comments_.clear();
    }

    // ---- definitions

    InetdEntry begin(const InetdText& text, std::string_view line) {
        InetdEntry entry;
        entry.at = here(text);
        entry.read = std::string(trim(line).substr(0, longest_shown));
        return entry;
    }

    void add(InetdEntry entry) {
        header_over_ = true;
        entry.comments = std::exchange(comments_, {});
        services_.add(std::move(entry));
    }

    void malformed(const InetdEntry& entry, const std::string& why) {
        lose(entry.at, entry.read, why);
    }

    bool take_definition(InetdText& text, Ambient& ambient) {
        InetdEntry entry = begin(text, text.line());
        const auto word = text.word();
        if (!word) return true;
        if (rules_.dialect == InetdDialect::netbsd && word->starts_with('.'))
            return take_directive(entry, *word, text, ambient), true;
        if (take_default_hosts(*word, text, ambient)) return true;
        auto mistake = take_service(entry, *word, text, ambient);
        const auto type = mistake ? std::nullopt : text.word();
        if (!mistake && !type) mistake = "the socket type and what follows are missing";
        bool fatal = false;
        if (!mistake)
            mistake = is_switch(*type) ? take_block(entry, *type, text, fatal)
                                       : parse_inetd_fields(entry, *type, text, rules_);
        for (std::string& comment : text.take_comments())
            comments_.push_back(std::move(comment));
        if (!mistake) return add(std::move(entry)), true;
        if (!fatal && !(type && is_switch(*type)))
            while (text.word()) {
            }
        malformed(entry, *mistake + (fatal ? "; the rest of the file is not read" : ""));
        return !fatal;
    }

    [[nodiscard]] bool is_switch(std::string_view word) const {
        if (rules_.dialect != InetdDialect::netbsd) return false;
        const std::string_view plain = word.substr(0, word.find('#'));
        return plain == "on" || plain == "off";
    }

    InetdMistake take_block(
            InetdEntry& entry, std::string_view word, InetdText& text, bool& fatal) {
        // "on#comment": what follows on the line belongs to the comment.
        if (word.find('#') != std::string_view::npos) text.skip(text.rest().size());
        if (word.starts_with("off")) entry.disabled.emplace_back("it was switched off: off");
        return parse_inetd_block(entry, text, rules_, fatal);
    }

    // "ADDRESS:" alone is the address of the lines below; "*:" takes it back.
    bool take_default_hosts(std::string_view word, InetdText& text, Ambient& ambient) {
        if (!rules_.has_addresses || !word.ends_with(':') || word.starts_with('/'))
            return false;
        InetdText ahead = text;
        if (ahead.word()) return false;
        text = ahead;
        ambient.hosts = unbracketed(word.substr(0, word.size() - 1));
        return true;
    }

    static std::string unbracketed(std::string_view hosts) {
        if (hosts.starts_with('[') && hosts.find(']') == hosts.size() - 1)
            hosts = hosts.substr(1, hosts.size() - 2);
        return std::string(hosts);
    }

    InetdMistake take_service(
            InetdEntry& entry, std::string_view word, InetdText& text, const Ambient& ambient) {
        entry.hosts = ambient.hosts;
        entry.policy = ambient.policy;
        std::string next;
        const auto colon = word.rfind(':');
        const bool plain = colon == std::string_view::npos || word.starts_with('/') ||
                           (rules_.dialect == InetdDialect::freebsd && word.starts_with(':'));
        if (!plain) {
            entry.hosts = unbracketed(word.substr(0, colon));
            word = word.substr(colon + 1);
            if (!rules_.has_addresses)
                entry.disabled.emplace_back(
                        "this inetd takes no address before a service and ignored the line");
        }
        if (word.empty()) {
            next = text.word().value_or("");
            word = next;
        }
        return parse_inetd_service(entry, word, rules_);
    }

    // ---- NetBSD's .include

    void take_directive(const InetdEntry& entry, std::string_view word, InetdText& text,
            const Ambient& ambient) {
        const auto pattern = text.word();
        while (text.word()) {
        }
        if (word != ".include") return malformed(entry, "there is no such directive");
        if (!pattern || pattern->empty())
            return malformed(entry, "the file to include is missing");
        include(entry, *pattern, ambient);
    }

    void include(const InetdEntry& entry, const std::string& pattern, const Ambient& ambient) {
        const std::string full = pattern.starts_with('/')
                                         ? pattern
                                         : in_folder(folder_of(chain_.back()), pattern);
        const std::string folder = folder_of(full), name = full.substr(full.rfind('/') + 1);
        if (folder.find_first_of("*?[") != std::string::npos)
            return malformed(entry, "a pattern in a folder's name is not followed");
        if (std::count(name.begin(), name.end(), '*') > most_asterisks)
            return malformed(entry, "the pattern has too many asterisks");
        if (chain_.size() >= deepest_include)
            return malformed(entry, "includes are nested too deep");
        for (const std::string& found : host_.list(folder).names)
            if (::fnmatch(name.c_str(), found.c_str(), FNM_PERIOD) == 0)
                include_file(entry, in_folder(folder, found), ambient);
    }

    void include_file(
            const InetdEntry& entry, const std::string& path, const Ambient& ambient) {
        if (std::find(chain_.begin(), chain_.end(), path) != chain_.end())
            return warn(entry.at, entry.read, path + " includes itself; not read again");
        header_over_ = true;
        read_file(path, ambient);
    }

    const InetdRules& rules_;
    ImportHost& host_;
    Import& import_;
    InetdServices services_;
    std::vector<std::string> chain_, comments_;
    std::size_t files_ = 0;
    bool header_over_ = false;
};

}  // namespace

Import import_inetd(const std::string& path, InetdDialect dialect, ImportHost& host) {
    Import import;
    // superd's own place would be standard error, which --background closes.
    import.daemon.push_back({"log", "\"syslog:daemon.info\"", {"where inetd logs"}, {}, {}});
    Reader(inetd_rules(dialect), host, import).read(path);
    return import;
}

}  // namespace superd
