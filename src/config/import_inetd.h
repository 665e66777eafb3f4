// SPDX-License-Identifier: MIT
// Inside import_inetd(): lines and words of inetd.conf by dialect, and what one definition
// says.
//
// What differs between dialects stands in InetdRules, from inetd(8) and inetd.conf(5) of
// OpenBSD (as Debian ships it), NetBSD, FreeBSD, GNU inetutils and BusyBox.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/import.h"

namespace superd {

// none: a quote is a character. anywhere: NetBSD. at_start: FreeBSD, a word that begins with a
// quote ends with it. escapes: GNU, anywhere, and a backslash takes the next character.
enum class InetdQuotes : std::uint8_t { none, anywhere, at_start, escapes };

struct InetdRules {
    InetdDialect dialect;
    std::string_view name;
    InetdQuotes quotes;
    bool trailing_comments;     // '#' where a word begins ends the line
    bool both_families;         // "tcp" is IPv4 and IPv6
    bool six_takes_four;        // "tcp6" takes IPv4 clients too
    bool has_addresses;         // "ADDRESS:" before a service
    bool policies;              // "#@ POLICY" lines
    std::uint32_t per_minute;   // starts of a service, where the line does not say; 0: no bound
    std::string_view pause;     // what follows beyond it
    std::string_view builtins;  // "echo/stream echo/dgram ..."
    std::size_t most_arguments;  // the rest is cut off
};

[[nodiscard]] const InetdRules& inetd_rules(InetdDialect dialect);

// A text as lines, and the words of a definition over the lines that continue it: those that
// begin with a blank. The text is borrowed.
class InetdText {
public:
    // The text's first line counts as `first`.
    InetdText(std::string_view text, const InetdRules& rules, std::uint32_t first = 1);

    // To the next line; false at the end.
    bool next_line();

    [[nodiscard]] std::string_view line() const { return line_; }

    [[nodiscard]] std::uint32_t number() const { return number_; }

    // What is left of this line.
    [[nodiscard]] std::string_view rest() const { return rest_; }

    void skip(std::size_t characters) { rest_.remove_prefix(characters); }

    // The next word of the definition; nothing at its end.
    std::optional<std::string> word();

    // A quote was opened and not closed since the last call.
    bool take_unclosed_quote() { return std::exchange(unclosed_, false); }

    // Over blanks, ends of lines and comments; false at the end of the text.
    bool skip_space();

    // Comments that stood behind words since the last call, without '#'.
    std::vector<std::string> take_comments() { return std::exchange(comments_, {}); }

private:
    bool continue_line();
    void keep_comment();
    std::string plain_word();
    std::string quoted_word();
    void take_escape(std::string& word);

    const InetdRules* rules_;
    std::string_view text_, line_, rest_;
    std::vector<std::string> comments_;
    std::uint32_t number_ = 0;
    bool unclosed_ = false;
};

enum class InetdMux : std::uint8_t { none, plain, plus };

// Something to be said about a definition once its service has a name.
struct InetdRemark {
    ImportSeverity severity = ImportSeverity::warning;
    std::string read, message;
};

// One definition as it was written.
struct InetdEntry {
    ImportPlace at{};
    std::string read{};  // the line it began on
    std::vector<std::string> comments{}, disabled{};
    std::vector<InetdRemark> remarks{};

    std::string hosts{};    // "", "*" or a list with commas
    std::string service{};  // without tcpmux/ and the versions of RPC
    InetdMux mux = InetdMux::none;
    std::string versions{};     // RPC: "1-3"; empty: not RPC
    std::string socket_type{};  // stream dgram seqpacket rdm raw
    std::string protocol{};     // "tcp", "udp6", "unix": without rpc/, faith/ and sizes
    std::uint64_t send_buffer = 0, receive_buffer = 0;
    bool wait = false;
    std::optional<std::uint32_t> per_minute{};         // starts
    std::optional<std::uint32_t> most{};               // at one time; more wait
    std::optional<std::uint32_t> source_per_minute{};  // starts for one address
    std::optional<std::uint32_t> per_source{};         // at one time
    std::string user{}, group{}, login_class{};
    std::string server{};
    std::vector<std::string> args{};  // args[0] is argv[0]
    std::string accept_filter{}, policy{};
    std::string node_owner{}, node_group{}, node_mode{};  // FreeBSD's UNIX sockets

    [[nodiscard]] bool internal() const { return server == "internal"; }

    [[nodiscard]] bool stream() const {
        return socket_type == "stream" || socket_type == "seqpacket";
    }

    void remark(ImportSeverity severity, std::string what, std::string message);
};

// What is wrong with a definition: one sentence without a full stop.
using InetdMistake = std::optional<std::string>;

// The fields behind the service's name; `type` is the second. The text stands behind it and
// afterwards behind the definition.
[[nodiscard]] InetdMistake parse_inetd_fields(
        InetdEntry& entry, const std::string& type, InetdText& text, const InetdRules& rules);
// "/sock", ":user:group:mode:/sock", "tcpmux/+NAME", "NAME", without an address.
[[nodiscard]] InetdMistake parse_inetd_service(
        InetdEntry& entry, std::string_view word, const InetdRules& rules);
[[nodiscard]] InetdMistake parse_inetd_socket_type(
        InetdEntry& entry, std::string_view word, const InetdRules& rules);
[[nodiscard]] InetdMistake parse_inetd_protocol(
        InetdEntry& entry, std::string_view word, const InetdRules& rules);
[[nodiscard]] InetdMistake parse_inetd_user(
        InetdEntry& entry, std::string_view word, const InetdRules& rules);
// "64k", "1m", "16384"; nothing where it is not a size.
[[nodiscard]] std::optional<std::uint64_t> parse_inetd_size(std::string_view text);
// What must hold of a whole definition.
[[nodiscard]] InetdMistake check_inetd_entry(const InetdEntry& entry);

// NetBSD's "NAME on|off key = value, ...;": the text stands behind on or off, afterwards behind
// the ';'. `fatal` is set where NetBSD's inetd reads no further in that file.
[[nodiscard]] InetdMistake parse_inetd_block(
        InetdEntry& entry, InetdText& text, const InetdRules& rules, bool& fatal);

// Definitions to services, in the order of the files.
class InetdServices {
public:
    // All are borrowed.
    InetdServices(const InetdRules& rules, ImportHost& host, Import& import);

    void add(InetdEntry entry);
    // What is said once for all of them; `path` is the file that was named.
    void finish(const std::string& path);

private:
    bool has_two_sockets(const InetdEntry& entry) const;
    void add_service(InetdEntry entry);
    void note(const InetdEntry& entry, const ImportService& service, ImportSeverity severity,
            std::string read, std::string made, std::string message);
    void lose(const InetdEntry& entry, ImportService& service, std::string read,
            std::string message);
    void disable(const InetdEntry& entry, ImportService& service, std::string reason);
    std::string name_for(const InetdEntry& entry);
    void replace_earlier(const InetdEntry& entry, const ImportService& service);
    void take_listeners(const InetdEntry& entry, ImportService& service);
    void take_rpc(const InetdEntry& entry, ImportService& service);
    std::string port_for(const InetdEntry& entry, ImportService& service);
    void listen_on(const InetdEntry& entry, ImportService& service, std::string_view host,
            const std::string& port);
    void listen_on_address(const InetdEntry& entry, ImportService& service,
            std::string_view address, const std::string& port);
    void listen_on_path(const InetdEntry& entry, ImportService& service);
    std::string family_of(const InetdEntry& entry) const;
    void take_socket_options(const InetdEntry& entry, ImportService& service);
    void take_builtin(const InetdEntry& entry, ImportService& service);
    void take_program(const InetdEntry& entry, ImportService& service);
    void take_wrapped_program(const InetdEntry& entry, ImportService& service);
    std::string absolute_program(
            const InetdEntry& entry, ImportService& service, const std::string& program);
    void set_command(
            ImportService& service, const std::string& program, std::vector<std::string> args);
    void take_mode(const InetdEntry& entry, ImportService& service);
    void take_identity(const InetdEntry& entry, ImportService& service);
    void take_bounds(const InetdEntry& entry, ImportService& service);
    void take_rate(const InetdEntry& entry, ImportService& service);
    void take_extras(const InetdEntry& entry, ImportService& service);
    void check_taken(const InetdEntry& entry, ImportService& service);

    const InetdRules& rules_;
    ImportHost& host_;
    Import& import_;
    ServiceNames names_;
    std::unordered_map<std::string, bool> used_;
    std::unordered_map<std::string, std::size_t> by_definition_;
    std::unordered_map<std::string, std::size_t> by_address_;
    bool any_rate_ = false, any_handler_ = false, any_program_ = false;
};

}  // namespace superd
