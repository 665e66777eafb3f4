// SPDX-License-Identifier: MIT
// The PROXY protocol: whose headers are read, and what is told to the servers of redirects.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "config/resolve.h"

namespace superd {

namespace {

constexpr std::string_view form =
        R"(write { from = ["10.0.0.0/8"], version = "any", required = true })";
constexpr Option patience{.key = "proxy_protocol.timeout",
        .type = ValueType::duration,
        .low = 100,
        .high = 3'600'000};

// A proxy is known by where it connects from before anything else is.
bool can_be_known(const AccessRule& rule) {
    return rule.kind != MatchKind::host && rule.kind != MatchKind::domain &&
           rule.kind != MatchKind::gid;
}

std::vector<const Node*> items_of(const Node& node) {
    const auto* array = std::get_if<ArrayValue>(&node.value);
    if (array == nullptr) return {&node};
    std::vector<const Node*> items;
    for (const auto& item : array->items)
        items.push_back(&*item);
    return items;
}

void read_from(ResolveContext& context, const Node& node, ProxyProtocolPlan& plan) {
    for (const Node* item : items_of(node)) {
        auto rule = read_access_rule(context, *item, true);
        if (!rule) continue;
        if (can_be_known(*rule))
            plan.from.push_back(std::move(*rule));
        else
            context.report.error(item->at,
                    quoted(rule->text) + " cannot be asked for before the header is read",
                    "write addresses, blocks, \"@network\" or, for a UNIX socket, "
                    "\"user:NAME\"");
    }
}

void read_version(ResolveContext& context, const Node& node, ProxyProtocolPlan& plan) {
    const auto* number = std::get_if<IntegerValue>(&node.value);
    const auto* word = std::get_if<std::string>(&node.value);
    if (number != nullptr && (number->value == 1 || number->value == 2))
        plan.versions = static_cast<std::uint8_t>(number->value);
    else if (word != nullptr && *word == "any")
        plan.versions = 3;
    else
        context.report.error(node.at, "there is no such version of the PROXY protocol",
                "write 1, 2 or \"any\"");
}

void read_member(ResolveContext& context, const Member& member, ProxyProtocolPlan& plan) {
    const Node& node = *member.value;
    if (member.key == "from") return read_from(context, node, plan);
    if (member.key == "version") return read_version(context, node, plan);
    if (member.key == "required") {
        plan.required =
                context.values.boolean(node, "proxy_protocol.required").value_or(plan.required);
        return;
    }
    if (member.key == "timeout") {
        plan.timeout = context.values.duration(node, patience).value_or(plan.timeout);
        return;
    }
    context.report.error(
            member.at, "proxy_protocol has no " + quoted(member.key), std::string(form));
}

// Why a service cannot have it; empty where it can.
std::string hindrance(const ServicePlan& plan) {
    if (!plan.listeners.empty() && plan.mode != Mode::handler && plan.mode != Mode::builtin &&
            plan.mode != Mode::redirect)
        return "a worker accepts its connections itself";
    if (plan.builtin == Builtin::sensor) return "a sensor reads nothing";
    if (plan.admission.ident != Ident::off)
        return "ident asks a client about a connection that is its proxy's";
    if (plan.admission.tcp_wrappers) return "tcp_wrappers looks at the socket's own peer";
    return {};
}

}  // namespace

std::optional<ProxyProtocolPlan> read_proxy_protocol(
        ResolveContext& context, const Node& node) {
    const auto* table = std::get_if<TableValue>(&node.value);
    if (table == nullptr) {
        context.report.error(node.at, "proxy_protocol is a table", std::string(form));
        return std::nullopt;
    }
    ProxyProtocolPlan plan;
    plan.origin = Values::origin(node.at);
    for (const Member& member : table->members)
        read_member(context, member, plan);
    const Member* from = table->find("from");
    const auto* list = from == nullptr ? nullptr : std::get_if<ArrayValue>(&from->value->value);
    if (from == nullptr || (list != nullptr && list->items.empty())) {
        context.report.error(
                node.at, "proxy_protocol does not say from whom", std::string(form));
        return std::nullopt;
    }
    return plan;
}

void check_proxy_protocol(
        ResolveContext& context, const ServiceInput& input, const ServicePlan& plan) {
    for (const ListenerPlan& listener : plan.listeners) {
        if (!listener.proxy_protocol) continue;
        const std::string reason = hindrance(plan);
        if (reason.empty()) continue;
        const Origin& at = listener.proxy_protocol->origin;
        return context.report.error({at.file, at.line, at.column},
                "proxy_protocol cannot be used for " + input.label + ": " + reason,
                "take that away, or proxy_protocol");
    }
}

void resolve_send_proxy(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    if (const auto word = choice_of(context, input.layers, "send_proxy"))
        plan.send_proxy = static_cast<SendProxy>(*word);
    const auto list = fold_list(input.layers, "send_proxy_tlvs", context.report);
    if (!list) return;
    const auto words = split(find_option("send_proxy_tlvs")->words, ' ');
    for (const Item& item : list->items) {
        const std::string* text = context.values.text(*item.node, "send_proxy_tlvs");
        if (text == nullptr) continue;
        const auto known = std::find(words.begin(), words.end(), *text);
        if (known == words.end())
            context.report.error(item.node->at, quoted(*text) + " is no TLV that is sent",
                    "one of crc32c, unique_id, alpn, authority, ssl");
        else
            plan.send_proxy_tlvs.bits |=
                    static_cast<std::uint8_t>(1U << (known - words.begin()));
    }
    if (plan.send_proxy_tlvs.bits != 0 && plan.send_proxy != SendProxy::v2)
        context.report.error(list->at, "only version 2 of the PROXY header has TLVs",
                R"(write send_proxy = "v2")");
}

}  // namespace superd
