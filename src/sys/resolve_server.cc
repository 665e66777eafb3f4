// SPDX-License-Identifier: MIT
// The loop of superd-resolve.
#include "sys/resolve_server.h"

#include <algorithm>
#include <cerrno>

#include <poll.h>

namespace superd {

namespace {

constexpr std::size_t fixed_entries = 2;
// Nobody at superd waits longer for anything.
constexpr std::uint32_t longest_ms = 600'000;

int wait_ms(Mono until, Mono now) {
    if (until == Mono::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, longest_ms));
}

Mono deadline_of(const Query& query) {
    const std::uint32_t ms =
            std::visit([](const auto& typed) { return typed.timeout_ms; }, query);
    return SystemClock().now() + std::chrono::milliseconds(std::min(ms, longest_ms));
}

}  // namespace

ResolveServer::ResolveServer(Fd channel, LookupPool::Look look, std::uint16_t port)
        : channel_(std::move(channel)), pool_({}, std::move(look)), idents_(256, port) {}

void ResolveServer::run() {
    std::vector<pollfd> entries;
    std::vector<Answer> answers;
    while (!ended_) {
        const short wanted = unsent_.empty() ? POLLIN : POLLIN | POLLOUT;
        entries.assign({{channel_.get(), wanted, 0}, {pool_.event_fd(), POLLIN, 0}});
        idents_.add_to(entries);
        const std::size_t visits_at = entries.size();
        visits_.add_to(entries);
        const Mono next = std::min(idents_.next_deadline(), visits_.next_deadline());
        const int ready =
                ::poll(entries.data(), entries.size(), wait_ms(next, SystemClock().now()));
        if (ready < 0 && errno != EINTR) return;
        if (ready < 0) continue;
        answers.clear();
        if (entries[1].revents != 0) pool_.drain(answers);
        idents_.on_polled(entries.data() + fixed_entries, SystemClock().now(), answers);
        visits_.on_polled(entries.data() + visits_at, SystemClock().now(), answers);
        for (const Answer& one : answers)
            answer(one);
        if (entries[0].revents != 0) take_questions();
        if (!send_answers()) return;
    }
}

void ResolveServer::take_questions() {
    for (;;) {
        const auto packet = receive_resolve_packet(channel_.get());
        if (!packet && packet.error().code == EBADMSG) continue;
        if (!packet) {
            ended_ = packet.error().code != EAGAIN;
            return;
        }
        if (const auto query = decode_query(*packet)) take(*query);
    }
}

void ResolveServer::take(const Query& query) {
    if (const auto* visit = std::get_if<HttpQuery>(&query))
        return visits_.begin(*visit, deadline_of(query));
    const auto* ident = std::get_if<IdentQuery>(&query);
    const bool taken = ident != nullptr ? idents_.begin(*ident, deadline_of(query))
                                        : pool_.submit(query, deadline_of(query));
    if (!taken) answer(failed_answer(query));
}

void ResolveServer::answer(const Answer& answer) {
    if (auto packet = encode_answer(answer)) unsent_.push_back(std::move(*packet));
}

bool ResolveServer::send_answers() {
    while (!unsent_.empty()) {
        const auto sent = send_resolve_packet(channel_.get(), unsent_.front());
        if (!sent) return sent.error().code == EAGAIN || sent.error().code == ENOBUFS;
        unsent_.pop_front();
    }
    return true;
}

}  // namespace superd
