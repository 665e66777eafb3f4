// SPDX-License-Identifier: MIT
// The messages from superd to superd-log: one bounded packet each on a SOCK_SEQPACKET socket,
// descriptors beside it (SCM_RIGHTS). superd-log sends nothing.
//
// The form is base/packet.h's. Every message states a whole (all sinks, the stream of this
// service), so that saying it twice is the same as saying it once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"

namespace superd {

// superd's sinks, in order; one descriptor for each file sink (`opened`), in the same order:
// the file, or the directory of one that superd-log rotates. The files and routes of services
// come before it.
struct SinkFrame {
    SinkPlan plan;  // path: of the file, or of syslog's socket where it is not the usual one
    bool opened = false;  // a descriptor comes with it
    bool operator==(const SinkFrame&) const = default;
};

struct ConfigFrame {
    LogFormat format = LogFormat::text;
    std::uint32_t owner = 0;                   // uid that may read besides 0
    std::optional<std::uint32_t> admin_gid;    // members of it may, too
    std::optional<std::uint64_t> keep_size{};  // bytes of all ended files together
    std::vector<SinkFrame> sinks;
    bool operator==(const ConfigFrame&) const = default;
};

// A file that services write to (one descriptor), before the routes that speak of it.
struct FileFrame {
    SinkPlan plan;
    bool operator==(const FileFrame&) const = default;
};

// Where the lines of a service go; no sinks: where superd's go. Files come without descriptors.
struct RouteFrame {
    std::string service;
    std::vector<SinkPlan> sinks;
    bool operator==(const RouteFrame&) const = default;
};

// superd's own events (one descriptor); pid is superd's.
struct EventsFrame {
    std::int32_t pid = 0;
    bool operator==(const EventsFrame&) const = default;
};

// The stream of a service (one descriptor); takes the place of a former one of that name.
struct ServiceFrame {
    std::string service;
    std::uint32_t place = 0;  // on the board
    bool operator==(const ServiceFrame&) const = default;
};

// What superd-log counts on (one descriptor), before the streams.
struct BoardFrame {
    bool operator==(const BoardFrame&) const = default;
};

// The listening socket for readers (one descriptor).
struct ListenerFrame {
    bool operator==(const ListenerFrame&) const = default;
};

// superd leaves: read every stream to its end, then exit.
struct DrainFrame {
    bool operator==(const DrainFrame&) const = default;
};

using Frame = std::variant<ConfigFrame, FileFrame, RouteFrame, EventsFrame, ServiceFrame,
        ListenerFrame, DrainFrame, BoardFrame>;

inline constexpr std::size_t frame_limit = 16 * 1024;  // bytes of a packet
inline constexpr std::size_t sink_limit = 8;
inline constexpr std::size_t path_limit = 1024;
inline constexpr std::size_t service_name_limit = 255;

// Nothing where a field is out of its bounds.
[[nodiscard]] std::optional<std::string> encode_frame(const Frame& frame);
// Nothing for anything that encode_frame() would not have made.
[[nodiscard]] std::optional<Frame> decode_frame(std::string_view packet);
// How many descriptors come with it.
[[nodiscard]] std::size_t descriptor_count(const Frame& frame);

// One packet, never blocking; errors as sendmsg(2)'s, EAGAIN included.
[[nodiscard]] Result<void> send_frame_packet(
        int channel, std::string_view packet, std::span<const int> descriptors);

struct ReceivedFrame {
    Frame frame;
    std::vector<Fd> descriptors;
};

// One packet, never blocking. EAGAIN: none there. EPIPE: the other side has closed. EBADMSG: a
// packet that is none of ours, or with another number of descriptors; it is consumed.
[[nodiscard]] Result<ReceivedFrame> receive_frame(int channel);

}  // namespace superd
