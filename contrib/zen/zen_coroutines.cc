// SPDX-License-Identifier: MIT
// C++20 coroutines on epoll(7): converse() reads like zen_single's, top to bottom, and yet one
// thread serves any number of clients, since `co_await` leaves it where it would have to wait.
// The state of a client is in the local variables of its coroutine.
//
//   [service.zen-coroutines]
//   listen = "tcp:1067"
//   mode   = "worker"
//   exec   = ["/usr/libexec/superd/zen/zen_coroutines"]
//
// `zen_coroutines [--port N]` serves without superd.
#include <coroutine>
#include <exception>

#include <sys/epoll.h>

#include "zen.h"

namespace {

// A coroutine that begins at once, belongs to nobody and frees itself at its end.
struct Task {
    struct Promise {
        Task get_return_object() { return {}; }

        std::suspend_never initial_suspend() { return {}; }

        std::suspend_never final_suspend() noexcept { return {}; }

        void return_void() {}

        void unhandled_exception() { std::terminate(); }
    };

    using promise_type = Promise;  // NOLINT(readability-identifier-naming): the language's name
};

// Resumes each coroutine when the descriptor it waits for is ready.
class Loop {
public:
    struct Wait {
        Loop& loop;
        int fd;
        std::uint32_t events;

        [[nodiscard]] bool await_ready() const { return false; }

        void await_suspend(std::coroutine_handle<> who) const { loop.watch(fd, events, who); }

        void await_resume() const {}
    };

    Wait readable(int fd) { return {*this, fd, EPOLLIN}; }

    Wait writable(int fd) { return {*this, fd, EPOLLOUT}; }

    [[noreturn]] void run() const {
        for (;;) {
            epoll_event ready[64];
            const int count = epoll_wait(epoll_, ready, 64, -1);
            if (count < 0 && errno != EINTR) zen::die("epoll_wait");
            for (int i = 0; i < count; ++i)
                std::coroutine_handle<>::from_address(ready[i].data.ptr).resume();
        }
    }

private:
    // One coroutine waits for a descriptor at a time, and once: hence EPOLLONESHOT.
    void watch(int fd, std::uint32_t events, std::coroutine_handle<> who) const {
        epoll_event event{};
        event.events = events | EPOLLONESHOT;
        event.data.ptr = who.address();
        if (epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0) return;
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) zen::die("epoll_ctl");
    }

    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
};

// Closes the connection when the coroutine that has it as a variable ends.
struct Socket {
    explicit Socket(int number) : fd(number) {}

    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    ~Socket() { close(fd); }

    const int fd;
};

bool must_wait() {
    return errno == EAGAIN || errno == EINTR;
}

Task converse(Loop& loop, int fd) {
    const Socket socket(fd);
    zen::Conversation conversation;
    for (bool more = true; more;) {
        co_await loop.readable(fd);
        char buffer[512];
        const ssize_t got = read(fd, buffer, sizeof buffer);
        if (got < 0 && must_wait()) continue;
        if (got < 0) co_return;
        more = got > 0;
        std::string unsent = more ? conversation.feed({buffer, static_cast<std::size_t>(got)})
                                  : conversation.finish();
        while (!unsent.empty()) {
            const ssize_t sent = write(fd, unsent.data(), unsent.size());
            if (sent >= 0)
                unsent.erase(0, static_cast<std::size_t>(sent));
            else if (must_wait())
                co_await loop.writable(fd);
            else
                co_return;
        }
    }
}

Task accept_all(Loop& loop, int listener) {
    for (;;) {
        co_await loop.readable(listener);
        const int client = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) converse(loop, client);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const int listener = zen::listener(argc, argv);
    zen::survive_lost_clients();
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
    Loop loop;
    accept_all(loop, listener);
    loop.run();
}
