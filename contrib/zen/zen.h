// SPDX-License-Identifier: MIT
// The question-and-answer protocol of the demonstration, and the few socket calls that its
// servers share.
//
// A client asks `Beautiful is better than?`; the server answers `Ugly.`. A question ends at its
// question mark, blanks before it do not count. Anything else, up to a line end, the end of the
// stream or 200 bytes, is answered by an error. A line end after a question is given back, so
// that a person at a terminal sees lines and a program sees answers only.
#pragma once

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace zen {

inline std::string_view answer(std::string_view question) {
    if (question == "Beautiful is better than?") return "Ugly.";
    if (question == "Explicit is better than?") return "Implicit.";
    if (question == "Simple is better than?") return "Complex.";
    return "Error: unknown aphorism.";
}

// One client's side of the conversation: bytes go in, answers come out.
class Conversation {
public:
    std::string feed(std::string_view bytes) {
        std::string out;
        for (const char byte : bytes)
            take(byte, out);
        return out;
    }

    // The client will send no more.
    [[nodiscard]] std::string finish() const {
        return question_.empty() ? std::string() : std::string(answer(question_));
    }

private:
    static constexpr std::size_t longest = 200;

    void take(char byte, std::string& out) {
        if (byte == '\r') return;
        if (byte == ' ' && question_.empty()) return;
        if (byte != '\n') question_ += byte;
        const bool ends = byte == '?' || byte == '\n' || question_.size() == longest;
        if (ends && !question_.empty()) {
            out += answer(question_);
            question_.clear();
        }
        if (byte == '\n') out += '\n';
    }

    std::string question_;
};

// A client that goes away is an error of write(2), not the end of a server of many.
inline void survive_lost_clients() {
    (void)std::signal(SIGPIPE, SIG_IGN);
}

inline bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

// Answers on `out` what is asked on `in` until the client has no more questions.
inline void converse(int in, int out) {
    Conversation conversation;
    char buffer[512];
    for (;;) {
        const ssize_t n = read(in, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        if (!write_all(out, conversation.feed({buffer, static_cast<std::size_t>(n)}))) return;
    }
    write_all(out, conversation.finish());
}

[[noreturn]] inline void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

// A whole number that a person or superd wrote.
inline int number(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
    std::fprintf(stderr, "not a number: %.*s\n", static_cast<int>(text.size()), text.data());
    std::exit(2);
}

// A listening socket on 127.0.0.1, for running without superd; port 0 lets the kernel choose.
inline int listen_on(const char* port_text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<in_port_t>(number(port_text)));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(fd, generic, length) != 0 || listen(fd, 128) != 0) die("listen");
    getsockname(fd, generic, &length);
    std::fprintf(stderr, "listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    return fd;
}

// The value behind --NAME on the command line; nullptr where it is not there.
inline const char* option(int argc, char** argv, std::string_view name) {
    for (int i = 1; i + 1 < argc; ++i)
        if (argv[i] == name) return argv[i + 1];
    return nullptr;
}

// The listening socket of a server: descriptor 3 where LISTEN_FDS is meant for this process,
// else one of its own on --port, 1060 where none is said.
inline int listener(int argc, char** argv) {
    const char* port = option(argc, argv, "--port");
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    const bool given = pid != nullptr && count != nullptr && number(pid) == getpid();
    if (port == nullptr && given && number(count) > 0) return 3;
    return listen_on(port != nullptr ? port : "1060");
}

// The next client, blocking; the listener may be non-blocking, since whoever shares it can make
// it so at any time, and another process may be faster. -1 when none came within
// `milliseconds`.
inline int accept_next(int listener, int milliseconds = -1) {
    for (;;) {
        const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (client >= 0) return client;
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) die("accept");
        pollfd ready{listener, POLLIN, 0};
        if (errno == EAGAIN && poll(&ready, 1, milliseconds) == 0) return -1;
    }
}

// One client after the other, each to its end. One that is silent for five seconds loses its
// turn, for the others wait behind it.
[[noreturn]] inline void serve_in_turn(int listener) {
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    for (;;) {
        const int client = accept_next(listener);
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        converse(client, client);
        close(client);
    }
}

}  // namespace zen
