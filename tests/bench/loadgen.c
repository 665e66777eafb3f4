// SPDX-License-Identifier: MIT
// usage: loadgen -p PORT -n CONNECTIONS -c AT_ONCE [-e BYTES] [-t SECONDS] [-k]
//
// Connects over loopback, reads to the end of file and looks at what came: exactly -e bytes, or
// with -e 0 an end without any. Prints one JSON object: the rate, and p50, p90, p99 and the
// worst of the time from connect to the first byte and to the end of file, in microseconds.
// -k: keeps each connection after its first byte, says how many, and ends with its stdin.
#define _GNU_SOURCE
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "common.h"

struct connection {
    int fd;
    int64_t begin, first;
    long got;
};

struct figures {
    long wrong, reset, refused;  // other bytes than wanted; broken off; nobody listened
    long done;
    double *first, *end;
};

struct options {
    int port, total, at_once, expected, seconds, keep;
};

static int set;
static struct options options = {.total = 1000, .at_once = 16, .expected = 6, .seconds = 60};

static int by_value(const void* a, const void* b) {
    const double x = *(const double*)a, y = *(const double*)b;
    return (x > y) - (x < y);
}

// False where connect(2) itself failed.
static int begin_connection(
        struct connection* connection, uint32_t index, struct figures* out) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    need(fd >= 0, "socket");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *connection = (struct connection){.fd = fd, .begin = now_ns()};
    const struct sockaddr_in address = loopback(options.port);
    if (connect(fd, (const struct sockaddr*)&address, sizeof address) != 0 &&
            errno != EINPROGRESS) {
        ++out->refused;
        close(fd);
        connection->fd = -1;
        return 0;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    need(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    return 1;
}

static void finish(struct connection* connection, long last, struct figures* out) {
    const int64_t end = now_ns();
    // A peer that closes with unread data resets; nothing was sent, so here it is a loss.
    if (last < 0 && errno == ECONNREFUSED) {
        ++out->refused;
    } else if (last < 0) {
        ++out->reset;
    } else if (connection->got != options.expected) {
        ++out->wrong;
    } else {
        out->first[out->done] =
                (double)((connection->first ? connection->first : end) - connection->begin) /
                1e3;
        out->end[out->done++] = (double)(end - connection->begin) / 1e3;
    }
    close(connection->fd);
    connection->fd = -1;
}

// True at the end of the connection, or at its first byte where it is kept.
static int receive(struct connection* connection, struct figures* out) {
    char bytes[4096];
    for (;;) {
        const ssize_t n = recv(connection->fd, bytes, sizeof bytes, 0);
        if (n > 0) {
            if (connection->got == 0) connection->first = now_ns();
            connection->got += n;
            if (!options.keep) continue;
            out->first[out->done] = out->end[out->done] =
                    (double)(connection->first - connection->begin) / 1e3;
            ++out->done;
            epoll_ctl(set, EPOLL_CTL_DEL, connection->fd, NULL);
            return 1;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
        finish(connection, n, out);
        return 1;
    }
}

static long ended(const struct figures* figures) {
    return figures->done + figures->wrong + figures->reset + figures->refused;
}

// Only -c at a time are under way; with -k those that were answered need a place of their own.
static void load(struct figures* out) {
    const int places = options.keep ? options.total : options.at_once;
    struct connection* all = calloc((size_t)places, sizeof *all);
    need(all != NULL, "calloc");
    int* idle = calloc((size_t)places, sizeof *idle);
    need(idle != NULL, "calloc");
    int idle_count = 0, begun = 0, under_way = 0;
    for (int i = places; i > 0; --i)
        idle[idle_count++] = i - 1;
    const int64_t give_up = now_ns() + (int64_t)options.seconds * 1000000000;
    while (ended(out) < options.total && now_ns() < give_up) {
        while (under_way < options.at_once && begun < options.total) {
            const int place = idle[--idle_count];
            ++begun;
            if (begin_connection(&all[place], (uint32_t)place, out))
                ++under_way;
            else
                idle[idle_count++] = place;
        }
        struct epoll_event events[64];
        const int count = epoll_wait(set, events, 64, 100);
        for (int i = 0; i < count; ++i) {
            const int place = (int)events[i].data.u32;
            if (!receive(&all[place], out)) continue;
            --under_way;
            if (!options.keep) idle[idle_count++] = place;
        }
    }
    free(all);
    free(idle);
}

static void print_times(const char* name, double* times, long count) {
    qsort(times, (size_t)count, sizeof *times, by_value);

    static const struct {
        const char* name;
        double part;
    } wanted[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"max", 1}};

    printf(", \"%s\": {", name);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; ++i)
        printf("%s\"%s\": %.1f", i ? ", " : "", wanted[i].name,
                count ? times[(long)((double)(count - 1) * wanted[i].part)] : 0);
    printf("}");
}

static void print(struct figures* figures, double seconds) {
    printf("{\"done\": %ld, \"wrong\": %ld, \"reset\": %ld, \"refused\": %ld, \"unfinished\": "
           "%ld",
            figures->done, figures->wrong, figures->reset, figures->refused,
            options.total - ended(figures));
    printf(", \"seconds\": %.6f, \"rate\": %.1f", seconds, (double)figures->done / seconds);
    print_times("first", figures->first, figures->done);
    print_times("end", figures->end, figures->done);
    printf("}\n");
    fflush(stdout);
}

static int read_options(int argc, char** argv) {
    int option;
    while ((option = getopt(argc, argv, "p:n:c:e:t:k")) != -1) {
        switch (option) {
            case 'p': options.port = atoi(optarg); break;
            case 'n': options.total = atoi(optarg); break;
            case 'c': options.at_once = atoi(optarg); break;
            case 'e': options.expected = atoi(optarg); break;
            case 't': options.seconds = atoi(optarg); break;
            case 'k': options.keep = 1; break;
            default: return 0;
        }
    }
    return options.port > 0 && options.total > 0 && options.at_once > 0;
}

int main(int argc, char** argv) {
    if (!read_options(argc, argv)) return 2;
    set = epoll_create1(EPOLL_CLOEXEC);
    struct figures figures = {.first = calloc((size_t)options.total, sizeof(double)),
            .end = calloc((size_t)options.total, sizeof(double))};
    need(figures.first != NULL && figures.end != NULL, "calloc");
    const int64_t begin = now_ns();
    load(&figures);
    print(&figures, (double)(now_ns() - begin) / 1e9);
    char byte;
    while (options.keep && read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return figures.done == options.total ? 0 : 1;
}
