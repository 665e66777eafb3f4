// SPDX-License-Identifier: MIT
// The client of the demonstration: asks its questions on one connection, prints each answer.
//
//   zen_ask 1060 "Beautiful is better than?" "Simple is better than?"
#include "zen.h"

namespace {

int connect_to(const char* port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<in_port_t>(zen::number(port)));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        zen::die("connect");
    return fd;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s PORT QUESTION...\n", argv[0]);
        return 2;
    }
    const int server = connect_to(argv[1]);
    for (int i = 2; i < argc; ++i) {
        // The line end comes back behind the answer and ends the line that is printed.
        if (!zen::write_all(server, std::string(argv[i]) + "\n")) zen::die("send");
    }
    shutdown(server, SHUT_WR);

    char buffer[512];
    ssize_t n = 0;
    bool answered = false;
    while ((n = read(server, buffer, sizeof buffer)) > 0) {
        answered = true;
        zen::write_all(STDOUT_FILENO, {buffer, static_cast<std::size_t>(n)});
    }
    if (!answered) std::fprintf(stderr, "the server closed the connection without an answer\n");
    return answered ? 0 : 1;
}
