// SPDX-License-Identifier: MIT
// /etc/inetd.conf as xinetd -inetd_compat reads it: each line an entry of xinetd.conf.
//
// xinetd's parser knows neither quotes nor addresses nor "nowait.N"; it gives each entry the
// groups of its user, NAMEINARGS and NOLIBWRAP.
#include <cerrno>

#include "base/result.h"
#include "base/text.h"
#include "config/import_xinetd.h"

namespace superd {

namespace {

// service, socket type, protocol, wait, user, program
constexpr std::size_t fields = 6;
constexpr std::string_view blanks = " \t";

class CompatEntry {
public:
    CompatEntry(const std::vector<std::string>& words, ImportPlace at, std::string text)
            : words_(words), text_(std::move(text)) {
        entry_.at = std::move(at);
        entry_.name = words_[0];
    }

    XinetdEntry make() {
        if (words_.size() < fields) {
            entry_.refusals.push_back("the line has too few fields");
            return std::move(entry_);
        }
        set("socket_type", {words_[1]});
        take_protocol();
        take_wait();
        take_user();
        set("groups", {"yes"});
        take_program();
        return std::move(entry_);
    }

private:
    void set(std::string name, std::vector<std::string> values) {
        entry_.lines.push_back({std::move(name), "=", std::move(values), text_, entry_.at, {}});
    }

    void refuse(std::string why) { entry_.refusals.push_back(std::move(why)); }

    void take_protocol() {
        std::string_view protocol = words_[2];
        std::string_view name = words_[0];
        if (protocol.starts_with("rpc/")) {
            protocol.remove_prefix(4);
            types_.emplace_back("RPC");
            const auto slash = name.find('/');
            if (slash == std::string_view::npos) {
                refuse("an RPC service needs its versions: " + entry_.name + "/1");
            } else {
                set("rpc_version", {std::string(name.substr(slash + 1))});
                entry_.name = name.substr(0, slash);
            }
        }
        set("protocol", {std::string(protocol)});
    }

    void take_wait() {
        if (words_[3] == "wait" || words_[3] == "nowait")
            set("wait", {words_[3] == "wait" ? "yes" : "no"});
        else
            refuse("xinetd takes wait and nowait only, not " + quote_value(words_[3]));
    }

    void take_user() {
        const std::string_view text = words_[4];
        const auto dot = text.find('.');
        set("user", {std::string(text.substr(0, dot))});
        if (dot != std::string_view::npos) set("group", {std::string(text.substr(dot + 1))});
    }

    void take_program() {
        std::vector<std::string> flags{"NOLIBWRAP"};
        if (words_[5] == "internal") {
            types_.emplace_back("INTERNAL");
            // One id is for one service, and inetd.conf has "time" for both kinds of socket.
            set("id", {entry_.name + "-" + words_[1]});
        } else {
            set("server", {words_[5]});
            if (words_.size() > fields) {
                flags.emplace_back("NAMEINARGS");
                set("server_args", {words_.begin() + fields, words_.end()});
            }
        }
        set("flags", std::move(flags));
        if (!types_.empty()) set("type", types_);
    }

    const std::vector<std::string>& words_;
    std::string text_;
    std::vector<std::string> types_;
    XinetdEntry entry_;
};

}  // namespace

std::vector<XinetdEntry> read_inetd_compat(
        const std::string& path, ImportHost& host, Import& import) {
    std::vector<XinetdEntry> entries;
    const auto file = host.read(path);
    if (file.error == ENOENT) return entries;
    if (file.error != 0) {
        import.notes.push_back({ImportSeverity::lost, {path, 0}, {}, {}, {},
                "cannot be read: " + errno_text(file.error)});
        import.errors_at.push_back({path, 0});
        return entries;
    }
    std::uint32_t number = 0;
    for (const std::string_view line : split(file.text, '\n')) {
        ++number;
        if (line.empty() || line.front() == '#') continue;
        const auto words = xinetd_words(line);
        if (words.empty()) continue;
        const auto begin = line.find_first_not_of(blanks);
        entries.push_back(
                CompatEntry(words, {path, number}, std::string(line.substr(begin))).make());
    }
    return entries;
}

}  // namespace superd
