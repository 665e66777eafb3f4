// SPDX-License-Identifier: MIT
// Who may come in, how many and how often.
#include <algorithm>
#include <array>

#include <unistd.h>

#include "base/host_name.h"
#include "base/text.h"
#include "config/file.h"
#include "config/resolve.h"

namespace superd {

namespace {

constexpr std::uint32_t usual_connections = 200, usual_per_source = 20;
constexpr std::uint32_t largest_burst = 1'000'000'000;

// ---- allow and deny

std::optional<AccessRule> network_rule(
        ResolveContext& context, const Node& node, const std::string& text, AccessRule rule) {
    std::string why;
    if (const auto network = Network::parse(text, &why)) {
        rule.network = *network;
        return rule;
    }
    const std::string message = quoted(text) + " is not an address, a block or a name";
    if (context.networks.contains(text))
        context.report.error(
                node.at, message, "write \"@" + text + "\" for the network of that name");
    else if (text.find_first_not_of("0123456789abcdefABCDEF.:/") != std::string::npos)
        context.report.error(node.at, message,
                parse_host_name(text)
                        ? "write \"host:" + escape(text) + "\" for one host, \"domain:" +
                                  escape(text) + "\" for all below it"
                        : "write addresses, blocks, \"@network\", \"uid:\", \"user:\", "
                          "\"gid:\", \"group:\", \"host:\", \"domain:\" or \"all\"");
    else
        context.report.error(node.at, why);
    return std::nullopt;
}

std::optional<AccessRule> named_network(
        ResolveContext& context, const Node& node, const std::string& text, AccessRule rule) {
    rule.kind = MatchKind::named_network;
    rule.network_name = text.substr(1);
    if (context.networks.contains(rule.network_name)) return rule;
    const std::vector<std::string_view> names(context.networks.begin(), context.networks.end());
    const std::string_view near = nearest(rule.network_name, names);
    context.report.error(node.at,
            "there is no network " + quoted(rule.network_name) + " in [networks]",
            near.empty() ? "" : "did you mean \"@" + std::string(near) + "\"?");
    return std::nullopt;
}

// "uid:1000", "user:git", "gid:100", "group:staff"; the part before the colon is `form`.
std::optional<AccessRule> identity_rule(ResolveContext& context, const Node& node,
        std::string_view form, const std::string& name, AccessRule rule) {
    const bool user = form == "user" || form == "uid";
    rule.kind = user ? MatchKind::uid : MatchKind::gid;
    if (form == "uid" || form == "gid") {
        const auto number = parse_decimal(name);
        if (number && *number < 0xffffffffu) {
            rule.id = static_cast<std::uint32_t>(*number);
            return rule;
        }
        context.report.error(node.at, quoted(name) + " is not a number",
                "write \"" + std::string(user ? "user:" : "group:") + escape(name) +
                        "\" for a name");
        return std::nullopt;
    }
    if (user) {
        const UserEntry* entry = context.names.user(name);
        if (entry != nullptr) return rule.id = entry->uid, rule;
    } else if (const auto gid = context.names.group(name)) {
        return rule.id = *gid, rule;
    }
    context.report.error(node.at, "there is no " + std::string(form) + " " + quoted(name));
    return std::nullopt;
}

// "host:db.example.org", "domain:example.org".
std::optional<AccessRule> name_rule(ResolveContext& context, const Node& node,
        std::string_view form, const std::string& name, AccessRule rule) {
    rule.kind = form == "host" ? MatchKind::host : MatchKind::domain;
    if (const auto parsed = parse_host_name(name)) return rule.host = *parsed, rule;
    const bool dotted = name.starts_with('.') && parse_host_name(name.substr(1));
    context.report.error(node.at, quoted(name) + " is not a host name",
            Network::parse(name) ? "write \"" + escape(name) + "\" for an address"
            : dotted ? "write \"domain:" + escape(name.substr(1)) + "\" for every name below it"
                     : "");
    return std::nullopt;
}

bool any_unix(const ServicePlan& plan) {
    return std::any_of(plan.listeners.begin(), plan.listeners.end(), [](const ListenerPlan& l) {
        return l.kind == ListenerKind::unix_stream || l.kind == ListenerKind::unix_seqpacket;
    });
}

bool any_ip(const ServicePlan& plan) {
    return std::any_of(plan.listeners.begin(), plan.listeners.end(), [](const ListenerPlan& l) {
        return l.kind == ListenerKind::tcp || l.kind == ListenerKind::udp;
    });
}

// A rule that no client of this service can meet guards nothing.
void check_reach(ResolveContext& context, const ServiceInput& input, const AccessRule& rule,
        const Node& node, const ServicePlan& plan) {
    if (plan.listeners.empty() || rule.kind == MatchKind::everybody) return;
    const bool identity = rule.kind == MatchKind::uid || rule.kind == MatchKind::gid;
    if (identity && !any_unix(plan))
        context.report.error(node.at, quoted(rule.text) + " cannot be enforced for " +
                                              input.label +
                                              ": only clients of a UNIX socket have a user");
    if (!identity && !any_ip(plan) && rule.allow)
        context.report.warning(node.at, quoted(rule.text) + " lets nobody in to " +
                                                input.label + ": its clients have no address");
}

// The rules of a worker are enforced in the kernel, on its sockets: what cannot be enforced
// there must not look as though it held.
void check_kernel(ResolveContext& context, const ServiceInput& input, const AccessRule& rule,
        const Node& node, const ServicePlan& plan) {
    const auto refuse = [&](const std::string& why) {
        context.report.error(node.at,
                quoted(rule.text) + " cannot be enforced for " + input.label + ": " + why);
    };
    if (rule.kind == MatchKind::uid || rule.kind == MatchKind::gid)
        return refuse("superd does not see a worker's clients");
    if (rule.kind == MatchKind::host || rule.kind == MatchKind::domain)
        return refuse("the kernel knows a worker's clients by address only");
    for (const ListenerPlan& listener : plan.listeners) {
        if (listener.mptcp)
            return refuse("the kernel filters no multipath TCP; leave out mptcp");
        const bool ip =
                listener.kind == ListenerKind::tcp || listener.kind == ListenerKind::udp;
        // Who has no address is in no block: a denial of blocks is kept by doing nothing.
        if (!ip && (rule.allow || rule.kind == MatchKind::everybody))
            return refuse("clients of " + listener.address + " have no address");
    }
}

void take_access(
        ResolveContext& context, const ServiceInput& input, ServicePlan& plan, bool allow) {
    const auto list = fold_list(input.layers, allow ? "allow" : "deny", context.report);
    if (!list) return;
    if (allow) refuse_emptied(context, list, "allow");
    for (const Item& item : list->items) {
        auto rule = read_access_rule(context, *item.node, allow);
        if (!rule) continue;
        if (plan.mode == Mode::worker)
            check_kernel(context, input, *rule, *item.node, plan);
        else
            check_reach(context, input, *rule, *item.node, plan);
        plan.admission.access.push_back(std::move(*rule));
    }
}

// ---- rates

// What a rate comes to, layer over layer: text replaces, a table merges.
struct RateParts {
    const Node *limit = nullptr, *burst = nullptr, *pause = nullptr;
    Place at;
};

void merge_rate(
        ResolveContext& context, RateParts& parts, const Node& node, std::string_view key) {
    const auto* table = std::get_if<TableValue>(&node.value);
    parts.at = node.at;
    if (table == nullptr) {
        const auto* text = std::get_if<std::string>(&node.value);
        const bool unlimited = text != nullptr && *text == "unlimited";
        parts = {unlimited ? nullptr : &node, nullptr, nullptr, node.at};
        return;
    }
    for (const Member& member : table->members) {
        if (member.key == "limit")
            parts.limit = member.value.get();
        else if (member.key == "burst")
            parts.burst = member.value.get();
        else if (member.key == "pause")
            parts.pause = member.value.get();
        else {
            constexpr std::array<std::string_view, 3> keys{"limit", "burst", "pause"};
            const std::string_view near = nearest(member.key, keys);
            context.report.error(member.at,
                    "unknown key " + quoted(member.key) + " in " + std::string(key),
                    near.empty() ? "a rate has limit, burst and pause"
                                 : "did you mean " + quoted(near) + "?");
        }
    }
}

std::optional<std::uint32_t> read_burst(ResolveContext& context, const Node& node) {
    const auto* number = std::get_if<IntegerValue>(&node.value);
    if (number != nullptr && number->value >= 1 && number->value <= largest_burst)
        return static_cast<std::uint32_t>(number->value);
    context.report.error(
            node.at, "burst is a number from 1 to " + std::to_string(largest_burst));
    return std::nullopt;
}

std::optional<RatePlan> convert_rate(
        ResolveContext& context, const RateParts& parts, std::string_view key) {
    if (parts.limit == nullptr) {
        if (parts.burst != nullptr || parts.pause != nullptr)
            context.report.error(parts.at, std::string(key) + " has no limit",
                    "write " + std::string(key) + " = { limit = \"50/s\", ... }");
        return std::nullopt;
    }
    const auto limit = context.values.frequency(*parts.limit, key);
    if (!limit) return std::nullopt;
    RatePlan rate{*limit, limit->count, Nanoseconds{0}, Values::origin(parts.at)};
    if (parts.burst != nullptr)
        rate.burst = read_burst(context, *parts.burst).value_or(rate.burst);
    if (parts.pause != nullptr)
        rate.pause = context.values.duration(*parts.pause, "pause").value_or(rate.pause);
    return rate;
}

std::optional<RatePlan> resolve_rate(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    RateParts parts;
    for (const Written& written : layers.everything())
        if (written.option->key == key) merge_rate(context, parts, *written.node, key);
    return convert_rate(context, parts, key);
}

// ---- bounds

Bound resolve_bound(ResolveContext& context, const Layers& layers, std::string_view key,
        std::uint32_t usual) {
    const Written* written = layers.last(key);
    if (written == nullptr) return {usual, {}};
    return context.values.bound(*written->node, *written->option).value_or(Bound{usual, {}});
}

void take_hours(ResolveContext& context, const ServiceInput& input, AdmissionPlan& admission) {
    const auto list = fold_list(input.layers, "hours", context.report);
    refuse_emptied(context, list, "hours");
    if (!list) return;
    for (const Item& item : list->items)
        if (const auto window = context.values.hours(*item.node))
            admission.hours.push_back(*window);
}

// Only a TCP client has a host that can be asked; what cannot be enforced is not let pass.
void take_ident(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    AdmissionPlan& admission = plan.admission;
    if (const auto word = choice_of(context, input.layers, "ident"))
        admission.ident = static_cast<Ident>(*word);
    admission.ident_timeout = duration_of(context, input.layers, "ident_timeout")
                                      .value_or(admission.ident_timeout);
    if (admission.ident != Ident::require) return;
    for (const ListenerPlan& listener : plan.listeners) {
        if (listener.kind == ListenerKind::tcp) continue;
        context.report.error(input.layers.last("ident")->node->at,
                "ident = \"require\" cannot be enforced for " + input.label +
                        ": only clients of tcp: have a host to ask, not those of " +
                        quoted(listener.address));
        return;
    }
}

void take_load(ResolveContext& context, const ServiceInput& input, AdmissionPlan& admission) {
    const Written* written = input.layers.last("max_load");
    if (written == nullptr) return;
    admission.max_load = context.values.number(*written->node, *written->option);
    admission.max_load_origin = Values::origin(written->node->at);
}

// ---- tcp_wrappers

void take_wrappers(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    const Written* written = input.layers.last("tcp_wrappers");
    if (written == nullptr) return;
    const auto wrappers = context.values.wrappers(*written->node);
    if (!wrappers || !wrappers->asked) return;
    const bool has_address = std::all_of(plan.listeners.begin(), plan.listeners.end(),
            [](const ListenerPlan& l) { return l.kind == ListenerKind::tcp; });
    if (!has_address)
        context.report.error(written->node->at,
                "tcp_wrappers cannot be enforced for " + input.label +
                        ": only TCP clients have an address to look for",
                "write tcp_wrappers = false in " + input.label + " to do without");
    plan.admission.tcp_wrappers = true;
    plan.admission.tcp_wrappers_name = wrappers->name;
    plan.admission.tcp_wrappers_origin = Values::origin(written->node->at);
}

// ---- banners

constexpr std::size_t largest_banner = std::size_t{64} << 10;
// superd itself sends these, at once: what the socket of a new connection has room for.
constexpr std::size_t largest_greeting = std::size_t{4} << 10;

// A file that is not there is sent to nobody, as though nothing were written; what is there and
// cannot be sent is a mistake.
BannerPlan read_banner(ResolveContext& context, const Layers& layers, std::string_view key) {
    BannerPlan banner;
    const Written* written = layers.last(key);
    if (written == nullptr) return banner;
    auto path = context.values.path(*written->node, key);
    if (!path) return banner;
    banner.path = std::move(*path);
    const Place& at = written->node->at;
    const std::string shown = std::string(key) + " " + quoted(banner.path);
    if (context.host.look_at(banner.path) == PathKind::missing) {
        context.report.warning(at, "there is no file " + quoted(banner.path) +
                                           " now: nothing is sent for " + std::string(key));
        return banner;
    }
    auto content = read_regular_file(banner.path);
    // A check without root cannot read what is root's; superd itself can.
    const bool roots_own = context.options.root && context.host.uid() != 0 &&
                           access(banner.path.c_str(), R_OK) != 0;
    if (!content && roots_own)
        context.report.warning(at, shown + " " + content.error().message);
    else if (!content)
        context.report.error(
                at, shown + " " + content.error().message, content.error().suggestion);
    else if (content->text.size() > largest_banner)
        context.report.error(at, shown + " is larger than 64K");
    else
        banner.text = std::move(content->text);
    return banner;
}

void take_banners(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    AdmissionPlan& admission = plan.admission;
    admission.banner = read_banner(context, input.layers, "banner");
    admission.banner_admitted = read_banner(context, input.layers, "banner_admitted");
    admission.banner_refused = read_banner(context, input.layers, "banner_refused");
    if (plan.mode != Mode::builtin && plan.mode != Mode::redirect) return;
    const std::size_t banner = admission.banner.text.size();
    if (banner + admission.banner_admitted.text.size() <= largest_greeting) return;
    const Written* written =
            input.layers.last(banner > largest_greeting ? "banner" : "banner_admitted");
    context.report.error(written->node->at,
            "banner and banner_admitted together are larger than 4K, which is as much as a "
            "builtin or a redirect sends");
}

}  // namespace

std::optional<AccessRule> read_access_rule(
        ResolveContext& context, const Node& node, bool allow) {
    const std::string* text = context.values.text(node, allow ? "allow" : "deny");
    if (text == nullptr) return std::nullopt;
    AccessRule rule;
    rule.allow = allow;
    rule.text = *text;
    rule.origin = Values::origin(node.at);
    if (*text == "all") return rule.kind = MatchKind::everybody, rule;
    if (text->starts_with('@')) return named_network(context, node, *text, std::move(rule));
    const auto colon = text->find(':');
    for (const std::string_view form : {"uid", "user", "gid", "group"})
        if (std::string_view(*text).substr(0, colon) == form && colon != std::string::npos)
            return identity_rule(context, node, form, text->substr(colon + 1), std::move(rule));
    for (const std::string_view form : {"host", "domain"})
        if (std::string_view(*text).substr(0, colon) == form && colon != std::string::npos)
            return name_rule(context, node, form, text->substr(colon + 1), std::move(rule));
    return network_rule(context, node, *text, std::move(rule));
}

void refuse_emptied(
        ResolveContext& context, const std::optional<FoldedList>& list, std::string_view key) {
    if (!list || !list->edited || !list->items.empty()) return;
    context.report.error(list->at,
            "nothing is left of " + std::string(key) + ", which would let everybody in",
            "write " + std::string(key) + " = [] where that is meant");
}

void resolve_admission(ResolveContext& context, ServiceInput& input, ServicePlan& plan) {
    AdmissionPlan& admission = plan.admission;
    take_access(context, input, plan, true);
    take_access(context, input, plan, false);
    if (plan.mode != Mode::worker && plan.mode != Mode::daemon) {
        admission.max_connections =
                resolve_bound(context, input.layers, "max_connections", usual_connections);
        admission.max_per_source =
                resolve_bound(context, input.layers, "max_per_source", usual_per_source);
    }
    admission.rate = resolve_rate(context, input.layers, "rate");
    admission.rate_per_source = resolve_rate(context, input.layers, "rate_per_source");
    take_hours(context, input, admission);
    take_load(context, input, admission);
    if (plan.mode != Mode::worker && plan.mode != Mode::daemon)
        take_ident(context, input, plan);
    if (const auto word = choice_of(context, input.layers, "on_limit"))
        admission.on_limit = static_cast<OnLimit>(*word);
    admission.refuse_text = line_of(context, input.layers, "refuse_text").value_or("");
    take_banners(context, input, plan);
    take_wrappers(context, input, plan);
}

}  // namespace superd
