// SPDX-License-Identifier: MIT
// The messages from superd to superd-log: encoding, decoding, sending, receiving.
#include "log/channel.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace superd {

namespace {

enum class Type : std::uint8_t { config = 1, events, service, listener, drain, file, route };

constexpr std::uint8_t last_facility = 23;
constexpr std::uint8_t no_severity = 8;

class Encoder {
public:
    explicit Encoder(Type type) { number(static_cast<std::uint8_t>(type), 1); }

    void number(std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i)
            out_ += static_cast<char>(value >> (8 * i) & 0xff);
    }

    void string(std::string_view text, std::size_t limit) {
        good_ = good_ && text.size() <= limit;
        number(text.size(), 2);
        out_ += text;
    }

    void size(const std::optional<std::uint64_t>& bytes) {
        number(bytes ? 1 : 0, 1);
        number(bytes.value_or(0), 8);
    }

    void sink(const SinkPlan& plan) {
        number(static_cast<std::uint8_t>(plan.kind), 1);
        string(plan.path, path_limit);
        number(plan.facility, 1);
        number(plan.severity.value_or(no_severity), 1);
        size(plan.soft_size);
        size(plan.hard_size);
    }

    [[nodiscard]] std::optional<std::string> take() {
        if (!good_ || out_.size() > frame_limit) return std::nullopt;
        return std::move(out_);
    }

    void refuse() { good_ = false; }

private:
    std::string out_;
    bool good_ = true;
};

// Reads past the end give zeros and are remembered; take the values, then ask good().
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

    bool boolean() { return number(1, 1) == 1; }

    std::string string(std::size_t limit) {
        const std::size_t size = number(2, limit);
        if (in_.size() < size) {
            spoil();
            return {};
        }
        std::string text(in_.substr(0, size));
        in_.remove_prefix(size);
        return text;
    }

    std::optional<std::uint64_t> size() {
        const bool given = boolean();
        const std::uint64_t bytes = number(8);
        if (!given && bytes != 0) spoil();
        return given ? std::optional(bytes) : std::nullopt;
    }

    SinkPlan sink() {
        SinkPlan plan;
        plan.kind = static_cast<SinkKind>(number(1, 3));
        plan.path = string(path_limit);
        plan.facility = static_cast<std::uint8_t>(number(1, last_facility));
        const auto severity = static_cast<std::uint8_t>(number(1, no_severity));
        if (severity != no_severity) plan.severity = severity;
        plan.soft_size = size();
        plan.hard_size = size();
        return plan;
    }

    [[nodiscard]] bool good() const { return good_; }

    [[nodiscard]] bool complete() const { return good_ && in_.empty(); }

private:
    std::uint64_t spoil() {
        good_ = false;
        in_ = {};
        return 0;
    }

    std::string_view in_;
    bool good_ = true;
};

std::optional<std::string> encode(const ConfigFrame& frame) {
    Encoder out(Type::config);
    if (frame.sinks.size() > sink_limit) out.refuse();
    out.number(static_cast<std::uint8_t>(frame.format), 1);
    out.number(frame.owner, 4);
    out.number(frame.admin_gid.has_value() ? 1 : 0, 1);
    out.number(frame.admin_gid.value_or(0), 4);
    out.number(frame.sinks.size(), 1);
    for (const SinkFrame& sink : frame.sinks) {
        out.sink(sink.plan);
        out.number(sink.opened ? 1 : 0, 1);
    }
    return out.take();
}

std::optional<std::string> encode(const FileFrame& frame) {
    Encoder out(Type::file);
    if (frame.plan.kind != SinkKind::file) out.refuse();
    out.sink(frame.plan);
    return out.take();
}

std::optional<std::string> encode(const RouteFrame& frame) {
    Encoder out(Type::route);
    if (frame.service.empty() || frame.sinks.size() > sink_limit) out.refuse();
    out.string(frame.service, service_name_limit);
    out.number(frame.sinks.size(), 1);
    for (const SinkPlan& sink : frame.sinks)
        out.sink(sink);
    return out.take();
}

std::optional<std::string> encode(const EventsFrame& frame) {
    Encoder out(Type::events);
    out.number(static_cast<std::uint32_t>(frame.pid), 4);
    return out.take();
}

std::optional<std::string> encode(const ServiceFrame& frame) {
    Encoder out(Type::service);
    if (frame.service.empty()) out.refuse();
    out.string(frame.service, service_name_limit);
    return out.take();
}

std::optional<std::string> encode(const ListenerFrame&) {
    return Encoder(Type::listener).take();
}

std::optional<std::string> encode(const DrainFrame&) {
    return Encoder(Type::drain).take();
}

std::optional<ConfigFrame> decode_config(Decoder& in) {
    ConfigFrame frame;
    frame.format = static_cast<LogFormat>(in.number(1, 2));
    frame.owner = static_cast<std::uint32_t>(in.number(4));
    const bool has_gid = in.boolean();
    const auto gid = static_cast<std::uint32_t>(in.number(4));
    if (has_gid) frame.admin_gid = gid;
    const std::uint64_t sinks = in.number(1, sink_limit);
    for (std::uint64_t i = 0; i < sinks && in.good(); ++i) {
        SinkFrame sink;
        sink.plan = in.sink();
        sink.opened = in.boolean();
        frame.sinks.push_back(std::move(sink));
    }
    if (!in.complete() || (!has_gid && gid != 0)) return std::nullopt;
    return frame;
}

std::optional<FileFrame> decode_file(Decoder& in) {
    FileFrame frame{in.sink()};
    if (!in.complete() || frame.plan.kind != SinkKind::file) return std::nullopt;
    return frame;
}

std::optional<RouteFrame> decode_route(Decoder& in) {
    RouteFrame frame;
    frame.service = in.string(service_name_limit);
    const std::uint64_t sinks = in.number(1, sink_limit);
    for (std::uint64_t i = 0; i < sinks && in.good(); ++i)
        frame.sinks.push_back(in.sink());
    if (!in.complete() || frame.service.empty()) return std::nullopt;
    return frame;
}

std::optional<ServiceFrame> decode_service(Decoder& in) {
    ServiceFrame frame{in.string(service_name_limit)};
    if (!in.complete() || frame.service.empty()) return std::nullopt;
    return frame;
}

// Descriptors of a message, taken over at once so that no way out of here leaks one.
std::vector<Fd> take_descriptors(msghdr& message) {
    std::vector<Fd> out;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            out.emplace_back(fd);
        }
    }
    return out;
}

}  // namespace

std::optional<std::string> encode_frame(const Frame& frame) {
    return std::visit([](const auto& typed) { return encode(typed); }, frame);
}

std::optional<Frame> decode_frame(std::string_view packet) {
    if (packet.size() > frame_limit) return std::nullopt;
    Decoder in(packet);
    const auto type = static_cast<Type>(in.number(1));
    switch (type) {
        case Type::config: return decode_config(in);
        case Type::service: return decode_service(in);
        case Type::file: return decode_file(in);
        case Type::route: return decode_route(in);
        case Type::events: {
            const EventsFrame frame{static_cast<std::int32_t>(in.number(4))};
            return in.complete() ? std::optional<Frame>(frame) : std::nullopt;
        }
        case Type::listener:
            return in.complete() ? std::optional<Frame>(ListenerFrame{}) : std::nullopt;
        case Type::drain:
            return in.complete() ? std::optional<Frame>(DrainFrame{}) : std::nullopt;
    }
    return std::nullopt;
}

std::size_t descriptor_count(const Frame& frame) {
    struct Visitor {
        std::size_t operator()(const ConfigFrame& config) const {
            std::size_t count = 0;
            for (const SinkFrame& sink : config.sinks)
                count += sink.opened ? 1 : 0;
            return count;
        }

        std::size_t operator()(const FileFrame&) const { return 1; }

        std::size_t operator()(const RouteFrame&) const { return 0; }

        std::size_t operator()(const EventsFrame&) const { return 1; }

        std::size_t operator()(const ServiceFrame&) const { return 1; }

        std::size_t operator()(const ListenerFrame&) const { return 1; }

        std::size_t operator()(const DrainFrame&) const { return 0; }
    };

    return std::visit(Visitor{}, frame);
}

Result<void> send_packet(
        int channel, std::string_view packet, std::span<const int> descriptors) {
    alignas(cmsghdr) char control[CMSG_SPACE(sink_limit * sizeof(int))] = {};
    if (descriptors.size() > sink_limit) return fail(EINVAL, "send", "log channel");
    iovec part{const_cast<char*>(packet.data()), packet.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(c), descriptors.data(), descriptors.size_bytes());
    }
    ssize_t n = 0;
    do {
        n = ::sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return fail("sendmsg", "log channel");
    return {};
}

Result<ReceivedFrame> receive_frame(int channel) {
    // One more than a packet and its descriptors may have: what fills it is none of ours.
    char data[frame_limit + 1];
    alignas(cmsghdr) char control[CMSG_SPACE((sink_limit + 1) * sizeof(int))];
    iovec part{data, sizeof data};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = 0;
    do {
        n = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return fail("recvmsg", "log channel");
    std::vector<Fd> descriptors = take_descriptors(message);
    if (n == 0 && descriptors.empty()) return fail(EPIPE, "recvmsg", "log channel");
    auto frame = decode_frame({data, static_cast<std::size_t>(n)});
    if (!frame || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
            descriptor_count(*frame) != descriptors.size())
        return fail(EBADMSG, "recvmsg", "log channel");
    return ReceivedFrame{std::move(*frame), std::move(descriptors)};
}

}  // namespace superd
