// SPDX-License-Identifier: MIT
// usage: upstream PORT BYTES [keep]
// The server behind a redirect: writes so many bytes to each client and closes; with "keep"
// when its client does. One thread.
#define _GNU_SOURCE
#include <string.h>
#include <sys/epoll.h>

#include "common.h"

static char block[256 * 1024];

static int keep;

struct client {
    int socket;
    long long left;
};

// Reads until the client has nothing more to say.
static int is_over(const struct client* client) {
    char scratch[4096];
    ssize_t n;
    if (!keep) return 1;
    do
        n = recv(client->socket, scratch, sizeof scratch, MSG_DONTWAIT);
    while (n > 0);
    return n == 0 || errno != EAGAIN;
}

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
    return is_over(client);
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
        const unsigned wanted = keep ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLOUT;
        struct epoll_event event = {.events = wanted, .data.ptr = client};
        need(epoll_ctl(set, EPOLL_CTL_ADD, socket, &event) == 0, "epoll_ctl");
    }
}

int main(int argc, char** argv) {
    if (argc != 3 && argc != 4) return 2;
    keep = argc == 4 && strcmp(argv[3], "keep") == 0;
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
