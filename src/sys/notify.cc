// SPDX-License-Identifier: MIT
#include "sys/notify.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

namespace superd {

namespace {

// A year, in microseconds: beyond it nobody waits, and Nanoseconds hold much more.
constexpr std::uint64_t longest_watchdog = 365ULL * 24 * 3600 * 1000 * 1000;

}  // namespace

Notifier Notifier::from_environment() {
    Notifier notifier;
    if (const char* path = std::getenv("NOTIFY_SOCKET")) notifier.path_ = path;
    notifier.pid_ = ::getpid();
    ::unsetenv("NOTIFY_SOCKET");
    if (!notifier.path_.empty())
        notifier.socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return notifier;
}

void Notifier::send(std::string_view text) const {
    sockaddr_un address{};
    if (!socket_ || path_.size() >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    if (path_[0] == '@') address.sun_path[0] = '\0';

    iovec vector{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen =
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_CREDENTIALS;
    header->cmsg_len = CMSG_LEN(sizeof(ucred));
    const ucred credentials{pid_, ::getuid(), ::getgid()};
    std::memcpy(CMSG_DATA(header), &credentials, sizeof credentials);
    if (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) >= 0) return;
    // Without root nobody may speak in another's name.
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
}

Nanoseconds take_watchdog_period() {
    const auto take = [](const char* name) -> std::optional<std::uint64_t> {
        const char* value = std::getenv(name);
        if (value == nullptr) return std::nullopt;
        const auto number = parse_decimal(value);
        ::unsetenv(name);
        return number.value_or(0);
    };
    const auto period = take("WATCHDOG_USEC");
    const auto pid = take("WATCHDOG_PID");
    const bool ours = !pid || *pid == static_cast<std::uint64_t>(::getpid());
    if (!period || !ours || *period > longest_watchdog) return Nanoseconds{0};
    return std::chrono::microseconds(static_cast<std::int64_t>(*period));
}

}  // namespace superd
