// SPDX-License-Identifier: MIT
// The journal as a sink: the only file that knows libsystemd's journal calls.
//
// sd_journal_sendv() sends on a blocking socket, and where no journald is it does nothing and
// reports success. So a socket of our own, connected to the same place, is asked first: it says
// whether somebody is there, and, by poll(2), whether there is room.
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "log/sinks.h"

namespace superd {

namespace {

constexpr char journal_path[] = "/run/systemd/journal/socket";

class JournalSink final : public MessageSink {
public:
    using MessageSink::MessageSink;

private:
    int send(const Message& message) override;
    int connect() override;

    Fd probe_;
};

int JournalSink::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, journal_path, sizeof journal_path);
    probe_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe_) return errno;
    if (::connect(probe_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0)
        return errno;
    return 0;
}

// The other end may have been closed and bound anew since: then poll(2) reports a hang-up.
int room(int probe) {
    pollfd entry{probe, POLLOUT, 0};
    const int n = ::poll(&entry, 1, 0);
    if (n < 0) return errno == EINTR ? EAGAIN : errno;
    if ((entry.revents & (POLLHUP | POLLERR)) != 0) return ECONNREFUSED;
    return (entry.revents & POLLOUT) != 0 ? 0 : EAGAIN;
}

int JournalSink::send(const Message& message) {
    if (const int error = room(probe_.get()); error != 0) return error;
    const std::string fields[] = {
            "MESSAGE=" + message.text,
            "PRIORITY=" + std::to_string(message.priority),
            "SYSLOG_IDENTIFIER=" + (message.own != nullptr ? message.own : message.service),
            message.pid > 0 ? "SYSLOG_PID=" + std::to_string(message.pid) : "",
            "SYSLOG_FACILITY=3",
            message.service.empty() ? "" : "SUPERD_SERVICE=" + message.service,
    };
    iovec parts[std::size(fields)];
    int count = 0;
    for (const std::string& field : fields)
        if (!field.empty()) parts[count++] = {const_cast<char*>(field.data()), field.size()};
    const int result = ::sd_journal_sendv(parts, count);
    return result < 0 ? -result : 0;
}

}  // namespace

std::unique_ptr<Sink> make_journal_sink(SinkPlan plan) {
    return std::make_unique<JournalSink>(std::move(plan));
}

}  // namespace superd
