// SPDX-License-Identifier: MIT
// Other super-servers' configurations as superd's: what the readers of xinetd.conf, inetd.conf
// and systemd units make, and what the writer and the report go by.
//
// A reader never touches superd's own tables: it names keys of superd.toml and gives their
// values as TOML text. Everything it asks of the host goes through ImportHost, so that readers
// run in unit tests and under a fuzzer. What a reader made goes through settle_import(), which
// holds it against the options table and superd's own checker, then to the writer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/address.h"

namespace superd {

// A place in one of the files that were read; line 0: the file as a whole.
struct ImportPlace {
    std::string file;
    std::uint32_t line = 0;
};

// info: said in other words; warning: behaves differently; lost: could not be carried.
enum class ImportSeverity : std::uint8_t { info, warning, lost };

// One line of the report.
struct ImportNote {
    ImportSeverity severity = ImportSeverity::info;
    ImportPlace at;
    std::string service{};  // superd's name for it; empty: the file as a whole
    std::string read{};     // as the source has it: "instances = 10"
    std::string made{};     // as superd.toml has it: "max_connections = 10"; empty: nothing
    std::string message{};  // why, where that is not plain; empty for most infos
    bool in_use = true;     // false: what is lost does nothing now, and --strict passes
};

// KEY = VALUE for superd.toml. A key that the options table does not have is written as a
// comment, and the service comes in disabled: nothing is dropped without a word.
struct ImportSetting {
    std::string key;
    std::string value;                    // TOML: "10", "\"root\"", "[\"a\", \"b\"]", "{ … }"
    std::vector<std::string> comments{};  // written above it, without '#'
    ImportPlace at{};                     // where it came from; file empty: the service's place
    std::string off{};  // not empty: written as a comment, for this reason; settle_import()
};

struct ImportListener {
    std::string address;                   // superd's grammar: "tcp:22"
    std::vector<ImportSetting> options{};  // of the listener's table
};

struct ImportService {
    std::string name;  // valid and unique; ServiceNames
    ImportPlace at;
    // The source's own, then one for each thing lost.
    std::vector<std::string> comments{};
    std::vector<ImportListener> listeners{};
    std::vector<ImportSetting> settings{};
    // Not empty: written with enabled = false and these reasons as comments.
    std::vector<std::string> disabled{};
    // Not empty: the whole table is written as comments, since superd's checker refuses it even
    // when it is disabled; settle_import().
    std::string off{};

    // The setting of that key, made where there is none; its value is replaced.
    ImportSetting& set(std::string key, std::string value, ImportPlace from = {});
    [[nodiscard]] const ImportSetting* find(std::string_view key) const;
};

// One entry of [networks].
struct ImportNetwork {
    std::string name;
    std::string value;  // TOML
};

struct Import {
    std::vector<std::string> comments{};    // on top of the file
    std::vector<ImportSetting> daemon{};    // [superd]
    std::vector<ImportSetting> defaults{};  // [defaults]
    std::vector<ImportNetwork> networks{};
    std::vector<ImportService> services{};  // in the order of the source
    std::vector<ImportNote> notes{};
    std::vector<ImportPlace> errors_at{};  // places of what could not be read at all

    [[nodiscard]] bool has_losses() const;  // of something in use, or an error
};

// What readers ask of the host they run on.
class ImportHost {
public:
    virtual ~ImportHost() = default;

    struct Directory {
        std::vector<std::string> names{};  // regular files and links to them, in byte order
        int error = 0;                     // errno
    };

    struct File {
        std::string text{};
        int error = 0;        // errno; EFBIG above the bound of size
        bool closed = false;  // root's, and nobody else may read or write it
    };

    virtual File read(const std::string& path) = 0;
    virtual Directory list(const std::string& path) = 0;
    virtual bool is_directory(const std::string& path) = 0;
    virtual bool is_executable(const std::string& path) = 0;
    virtual bool user_exists(const std::string& name) = 0;  // by name or number
    virtual bool group_exists(const std::string& name) = 0;
    // The group that the password database gives a user, by name; nothing where it has none.
    virtual std::optional<std::string> group_of(const std::string& user) = 0;
    // From the services database, host order; protocol "tcp" or "udp".
    virtual std::optional<std::uint16_t> port_of(
            const std::string& service, const std::string& protocol) = 0;
    virtual std::optional<std::uint32_t> rpc_number_of(const std::string& program) = 0;
    virtual std::optional<Network> network_of(const std::string& name) = 0;
    virtual std::vector<IpAddress> addresses_of(const std::string& host) = 0;
};

// ---- for readers

// TOML text of a value.
[[nodiscard]] std::string toml_text(std::string_view text);
[[nodiscard]] std::string toml_list(const std::vector<std::string>& texts);  // one: no brackets
[[nodiscard]] std::string toml_array(const std::vector<std::string>& texts);  // always brackets
// False where bytes that are not text had to be replaced in a value made by these.
[[nodiscard]] bool is_toml_text(std::string_view value);
// A key, quoted where it has to be.
[[nodiscard]] std::string toml_key(std::string_view text);

// Names superd takes, made of foreign ones, each given out once: "pop-3/ssl" → "pop-3_ssl", a
// number appended where it was given out already.
class ServiceNames {
public:
    [[nodiscard]] std::string make(std::string_view wanted);

private:
    std::unordered_set<std::string> taken_;
    std::unordered_map<std::string, unsigned> next_;  // number to append, by name
};

// ---- the readers

// Files and directories as xinetd's -f and includedir would read them, in order.
[[nodiscard]] Import import_xinetd(const std::vector<std::string>& paths, ImportHost& host);

enum class InetdDialect : std::uint8_t { openbsd, netbsd, freebsd, gnu, busybox };
[[nodiscard]] std::optional<InetdDialect> read_inetd_dialect(std::string_view word);
[[nodiscard]] Import import_inetd(
        const std::string& path, InetdDialect dialect, ImportHost& host);

// Unit files (.socket), each with its .service or template beside it.
[[nodiscard]] Import import_systemd(const std::vector<std::string>& paths, ImportHost& host);

// ---- from what was read to what superd takes

// Holds everything against the options table and superd's checker. A key that superd does not
// have, that may not stand there or that means nothing for the service becomes a comment, with
// a note; where it said who may come in or what to run, the service comes in disabled. What the
// checker still refuses is switched off setting by setting, in the last resort as a whole.
// Afterwards write_import() makes files that superd accepts.
void settle_import(Import& import, ImportHost& host);

// ---- the writer and the report

struct ImportedFile {
    std::string name;  // "superd.toml", or "superd.d/NAME.toml" of a service
    std::string text;
};

// One file, or with `split` one for what is common and one for each service. Only what differs
// from the defaults is written; values that all services share move to [defaults] where they
// may.
[[nodiscard]] std::vector<ImportedFile> write_import(const Import& import, bool split);

[[nodiscard]] std::string render_import_report(const Import& import);
// With the files' text where they are given.
[[nodiscard]] std::string import_report_json(
        const Import& import, const std::vector<ImportedFile>& files = {});

}  // namespace superd
