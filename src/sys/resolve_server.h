// SPDX-License-Identifier: MIT
// What superd-resolve does: takes questions from the channel, hands them to threads and
// sockets, sends the answers back.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/fd.h"
#include "sys/http_client.h"
#include "sys/ident_client.h"
#include "sys/lookups.h"

namespace superd {

class ResolveServer {
public:
    // look and port: other than usual in tests.
    explicit ResolveServer(
            Fd channel, LookupPool::Look look = look_up, std::uint16_t port = ident_port);

    // Until the channel is closed from the other side, or broken.
    void run();

private:
    void take_questions();
    void take(const Query& query);
    void answer(const Answer& answer);
    [[nodiscard]] bool send_answers();

    Fd channel_;
    LookupPool pool_;
    IdentClient idents_;
    HttpClient visits_;
    std::deque<std::string> unsent_;
    bool ended_ = false;
};

}  // namespace superd
