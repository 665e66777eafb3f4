// SPDX-License-Identifier: MIT
// usage: refuse_loop PORT
// What refusing costs at least: wait in epoll, accept until nobody is left, close.
#define _GNU_SOURCE
#include <sys/epoll.h>

#include "common.h"

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const int listener = open_listener(atoi(argv[1]), SOCK_NONBLOCK);
    const int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    need(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
    say_ready();
    for (;;) {
        epoll_wait(set, &event, 1, -1);
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        int connection;
        while ((connection = accept4(listener, (struct sockaddr*)&peer, &size, SOCK_CLOEXEC)) >=
                0)
            close(connection);
    }
}
