// SPDX-License-Identifier: MIT
#include "config/import_host.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace superd {

namespace {

// No super-server's configuration is larger; a mistaken path may be.
constexpr std::size_t largest_file = std::size_t{4} << 20;

int read_all(int fd, std::string& text) {
    char buffer[16384];
    for (;;) {
        const ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return 0;
        text.append(buffer, static_cast<std::size_t>(n));
        if (text.size() > largest_file) return EFBIG;
    }
}

// getnetbyname(3) counts bits by the octets that are named: "10" is 10.0.0.0/8.
Network as_network(std::uint32_t net) {
    unsigned bits = 32;
    while (bits > 8 && (net & 0xff000000u) == 0) {
        net <<= 8;
        bits -= 8;
    }
    const unsigned zeros = net == 0 ? 32 : static_cast<unsigned>(std::countr_zero(net));
    bits = std::min(bits, 32 - zeros / 8 * 8);
    return {IpAddress::v4(net), static_cast<std::uint8_t>(96 + bits)};
}

}  // namespace

ImportHost::File SystemImportHost::read(const std::string& path) {
    // O_NONBLOCK: a FIFO opens at once instead of waiting for its writer.
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) return {{}, errno};

    struct stat facts {};

    if (::fstat(fd.get(), &facts) != 0) return {{}, errno};
    if (S_ISDIR(facts.st_mode)) return {{}, EISDIR};
    if (!S_ISREG(facts.st_mode)) return {{}, EINVAL};
    File file;
    file.closed = facts.st_uid == 0 && (facts.st_mode & 077) == 0;
    file.error = read_all(fd.get(), file.text);
    if (file.error != 0) file.text.clear();
    return file;
}

ImportHost::Directory SystemImportHost::list(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (!directory) return {{}, errno};
    Directory listing;
    while (const dirent* entry = ::readdir(directory.get())) {
        struct stat facts {};

        if (::fstatat(::dirfd(directory.get()), entry->d_name, &facts, 0) != 0) continue;
        if (S_ISREG(facts.st_mode)) listing.names.emplace_back(entry->d_name);
    }
    std::sort(listing.names.begin(), listing.names.end());
    return listing;
}

bool SystemImportHost::is_directory(const std::string& path) {
    struct stat facts {};

    return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

bool SystemImportHost::is_executable(const std::string& path) {
    struct stat facts {};

    return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
}

bool SystemImportHost::user_exists(const std::string& name) {
    return names_.user(name) != nullptr;
}

bool SystemImportHost::group_exists(const std::string& name) {
    return names_.group(name).has_value();
}

std::optional<std::string> SystemImportHost::group_of(const std::string& user) {
    const UserEntry* entry = names_.user(user);
    if (entry == nullptr) return std::nullopt;
    const group* found = ::getgrgid(entry->gid);  // NOLINT(concurrency-mt-unsafe): as below
    return found != nullptr ? found->gr_name : std::to_string(entry->gid);
}

std::optional<std::uint16_t> SystemImportHost::port_of(
        const std::string& service, const std::string& protocol) {
    return names_.port(service, protocol.c_str());
}

std::optional<std::uint32_t> SystemImportHost::rpc_number_of(const std::string& program) {
    // One thread reads configurations; getrpcbyname's static result is copied at once.
    const rpcent* entry = ::getrpcbyname(program.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) return std::nullopt;
    return static_cast<std::uint32_t>(entry->r_number);
}

std::optional<Network> SystemImportHost::network_of(const std::string& name) {
    const netent* entry = ::getnetbyname(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr || entry->n_addrtype != AF_INET) return std::nullopt;
    return as_network(entry->n_net);
}

std::vector<IpAddress> SystemImportHost::addresses_of(const std::string& host) {
    if (const auto known = hosts_.find(host); known != hosts_.end()) return known->second;
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    std::vector<IpAddress> addresses;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) == 0)
        for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
            const IpAddress ip = Endpoint::from(one->ai_addr, one->ai_addrlen).ip;
            if (std::find(addresses.begin(), addresses.end(), ip) == addresses.end())
                addresses.push_back(ip);
        }
    if (found != nullptr) ::freeaddrinfo(found);
    return hosts_.emplace(host, std::move(addresses)).first->second;
}

}  // namespace superd
