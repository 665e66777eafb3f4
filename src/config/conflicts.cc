// SPDX-License-Identifier: MIT
// Two listeners on one address, or registered as one RPC program. Each is compared with what
// holds its port, not with every other listener, so that ten thousand services cost ten
// thousand look-ups.
#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

#include "config/resolve.h"

namespace superd {

namespace {

struct Holder {
    const ServicePlan* service = nullptr;
    const ListenerPlan* listener = nullptr;
};

// The first holder of something, apart for those that share it (reuse_port) and those that do
// not.
struct Slot {
    Holder alone, sharing;

    [[nodiscard]] const Holder* against(const ListenerPlan& listener) const {
        if (alone.listener != nullptr) return &alone;
        return sharing.listener != nullptr && !listener.reuse_port ? &sharing : nullptr;
    }

    void take(const Holder& holder) {
        Holder& place = holder.listener->reuse_port ? sharing : alone;
        if (place.listener == nullptr) place = holder;
    }
};

// One port of one protocol (and interface): index 0 IPv4, 1 IPv6.
struct Port {
    std::array<Slot, 2> wildcard, concrete;
    std::unordered_map<std::string, Slot> addresses;
};

struct Families {
    bool v4 = false, v6 = false;
};

Families families_of(const ListenerPlan& listener) {
    if (listener.ip_family == 4) return {true, false};
    if (listener.ip_family == 6)
        return {listener.ip.is_unspecified() && !listener.v6only.value_or(true), true};
    return {!listener.v6only.value_or(false), true};
}

class Conflicts {
public:
    explicit Conflicts(Report& report) : report_(report) {}

    void add(const ServicePlan& service, const ListenerPlan& listener) {
        const Holder holder{&service, &listener};
        const bool ip =
                listener.kind == ListenerKind::tcp || listener.kind == ListenerKind::udp;
        if (!ip) return add_named(holder);
        if (listener.port != 0) add_ip(holder);
    }

private:
    static std::string name_of(const ListenerPlan& listener) {
        if (listener.path.starts_with('@'))
            return std::to_string(static_cast<int>(listener.kind)) + listener.path;
        // A queue's name is not one of the file system.
        const bool queue = listener.kind == ListenerKind::mqueue;
        return queue || listener.path.empty() ? listener.address : listener.path;
    }

    void add_named(const Holder& holder) {
        const auto [found, fresh] = named_.try_emplace(name_of(*holder.listener), holder);
        if (!fresh) report(holder, found->second);
    }

    void add_ip(const Holder& holder) {
        const ListenerPlan& listener = *holder.listener;
        Port& port = ports_[std::to_string(static_cast<int>(listener.kind)) + ":" +
                            std::to_string(listener.port) + "%" + listener.interface];
        const Families families = families_of(listener);
        const Holder* other = nullptr;
        const bool any = listener.ip.is_unspecified();
        for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
            if (!(i == 0 ? families.v4 : families.v6)) continue;
            if (other == nullptr) other = port.wildcard[i].against(listener);
            if (other == nullptr && any) other = port.concrete[i].against(listener);
            (any ? port.wildcard : port.concrete)[i].take(holder);
        }
        if (!any) {
            Slot& same = port.addresses[listener.ip.text() + "%" + listener.interface_zone];
            if (other == nullptr) other = same.against(listener);
            same.take(holder);
        }
        if (other != nullptr) report(holder, *other);
    }

    static Place place(const ListenerPlan& listener) {
        return {listener.origin.file, listener.origin.line, listener.origin.column};
    }

    void report(const Holder& later, const Holder& first) {
        const bool ip = later.listener->kind == ListenerKind::tcp ||
                        later.listener->kind == ListenerKind::udp;
        const bool same_text = later.listener->address == first.listener->address;
        std::string message =
                later.listener->address + " of [service." + later.service->name + "]";
        message += same_text ? " belongs to" : " overlaps " + first.listener->address + " of";
        message += " [service." + first.service->name + "]";
        if (later.service == first.service)
            message = later.listener->address + " of [service." + later.service->name + "] " +
                      (same_text ? "stands there twice"
                                 : "overlaps its " + first.listener->address);
        else if (same_text)
            message += " already";
        const bool copies = !later.service->copy.of.empty() &&
                            later.service->copy.of == first.service->copy.of;
        if (copies)
            return report_.error(place(*later.listener),
                    later.listener->address + " would be the address of several copies of " +
                            later.service->copy.of,
                    "write %i into it, or workers = N instead of replicas");
        report_.conflict(place(*later.listener), message, place(*first.listener),
                ip ? "reuse_port = true on both lets them share it" : "");
    }

    Report& report_;
    std::unordered_map<std::string, Holder> named_;
    std::unordered_map<std::string, Port> ports_;
};

// "tcp", "udp6" ...: rpcbind has one address for each.
std::set<std::string> netids_of(const ServicePlan& service) {
    std::set<std::string> netids;
    for (const ListenerPlan& listener : service.listeners) {
        if (listener.kind != ListenerKind::tcp && listener.kind != ListenerKind::udp) continue;
        const std::string protocol = listener.kind == ListenerKind::udp ? "udp" : "tcp";
        const Families families = families_of(listener);
        if (families.v4) netids.insert(protocol);
        if (families.v6) netids.insert(protocol + "6");
    }
    return netids;
}

class RpcConflicts {
public:
    explicit RpcConflicts(Report& report) : report_(report) {}

    void add(const ServicePlan& service) {
        const std::set<std::string> netids = netids_of(service);
        for (std::uint32_t i = 0; i <= service.rpc->high - service.rpc->low; ++i) {
            for (const std::string& netid : netids) {
                const auto [first, fresh] = known_.try_emplace(
                        {service.rpc->program, service.rpc->low + i, netid}, &service);
                if (!fresh) return report(service, service.rpc->low + i, netid, *first->second);
            }
        }
    }

private:
    static Place place(const ServicePlan& service) {
        const Origin& origin = service.rpc->origin;
        return {origin.file, origin.line, origin.column};
    }

    void report(const ServicePlan& later, std::uint32_t version, const std::string& netid,
            const ServicePlan& first) {
        report_.conflict(place(later),
                "version " + std::to_string(version) + " of program " +
                        std::to_string(later.rpc->program) + " over " + netid +
                        " belongs to [service." + first.name + "] already",
                place(first));
    }

    Report& report_;
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::string>, const ServicePlan*> known_;
};

}  // namespace

void check_conflicts(
        const std::vector<std::shared_ptr<const ServicePlan>>& services, Report& report) {
    Conflicts conflicts(report);
    for (const auto& service : services) {
        if (!service->enabled) continue;
        for (const ListenerPlan& listener : service->listeners)
            conflicts.add(*service, listener);
    }
}

void check_rpc_conflicts(
        const std::vector<std::shared_ptr<const ServicePlan>>& services, Report& report) {
    RpcConflicts conflicts(report);
    for (const auto& service : services)
        if (service->enabled && service->rpc) conflicts.add(*service);
}

}  // namespace superd
