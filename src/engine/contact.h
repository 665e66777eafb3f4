// SPDX-License-Identifier: MIT
// What the program of one place (engine/instance.h) reaches superd by, and how superd notices
// that it is ready.
//
// The socket behind $NOTIFY_SOCKET is made once for a place and stays over restarts of its
// program and of superd, whose record of the life (sys/state.h) has its number. What arrives
// while a program is between clone and exec waits in the kernel until listen_to(). The pipe of
// ready = "fd:N" is made for each program anew.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/fd.h"
#include "config/plan_life.h"
#include "loop/loop.h"
#include "sys/notify_listener.h"
#include "sys/spawner.h"
#include "sys/state.h"

namespace superd {

class Contact {
public:
    using Datagram = NotifyReceiver::Datagram;

    // hear: a datagram, whoever sent it, with descriptors that it takes out. ready: what
    // `ready` asks for has been seen. Both come from the loop, and hear from drain() too.
    // may_hear: false as long as descriptors that came are still being closed; more wait in the
    // kernel. The record outlives this.
    struct Sink {
        std::function<void(Datagram&)> hear;
        std::function<void()> ready;
        std::function<bool()> may_hear;
    };

    Contact(Loop& loop, LifeRecord& record, Sink sink);
    // Closes all there is; the next superd finds it only where this one was killed.
    ~Contact();
    Contact(const Contact&) = delete;
    Contact& operator=(const Contact&) = delete;

    // Adds to a launch what the plan asks for, and makes what is missing of it. path: of the
    // notify socket; empty: it gets an abstract address.
    [[nodiscard]] Result<void> equip(
            Launch& launch, const LifePlan& plan, const std::string& path);
    // The program runs. awaits: `ready` is still to come.
    void listen_to(const ReadyPlan& ready, std::int32_t pid, bool awaits);

    // The program is another process now.
    void follow(std::int32_t pid) { pid_ = pid; }

    // What it had said by now is heard: before its end is.
    void drain();
    // The program has gone.
    void hush();

private:
    Result<void> open_socket(const std::string& path);
    void close_socket();
    Result<void> open_pipe(Launch& launch, std::uint32_t number);
    void on_socket();
    void on_pipe();
    void look_for_listener();
    // False: there is nothing more, or it is to wait.
    bool hear_one();

    Loop& loop_;
    LifeRecord& record_;
    Sink sink_;
    NotifyReceiver receiver_;
    Fd socket_, pipe_;
    std::unique_ptr<Poll> socket_poll_, pipe_poll_;
    Timer again_;  // after more at once than one turn takes
    Timer look_;   // for a socket that listens
    Nanoseconds look_pause_{0};
    ReadyPlan awaited_;
    std::int32_t pid_ = 0;
};

}  // namespace superd
