// SPDX-License-Identifier: MIT
#include "sys/client_queue.h"

#include <array>
#include <cstring>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "sys/socket_options.h"

namespace superd {

namespace {

// The kernel's answer has to fit in a page; more clients than these would not.
constexpr std::uint32_t most_listed = 800;

struct Question {
    nlmsghdr header;
    unix_diag_req body;
};

// inet_diag and `ss` read the same: of a listener tcpi_unacked is the length of its queue.
std::optional<ClientQueue> tcp_queue(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
    return ClientQueue{.length = info.tcpi_unacked};
}

Question make_question(std::uint32_t inode, std::uint32_t show) {
    Question question{};
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.body.sdiag_family = AF_UNIX;
    question.body.udiag_states = ~0U;
    question.body.udiag_ino = inode;
    question.body.udiag_show = show;
    question.body.udiag_cookie[0] = question.body.udiag_cookie[1] = ~0U;  // whatever it is
    return question;
}

// The attributes of the kernel's answer, into queue; false where it is none.
bool read_answer(const char* answer, std::size_t size, ClientQueue& queue) {
    nlmsghdr header{};
    if (size < sizeof header) return false;
    std::memcpy(&header, answer, sizeof header);
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || header.nlmsg_len > size) return false;
    bool counted = false;
    rtattr part{};
    for (std::size_t at = NLMSG_LENGTH(sizeof(unix_diag_msg));
            at + sizeof part <= header.nlmsg_len; at += RTA_ALIGN(part.rta_len)) {
        std::memcpy(&part, answer + at, sizeof part);
        if (part.rta_len < sizeof part || at + part.rta_len > header.nlmsg_len) return counted;
        const char* value = answer + at + sizeof part;
        const std::size_t length = part.rta_len - sizeof part;
        if (part.rta_type == UNIX_DIAG_RQLEN && length >= sizeof(unix_diag_rqlen)) {
            std::memcpy(&queue.length, value, sizeof queue.length);  // udiag_rqueue
            counted = true;
        }
        if (part.rta_type == UNIX_DIAG_ICONS && length >= sizeof queue.first)
            std::memcpy(&queue.first, value, sizeof queue.first);
    }
    return counted;
}

bool ask(int diag, const Question& question, ClientQueue& queue) {
    if (::send(diag, &question, sizeof question, 0) != static_cast<ssize_t>(sizeof question))
        return false;
    alignas(nlmsghdr) std::array<char, 8192> answer;
    // The kernel has answered by the time send(2) returns.
    const ssize_t size = ::recv(diag, answer.data(), answer.size(), MSG_DONTWAIT);
    return size > 0 && read_answer(answer.data(), static_cast<std::size_t>(size), queue);
}

std::optional<ClientQueue> unix_queue(int fd) {
    struct stat facts {};

    const Fd diag(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!diag || ::fstat(fd, &facts) != 0) return std::nullopt;
    const auto inode = static_cast<std::uint32_t>(facts.st_ino);
    ClientQueue queue;
    if (!ask(diag.get(), make_question(inode, UDIAG_SHOW_RQLEN), queue)) return std::nullopt;
    if (queue.length > 0 && queue.length <= most_listed)
        (void)ask(diag.get(), make_question(inode, UDIAG_SHOW_RQLEN | UDIAG_SHOW_ICONS), queue);
    return queue;
}

}  // namespace

std::optional<ClientQueue> client_queue_of(int fd) {
    if (option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0) return std::nullopt;
    return option_of(fd, SOL_SOCKET, SO_DOMAIN) == AF_UNIX ? unix_queue(fd) : tcp_queue(fd);
}

}  // namespace superd
