// SPDX-License-Identifier: MIT
// usage: udpload PORT SECONDS
// Asks an echo service over UDP, 16 datagrams under way; prints answers a second.
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>
#include <time.h>

#include "common.h"

enum { window = 16, size = 32 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    struct sockaddr_in address = {.sin_family = AF_INET,
            .sin_port = htons((uint16_t)atoi(argv[1])),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    need(connect(socket_fd, (struct sockaddr*)&address, sizeof address) == 0, "connect");
    char data[size];
    memset(data, 'x', sizeof data);
    const double begin = now(), end = begin + atof(argv[2]);
    long answers = 0;
    int under_way = 0;
    while (now() < end) {
        while (under_way < window && send(socket_fd, data, sizeof data, MSG_DONTWAIT) > 0)
            ++under_way;
        struct pollfd poll_fd = {.fd = socket_fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 50) == 0) under_way = 0;  // lost
        while (recv(socket_fd, data, sizeof data, MSG_DONTWAIT) > 0) {
            ++answers;
            if (under_way > 0) --under_way;
        }
    }
    printf("%.0f\n", (double)answers / (now() - begin));
    return 0;
}
