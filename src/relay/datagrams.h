// SPDX-License-Identifier: MIT
// The builtins over datagrams: one answer to one datagram, if it may have any.
//
// A small service that answers whoever asks is a weapon against whoever is named as the asker.
// No answer goes to a port below 1024, to a port of this superd's own small services (two of
// them would talk for ever), for a datagram that was sent to more than one host, to a source
// that access or its rate keep out; and none but echo's is longer than a line.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "relay/access_list.h"
#include "relay/poller.h"
#include "relay/protocol.h"
#include "relay/source_rates.h"

namespace superd {

// Where datagrams lie between being read and answered; one for all listeners of a relay.
class DatagramBuffers {
public:
    static constexpr std::size_t count = 16, size = 65536;

    DatagramBuffers();

    struct Slot {
        sockaddr_storage peer;
        alignas(cmsghdr) char control[128];
        iovec part;
    };

    // Batches of what waits at the socket, each for take(), until nothing waits there or it is
    // the others' turn. True: there may be more.
    [[nodiscard]] bool receive(
            int socket, const std::function<void(std::span<mmsghdr> batch)>& take);

    [[nodiscard]] char* data(std::size_t index) { return bytes_.get() + index * size; }

    std::array<mmsghdr, count> messages{};
    std::array<Slot, count> slots{};

private:
    // For recvmmsg(2): every slot empty, every buffer whole.
    void prepare();

    std::unique_ptr<char[]> bytes_;  // pages are touched as datagrams need them
};

// Makes the kernel say which address a datagram was sent to, and answers leave from that one.
void ask_for_destination(int socket);
// True for a datagram that was sent to a broadcast or multicast address.
[[nodiscard]] bool was_for_many(const msghdr& message);
// Turns the control data of a datagram into that of its answer: it leaves by the address and
// interface that it came to.
void answer_from_destination(msghdr& message);

// May a small service answer a datagram of this source at all?
[[nodiscard]] bool is_reflector_port(std::uint32_t port, std::span<const std::uint16_t> own);

class DatagramService final : public Watcher, public Task {
public:
    struct Counts {
        std::uint64_t received = 0, answered = 0, refused = 0;
    };

    struct News {
        std::function<void(const Endpoint&)> on_sensed;  // a datagram came to a sensor
        std::function<void()> on_counted;                // counts() have changed
    };

    DatagramService(Poller& poller, DatagramBuffers& buffers, const Clock& clock,
            const WatchMessage& message, Fd socket, AccessList access, News news);
    ~DatagramService() override;

    // Since the last call.
    [[nodiscard]] Counts take_counts() { return std::exchange(counts_, {}); }

    void on_events(std::uint32_t events) override;
    void on_turn() override;

private:
    void work();
    // The answer is written into the datagram's buffer; false: none is due.
    [[nodiscard]] bool answer(std::size_t index);
    [[nodiscard]] bool may_answer(const Endpoint& peer, const msghdr& message);
    [[nodiscard]] bool takes_of_total();
    void send(std::size_t count);

    Poller& poller_;
    DatagramBuffers& buffers_;
    const Clock& clock_;
    const Builtin builtin_;
    const std::vector<std::uint16_t> own_ports_;
    const Fd socket_;
    const AccessList access_;
    SourceRates rates_;
    const std::optional<RatePlan> total_;
    double tokens_ = 0;
    std::int64_t tokens_at_ = 0, paused_until_ = 0;
    const News news_;
    std::array<mmsghdr, DatagramBuffers::count> answers_{};
    std::size_t chargen_offset_ = 0;
    Counts counts_;
};

}  // namespace superd
