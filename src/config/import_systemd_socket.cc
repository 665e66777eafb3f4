// SPDX-License-Identifier: MIT
// [Socket]: listeners, their options, and who may come in.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/units.h"
#include "config/address_spec.h"
#include "config/import_systemd.h"
#include "config/options.h"

namespace superd {

namespace {

enum class Form : std::uint8_t { boolean, number, size, mode, text, seconds, tos };

// They are held against each other.
constexpr std::size_t most_networks = 2000;

// A listener's option; whether it means something is asked of the options table.
struct Row {
    std::string_view key, ours;
    Form form;
};

constexpr std::array rows{Row{"Backlog", "backlog", Form::number},
        Row{"BindToDevice", "interface", Form::text},
        Row{"ReusePort", "reuse_port", Form::boolean},
        Row{"FreeBind", "free_bind", Form::boolean},
        Row{"Transparent", "transparent", Form::boolean},
        Row{"Broadcast", "broadcast", Form::boolean},
        Row{"KeepAlive", "keepalive", Form::boolean},
        Row{"KeepAliveTimeSec", "keepalive_time", Form::seconds},
        Row{"KeepAliveIntervalSec", "keepalive_interval", Form::seconds},
        Row{"KeepAliveProbes", "keepalive_probes", Form::number},
        Row{"NoDelay", "no_delay", Form::boolean},
        Row{"DeferAcceptSec", "defer_accept", Form::seconds},
        Row{"Priority", "priority", Form::number}, Row{"Mark", "mark", Form::number},
        Row{"IPTOS", "tos", Form::tos}, Row{"ReceiveBuffer", "receive_buffer", Form::size},
        Row{"SendBuffer", "send_buffer", Form::size},
        Row{"TCPCongestion", "congestion", Form::text},
        Row{"PassCredentials", "pass_credentials", Form::boolean},
        Row{"SocketUser", "owner", Form::text}, Row{"SocketGroup", "group", Form::text},
        Row{"SocketMode", "mode", Form::mode},
        Row{"DirectoryMode", "directory_mode", Form::mode},
        Row{"RemoveOnStop", "remove_on_stop", Form::boolean},
        Row{"MessageQueueMaxMessages", "max_messages", Form::number},
        Row{"MessageQueueMessageSize", "message_size", Form::size},
        Row{"FileDescriptorName", "name", Form::text}};

std::optional<std::string> whole_number(std::string_view text) {
    const auto number = parse_decimal(text);
    if (!number || *number > 0xffffffffu) return std::nullopt;
    return std::to_string(*number);
}

std::optional<std::string> tos_text(const std::string& value) {
    if (value == "low-delay") return "16";
    if (value == "throughput") return "8";
    if (value == "reliability") return "4";
    if (value == "low-cost") return "2";
    return whole_number(value);
}

std::optional<std::string> convert(Form form, const std::string& value) {
    switch (form) {
        case Form::boolean: {
            const auto is = parse_unit_boolean(value);
            if (!is) return std::nullopt;
            return *is ? "true" : "false";
        }
        case Form::number: return whole_number(value);
        case Form::tos: return tos_text(value);
        case Form::text: return toml_text(value);
        case Form::mode: {
            const auto mode = parse_octal(value);
            if (!mode || *mode > 07777) return std::nullopt;
            return toml_text(format_mode(*mode));
        }
        case Form::seconds: {
            const auto time = parse_unit_time(value);
            if (!time) return std::nullopt;
            return toml_text(format_duration(*time));
        }
        case Form::size: {
            const auto bytes = parse_unit_size(value);
            if (!bytes) return std::nullopt;
            return toml_text(format_size(*bytes));
        }
    }
    return std::nullopt;
}

// "8080", "127.0.0.1:80", "[::1]:80", "/run/x", "@x", "vsock:..." as superd has it for streams,
// datagrams or sequential packets; empty: there is no such listener.
std::string ip_listener(
        const std::string& scheme, const std::string& value, std::string_view family) {
    if (parse_decimal(value)) return scheme + std::string(family) + ":" + value;
    const auto colon = value.rfind(':');
    if (colon == std::string::npos) return {};
    const std::string host = value.substr(0, colon), port = value.substr(colon + 1);
    if (host == "0.0.0.0") return scheme + "4:" + port;
    if (host == "[::]") return scheme + std::string(family) + ":" + port;
    return scheme + ":" + value;
}

// "kobject-uevent 1"; without groups the kernel's answers only.
std::string netlink_listener(std::string_view value) {
    const auto words = split_unit_list(value);
    if (words.empty() || words.size() > 2) return {};
    return "netlink:" + words[0] + ":" + (words.size() == 2 ? words[1] : "0");
}

std::string listener_address(
        std::string_view key, const std::string& value, std::string_view family) {
    const bool path = value.starts_with('/') || value.starts_with('@');
    if (key == "ListenFIFO") return "fifo:" + value;
    if (key == "ListenMessageQueue") return "mqueue:" + value;
    if (key == "ListenNetlink") return netlink_listener(value);
    if (key == "ListenSequentialPacket") return path ? "seqpacket:" + value : "";
    const bool stream = key == "ListenStream";
    if (!stream && key != "ListenDatagram") return {};
    if (path) return (stream ? "unix:" : "unixgram:") + value;
    if (value.starts_with("vsock::")) return stream ? "vsock:*:" + value.substr(7) : "";
    if (value.starts_with("vsock")) return stream && value.starts_with("vsock:") ? value : "";
    return ip_listener(stream ? "tcp" : "udp", value, family);
}

class SocketImporter {
public:
    SocketImporter(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes)
            : unit_(unit),
              accept_(accept),
              host_(host),
              notes_(notes),
              first_(notes.service().listeners.size()) {}

    void import() {
        for (const UnitLine& line : unit_.lines)
            if (line.key.starts_with("Listen") && line.section == "Socket") add_listener(line);
        for (const UnitLine& line : unit_.lines)
            if (!line.key.starts_with("Listen") || line.section != "Socket") take(line);
        take_access();
        if (accept_) take_bounds();
        if (!accept_) check_names();
    }

private:
    std::string expand(const UnitLine& line) {
        std::string unknown;
        std::string value = expand_specifiers(line.value, unit_.name, host_, unknown);
        if (!unknown.empty())
            notes_.forbid(line, "what " + unknown + " stands for is not known here");
        return value;
    }

    // ---- listeners

    [[nodiscard]] std::string_view family() const {
        const UnitLine* only = unit_.find("Socket", "BindIPv6Only");
        return only != nullptr && only->value == "ipv6-only" ? "6" : "";
    }

    void check_family(const UnitLine& line) {
        if (line.value == "ipv6-only")
            notes_.say(ImportSeverity::info, line, "\"tcp6:PORT\" in listen", {});
        else if (line.value == "both" || line.value == "default")
            notes_.info(line, "so it is without the line");
        else
            notes_.lose(line, "is not a value that systemd takes");
    }

    void add_listener(const UnitLine& line) {
        const std::string address = listener_address(line.key, expand(line), family());
        const auto known =
                address.empty() ? std::nullopt : std::optional(parse_address(address));
        if (!known || !*known)
            return notes_.forbid(line, "superd has no listener of that kind");
        notes_.say(ImportSeverity::info, line, "listen = \"" + address + "\"", {});
        notes_.service().listeners.push_back({(*known)->text(), {}});
    }

    static ListenerKind kind_of(const ImportListener& listener) {
        const auto spec = parse_address(listener.address);
        return spec ? spec->kind : ListenerKind::tcp;
    }

    // To every listener of this unit for which the option means something.
    void set_option(const UnitLine& line, const std::string& key, const std::string& value) {
        auto& listeners = notes_.service().listeners;
        bool meant = false;
        for (std::size_t i = first_; i < listeners.size(); ++i) {
            const Option* option = find_option(key, in_listener);
            const auto kind = kind_of(listeners[i]);
            const bool fits =
                    option == nullptr || (option->kinds >> static_cast<unsigned>(kind) & 1u);
            if (!fits || (is_about_node(key) && is_abstract(listeners[i]))) continue;
            listeners[i].options.push_back({key, value, {}, line.at, {}});
            meant = true;
        }
        if (meant)
            notes_.say(ImportSeverity::info, line, key + " = " + value, {});
        else
            notes_.info(line, "means nothing for these listeners");
    }

    static bool is_about_node(std::string_view key) {
        return key == "mode" || key == "owner" || key == "group" || key == "directory_mode" ||
               key == "remove_on_stop";
    }

    static bool is_abstract(const ImportListener& listener) {
        return listener.address.find(":@") != std::string::npos;
    }

    // ---- lines

    void take(const UnitLine& line) {
        const std::string value = expand(line);
        if (line.section != "Socket") {
            if (line.key == "Description" && notes_.service().find("description") != nullptr)
                return notes_.info(line, {});
            return import_plain_line(line, value, notes_);
        }
        for (const Row& row : rows)
            if (row.key == line.key) return take_row(line, row, value);
        if (line.key == "BindIPv6Only") return check_family(line);
        if (!accept_ && line.key.starts_with("MaxConnections"))
            return notes_.info(line, "means nothing without Accept=yes");
        if (is_taken_elsewhere(line.key)) return;
        if (line.key == "TimeoutSec")
            return notes_.info(line, "superd runs nothing when it opens sockets");
        if (line.key == "SocketProtocol") return take_protocol(line, value);
        if (line.key == "SELinuxContextFromNet") return take_label(line, value);
        if (line.key.starts_with("TriggerLimit")) return;
        import_plain_line(line, value, notes_);
    }

    static bool is_taken_elsewhere(std::string_view key) {
        constexpr std::array<std::string_view, 6> keys{"Accept", "Service", "MaxConnections",
                "MaxConnectionsPerSource", "IPAddressAllow", "IPAddressDeny"};
        return std::find(keys.begin(), keys.end(), key) != keys.end();
    }

    void take_row(const UnitLine& line, const Row& row, const std::string& value) {
        const auto text = convert(row.form, value);
        if (!text) return notes_.lose(line, "is not a value that systemd takes");
        if (row.key == "SocketUser" && !host_.user_exists(value))
            return notes_.forbid(line, "there is no such user here");
        if (row.key == "SocketGroup" && !host_.group_exists(value))
            return notes_.forbid(line, "there is no such group here");
        if (row.key == "FileDescriptorName" && accept_)
            return notes_.info(line, "a connection has the name \"connection\"");
        if (row.form == Form::number && row.key == "Backlog" && value.size() > 9)
            return notes_.info(line, "superd's 4096 is what the kernel allows");
        set_option(line, std::string(row.ours), *text);
    }

    void take_protocol(const UnitLine& line, const std::string& value) {
        if (value == "mptcp") return set_option(line, "mptcp", "true");
        notes_.forbid(line, "superd does not speak this protocol");
    }

    void take_label(const UnitLine& line, const std::string& value) {
        if (parse_unit_boolean(value) == true) notes_.set(line, "peer_label", "true");
    }

    // systemd names descriptors after the unit: superd's names have no dot.
    void check_names() {
        if (unit_.find("Socket", "FileDescriptorName") != nullptr) return;
        import_note(ImportSeverity::warning, unit_.name.full(),
                "LISTEN_FDNAMES has " + notes_.service().name + " instead of " +
                        unit_.name.full());
    }

    void import_note(ImportSeverity severity, std::string read, std::string message) {
        UnitLine line{{unit_.path, 0}, {}, std::move(read), {}};
        notes_.say(severity, line, {}, std::move(message));
    }

    // ---- bounds

    void take_bounds() {
        ImportService& service = notes_.service();
        const UnitLine* most = unit_.find("Socket", "MaxConnections");
        const auto number = most == nullptr ? std::nullopt : whole_number(expand(*most));
        const bool nobody = number == "0";
        const std::string value = number && !nobody ? *number : "64";
        service.set("max_connections", value);
        service.set("on_limit", R"("refuse")");
        if (nobody)
            notes_.forbid(*most, "systemd lets nobody in");
        else if (number)
            notes_.say(ImportSeverity::info, *most, "max_connections = " + value, {});
        else if (most != nullptr)
            notes_.lose(*most, "is not a number of connections; systemd takes 64");
        take_per_source();
        take_trigger_limit();
    }

    void take_per_source() {
        const UnitLine* line = unit_.find("Socket", "MaxConnectionsPerSource");
        const auto number =
                line == nullptr ? std::optional<std::string>("0") : whole_number(expand(*line));
        const std::string value = !number || *number == "0" ? R"("unlimited")" : *number;
        notes_.service().set("max_per_source", value);
        if (!number)
            notes_.lose(*line, "is not a number of connections; systemd takes no bound");
        else if (line != nullptr)
            notes_.say(ImportSeverity::warning, *line, "max_per_source = " + value,
                    "superd counts an IPv6 /64 as one source");
    }

public:
    // TriggerLimitIntervalSec= and TriggerLimitBurst= together are a rate.
    void take_trigger_limit() {
        const UnitLine* interval = unit_.find("Socket", "TriggerLimitIntervalSec");
        const UnitLine* burst = unit_.find("Socket", "TriggerLimitBurst");
        if (interval == nullptr && burst == nullptr) return;
        const UnitLine& line = burst != nullptr ? *burst : *interval;
        const auto time = parse_unit_time(interval != nullptr ? interval->value : "2s");
        const auto count = burst != nullptr ? parse_decimal(burst->value)
                                            : std::optional<std::uint64_t>(accept_ ? 200 : 20);
        if (!time || !count || *count > 1'000'000'000)
            return notes_.lose(line, "is not a value that systemd takes");
        if (time->count() == 0 || *count == 0) return notes_.info(line, "no limit");
        const std::string rate =
                toml_text(format_frequency({static_cast<std::uint32_t>(*count), *time}));
        notes_.service().set("rate", rate);
        notes_.say(ImportSeverity::warning, line, "rate = " + rate,
                "systemd closes the socket for good; superd stops accepting for a while");
    }

private:
    // ---- who may come in

    static void add_networks(std::vector<Network>& networks, const UnitLine& line,
            std::string_view word, UnitNotes& notes) {
        constexpr std::string_view localhost = "127.0.0.0/8 ::1/128";
        constexpr std::string_view link_local = "169.254.0.0/16 fe80::/64";
        constexpr std::string_view multicast = "224.0.0.0/4 ff00::/8";
        const std::string_view named = word == "localhost"    ? localhost
                                       : word == "link-local" ? link_local
                                       : word == "multicast"  ? multicast
                                       : word == "any"        ? "::/0"
                                                              : word;
        for (const std::string_view one : split(named, ' ')) {
            auto network = Network::parse(one);
            if (!network) network = masked(one);
            if (network)
                networks.push_back(*network);
            else
                notes.forbid(line, "\"" + escape(one) + "\" is not an address");
        }
    }

    // systemd takes 10.0.0.1/8 for 10.0.0.0/8.
    static std::optional<Network> masked(std::string_view text) {
        const auto slash = text.find('/');
        const auto ip = IpAddress::parse(text.substr(0, slash));
        const auto bits = slash == std::string_view::npos
                                  ? std::nullopt
                                  : parse_decimal(text.substr(slash + 1));
        if (!ip || !bits) return std::nullopt;
        const bool v4 = text.find(':') == std::string_view::npos;
        if (*bits > (v4 ? 32u : 128u)) return std::nullopt;
        const auto whole = static_cast<std::uint8_t>(*bits + (v4 ? 96 : 0));
        return Network{mask(*ip, whole), whole};
    }

    std::vector<Network> networks(std::string_view key, const UnitLine*& last) {
        std::vector<Network> found;
        for (const UnitLine& line : unit_.lines) {
            if (line.section != "Socket" || line.key != key) continue;
            last = &line;
            const std::string value = expand(line);
            for (const std::string_view word : split(value, ' '))
                if (!word.empty() && found.size() < most_networks)
                    add_networks(found, line, word, notes_);
                else if (!word.empty())
                    return notes_.forbid(line, "there are too many addresses"), found;
        }
        return found;
    }

    static bool holds(const std::vector<Network>& networks, const Network& other) {
        return std::any_of(networks.begin(), networks.end(), [&](const Network& one) {
            return one.bits <= other.bits && one.contains(other.base);
        });
    }

    static std::string list(const std::vector<Network>& networks, bool everybody) {
        std::vector<std::string> texts;
        for (const Network& network : networks)
            texts.push_back(network.bits == 0 ? "all" : network.text());
        if (everybody) texts.emplace_back("all");
        return toml_list(texts);
    }

    // In systemd whoever is allowed comes in, whoever is denied does not, everybody else does.
    // superd goes by the most particular entry, and an allow list keeps others out. What is
    // denied inside of an allowed block therefore says nothing, and where not everybody is
    // denied, "all" stands in the allow list.
    void take_access() {
        const UnitLine *allowed_by = nullptr, *denied_by = nullptr;
        const auto allowed = networks("IPAddressAllow", allowed_by);
        auto denied = networks("IPAddressDeny", denied_by);
        std::erase_if(denied, [&](const Network& one) { return holds(allowed, one); });
        if (denied.empty()) {
            if (allowed_by != nullptr)
                notes_.info(
                        *allowed_by, "nobody is denied that is not allowed: no list is needed");
            return;
        }
        const bool only = std::any_of(
                denied.begin(), denied.end(), [](const Network& one) { return one.bits == 0; });
        if (only && allowed.empty()) return notes_.set(*denied_by, "deny", R"("all")");
        if (only) return notes_.set(*allowed_by, "allow", list(allowed, false));
        if (!allowed.empty()) notes_.set(*allowed_by, "allow", list(allowed, true));
        notes_.set(*denied_by, "deny", list(denied, false));
    }

    const Unit& unit_;
    bool accept_;
    ImportHost& host_;
    UnitNotes& notes_;
    std::size_t first_;  // listeners of this unit begin here
};

}  // namespace

void import_socket_unit(const Unit& unit, bool accept, ImportHost& host, UnitNotes& notes) {
    SocketImporter importer(unit, accept, host, notes);
    importer.import();
    if (!accept) importer.take_trigger_limit();
}

}  // namespace superd
