// SPDX-License-Identifier: MIT
// Names of what superd.toml can give and take away: capabilities, address families.
#include "config/capabilities.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <sys/socket.h>

#include "base/text.h"

namespace superd {

namespace {

// capabilities(7), by number.
constexpr std::array capability_table = std::to_array<std::string_view>(
        {"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid",
                "setuid", "setpcap", "linux_immutable", "net_bind_service", "net_broadcast",
                "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio",
                "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
                "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write",
                "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm",
                "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"});

struct FamilyName {
    std::string_view name;
    std::uint16_t number;
};

constexpr std::array family_table{FamilyName{"unix", AF_UNIX}, FamilyName{"inet", AF_INET},
        FamilyName{"inet6", AF_INET6}, FamilyName{"netlink", AF_NETLINK},
        FamilyName{"packet", AF_PACKET}, FamilyName{"vsock", AF_VSOCK},
        FamilyName{"bluetooth", AF_BLUETOOTH}, FamilyName{"can", AF_CAN},
        FamilyName{"alg", AF_ALG}, FamilyName{"tipc", AF_TIPC}, FamilyName{"xdp", AF_XDP},
        FamilyName{"qipcrtr", AF_QIPCRTR}, FamilyName{"rds", AF_RDS}, FamilyName{"key", AF_KEY},
        FamilyName{"x25", AF_X25}, FamilyName{"ax25", AF_AX25},
        FamilyName{"appletalk", AF_APPLETALK}, FamilyName{"ipx", AF_IPX},
        FamilyName{"pppox", AF_PPPOX}, FamilyName{"nfc", AF_NFC}, FamilyName{"kcm", AF_KCM},
        FamilyName{"smc", AF_SMC}};

// In small letters and without the prefix that C has.
std::string plain(std::string_view name, std::string_view prefix) {
    std::string text(name);
    std::transform(text.begin(), text.end(), text.begin(),
            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

}  // namespace

std::optional<unsigned> capability_by_name(std::string_view name) {
    const std::string text = plain(name, "cap_");
    const auto* const found = std::find(capability_table.begin(), capability_table.end(), text);
    if (found == capability_table.end()) return std::nullopt;
    return static_cast<unsigned>(found - capability_table.begin());
}

std::string capability_name(unsigned number) {
    if (number < capability_table.size()) return std::string(capability_table[number]);
    return "cap_" + std::to_string(number);
}

std::vector<std::string> capability_names(std::uint64_t bits) {
    std::vector<std::string> names;
    for (unsigned number = 0; number < 64; ++number)
        if ((bits >> number & 1) != 0) names.push_back(capability_name(number));
    return names;
}

std::optional<std::uint16_t> address_family_by_name(std::string_view name) {
    std::string text = plain(name, "af_");
    if (text == "local") text = "unix";
    for (const FamilyName& family : family_table)
        if (family.name == text) return family.number;
    return std::nullopt;
}

std::string address_family_name(std::uint16_t number) {
    for (const FamilyName& family : family_table)
        if (family.number == number) return std::string(family.name);
    return std::to_string(number);
}

std::string_view nearest_capability(std::string_view name) {
    const std::vector<std::string_view> all(capability_table.begin(), capability_table.end());
    return nearest(plain(name, "cap_"), all);
}

std::string_view nearest_address_family(std::string_view name) {
    std::vector<std::string_view> all;
    std::transform(family_table.begin(), family_table.end(), std::back_inserter(all),
            [](const FamilyName& family) { return family.name; });
    return nearest(plain(name, "af_"), all);
}

}  // namespace superd
