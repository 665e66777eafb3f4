// SPDX-License-Identifier: MIT
#include "relay/flows.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/epoll.h>

namespace superd {

namespace {

// Answers of one upstream before the others have their turn.
constexpr int answers_a_turn = 16;
// Conversations that superd is asked about at one time; datagrams of more are lost.
constexpr std::size_t most_asked = 256;
// Datagrams of a flow, and their bytes, that wait for superd's answer; the rest is lost, as
// datagrams may be.
constexpr std::size_t most_waiting = 8, most_waiting_bytes = 64 * 1024;
// For so long somebody who was not let in is not asked about again.
constexpr Nanoseconds refused_for = std::chrono::seconds(1);

}  // namespace

struct DatagramForward::Flow final : Watcher, WheelTimer, Task {
    enum class State : std::uint8_t { asked, open, refused, gone };

    explicit Flow(DatagramForward& its) : forward(its) {}

    void on_events(std::uint32_t) override { forward.read_upstream(*this); }

    void on_turn() override { forward.read_upstream(*this); }

    void on_time() override {
        Poller& poller = forward.owner_.poller();
        if (state == State::open && touched + idle > poller.now())
            poller.wheel().set(*this, touched + idle);
        else
            forward.forget(*this, RelayEnd::idle);
    }

    DatagramForward& forward;
    std::uint32_t number = 0;
    State state = State::asked;
    Key key;
    sockaddr_storage peer{};
    socklen_t peer_length = 0;
    // Of the first datagram, turned round: answers leave by the address it came to.
    alignas(cmsghdr) char control[128]{};
    std::size_t control_length = 0;
    ConnectionName name;
    Nanoseconds idle{0};
    Mono touched{};
    Fd upstream;
    std::vector<std::string> waiting;
    std::size_t waiting_bytes = 0;
    std::uint64_t received = 0, sent = 0;
};

DatagramForward::DatagramForward(
        ConversationOwner& owner, DatagramBuffers& buffers, WatchNumber watch, Fd socket)
        : owner_(owner), buffers_(buffers), watch_(watch), socket_(std::move(socket)) {
    ask_for_destination(socket_.get());
    if (!owner_.poller().add(socket_.get(), *this)) owner_.poller().again(*this);
}

DatagramForward::~DatagramForward() {
    while (!by_peer_.empty())
        forget(*by_peer_.begin()->second, RelayEnd::asked);
    owner_.poller().take_back(*this);
    owner_.poller().remove(socket_.get(), *this);
}

void DatagramForward::on_events(std::uint32_t events) {
    if ((events & (EPOLLIN | EPOLLERR)) != 0) work();
}

void DatagramForward::on_turn() {
    graveyard_.clear();
    work();
}

// ---- from clients

void DatagramForward::work() {
    const bool more = buffers_.receive(socket_.get(), [this](std::span<mmsghdr> batch) {
        for (mmsghdr& message : batch)
            take(message);
    });
    if (more) owner_.poller().again(*this);
}

void DatagramForward::take(mmsghdr& message) {
    Flow* flow = find_or_ask(message.msg_hdr);
    if (flow == nullptr || flow->state == Flow::State::refused) return;
    const std::string_view datagram(
            static_cast<const char*>(message.msg_hdr.msg_iov->iov_base), message.msg_len);
    if (flow->state == Flow::State::open)
        pass_on(*flow, datagram);
    else if (flow->waiting.size() < most_waiting &&
             flow->waiting_bytes + datagram.size() <= most_waiting_bytes) {
        flow->waiting.emplace_back(datagram);
        flow->waiting_bytes += datagram.size();
    }
}

DatagramForward::Flow* DatagramForward::find_or_ask(const msghdr& message) {
    Key key(static_cast<const char*>(message.msg_name), message.msg_namelen);
    const auto known = by_peer_.find(key);
    if (known != by_peer_.end()) return known->second.get();
    const Endpoint peer =
            Endpoint::from(static_cast<const sockaddr*>(message.msg_name), message.msg_namelen);
    if (peer.family != Family::ip || asked_ >= most_asked) return nullptr;
    auto flow = std::make_unique<Flow>(*this);
    flow->number = next_flow_++;
    flow->key = key;
    std::memcpy(&flow->peer, message.msg_name, message.msg_namelen);
    flow->peer_length = message.msg_namelen;
    msghdr turned = message;
    answer_from_destination(turned);
    flow->control_length = std::min(turned.msg_controllen, sizeof flow->control);
    if (flow->control_length > 0)
        std::memcpy(flow->control, turned.msg_control, flow->control_length);
    ++asked_;
    owner_.tell(FlowAskedMessage{watch_, flow->number, peer});
    Flow& made = *flow;
    by_number_[made.number] = &made;
    by_peer_[std::move(key)] = std::move(flow);
    return &made;
}

void DatagramForward::pass_on(Flow& flow, std::string_view datagram) {
    flow.touched = owner_.poller().now();
    flow.received += datagram.size();
    // ECONNREFUSED is of an earlier one; whoever is not there now may be there soon.
    (void)::send(
            flow.upstream.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

// ---- superd's answers

DatagramForward::Flow* DatagramForward::find(std::uint32_t number) {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second;
}

void DatagramForward::admit(const FlowMessage& message, Fd upstream) {
    Flow* flow = find(message.flow);
    if (flow == nullptr || flow->state != Flow::State::asked) {
        owner_.tell(EndedMessage{.name = message.name, .end = RelayEnd::refused});
        return;
    }
    --asked_;
    Poller& poller = owner_.poller();
    flow->state = Flow::State::open;
    flow->name = message.name;
    flow->idle = message.idle;
    flow->touched = poller.now();
    flow->upstream = std::move(upstream);
    poller.wheel().set(*flow, flow->touched + flow->idle);
    if (!poller.add(flow->upstream.get(), *flow)) return forget(*flow, RelayEnd::upstream);
    for (const std::string& datagram : std::exchange(flow->waiting, {}))
        pass_on(*flow, datagram);
}

void DatagramForward::refuse(std::uint32_t number) {
    Flow* flow = find(number);
    if (flow == nullptr || flow->state != Flow::State::asked) return;
    --asked_;
    flow->state = Flow::State::refused;
    flow->waiting.clear();
    owner_.poller().wheel().set(*flow, owner_.poller().now() + refused_for);
}

bool DatagramForward::end(const ConnectionName& name, RelayEnd how) {
    for (const auto& [number, flow] : by_number_) {
        if (flow->state != Flow::State::open || flow->name != name) continue;
        forget(*flow, how);
        return true;
    }
    return false;
}

void DatagramForward::forget(Flow& flow, RelayEnd how) {
    flow.cancel();
    owner_.poller().take_back(flow);
    if (flow.state == Flow::State::asked) --asked_;
    if (flow.state == Flow::State::open) {
        owner_.poller().remove(flow.upstream.get(), flow);
        owner_.tell(EndedMessage{
                .name = flow.name, .end = how, .received = flow.received, .sent = flow.sent});
    }
    flow.state = Flow::State::gone;
    by_number_.erase(flow.number);
    const auto known = by_peer_.find(flow.key);
    // The caller may be the flow itself: it goes with the next turn.
    graveyard_.push_back(std::move(known->second));
    by_peer_.erase(known);
    owner_.poller().again(*this);
}

// ---- from the upstream

void DatagramForward::read_upstream(Flow& flow) {
    for (int i = 0; i < answers_a_turn && flow.state == Flow::State::open; ++i) {
        char* const data = buffers_.data(0);
        const ssize_t n =
                ::recv(flow.upstream.get(), data, DatagramBuffers::size, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) continue;  // an ICMP error, reported once
        flow.touched = owner_.poller().now();
        iovec part{data, static_cast<std::size_t>(n)};
        msghdr answer{};
        answer.msg_name = &flow.peer;
        answer.msg_namelen = flow.peer_length;
        answer.msg_iov = &part;
        answer.msg_iovlen = 1;
        answer.msg_control = flow.control_length > 0 ? flow.control : nullptr;
        answer.msg_controllen = flow.control_length;
        if (::sendmsg(socket_.get(), &answer, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            flow.sent += static_cast<std::uint64_t>(n);
    }
    if (flow.state == Flow::State::open) owner_.poller().again(flow);
}

}  // namespace superd
