// SPDX-License-Identifier: MIT
// libsuperd-park.so, parking: waits at the program's first use of its connection, and puts the
// real one there (sys/park_protocol.h).
//
// Nothing here may run before the program asks for it, allocate, or depend on more than libc:
// it lives in other people's processes. All system calls it makes for itself are raw, for those
// of the library are the ones it catches.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/park_protocol.h"
#include "sys/raw_syscall.h"

#include "park/parking.h"

extern "C" char** environ;

namespace superd::park {

std::atomic<int> channel{-1};

namespace {

constexpr unsigned long kernel_sigset_size = 8;
constexpr int first_other = 2, last_looked_at = 4096;

enum Stage : int { open, parking, over };

std::atomic<int> stage{Stage::open};
long own_pid;

struct stat placeholder;

char** kernel_environment;  // the array that the program was started with
int free_slots;             // behind its end
char texts[park_most];      // what the connection adds to it stays here

// ---- the start

// What follows the name; null: it is another one.
char* after_name(char* entry, const char* name) {
    const std::size_t length = std::strlen(name);
    return std::strncmp(entry, name, length) == 0 ? entry + length : nullptr;
}

int parse_number(const char* text) {
    int number = 0;
    for (; *text >= '0' && *text <= '9' && number < 65536; ++text)
        number = number * 10 + (*text - '0');
    return number;
}

// Our own path stands first in it; what follows is the service's.
bool is_only_ours(char* value) {
    const char* const rest = std::strchr(value, ':');
    if (rest == nullptr) return true;
    std::memmove(value, rest + 1, std::strlen(rest + 1) + 1);
    return false;
}

// The program and what it starts later find no trace of it.
void take_own_variables() {
    kernel_environment = environ;
    char** to = environ;
    for (char** from = environ; *from != nullptr; ++from) {
        const char* const own = after_name(*from, park_variable);
        if (own != nullptr && *own == '=') channel.store(parse_number(own + 1));
        char* const preload = after_name(*from, "LD_PRELOAD=");
        if (own != nullptr || (preload != nullptr && is_only_ours(preload)))
            ++free_slots;
        else
            *to++ = *from;
    }
    *to = nullptr;
}

__attribute__((constructor)) void begin() {
    if (environ == nullptr) return;
    take_own_variables();
    const int number = channel.load();
    if (number < 0) return;
    own_pid = raw_call(SYS_getpid);
    raw_call(SYS_fcntl, number, F_SETFD, FD_CLOEXEC);
    resolve_calls();
    // Without it nothing can be known about the descriptors later.
    if (::fstat(0, &placeholder) != 0) say(park_unfit, park_replaced);
}

// ---- is it fit to be parked?

bool is_placeholder(int fd) {
    struct stat facts {};

    return ::fstat(fd, &facts) == 0 && facts.st_ino == placeholder.st_ino &&
           facts.st_dev == placeholder.st_dev;
}

char find_fault() {
    if (raw_call(SYS_getpid) != own_pid) return park_forked;
    if (!is_placeholder(0) || !is_placeholder(1)) return park_replaced;
    for (int fd = first_other; fd < last_looked_at; ++fd)
        if (is_placeholder(fd)) return park_copied;
    return 0;
}

// ---- the connection

struct Message {
    char* text = texts;
    long size = 0;
    int connection = -1;
};

[[noreturn]] void leave() {
    for (;;)
        raw_call(SYS_exit_group, 0);
}

Message wait_for_connection() {
    Message message;
    iovec part{texts, sizeof texts - 1};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = room;
    header.msg_controllen = sizeof room;
    do
        message.size =
                raw_call(SYS_recvmsg, channel.load(), raw_address(&header), MSG_CMSG_CLOEXEC);
    while (message.size == -EINTR);
    const cmsghdr* const rights = message.size > 0 ? CMSG_FIRSTHDR(&header) : nullptr;
    if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS) leave();
    std::memcpy(&message.connection, CMSG_DATA(rights), sizeof message.connection);
    texts[message.size] = '\0';
    return message;
}

// What the program has set on the placeholder it has set on its connection.
void put_in_place(int connection) {
    const long status = raw_call(SYS_fcntl, 0, F_GETFL);
    for (int number = 0; number < first_other; ++number) {
        const bool closes = (raw_call(SYS_fcntl, number, F_GETFD) & FD_CLOEXEC) != 0;
        if (raw_call(SYS_dup3, connection, number, closes ? O_CLOEXEC : 0) < 0) leave();
    }
    if (status > 0 && (status & O_NONBLOCK) != 0)
        raw_call(SYS_fcntl, 0, F_SETFL, raw_call(SYS_fcntl, 0, F_GETFL) | O_NONBLOCK);
    raw_call(SYS_close, connection);
}

// ---- its environment

using SetEnv = int(const char*, const char*, int);

// In the array that the kernel made, so that who compares its address finds it as it was.
bool put_in_kernel_environment(char* entry, std::size_t name) {
    if (environ != kernel_environment) return false;
    char** place = environ;
    while (*place != nullptr &&
            !(std::strncmp(*place, entry, name) == 0 && (*place)[name] == '='))
        ++place;
    if (*place == nullptr) {
        if (free_slots == 0) return false;
        --free_slots;
        place[1] = nullptr;
    }
    *place = entry;
    return true;
}

// A shell keeps variables of its own and has a setenv() for its libraries to change them by.
SetEnv* own_setenv() {
    void* const first = ::dlsym(RTLD_DEFAULT, "setenv");
    return first != ::dlsym(RTLD_NEXT, "setenv") ? reinterpret_cast<SetEnv*>(first) : nullptr;
}

void take_variables(const Message& message) {
    SetEnv* const own = own_setenv();
    SetEnv* const usual = reinterpret_cast<SetEnv*>(::dlsym(RTLD_NEXT, "setenv"));
    for (char* entry = message.text; entry < message.text + message.size;) {
        char* const following = entry + std::strlen(entry) + 1;
        char* const equals = std::strchr(entry, '=');
        if (equals != nullptr) {
            const auto name = static_cast<std::size_t>(equals - entry);
            const bool placed = put_in_kernel_environment(entry, name);
            if (own != nullptr || !placed) {
                *equals = '\0';
                if (own != nullptr)
                    own(entry, equals + 1, 1);
                else if (usual != nullptr)
                    usual(entry, equals + 1, 1);
                *equals = '=';
            }
        }
        entry = following;
    }
}

// ---- the whole

// Programs set alarms, and their handlers may use the connection.
struct SignalsBlocked {
    SignalsBlocked() {
        const unsigned long all = ~0UL;
        raw_call(SYS_rt_sigprocmask, SIG_SETMASK, raw_address(&all), raw_address(&before),
                kernel_sigset_size);
    }

    ~SignalsBlocked() {
        raw_call(SYS_rt_sigprocmask, SIG_SETMASK, raw_address(&before), 0, kernel_sigset_size);
    }

    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

    unsigned long before = 0;
};

void wait_for_other_thread() {
    while (stage.load() == Stage::parking)
        raw_call(SYS_futex, raw_address(&stage), FUTEX_WAIT_PRIVATE, Stage::parking, 0);
}

void park_once() {
    const char fault = find_fault();
    if (fault != 0)
        say(park_unfit, fault);
    else
        say(park_parked);
    const Message message = wait_for_connection();
    put_in_place(message.connection);
    take_variables(message);
    // Not channel itself before it is said: other threads would no longer wait.
    say(park_taken);
    raw_call(SYS_close, channel.exchange(-1));
    tell_interpreter(message.text, message.size);
}

}  // namespace

void say(char word, char reason) {
    const char text[2]{word, reason};
    raw_call(SYS_sendto, channel.load(), raw_address(text), reason != 0 ? 2 : 1, MSG_NOSIGNAL);
}

void park() {
    int expected = Stage::open;
    if (!stage.compare_exchange_strong(expected, Stage::parking)) {
        wait_for_other_thread();
        return;
    }
    const int error = errno;
    {
        const SignalsBlocked blocked;
        park_once();
    }
    errno = error;
    stage.store(Stage::over);
    raw_call(SYS_futex, raw_address(&stage), FUTEX_WAKE_PRIVATE, 0x7fffffff);
}

void move_channel() {
    const int old = channel.load();
    const long moved =
            raw_call(SYS_fcntl, old, F_DUPFD_CLOEXEC, static_cast<long>(park_number));
    if (moved < 0) return;
    channel.store(static_cast<int>(moved));
    raw_call(SYS_close, old);
}

}  // namespace superd::park
