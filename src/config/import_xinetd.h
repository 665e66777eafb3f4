// SPDX-License-Identifier: MIT
// xinetd.conf between its text and superd's words. Internal to the xinetd reader.
//
// Three steps: the scanner makes entries of lines (import_xinetd_scan.cc), the reading holds
// them as xinetd does, with defaults, operators and all that it ignores or refuses
// (import_xinetd_read.cc), the mapping says it in superd's words (import_xinetd_map.cc).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/import.h"
#include "config/import_hosts_access.h"

namespace superd {

// ---- as scanned

struct XinetdLine {
    std::string name;  // lower case
    std::string op;    // "=", "+=", "-="
    std::vector<std::string> values;
    std::string text;  // as written, blanks trimmed
    ImportPlace at;
    std::vector<std::string> comments;  // above it
};

struct XinetdEntry {
    std::string name;  // of the service; empty: defaults
    ImportPlace at;
    std::vector<std::string> comments;  // above it, and those below its last line
    std::vector<XinetdLine> lines;
    // Why xinetd drops the entry for its form alone; for defaults: why it does not start.
    std::vector<std::string> refusals;
};

struct XinetdText {
    std::vector<std::string> comments;  // on top of the first file
    XinetdEntry defaults;               // the first one; line 0: there is none
    std::vector<XinetdEntry> services;
    std::size_t files = 0;  // that were read
};

[[nodiscard]] XinetdText scan_xinetd(
        const std::vector<std::string>& paths, ImportHost& host, Import& import);
// The lines of an inetd.conf, an entry each.
[[nodiscard]] std::vector<XinetdEntry> read_inetd_compat(
        const std::string& path, ImportHost& host, Import& import);
// "a  b\tc" → a, b, c: xinetd knows no quotes, no escapes and no continuation.
[[nodiscard]] std::vector<std::string> xinetd_words(std::string_view text);
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] std::string upper_case(std::string_view text);

// ---- as xinetd holds it

struct XinetdValue {
    std::vector<std::string> words;
    ImportPlace at;
    std::string text;  // the line that has the last word
    std::vector<std::string> comments;
    bool inherited = false;  // from defaults
    bool unseen = false;     // xinetd itself ignores the line; superd takes what it says
};

using XinetdValues = std::map<std::string, XinetdValue, std::less<>>;

struct XinetdService {
    const XinetdEntry* entry = nullptr;
    std::string id;    // the service's name where none is given
    std::string name;  // superd's
    XinetdValues values;
    std::vector<std::string> refusals;      // why xinetd would not serve it
    std::vector<std::string> switched_off;  // how it was switched off on purpose

    [[nodiscard]] const XinetdValue* find(std::string_view attribute) const;
    // The only word of an attribute; empty where it is not there.
    [[nodiscard]] std::string word(std::string_view attribute) const;
    [[nodiscard]] bool has_word(std::string_view attribute, std::string_view word) const;

    [[nodiscard]] bool waits() const { return lower_case(word("wait")) == "yes"; }
};

// What defaults comes to. Mistakes in it that keep xinetd from starting are added to its
// entry's refusals.
[[nodiscard]] XinetdValues read_xinetd_defaults(XinetdEntry& entry, Import& import);
[[nodiscard]] XinetdService read_xinetd_service(const XinetdEntry& entry, std::string name,
        const XinetdValues& defaults, Import& import);

// ---- values with a form of their own (import_xinetd_values.cc)

// One word of only_from or no_access.
struct XinetdAddress {
    std::vector<std::string> entries;  // of allow or deny: "10.0.0.0/8", "host:a.example.org"
    std::string doubt;                 // not empty: why xinetd reads it otherwise
    bool is_name = false;
};

// Nothing where it is not an address in any form.
[[nodiscard]] std::optional<XinetdAddress> read_xinetd_address(
        const std::string& word, ImportHost& host);
// "8:30-12:30" → "08:30-12:31": xinetd's end is inclusive. wraps: the end is before the start.
[[nodiscard]] std::optional<std::string> read_xinetd_hours(std::string_view word, bool& wraps);
// log_type's words → a value of log; nothing, and why, where they are wrong.
[[nodiscard]] std::optional<std::string> read_xinetd_log_type(
        const std::vector<std::string>& words, std::string& why);
// "N", "NK", "NM" or UNLIMITED of rlimit_*.
[[nodiscard]] std::optional<std::string> read_xinetd_size(std::string_view word);

// ---- in superd's words

// What holds for all services.
struct XinetdHost {
    HostsAccess wrappers;  // hosts.allow and hosts.deny
};

[[nodiscard]] ImportService map_xinetd_service(const XinetdService& service,
        const XinetdHost& facts, ImportHost& host, Import& import);

}  // namespace superd
