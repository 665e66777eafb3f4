// SPDX-License-Identifier: MIT
#include "sys/warm_recovery.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/accept.h"
#include "sys/park_protocol.h"
#include "sys/process.h"

namespace superd {

namespace {

constexpr int patience_ms = 2000;

bool is_warm(const ProcessRecord& record) {
    return record.kind == ProcessKind::warm && record.state.load() != RecordState::free;
}

// The record of the connection on its way; null: it has arrived, for that is when it goes.
ProcessRecord* connection_of(State& state, const ProcessRecord& warm) {
    const auto records = state.processes().first(state.header().process_high);
    const auto found =
            std::find_if(records.begin(), records.end(), [&](const ProcessRecord& record) {
                return record.kind == ProcessKind::handler && record.id == warm.id &&
                       record.state.load() == RecordState::accepted && record.pid.load() == 0;
            });
    return found == records.end() ? nullptr : &*found;
}

// It has ended, or will not say anything more, when this returns false.
bool wait_for_answer(const ProcessRecord& warm, int channel) {
    // What has been sent is there for it to read, and then the end.
    ::shutdown(channel, SHUT_WR);
    pollfd entry{.fd = channel, .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, patience_ms) == 1) return has_taken(channel);
    (void)signal_process(warm, SIGKILL);
    // Its end of the channel goes with it.
    while (::poll(&entry, 1, patience_ms) < 0 && errno == EINTR) {
    }
    return has_taken(channel);
}

void close_channel(ProcessRecord& warm) {
    const int channel = warm.connection.exchange(-1);
    if (channel >= 0) ::close(channel);
}

void settle(State& state, ProcessRecord& warm) {
    const int channel = warm.connection.load();
    ProcessRecord* const from = warm.id != 0 ? connection_of(state, warm) : nullptr;
    if (warm.id != 0 && (from == nullptr || (channel >= 0 && wait_for_answer(warm, channel)))) {
        const int connection = from != nullptr ? from->connection.load() : -1;
        const bool still_it = connection >= 0 && socket_cookie(connection) == from->cookie;
        if (from != nullptr)
            become_handler(warm, *from);
        else
            warm.kind = ProcessKind::handler;
        if (still_it) ::close(connection);
        close_channel(warm);
        return;
    }
    if (warm.pid.load() != 0) (void)signal_process(warm, SIGKILL);
    warm.id = 0;
    close_channel(warm);
}

}  // namespace

bool has_taken(int channel) {
    char word = 0;
    return ::recv(channel, &word, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && word == park_taken;
}

void become_handler(ProcessRecord& warm, ProcessRecord& from) {
    warm.peer = from.peer;
    warm.local = from.local;
    warm.listener = from.listener;
    warm.source = from.source;
    warm.banner_sent = from.banner_sent;
    warm.started = from.started;
    warm.generation = from.generation;
    // Before its own record goes: nobody takes a copy of it for a client that is not known.
    warm.cookie = from.cookie;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    from.state.store(RecordState::free, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    warm.flags = 0;
    warm.kind = ProcessKind::handler;
}

void settle_warm(State& state) {
    for (ProcessRecord& record : state.processes().first(state.header().process_high))
        if (is_warm(record)) settle(state, record);
}

}  // namespace superd
