// SPDX-License-Identifier: MIT
// usage: floor PORT HANDLER LOG [UID GID]
//
// What a connection costs at least in superd's way of launching, and nothing else: no
// configuration, no admission, no services, no guard.
//   loop      accept4 in batches, cookie and both addresses, journal words, queue
//   thread    into a slot, environment, clone3 with VM | VFORK | FILES | PIDFD |
//             PARENT_SETTID | CLEAR_SIGHAND, cover the slot again
//   child     leave the shared table, close all other slots, session, descriptors, umask,
//             directory, groups, gid, uid, verify, signal mask, exec
//   loop      a line START, the pidfd into an epoll set of its own; peek, a line EXIT, reap
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common.h"

enum {
    threads = 4,
    slot_width = 4,
    first_slot = 3,
    low = first_slot + 32 * slot_width,
    batch = 16,
    record_count = 8192,
    stack_size = 64 * 1024,
    log_size = 256 * 1024
};

enum state { state_free, state_accepted, state_left, state_running };

// A place in the journal.
struct record {
    _Atomic enum state state;
    _Atomic int pid, pidfd, connection, error;
    uint64_t cookie, id;
    int64_t started;
    struct sockaddr_in peer, local;
};

struct thread {
    pthread_t thread;
    char* stack;
    int slot;
    char text[1024];
    char* environment[32];
};

struct work {
    const struct thread* thread;
    struct record* record;
};

static struct record* records;
static int free_records[record_count], free_count;
static int log_file, null_file, log_stream, results_event, pidfds;
static char* arguments[2];
static long uid = 65534, gid = 65534;
static char log_text[log_size];
static size_t log_length;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static int queue[record_count], results[record_count];
static unsigned queue_head, queue_tail, result_count;

// ---- text

static char* put(char* out, const char* text) {
    while (*text)
        *out++ = *text++;
    return out;
}

static char* put_number(char* out, uint64_t number, unsigned base) {
    char digits[24];
    int count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    while (count)
        *out++ = digits[--count];
    return out;
}

static char* put_ip(char* out, const struct sockaddr_in* address) {
    const unsigned char* bytes = (const unsigned char*)&address->sin_addr;
    for (int i = 0; i < 4; ++i) {
        if (i) *out++ = '.';
        out = put_number(out, bytes[i], 10);
    }
    return out;
}

static char* put_endpoint(char* out, const char* key, const struct sockaddr_in* address) {
    out = put_ip(put(out, key), address);
    *out++ = ':';
    return put_number(out, ntohs(address->sin_port), 10);
}

static char* put_time(char* out) {
    static time_t second = -1;
    static char text[24];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second) {
        struct tm parts;
        gmtime_r(&now.tv_sec, &parts);
        strftime(text, sizeof text, "%FT%T.", &parts);
        second = now.tv_sec;
    }
    out = put(out, text);
    const unsigned ms = (unsigned)(now.tv_nsec / 1000000);
    *out++ = (char)('0' + ms / 100);
    *out++ = (char)('0' + ms / 10 % 10);
    *out++ = (char)('0' + ms % 10);
    return put(out, "Z floor ");
}

static void flush_log(void) {
    if (log_length > 0 && write(log_file, log_text, log_length) < 0) _exit(1);
    log_length = 0;
}

static char* begin_line(void) {
    if (log_length > log_size - 512) flush_log();
    return put_time(log_text + log_length);
}

static void end_line(char* end) {
    *end++ = '\n';
    log_length = (size_t)(end - log_text);
}

static char* put_process(char* out, const struct record* record) {
    out = put_number(put(out, "conn="), record->id, 16);
    return put_number(put(out, " pid="), (uint64_t)record->pid, 10);
}

static void log_start(const struct record* record) {
    char* out = put_process(put(begin_line(), "START "), record);
    out = put_endpoint(out, " from=", &record->peer);
    end_line(put_endpoint(out, " to=", &record->local));
}

static void log_exit(const struct record* record, int status) {
    char* out = put_process(put(begin_line(), "EXIT "), record);
    out = put_number(put(out, " status="), (uint64_t)status, 10);
    out = put_number(
            put(out, " duration="), (uint64_t)(now_ns() - record->started) / 1000000, 10);
    end_line(put_endpoint(out, "ms from=", &record->peer));
}

// ---- the child: raw system calls only

static long raw(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
#error "the floor knows x86_64 and aarch64"
#endif
}

static void need_raw(struct record* record, long result) {
    if (result >= 0) return;
    record->error = (int)-result;
    for (;;)
        raw(SYS_exit_group, 126, 0, 0, 0);
}

__attribute__((noreturn)) static void child(const struct work* work) {
    struct record* record = work->record;
    const int slot = work->thread->slot;
    need_raw(record, raw(SYS_close_range, low, 0xffffffffL, CLOSE_RANGE_UNSHARE, 0));
    if (slot > first_slot) raw(SYS_close_range, first_slot, slot - 1, 0, 0);
    raw(SYS_close_range, slot + slot_width, low - 1, 0, 0);
    atomic_store_explicit(&record->state, state_left, memory_order_release);
    need_raw(record, raw(SYS_setsid, 0, 0, 0, 0));
    need_raw(record, raw(SYS_dup3, slot, 0, 0, 0));
    need_raw(record, raw(SYS_dup3, slot, 1, 0, 0));
    need_raw(record, raw(SYS_dup3, slot + 1, 2, 0, 0));
    raw(SYS_umask, 022, 0, 0, 0);
    need_raw(record, raw(SYS_chdir, (long)"/", 0, 0, 0));
    if (uid > 0) {
        const unsigned group = (unsigned)gid;
        need_raw(record, raw(SYS_setgroups, 1, (long)&group, 0, 0));
        need_raw(record, raw(SYS_setresgid, gid, gid, gid, 0));
        need_raw(record, raw(SYS_setresuid, uid, uid, uid, 0));
        if (raw(SYS_setresuid, -1, 0, -1, 0) >= 0) need_raw(record, -EPERM);
    }
    const uint64_t no_signals = 0;
    raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&no_signals, 0, 8);
    need_raw(record, raw(SYS_execve, (long)arguments[0], (long)arguments,
                             (long)work->thread->environment, 0));
    __builtin_unreachable();
}

// The child goes on behind the system call on an empty stack of its own.
__attribute__((noinline)) static long clone_child(
        const struct clone_args* request, const struct work* work) {
#if defined(__x86_64__)
    long result = SYS_clone3;
    register void (*entry)(const struct work*) __asm__("r8") = child;
    register const struct work* argument __asm__("r9") = work;
    __asm__ volatile(
            "syscall\n\t"
            "test %%rax, %%rax\n\t"
            "jnz 1f\n\t"
            "xor %%ebp, %%ebp\n\t"
            "mov %[argument], %%rdi\n\t"
            "call *%[entry]\n\t"
            "ud2\n"
            "1:"
            : "+a"(result)
            : "D"(request), "S"(sizeof *request), [entry] "r"(entry), [argument] "r"(argument)
            : "rcx", "r11", "memory", "cc");
    return result;
#else
    register long number __asm__("x8") = SYS_clone3;
    register long result __asm__("x0") = (long)request;
    register long size __asm__("x1") = (long)sizeof *request;
    register void (*entry)(const struct work*) __asm__("x10") = child;
    register const struct work* argument __asm__("x11") = work;
    __asm__ volatile(
            "svc 0\n\t"
            "cbnz x0, 1f\n\t"
            "mov x29, xzr\n\t"
            "mov x0, %[argument]\n\t"
            "blr %[entry]\n\t"
            "brk #1\n"
            "1:"
            : "+r"(result)
            : "r"(number), "r"(size), [entry] "r"(entry), [argument] "r"(argument)
            : "memory", "cc");
    return result;
#endif
}

// ---- the spawner threads

static char* add(struct thread* thread, int* count, char* out, const char* name) {
    thread->environment[(*count)++] = out;
    return put(out, name);
}

// What a handler is told: its identity and, under the names of three traditions, its
// connection.
static void make_environment(struct thread* thread, const struct record* record) {
    static const char* const fixed[] = {"HOME=/nonexistent", "LANG=C.UTF-8", "LOGNAME=nobody",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SHELL=/usr/sbin/nologin", "USER=nobody", "PROTO=TCP"};
    char* out = thread->text;
    int count = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; ++i)
        out = add(thread, &count, out, fixed[i]), *out++ = 0;
    out = put_ip(add(thread, &count, out, "TCPLOCALIP="), &record->local), *out++ = 0;
    out = put_number(
            add(thread, &count, out, "TCPLOCALPORT="), ntohs(record->local.sin_port), 10),
    *out++ = 0;
    static const char* const hosts[] = {"TCPREMOTEIP=", "REMOTE_ADDR=", "REMOTE_HOST="};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; ++i)
        out = put_ip(add(thread, &count, out, hosts[i]), &record->peer), *out++ = 0;
    static const char* const ports[] = {"TCPREMOTEPORT=", "REMOTE_PORT="};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; ++i)
        out = put_number(add(thread, &count, out, ports[i]), ntohs(record->peer.sin_port), 10),
        *out++ = 0;
    thread->environment[count] = NULL;
}

static void cover(int number) {
    need(dup3(null_file, number, O_CLOEXEC) >= 0, "dup3");
}

static void launch(struct thread* thread, struct record* record) {
    const int accepted = record->connection;
    need(dup3(accepted, thread->slot, O_CLOEXEC) >= 0, "dup3");
    record->connection = thread->slot;
    close(accepted);
    need(dup3(log_stream, thread->slot + 1, O_CLOEXEC) >= 0, "dup3");
    make_environment(thread, record);
    struct work work = {thread, record};
    struct clone_args request = {.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD |
                                          CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND,
            .pidfd = (uint64_t)(uintptr_t)&record->pidfd,
            .parent_tid = (uint64_t)(uintptr_t)&record->pid,
            .exit_signal = SIGCHLD,
            .stack = (uint64_t)(uintptr_t)thread->stack,
            .stack_size = stack_size};
    need(clone_child(&request, &work) > 0 && record->error == 0, "launch");
    struct linger linger;
    socklen_t size = sizeof linger;
    getsockopt(thread->slot, SOL_SOCKET, SO_LINGER, &linger, &size);
    cover(thread->slot);
    cover(thread->slot + 1);
    record->connection = -1;
    atomic_store_explicit(&record->state, state_running, memory_order_release);
}

static void* thread_main(void* argument) {
    struct thread* thread = argument;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (queue_head == queue_tail)
            pthread_cond_wait(&wake, &lock);
        const int index = queue[queue_tail++ % record_count];
        pthread_mutex_unlock(&lock);
        launch(thread, &records[index]);
        pthread_mutex_lock(&lock);
        results[result_count++] = index;
        if (result_count > 1) continue;
        pthread_mutex_unlock(&lock);
        const uint64_t one = 1;
        need(write(results_event, &one, sizeof one) == sizeof one, "eventfd");
        pthread_mutex_lock(&lock);
    }
    return NULL;
}

static void start_threads(void) {
    static struct thread all[threads];
    sigset_t signals;
    sigfillset(&signals);
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    for (int i = 0; i < threads; ++i) {
        all[i].slot = first_slot + i * slot_width;
        all[i].stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        need(all[i].stack != MAP_FAILED, "mmap");
        need(pthread_create(&all[i].thread, NULL, thread_main, &all[i]) == 0, "pthread_create");
    }
}

// ---- the loop

static void accept_batch(int listener) {
    static uint64_t next_id;
    for (int i = 0; i < batch && free_count > 0; ++i) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        const int fd = accept4(listener, (struct sockaddr*)&peer, &size, SOCK_CLOEXEC);
        if (fd < 0) return;
        const int index = free_records[--free_count];
        struct record* record = &records[index];
        record->peer = peer;
        size = sizeof record->cookie;
        getsockopt(fd, SOL_SOCKET, SO_COOKIE, &record->cookie, &size);
        size = sizeof record->local;
        getsockname(fd, (struct sockaddr*)&record->local, &size);
        record->id = ++next_id;
        record->started = now_ns();
        record->error = 0;
        record->pid = 0;
        record->pidfd = -1;
        record->connection = fd;
        atomic_store_explicit(&record->state, state_accepted, memory_order_release);
        pthread_mutex_lock(&lock);
        queue[queue_head++ % record_count] = index;
        pthread_mutex_unlock(&lock);
        pthread_cond_signal(&wake);
    }
}

static void take_results(void) {
    static int taken[record_count];
    uint64_t count;
    if (read(results_event, &count, sizeof count) < 0) return;
    pthread_mutex_lock(&lock);
    const unsigned n = result_count;
    memcpy(taken, results, n * sizeof taken[0]);
    result_count = 0;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < n; ++i) {
        struct record* record = &records[taken[i]];
        struct epoll_event event = {
                .events = EPOLLIN | EPOLLONESHOT, .data.u32 = (uint32_t)taken[i]};
        need(epoll_ctl(pidfds, EPOLL_CTL_ADD, record->pidfd, &event) == 0, "epoll_ctl");
        log_start(record);
    }
}

static void reap(void) {
    struct epoll_event events[64];
    const int count = epoll_wait(pidfds, events, 64, 0);
    for (int i = 0; i < count; ++i) {
        struct record* record = &records[events[i].data.u32];
        siginfo_t info;
        need(waitid(P_PIDFD, (id_t)record->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0,
                "waitid");
        log_exit(record, info.si_status);
        waitid(P_PIDFD, (id_t)record->pidfd, &info, WEXITED | WNOHANG);
        close(record->pidfd);
        atomic_store_explicit(&record->state, state_free, memory_order_release);
        free_records[free_count++] = (int)events[i].data.u32;
    }
}

static void watch(int set, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    need(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

__attribute__((noreturn)) static void serve(int listener, int set) {
    for (;;) {
        struct epoll_event events[8];
        const int count = epoll_wait(set, events, 8, -1);
        for (int i = 0; i < count; ++i) {
            if (events[i].data.fd == listener) accept_batch(listener);
            if (events[i].data.fd == results_event) take_results();
            if (events[i].data.fd != pidfds) continue;
            take_results();  // a process has started before it ends
            reap();
        }
        flush_log();
    }
}

static void reserve_slots(void) {
    const int low_null = open("/dev/null", O_RDWR | O_CLOEXEC);
    null_file = fcntl(low_null, F_DUPFD_CLOEXEC, low);
    need(null_file >= low, "open /dev/null");
    for (int number = first_slot; number < low; ++number)
        cover(number);
}

int main(int argc, char** argv) {
    if (argc != 4 && argc != 6) return 2;
    arguments[0] = argv[2];
    if (argc == 6) uid = atol(argv[4]), gid = atol(argv[5]);
    reserve_slots();
    records = mmap(NULL, sizeof *records * record_count, PROT_READ | PROT_WRITE,
            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    need(records != MAP_FAILED, "mmap");
    for (int i = record_count; i > 0; --i)
        free_records[free_count++] = i - 1;
    log_file = open(argv[3], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    int stream[2];
    need(log_file >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == 0,
            "log");
    log_stream = stream[0];
    results_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pidfds = epoll_create1(EPOLL_CLOEXEC);
    const int set = epoll_create1(EPOLL_CLOEXEC),
              listener = open_listener(atoi(argv[1]), SOCK_NONBLOCK);
    watch(set, listener);
    watch(set, results_event);
    watch(set, pidfds);
    start_threads();
    say_ready();
    serve(listener, set);
}
