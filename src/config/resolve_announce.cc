// SPDX-License-Identifier: MIT
// rpc: where else than at its address a service is to be found.
#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <tuple>

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

Place place_of(const Origin& origin) {
    return {origin.file, origin.line, origin.column};
}

}  // namespace

void resolve_announcements(
        ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    take_rpc(context, input, plan);
}

void check_rpc_conflicts(
        const std::vector<std::shared_ptr<const ServicePlan>>& services, Report& report) {
    std::map<std::tuple<std::uint32_t, std::uint32_t, ListenerKind>, const ServicePlan*> known;
    const auto take = [&](const ServicePlan& service, std::uint32_t version,
                              ListenerKind kind) {
        const auto [first, fresh] =
                known.try_emplace({service.rpc->program, version, kind}, &service);
        if (fresh || first->second == &service) return;
        report.conflict(place_of(service.rpc->origin),
                "version " + std::to_string(version) + " of program " +
                        std::to_string(service.rpc->program) + " over " +
                        (kind == ListenerKind::udp ? "udp" : "tcp") + " belongs to [service." +
                        first->second->name + "] already",
                place_of(first->second->rpc->origin));
    };
    for (const auto& service : services) {
        if (!service->enabled || !service->rpc) continue;
        for (const ListenerKind kind : {ListenerKind::tcp, ListenerKind::udp}) {
            const bool has_kind = std::any_of(service->listeners.begin(),
                    service->listeners.end(),
                    [kind](const ListenerPlan& listener) { return listener.kind == kind; });
            if (!has_kind) continue;
            for (std::uint32_t i = 0; i <= service->rpc->high - service->rpc->low; ++i)
                take(*service, service->rpc->low + i, kind);
        }
    }
}

}  // namespace superd
