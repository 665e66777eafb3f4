// SPDX-License-Identifier: MIT
#include "sys/notify.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

namespace superd {

Notifier Notifier::from_environment() {
    Notifier notifier;
    if (const char* path = std::getenv("NOTIFY_SOCKET")) notifier.path_ = path;
    notifier.pid_ = ::getpid();
    ::unsetenv("NOTIFY_SOCKET");
    return notifier;
}

void Notifier::send(std::string_view text) const {
    sockaddr_un address{};
    if (path_.empty() || path_.size() >= sizeof address.sun_path) return;
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return;
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
    if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) >= 0) return;
    // Without root nobody may speak in another's name.
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
}

}  // namespace superd
