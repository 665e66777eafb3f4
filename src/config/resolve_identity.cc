// SPDX-License-Identifier: MIT
// Users and groups to numbers.
#include <algorithm>

#include "base/text.h"
#include "config/resolve.h"

namespace superd {

namespace {

bool is_number(const std::string& text) {
    return parse_decimal(text).has_value();
}

// An unknown user that is a number: it has no entry, and so no groups and no home.
std::optional<UserEntry> bare_user(const std::string& name) {
    const auto uid = parse_decimal(name);
    if (!uid || *uid >= 0xffffffffu) return std::nullopt;
    const auto id = static_cast<std::uint32_t>(*uid);
    return UserEntry{id, id, name, "/", "/bin/sh"};
}

// The numbers that the file itself names are nobody else's.
void check_dynamic(ResolveContext& context, const ServiceInput& input) {
    const Written& dynamic = *input.layers.last("dynamic_user");
    context.privileged(dynamic.node->at, "dynamic_user", "only root may become somebody else");
    for (const std::string_view key : {"user", "group"}) {
        const Written* const other = input.layers.last(key);
        if (other == nullptr || other->layer < dynamic.layer) continue;
        context.report.error(other->node->at,
                std::string(key) + " and dynamic_user exclude each other",
                "leave one of them out");
    }
}

std::optional<UserEntry> dynamic_user(
        ResolveContext& context, const ServiceInput& input, const std::string& service) {
    check_dynamic(context, input);
    if (!context.options.root) return std::nullopt;
    const auto number = context.dynamic_users.take(
            service,
            [&](std::uint32_t id) {
                return context.names.user(id) != nullptr || context.names.has_group(id);
            },
            [&](std::uint32_t id) { return context.host.has_processes(id); });
    if (number) return bare_user(std::to_string(*number));
    context.report.error(
            input.layers.last("dynamic_user")->node->at, "no number is left for dynamic_user");
    return std::nullopt;
}

std::optional<UserEntry> find_user(ResolveContext& context, const ServiceInput& input) {
    const Written* written = input.layers.last("user");
    if (written == nullptr) {
        if (context.options.root)
            context.report.error(input.section.at, input.label + " names no user",
                    "write user = \"NAME\" in it or in [defaults]");
        const UserEntry* own = context.names.user(context.host.uid());
        return own != nullptr ? *own : bare_user(std::to_string(context.host.uid()));
    }
    const auto* name = std::get_if<std::string>(&written->node->value);
    const bool numeric = name != nullptr && is_number(*name);
    if (numeric && context.names.user(*name) == nullptr) {
        if (input.layers.last("group") == nullptr)
            context.report.error(written->node->at,
                    "user " + *name + " has no entry, so its group must be named",
                    "write group = \"" + *name + "\"");
        return bare_user(*name);
    }
    const UserEntry* user = read_user(context, *written->node, "user");
    return user != nullptr ? std::optional(*user) : std::nullopt;
}

// The supplementary groups: the user's, or what `groups` makes of them.
std::vector<std::uint32_t> find_groups(
        ResolveContext& context, const ServiceInput& input, const IdentityPlan& identity) {
    std::vector<std::uint32_t> groups;
    if (!is_number(identity.user))
        groups = context.names.groups_of(identity.user, identity.gid);
    const auto edit = [&](const std::vector<const Node*>& nodes, bool add) {
        for (const Node* node : nodes) {
            const auto gid = read_group(context, *node, "groups");
            if (!gid) continue;
            std::erase(groups, *gid);
            if (add) groups.push_back(*gid);
        }
    };
    for (const Written& written : input.layers.everything()) {
        if (written.option->key != "groups") continue;
        const auto list = as_list_edit(*written.node);
        if (!list) groups.clear();
        edit(list ? list->add : as_items(*written.node), true);
        if (list) edit(list->remove, false);
    }
    return groups;
}

void check_unprivileged(
        ResolveContext& context, const ServiceInput& input, const IdentityPlan& identity) {
    if (const Written* user = input.layers.last("user");
            user != nullptr && identity.uid != context.host.uid())
        context.privileged(user->node->at, "user " + quoted(identity.user),
                "only root may become somebody else");
    if (const Written* group = input.layers.last("group");
            group != nullptr && identity.gid != context.host.gid())
        context.privileged(group->node->at, "another group", "only root may change groups");
    if (const Written* groups = input.layers.last("groups"))
        context.privileged(groups->at, "groups", "only root may change groups");
}

}  // namespace

const UserEntry* read_user(ResolveContext& context, const Node& node, std::string_view what) {
    const std::string* name = context.values.text(node, what);
    if (name == nullptr) return nullptr;
    const UserEntry* user = name->empty() ? nullptr : context.names.user(*name);
    if (user == nullptr) context.report.error(node.at, "there is no user " + quoted(*name));
    return user;
}

std::optional<std::uint32_t> read_group(
        ResolveContext& context, const Node& node, std::string_view what) {
    const std::string* name = context.values.text(node, what);
    if (name == nullptr) return std::nullopt;
    const auto gid = name->empty() ? std::nullopt : context.names.group(*name);
    if (!gid) context.report.error(node.at, "there is no group " + quoted(*name));
    return gid;
}

bool is_dynamic(const Layers& layers) {
    const Written* const dynamic = layers.last("dynamic_user");
    const bool* const on =
            dynamic != nullptr ? std::get_if<bool>(&dynamic->node->value) : nullptr;
    if (on == nullptr || !*on) return false;
    const Written* const user = layers.last("user");
    return user == nullptr || user->layer <= dynamic->layer;
}

IdentityPlan resolve_identity(
        ResolveContext& context, const ServiceInput& input, const std::string& name) {
    IdentityPlan identity;
    const bool dynamic = is_dynamic(input.layers);
    const auto user = dynamic ? dynamic_user(context, input, name) : find_user(context, input);
    if (!user) return identity;
    identity.change = context.options.root;
    identity.uid = user->uid;
    identity.gid = user->gid;
    identity.user = user->name;
    identity.home = user->home;
    identity.shell = user->shell.empty() ? "/bin/sh" : user->shell;
    if (const Written* group = input.layers.last("group"); group != nullptr && !dynamic)
        identity.gid = read_group(context, *group->node, "group").value_or(identity.gid);
    identity.groups = find_groups(context, input, identity);
    if (!context.options.root) check_unprivileged(context, input, identity);
    return identity;
}

}  // namespace superd
