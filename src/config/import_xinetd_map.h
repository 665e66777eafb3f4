// SPDX-License-Identifier: MIT
// The mapping of one xinetd service, over two sources: what it is and where it listens
// (import_xinetd_map.cc), what it runs and who may come in (import_xinetd_run.cc).
#pragma once

#include "config/import_xinetd.h"

namespace superd {

class XinetdMapping {
public:
    XinetdMapping(const XinetdService& source, const XinetdHost& facts, ImportHost& host,
            Import& import);

    [[nodiscard]] ImportService run();

private:
    [[nodiscard]] bool has_flag(std::string_view word) const {
        return source_.has_word("flags", word);
    }

    [[nodiscard]] bool has_type(std::string_view word) const {
        return source_.has_word("type", word);
    }

    void note(ImportSeverity severity, const XinetdValue& value, std::string made,
            std::string message);
    void note_service(ImportSeverity severity, std::string message);
    // Also notes what was made of `from`, which may be null.
    void set(const XinetdValue* from, std::string key, std::string value,
            std::string message = {}, ImportSeverity severity = ImportSeverity::info);
    // xinetd would not serve it, for that reason.
    void refuse(const std::string& why);
    void refuse(const XinetdValue& value, const std::string& why);
    [[nodiscard]] std::optional<bool> boolean(std::string_view attribute);
    [[nodiscard]] std::optional<std::uint64_t> number(
            std::string_view attribute, std::uint64_t highest);

    // ---- what it is and where it listens
    void read_kind();
    void read_socket();
    [[nodiscard]] std::optional<std::uint32_t> find_port();
    [[nodiscard]] std::string address_of(std::uint32_t port);
    [[nodiscard]] std::string with_address(
            const IpAddress& ip, const std::string& suffix, std::uint32_t port) const;
    [[nodiscard]] std::optional<IpAddress> bind_address(const XinetdValue& bind);
    void map_listener();
    void map_tcpmux();
    void map_rpc();

    // ---- what it runs
    void map_program();
    void map_builtin();
    void map_redirect(const XinetdValue& redirect);
    void map_server();
    void map_arguments(const std::string& server);
    void warn_of_quotes(const XinetdValue* args);
    void map_flags();
    void map_identity();
    void map_groups();
    void map_surroundings();
    void map_environment();
    void map_rlimits();

    // ---- who may come in, and how many
    void map_limits();
    void map_bound(std::string_view attribute, const char* key);
    void map_rate();
    void note_meaningless();
    void map_access();
    void compare_lists();
    void map_list(std::string_view attribute, const char* key);
    void take_address(const XinetdValue& value, const std::string& word, bool allow,
            std::vector<std::string>& into);
    void map_hours();
    void map_wrappers();
    // False: no lists can say it.
    [[nodiscard]] bool write_out_wrappers(const std::string& asked);
    void map_banners();

    // ---- what is logged
    void map_logging();
    void map_log_facts(std::string_view attribute, const char* key);
    void map_ident();

    const XinetdService& source_;
    const XinetdHost& facts_;
    ImportHost& host_;
    Import& import_;
    ImportService out_;
    std::string protocol_;  // "tcp", "udp"; empty: neither
    std::string argv0_;     // what libwrap goes by
    bool waits_ = false, internal_ = false, redirect_ = false, tcpmux_ = false;
    bool switched_off_ = false;  // on purpose
    bool refused_all_ = false;   // deny = "all" stands for an empty only_from
    AccessLists lists_;          // what allow and deny have been set to
};

}  // namespace superd
