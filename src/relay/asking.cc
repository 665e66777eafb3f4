// SPDX-License-Identifier: MIT
// Conversations that superd decides: the relay reads one line, superd says what comes of it.
//
// A tcpmux client is read through a copy of the descriptor that superd keeps: exactly its first
// line is taken from the socket, and when superd says so the copy is closed and the rest of the
// conversation belongs to the service that was named.
#include <array>
#include <cerrno>

#include <sys/socket.h>

#include "relay/conversation.h"
#include "relay/preface.h"

namespace superd {

namespace {

// What one conversation may say before the others have their turn.
constexpr int lines_a_turn = 32;

class Asking : public Conversation {
public:
    Asking(ConversationOwner& owner, const ServeMessage& message, Fd client, std::size_t limit)
            : Conversation(owner, message.name, std::move(client), message.idle),
              limit_(limit) {}

    [[nodiscard]] std::uint64_t received() const override { return received_; }

    [[nodiscard]] std::uint64_t sent() const override { return sent_; }

    void take_answer(std::string text, AnswerThen then) override {
        answer(std::move(text), then);
        again();
    }

protected:
    // One line, whole. Afterwards take_answer() goes on.
    virtual void on_line(std::string_view line) = 0;
    virtual void on_too_long() = 0;

    void wait_for_answer() { waits_ = true; }

    // Said by work(), which may be the caller's caller.
    void answer(std::string text, AnswerThen then) {
        waits_ = false;
        answer_ = std::move(text);
        then_ = then;
    }

private:
    // The flag belongs to the open file, which superd goes on with: every call says it itself.
    [[nodiscard]] bool shares_client() const override { return true; }

    void work() override {
        for (int lines = 0; lines < lines_a_turn; ++lines) {
            if (ended() || !speak() || waits_) return;
            const auto line = hear();
            if (line.state == LineSeen::State::incomplete) return;
            if (line.state == LineSeen::State::too_long)
                on_too_long();
            else
                on_line(line_);
        }
        if (!ended()) again();
    }

    // True when nothing is left to be said and the conversation goes on.
    bool speak() {
        while (!answer_.empty()) {
            const ssize_t n = ::send(client_.fd.get(), answer_.data(), answer_.size(),
                    MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) return false;
            if (n < 0) {
                end(RelayEnd::client, errno);
                return false;
            }
            sent_ += static_cast<std::uint64_t>(n);
            answer_.erase(0, static_cast<std::size_t>(n));
            touch();
        }
        switch (then_) {
            case AnswerThen::go_on: return true;
            case AnswerThen::hand_over: end(RelayEnd::handed_over); return false;
            case AnswerThen::close:
                ::shutdown(client_.fd.get(), SHUT_WR);
                then_ = AnswerThen::closing;
                return true;
            case AnswerThen::closing: return true;
        }
        return false;
    }

    // Looks first, then takes the line and nothing behind it.
    LineSeen hear() {
        std::array<char, ident_line_limit> seen;
        const ssize_t n =
                ::recv(client_.fd.get(), seen.data(), limit_, MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
        if (n < 0) {
            end(RelayEnd::client, errno);
            return {};
        }
        if (n == 0) {
            end(RelayEnd::finished);
            return {};
        }
        const auto size = static_cast<std::size_t>(n);
        LineSeen line = find_line({seen.data(), size}, limit_);
        if (then_ == AnswerThen::closing) line = {LineSeen::State::too_long, size};
        if (line.state == LineSeen::State::incomplete && client_is_done()) {
            // Read, lest closing become a reset.
            (void)::recv(client_.fd.get(), seen.data(), size, MSG_DONTWAIT);
            end(RelayEnd::finished);
            return line;
        }
        if (line.state == LineSeen::State::incomplete) return line;
        const ssize_t taken = ::recv(client_.fd.get(), seen.data(), line.size, MSG_DONTWAIT);
        if (taken != static_cast<ssize_t>(line.size)) {
            end(RelayEnd::client, taken < 0 ? errno : 0);
            return {};
        }
        line_.assign(seen.data(), line.size);
        received_ += line.size;
        touch();
        return line;
    }

    const std::size_t limit_;
    std::string line_, answer_;
    AnswerThen then_ = AnswerThen::go_on;
    std::uint64_t received_ = 0, sent_ = 0;
    bool waits_ = false;

protected:
    // What is still read goes nowhere: the client is to see the answer, not a reset.
    [[nodiscard]] bool is_closing() const { return then_ == AnswerThen::closing; }
};

class TcpmuxPreface final : public Asking {
public:
    TcpmuxPreface(ConversationOwner& owner, const ServeMessage& message, Fd client)
            : Asking(owner, message, std::move(client), tcpmux_line_limit) {}

private:
    void on_line(std::string_view line) override {
        const auto name = parse_tcpmux_line(line);
        if (!name) return on_too_long();
        wait_for_answer();
        owner().tell(AskedMessage{this->name(), *name});
    }

    void on_too_long() override {
        if (!is_closing()) answer("-That is no name of a service\r\n", AnswerThen::close);
    }
};

class IdentTalk final : public Asking {
public:
    IdentTalk(ConversationOwner& owner, const ServeMessage& message, Fd client)
            : Asking(owner, message, std::move(client), ident_line_limit) {}

private:
    void on_line(std::string_view line) override {
        const auto question = parse_ident_line(line);
        if (!question) return answer(ident_error(question, "INVALID-PORT"), AnswerThen::go_on);
        wait_for_answer();
        owner().tell(IdentMessage{name(), question->local, question->remote});
    }

    void on_too_long() override {
        if (!is_closing())
            answer(ident_error(std::nullopt, "UNKNOWN-ERROR"), AnswerThen::close);
    }
};

}  // namespace

std::unique_ptr<Conversation> make_asking(
        ConversationOwner& owner, const ServeMessage& message, Fd client) {
    if (message.builtin == Builtin::tcpmux)
        return std::make_unique<TcpmuxPreface>(owner, message, std::move(client));
    return std::make_unique<IdentTalk>(owner, message, std::move(client));
}

}  // namespace superd
