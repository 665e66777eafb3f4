// SPDX-License-Identifier: MIT
#include "config/diff.h"

#include <algorithm>
#include <array>
#include <type_traits>

namespace superd {

namespace {

template <class T>
concept Structure = requires {
    T::fields();
};

// Fields that no option of their own stands for.
constexpr std::array<std::string_view, 5> not_options{
        "origin", "max_load_origin", "tcp_wrappers_origin", "skipped", "system_call_filters"};
// What a listener is rather than how it behaves: all of it is written in `listen`.
constexpr std::array<std::string_view, 7> listen_parts{
        "address", "kind", "ip_family", "ip", "interface_zone", "port", "cid"};

template <class Array>
bool has(const Array& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Equal but for origins, at any depth.
template <class T>
bool same(const T& a, const T& b) {
    if constexpr (std::is_same_v<T, Origin>) {
        return true;
    } else if constexpr (Structure<T>) {
        return std::apply(
                [&](const auto&... field) {
                    return (same(a.*field.member, b.*field.member) && ...);
                },
                T::fields());
    } else {
        return a == b;
    }
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
            [](const T& x, const T& y) { return same(x, y); });
}

template <class T>
bool same(const std::optional<T>& a, const std::optional<T>& b) {
    return a.has_value() == b.has_value() && (!a || same(*a, *b));
}

void note(std::vector<std::string>& keys, std::string_view key) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.emplace_back(key);
}

// ---- fields whose names are not those of options

void note_access(std::vector<std::string>& keys, const std::vector<AccessRule>& a,
        const std::vector<AccessRule>& b) {
    for (const bool allow : {true, false}) {
        const auto only = [&](const std::vector<AccessRule>& rules) {
            std::vector<AccessRule> part;
            for (const AccessRule& rule : rules)
                if (rule.allow == allow) part.push_back(rule);
            return part;
        };
        if (!same(only(a), only(b))) note(keys, allow ? "allow" : "deny");
    }
}

void note_identity(
        std::vector<std::string>& keys, const IdentityPlan& a, const IdentityPlan& b) {
    const bool user = a.uid != b.uid || a.user != b.user || a.change != b.change ||
                      a.home != b.home || a.shell != b.shell;
    if (user) note(keys, "user");
    if (a.gid != b.gid) note(keys, "group");
    if (a.groups != b.groups) note(keys, "groups");
}

void note_pool(std::vector<std::string>& keys, const PoolPlan& a, const PoolPlan& b) {
    if (a.most != b.most || a.after != b.after) note(keys, "workers");
    if (a.overlap != b.overlap) note(keys, "overlap");
    if (a.einhorn != b.einhorn || a.server_starter != b.server_starter)
        note(keys, "listen_environment");
}

template <class T>
void note_struct(std::vector<std::string>& keys, const T& a, const T& b);

template <class M>
void note_field(std::vector<std::string>& keys, std::string_view name, const M& a, const M& b) {
    if (has(not_options, name) || same(a, b)) return;
    if constexpr (std::is_same_v<M, std::vector<AccessRule>>)
        note_access(keys, a, b);
    else if constexpr (std::is_same_v<M, IdentityPlan>)
        note_identity(keys, a, b);
    else if constexpr (std::is_same_v<M, PoolPlan>)
        note_pool(keys, a, b);
    else if constexpr (std::is_same_v<M, AdmissionPlan> || std::is_same_v<M, ExecPlan> ||
                       std::is_same_v<M, ServiceLogPlan> || std::is_same_v<M, LifePlan> ||
                       std::is_same_v<M, SandboxPlan> || std::is_same_v<M, TimerPlan> ||
                       std::is_same_v<M, DependencyPlan> || std::is_same_v<M, UpkeepPlan> ||
                       std::is_same_v<M, LimitsPlan>)
        note_struct(keys, a, b);
    else if (name.starts_with("ionice_"))
        note(keys, "ionice");
    else if (name.starts_with("tcp_wrappers"))
        note(keys, "tcp_wrappers");
    else
        note(keys, name);
}

template <class T>
void note_struct(std::vector<std::string>& keys, const T& a, const T& b) {
    std::apply(
            [&](const auto&... field) {
                (note_field(keys, field.name, a.*field.member, b.*field.member), ...);
            },
            T::fields());
}

void note_listener(
        std::vector<std::string>& keys, const ListenerPlan& a, const ListenerPlan& b) {
    std::apply(
            [&](const auto&... field) {
                const auto one = [&](std::string_view name, bool equal) {
                    if (equal || has(not_options, name)) return;
                    note(keys, has(listen_parts, name) || name == "path" ? "listen" : name);
                };
                (one(field.name, same(a.*field.member, b.*field.member)), ...);
            },
            ListenerPlan::fields());
}

// ---- services

struct Listeners {
    bool rebind = false, changed = false;
};

// Each listener of `to` finds its like of `from`; what is left over on either side is rebound.
Listeners compare_listeners(std::vector<std::string>& keys,
        const std::vector<ListenerPlan>& from, const std::vector<ListenerPlan>& to) {
    Listeners result;
    std::vector<bool> used(from.size(), false);
    for (const ListenerPlan& listener : to) {
        const auto like = [&](auto&& matches) {
            for (std::size_t i = 0; i < from.size(); ++i)
                if (!used[i] && matches(from[i])) return i;
            return from.size();
        };
        std::size_t found =
                like([&](const ListenerPlan& old) { return same_socket(old, listener); });
        if (found == from.size()) {
            result.rebind = true;
            found = like(
                    [&](const ListenerPlan& old) { return old.address == listener.address; });
        }
        if (found == from.size()) {
            note(keys, "listen");
            continue;
        }
        used[found] = true;
        result.changed = result.changed || !same(from[found], listener);
        note_listener(keys, from[found], listener);
    }
    if (std::find(used.begin(), used.end(), false) != used.end()) {
        result.rebind = true;
        note(keys, "listen");
    }
    return result;
}

// What a process that runs already was started with.
bool process_differs(const ServicePlan& from, const ServicePlan& to) {
    const bool names =
            !std::equal(from.listeners.begin(), from.listeners.end(), to.listeners.begin(),
                    to.listeners.end(), [](const ListenerPlan& a, const ListenerPlan& b) {
                        return a.name == b.name && a.address == b.address;
                    });
    const LifePlan &a = from.life, &b = to.life;
    const bool life = a.ready != b.ready || a.notify_access != b.notify_access ||
                      a.start_timeout != b.start_timeout || a.run_timeout != b.run_timeout ||
                      a.watchdog != b.watchdog || a.exec_pre != b.exec_pre;
    const bool told = from.pool.einhorn != to.pool.einhorn ||
                      from.pool.server_starter != to.pool.server_starter;
    return !same(from.exec, to.exec) || from.pass != to.pass || names || life || told;
}

ServiceDiff diff_service(const ServicePlan& from, const ServicePlan& to) {
    ServiceDiff diff;
    diff.name = to.name;
    std::apply(
            [&](const auto&... field) {
                const auto one = [&](const auto& f) {
                    if (f.name != "listen")
                        note_field(diff.keys, f.name, from.*f.member, to.*f.member);
                };
                (one(field), ...);
            },
            ServicePlan::fields());
    const Listeners listeners = compare_listeners(diff.keys, from.listeners, to.listeners);
    if (listeners.rebind)
        diff.change = Change::rebind;
    else if (!diff.keys.empty() || listeners.changed)
        diff.change = Change::in_place;
    const bool lives = from.mode != Mode::handler && to.mode != Mode::handler;
    diff.restart = lives && (listeners.rebind || process_differs(from, to));
    return diff;
}

const TlsPlan* find_tls(const Plan& plan, const std::string& name) {
    for (const TlsPlan& one : plan.tls)
        if (one.name == name) return &one;
    return nullptr;
}

// What a profile says is said of each service that names it.
void note_tls(ServiceDiff& diff, const Plan& from, const Plan& to, const ServicePlan& service) {
    for (const ListenerPlan& listener : service.listeners) {
        const TlsPlan* before = find_tls(from, listener.tls);
        const TlsPlan* after = find_tls(to, listener.tls);
        if (before == nullptr || after == nullptr || same(*before, *after)) continue;
        note(diff.keys, "tls");
        if (diff.change == Change::keep) diff.change = Change::in_place;
    }
}

}  // namespace

bool same_socket(const ListenerPlan& a, const ListenerPlan& b) {
    return a.kind == b.kind && a.ip_family == b.ip_family && a.ip == b.ip &&
           a.interface_zone == b.interface_zone && a.port == b.port && a.cid == b.cid &&
           a.path == b.path && a.interface == b.interface && a.v6only == b.v6only &&
           a.reuse_port == b.reuse_port && a.free_bind == b.free_bind &&
           a.transparent == b.transparent && a.mptcp == b.mptcp && a.join == b.join &&
           a.directory_mode == b.directory_mode && a.netlink_family == b.netlink_family &&
           a.netlink_groups == b.netlink_groups && a.max_messages == b.max_messages &&
           a.message_size == b.message_size;
}

std::vector<ServiceDiff> diff_plans(const Plan& from, const Plan& to) {
    std::vector<ServiceDiff> diffs;
    auto old = from.services.begin();
    auto fresh = to.services.begin();
    while (old != from.services.end() || fresh != to.services.end()) {
        if (fresh == to.services.end() ||
                (old != from.services.end() && (*old)->name < (*fresh)->name)) {
            diffs.push_back({(*old++)->name, Change::removed, {}, false});
        } else if (old == from.services.end() || (*fresh)->name < (*old)->name) {
            diffs.push_back({(*fresh++)->name, Change::added, {}, false});
        } else {
            diffs.push_back(diff_service(**old++, **fresh));
            note_tls(diffs.back(), from, to, **fresh++);
        }
    }
    return diffs;
}

}  // namespace superd
