// SPDX-License-Identifier: MIT
#include "engine/farewells.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

#include "sys/accept.h"
#include "sys/farewell.h"

namespace superd {

Farewells::Farewells(Loop& loop) : loop_(loop), timer_(loop, [this] { on_time(); }) {}

void Farewells::take(Fd connection, ListenerKind kind, std::string text) {
    const int flags = ::fcntl(connection.get(), F_GETFL);
    if (flags < 0 || ::fcntl(connection.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
            !mark_turned_away(connection.get()))
        return;
    One one{.connection = std::move(connection),
            .kind = kind,
            .text = std::move(text),
            .began = loop_.now(),
            .deadline = loop_.now() + patience,
            .poll = nullptr};
    if (!go_on(one)) return;
    if (open_.size() >= most) forget(open_.begin());
    open_.push_back(std::move(one));
    watch(std::prev(open_.end()));
    if (!timer_.active()) timer_.start(patience);
}

bool Farewells::go_on(One& one) {
    const int fd = one.connection.get();
    if (one.sent < one.text.size()) {
        const auto sent = send_some(fd, std::string_view(one.text).substr(one.sent));
        if (!sent) return false;
        one.sent += *sent;
        // A client that has closed its half may still read.
        if (one.sent < one.text.size()) return true;
        ::shutdown(fd, SHUT_WR);
    }
    return discard_received(fd, one.kind) != Discarded::ended;
}

void Farewells::watch(Place one) {
    one->poll = std::make_unique<Poll>(loop_, one->connection.get(),
            [this, one](int, int error) { on_event(one, error); });
    const bool unsent = one->sent < one->text.size();
    one->poll->start(unsent ? Poll::writable : Poll::readable);
}

void Farewells::on_event(Place one, int error) {
    const std::size_t before = one->sent;
    if (error != 0 || !go_on(*one)) return forget(one);
    if (one->sent == before) return;
    one->deadline = std::min(loop_.now() + patience, one->began + longest);
    open_.splice(open_.end(), open_, one);
    if (one->sent == one->text.size()) one->poll->start(Poll::readable);
}

void Farewells::forget(Place one) {
    one->poll.reset();  // before its descriptor is closed
    open_.erase(one);
}

void Farewells::on_time() {
    const Mono now = loop_.now();
    while (!open_.empty() && open_.front().deadline <= now)
        forget(open_.begin());
    if (!open_.empty()) timer_.start(open_.front().deadline - now);
}

}  // namespace superd
