// SPDX-License-Identifier: MIT
// One connection that the relay serves, from the message that brings it to the one that says
// how it ended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "relay/conduit.h"
#include "relay/poller.h"
#include "relay/protocol.h"

namespace superd {

class Conversation;
class TlsContext;

// What a conversation is told of and asks for; it outlives all of them.
class ConversationOwner {
public:
    virtual ~ConversationOwner() = default;
    [[nodiscard]] virtual Poller& poller() = 0;
    [[nodiscard]] virtual PipePool& pipes() = 0;
    [[nodiscard]] virtual const Clock& clock() = 0;
    // Its upstream cannot be reached; superd may send another one.
    virtual void on_unreached(Conversation& conversation, int error) = 0;
    // A question to superd, or news.
    virtual void tell(const FromRelay& message) = 0;
    // It is over, and has told superd so itself; it is deleted when the turn is.
    virtual void on_told(Conversation& conversation) = 0;
    // It is over; it is deleted when the turn is.
    virtual void on_ended(Conversation& conversation, RelayEnd end, int error) = 0;
};

// Owns the client's socket. Derived classes do the talking in work().
class Conversation : public Watcher, public Task {
public:
    // idle: zero for none.
    Conversation(ConversationOwner& owner, ConnectionName name, Fd client, Nanoseconds idle);
    ~Conversation() override;
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    // Once, after construction.
    void start();
    // The next upstream to try; only a redirect has any.
    // header: to it, before anything else; empty: as before.
    virtual void take_upstream(Fd upstream, UpstreamFacts facts, std::string header);
    // What superd says to a question; only those that ask have any use for it.
    virtual void take_answer(std::string text, AnswerThen then);
    // superd has gone for good: who waits for a word of its would wait for ever.
    virtual void on_abandoned() {}

    // Ends it from outside; nothing where it has ended.
    void end(RelayEnd how, int error = 0);

    [[nodiscard]] const ConnectionName& name() const { return name_; }

    [[nodiscard]] bool ended() const { return ended_; }

    // Bytes from and to the client.
    [[nodiscard]] virtual std::uint64_t received() const = 0;
    [[nodiscard]] virtual std::uint64_t sent() const = 0;

    void on_events(std::uint32_t events) override;
    void on_turn() override;

protected:
    // As much as the ends allow and a turn's share: may call end() and again().
    virtual void work() = 0;

    // Ends it with a last message of its own.
    void end_with(const FromRelay& message);

    // idle has passed without touch().
    virtual void on_silence() { end(RelayEnd::idle); }

    // superd goes on with the client's socket: nothing of the open file may be changed.
    [[nodiscard]] virtual bool shares_client() const { return false; }

    // The client's socket is watched; the first news of it comes with the next turn.
    virtual void on_start() {}

    // Lets go of what epoll and the poller know; before end() tells the owner.
    virtual void leave();

    // Something was read or written: the idle time begins anew.
    void touch() { touched_ = owner_.poller().now(); }

    void again() { owner_.poller().again(*this); }

    [[nodiscard]] ConversationOwner& owner() { return owner_; }

    // The client will send nothing more: all it has said is there to be read.
    [[nodiscard]] bool client_is_done() const { return client_.done; }

    StreamEnd client_;

private:
    struct IdleTimer final : WheelTimer {
        explicit IdleTimer(Conversation& its) : conversation(its) {}

        void on_time() override { conversation.on_idle(); }

        Conversation& conversation;
    };

    void on_idle();

    ConversationOwner& owner_;
    const ConnectionName name_;
    const Nanoseconds idle_;
    IdleTimer idle_timer_;
    Mono touched_;
    bool ended_ = false;
};

[[nodiscard]] std::unique_ptr<Conversation> make_pump(
        ConversationOwner& owner, const PumpMessage& message, Fd client, Fd upstream);
// tcpmux and ident.
[[nodiscard]] std::unique_ptr<Conversation> make_asking(
        ConversationOwner& owner, const ServeMessage& message, Fd client);
// The header of the PROXY protocol.
[[nodiscard]] std::unique_ptr<Conversation> make_proxy_preface(
        ConversationOwner& owner, const PrefaceMessage& message, Fd client);
// The other end of TLS.
[[nodiscard]] std::unique_ptr<Conversation> make_tls_pump(ConversationOwner& owner,
        const SecureMessage& message, Fd client, std::shared_ptr<const TlsContext> context);
// The conversation of a builtin; null for one that is not a conversation.
[[nodiscard]] std::unique_ptr<Conversation> make_builtin(
        ConversationOwner& owner, const ServeMessage& message, Fd client);

}  // namespace superd
