// SPDX-License-Identifier: MIT
// Load for a zen server: many clients at once, each asks, waits for the answer and asks again.
//
//   zen_load [--clients 50] [--seconds 3] [--each 0] PORT
//
// `--each N` makes a client leave after N questions and come again on a new connection; with 0
// it stays. One line is printed: questions a second, how many clients were answered at all,
// wrong answers, connections that broke, and the time from connect(2) to the first byte.
#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include <sys/epoll.h>

#include "zen.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<std::string_view, 3> questions = {
        "Beautiful is better than?", "Explicit is better than?", "Simple is better than?"};

struct Client {
    int fd = -1;
    Clock::time_point connected;
    std::size_t turn = 0;  // which of the questions is being asked
    int asked = 0;         // on this connection
    bool served = false;   // an answer has come, on whichever connection
    std::string answer;    // as far as it is there
};

class Load {
public:
    Load(const char* port, int clients, int each)
            : port_(zen::number(port)),
              each_(each),
              clients_(static_cast<std::size_t>(clients)) {}

    void run(std::chrono::seconds length) {
        const auto begin = Clock::now();
        const auto end = begin + length;
        for (Client& client : clients_)
            begin_visit(client);
        while (Clock::now() < end)
            turn();
        report(std::chrono::duration<double>(Clock::now() - begin).count());
    }

private:
    void turn() {
        epoll_event ready[64];
        const int count = epoll_wait(epoll_, ready, 64, 100);
        for (int i = 0; i < count; ++i)
            on_bytes(*static_cast<Client*>(ready[i].data.ptr));
    }

    void begin_visit(Client& client) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<in_port_t>(port_));
        client.connected = Clock::now();
        client.asked = 0;
        client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client.fd < 0) zen::die("socket");
        come_from_elsewhere(client.fd);
        // Blocking: on this host the kernel says yes as soon as there is room in the queue.
        if (connect(client.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
                0)
            zen::die("connect");
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &client;
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event) != 0) zen::die("epoll_ctl");
        ask(client);
    }

    // From 250 addresses in turn: a closed connection keeps its port for a minute, and one
    // address would run out of them within seconds.
    void come_from_elsewhere(int fd) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + visits_++ % 250);
        const int on = 1;
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            zen::die("bind");
    }

    void end_visit(Client& client) {
        close(client.fd);
        client.answer.clear();
        begin_visit(client);
    }

    void ask(Client& client) {
        // What cannot be sent shows as an end of file to the reader.
        zen::write_all(client.fd, questions[client.turn]);
    }

    void on_bytes(Client& client) {
        char buffer[256];
        const ssize_t n = read(client.fd, buffer, sizeof buffer);
        if (n <= 0) {
            ++broken_;
            end_visit(client);
            return;
        }
        if (client.asked == 0 && client.answer.empty()) note_first_byte(client);
        client.answer.append(buffer, static_cast<std::size_t>(n));
        if (client.answer.back() == '.') on_answer(client);
    }

    void on_answer(Client& client) {
        wrong_ += client.answer != zen::answer(questions[client.turn]);
        client.answer.clear();
        client.served = true;
        client.turn = (client.turn + 1) % questions.size();
        ++answers_;
        if (++client.asked == each_)
            end_visit(client);
        else
            ask(client);
    }

    void note_first_byte(const Client& client) {
        const auto took = Clock::now() - client.connected;
        first_bytes_.push_back(std::chrono::duration<double, std::micro>(took).count());
    }

    double first_byte(double part) {
        if (first_bytes_.empty()) return 0;
        const auto place =
                static_cast<std::size_t>(part * static_cast<double>(first_bytes_.size() - 1));
        std::sort(first_bytes_.begin(), first_bytes_.end());
        return first_bytes_[place];
    }

    void report(double seconds) {
        const auto served = std::count_if(clients_.begin(), clients_.end(),
                [](const Client& client) { return client.served; });
        std::printf(
                "questions=%ld per_second=%.0f served=%ld/%zu wrong=%ld broken=%ld "
                "first_byte_us=%.0f first_byte_p99_us=%.0f\n",
                answers_, static_cast<double>(answers_) / seconds, static_cast<long>(served),
                clients_.size(), wrong_, broken_, first_byte(0.5), first_byte(0.99));
    }

    int port_;
    int each_;
    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    std::vector<Client> clients_;
    std::vector<double> first_bytes_;
    std::uint32_t visits_ = 0;
    long answers_ = 0, wrong_ = 0, broken_ = 0;
};

int option_or(int argc, char** argv, std::string_view name, int otherwise) {
    const char* text = zen::option(argc, argv, name);
    return text != nullptr ? zen::number(text) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc % 2 != 0) {
        std::fprintf(
                stderr, "usage: %s [--clients N] [--seconds N] [--each N] PORT\n", argv[0]);
        return 2;
    }
    zen::survive_lost_clients();
    Load load(argv[argc - 1], option_or(argc, argv, "--clients", 50),
            option_or(argc, argv, "--each", 0));
    load.run(std::chrono::seconds(option_or(argc, argv, "--seconds", 3)));
}
