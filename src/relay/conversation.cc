// SPDX-License-Identifier: MIT
#include "relay/conversation.h"

#include <cerrno>

namespace superd {

Conversation::Conversation(
        ConversationOwner& owner, ConnectionName name, Fd client, Nanoseconds idle)
        : client_{.fd = std::move(client)},
          owner_(owner),
          name_(name),
          idle_(idle),
          idle_timer_(*this),
          touched_(owner.poller().now()) {}

Conversation::~Conversation() {
    if (!ended_) {
        owner_.poller().take_back(*this);
        owner_.poller().forget(*this);
    }
}

void Conversation::start() {
    if (!owner_.poller().add(client_.fd.get(), *this)) {
        end(RelayEnd::client, errno);
        return;
    }
    if (idle_ > Nanoseconds::zero()) owner_.poller().wheel().set(idle_timer_, touched_ + idle_);
    on_start();
}

void Conversation::take_upstream(Fd, UpstreamFacts, std::string) {
    end(RelayEnd::refused);
}

void Conversation::take_answer(std::string, AnswerThen) {
    end(RelayEnd::refused);
}

void Conversation::on_events(std::uint32_t events) {
    client_.note(events);
    work();
}

void Conversation::on_turn() {
    if (!ended_) work();
}

void Conversation::leave() {
    owner_.poller().take_back(*this);
    if (shares_client())
        owner_.poller().remove(client_.fd.get(), *this);
    else
        owner_.poller().forget(*this);
    idle_timer_.cancel();
}

void Conversation::end(RelayEnd how, int error) {
    if (ended_) return;
    leave();
    ended_ = true;
    client_.fd.reset();
    owner_.on_ended(*this, how, error);
}

void Conversation::end_with(const FromRelay& message) {
    if (ended_) return;
    leave();
    ended_ = true;
    client_.fd.reset();
    owner_.tell(message);
    owner_.on_told(*this);
}

// Traffic only notes its time; the timer looks whether there was any.
void Conversation::on_idle() {
    const Mono due = touched_ + idle_;
    if (due > owner_.poller().now())
        owner_.poller().wheel().set(idle_timer_, due);
    else
        on_silence();
}

}  // namespace superd
