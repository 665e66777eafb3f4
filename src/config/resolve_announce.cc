// SPDX-License-Identifier: MIT
// rpc and mdns: where else than at its address a service is to be found.
#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"
#include "config/resolve.h"

namespace superd {

namespace {

constexpr std::uint32_t most_versions = 100;
constexpr std::string_view rpc_form = R"(write rpc = { program = "rstatd", versions = "1-3" })";

std::optional<std::uint32_t> as_number(const Node& node) {
    const auto* integer = std::get_if<IntegerValue>(&node.value);
    if (integer == nullptr || integer->value < 0 ||
            integer->value > std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    return static_cast<std::uint32_t>(integer->value);
}

// By its name in /etc/rpc (or wherever this host keeps them), or by number.
std::optional<std::uint32_t> read_program(ResolveContext& context, const Node& node) {
    const auto* name = std::get_if<std::string>(&node.value);
    if (name == nullptr) {
        const auto number = as_number(node);
        if (!number || *number == 0)
            context.report.error(node.at, "program is a name of /etc/rpc or a number",
                    std::string(rpc_form));
        return number == 0 ? std::nullopt : number;
    }
    if (const auto number = context.names.rpc_program(*name)) return number;
    const auto& known = context.names.rpc_programs();
    const std::vector<std::string_view> names(known.begin(), known.end());
    const std::string_view near = nearest(*name, names);
    context.report.error(node.at, "there is no RPC program " + quoted(*name) + " in /etc/rpc",
            near.empty() ? "write its number" : "did you mean " + quoted(near) + "?");
    return std::nullopt;
}

struct Versions {
    std::uint32_t low = 0, high = 0;
};

std::optional<Versions> parse_versions(const Node& node) {
    if (const auto number = as_number(node)) return Versions{*number, *number};
    const auto* text = std::get_if<std::string>(&node.value);
    if (text == nullptr) return std::nullopt;
    const auto dash = text->find('-');
    const auto low = parse_decimal(std::string_view(*text).substr(0, dash));
    const auto high = dash == std::string::npos
                              ? low
                              : parse_decimal(std::string_view(*text).substr(dash + 1));
    if (!low || !high || *high < *low || *high > std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    return Versions{static_cast<std::uint32_t>(*low), static_cast<std::uint32_t>(*high)};
}

std::optional<Versions> read_versions(ResolveContext& context, const Node& node) {
    const auto versions = parse_versions(node);
    if (!versions)
        context.report.error(node.at, "versions is a number or a range", R"(write 2 or "1-3")");
    else if (versions->high - versions->low >= most_versions)
        context.report.error(node.at,
                "a program has at most " + std::to_string(most_versions) + " versions");
    else
        return versions;
    return std::nullopt;
}

// The members of a table by name; one that has no place there is an error.
template <std::size_t N>
std::array<const Node*, N> members_of(ResolveContext& context, const TableValue& table,
        std::string_view key, const std::array<std::string_view, N>& names) {
    std::array<const Node*, N> found{};
    for (const Member& member : table.members) {
        const auto place = std::find(names.begin(), names.end(), member.key);
        if (place != names.end()) {
            found[static_cast<std::size_t>(place - names.begin())] = member.value.get();
            continue;
        }
        const std::string_view near = nearest(member.key, names);
        context.report.error(member.at,
                "unknown key " + quoted(member.key) + " in " + std::string(key),
                near.empty() ? "" : "did you mean " + quoted(near) + "?");
    }
    return found;
}

bool has_port(const ServicePlan& plan) {
    return std::any_of(
            plan.listeners.begin(), plan.listeners.end(), [](const ListenerPlan& listener) {
                return listener.kind == ListenerKind::tcp || listener.kind == ListenerKind::udp;
            });
}

void take_rpc(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    const Written* written = input.layers.last("rpc");
    if (written == nullptr) return;
    const auto* table = std::get_if<TableValue>(&written->node->value);
    if (table == nullptr)
        return context.report.error(written->node->at,
                "rpc is a table, not " + std::string(type_name(*written->node)),
                std::string(rpc_form));
    constexpr std::array<std::string_view, 2> names{"program", "versions"};
    const auto [program_node, versions_node] = members_of(context, *table, "rpc", names);
    if (program_node == nullptr || versions_node == nullptr)
        return context.report.error(written->node->at,
                "rpc has no " + std::string(program_node == nullptr ? "program" : "versions"),
                std::string(rpc_form));
    const auto program = read_program(context, *program_node);
    const auto versions = read_versions(context, *versions_node);
    if (!has_port(plan))
        context.report.error(written->at,
                "rpc registers tcp and udp listeners, and " + input.label + " has none");
    if (!program || !versions) return;
    plan.rpc =
            RpcPlan{*program, versions->low, versions->high, Values::origin(written->node->at)};
}

// ---- mdns

constexpr std::size_t longest_type = 15, longest_name = 63, longest_text = 255, most_texts = 64,
                      longest_record = 1300;
constexpr std::string_view mdns_form = R"(write mdns = true or { type = "_http._tcp" })";

// RFC 6335, 5.1.
bool is_service_name(std::string_view name) {
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    const auto is_proper = [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
    };
    return !name.empty() && name.size() <= longest_type && name.front() != '-' &&
           name.back() != '-' && name.find("--") == std::string_view::npos &&
           std::all_of(name.begin(), name.end(), is_proper) &&
           std::any_of(name.begin(), name.end(), is_letter);
}

// "_http._tcp", or "_http" for the protocol of each listener.
bool is_service_type(std::string_view type) {
    if (!type.starts_with('_')) return false;
    const auto dot = type.find('.');
    const std::string_view protocol =
            dot == std::string_view::npos ? std::string_view() : type.substr(dot);
    return is_service_name(type.substr(1, dot == std::string_view::npos ? dot : dot - 1)) &&
           (protocol.empty() || protocol == "._tcp" || protocol == "._udp");
}

// The name of its first port, else its own.
std::optional<std::string> usual_type(ResolveContext& context, const ServicePlan& plan) {
    for (const ListenerPlan& listener : plan.listeners) {
        const bool udp = listener.kind == ListenerKind::udp;
        if ((!udp && listener.kind != ListenerKind::tcp) || listener.port == 0) continue;
        const auto name = context.names.port_name(
                static_cast<std::uint16_t>(listener.port), udp ? "udp" : "tcp");
        if (name && is_service_name(*name)) return "_" + *name;
    }
    if (is_service_name(plan.name)) return "_" + plan.name;
    return std::nullopt;
}

std::optional<std::string> read_type(ResolveContext& context, const Node& node) {
    const std::string* type = context.values.text(node, "type");
    if (type == nullptr) return std::nullopt;
    if (is_service_type(*type)) return *type;
    context.report.error(node.at, quoted(*type) + " is not a type of service",
            "write \"_NAME._tcp\", NAME having at most 15 letters, digits and single '-'");
    return std::nullopt;
}

std::string read_name(ResolveContext& context, const Node& node) {
    const std::string* name = context.values.text(node, "name");
    if (name == nullptr) return {};
    if (!name->empty() && name->size() <= longest_name && escape(*name) == *name) return *name;
    context.report.error(node.at, "name has 1 to " + std::to_string(longest_name) +
                                          " bytes of printable text, without '\\'");
    return {};
}

// RFC 6763, 6.4: KEY or KEY=VALUE.
bool is_txt(std::string_view text) {
    const std::string_view key = text.substr(0, text.find('='));
    return !key.empty() && text.size() <= longest_text &&
           std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void read_txt(ResolveContext& context, const Node& node, std::vector<std::string>& into) {
    std::size_t size = 0;
    for (const Node* item : as_items(node)) {
        const std::string* text = context.values.text(*item, "a text of txt");
        if (text == nullptr) return;
        size += text->size() + 1;
        if (!is_txt(*text))
            return context.report.error(item->at, quoted(*text) + " is not KEY=VALUE",
                    "a text has at most 255 bytes, a key printable ASCII");
        into.push_back(*text);
    }
    if (into.size() > most_texts || size > longest_record)
        context.report.error(node.at, "txt has at most " + std::to_string(most_texts) +
                                              " texts and " + std::to_string(longest_record) +
                                              " bytes");
}

bool is_loopback(const IpAddress& ip) {
    return ip.is_v4() ? ip.bytes[12] == 127 : ip == IpAddress::parse("::1");
}

// What Avahi would have nothing to publish of.
bool can_be_announced(const ListenerPlan& listener, std::string_view type) {
    if (listener.kind != ListenerKind::tcp && listener.kind != ListenerKind::udp) return false;
    const bool fits = type.find('.') == std::string_view::npos ||
                      type.ends_with(listener.kind == ListenerKind::udp ? "_udp" : "_tcp");
    return fits && !is_loopback(listener.ip);
}

void check_mdns(ResolveContext& context, const ServiceInput& input, const Written& written,
        const ServicePlan& plan) {
    if (!has_port(plan))
        return context.report.error(written.at,
                "mdns announces tcp and udp listeners, and " + input.label + " has none");
    const bool any = std::any_of(
            plan.listeners.begin(), plan.listeners.end(), [&](const ListenerPlan& listener) {
                return can_be_announced(listener, plan.mdns->type);
            });
    if (!any)
        context.report.warning(written.at, "no listener of " + input.label +
                                                   " can be announced as " + plan.mdns->type +
                                                   ": they are of another protocol, or of this "
                                                   "host alone");
}

void take_mdns(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    const Written* written = input.layers.last("mdns");
    if (written == nullptr) return;
    const Node& node = *written->node;
    const auto* table = std::get_if<TableValue>(&node.value);
    const auto* asked = std::get_if<bool>(&node.value);
    if (asked != nullptr && !*asked) return;
    if (table == nullptr && asked == nullptr)
        return context.report.error(node.at,
                "mdns is true, false or a table, not " + std::string(type_name(node)),
                std::string(mdns_form));
    constexpr std::array<std::string_view, 3> names{"type", "name", "txt"};
    std::array<const Node*, 3> members{};
    if (table != nullptr) members = members_of(context, *table, "mdns", names);
    const auto type =
            members[0] != nullptr ? read_type(context, *members[0]) : usual_type(context, plan);
    if (!type && members[0] == nullptr)
        context.report.error(node.at, quoted(plan.name) + " cannot be the type of a service",
                std::string(mdns_form));
    if (!type) return;
    plan.mdns = MdnsPlan{.type = *type, .name = {}, .txt = {}};
    if (members[1] != nullptr) plan.mdns->name = read_name(context, *members[1]);
    if (members[2] != nullptr) read_txt(context, *members[2], plan.mdns->txt);
    check_mdns(context, input, *written, plan);
}

}  // namespace

void resolve_announcements(
        ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    take_rpc(context, input, plan);
    take_mdns(context, input, plan);
}

}  // namespace superd
