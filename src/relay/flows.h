// SPDX-License-Identifier: MIT
// Datagrams passed on: for each client a conversation with a socket of its own towards the
// upstream, so that answers find their way back. superd lets each conversation in and opens its
// socket.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.h"

#include "relay/conversation.h"
#include "relay/datagrams.h"

namespace superd {

class DatagramForward final : public Watcher, public Task {
public:
    DatagramForward(
            ConversationOwner& owner, DatagramBuffers& buffers, WatchNumber watch, Fd socket);
    // Its conversations end.
    ~DatagramForward() override;

    // superd's answer to FlowAskedMessage.
    void admit(const FlowMessage& message, Fd upstream);
    void refuse(std::uint32_t flow);
    // False: it has no such conversation.
    bool end(const ConnectionName& name, RelayEnd how);

    [[nodiscard]] std::size_t flows() const { return by_peer_.size(); }

    void on_events(std::uint32_t events) override;
    void on_turn() override;

private:
    struct Flow;
    using Key = std::string;  // the client's socket address, byte by byte

    void work();
    void take(mmsghdr& message);
    Flow* find_or_ask(const msghdr& message);
    void pass_on(Flow& flow, std::string_view datagram);
    void read_upstream(Flow& flow);
    void forget(Flow& flow, RelayEnd how);
    [[nodiscard]] Flow* find(std::uint32_t number);

    ConversationOwner& owner_;
    DatagramBuffers& buffers_;
    const WatchNumber watch_;
    const Fd socket_;
    std::unordered_map<Key, std::unique_ptr<Flow>> by_peer_;
    std::map<std::uint32_t, Flow*> by_number_;
    std::vector<std::unique_ptr<Flow>> graveyard_;  // until the turn is over
    std::uint32_t next_flow_ = 1;
    std::size_t asked_ = 0;  // that superd has not answered
};

}  // namespace superd
