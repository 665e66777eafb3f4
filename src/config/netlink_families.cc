// SPDX-License-Identifier: MIT
#include "config/netlink_families.h"

#include <array>

#include <linux/netlink.h>

#include "base/text.h"

namespace superd {

namespace {

struct FamilyRow {
    std::string_view name;
    std::uint32_t number;
};

constexpr std::array rows{FamilyRow{"route", NETLINK_ROUTE},
        FamilyRow{"usersock", NETLINK_USERSOCK}, FamilyRow{"firewall", NETLINK_FIREWALL},
        FamilyRow{"inet-diag", NETLINK_SOCK_DIAG}, FamilyRow{"nflog", NETLINK_NFLOG},
        FamilyRow{"xfrm", NETLINK_XFRM}, FamilyRow{"selinux", NETLINK_SELINUX},
        FamilyRow{"iscsi", NETLINK_ISCSI}, FamilyRow{"audit", NETLINK_AUDIT},
        FamilyRow{"fib-lookup", NETLINK_FIB_LOOKUP}, FamilyRow{"connector", NETLINK_CONNECTOR},
        FamilyRow{"netfilter", NETLINK_NETFILTER}, FamilyRow{"ip6-fw", NETLINK_IP6_FW},
        FamilyRow{"dnrtmsg", NETLINK_DNRTMSG},
        FamilyRow{"kobject-uevent", NETLINK_KOBJECT_UEVENT},
        FamilyRow{"generic", NETLINK_GENERIC},
        FamilyRow{"scsitransport", NETLINK_SCSITRANSPORT},
        FamilyRow{"ecryptfs", NETLINK_ECRYPTFS}, FamilyRow{"rdma", NETLINK_RDMA},
        FamilyRow{"crypto", NETLINK_CRYPTO}};

}  // namespace

std::optional<std::uint32_t> netlink_family(std::string_view text) {
    for (const FamilyRow& row : rows)
        if (row.name == text) return row.number;
    const auto number = parse_decimal(text);
    if (!number || *number >= MAX_LINKS) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

std::string netlink_family_text(std::uint32_t family) {
    for (const FamilyRow& row : rows)
        if (row.number == family) return std::string(row.name);
    return std::to_string(family);
}

}  // namespace superd
