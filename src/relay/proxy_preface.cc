// SPDX-License-Identifier: MIT
// The header of the PROXY protocol before a connection, through a copy of the descriptor that
// superd keeps: it is looked at (MSG_PEEK) until it is whole, then exactly its bytes are taken,
// the copy is closed and superd is told. Whatever follows stays in the socket.
#include <cerrno>

#include <sys/socket.h>

#include "relay/conversation.h"
#include "relay/proxy_header.h"

namespace superd {

namespace {

class ProxyPreface final : public Conversation {
public:
    ProxyPreface(ConversationOwner& owner, const PrefaceMessage& message, Fd client)
            : Conversation(owner, message.name, std::move(client), message.time),
              versions_(message.versions) {}

    [[nodiscard]] std::uint64_t received() const override { return received_; }

    [[nodiscard]] std::uint64_t sent() const override { return 0; }

private:
    // The flag belongs to the open file, which superd goes on with: every call says it itself.
    [[nodiscard]] bool shares_client() const override { return true; }

    // It has mostly come by now.
    void on_start() override { again(); }

    // The time is for the whole header: nothing touches it.
    void on_silence() override { refuse(ProxyFault::silent); }

    void work() override {
        const auto room = owner().pipes().scratch().first(proxy_header_limit);
        const ssize_t n =
                ::recv(client_.fd.get(), room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) return again();
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) return fail(errno);
        const ProxySeen seen =
                read_proxy_header({room.data(), static_cast<std::size_t>(n)}, versions_);
        switch (seen.state) {
            case ProxySeen::State::refused: return refuse(seen.fault);
            case ProxySeen::State::complete: return take(room.first(seen.size), seen.facts);
            case ProxySeen::State::incomplete: break;
        }
        // Nothing will be added to it, or it is all that the socket has room for.
        if (n == 0 || client_is_done()) refuse(ProxyFault::truncated);
    }

    void take(std::span<char> header, const ProxyFacts& facts) {
        const ssize_t n = ::recv(client_.fd.get(), header.data(), header.size(), MSG_DONTWAIT);
        // It was there a moment ago, and nobody else reads.
        if (n != static_cast<ssize_t>(header.size())) return fail(n < 0 ? errno : EPROTO);
        received_ += header.size();
        end_with(ProxiedMessage{name(), facts});
    }

    void refuse(ProxyFault fault) { end_with(UnproxiedMessage{name(), fault, 0}); }

    void fail(int error) { end_with(UnproxiedMessage{name(), ProxyFault::none, error}); }

    const std::uint8_t versions_;
    std::uint64_t received_ = 0;
};

}  // namespace

std::unique_ptr<Conversation> make_proxy_preface(
        ConversationOwner& owner, const PrefaceMessage& message, Fd client) {
    return std::make_unique<ProxyPreface>(owner, message, std::move(client));
}

}  // namespace superd
