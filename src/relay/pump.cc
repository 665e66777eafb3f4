// SPDX-License-Identifier: MIT
// A redirect: bytes from the client to an upstream and back, each direction until its own end
// of file.
#include <cerrno>

#include <sys/epoll.h>
#include <sys/socket.h>

#include "relay/conversation.h"

namespace superd {

namespace {

// What one direction may do before the others have their turn.
constexpr std::size_t share_of_turn = 512 * 1024;

class Pump final : public Conversation {
public:
    Pump(ConversationOwner& owner, const PumpMessage& message, Fd client, Fd upstream)
            : Conversation(owner, message.name, std::move(client), message.idle),
              connect_timeout_(message.connect),
              header_(message.header),
              upstream_watcher_(*this),
              connect_timer_(*this),
              up_(owner.pipes()),
              down_(owner.pipes()) {
        client_.tcp = message.client_tcp;
        upstream_.fd = std::move(upstream);
        take_facts(message.upstream);
    }

    ~Pump() override { forget_upstream(); }

    [[nodiscard]] std::uint64_t received() const override { return up_.read(); }

    [[nodiscard]] std::uint64_t sent() const override { return down_.written(); }

    void take_upstream(Fd upstream, UpstreamFacts facts, std::string header) override {
        forget_upstream();
        if (!header.empty()) header_ = std::move(header);
        upstream_.fd = std::move(upstream);
        take_facts(facts);
        begin_connect();
    }

private:
    struct UpstreamWatcher final : Watcher {
        explicit UpstreamWatcher(Pump& its) : pump(its) {}

        void on_events(std::uint32_t events) override { pump.on_upstream(events); }

        Pump& pump;
    };

    struct ConnectTimer final : WheelTimer {
        explicit ConnectTimer(Pump& its) : pump(its) {}

        void on_time() override { pump.on_unreached(ETIMEDOUT); }

        Pump& pump;
    };

    void on_start() override { begin_connect(); }

    void take_facts(UpstreamFacts facts) {
        upstream_.tcp = facts.tcp;
        tell_reached_ = facts.tell_reached;
    }

    void begin_connect() {
        connected_ = false;
        if (!owner().poller().add(upstream_.fd.get(), upstream_watcher_))
            return end(RelayEnd::upstream, errno);
        if (connect_timeout_ > Nanoseconds::zero())
            owner().poller().wheel().set(
                    connect_timer_, owner().poller().now() + connect_timeout_);
    }

    void on_upstream(std::uint32_t events) {
        upstream_.note(events);
        if (!connected_ && !on_connect_news(events)) return;
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
        connected_ = true;
        connect_timer_.cancel();
        touch();
        if (tell_reached_) owner().tell(ReachedMessage{name()});
        return true;
    }

    // superd knows whether there is another one to try.
    void on_unreached(int error) {
        forget_upstream();
        owner().on_unreached(*this, error);
    }

    void forget_upstream() {
        connect_timer_.cancel();
        owner().poller().forget(upstream_watcher_);
        upstream_ = {};
    }

    void leave() override {
        forget_upstream();
        Conversation::leave();
    }

    void work() override {
        if (!connected_ || !send_header()) return;
        const std::uint64_t before = moved();
        const bool up_goes = run(up_, client_, upstream_, up_over_);
        const bool down_goes = !ended() && run(down_, upstream_, client_, down_over_);
        if (ended()) return;
        if (moved() != before) touch();
        if (up_over_ && down_over_) return end(end_, error_);
        if (up_goes || down_goes) again();
    }

    [[nodiscard]] std::uint64_t moved() const {
        return up_.read() + up_.written() + down_.read() + down_.written();
    }

    // True when all of it has gone.
    bool send_header() {
        while (!header_.empty() && upstream_.out) {
            const ssize_t n = ::send(upstream_.fd.get(), header_.data(), header_.size(),
                    MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0) {
                upstream_.written = true;
                header_.erase(0, static_cast<std::size_t>(n));
            } else if (errno == EAGAIN) {
                upstream_.out = false;
            } else if (errno != EINTR) {
                end(RelayEnd::upstream, errno);
                return false;
            }
        }
        return header_.empty();
    }

    // One direction; true: it has more to do without any news. A side that takes nothing more
    // may still have something to say; one that cannot be read is gone altogether.
    bool run(Conduit& conduit, StreamEnd& from, StreamEnd& to, bool& over) {
        if (over) return false;
        const auto outcome = conduit.step(from, to, share_of_turn);
        switch (outcome) {
            case Conduit::Outcome::waits: return false;
            case Conduit::Outcome::used_up: return true;
            case Conduit::Outcome::finished:
                over = true;
                // Closing, which comes next where both are over, says it as well.
                if (!up_over_ || !down_over_) ::shutdown(to.fd.get(), SHUT_WR);
                return false;
            case Conduit::Outcome::to_failed:
                over = true;
                note(&to == &client_ ? RelayEnd::client : RelayEnd::upstream, conduit.error());
                return false;
            case Conduit::Outcome::from_failed:
                note(&from == &client_ ? RelayEnd::client : RelayEnd::upstream,
                        conduit.error());
                end(end_, error_);
                return false;
        }
        return false;
    }

    void note(RelayEnd what, int error) {
        if (end_ != RelayEnd::finished) return;
        end_ = what;
        error_ = error;
    }

    const Nanoseconds connect_timeout_;
    std::string header_;
    StreamEnd upstream_;
    UpstreamWatcher upstream_watcher_;
    ConnectTimer connect_timer_;
    Conduit up_, down_;  // from the client, to the client
    RelayEnd end_ = RelayEnd::finished;
    int error_ = 0;
    bool tell_reached_ = false;
    bool connected_ = false, up_over_ = false, down_over_ = false;
};

}  // namespace

std::unique_ptr<Conversation> make_pump(
        ConversationOwner& owner, const PumpMessage& message, Fd client, Fd upstream) {
    return std::make_unique<Pump>(owner, message, std::move(client), std::move(upstream));
}

}  // namespace superd
