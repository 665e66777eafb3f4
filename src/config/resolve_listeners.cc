// SPDX-License-Identifier: MIT
// Listeners: their addresses first, their options once the mode is known.
#include <limits>

#include "base/text.h"
#include "config/resolve.h"

namespace superd {

namespace {

unsigned kind_bit(ListenerKind kind) {
    return 1u << static_cast<unsigned>(kind);
}

bool is_ip(ListenerKind kind) {
    return kind == ListenerKind::tcp || kind == ListenerKind::udp;
}

bool is_node(const ListenerPlan& listener) {
    return !listener.path.empty() && !listener.path.starts_with('@');
}

std::string_view kind_word(ListenerKind kind) {
    switch (kind) {
        case ListenerKind::tcp: return "a TCP listener";
        case ListenerKind::udp: return "a UDP listener";
        case ListenerKind::unix_stream:
        case ListenerKind::unix_dgram:
        case ListenerKind::unix_seqpacket: return "a UNIX listener";
        case ListenerKind::fifo: return "a FIFO";
        case ListenerKind::vsock: return "a vsock listener";
        case ListenerKind::mqueue: return "a message queue";
        case ListenerKind::netlink: return "a netlink socket";
    }
    return {};
}

// ---- addresses

void take_address(ResolveContext& context, ServiceInput& input, const Node& node,
        std::vector<Setting> settings) {
    if (const auto* number = std::get_if<IntegerValue>(&node.value)) {
        context.report.error(node.at, "an address is text with its kind",
                "write \"tcp:" + std::to_string(number->value) + "\"");
        return;
    }
    const std::string* text = context.values.text(node, "an address");
    if (text == nullptr) return;
    const PortLookup lookup = [&](const std::string& name, const char* protocol) {
        return context.names.port(name, protocol);
    };
    auto spec = parse_address(*text, lookup);
    if (!spec)
        return context.report.error(node.at, spec.error().message, spec.error().suggestion);
    input.listeners.push_back({std::move(*spec), node.at, std::move(settings)});
}

void take_table(ResolveContext& context, ServiceInput& input, const Node& node,
        const TableValue& table) {
    auto settings =
            read_settings(table, in_listener, "a listener of " + input.label, context.report);
    const Member* address = table.find("address");
    if (address == nullptr)
        return context.report.error(node.at, "a listener of " + input.label + " has no address",
                R"(write address = "tcp:PORT")");
    take_address(context, input, *address->value, std::move(settings));
}

// ---- options of one listener

class ListenerResolver {
public:
    ListenerResolver(
            ResolveContext& context, const ServiceInput& service, const ListenerInput& input)
            : context_(context), service_(service.section.name), input_(input) {
        layers_.add_for_listener(service.layers);
        layers_.add(input.settings, Layer::listener);
    }

    ListenerPlan resolve(const std::string& service) {
        take_spec(service);
        drop_meaningless();
        take_name();
        take_ip_options();
        take_tcp_options();
        take_queue_options();
        take_proxy_protocol();
        if (const Written* written = layers_.last("tls"))
            plan_.tls = read_tls(context_, *written->node, service_ + "/" + plan_.address);
        if (const auto word = choice_of(context_, layers_, "starttls")) {
            plan_.starttls = static_cast<Starttls>(*word + 1);
            if (layers_.last("tls") == nullptr)
                context_.report.error(layers_.last("starttls")->at,
                        "starttls says how TLS begins, and there is none", "write tls beside it");
        }
        take_node_options();
        check_privileges();
        return std::move(plan_);
    }

private:
    void take_spec(const std::string& service) {
        const AddressSpec& spec = input_.spec;
        plan_.name = service;
        plan_.address = spec.text();
        plan_.origin = Values::origin(input_.at);
        plan_.kind = spec.kind;
        plan_.ip_family = spec.ip_family;
        plan_.ip = spec.ip;
        plan_.interface_zone = spec.zone;
        plan_.port = spec.port;
        plan_.cid = spec.cid;
        plan_.path = spec.path;
        plan_.netlink_family = spec.netlink_family;
        plan_.netlink_groups = spec.netlink_groups;
    }

    // Why an option means nothing for this listener; empty where it does.
    std::string meaningless(const Option& option) const {
        if ((option.kinds & kind_bit(plan_.kind)) == 0)
            return "means nothing for " + std::string(kind_word(plan_.kind));
        if (option.key == "v6only" && plan_.ip_family == 4)
            return "means nothing for an IPv4 address";
        const bool about_node =
                option.where == in_listener &&
                (option.type == ValueType::mode || option.key == "owner" ||
                        option.key == "group" || option.key == "remove_on_stop");
        if (about_node && !is_node(plan_)) return "means nothing for an abstract name";
        return {};
    }

    void drop_meaningless() {
        std::vector<const Option*> dropped;
        for (const Written& written : layers_.everything()) {
            const std::string reason = meaningless(*written.option);
            if (reason.empty()) continue;
            dropped.push_back(written.option);
            if (written.layer == Layer::listener)
                context_.report.error(written.at,
                        std::string(written.option->key) + " " + reason, "leave it out");
        }
        for (const Option* option : dropped)
            layers_.drop(option);
    }

    void take_name() {
        const Written* written = layers_.last("name");
        if (written == nullptr) return;
        const std::string* text = context_.values.text(*written->node, "name");
        if (text == nullptr) return;
        const bool plain = !text->empty() && text->size() <= 63 && escape(*text) == *text &&
                           text->find_first_of(": ") == std::string::npos;
        if (plain)
            plan_.name = *text;
        else
            context_.report.error(written->node->at,
                    quoted(*text) + " is not a name for a listener",
                    "at most 63 characters, no ':' and no blank");
    }

    void take_boolean(std::string_view key, bool& into) {
        if (const auto value = boolean_of(context_, layers_, key)) into = *value;
    }

    void take_number(std::string_view key, std::optional<std::uint32_t>& into) {
        if (const auto value = integer_of(context_, layers_, key))
            into = static_cast<std::uint32_t>(*value);
    }

    void take_ip_options() {
        plan_.v6only = boolean_of(context_, layers_, "v6only");
        take_boolean("reuse_port", plan_.reuse_port);
        take_boolean("free_bind", plan_.free_bind);
        take_boolean("transparent", plan_.transparent);
        take_boolean("broadcast", plan_.broadcast);
        take_number("priority", plan_.priority);
        take_number("tos", plan_.tos);
        take_number("mark", plan_.mark);
        take_interface();
        take_join();
    }

    void take_interface() {
        const auto name = line_of(context_, layers_, "interface");
        if (name) plan_.interface = *name;
        for (const std::string& one : {plan_.interface, plan_.interface_zone})
            if (!one.empty() && !context_.host.has_interface(one))
                context_.report.warning(
                        name && one == plan_.interface ? layers_.last("interface")->node->at
                                                       : input_.at,
                        "there is no interface " + quoted(one) +
                                " now; the listener waits for it");
    }

    void take_join() {
        const auto list = fold_list(layers_, "join", context_.report);
        if (!list) return;
        for (const Item& item : list->items) {
            const auto group = context_.values.multicast(*item.node);
            if (!group) continue;
            const bool v4 = group->find(':') == std::string::npos;
            if (v4 ? plan_.ip_family == 6 : plan_.ip_family == 4)
                context_.report.error(item.node->at,
                        quoted(*group) + " is of another family than " + plan_.address);
            plan_.join.push_back(*group);
        }
    }

    void take_tcp_options() {
        plan_.defer_accept = duration_of(context_, layers_, "defer_accept");
        take_boolean("keepalive", plan_.keepalive);
        plan_.keepalive_time = duration_of(context_, layers_, "keepalive_time");
        plan_.keepalive_interval = duration_of(context_, layers_, "keepalive_interval");
        take_number("keepalive_probes", plan_.keepalive_probes);
        take_boolean("no_delay", plan_.no_delay);
        take_number("fast_open", plan_.fast_open);
        take_boolean("mptcp", plan_.mptcp);
        if (const auto name = line_of(context_, layers_, "congestion")) take_congestion(*name);
        for (const std::string_view key :
                {"keepalive_time", "keepalive_interval", "keepalive_probes"})
            if (const Written* written = layers_.last(key);
                    written != nullptr && !plan_.keepalive)
                context_.report.warning(written->at,
                        std::string(key) + " does nothing without keepalive = true");
    }

    void take_congestion(const std::string& name) {
        plan_.congestion = name;
        if (!context_.host.has_congestion(name))
            context_.report.warning(layers_.last("congestion")->node->at,
                    "the kernel does not offer " + quoted(name) + " now");
    }

    void take_queue_options() {
        if (const auto value = integer_of(context_, layers_, "backlog"))
            plan_.backlog = static_cast<std::uint32_t>(*value);
        plan_.send_buffer = size_of(context_, layers_, "send_buffer");
        plan_.receive_buffer = size_of(context_, layers_, "receive_buffer");
        take_boolean("pass_credentials", plan_.pass_credentials);
        take_number("max_messages", plan_.max_messages);
        if (const auto size = size_of(context_, layers_, "message_size"))
            plan_.message_size = static_cast<std::uint32_t>(*size);
    }

    void take_proxy_protocol() {
        if (const Written* written = layers_.last("proxy_protocol"))
            plan_.proxy_protocol = read_proxy_protocol(context_, *written->node);
    }

    void take_node_options() {
        plan_.mode = mode_of(context_, layers_, "mode").value_or(plan_.mode);
        plan_.directory_mode =
                mode_of(context_, layers_, "directory_mode").value_or(plan_.directory_mode);
        // What is in a queue is nobody's but the service's: it outlives a stop.
        plan_.remove_on_stop = plan_.kind != ListenerKind::mqueue;
        take_boolean("remove_on_stop", plan_.remove_on_stop);
        if (const Written* owner = layers_.last("owner"))
            if (const UserEntry* user = read_user(context_, *owner->node, "owner"))
                plan_.owner = user->uid;
        if (const Written* group = layers_.last("group"))
            plan_.group = read_group(context_, *group->node, "group");
    }

    void check_privileges() {
        if (context_.options.root) return;
        const auto place = [&](std::string_view key) {
            return layers_.last(key)->node->at;
        };
        if (is_ip(plan_.kind) && plan_.port != 0 &&
                plan_.port < context_.host.first_unprivileged_port())
            context_.privileged(input_.at, plan_.address,
                    "ports below " + std::to_string(context_.host.first_unprivileged_port()) +
                            " are root's");
        if (plan_.transparent)
            context_.privileged(
                    place("transparent"), "transparent", "it takes packets for other hosts");
        if (plan_.mark.value_or(0) != 0)
            context_.privileged(place("mark"), "mark", "it steers the firewall");
        if (plan_.priority.value_or(0) > 6)
            context_.privileged(
                    place("priority"), "priority above 6", "it is for the network's control");
        if (plan_.owner && *plan_.owner != context_.host.uid())
            context_.privileged(
                    place("owner"), "another owner", "only root may give files away");
    }

    ResolveContext& context_;
    const std::string& service_;
    const ListenerInput& input_;
    Layers layers_;
    ListenerPlan plan_;
};

// A socket option written for the whole service must mean something for one of its listeners.
void check_service_level(
        ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    for (const Written& written : input.layers.everything()) {
        const Option& option = *written.option;
        if ((option.where & in_listener) == 0) continue;
        bool meant = false;
        for (const ListenerInput& listener : input.listeners)
            meant = meant || (option.kinds & kind_bit(listener.spec.kind)) != 0;
        if (meant || input.listeners.empty()) continue;
        const std::string reason = "means nothing for " +
                                   std::string(kind_word(input.listeners.front().spec.kind));
        if (is_own(written.layer))
            context.report.error(
                    written.at, std::string(option.key) + " " + reason, "leave it out");
        else
            plan.skipped.push_back(
                    {std::string(option.key), reason, Values::origin(written.at)});
    }
}

void check_names(ResolveContext& context, const ServiceInput& input, const ServicePlan& plan) {
    std::unordered_set<std::string_view> addresses;
    for (std::size_t i = 0; i < plan.listeners.size(); ++i)
        if (plan.listeners[i].port != 0 || !is_ip(plan.listeners[i].kind))
            if (!addresses.insert(plan.listeners[i].address).second &&
                    plan.listeners[i].reuse_port)
                context.report.error(input.listeners[i].at,
                        plan.listeners[i].address + " stands twice in " + input.label);
}

}  // namespace

void resolve_addresses(ResolveContext& context, ServiceInput& input) {
    const auto list = fold_list(input.layers, "listen", context.report);
    if (!list) return;
    for (const Item& item : list->items) {
        if (const auto* table = std::get_if<TableValue>(&item.node->value))
            take_table(context, input, *item.node, *table);
        else
            take_address(context, input, *item.node, {});
    }
    if (list->items.empty())
        context.report.error(list->at, "listen of " + input.label + " is empty",
                "leave it out for a service that is only supervised");
}

void resolve_listeners(ResolveContext& context, ServiceInput& input, ServicePlan& plan) {
    check_service_level(context, input, plan);
    plan.listeners.reserve(input.listeners.size());
    // What a program looks for in LISTEN_FDNAMES is the same in all copies.
    const std::string& name = plan.copy.of.empty() ? plan.name : plan.copy.of;
    for (const ListenerInput& listener : input.listeners)
        plan.listeners.push_back(ListenerResolver(context, input, listener).resolve(name));
    check_names(context, input, plan);
}

}  // namespace superd
