// SPDX-License-Identifier: MIT
// Who holds an address that is in use: the kernel's socket tables, then everybody's
// descriptors.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

#include <unistd.h>

#include "base/text.h"
#include "sys/listen_socket.h"

namespace superd {

namespace {

using Inodes = std::set<std::string>;

// "00000000:0016" or 32 digits and the port: does a socket bound there stand in the way of
// plan?
bool stands_in_the_way(const std::string& local, const ListenerPlan& plan) {
    const std::size_t colon = local.find(':');
    if (colon == std::string::npos) return false;
    if (std::strtoul(local.c_str() + colon + 1, nullptr, 16) != plan.port) return false;
    const std::string address = local.substr(0, colon);
    if (plan.ip.is_unspecified() || address.find_first_not_of('0') == std::string::npos)
        return true;
    // The kernel prints 32-bit words as the machine has them.
    IpAddress ip;
    const bool v4 = address.size() == 8;
    if (v4) ip.bytes[10] = ip.bytes[11] = 0xff;
    for (std::size_t word = 0; word * 8 + 8 <= address.size(); ++word) {
        const auto value = std::strtoul(address.substr(word * 8, 8).c_str(), nullptr, 16);
        const auto native = static_cast<std::uint32_t>(value);
        std::memcpy(ip.bytes.data() + (v4 ? 12 : 0) + word * 4, &native, 4);
    }
    return ip == plan.ip;
}

// Columns of /proc/net/{tcp,udp}: sl local remote st tx:rx tr:when retrnsmt uid timeout inode.
void collect_ip(const char* table, const ListenerPlan& plan, Inodes& out) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::istringstream columns(line);
        std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
        columns >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >>
                timeout >> inode;
        const bool bound = plan.kind == ListenerKind::udp || state == "0A";  // 0A: LISTEN
        if (bound && inode != "0" && stands_in_the_way(local, plan)) out.insert(inode);
    }
}

// Columns of /proc/net/unix: number references protocol flags type state inode path.
void collect_unix(const ListenerPlan& plan, Inodes& out) {
    std::ifstream file("/proc/net/unix");
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::istringstream columns(line);
        std::string number, references, protocol, flags, type, state, inode, path;
        columns >> number >> references >> protocol >> flags >> type >> state >> inode;
        std::getline(columns >> std::ws, path);
        // Connections that were accepted carry the path of their listener.
        const bool bound = type == "0002" || state == "01";  // SOCK_DGRAM, not connected
        if (bound && path == plan.path) out.insert(inode);
    }
}

Inodes find_inodes(const ListenerPlan& plan) {
    Inodes out;
    switch (plan.kind) {
        case ListenerKind::tcp:
            collect_ip("/proc/net/tcp", plan, out);
            collect_ip("/proc/net/tcp6", plan, out);
            break;
        case ListenerKind::udp:
            collect_ip("/proc/net/udp", plan, out);
            collect_ip("/proc/net/udp6", plan, out);
            break;
        case ListenerKind::unix_stream:
        case ListenerKind::unix_dgram:
        case ListenerKind::unix_seqpacket: collect_unix(plan, out); break;
        case ListenerKind::fifo:
        case ListenerKind::mqueue:
        case ListenerKind::netlink:
        case ListenerKind::vsock: break;
    }
    return out;
}

// Directories of /proc come and go while they are read: what cannot be read is passed over.
template <class Visit>
bool any_entry(const std::string& directory, Visit visit) {
    std::error_code error;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
        if (visit(entry->path())) return true;
    return false;
}

bool holds(const std::string& fd_directory, const Inodes& inodes) {
    return any_entry(fd_directory, [&](const std::filesystem::path& link) {
        char target[64];
        const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
        const std::string_view text(target, size > 0 ? static_cast<std::size_t>(size) : 0);
        return text.starts_with("socket:[") && text.ends_with(']') &&
               inodes.contains(std::string(text.substr(8, text.size() - 9)));
    });
}

std::string name_of(const std::string& pid) {
    std::ifstream file("/proc/" + pid + "/comm");
    std::string name;
    std::getline(file, name);
    return escape(name);
}

}  // namespace

std::string describe_holder(const ListenerPlan& plan) {
    const Inodes inodes = find_inodes(plan);
    if (inodes.empty()) return {};
    std::string holder;
    any_entry("/proc", [&](const std::filesystem::path& process) {
        const std::string pid = process.filename();
        if (!parse_decimal(pid) || !holds("/proc/" + pid + "/fd", inodes)) return false;
        holder = name_of(pid) + ", pid " + pid;
        return true;
    });
    return holder;
}

bool is_held_by(const ListenerPlan& plan, const std::set<std::uint64_t>& inodes) {
    const Inodes holders = find_inodes(plan);
    return !holders.empty() &&
           std::all_of(holders.begin(), holders.end(), [&](const std::string& holder) {
               const auto inode = parse_decimal(holder);
               return inode && inodes.contains(*inode);
           });
}

}  // namespace superd
