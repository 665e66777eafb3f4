// SPDX-License-Identifier: MIT
#include "relay/conversation.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/epoll.h>

namespace superd {

Conversation::Conversation(
        ConversationOwner& owner, ConnectionName name, Fd client, Nanoseconds idle)
        : client_{std::move(client)},
          owner_(owner),
          name_(name),
          idle_(idle),
          idle_timer_(*this),
          touched_(owner.poller().now()) {}

Conversation::~Conversation() {
    if (!ended_) {
        owner_.poller().take_back(*this);
        owner_.poller().remove(client_.fd.get(), *this);
    }
}

// splice(2) goes by the socket's own flag, which superd leaves as accept4(2) had it.
bool Conversation::make_nonblocking() {
    if (shares_client()) return true;
    const int flags = ::fcntl(client_.fd.get(), F_GETFL);
    return flags >= 0 && ::fcntl(client_.fd.get(), F_SETFL, flags | O_NONBLOCK) == 0;
}

void Conversation::start() {
    if (!make_nonblocking() || !owner_.poller().add(client_.fd.get(), *this)) {
        end(RelayEnd::client, errno);
        return;
    }
    if (idle_ > Nanoseconds::zero()) owner_.poller().wheel().set(idle_timer_, touched_ + idle_);
    on_start();
}

void Conversation::take_upstream(Fd) {
    end(RelayEnd::refused);
}

void Conversation::take_answer(std::string, AnswerThen) {
    end(RelayEnd::refused);
}

void Conversation::on_events(std::uint32_t events) {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) client_.in = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) client_is_done_ = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) client_.out = true;
    work();
}

void Conversation::on_turn() {
    if (!ended_) work();
}

void Conversation::leave() {
    owner_.poller().take_back(*this);
    owner_.poller().remove(client_.fd.get(), *this);
    idle_timer_.cancel();
}

void Conversation::end(RelayEnd how, int error) {
    if (ended_) return;
    leave();
    ended_ = true;
    client_.fd.reset();
    owner_.on_ended(*this, how, error);
}

// Traffic only notes its time; the timer looks whether there was any.
void Conversation::on_idle() {
    const Mono due = touched_ + idle_;
    if (due > owner_.poller().now())
        owner_.poller().wheel().set(idle_timer_, due);
    else
        end(RelayEnd::idle);
}

}  // namespace superd
