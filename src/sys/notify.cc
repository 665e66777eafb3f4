// SPDX-License-Identifier: MIT
#include "sys/notify.h"

#include <cerrno>
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

// A message in the name of pid, which only root may do for another process, and with fd unless
// that is -1.
class Attachments {
public:
    Attachments(msghdr& message, int pid, int fd) {
        message.msg_control = bytes_;
        message.msg_controllen = sizeof bytes_;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        std::size_t length = 0;
        if (pid > 0) {
            length += put(header, SCM_CREDENTIALS, ucred{pid, ::getuid(), ::getgid()});
            header = CMSG_NXTHDR(&message, header);
        }
        if (fd >= 0) length += put(header, SCM_RIGHTS, fd);
        message.msg_controllen = length;
        if (length == 0) message.msg_control = nullptr;
    }

private:
    template <class Value>
    static std::size_t put(cmsghdr* header, int type, const Value& value) {
        if (header == nullptr) return 0;
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = type;
        header->cmsg_len = CMSG_LEN(sizeof value);
        std::memcpy(CMSG_DATA(header), &value, sizeof value);
        return CMSG_SPACE(sizeof value);
    }

    alignas(cmsghdr) char bytes_[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int))] = {};
};

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

bool Notifier::send_with(std::string_view text, int fd) const {
    sockaddr_un address{};
    if (!socket_ || path_.size() >= sizeof address.sun_path) return true;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    if (path_[0] == '@') address.sun_path[0] = '\0';

    iovec vector{const_cast<char*>(text.data()), text.size()};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen =
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    for (const int pid : {pid_, 0}) {
        const Attachments attached(message, pid, fd);
        if (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) >= 0) return true;
        if (errno == EAGAIN || errno == ETOOMANYREFS) return false;
        // Without root nobody may speak in another's name.
    }
    return true;
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
