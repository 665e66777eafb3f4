// SPDX-License-Identifier: MIT
#include "sys/notify_listener.h"

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace superd {

namespace {

// SCM_MAX_FD: no datagram carries more.
constexpr std::size_t most_descriptors = 253;
constexpr mode_t for_everybody = 0666;

void take_descriptors(const cmsghdr& header, std::vector<Fd>& into) {
    const std::size_t size = header.cmsg_len - CMSG_LEN(0);
    for (std::size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(&header) + at, sizeof fd);
        into.emplace_back(fd);
    }
}

}  // namespace

Result<Fd> open_notify_listener(const std::string& path) {
    const std::string subject = path.empty() ? "notify socket" : path;
    Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail("socket", subject);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t length = sizeof address.sun_family;
    if (!path.empty()) {
        if (path.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "bind", subject);
        path.copy(address.sun_path, path.size());
        length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
        ::unlink(path.c_str());
    }
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0)
        return fail("bind", subject);
    if (!path.empty() && ::chmod(path.c_str(), for_everybody) != 0)
        return fail("chmod", subject);
    const int on = 1;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
        return fail("setsockopt", subject);
    return fd;
}

std::string notify_address(int fd) {
    sockaddr_un address{};
    socklen_t length = sizeof address;
    constexpr socklen_t before = offsetof(sockaddr_un, sun_path);
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
            address.sun_family != AF_UNIX || length <= before)
        return {};
    std::string text(address.sun_path, length - before);
    if (text.front() == '\0')
        text.front() = '@';
    else
        text.resize(std::strlen(text.c_str()));
    return text;
}

bool NotifyReceiver::receive(int fd, Datagram& datagram) {
    alignas(cmsghdr) std::array<char,
            CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(most_descriptors * sizeof(int))>
            control;
    iovec vector{buffer_.data(), buffer_.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t size = 0;
    do {
        size = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return false;
    datagram.descriptors.clear();
    datagram.pid = 0;
    datagram.text = std::string_view(buffer_.data(), static_cast<std::size_t>(size));
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
            header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET) continue;
        if (header->cmsg_type == SCM_RIGHTS) take_descriptors(*header, datagram.descriptors);
        if (header->cmsg_type != SCM_CREDENTIALS) continue;
        ucred credentials{};
        std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
        datagram.pid = credentials.pid;
        datagram.uid = credentials.uid;
    }
    datagram.damaged = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || datagram.pid <= 0;
    return true;
}

}  // namespace superd
