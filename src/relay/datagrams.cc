// SPDX-License-Identifier: MIT
#include "relay/datagrams.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/epoll.h>
#include <sys/random.h>

#include "relay/builtins.h"

namespace superd {

namespace {

constexpr std::uint32_t first_free_port = 1024;
// What one listener may do before the others have their turn.
constexpr int batches_a_turn = 16;

SipKey random_key() {
    SipKey key;
    // Without it sources could be made to share places, which costs them their own tokens only.
    if (::getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key)) key = {1, 2};
    return key;
}

template <class Info>
const Info* find_info(const msghdr& message, int level, int type) {
    auto& mutable_message = const_cast<msghdr&>(message);
    for (cmsghdr* c = CMSG_FIRSTHDR(&mutable_message); c != nullptr;
            c = CMSG_NXTHDR(&mutable_message, c))
        if (c->cmsg_level == level && c->cmsg_type == type)
            return reinterpret_cast<const Info*>(CMSG_DATA(c));
    return nullptr;
}

}  // namespace

DatagramBuffers::DatagramBuffers() : bytes_(new char[count * size]) {}

void DatagramBuffers::prepare() {
    for (std::size_t i = 0; i < count; ++i) {
        Slot& slot = slots[i];
        slot.part = {data(i), size};
        messages[i] = {};
        messages[i].msg_hdr.msg_name = &slot.peer;
        messages[i].msg_hdr.msg_namelen = sizeof slot.peer;
        messages[i].msg_hdr.msg_iov = &slot.part;
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_control = slot.control;
        messages[i].msg_hdr.msg_controllen = sizeof slot.control;
    }
}

bool DatagramBuffers::receive(
        int socket, const std::function<void(std::span<mmsghdr> batch)>& take) {
    for (int batch = 0; batch < batches_a_turn; ++batch) {
        prepare();
        const int received = ::recvmmsg(socket, messages.data(), count, MSG_DONTWAIT, nullptr);
        // An error that an answer had met (port unreachable) is reported once and cleared.
        if (received < 0 && errno != EAGAIN) continue;
        if (received <= 0) return false;
        take({messages.data(), static_cast<std::size_t>(received)});
    }
    return true;
}

void ask_for_destination(int socket) {
    const int on = 1;
    // A socket of both families takes both.
    ::setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

bool was_for_many(const msghdr& message) {
    if (const auto* info = find_info<in_pktinfo>(message, IPPROTO_IP, IP_PKTINFO)) {
        // The address in the packet and the one it was taken for differ exactly then.
        return info->ipi_addr.s_addr != info->ipi_spec_dst.s_addr;
    }
    if (const auto* info = find_info<in6_pktinfo>(message, IPPROTO_IPV6, IPV6_PKTINFO))
        return IN6_IS_ADDR_MULTICAST(&info->ipi6_addr);
    return false;
}

void answer_from_destination(msghdr& message) {
    const auto* four = find_info<in_pktinfo>(message, IPPROTO_IP, IP_PKTINFO);
    const auto* six = find_info<in6_pktinfo>(message, IPPROTO_IPV6, IPV6_PKTINFO);
    const in_pktinfo from4 = four != nullptr ? *four : in_pktinfo{};
    const in6_pktinfo from6 = six != nullptr ? *six : in6_pktinfo{};
    if (four == nullptr && six == nullptr) {
        message.msg_control = nullptr;
        message.msg_controllen = 0;
        return;
    }
    auto* c = static_cast<cmsghdr*>(message.msg_control);
    if (four != nullptr) {
        in_pktinfo info{};
        info.ipi_spec_dst = from4.ipi_spec_dst;
        message.msg_controllen = CMSG_SPACE(sizeof info);
        *c = {CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
        std::memcpy(CMSG_DATA(c), &info, sizeof info);
        return;
    }
    in6_pktinfo info{};
    info.ipi6_addr = from6.ipi6_addr;
    if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = from6.ipi6_ifindex;
    message.msg_controllen = CMSG_SPACE(sizeof info);
    *c = {CMSG_LEN(sizeof info), IPPROTO_IPV6, IPV6_PKTINFO};
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
}

bool is_reflector_port(std::uint32_t port, std::span<const std::uint16_t> own) {
    return port < first_free_port || std::find(own.begin(), own.end(), port) != own.end();
}

DatagramService::DatagramService(Poller& poller, DatagramBuffers& buffers, const Clock& clock,
        const WatchMessage& message, Fd socket, AccessList access, News news)
        : poller_(poller),
          buffers_(buffers),
          clock_(clock),
          builtin_(message.builtin),
          own_ports_(message.own_ports),
          socket_(std::move(socket)),
          access_(std::move(access)),
          rates_(message.rate, random_key()),
          total_(message.total),
          news_(std::move(news)) {
    ask_for_destination(socket_.get());
    if (!poller_.add(socket_.get(), *this)) poller_.again(*this);
}

DatagramService::~DatagramService() {
    poller_.take_back(*this);
    poller_.remove(socket_.get(), *this);
}

void DatagramService::on_events(std::uint32_t events) {
    if ((events & (EPOLLIN | EPOLLERR)) != 0) work();
}

void DatagramService::on_turn() {
    work();
}

void DatagramService::work() {
    const bool more = buffers_.receive(socket_.get(), [this](std::span<const mmsghdr> batch) {
        std::size_t answers = 0;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            ++counts_.received;
            if (answer(i)) answers_[answers++] = batch[i];
        }
        if (answers > 0) send(answers);
        if (news_.on_counted) news_.on_counted();
    });
    if (more) poller_.again(*this);
}

bool DatagramService::answer(std::size_t index) {
    mmsghdr& message = buffers_.messages[index];
    const Endpoint peer = Endpoint::from(static_cast<const sockaddr*>(message.msg_hdr.msg_name),
            message.msg_hdr.msg_namelen);
    if (builtin_ == Builtin::sensor) {
        if (news_.on_sensed) news_.on_sensed(peer);
        return false;
    }
    if (builtin_ == Builtin::discard) return false;
    if (!may_answer(peer, message.msg_hdr)) {
        ++counts_.refused;
        return false;
    }
    char* const data = buffers_.data(index);
    iovec& part = buffers_.slots[index].part;
    part.iov_len = message.msg_len;
    const auto say = [&](std::string_view text) {
        std::memcpy(data, text.data(), text.size());
        part.iov_len = text.size();
    };
    switch (builtin_) {
        case Builtin::echo: break;
        case Builtin::chargen:
            say(chargen_text(chargen_offset_).substr(0, chargen_line));
            chargen_offset_ = (chargen_offset_ + chargen_line) % chargen_period;
            break;
        case Builtin::daytime: say(daytime_text(clock_.wall())); break;
        case Builtin::time: say(time_bytes(clock_.wall())); break;
        default: return false;
    }
    message.msg_hdr.msg_flags = 0;
    answer_from_destination(message.msg_hdr);
    return true;
}

bool DatagramService::may_answer(const Endpoint& peer, const msghdr& message) {
    if (peer.family != Family::ip || is_reflector_port(peer.port, own_ports_)) return false;
    if ((message.msg_flags & MSG_TRUNC) != 0 || was_for_many(message)) return false;
    return access_.allows(peer.ip) && rates_.take(peer, poller_.now()) && takes_of_total();
}

bool DatagramService::takes_of_total() {
    if (!total_) return true;
    return take(*total_, {&tokens_, &tokens_at_, &paused_until_}, poller_.now());
}

// What the kernel does not take at once is lost, as datagrams may be.
void DatagramService::send(std::size_t count) {
    for (std::size_t sent = 0; sent < count;) {
        const int n = ::sendmmsg(socket_.get(), answers_.data() + sent,
                static_cast<unsigned>(count - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            counts_.answered += static_cast<std::uint64_t>(n);
            sent += static_cast<std::size_t>(n);
            continue;
        }
        if (errno == EINTR) continue;
        ++sent;  // this one cannot be sent: the next may
    }
}

}  // namespace superd
