// SPDX-License-Identifier: MIT
// superd-relay's main object: takes connections from superd, serves them, says how they ended.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "relay/channel.h"
#include "relay/conversation.h"
#include "relay/datagrams.h"
#include "relay/flows.h"
#include "relay/poller.h"
#include "relay/profiles.h"

namespace superd {

// How it ends: superd has closed the channel and the last connection has ended. A superd that
// was killed has not closed it (its guard holds it too): the next one goes on where that one
// stopped.
class Relay final : private ConversationOwner, private Watcher {
public:
    // channel: the SOCK_SEQPACKET end that superd passed. sandbox: SandboxBits to tell.
    Relay(Fd channel, const Clock& clock, std::uint32_t sandbox);
    ~Relay() override;

    void run();
    // One turn, waiting at most so many milliseconds (-1: for ever). False: it has ended.
    bool turn(int max_ms);

    [[nodiscard]] std::size_t conversations() const { return conversations_.size(); }

private:
    [[nodiscard]] Poller& poller() override { return poller_; }

    [[nodiscard]] PipePool& pipes() override { return pipes_; }

    [[nodiscard]] const Clock& clock() override { return clock_; }

    void on_unreached(Conversation& conversation, int error) override;
    void on_ended(Conversation& conversation, RelayEnd end, int error) override;
    void on_told(Conversation& conversation) override;
    void on_events(std::uint32_t events) override;

    void take_messages();
    void handle(ToRelayPacket packet);
    // One for each message; as many descriptors as it says.
    void take(const GreetMessage& message, std::vector<Fd>&);
    void take(const ServeMessage& message, std::vector<Fd>& descriptors);
    void take(const PrefaceMessage& message, std::vector<Fd>& descriptors);
    void take(const PumpMessage& message, std::vector<Fd>& descriptors);
    void take(const UpstreamMessage& message, std::vector<Fd>& descriptors);
    void take(const EndMessage& message, std::vector<Fd>&);
    void take(const AnswerMessage& message, std::vector<Fd>&);
    void take(const WatchMessage& message, std::vector<Fd>& descriptors);
    void take(const ForwardMessage& message, std::vector<Fd>& descriptors);
    void take(const FlowMessage& message, std::vector<Fd>& descriptors);
    void take(const FlowRefusedMessage& message, std::vector<Fd>&);
    void take(const UnwatchMessage& message, std::vector<Fd>&);
    void take(const ProfileMessage& message, std::vector<Fd>& descriptors);
    void take(const DropProfileMessage& message, std::vector<Fd>&);
    void take(const KeysMessage& message, std::vector<Fd>& descriptors);
    void take(const TicketsMessage& message, std::vector<Fd>&);
    void take(const SecureMessage& message, std::vector<Fd>& descriptors);
    void begin(std::unique_ptr<Conversation> conversation);
    [[nodiscard]] bool is_known(const ConnectionName& name);
    [[nodiscard]] Conversation* find(const ConnectionName& name);
    void send_counts();
    void tell(const FromRelay& message) override;
    void flush();

    const Clock& clock_;
    Poller poller_;
    PipePool pipes_;
    Fd channel_;
    std::unordered_map<std::uint32_t, std::unique_ptr<Conversation>> conversations_;
    std::vector<std::unique_ptr<Conversation>> graveyard_;  // until the turn is over
    std::deque<std::string> waiting_;  // for the end of the turn, and room in the channel
    RelayPacket packet_;
    // The last ones taken: a superd that was killed between giving one and writing that down
    // gives it again.
    std::array<std::uint64_t, 64> taken_{};
    std::size_t next_taken_ = 0;
    DatagramBuffers buffers_;
    std::unordered_map<WatchNumber, std::unique_ptr<DatagramService>> services_;
    std::unordered_map<WatchNumber, std::unique_ptr<DatagramForward>> forwards_;

    TlsProfiles profiles_;

    struct CountTimer final : WheelTimer {
        explicit CountTimer(Relay& its) : relay(its) {}

        void on_time() override { relay.send_counts(); }

        Relay& relay;
    };

    CountTimer count_timer_;
    bool draining_ = false;
};

}  // namespace superd
