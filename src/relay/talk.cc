// SPDX-License-Identifier: MIT
// The builtins over streams: echo, discard, chargen, daytime, time.
#include <array>
#include <cerrno>

#include <sys/socket.h>

#include "relay/builtins.h"
#include "relay/conversation.h"

namespace superd {

namespace {

// What one conversation may do before the others have their turn.
constexpr std::size_t share_of_turn = 256 * 1024;

// RFC 862: everything goes back, through a pipe; the client's end of file is answered by ours.
class Echo final : public Conversation {
public:
    Echo(ConversationOwner& owner, const ServeMessage& message, Fd client)
            : Conversation(owner, message.name, std::move(client), message.idle),
              conduit_(owner.pipes()) {}

    [[nodiscard]] std::uint64_t received() const override { return conduit_.read(); }

    [[nodiscard]] std::uint64_t sent() const override { return conduit_.written(); }

private:
    void work() override {
        const std::uint64_t before = conduit_.read() + conduit_.written();
        const auto outcome = conduit_.step(client_, client_, share_of_turn);
        if (conduit_.read() + conduit_.written() != before) touch();
        switch (outcome) {
            case Conduit::Outcome::waits: break;
            case Conduit::Outcome::used_up: again(); break;
            case Conduit::Outcome::finished: end(RelayEnd::finished); break;
            case Conduit::Outcome::from_failed:
            case Conduit::Outcome::to_failed: end(RelayEnd::client, conduit_.error()); break;
        }
    }

    Conduit conduit_;
};

// What the client sends is counted and forgotten.
class Talk : public Conversation {
public:
    Talk(ConversationOwner& owner, const ServeMessage& message, Fd client)
            : Conversation(owner, message.name, std::move(client), message.idle) {}

    [[nodiscard]] std::uint64_t received() const override { return received_; }

    [[nodiscard]] std::uint64_t sent() const override { return sent_; }

protected:
    enum class Heard : std::uint8_t { all, more, end, failed };

    // Reads and forgets; `more`: the share of this turn is used up.
    Heard hear() {
        std::array<char, 16 * 1024> scratch;
        for (std::size_t heard = 0; heard < share_of_turn && client_.in;) {
            const ssize_t n =
                    ::recv(client_.fd.get(), scratch.data(), scratch.size(), MSG_DONTWAIT);
            if (n > 0) {
                heard += static_cast<std::size_t>(n);
                received_ += static_cast<std::uint64_t>(n);
                touch();
            } else if (n == 0) {
                client_.in = false;
                return Heard::end;
            } else if (errno == EAGAIN) {
                client_.in = false;
            } else if (errno != EINTR) {
                error_ = errno;
                return Heard::failed;
            }
        }
        return client_.in ? Heard::more : Heard::all;
    }

    // -1: failed, error_ says why. Otherwise how much of it was taken.
    ssize_t say(std::string_view text) {
        const ssize_t n =
                ::send(client_.fd.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            sent_ += static_cast<std::uint64_t>(n);
            touch();
            return n;
        }
        if (n < 0 && errno == EINTR) return 0;
        client_.out = false;
        error_ = n < 0 ? errno : 0;
        return n < 0 && error_ != EAGAIN ? -1 : 0;
    }

    int error_ = 0;

private:
    std::uint64_t received_ = 0, sent_ = 0;
};

// RFC 863.
class Discard final : public Talk {
public:
    using Talk::Talk;

private:
    void work() override {
        switch (hear()) {
            case Heard::all: break;
            case Heard::more: again(); break;
            case Heard::end: end(RelayEnd::finished); break;
            case Heard::failed: end(RelayEnd::client, error_); break;
        }
    }
};

// RFC 864: until the client has gone. One that only stops sending still wants to read.
class Chargen final : public Talk {
public:
    using Talk::Talk;

private:
    void work() override {
        const Heard heard = hear();
        if (heard == Heard::failed) return leave_reader();
        for (std::size_t said = 0; said < share_of_turn && client_.out;) {
            const ssize_t n = say(chargen_text(offset_));
            if (n < 0) return leave_reader();
            said += static_cast<std::size_t>(n);
            offset_ = (offset_ + static_cast<std::size_t>(n)) % chargen_period;
        }
        if (client_.out || heard == Heard::more) again();
    }

    // A client that has read enough closes: that is how this conversation ends.
    void leave_reader() {
        const bool closed = error_ == EPIPE || error_ == ECONNRESET;
        end(closed ? RelayEnd::finished : RelayEnd::client, closed ? 0 : error_);
    }

    std::size_t offset_ = 0;
};

// RFC 867 and 868: one answer, then the end. What the client has sent is read up to its end of
// file, lest the close become a reset that overtakes the answer.
class Answer final : public Talk {
public:
    Answer(ConversationOwner& owner, const ServeMessage& message, Fd client, std::string text)
            : Talk(owner, message, std::move(client)), text_(std::move(text)) {}

    void on_start() override {
        if (text_.empty()) ::shutdown(client_.fd.get(), SHUT_WR);
    }

private:
    void work() override {
        while (!text_.empty() && client_.out) {
            const ssize_t n = say(text_);
            if (n < 0) return end(RelayEnd::client, error_);
            text_.erase(0, static_cast<std::size_t>(n));
            if (text_.empty()) ::shutdown(client_.fd.get(), SHUT_WR);
        }
        switch (hear()) {
            case Heard::all: break;
            case Heard::more: again(); break;
            case Heard::end: at_end_ = true; break;
            case Heard::failed: return end(RelayEnd::client, error_);
        }
        if (at_end_ && text_.empty()) end(RelayEnd::finished);
    }

    std::string text_;
    bool at_end_ = false;
};

}  // namespace

std::unique_ptr<Conversation> make_builtin(
        ConversationOwner& owner, const ServeMessage& message, Fd client) {
    switch (message.builtin) {
        case Builtin::echo: return std::make_unique<Echo>(owner, message, std::move(client));
        case Builtin::discard:
            return std::make_unique<Discard>(owner, message, std::move(client));
        case Builtin::chargen:
            return std::make_unique<Chargen>(owner, message, std::move(client));
        case Builtin::daytime:
            return std::make_unique<Answer>(
                    owner, message, std::move(client), daytime_text(owner.clock().wall()));
        case Builtin::time:
            return std::make_unique<Answer>(
                    owner, message, std::move(client), time_bytes(owner.clock().wall()));
        case Builtin::tcpmux:
        case Builtin::ident: return make_asking(owner, message, std::move(client));
        // Whoever comes has told what it was to tell: superd knows the address.
        case Builtin::sensor:
            return std::make_unique<Answer>(owner, message, std::move(client), "");
        case Builtin::none: break;
    }
    return nullptr;
}

}  // namespace superd
