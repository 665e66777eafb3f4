// SPDX-License-Identifier: MIT
// The one table of options: what every key of superd.toml is called, takes, means and touches.
//
// The checker, `superctl options`, superd.toml(5) and `make check-options` all go by it.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace superd {

// What a value looks like. Each type has one converter (config/values.h, config/convert.h).
enum class ValueType : std::uint8_t {
    text,
    boolean,
    integer,
    number,  // an integer or a float
    bound,   // an integer or "unlimited"
    duration,
    time_bound,  // a duration or "unlimited"
    denial,      // a duration, "forever" or "never"
    size,
    mode,    // "0660" or 0o660
    choice,  // one of Option::words
    path,    // absolute
    user,
    group,
    name,  // a word of letters, digits, '_' and '-'
    profile,
    command,    // list, or a string split at blanks
    addresses,  // listen
    targets,    // redirect
    address,
    access,  // allow, deny
    hours,
    rate,
    rlimits,
    text_table,  // environment
    path_table,  // credentials
    path_list,
    directories,  // names below /run, /var/lib ...
    variables,    // names of environment variables
    groups,
    output,  // "log" | "socket" | "null" | "file:PATH"
    sinks,   // log
    log_facts,
    workers,   // a number, "cores" or { min, max, after }
    replicas,  // a number or a list of names
    starters,  // listen_environment
    prestart,  // a number or { count, max_age }
    ionice,
    percent,  // "150%"
    cpus,
    multicast,
    clean_exits,  // exit statuses and signals
    capabilities,
    system_calls,  // names and groups of them
    address_families,
    frequency,       // "5/10s" or "unlimited"
    commands,        // one command as a list or text, or a list of such lists
    reload,          // a signal, { signal, wait } or a command
    ready,           // "exec", "notify", "fd:3", "listen:ADDRESS" ...
    wrappers,        // tcp_wrappers: true, false or a name
    rpc,             // { program, versions }
    mdns,            // true, false or { type, name, txt }
    calendar,        // at
    services,        // names of other services
    health,          // { tcp, every, timeout ... }
    proxy_protocol,  // { from, version, required, timeout }
    proxy_tlvs,      // send_proxy_tlvs
    tls,             // a profile's name, or its table
    tls_words        // a list in OpenSSL's words
};

// Where a key may stand, as bits.
enum Scope : std::uint8_t {
    in_superd = 1,
    in_defaults = 2,
    in_profile = 4,
    in_service = 8,
    in_override = 16,
    in_listener = 32,
    in_tls = 64
};

// For which modes a key means something, as bits.
enum ModeBits : std::uint8_t {
    for_handler = 1,
    for_worker = 2,
    for_daemon = 4,
    for_builtin = 8,
    for_redirect = 16,
    for_residents = for_worker | for_daemon,  // they live on by themselves
    for_processes = for_handler | for_worker | for_daemon,
    for_connections = for_handler | for_builtin | for_redirect,  // superd accepts and decides
    for_listeners = for_connections | for_worker,
    for_all_modes = 31
};

// For which kinds of listener a listener's key means something, as bits of ListenerKind.
using KindBits = std::uint16_t;

enum class Effect : std::uint8_t { at_once, next_start, rebind };

struct Option {
    std::string_view key{};
    ValueType type = ValueType::text;
    std::uint8_t where = 0;              // Scope bits
    std::uint8_t modes = for_processes;  // ModeBits
    KindBits kinds = 0;                  // listeners' keys only
    Effect effect = Effect::next_start;
    std::string_view default_text{};  // as superd.toml would write it; empty: none
    std::string_view words{};         // ValueType::choice: "demand boot manual"
    std::int64_t low = 0;             // integers; durations in ms; sizes in bytes
    std::int64_t high = std::numeric_limits<std::int64_t>::max();
    std::string_view xinetd{}, inetd{}, systemd{};  // names there, blank-separated; empty: none
    std::string_view help{};                        // one sentence
};

[[nodiscard]] std::span<const Option> all_options();

// The option `key` as it may be written at a place of that scope; null where there is none.
[[nodiscard]] const Option* find_option(std::string_view key, Scope scope);
// By its name for people: "user", "listen.mode", "superd.log", or the bare key, a service's
// first.
[[nodiscard]] const Option* find_option(std::string_view name);
// "user", "superd.log", "listen.mode": unique over the table.
[[nodiscard]] std::string option_name(const Option& option);
// All keys of a scope, for "did you mean".
[[nodiscard]] const std::vector<std::string_view>& option_keys(Scope scope);

// True for lists, which { add, remove } may edit.
[[nodiscard]] bool is_list(ValueType type);
// True for tables that merge key by key.
[[nodiscard]] bool is_table(ValueType type);
// True for allow, deny, hours and tcp_wrappers, which must be enforced wherever they were
// written.
[[nodiscard]] bool is_access_rule(const Option& option);

// "an integer, -20..19", "one of demand, boot, manual" ...
[[nodiscard]] std::string type_text(const Option& option);
// "[defaults], [profile], [service], [override]"
[[nodiscard]] std::string scope_text(const Option& option);
[[nodiscard]] std::string_view effect_text(Effect effect);
// "handler, worker"; empty where the option is for all.
[[nodiscard]] std::string modes_text(const Option& option);
// What `superctl options KEY` prints; ends with a newline.
[[nodiscard]] std::string render_option(const Option& option);
// One line an option: name, type, default; for `superctl options`.
[[nodiscard]] std::string render_option_list();
// The option list of superd.toml(5): mdoc, one .It an option, by topic.
[[nodiscard]] std::string render_options_mdoc();

}  // namespace superd
