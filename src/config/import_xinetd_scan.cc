// SPDX-License-Identifier: MIT
// xinetd.conf(5) as lines and entries, in the order xinetd reads them.
#include <algorithm>
#include <cerrno>

#include "base/result.h"
#include "base/text.h"
#include "config/import_xinetd.h"

namespace superd {

namespace {

// xinetd has no bounds of its own here; a configuration that needs more is a mistake.
constexpr std::size_t deepest = 32, most_files = 100'000, most_entries = 200'000;
constexpr std::size_t most_text = std::size_t{128} << 20;

constexpr std::string_view blanks = " \t\v\f\r\n";

std::string_view first_word(std::string_view text) {
    return text.substr(0, text.find_first_of(blanks));
}

bool same_word(std::string_view text, std::string_view keyword) {
    return lower_case(text) == keyword;
}

class Scanner {
public:
    Scanner(ImportHost& host, Import& import) : host_(host), import_(import) {}

    void take(const std::string& path) {
        if (host_.is_directory(path))
            take_directory(path, {path, 0});
        else
            take_file(path, {path, 0});
    }

    XinetdText finish() {
        if (out_.defaults.at.line == 0 && out_.services.empty())
            append(out_.comments, comments_);
        return std::move(out_);
    }

private:
    enum class At : std::uint8_t { top, before_brace, inside };

    // ---- files

    void complain(const ImportPlace& at, std::string message) {
        import_.notes.push_back({ImportSeverity::lost, at, {}, {}, {}, std::move(message)});
        import_.errors_at.push_back(at);
    }

    // Names with a dot or a '~' at the end are what packages and editors leave behind.
    void take_directory(const std::string& path, const ImportPlace& at) {
        const auto listing = host_.list(path);
        if (listing.error != 0)
            return complain(
                    at, "cannot read directory " + path + ": " + errno_text(listing.error));
        for (const std::string& name : listing.names) {
            const std::string file = path + (path.ends_with('/') ? "" : "/") + name;
            if (name.find('.') == std::string::npos && !name.ends_with('~'))
                take_file(file, at);
            else
                import_.notes.push_back({ImportSeverity::warning, {file, 0}, {}, {}, {},
                        "not read, as xinetd does not: its name has a dot or ends in ~"});
        }
    }

    void take_file(const std::string& path, const ImportPlace& from) {
        if (std::find(open_.begin(), open_.end(), path) != open_.end())
            return complain(from, path + " includes itself");
        if (open_.size() >= deepest || out_.files >= most_files || text_ > most_text)
            return complain(from, path + " is one file too many");
        const auto file = host_.read(path);
        if (file.error != 0)
            return complain(from, "cannot read " + path + ": " + errno_text(file.error));
        ++out_.files;
        text_ += file.text.size();
        open_.push_back(path);
        take_text(file.text);
        open_.pop_back();
    }

    void take_text(std::string_view text) {
        Reader reader{};
        std::uint32_t number = 0;
        for (const std::string_view line : split(text, '\n')) {
            ++number;
            take_line(reader, trim(line), {open_.back(), number});
        }
        if (reader.at == At::inside) {
            reader.entry.refusals.emplace_back("the file ends before its '}'");
            close(reader);
        } else if (reader.at == At::before_brace) {
            complain(reader.entry.at, "the file ends after the name of the service");
        }
        if (!comments_.empty() && open_.size() == 1) append(out_.comments, comments_);
        comments_.clear();
    }

    // ---- lines

    struct Reader {
        At at = At::top;
        XinetdEntry entry{};
        bool is_defaults = false;
        std::string skipping{};  // not empty: xinetd looks for the next '}', for this reason
    };

    void take_line(Reader& reader, std::string_view line, const ImportPlace& at) {
        if (line.empty()) return;
        if (line.starts_with('#')) return take_comment(line);
        switch (reader.at) {
            case At::top: return take_top(reader, line, at);
            case At::before_brace: return take_brace(reader, line, at);
            case At::inside: return take_attribute(reader, line, at);
        }
    }

    void take_comment(std::string_view line) {
        const auto start = line.find_first_not_of('#');
        const auto text = start == std::string_view::npos ? "" : trim(line.substr(start));
        if (!text.empty()) comments_.emplace_back(text);
    }

    void take_top(Reader& reader, std::string_view line, const ImportPlace& at) {
        const auto words = xinetd_words(line);
        const std::string keyword = lower_case(words.front());
        if (line == "}") return reader.skipping.clear();
        if (keyword == "service" && words.size() > 1) return begin(reader, words, at);
        if (keyword == "defaults") return begin(reader, words, at);
        if (reader.skipping.empty() && keyword == "include" && words.size() > 1)
            return take_file(words[1], at);
        if (reader.skipping.empty() && keyword == "includedir" && words.size() > 1)
            return take_directory(words[1], at);
        if (!reader.skipping.empty()) return;
        reader.skipping = "xinetd skips to the '}' after line " + std::to_string(at.line) +
                          ", which it does not understand";
        import_.notes.push_back({ImportSeverity::warning, at, {}, std::string(line), {},
                "no service, defaults, include or includedir: xinetd skips all to the next "
                "'}'"});
    }

    void begin(Reader& reader, const std::vector<std::string>& words, const ImportPlace& at) {
        reader.is_defaults = same_word(words.front(), "defaults");
        reader.entry = XinetdEntry{reader.is_defaults ? "" : words[1], at, {}, {}, {}};
        take_comments(reader.entry.comments);
        if (!reader.skipping.empty()) reader.entry.refusals.push_back(reader.skipping);
        reader.skipping.clear();
        reader.at = At::before_brace;
        if (words.back() != "{" || words.size() < (reader.is_defaults ? 2u : 3u)) return;
        reader.entry.refusals.emplace_back(
                "its '{' stands on the line of the name, where xinetd does not see it");
        reader.at = At::inside;
    }

    void take_brace(Reader& reader, std::string_view line, const ImportPlace& at) {
        reader.at = At::inside;
        if (line == "{") return;
        reader.entry.refusals.emplace_back(
                "a '{' alone on its line is missing behind the name");
        take_attribute(reader, line, at);
    }

    void take_attribute(Reader& reader, std::string_view line, const ImportPlace& at) {
        if (line == "}") return close(reader);
        XinetdLine attribute;
        attribute.at = at;
        attribute.text = join(xinetd_words(line), " ");
        const std::string why = parse(line, attribute);
        if (!why.empty()) refuse(reader, attribute, why);
        if (attribute.op.empty()) return;
        take_comments(attribute.comments);
        reader.entry.lines.push_back(std::move(attribute));
    }

    void refuse(Reader& reader, const XinetdLine& attribute, const std::string& why) {
        reader.entry.refusals.push_back(
                "line " + std::to_string(attribute.at.line) + ": " + why);
        import_.notes.push_back({ImportSeverity::warning, attribute.at, {}, attribute.text, {},
                why + (reader.is_defaults ? ": xinetd does not start with it"
                                          : ": xinetd drops the service")});
    }

    // "NAME OP VALUES": a blank before the operator, none is needed behind it.
    static std::string parse(std::string_view line, XinetdLine& out) {
        std::string_view name = first_word(line);
        std::string why;
        if (const auto sign = name.find('='); sign != std::string_view::npos && sign > 0) {
            const bool edit = name[sign - 1] == '+' || name[sign - 1] == '-';
            name = name.substr(0, edit ? sign - 1 : sign);
            why = "no blank before the operator";
        }
        out.name = lower_case(name);
        std::string_view rest = trim(line.substr(name.size()));
        for (const std::string_view op : {"=", "+=", "-="})
            if (rest.starts_with(op) && out.op.empty()) out.op = op;
        if (out.op.empty()) return "no =, += or -= behind " + quote_value(name);
        out.values = xinetd_words(rest.substr(out.op.size()));
        return why;
    }

    void close(Reader& reader) {
        reader.at = At::top;
        take_comments(reader.entry.comments);
        if (!reader.is_defaults) {
            if (out_.services.size() < most_entries)
                out_.services.push_back(std::move(reader.entry));
            else
                complain(reader.entry.at, "one service too many");
        } else if (out_.defaults.at.line == 0) {
            out_.defaults = std::move(reader.entry);
        } else {
            import_.notes.push_back({ImportSeverity::warning, reader.entry.at, {}, "defaults",
                    {}, "xinetd takes only the first defaults entry"});
        }
    }

    static void append(std::vector<std::string>& to, std::vector<std::string>& from) {
        to.insert(to.end(), std::make_move_iterator(from.begin()),
                std::make_move_iterator(from.end()));
        from.clear();
    }

    void take_comments(std::vector<std::string>& to) { append(to, comments_); }

    ImportHost& host_;
    Import& import_;
    XinetdText out_;
    std::vector<std::string> open_;      // the files being read, the outermost first
    std::vector<std::string> comments_;  // since the last line that was not one
    std::size_t text_ = 0;
};

std::string mapped(std::string_view text, char first, char last, int shift) {
    std::string out(text);
    for (char& c : out)
        if (c >= first && c <= last) c = static_cast<char>(c + shift);
    return out;
}

}  // namespace

std::string lower_case(std::string_view text) {
    return mapped(text, 'A', 'Z', 'a' - 'A');
}

std::string upper_case(std::string_view text) {
    return mapped(text, 'a', 'z', 'A' - 'a');
}

std::vector<std::string> xinetd_words(std::string_view text) {
    std::vector<std::string> words;
    for (auto start = text.find_first_not_of(blanks); start != std::string_view::npos;) {
        const auto end = text.find_first_of(blanks, start);
        words.emplace_back(text.substr(start, end - start));
        start = text.find_first_not_of(blanks, end);
    }
    return words;
}

XinetdText scan_xinetd(
        const std::vector<std::string>& paths, ImportHost& host, Import& import) {
    Scanner scanner(host, import);
    for (const std::string& path : paths)
        scanner.take(path);
    return scanner.finish();
}

}  // namespace superd
