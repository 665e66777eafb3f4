// SPDX-License-Identifier: MIT
#include "engine/kept_listeners.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "sys/accept.h"
#include "sys/socket_options.h"

namespace superd {

namespace {

// Until there may be room again.
constexpr auto pause = std::chrono::milliseconds(20);

bool is_of_network(int fd) {
    const int domain = option_of(fd, SOL_SOCKET, SO_DOMAIN);
    return domain == AF_INET || domain == AF_INET6;
}

// The same for a socket whatever its number is and whichever superd has it.
std::string name_of(int fd) {
    return fmt::format("listener-{}", socket_cookie(fd));
}

}  // namespace

KeptListeners::KeptListeners(Loop& loop, Send send)
        : send_(std::move(send)), timer_(loop, [this] { send_some(); }) {}

void KeptListeners::keep(int fd) {
    if (!is_of_network(fd)) return;
    // It is to be there although a client has shut it down (FDPOLL).
    put({fmt::format("FDSTORE=1\nFDPOLL=0\nFDNAME={}\n", name_of(fd)), fd});
}

void KeptListeners::let_go(int fd) {
    if (!is_of_network(fd)) return;
    std::erase_if(waiting_, [fd](const Message& message) { return message.fd == fd; });
    put({fmt::format("FDSTOREREMOVE=1\nFDNAME={}\n", name_of(fd))});
}

void KeptListeners::put(Message message) {
    waiting_.push_back(std::move(message));
    if (!timer_.active()) timer_.start(std::chrono::milliseconds(0));
}

void KeptListeners::send_some() {
    while (!waiting_.empty() && send_(waiting_.front().text, waiting_.front().fd))
        waiting_.pop_front();
    if (!waiting_.empty()) timer_.start(pause);
}

}  // namespace superd
