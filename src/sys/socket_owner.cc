// SPDX-License-Identifier: MIT
#include "sys/socket_owner.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>

#include "base/fd.h"

namespace superd {

namespace {

struct Question {
    nlmsghdr header;
    inet_diag_req_v2 body;
};

void put_address(__be32 (&into)[4], const IpAddress& ip, bool v4) {
    std::memcpy(into, ip.bytes.data() + (v4 ? 12 : 0), v4 ? 4 : 16);
}

Question make_question(const Endpoint& local, const Endpoint& remote) {
    Question question{};
    const bool v4 = local.ip.is_v4() && remote.ip.is_v4();
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.body.sdiag_family = v4 ? AF_INET : AF_INET6;
    question.body.sdiag_protocol = IPPROTO_TCP;
    question.body.idiag_states = ~0U;
    inet_diag_sockid& id = question.body.id;
    id.idiag_sport = htons(static_cast<std::uint16_t>(local.port));
    id.idiag_dport = htons(static_cast<std::uint16_t>(remote.port));
    put_address(id.idiag_src, local.ip, v4);
    put_address(id.idiag_dst, remote.ip, v4);
    id.idiag_if = local.scope;
    id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return question;
}

}  // namespace

std::optional<std::uint32_t> connection_owner(const Endpoint& local, const Endpoint& remote) {
    if (local.family != Family::ip || remote.family != Family::ip) return std::nullopt;
    const Fd diag(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!diag) return std::nullopt;
    const Question question = make_question(local, remote);
    if (::send(diag.get(), &question, sizeof question, 0) !=
            static_cast<ssize_t>(sizeof question))
        return std::nullopt;
    alignas(nlmsghdr) std::array<char, 4096> answer;
    // The kernel has answered by the time send(2) returns.
    const ssize_t size = ::recv(diag.get(), answer.data(), answer.size(), MSG_DONTWAIT);
    constexpr auto wanted = static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)));
    if (size < wanted) return std::nullopt;
    nlmsghdr header{};
    std::memcpy(&header, answer.data(), sizeof header);
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
    inet_diag_msg body{};
    std::memcpy(&body, answer.data() + NLMSG_HDRLEN, sizeof body);
    const bool same = body.id.idiag_sport == question.body.id.idiag_sport &&
                      body.id.idiag_dport == question.body.id.idiag_dport;
    // A listener answers for a connection that is not there; it has no peer. One in TIME_WAIT
    // is nobody's any more.
    constexpr std::uint8_t time_wait = 6, listening = 10;
    if (!same || body.idiag_state == listening || body.idiag_state == time_wait)
        return std::nullopt;
    return body.idiag_uid;
}

std::optional<std::string> passwd_name(std::uint32_t uid, const char* path) {
    std::FILE* file = std::fopen(path, "re");
    if (file == nullptr) return std::nullopt;
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd* found = nullptr;
    std::optional<std::string> name;
    while (!name && ::fgetpwent_r(file, &entry, buffer.data(), buffer.size(), &found) == 0)
        if (found->pw_uid == uid) name = found->pw_name;
    std::fclose(file);
    return name;
}

}  // namespace superd
