// SPDX-License-Identifier: MIT
// Processes times event loops, the best of both worlds: one process for each processor, all on
// one listener, each with a loop for any number of clients. All processors work, a slow client
// holds up nobody, and no lock is needed.
//
//   [service.zen-cores]
//   listen = "tcp:1068"
//   mode   = "worker"
//   exec   = ["/usr/libexec/superd/zen/zen_cores"]
//
// superd does the same for zen_loop where the file says `workers = "cores"`.
// `zen_cores [--port N] [--processes N]` serves without superd.
#include <unordered_map>

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "zen_client.h"

namespace {

class Loop {
public:
    // Without EPOLLEXCLUSIVE every process would wake up for each client, and all but one in
    // vain.
    explicit Loop(int listener) : listener_(listener) {
        watch(EPOLL_CTL_ADD, listener, EPOLLIN | EPOLLEXCLUSIVE);
    }

    [[noreturn]] void run() {
        for (;;) {
            epoll_event ready[64];
            const int count = epoll_wait(epoll_, ready, 64, -1);
            if (count < 0 && errno != EINTR) zen::die("epoll_wait");
            for (int i = 0; i < count; ++i)
                on_ready(ready[i].data.fd);
        }
    }

private:
    void on_ready(int fd) {
        if (fd == listener_)
            accept_one();
        else if (!serve(fd, clients_[fd])) {
            clients_.erase(fd);
            close(fd);  // which takes it out of the epoll set as well
        }
    }

    void accept_one() {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;  // another process was faster
        clients_[fd] = {};
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }

    // Answers are written at once; only where the socket is full does epoll hear of it.
    bool serve(int fd, zen::Client& client) {
        const bool had_to_wait = client.wants_to_write();
        if (!had_to_wait && !zen::receive(fd, client)) return false;
        if (client.wants_to_write() && !zen::send(fd, client)) return false;
        if (client.wants_to_write() != had_to_wait)
            watch(EPOLL_CTL_MOD, fd, had_to_wait ? EPOLLIN : EPOLLOUT);
        return !client.is_done();
    }

    void watch(int operation, int fd, std::uint32_t events) const {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        if (epoll_ctl(epoll_, operation, fd, &event) != 0) zen::die("epoll_ctl");
    }

    int listener_;
    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    std::unordered_map<int, zen::Client> clients_;
};

}  // namespace

int main(int argc, char** argv) {
    const int listener = zen::listener(argc, argv);
    const char* wanted = zen::option(argc, argv, "--processes");
    const long count = wanted != nullptr ? zen::number(wanted) : sysconf(_SC_NPROCESSORS_ONLN);

    zen::survive_lost_clients();
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
    const pid_t parent = getpid();
    for (long i = 0; i < count; ++i) {
        const pid_t child = fork();
        if (child < 0) zen::die("fork");
        if (child > 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) return 1;
        Loop(listener).run();  // an epoll set of its own: one that is shared would share events
    }
    wait(nullptr);
    return 1;
}
