// SPDX-License-Identifier: MIT
// What the programs of the bench share: a TCP listener on loopback, the clock, giving up.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { full_backlog = 4096 };

static inline int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline void need(int good, const char* what) {
    if (good) return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline int open_listener(int port, int flags) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    need(fd >= 0, "socket");
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const struct sockaddr_in address = loopback(port);
    need(bind(fd, (const struct sockaddr*)&address, sizeof address) == 0, "bind");
    need(listen(fd, full_backlog) == 0, "listen");
    return fd;
}

// The bench waits for this line.
static inline void say_ready(void) {
    need(write(STDOUT_FILENO, "ready\n", 6) == 6, "write");
}
