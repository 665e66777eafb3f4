// SPDX-License-Identifier: MIT
// The messages from superd to superd-log: encoding, decoding, sending, receiving.
#include "log/channel.h"

#include <cerrno>

#include "base/packet.h"
#include "base/packet_socket.h"

namespace superd {

namespace {

constexpr std::uint8_t first_frame = 1;
constexpr std::uint8_t last_facility = 23, last_severity = 7;
constexpr const char* subject = "log channel";

}  // namespace

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, RotationPlan>& m) {
    const auto number = [&](auto& value) {
        c.value(value);
    };
    c.value(m.size);
    c.optional(m.age, number);
    c.value(m.keep);
    c.optional(m.keep_size, number);
    c.value(m.compress);
    c.require(m.size > 0);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, SinkPlan>& m) {
    const auto size = [&](auto& value) {
        c.value(value);
    };
    c.value(m.kind, SinkKind::journal);
    c.text(m.path, path_limit);
    c.value(m.facility, last_facility);
    c.optional(m.severity, [&](auto& severity) { c.value(severity, last_severity); });
    c.optional(m.soft_size, size);
    c.optional(m.hard_size, size);
    c.optional(m.rotation, [&](auto& rotation) { code_fields(c, rotation); });
    c.require(!m.rotation || m.kind == SinkKind::file);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ConfigFrame>& m) {
    c.value(m.format, LogFormat::xinetd);
    c.value(m.owner);
    c.optional(m.admin_gid, [&](auto& gid) { c.value(gid); });
    c.optional(m.keep_size, [&](auto& size) { c.value(size); });
    c.list(m.sinks, sink_limit, [&](auto& sink) {
        code_fields(c, sink.plan);
        c.value(sink.opened);
    });
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, FileFrame>& m) {
    code_fields(c, m.plan);
    c.require(m.plan.kind == SinkKind::file);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, RouteFrame>& m) {
    c.text(m.service, service_name_limit);
    c.list(m.sinks, sink_limit, [&](auto& sink) { code_fields(c, sink); });
    c.require(!m.service.empty());
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, EventsFrame>& m) {
    c.value(m.pid);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ServiceFrame>& m) {
    c.text(m.service, service_name_limit);
    c.value(m.place);
    c.require(!m.service.empty());
}

template <class Coder>
void code_fields(Coder&, PacketField<Coder, BoardFrame>&) {}

template <class Coder>
void code_fields(Coder&, PacketField<Coder, ListenerFrame>&) {}

template <class Coder>
void code_fields(Coder&, PacketField<Coder, DrainFrame>&) {}

std::optional<std::string> encode_frame(const Frame& frame) {
    return encode_packet(frame, first_frame, frame_limit);
}

std::optional<Frame> decode_frame(std::string_view packet) {
    return decode_packet<Frame>(packet, first_frame, frame_limit);
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

        std::size_t operator()(const BoardFrame&) const { return 1; }
    };

    return std::visit(Visitor{}, frame);
}

Result<void> send_frame_packet(
        int channel, std::string_view packet, std::span<const int> descriptors) {
    if (descriptors.size() > sink_limit) return fail(EINVAL, "sendmsg", subject);
    return send_packet(channel, packet, descriptors, subject);
}

Result<ReceivedFrame> receive_frame(int channel) {
    char data[frame_limit + 1];
    auto received = receive_packet(channel, data, sink_limit, subject);
    if (!received) return tl::unexpected(received.error());
    auto frame = decode_frame({data, received->size});
    if (!frame || descriptor_count(*frame) != received->descriptors.size())
        return fail(EBADMSG, "recvmsg", subject);
    return ReceivedFrame{std::move(*frame), std::move(received->descriptors)};
}

}  // namespace superd
