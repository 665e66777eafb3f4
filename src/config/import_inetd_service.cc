// SPDX-License-Identifier: MIT
// What a definition of inetd.conf is as a service: names, addresses and sockets.
#include <algorithm>

#include "base/text.h"
#include "base/units.h"
#include "config/import_inetd.h"

namespace superd {

namespace {

using D = InetdDialect;

std::string shown(std::string_view word) {
    return "\"" + escape(word) + "\"";
}

std::string base_name(std::string_view path) {
    const auto slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

bool is_number(std::string_view text) {
    return parse_decimal(text).has_value();
}

bool is_any(std::string_view host) {
    return host.empty() || host == "*";
}

// "192.0.2.1", "[::1]", "[fe80::1%eth0]"; nothing where it is a name.
std::optional<std::string> address_text(std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto ip = IpAddress::parse(host.substr(0, host.find('%')));
    if (!ip) return std::nullopt;
    if (host.find(':') == std::string_view::npos) return std::string(host);
    return "[" + std::string(host) + "]";
}

}  // namespace

InetdServices::InetdServices(const InetdRules& rules, ImportHost& host, Import& import)
        : rules_(rules), host_(host), import_(import) {}

void InetdServices::note(const InetdEntry& entry, const ImportService& service,
        ImportSeverity severity, std::string read, std::string made, std::string message) {
    import_.notes.push_back({severity, entry.at, service.name, std::move(read), std::move(made),
            std::move(message)});
}

void InetdServices::lose(const InetdEntry& entry, ImportService& service, std::string read,
        std::string message) {
    service.comments.push_back("lost: " + escape(read) + ": " + message);
    note(entry, service, ImportSeverity::lost, std::move(read), {}, std::move(message));
}

void InetdServices::disable(
        const InetdEntry& entry, ImportService& service, std::string reason) {
    note(entry, service, ImportSeverity::warning, entry.read, "enabled = false", reason);
    service.disabled.push_back(std::move(reason));
}

// "echo", then "echo-udp", "finger-tcp6": the protocol tells two services of one name apart.
std::string InetdServices::name_for(const InetdEntry& entry) {
    std::string name = entry.protocol == "unix" ? base_name(entry.service) : entry.service;
    if (is_number(name) && !entry.internal())
        name = base_name(entry.args.empty() ? entry.server : entry.args.front());
    if (!used_.try_emplace(name, true).second) name += "-" + entry.protocol;
    used_.try_emplace(name, true);
    return names_.make(name);
}

// A socket of each family, so that a program for IPv4 alone gets what it knows. A program that
// is given the socket itself gets one, so there are two of it.
bool InetdServices::has_two_sockets(const InetdEntry& entry) const {
    return rules_.both_families && !entry.internal() && entry.versions.empty() &&
           (entry.protocol == "tcp" || entry.protocol == "udp");
}

void InetdServices::add(InetdEntry entry) {
    if (entry.wait && is_any(trim(entry.hosts)) && has_two_sockets(entry)) {
        InetdEntry six = entry;
        entry.protocol += '4';
        six.protocol += '6';
        six.comments.clear();
        add_service(std::move(entry));
        add_service(std::move(six));
    } else {
        add_service(std::move(entry));
    }
}

void InetdServices::add_service(InetdEntry entry) {
    ImportService service;
    service.name = name_for(entry);
    service.at = entry.at;
    service.comments = entry.comments;
    service.disabled = entry.disabled;
    note(entry, service, ImportSeverity::info, entry.read, "[service." + service.name + "]",
            {});
    for (const std::string& reason : entry.disabled)
        note(entry, service, ImportSeverity::info, entry.read, "enabled = false", reason);
    for (InetdRemark& remark : entry.remarks)
        note(entry, service, remark.severity, std::move(remark.read), {},
                std::move(remark.message));
    if (service.disabled.empty()) replace_earlier(entry, service);
    if (entry.mux != InetdMux::none)
        service.set("tcpmux", entry.mux == InetdMux::plus ? R"("plus")" : R"("plain")");
    else
        take_listeners(entry, service);
    if (entry.internal())
        take_builtin(entry, service);
    else
        take_program(entry, service);
    take_extras(entry, service);
    check_taken(entry, service);
    import_.services.push_back(std::move(service));
}

// A line with the service, protocol and address of an earlier one takes its place.
void InetdServices::replace_earlier(const InetdEntry& entry, const ImportService& service) {
    const std::string key = entry.hosts + " " + entry.service + " " + entry.protocol + " " +
                            entry.socket_type + (entry.mux == InetdMux::none ? "" : " mux");
    const auto [known, fresh] = by_definition_.try_emplace(key, import_.services.size());
    if (fresh) return;
    ImportService& earlier = import_.services[known->second];
    const std::string reason = "a later line takes its place: " + entry.at.file + ":" +
                               std::to_string(entry.at.line) + ", here " + service.name;
    if (earlier.disabled.empty())
        import_.notes.push_back({ImportSeverity::warning, earlier.at, earlier.name, entry.read,
                "enabled = false", reason});
    earlier.disabled.push_back(reason);
    for (const ImportListener& listener : earlier.listeners)
        by_address_.erase(listener.address);
    known->second = import_.services.size();
}

// Another service of another name on the same port: inetd bound it for the first one only.
void InetdServices::check_taken(const InetdEntry& entry, ImportService& service) {
    if (!service.disabled.empty()) return;
    for (const ImportListener& listener : service.listeners) {
        if (listener.address.ends_with(":0")) continue;
        const auto [known, fresh] =
                by_address_.try_emplace(listener.address, import_.services.size());
        if (fresh || known->second == import_.services.size()) continue;
        disable(entry, service,
                listener.address + " belongs to " + import_.services[known->second].name);
        return;
    }
}

// ---- listeners

void InetdServices::take_listeners(const InetdEntry& entry, ImportService& service) {
    if (entry.protocol == "unix") {
        listen_on_path(entry, service);
    } else {
        std::string port = "0";
        if (entry.versions.empty())
            port = port_for(entry, service);
        else
            take_rpc(entry, service);
        for (const std::string_view host : split(entry.hosts, ','))
            listen_on(entry, service, trim(host), port);
    }
    take_socket_options(entry, service);
}

// The kernel chooses an RPC service's port; rpcbind knows it then.
void InetdServices::take_rpc(const InetdEntry& entry, ImportService& service) {
    const bool number = is_number(entry.service);
    if (!number && !host_.rpc_number_of(entry.service))
        disable(entry, service, shown(entry.service) + " is not in this host's /etc/rpc");
    const std::string versions =
            is_number(entry.versions) ? entry.versions : toml_text(entry.versions);
    service.set("rpc", "{ program = " + (number ? entry.service : toml_text(entry.service)) +
                               ", versions = " + versions + " }");
}

std::string InetdServices::port_for(const InetdEntry& entry, ImportService& service) {
    if (const auto number = parse_decimal(entry.service)) {
        if (*number >= 1 && *number <= 65535) return std::to_string(*number);
        disable(entry, service, entry.service + " is not a port");
        return "0";
    }
    const std::string protocol = entry.protocol.substr(0, 3);
    if (const auto port = host_.port_of(entry.service, protocol)) return std::to_string(*port);
    disable(entry, service,
            shown(entry.service + "/" + protocol) + " is not in this host's /etc/services");
    return entry.service;
}

// "", "4" or "6" behind tcp or udp.
std::string InetdServices::family_of(const InetdEntry& entry) const {
    const std::string_view family = std::string_view(entry.protocol).substr(3);
    if (family == "46") return "";
    if (family == "6only") return "6";
    if (family == "6") return rules_.six_takes_four ? "" : "6";
    if (family.empty()) return rules_.both_families ? "" : "4";
    return std::string(family);
}

void InetdServices::listen_on(const InetdEntry& entry, ImportService& service,
        std::string_view host, const std::string& port) {
    if (is_any(host)) {
        const std::string base = entry.protocol.substr(0, 3);
        if (has_two_sockets(entry))
            for (const char* family : {"4:", "6:"})
                service.listeners.push_back({base + family + port, {}});
        else
            service.listeners.push_back({base + family_of(entry) + ":" + port, {}});
        return;
    }
    if (address_text(host)) return listen_on_address(entry, service, host, port);
    const auto addresses = host_.addresses_of(std::string(host));
    if (addresses.empty())
        return disable(entry, service, "the host " + shown(host) + " has no address now");
    for (const IpAddress& ip : addresses)
        listen_on_address(entry, service, ip.text(), port);
    note(entry, service, ImportSeverity::warning, std::string(host) + ":",
            std::to_string(addresses.size()) + " listener(s)",
            "superd listens on the addresses that the name has now");
}

void InetdServices::listen_on_address(const InetdEntry& entry, ImportService& service,
        std::string_view address, const std::string& port) {
    const std::string base = entry.protocol.substr(0, 3);
    const std::string text = address_text(address).value_or("");
    const bool v6 = text.starts_with('[');
    const std::string_view written = std::string_view(entry.protocol).substr(3);
    if ((v6 && written == "4") || (!v6 && (written == "6" || written == "6only")))
        return lose(entry, service, std::string(address),
                "is not an address of " + entry.protocol + "; inetd did not listen there");
    if (text == "0.0.0.0" || text == "[::]") {
        service.listeners.push_back({base + (v6 ? "6:" : "4:") + port, {}});
        return;
    }
    service.listeners.push_back({base + ":" + text + ":" + port, {}});
}

void InetdServices::listen_on_path(const InetdEntry& entry, ImportService& service) {
    const std::string scheme = entry.socket_type == "dgram"       ? "unixgram:"
                               : entry.socket_type == "seqpacket" ? "seqpacket:"
                                                                  : "unix:";
    ImportListener listener{scheme + entry.service, {}};
    // FreeBSD makes the node 0200 where the line does not say; the others 0666, as superd does.
    if (rules_.dialect == D::freebsd)
        listener.options.push_back(
                {"mode", toml_text(format_mode(
                                 parse_octal(entry.node_mode.empty() ? "0200" : entry.node_mode)
                                         .value_or(0200) &
                                 0777u))});
    if (!entry.node_owner.empty())
        listener.options.push_back({"owner", toml_text(entry.node_owner)});
    if (!entry.node_group.empty())
        listener.options.push_back({"group", toml_text(entry.node_group)});
    service.listeners.push_back(std::move(listener));
}

void InetdServices::take_socket_options(const InetdEntry& entry, ImportService& service) {
    std::vector<ImportSetting> options;
    if (entry.send_buffer != 0)
        options.push_back({"send_buffer", toml_text(format_size(entry.send_buffer))});
    if (entry.receive_buffer != 0)
        options.push_back({"receive_buffer", toml_text(format_size(entry.receive_buffer))});
    if (entry.accept_filter == "dataready" || entry.accept_filter == "httpready") {
        options.push_back({"defer_accept", toml_text("30s")});
        note(entry, service, ImportSeverity::warning, "accept filter " + entry.accept_filter,
                R"(defer_accept = "30s")",
                "a connection counts with its first bytes, whole requests or not, and after "
                "30 s without any");
    } else if (!entry.accept_filter.empty()) {
        lose(entry, service, "accept filter " + entry.accept_filter,
                "there is no such filter here");
    }
    for (ImportListener& listener : service.listeners)
        listener.options.insert(listener.options.end(), options.begin(), options.end());
}

}  // namespace superd
