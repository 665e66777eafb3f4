// SPDX-License-Identifier: MIT
// The messages between superd and superd-relay: encoding and decoding.
#include "relay/protocol.h"

#include <algorithm>

namespace superd {

namespace {

enum class To : std::uint8_t {
    greet = 1,
    serve,
    end,
    pump,
    upstream,
    answer,
    watch,
    forward,
    flow,
    flow_refused,
    unwatch
};
enum class From : std::uint8_t {
    ready = 64,
    ended,
    unreached,
    asked,
    ident,
    sensed,
    counts,
    flow_asked
};

constexpr std::uint64_t largest_errno = 4095;

// What a tcpmux client may ask for: superd compares it with names and writes it into its log.
bool is_service_word(std::string_view text) {
    const auto fits = [](char c) {
        return c > ' ' && c <= '~' && !(c >= 'A' && c <= 'Z');
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

class Encoder {
public:
    template <class Type>
    explicit Encoder(Type type) {
        out_.reserve(64);
        number(static_cast<std::uint8_t>(type), 1);
    }

    void number(std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i)
            out_ += static_cast<char>(value >> (8 * i) & 0xff);
    }

    void name(const ConnectionName& name) {
        number(name.record, 4);
        number(name.id, 8);
    }

    void duration(Nanoseconds duration) {
        if (duration.count() < 0) good_ = false;
        number(static_cast<std::uint64_t>(duration.count()), 8);
    }

    void text(std::string_view text, std::size_t limit) {
        if (text.size() > limit) good_ = false;
        number(text.size(), 2);
        out_ += text;
    }

    void endpoint(const Endpoint& endpoint) {
        if (endpoint.family != Family::ip) good_ = false;
        out_.append(reinterpret_cast<const char*>(endpoint.ip.bytes.data()), 16);
        number(endpoint.scope, 4);
        number(endpoint.port, 2);
    }

    void refuse_unless(bool good) { good_ = good_ && good; }

    [[nodiscard]] std::optional<std::string> take() {
        if (!good_ || out_.size() > relay_packet_limit) return std::nullopt;
        return std::move(out_);
    }

private:
    std::string out_;
    bool good_ = true;
};

// Reads past the end give zeros and are remembered; take the values, then ask complete().
class Decoder {
public:
    explicit Decoder(std::string_view in) : in_(in) {}

    std::uint64_t number(unsigned bytes, std::uint64_t limit = ~std::uint64_t{0}) {
        if (in_.size() < bytes) return spoil();
        std::uint64_t value = 0;
        for (unsigned i = 0; i < bytes; ++i)
            value |= std::uint64_t{static_cast<unsigned char>(in_[i])} << (8 * i);
        in_.remove_prefix(bytes);
        return value <= limit ? value : spoil();
    }

    template <class Enum>
    Enum word(Enum last) {
        return static_cast<Enum>(number(1, static_cast<std::uint64_t>(last)));
    }

    ConnectionName name() {
        ConnectionName name;
        name.record = static_cast<std::uint32_t>(number(4));
        name.id = number(8);
        return name;
    }

    Nanoseconds duration() {
        return Nanoseconds(number(8, static_cast<std::uint64_t>(Nanoseconds::max().count())));
    }

    std::string text(std::size_t limit) {
        const std::size_t size = number(2, limit);
        if (in_.size() < size) {
            spoil();
            return {};
        }
        std::string text(in_.substr(0, size));
        in_.remove_prefix(size);
        return text;
    }

    Endpoint endpoint() {
        Endpoint endpoint;
        endpoint.family = Family::ip;
        for (std::uint8_t& byte : endpoint.ip.bytes)
            byte = static_cast<std::uint8_t>(number(1));
        endpoint.scope = static_cast<std::uint32_t>(number(4));
        endpoint.port = static_cast<std::uint32_t>(number(2));
        return endpoint;
    }

    std::uint16_t port() { return static_cast<std::uint16_t>(number(2)); }

    std::uint32_t word32() { return static_cast<std::uint32_t>(number(4)); }

    [[nodiscard]] bool good() const { return good_; }

    template <class Message>
    [[nodiscard]] std::optional<Message> finish(Message message) const {
        if (!good_ || !in_.empty()) return std::nullopt;
        return message;
    }

private:
    std::uint64_t spoil() {
        good_ = false;
        in_ = {};
        return 0;
    }

    std::string_view in_;
    bool good_ = true;
};

std::optional<std::string> encode(const GreetMessage& message) {
    Encoder out(To::greet);
    out.number(message.version, 4);
    return out.take();
}

std::optional<std::string> encode(const ServeMessage& message) {
    Encoder out(To::serve);
    out.name(message.name);
    out.number(static_cast<std::uint8_t>(message.builtin), 1);
    out.duration(message.idle);
    return out.take();
}

std::optional<std::string> encode(const PumpMessage& message) {
    Encoder out(To::pump);
    out.name(message.name);
    out.duration(message.idle);
    out.duration(message.connect);
    out.text(message.header, relay_header_limit);
    return out.take();
}

std::optional<std::string> encode(const UpstreamMessage& message) {
    Encoder out(To::upstream);
    out.name(message.name);
    return out.take();
}

std::optional<std::string> encode(const UnreachedMessage& message) {
    Encoder out(From::unreached);
    out.name(message.name);
    out.number(static_cast<std::uint32_t>(message.error), 4);
    return out.take();
}

std::optional<std::string> encode(const EndMessage& message) {
    Encoder out(To::end);
    out.name(message.name);
    out.number(static_cast<std::uint8_t>(message.end), 1);
    out.number(static_cast<std::uint32_t>(message.error), 4);
    return out.take();
}

std::optional<std::string> encode(const ReadyMessage& message) {
    Encoder out(From::ready);
    out.number(message.version, 4);
    out.number(message.sandbox, 4);
    return out.take();
}

std::optional<std::string> encode(const EndedMessage& message) {
    Encoder out(From::ended);
    out.name(message.name);
    out.number(static_cast<std::uint8_t>(message.end), 1);
    out.number(static_cast<std::uint32_t>(message.error), 4);
    out.number(message.received, 8);
    out.number(message.sent, 8);
    return out.take();
}

std::optional<std::string> encode(const AnswerMessage& message) {
    Encoder out(To::answer);
    out.name(message.name);
    out.text(message.text, relay_text_limit);
    out.number(static_cast<std::uint8_t>(message.then), 1);
    out.refuse_unless(message.then != AnswerThen::closing);
    return out.take();
}

std::optional<std::string> encode(const WatchMessage& message) {
    Encoder out(To::watch);
    out.number(message.watch, 4);
    out.number(static_cast<std::uint8_t>(message.builtin), 1);
    out.number(message.rate ? 1 : 0, 1);
    const RatePlan rate = message.rate.value_or(RatePlan{});
    out.number(rate.limit.count, 4);
    out.duration(rate.limit.period);
    out.number(rate.burst, 4);
    out.duration(rate.pause);
    out.refuse_unless(message.own_ports.size() <= relay_ports_limit);
    out.number(message.own_ports.size(), 2);
    for (const std::uint16_t port : message.own_ports)
        out.number(port, 2);
    return out.take();
}

std::optional<std::string> encode(const ForwardMessage& message) {
    Encoder out(To::forward);
    out.number(message.watch, 4);
    return out.take();
}

std::optional<std::string> encode(const FlowMessage& message) {
    Encoder out(To::flow);
    out.number(message.watch, 4);
    out.number(message.flow, 4);
    out.name(message.name);
    out.duration(message.idle);
    out.refuse_unless(message.idle > Nanoseconds::zero());
    return out.take();
}

std::optional<std::string> encode(const FlowRefusedMessage& message) {
    Encoder out(To::flow_refused);
    out.number(message.watch, 4);
    out.number(message.flow, 4);
    return out.take();
}

std::optional<std::string> encode(const UnwatchMessage& message) {
    Encoder out(To::unwatch);
    out.number(message.watch, 4);
    return out.take();
}

std::optional<std::string> encode(const AskedMessage& message) {
    Encoder out(From::asked);
    out.name(message.name);
    out.text(message.service, relay_name_limit);
    out.refuse_unless(is_service_word(message.service));
    return out.take();
}

std::optional<std::string> encode(const IdentMessage& message) {
    Encoder out(From::ident);
    out.name(message.name);
    out.number(message.local, 2);
    out.number(message.remote, 2);
    out.refuse_unless(message.local != 0 && message.remote != 0);
    return out.take();
}

std::optional<std::string> encode(const SensedMessage& message) {
    Encoder out(From::sensed);
    out.number(message.watch, 4);
    out.endpoint(message.peer);
    return out.take();
}

std::optional<std::string> encode(const CountsMessage& message) {
    Encoder out(From::counts);
    out.number(message.watch, 4);
    out.number(message.received, 8);
    out.number(message.answered, 8);
    out.number(message.refused, 8);
    return out.take();
}

std::optional<std::string> encode(const FlowAskedMessage& message) {
    Encoder out(From::flow_asked);
    out.number(message.watch, 4);
    out.number(message.flow, 4);
    out.endpoint(message.peer);
    return out.take();
}

std::optional<AnswerMessage> decode_answer(Decoder& in) {
    AnswerMessage message;
    message.name = in.name();
    message.text = in.text(relay_text_limit);
    message.then = in.word(AnswerThen::hand_over);
    return in.finish(std::move(message));
}

std::optional<WatchMessage> decode_watch(Decoder& in) {
    WatchMessage message;
    message.watch = in.word32();
    message.builtin = in.word(Builtin::sensor);
    const bool rated = in.number(1, 1) == 1;
    RatePlan rate;
    rate.limit.count = in.word32();
    rate.limit.period = in.duration();
    rate.burst = in.word32();
    rate.pause = in.duration();
    if (rated) message.rate = rate;
    const std::uint64_t ports = in.number(2, relay_ports_limit);
    for (std::uint64_t i = 0; i < ports && in.good(); ++i)
        message.own_ports.push_back(in.port());
    const bool proper = rated ? rate.limit.count > 0 && rate.burst > 0 &&
                                        rate.limit.period > Nanoseconds::zero()
                              : rate == RatePlan{};
    if (message.builtin == Builtin::none || !proper) return std::nullopt;
    return in.finish(std::move(message));
}

std::optional<FlowMessage> decode_flow(Decoder& in) {
    FlowMessage message;
    message.watch = in.word32();
    message.flow = in.word32();
    message.name = in.name();
    message.idle = in.duration();
    if (message.idle <= Nanoseconds::zero()) return std::nullopt;
    return in.finish(message);
}

std::optional<FlowRefusedMessage> decode_flow_refused(Decoder& in) {
    FlowRefusedMessage message;
    message.watch = in.word32();
    message.flow = in.word32();
    return in.finish(message);
}

std::optional<AskedMessage> decode_asked(Decoder& in) {
    AskedMessage message;
    message.name = in.name();
    message.service = in.text(relay_name_limit);
    if (!is_service_word(message.service)) return std::nullopt;
    return in.finish(std::move(message));
}

std::optional<IdentMessage> decode_ident(Decoder& in) {
    IdentMessage message;
    message.name = in.name();
    message.local = in.port();
    message.remote = in.port();
    if (message.local == 0 || message.remote == 0) return std::nullopt;
    return in.finish(message);
}

std::optional<SensedMessage> decode_sensed(Decoder& in) {
    SensedMessage message;
    message.watch = in.word32();
    message.peer = in.endpoint();
    return in.finish(message);
}

std::optional<CountsMessage> decode_counts(Decoder& in) {
    CountsMessage message;
    message.watch = in.word32();
    message.received = in.number(8);
    message.answered = in.number(8);
    message.refused = in.number(8);
    return in.finish(message);
}

std::optional<FlowAskedMessage> decode_flow_asked(Decoder& in) {
    FlowAskedMessage message;
    message.watch = in.word32();
    message.flow = in.word32();
    message.peer = in.endpoint();
    return in.finish(message);
}

std::optional<ServeMessage> decode_serve(Decoder& in) {
    ServeMessage message;
    message.name = in.name();
    message.builtin = in.word(Builtin::sensor);
    message.idle = in.duration();
    if (message.builtin == Builtin::none) return std::nullopt;
    return in.finish(message);
}

std::optional<PumpMessage> decode_pump(Decoder& in) {
    PumpMessage message;
    message.name = in.name();
    message.idle = in.duration();
    message.connect = in.duration();
    message.header = in.text(relay_header_limit);
    return in.finish(std::move(message));
}

std::optional<EndMessage> decode_end(Decoder& in) {
    EndMessage message;
    message.name = in.name();
    message.end = in.word(RelayEnd::refused);
    message.error = static_cast<std::int32_t>(in.number(4, largest_errno));
    return in.finish(message);
}

std::optional<UnreachedMessage> decode_unreached(Decoder& in) {
    UnreachedMessage message;
    message.name = in.name();
    message.error = static_cast<std::int32_t>(in.number(4, largest_errno));
    if (message.error == 0) return std::nullopt;
    return in.finish(message);
}

std::optional<EndedMessage> decode_ended(Decoder& in) {
    EndedMessage message;
    message.name = in.name();
    message.end = in.word(RelayEnd::handed_over);
    message.error = static_cast<std::int32_t>(in.number(4, largest_errno));
    message.received = in.number(8);
    message.sent = in.number(8);
    return in.finish(message);
}

}  // namespace

std::string_view relay_end_name(RelayEnd end) {
    switch (end) {
        case RelayEnd::finished: return "finished";
        case RelayEnd::client: return "client";
        case RelayEnd::upstream: return "upstream";
        case RelayEnd::idle: return "idle";
        case RelayEnd::connect: return "connect";
        case RelayEnd::asked: return "closed";
        case RelayEnd::refused: return "refused";
        case RelayEnd::handed_over: return "handed_over";
        case RelayEnd::lost: return "relay_lost";
    }
    return "unknown";
}

std::optional<std::string> encode_message(const ToRelay& message) {
    return std::visit([](const auto& typed) { return encode(typed); }, message);
}

std::optional<std::string> encode_message(const FromRelay& message) {
    return std::visit([](const auto& typed) { return encode(typed); }, message);
}

std::optional<ToRelay> decode_to_relay(std::string_view packet) {
    if (packet.size() > relay_packet_limit) return std::nullopt;
    Decoder in(packet);
    switch (static_cast<To>(in.number(1))) {
        case To::greet:
            return in.finish(GreetMessage{static_cast<std::uint32_t>(in.number(4))});
        case To::serve: return decode_serve(in);
        case To::answer: return decode_answer(in);
        case To::watch: return decode_watch(in);
        case To::forward: return in.finish(ForwardMessage{in.word32()});
        case To::flow: return decode_flow(in);
        case To::flow_refused: return decode_flow_refused(in);
        case To::unwatch: return in.finish(UnwatchMessage{in.word32()});
        case To::pump: return decode_pump(in);
        case To::upstream: return in.finish(UpstreamMessage{in.name()});
        case To::end: return decode_end(in);
    }
    return std::nullopt;
}

std::optional<FromRelay> decode_from_relay(std::string_view packet) {
    if (packet.size() > relay_packet_limit) return std::nullopt;
    Decoder in(packet);
    switch (static_cast<From>(in.number(1))) {
        case From::ready: {
            ReadyMessage message;
            message.version = static_cast<std::uint32_t>(in.number(4));
            message.sandbox = static_cast<std::uint32_t>(in.number(4));
            return in.finish(message);
        }
        case From::ended: return decode_ended(in);
        case From::asked: return decode_asked(in);
        case From::ident: return decode_ident(in);
        case From::sensed: return decode_sensed(in);
        case From::counts: return decode_counts(in);
        case From::flow_asked: return decode_flow_asked(in);
        case From::unreached: return decode_unreached(in);
    }
    return std::nullopt;
}

std::size_t descriptor_count(const ToRelay& message) {
    struct Visitor {
        std::size_t operator()(const PumpMessage&) const { return 2; }

        std::size_t operator()(const WatchMessage&) const { return 2; }

        std::size_t operator()(const ServeMessage&) const { return 1; }

        std::size_t operator()(const UpstreamMessage&) const { return 1; }

        std::size_t operator()(const ForwardMessage&) const { return 1; }

        std::size_t operator()(const FlowMessage&) const { return 1; }

        std::size_t operator()(const GreetMessage&) const { return 0; }

        std::size_t operator()(const EndMessage&) const { return 0; }

        std::size_t operator()(const AnswerMessage&) const { return 0; }

        std::size_t operator()(const FlowRefusedMessage&) const { return 0; }

        std::size_t operator()(const UnwatchMessage&) const { return 0; }
    };

    return std::visit(Visitor{}, message);
}

}  // namespace superd
