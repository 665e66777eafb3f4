// SPDX-License-Identifier: MIT
// Who may come in to a service of xinetd, how many, and what is logged, in superd's words.
#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/text.h"
#include "config/import_xinetd_map.h"

namespace superd {

namespace {

std::string facts_of(const XinetdValue* value) {
    std::vector<std::string> names;
    for (const std::string_view fact :
            {"PID", "HOST", "USERID", "EXIT", "DURATION", "TRAFFIC", "ATTEMPT"})
        for (const std::string& word :
                value != nullptr ? value->words : std::vector<std::string>{})
            if (upper_case(word) == fact)
                names.push_back(fact == "USERID" ? "user" : lower_case(fact));
    return toml_array(names);
}

}  // namespace

// ---- how many

void XinetdMapping::map_limits() {
    map_rate();
    if (const XinetdValue* load = source_.find("max_load")) {
        const std::string& word = load->words.front();
        const bool number = word.find_first_not_of("0123456789.") == std::string::npos &&
                            word.find_first_of("123456789") != std::string::npos &&
                            std::count(word.begin(), word.end(), '.') <= 1 && word.size() < 12;
        const auto dot = word.find('.');
        if (!number)
            refuse(*load, quote_value(word) + " is not a load");
        else if (dot == std::string::npos)
            set(load, "max_load", std::to_string(parse_decimal(word).value_or(1)));
        else
            set(load, "max_load",
                    std::to_string(parse_decimal(word.substr(0, dot)).value_or(0)) + "." +
                            (dot + 1 < word.size() ? word.substr(dot + 1) : "0"));
    }
    const bool connections = protocol_ == "tcp" && !waits_;
    if (!connections) return note_meaningless();
    map_bound("instances", "max_connections");
    map_bound("per_source", "max_per_source");
    if (out_.find("max_connections")->value != "\"unlimited\"")
        set(nullptr, "on_limit", "\"refuse\"");
}

// One worker is given all of the clients, under xinetd too.
void XinetdMapping::note_meaningless() {
    for (const std::string_view attribute : {"instances", "per_source"})
        if (const XinetdValue* value = source_.find(attribute))
            note(ImportSeverity::info, *value, {},
                    "means nothing where one process is given the socket");
}

// xinetd has no bounds unless it is told.
void XinetdMapping::map_bound(std::string_view attribute, const char* key) {
    const XinetdValue* value = source_.find(attribute);
    if (value == nullptr) return set(nullptr, key, "\"unlimited\"");
    if (upper_case(value->words.front()) == "UNLIMITED")
        return set(value, key, "\"unlimited\"");
    const auto count = number(attribute, 0x7fffffff);
    if (count == 0u) refuse(*value, std::string(attribute) + " = 0 lets nobody in");
    set(value, key, count && *count > 0 ? std::to_string(*count) : "1");
}

void XinetdMapping::map_rate() {
    const XinetdValue* cps = source_.find("cps");
    if (cps == nullptr) return set(nullptr, "rate", R"({ limit = "50/s", pause = "10s" })");
    const auto limit = parse_decimal(cps->words[0]), pause = parse_decimal(cps->words[1]);
    if (!limit || !pause || *limit > 1'000'000'000 || *pause > 1'000'000)
        return refuse(*cps, "cps takes a number of connections and one of seconds");
    if (*limit == 0) return set(cps, "rate", "\"unlimited\"");
    set(cps, "rate", fmt::format(R"({{ limit = "{}/s", pause = "{}s" }})", *limit, *pause));
}

// ---- who

void XinetdMapping::map_access() {
    map_list("only_from", "allow");
    map_list("no_access", "deny");
    const XinetdValue* from = source_.find("only_from");
    compare_lists();
    if (from != nullptr && waits_ && protocol_ == "tcp" && !from->inherited)
        note(ImportSeverity::warning, *from, {},
                "xinetd cannot see the clients of a stream service with wait = yes and denies "
                "all of them");
    map_hours();
    map_wrappers();
    map_banners();
}

// Said for each service, also where defaults has the lists: it opens the one that says more.
void XinetdMapping::compare_lists() {
    const XinetdValue* denied = source_.find("no_access");
    if (denied == nullptr || lists_.allow.empty() || lists_.deny.empty()) return;
    const auto open = inside_denied(lists_);
    std::string what =
            "where only_from and no_access both match, xinetd denies; superd does what the "
            "manual promises: the more specific one wins, equal ones deny";
    if (!open.empty())
        what = "DANGER: superd lets in " + join(open, ", ") + "; " + what;
    else if (denied->inherited)
        return;
    import_.notes.push_back({ImportSeverity::warning, denied->at, source_.name, denied->text,
            {}, std::move(what)});
}

void XinetdMapping::map_list(std::string_view attribute, const char* key) {
    const XinetdValue* value = source_.find(attribute);
    if (value == nullptr) return;
    const bool allow = attribute == "only_from";
    std::vector<std::string> entries;
    for (const std::string& word : value->words)
        take_address(*value, word, allow, entries);
    if (!allow && refused_all_) return;  // nobody is let in as it is
    if (!entries.empty()) {
        set(value, key, toml_list(entries));
        (allow ? lists_.allow : lists_.deny) = std::move(entries);
        return;
    }
    if (!allow) return;
    set(value, "deny", "\"all\"", "an empty only_from lets nobody in");
    lists_.deny.assign({"all"});
    refused_all_ = true;
}

void XinetdMapping::take_address(const XinetdValue& value, const std::string& word, bool allow,
        std::vector<std::string>& into) {
    const auto address = read_xinetd_address(word, host_);
    const std::string shown = quote_value(word);
    if (!address) {
        const std::string what = shown + " is no address, network or name, and xinetd skips it";
        if (allow)
            return note(ImportSeverity::warning, value, {}, what + ": it lets nobody in");
        note(ImportSeverity::lost, value, {}, "DANGER: " + what + ", so it keeps nobody out");
        out_.disabled.push_back("no_access has " + shown + ", which keeps nobody out");
        return;
    }
    if (!address->doubt.empty())
        note(ImportSeverity::warning, value, join(address->entries, ", "),
                shown + ": " + address->doubt);
    if (address->is_name && !allow && word != "localhost" && !word.starts_with('.') &&
            host_.addresses_of(word).empty())
        note(ImportSeverity::warning, value, address->entries.front(),
                "DANGER: " + shown +
                        " has no address now, so xinetd skips it and keeps nobody out; superd "
                        "looks the name up for each client and denies where it cannot");
    const bool ambiguous = address->entries.size() == 2 && !address->doubt.empty();
    if (ambiguous && allow) return into.push_back(address->entries.front());
    for (const std::string& entry : address->entries)
        if (std::find(into.begin(), into.end(), entry) == into.end()) into.push_back(entry);
}

void XinetdMapping::map_hours() {
    const XinetdValue* times = source_.find("access_times");
    if (times == nullptr) return;
    std::vector<std::string> hours;
    for (const std::string& word : times->words) {
        bool wraps = false;
        const auto window = read_xinetd_hours(word, wraps);
        if (!window || wraps)
            refuse(*times, quote_value(word) + " is not a time of the day" +
                                   (window ? ": the end must be after the start" : ""));
        if (window) hours.push_back(*window);
    }
    if (!hours.empty())
        set(times, "hours", toml_list(hours),
                "xinetd's last minute is let in, superd's is not");
}

// Debian's xinetd asks libwrap for every service; what it asks for is the name of the program.
void XinetdMapping::map_wrappers() {
    const XinetdValue* name = source_.find("libwrap");
    if (has_flag("NOLIBWRAP")) return;
    if (!facts_.wrappers.has_rule()) {
        if (name != nullptr)
            note(ImportSeverity::info, *name, {}, "hosts.allow and hosts.deny have no rule");
        return;
    }
    const std::string server = source_.word("server");
    const std::string program = server.substr(server.rfind('/') + 1);
    const std::string asked =
            name != nullptr ? name->words.front() : argv0_.substr(argv0_.rfind('/') + 1);
    // Where no process of its own takes a connection, there is none that could ask libwrap.
    if ((internal_ || redirect_ || waits_) && write_out_wrappers(asked)) return;
    const bool same = asked == program && !internal_ && !redirect_;
    set(name, "tcp_wrappers", same ? "true" : toml_text(asked));
}

bool XinetdMapping::write_out_wrappers(const std::string& asked) {
    const bool names = protocol_ == "tcp" && !waits_;
    const HostsVerdict verdict = facts_.wrappers.about(asked, names);
    AccessLists lists = lists_;
    if (!verdict.why_not.empty() || !restrict_access(lists, verdict.lists)) {
        note_service(ImportSeverity::warning,
                verdict.why_not.empty()
                        ? "hosts.allow and hosts.deny with only_from and no_access "
                          "come to more than two lists can say"
                        : verdict.why_not);
        return false;
    }
    if (verdict.lists.allow.empty() && verdict.lists.deny.empty()) {
        note_service(ImportSeverity::warning,
                "hosts.allow and hosts.deny keep nobody from it now; superd does not look "
                "there "
                "again");
        return true;
    }
    std::erase_if(out_.settings, [](const ImportSetting& setting) {
        return setting.key == "allow" || setting.key == "deny";
    });
    if (!lists.allow.empty()) set(nullptr, "allow", toml_list(lists.allow));
    if (!lists.deny.empty()) set(nullptr, "deny", toml_list(lists.deny));
    note_service(ImportSeverity::warning,
            "what hosts.allow and hosts.deny say of " + quote_value(asked) +
                    " is written out in allow and deny; superd does not look there again");
    return true;
}

void XinetdMapping::map_banners() {
    struct Banner {
        std::string_view attribute;
        const char* key;
    };

    for (const Banner& banner :
            {Banner{"banner", "banner"}, Banner{"banner_success", "banner_admitted"},
                    Banner{"banner_fail", "banner_refused"}})
        if (const XinetdValue* value = source_.find(banner.attribute))
            set(value, banner.key, toml_text(value->words.front()));
}

// ---- what is logged

void XinetdMapping::map_logging() {
    map_ident();
    const XinetdValue* type = source_.find("log_type");
    if (type == nullptr) return;
    std::string why;
    const auto value = read_xinetd_log_type(type->words, why);
    if (!value) {
        refuse(*type, why);
        return;
    }
    set(type, "log", *value);
    map_log_facts("log_on_success", "log_admitted");
    map_log_facts("log_on_failure", "log_refused");
}

void XinetdMapping::map_log_facts(std::string_view attribute, const char* key) {
    const XinetdValue* value = source_.find(attribute);
    set(value, key, facts_of(value));
}

void XinetdMapping::map_ident() {
    static constexpr std::array<std::string_view, 6> success{
            "PID", "HOST", "USERID", "EXIT", "DURATION", "TRAFFIC"};
    static constexpr std::array<std::string_view, 3> failure{"HOST", "USERID", "ATTEMPT"};
    const auto check = [&](std::string_view attribute, const auto& known) {
        const XinetdValue* value = source_.find(attribute);
        for (const std::string& word :
                value != nullptr ? value->words : std::vector<std::string>{})
            if (std::find(known.begin(), known.end(), upper_case(word)) == known.end())
                refuse(*value,
                        quote_value(word) + " is not a value of " + std::string(attribute));
    };
    check("log_on_success", success);
    check("log_on_failure", failure);
    if (source_.has_word("log_on_success", "TRAFFIC") && !redirect_ &&
            !source_.find("log_on_success")->inherited)
        refuse(*source_.find("log_on_success"), "TRAFFIC is only for redirect");
    const bool admitted = source_.has_word("log_on_success", "USERID"),
               refused = source_.has_word("log_on_failure", "USERID");
    if (has_flag("IDONLY")) {
        const std::string why =
                admitted || refused ? ""
                                    : "without USERID xinetd does not ask; superd does what "
                                      "the manual promises";
        return set(source_.find("flags"), "ident", "\"require\"", why,
                why.empty() ? ImportSeverity::info : ImportSeverity::warning);
    }
    if (protocol_ != "tcp" || waits_) return;
    if (admitted) return set(source_.find("log_on_success"), "ident", "\"log\"");
    if (refused)
        note(ImportSeverity::warning, *source_.find("log_on_failure"), {},
                "clients that are refused are not asked for their user: write ident = \"log\" "
                "to "
                "ask every client");
}

}  // namespace superd
