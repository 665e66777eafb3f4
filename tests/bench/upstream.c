// SPDX-License-Identifier: MIT
// usage: upstream PORT BYTES
// The server behind a redirect: writes so many bytes to each client and closes. One thread.
#define _GNU_SOURCE
#include <string.h>
#include <sys/epoll.h>

#include "common.h"

static char block[256 * 1024];

struct client {
    int socket;
    long long left;
};

// True when it is over.
static int serve(struct client* client) {
    while (client->left > 0) {
        const size_t want =
                client->left < (long long)sizeof block ? (size_t)client->left : sizeof block;
        const ssize_t n = send(client->socket, block, want, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return 0;
        if (n <= 0) return 1;
        client->left -= n;
    }
    return 1;
}

static void take_all(int listener, int set, long long bytes) {
    for (;;) {
        const int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (socket < 0) return;
        struct client here = {.socket = socket, .left = bytes};
        if (serve(&here)) {
            close(socket);
            continue;
        }
        struct client* client = malloc(sizeof *client);
        need(client != NULL, "malloc");
        *client = here;
        struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
        need(epoll_ctl(set, EPOLL_CTL_ADD, socket, &event) == 0, "epoll_ctl");
    }
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int listener = open_listener(atoi(argv[1]), SOCK_NONBLOCK);
    const long long bytes = atoll(argv[2]);
    const int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    memset(block, 'x', sizeof block);
    need(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
    say_ready();
    for (;;) {
        struct epoll_event events[64];
        const int count = epoll_wait(set, events, 64, -1);
        for (int i = 0; i < count; ++i) {
            struct client* client = events[i].data.ptr;
            if (client == NULL) {
                take_all(listener, set, bytes);
            } else if (serve(client)) {
                close(client->socket);
                free(client);
            }
        }
    }
}
