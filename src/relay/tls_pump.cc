// SPDX-License-Identifier: MIT
// TLS in front of a service: the handshake with the client, then, once superd has found who
// answers, bytes both ways until each direction's own end: close_notify on the client's side,
// the end of file on the other.
#include <cerrno>
#include <cstring>

#include <sys/epoll.h>
#include <sys/socket.h>

#include "relay/conversation.h"
#include "relay/starttls.h"
#include "tls/session.h"

namespace superd {

namespace {

using Step = TlsSession::Step;

// What one direction may do before the others have their turn.
constexpr std::size_t share_of_turn = 256 * 1024;
// What a record takes.
constexpr std::size_t piece = 16 * 1024;
// An answer of superd's that was lost with it does not come any more.
constexpr Nanoseconds longest_wait = std::chrono::minutes(10);
// A client that has been told all and does not close is waited for so long: closing at once
// could destroy what is on its way to it.
constexpr Nanoseconds linger = std::chrono::seconds(2);

// Bytes that one side has given and the other has not taken yet; no memory while there are none.
class Kept {
public:
    [[nodiscard]] bool empty() const { return size_ == 0; }

    [[nodiscard]] std::string_view rest() const { return {bytes_.get() + offset_, size_}; }

    void keep(std::string_view bytes) {
        bytes_ = std::make_unique<char[]>(bytes.size());
        std::memcpy(bytes_.get(), bytes.data(), bytes.size());
        offset_ = 0;
        size_ = bytes.size();
    }

    void taken(std::size_t count) {
        offset_ += count;
        size_ -= count;
        if (size_ == 0) bytes_.reset();
    }

private:
    std::unique_ptr<char[]> bytes_;
    std::size_t offset_ = 0, size_ = 0;
};

class TlsPump final : public Conversation {
public:
    TlsPump(ConversationOwner& owner, const SecureMessage& message, Fd client,
            std::shared_ptr<const TlsContext> context)
            : Conversation(owner, message.name, std::move(client), message.idle),
              context_(std::move(context)),
              session_(*context_, client_.fd.get()),
              handshake_time_(message.handshake),
              connect_time_(message.connect),
              upstream_watcher_(*this),
              timer_(*this),
              talk_(message.starttls),
              filter_(message.starttls) {
        if (message.starttls != Starttls::none) {
            phase_ = Phase::clear;
            reply_ = talk_.greeting();
        }
        client_.tcp = message.client_tcp;
    }

    ~TlsPump() override { forget_upstream(); }

    [[nodiscard]] std::uint64_t received() const override { return received_; }

    [[nodiscard]] std::uint64_t sent() const override { return sent_; }

    void take_upstream(Fd upstream, UpstreamFacts facts, std::string header) override {
        if (phase_ == Phase::clear || phase_ == Phase::handshake)
            return end(RelayEnd::refused);
        forget_upstream();
        upstream_.fd = std::move(upstream);
        upstream_.tcp = facts.tcp;
        tell_reached_ = facts.tell_reached;
        if (!header.empty()) header_.keep(header);
        phase_ = Phase::connecting;
        if (!owner().poller().add(upstream_.fd.get(), upstream_watcher_))
            return end(RelayEnd::upstream, errno);
        if (connect_time_ > Nanoseconds::zero()) set_timer(connect_time_);
    }

    void on_abandoned() override {
        if (phase_ <= Phase::waiting) end(RelayEnd::asked);
    }

private:
    enum class Phase : std::uint8_t {
        clear,       // the client has not asked for TLS yet (starttls)
        handshake,   // with the client
        waiting,     // for superd to say who answers
        connecting,  // to that one
        pumping,
        lingering,  // nobody answers any more: until the client has closed
    };

    struct UpstreamWatcher final : Watcher {
        explicit UpstreamWatcher(TlsPump& its) : pump(its) {}

        void on_events(std::uint32_t events) override { pump.on_upstream(events); }

        TlsPump& pump;
    };

    struct Timer final : WheelTimer {
        explicit Timer(TlsPump& its) : pump(its) {}

        void on_time() override { pump.on_timer(); }

        TlsPump& pump;
    };

    void on_start() override { set_timer(handshake_time_); }

    void set_timer(Nanoseconds time) {
        owner().poller().wheel().set(timer_, owner().poller().now() + time);
    }

    void on_timer() {
        if (phase_ == Phase::clear) return refuse(0, "the client did not ask for TLS in time");
        if (phase_ == Phase::handshake) return refuse(0, "it did not end in time");
        if (phase_ == Phase::connecting) return on_unreached(ETIMEDOUT);
        if (phase_ == Phase::waiting) return end(RelayEnd::refused);
        if (phase_ == Phase::lingering) end(end_, error_);
    }

    void forget_upstream() {
        timer_.cancel();
        owner().poller().forget(upstream_watcher_);
        upstream_ = {};
    }

    void leave() override {
        // superd's word ended it: the client is told that this was all.
        if (phase_ > Phase::handshake && !said_close_) (void)session_.say_close();
        forget_upstream();
        Conversation::leave();
    }

    // ---- before it, where the client asks for it in the clear

    void talk() {
        while (give_reply()) {
            if (then_ == StarttlsTalk::Then::shake) {
                phase_ = Phase::handshake;
                return;
            }
            if (then_ != StarttlsTalk::Then::more) return refuse(0, "the client did not ask for TLS");
            if (!client_.in) return;
            const auto room = owner().pipes().scratch().first(starttls_line_limit);
            const ssize_t n = ::recv(client_.fd.get(), room.data(), room.size(), MSG_DONTWAIT);
            if (n > 0) {
                // What stands behind the word that asks for TLS was said in the clear, by
                // whomever: it is dropped with the rest of what was read (CVE-2011-0411).
                auto answer = talk_.hear({room.data(), static_cast<std::size_t>(n)});
                reply_ += answer.reply;
                then_ = answer.then;
            } else if (n == 0) {
                return refuse(0, "the client went away");
            } else if (errno == EAGAIN) {
                client_.in = false;
            } else if (errno != EINTR) {
                return refuse(errno, {});
            }
        }
    }

    // True when the client has all of it.
    bool give_reply() {
        while (!reply_.empty() && client_.out) {
            const ssize_t n = ::send(
                    client_.fd.get(), reply_.data(), reply_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0) {
                reply_.erase(0, static_cast<std::size_t>(n));
            } else if (errno == EAGAIN) {
                client_.out = false;
            } else if (errno != EINTR) {
                refuse(errno, {});
                return false;
            }
        }
        return reply_.empty();
    }

    // ---- the handshake

    void shake() {
        const Step step = session_.handshake();
        switch (step) {
            case Step::done: return on_secured();
            case Step::wants_in: client_.in = false; return;
            case Step::wants_out: client_.out = false; return;
            case Step::closed:
            case Step::cut_off: return refuse(0, "the client went away");
            case Step::failed: return refuse(session_.error_number(), session_.error());
        }
    }

    void refuse(int error, std::string_view reason) {
        end_with(UnsecuredMessage{name(), error, std::string(reason.substr(0, relay_reason_limit))});
    }

    void on_secured() {
        timer_.cancel();
        touch();
        phase_ = Phase::waiting;
        set_timer(longest_wait);
        owner().tell(SecuredMessage{name(), session_.facts()});
    }

    // ---- the other side

    void on_upstream(std::uint32_t events) {
        upstream_.note(events);
        if ((events & EPOLLHUP) != 0) hung_up_ = true;
        if (phase_ == Phase::connecting && !on_connect_news(events)) return;
        work();
    }

    // False: it is not connected.
    bool on_connect_news(std::uint32_t events) {
        if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) == 0) return false;
        int error = 0;
        socklen_t size = sizeof error;
        if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            ::getsockopt(upstream_.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            on_unreached(error);
            return false;
        }
        phase_ = Phase::pumping;
        timer_.cancel();
        touch();
        client_.in = client_.out = true;  // what has come is with OpenSSL already
        if (tell_reached_) owner().tell(ReachedMessage{name()});
        return true;
    }

    void on_unreached(int error) {
        forget_upstream();
        phase_ = Phase::waiting;
        owner().on_unreached(*this, error);
    }

    // ---- bytes

    void work() override {
        if (phase_ == Phase::clear) talk();
        if (!ended() && phase_ == Phase::handshake) shake();
        if (phase_ == Phase::lingering) return discard();
        if (ended() || phase_ != Phase::pumping) return;
        const std::uint64_t before = received_ + sent_;
        const bool up_goes = run_up();
        const bool down_goes = !ended() && run_down();
        if (ended()) return;
        if (received_ + sent_ != before) touch();
        if (up_over_ && down_over_) return end(end_, error_);
        // Nobody takes what the client may still say.
        if (down_over_ && hung_up_) return begin_linger();
        if (up_goes || down_goes) again();
    }

    // From the client. True: there is more to do without any news.
    bool run_up() {
        for (std::size_t moved = 0; !up_over_;) {
            if (!up_.empty() || !header_.empty()) {
                if (!give_upstream()) return false;
                continue;
            }
            if (moved >= share_of_turn) return true;
            if (!client_.in) return false;
            const auto room = owner().pipes().scratch().first(piece);
            std::size_t got = 0;
            switch (session_.read(room, got)) {
                case Step::done:
                    moved += got;
                    received_ += got;
                    up_.keep({room.data(), got});
                    break;
                case Step::wants_in: client_.in = false; return false;
                case Step::wants_out: client_.out = false; return false;
                case Step::cut_off: note(RelayEnd::client, EPROTO); [[fallthrough]];
                case Step::closed:
                    up_over_ = true;
                    ::shutdown(upstream_.fd.get(), SHUT_WR);
                    break;
                case Step::failed:
                    note(RelayEnd::client, number_of_failure());
                    end(end_, error_);
                    return false;
            }
        }
        return false;
    }

    // False: it takes nothing now.
    bool give_upstream() {
        Kept& kept = header_.empty() ? up_ : header_;
        if (!upstream_.out) return false;
        const std::string_view rest = kept.rest();
        const ssize_t n = ::send(
                upstream_.fd.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            kept.taken(static_cast<std::size_t>(n));
            return true;
        }
        if (errno == EINTR) return true;
        if (errno == EAGAIN) {
            upstream_.out = false;
            return false;
        }
        note(RelayEnd::upstream, errno);
        up_over_ = true;
        return false;
    }

    // To the client. True: there is more to do without any news.
    bool run_down() {
        for (std::size_t moved = 0; !down_over_;) {
            if (!down_.empty()) {
                if (!give_client()) return false;
                continue;
            }
            if (ends_) return finish_down();
            if (moved >= share_of_turn) return true;
            if (!upstream_.in) return false;
            const auto room = owner().pipes().scratch().first(piece);
            const ssize_t n =
                    ::recv(upstream_.fd.get(), room.data(), room.size(), MSG_DONTWAIT);
            if (n > 0) {
                moved += static_cast<std::size_t>(n);
                keep_for_client({room.data(), static_cast<std::size_t>(n)});
            } else if (n == 0) {
                if (const std::string rest = filter_.rest(); !rest.empty()) down_.keep(rest);
                ends_ = true;
            } else if (errno == EAGAIN) {
                upstream_.in = false;
                return false;
            } else if (errno != EINTR) {
                note(RelayEnd::upstream, errno);
                ends_ = true;
            }
        }
        return false;
    }

    void keep_for_client(std::string_view bytes) {
        if (!filter_.waits()) return down_.keep(bytes);
        if (const std::string rest = filter_.hear(bytes); !rest.empty()) down_.keep(rest);
    }

    // False: it takes nothing now.
    bool give_client() {
        std::size_t written = 0;
        if (!client_.out) return false;
        switch (session_.write(down_.rest(), written)) {
            case Step::done:
                sent_ += written;
                down_.taken(written);
                return true;
            case Step::wants_in: client_.in = false; return false;
            case Step::wants_out: client_.out = false; return false;
            case Step::closed:
            case Step::cut_off:
            case Step::failed:
                note(RelayEnd::client, number_of_failure());
                end(end_, error_);
                return false;
        }
        return false;
    }

    bool finish_down() {
        if (!client_.out) return false;
        if (session_.say_close() == Step::wants_out) {
            client_.out = false;
            return false;
        }
        said_close_ = true;
        down_over_ = true;
        ::shutdown(client_.fd.get(), SHUT_WR);
        return false;
    }

    // ---- the end

    void begin_linger() {
        phase_ = Phase::lingering;
        set_timer(linger);
        discard();
    }

    void discard() {
        const auto room = owner().pipes().scratch();
        ssize_t n = 0;
        do
            n = ::recv(client_.fd.get(), room.data(), room.size(), MSG_DONTWAIT);
        while (n > 0 || (n < 0 && errno == EINTR));
        if (n == 0 || errno != EAGAIN) end(end_, error_);
    }

    [[nodiscard]] int number_of_failure() const {
        return session_.error_number() != 0 ? session_.error_number() : EPROTO;
    }

    void note(RelayEnd what, int error) {
        if (end_ != RelayEnd::finished) return;
        end_ = what;
        error_ = error;
    }

    const std::shared_ptr<const TlsContext> context_;
    TlsSession session_;
    const Nanoseconds handshake_time_, connect_time_;
    StreamEnd upstream_;
    UpstreamWatcher upstream_watcher_;
    Timer timer_;
    Kept header_, up_, down_;
    StarttlsTalk talk_;
    StarttlsTalk::Then then_ = StarttlsTalk::Then::more;
    std::string reply_;
    GreetingFilter filter_;
    std::uint64_t received_ = 0, sent_ = 0;
    RelayEnd end_ = RelayEnd::finished;
    int error_ = 0;
    Phase phase_ = Phase::handshake;
    bool tell_reached_ = false, hung_up_ = false;
    bool ends_ = false;  // the other side has said all
    bool up_over_ = false, down_over_ = false, said_close_ = false;
};

}  // namespace

std::unique_ptr<Conversation> make_tls_pump(ConversationOwner& owner,
        const SecureMessage& message, Fd client, std::shared_ptr<const TlsContext> context) {
    return std::make_unique<TlsPump>(owner, message, std::move(client), std::move(context));
}

}  // namespace superd
