// SPDX-License-Identifier: MIT
#include "sys/listening.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <set>
#include <string_view>

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

namespace superd {

namespace {

constexpr std::uint32_t only_listening = 1U << TCP_LISTEN;  // UNIX sockets borrow the number
constexpr std::size_t answer_size = 32768;                  // as large as the kernel's parts
constexpr unsigned most_parts = 1024;                       // of an answer that never ends

template <class Body>
struct Question {
    nlmsghdr header;
    Body body;
};

template <class Body>
Question<Body> make_question(const Body& body) {
    Question<Body> question{};
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    question.body = body;
    return question;
}

void read_ip(const char* body, std::size_t size, ListeningSocket& socket) {
    inet_diag_msg answer{};
    if (size < sizeof answer) return;
    std::memcpy(&answer, body, sizeof answer);
    socket.inode = answer.idiag_inode;
    socket.port = ntohs(answer.id.idiag_sport);
    const bool v4 = answer.idiag_family == AF_INET;
    if (v4 && answer.id.idiag_src[0] != 0) socket.ip.bytes[10] = socket.ip.bytes[11] = 0xff;
    std::memcpy(socket.ip.bytes.data() + (v4 ? 12 : 0), answer.id.idiag_src, v4 ? 4 : 16);
}

void read_unix(const char* body, std::size_t size, ListeningSocket& socket) {
    unix_diag_msg answer{};
    if (size < sizeof answer) return;
    std::memcpy(&answer, body, sizeof answer);
    socket.is_unix = true;
    socket.inode = answer.udiag_ino;
    rtattr part{};
    for (std::size_t at = NLMSG_ALIGN(sizeof answer); at + sizeof part <= size;
            at += RTA_ALIGN(part.rta_len)) {
        std::memcpy(&part, body + at, sizeof part);
        if (part.rta_len < sizeof part || part.rta_len > size - at) return;
        if (part.rta_type != UNIX_DIAG_NAME) continue;
        socket.path.assign(body + at + RTA_LENGTH(0), part.rta_len - RTA_LENGTH(0));
        if (socket.path.empty()) return;
        if (socket.path.front() == '\0')
            socket.path.front() = '@';
        else
            socket.path.resize(std::strlen(socket.path.c_str()));
    }
}

// One part of the answer; false where it was the last.
bool read_part(const char* part, std::size_t size, std::vector<ListeningSocket>& into) {
    nlmsghdr header{};
    for (std::size_t at = 0; at + sizeof header <= size; at += NLMSG_ALIGN(header.nlmsg_len)) {
        std::memcpy(&header, part + at, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > size - at) return false;
        if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return false;  // NLMSG_DONE, _ERROR
        const char* const body = part + at + NLMSG_HDRLEN;
        const std::size_t length = header.nlmsg_len - NLMSG_HDRLEN;
        ListeningSocket socket;
        if (length > 0 && static_cast<unsigned char>(*body) == AF_UNIX)
            read_unix(body, length, socket);
        else
            read_ip(body, length, socket);
        if (socket.inode != 0) into.push_back(std::move(socket));
    }
    return true;
}

template <class Body>
void ask(const Body& body, std::vector<ListeningSocket>& into) {
    const Fd diag(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!diag) return;
    const Question<Body> question = make_question(body);
    if (::send(diag.get(), &question, sizeof question, 0) !=
            static_cast<ssize_t>(sizeof question))
        return;
    std::vector<char> part(answer_size);
    for (unsigned i = 0; i < most_parts; ++i) {
        // The kernel writes a part by the time the one before was read.
        const ssize_t size = ::recv(diag.get(), part.data(), part.size(), MSG_DONTWAIT);
        if (size <= 0 || !read_part(part.data(), static_cast<std::size_t>(size), into)) return;
    }
}

}  // namespace

std::vector<ListeningSocket> listening_sockets(bool of_unix) {
    std::vector<ListeningSocket> found;
    if (of_unix) {
        unix_diag_req request{};
        request.sdiag_family = AF_UNIX;
        request.udiag_states = only_listening;
        request.udiag_show = UDIAG_SHOW_NAME;
        ask(request, found);
        return found;
    }
    for (const int family : {AF_INET, AF_INET6}) {
        inet_diag_req_v2 request{};
        request.sdiag_family = static_cast<__u8>(family);
        request.sdiag_protocol = IPPROTO_TCP;
        request.idiag_states = only_listening;
        ask(request, found);
    }
    return found;
}

Result<bool> holds_socket(std::int32_t pid, const std::vector<std::uint64_t>& inodes) {
    std::set<std::string, std::less<>> wanted;
    for (const std::uint64_t inode : inodes)
        wanted.insert("socket:[" + std::to_string(inode) + "]");
    if (wanted.empty()) return false;
    const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
    DIR* const listing = ::opendir(directory.c_str());
    if (listing == nullptr) return fail("opendir", directory);
    bool found = false;
    int error = 0;
    for (;;) {
        errno = 0;
        const dirent* const entry = found ? nullptr : ::readdir(listing);
        if (entry == nullptr) break;
        std::array<char, 64> target;
        const ssize_t size =
                ::readlinkat(::dirfd(listing), entry->d_name, target.data(), target.size());
        if (size < 0 && errno == EACCES) error = errno;
        found = size > 0 && wanted.contains(std::string_view(
                                    target.data(), static_cast<std::size_t>(size)));
    }
    if (!found && errno != 0) error = errno;
    ::closedir(listing);
    if (!found && error != 0) return fail(error, "readlink", directory);
    return found;
}

bool holds_any(std::int32_t pid, const std::vector<ListeningSocket>& sockets) {
    std::vector<std::uint64_t> inodes;
    inodes.reserve(sockets.size());
    for (const ListeningSocket& socket : sockets)
        inodes.push_back(socket.inode);
    const Result<bool> holds = holds_socket(pid, inodes);
    return holds && *holds;
}

}  // namespace superd
