// SPDX-License-Identifier: MIT
// TLS: [tls.NAME] and the `tls` of listeners. What certificates, keys and lists of ciphers are
// worth is superd-tls's to say (config/tls_findings.h); here is what a file can be wrong about
// without OpenSSL.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "config/resolve.h"
#include "config/tls_findings.h"

namespace superd {

namespace {

constexpr std::size_t most_protocol = 64;  // tls_word_limit: what a relay may tell of it
constexpr std::size_t most_name = 253;

constexpr std::string_view form =
        R"(write a profile's name, or { certificate = "/path", key = "/path" })";

// OpenSSL's lists have colons between their words, and no blanks.
bool is_list_word(std::string_view word) {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
        return c > ' ' && c <= '~' && c != '"' && c != ',';
    });
}

// One profile's table.
class ProfileReader {
public:
    ProfileReader(ResolveContext& context, std::string name, const Place& at)
            : context_(context), at_(at) {
        plan_.name = std::move(name);
        plan_.origin = Values::origin(at);
    }

    void read(const std::vector<Setting>& settings) {
        for (const Setting& setting : settings)
            take(setting);
        check();
        context_.tls.push_back(std::move(plan_));
    }

private:
    void take(const Setting& setting) {
        const std::string_view key = setting.option->key;
        context_.tls_places[plan_.name][std::string(key)] = {setting.node->at};
        if (key == "certificate") take_paths(setting, plan_.certificates);
        if (key == "key") take_paths(setting, plan_.keys);
        if (key == "ocsp") take_paths(setting, plan_.ocsp);
        if (key == "certificate_directory") take_path(setting, plan_.certificate_directory);
        if (key == "client_ca") take_path(setting, plan_.client_ca);
        if (key == "client_crl") take_path(setting, plan_.client_crl);
        if (key == "alpn") take_list(setting, plan_.alpn, most_protocol);
        if (key == "client_names") take_list(setting, plan_.client_names, most_name);
        if (key == "client_certificate")
            if (const auto word = context_.values.choice(*setting.node, *setting.option))
                plan_.client_certificate = static_cast<ClientCertificate>(*word);
        if (key == "min_version") take_version(setting, plan_.min_version);
        if (key == "max_version") take_version(setting, plan_.max_version);
        if (key == "ciphers") take_words(setting, plan_.ciphers);
        if (key == "ciphersuites") take_words(setting, plan_.ciphersuites);
        if (key == "groups") take_words(setting, plan_.groups);
        if (key == "weak") plan_.weak = context_.values.boolean(*setting.node, key).value_or(false);
        if (key == "idle_timeout")
            if (const auto time = context_.values.time_bound(*setting.node, *setting.option))
                plan_.idle_timeout = time->value_or(Nanoseconds{0});
        if (key == "session_tickets")
            plan_.session_tickets =
                    context_.values.boolean(*setting.node, key).value_or(true);
        if (key == "key_process")
            plan_.key_process = context_.values.boolean(*setting.node, key).value_or(true);
        if (key == "handshake_timeout")
            plan_.handshake_timeout =
                    context_.values.duration(*setting.node, *setting.option)
                            .value_or(plan_.handshake_timeout);
    }

    // The values of a list, each with its own place.
    std::vector<const Node*> items(const Setting& setting) {
        std::vector<const Node*> list = as_items(*setting.node);
        auto& places = context_.tls_places[plan_.name][std::string(setting.option->key)];
        places.clear();
        for (const Node* item : list)
            places.push_back(item->at);
        if (list.empty())
            context_.report.error(
                    setting.at, std::string(setting.option->key) + " is empty", "leave it out");
        return list;
    }

    void take_paths(const Setting& setting, std::vector<std::string>& into) {
        for (const Node* item : items(setting))
            if (auto path = context_.values.path(*item, setting.option->key))
                into.push_back(std::move(*path));
    }

    void take_path(const Setting& setting, std::string& into) {
        if (auto path = context_.values.path(*setting.node, setting.option->key))
            into = std::move(*path);
    }

    void take_list(
            const Setting& setting, std::vector<std::string>& into, std::size_t longest) {
        for (const Node* item : items(setting)) {
            const std::string* word = context_.values.text(*item, setting.option->key);
            if (word == nullptr) continue;
            if (word->empty() || word->size() > longest)
                context_.report.error(item->at, std::string(setting.option->key) +
                                                        " has a word of " +
                                                        std::to_string(word->size()) + " bytes");
            else
                into.push_back(*word);
        }
    }

    void take_version(const Setting& setting, TlsVersion& into) {
        if (const auto word = context_.values.choice(*setting.node, *setting.option))
            into = static_cast<TlsVersion>(*word);
    }

    void take_words(const Setting& setting, std::string& into) {
        for (const Node* item : items(setting)) {
            const std::string* word = context_.values.text(*item, setting.option->key);
            if (word == nullptr) continue;
            if (!is_list_word(*word))
                context_.report.error(item->at, quoted(*word) + " is no name of OpenSSL's",
                        "write a list of names, or one text with ':' between them");
            else
                into += (into.empty() ? "" : ":") + *word;
        }
    }

    void check() {
        const std::size_t certificates = plan_.certificates.size(), keys = plan_.keys.size();
        if (certificates == 0)
            context_.report.error(at_, "TLS needs a certificate",
                    R"(write certificate = "/path/to/chain.pem" and key = "/path/to/key.pem")");
        else if (certificates != keys)
            context_.report.error(at_,
                    std::to_string(certificates) + " certificate" +
                            (certificates == 1 ? "" : "s") + " and " + std::to_string(keys) +
                            " key" + (keys == 1 ? "" : "s"),
                    "key has one file for each of certificate, in the same order");
        if (!plan_.ocsp.empty() && plan_.ocsp.size() != certificates)
            context_.report.error(at_, "ocsp has not one file for each of certificate");
        check_client();
        if (plan_.min_version > plan_.max_version)
            context_.report.error(at_, "min_version is above max_version", "swap them");
    }

    // A rule about clients that is not enforced is none.
    void check_client() {
        const bool asks = plan_.client_certificate != ClientCertificate::none;
        const bool rules = !plan_.client_ca.empty() || !plan_.client_crl.empty() ||
                           !plan_.client_names.empty();
        if (asks && plan_.client_ca.empty())
            context_.report.error(at_, "clients' certificates need a client_ca to be checked by",
                    R"(write client_ca = "/path/to/ca.pem")");
        if (!asks && rules)
            context_.report.error(at_, "no client is asked for a certificate",
                    R"(write client_certificate = "required", or "optional")");
    }

    ResolveContext& context_;
    const Place at_;
    TlsPlan plan_;
};

bool is_known(const ResolveContext& context, std::string_view name) {
    return std::any_of(context.tls.begin(), context.tls.end(),
            [&](const TlsPlan& one) { return one.name == name; });
}

std::string find_profile(ResolveContext& context, const Node& node, const std::string& name) {
    if (is_known(context, name)) return name;
    std::vector<std::string_view> names;
    for (const TlsPlan& one : context.tls)
        names.push_back(one.name);
    const std::string_view near = nearest(name, names);
    context.report.error(node.at, "there is no TLS profile " + quoted(name),
            near.empty() ? "write a [tls." + name + "] with a certificate and a key"
                         : "did you mean " + quoted(near) + "?");
    return {};
}

// Why a service cannot have it; empty where it can.
std::string hindrance(const ServicePlan& plan, const ListenerPlan& listener) {
    if (plan.mode == Mode::worker) return "a worker accepts its connections itself";
    if (plan.mode == Mode::builtin) return "a builtin speaks in the clear";
    if (plan.exec.standard_error.kind == OutputKind::socket)
        return "stderr = \"socket\" would write between the records";
    if (plan.admission.tcp_wrappers) return "tcp_wrappers looks at the socket's own peer";
    if (plan.prestart.count != 0) return "prestart hands over the client's own socket";
    if (!plan.admission.banner.text.empty() || !plan.admission.banner_admitted.text.empty())
        return "a banner would come before the handshake";
    if (plan.tcpmux != Tcpmux::no) return "tcpmux hands over the client's own socket";
    if (listener.kind == ListenerKind::unix_seqpacket) return "TLS needs a stream";
    return {};
}

Place place_of(const ResolveContext& context, const TlsPlan& profile, const TlsFinding& found) {
    const auto known = context.tls_places.find(profile.name);
    if (known != context.tls_places.end()) {
        const auto places = known->second.find(found.key);
        if (places != known->second.end() && !places->second.empty())
            return places->second[std::min<std::size_t>(
                    found.item, places->second.size() - 1)];
    }
    return {profile.origin.file, profile.origin.line, profile.origin.column};
}

}  // namespace

void resolve_tls_profiles(ResolveContext& context) {
    for (const Section& section : context.config.tls)
        ProfileReader(context, section.name, section.at).read(section.settings);
}

std::string read_tls(ResolveContext& context, const Node& node, const std::string& owner) {
    if (const auto* name = std::get_if<std::string>(&node.value))
        return find_profile(context, node, *name);
    const auto* table = std::get_if<TableValue>(&node.value);
    if (table == nullptr) {
        context.report.error(node.at, "tls is a name or a table", std::string(form));
        return {};
    }
    // One of the service's is read once for all its listeners.
    const auto [known, fresh] = context.tls_tables.try_emplace(&node, owner);
    if (fresh)
        ProfileReader(context, owner, node.at)
                .read(read_settings(*table, in_tls, "tls", context.report));
    return known->second;
}

void check_tls(ResolveContext& context, const ServiceInput& input, const ServicePlan& plan) {
    for (std::size_t i = 0; i < plan.listeners.size(); ++i) {
        if (plan.listeners[i].tls.empty()) continue;
        const std::string reason = hindrance(plan, plan.listeners[i]);
        if (reason.empty()) continue;
        return context.report.error(input.listeners[i].at,
                "tls cannot be used for " + input.label + ": " + reason,
                "take that away, or tls");
    }
}

// After everything else: what is wrong already would only be said twice.
void check_tls_files(ResolveContext& context) {
    if (context.tls.empty() || context.options.tls_program.empty()) return;
    std::string error;
    const auto findings = ask_tls_program(context.options.tls_program, context.tls, error);
    const Origin& first = context.tls.front().origin;
    if (!findings)
        return context.report.error({first.file, first.line, first.column},
                "TLS cannot be checked: " + error);
    for (const TlsFinding& found : *findings) {
        if (found.profile >= context.tls.size()) continue;
        const Place at = place_of(context, context.tls[found.profile], found);
        if (found.severity == Severity::error)
            context.report.error(at, found.message, found.suggestion);
        else
            context.report.warning(at, found.message, found.suggestion);
    }
}

}  // namespace superd
