// SPDX-License-Identifier: MIT
// superd's side of superd-log: owns every stream and says over the channel what superd-log is
// to read and where to write it.
//
// superd keeps both ends of every service's stream, so neither a superd-log nor a service that
// dies loses a line: what was written waits in the socket. A new superd-log is told everything
// again; the messages are idempotent (log/channel.h). superd reads nothing from superd-log.
// Loop thread only; nothing here blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"
#include "log/channel.h"

namespace superd {

// A connected AF_UNIX stream pair, close-on-exec, both ends blocking: write_end is what a
// service gets as its stderr, read_end has SO_PASSCRED, so that each recvmsg(2) names one
// writer's pid. What may wait unread is bounded by the write end's SO_SNDBUF.
struct StreamPair {
    Fd write_end, read_end;
};

[[nodiscard]] Result<StreamPair> make_stream_pair();

// The same as a pipe that can be opened again by its name in /proc: it is of that user. Who
// writes to it nobody knows, and its size is the kernel's.
[[nodiscard]] Result<StreamPair> make_pipe_pair(std::optional<std::uint32_t> owner);

// The directory of a file that superd-log ends by itself: made where it is missing, of that
// user and group (none: as they come), 02750. Never a symbolic link.
struct DirectoryOwner {
    std::uint32_t uid = 0, gid = 0;
};

[[nodiscard]] Result<Fd> open_log_directory(
        const std::string& path, const std::optional<DirectoryOwner>& owner);

// A file sink as root opens it: for appending, made 0640 where missing, never a symbolic link,
// never a controlling terminal, never waiting for the reader of a FIFO.
[[nodiscard]] Result<Fd> open_log_file(const std::string& path);

class LogHub {
public:
    // owner: the uid besides 0 that may read logs through superd-log (superd's own).
    explicit LogHub(std::uint32_t owner);
    LogHub(const LogHub&) = delete;
    LogHub& operator=(const LogHub&) = delete;

    // Whom superd-log runs as, where that is somebody else than superd.
    void set_writer(std::optional<DirectoryOwner> writer) { writer_ = writer; }

    // ---- what superd-log is to know; each change is queued, flush() sends it

    // Where superd-log counts (log/board.h): a loan for as long as this lives.
    void set_board(int board) { board_ = board; }

    // A service with sinks of its own.
    struct Route {
        std::string service;
        std::vector<SinkPlan> sinks;
    };

    // Sinks, format and admin group, and the sinks of services; opens the files anew, each once
    // however many name it, so it also serves a rotation (HUP): call it with the same plan.
    // Files that could not be opened come back as errors, a file that was open before then
    // stays in use; the other sinks work.
    [[nodiscard]] std::vector<Error> configure(
            const DaemonPlan& plan, std::vector<Route> routes = {});

    // The stream of superd's own events: the end for LogWriter::to_stream(), once a superd.
    [[nodiscard]] Result<Fd> open_events();

    // superd-log cannot be started: what waits unread in the events' stream, for
    // LogWriter::put_back(). The stream is closed.
    [[nodiscard]] std::string take_back_events();

    // The descriptors of a service's stream, made when first asked for, and anew where a
    // process of the service has shut it down: ask before each launch. Both numbers belong in
    // ServiceRecord; who starts a process later holds `owner` until then.
    struct Stream {
        int read_end = -1, write_end = -1;
        std::shared_ptr<const Fd> owner;  // of write_end, which stays open with it
    };

    struct StreamWish {
        std::uint32_t place = 0;               // of the service on the board
        bool pipe = false;                     // another kind than before: a new stream
        std::optional<std::uint32_t> owner{};  // of a pipe
    };

    [[nodiscard]] Result<Stream> service_stream(
            std::string_view service, const StreamWish& wish);

    [[nodiscard]] Result<Stream> service_stream(std::string_view service) {
        return service_stream(service, StreamWish());
    }

    // Takes over a stream that a former superd made (ServiceRecord::log_read, log_write).
    void adopt_stream(
            std::string_view service, Fd read_end, Fd write_end, std::uint32_t place = 0);
    // The service is no more and its last process has ended. superd-log reads what is left.
    void drop_stream(std::string_view service);

    [[nodiscard]] std::size_t streams() const { return streams_.size(); }

    // The socket that `superctl logs` connects to; binds path (an old socket there is
    // replaced), 0660 and of admin_gid where it is given.
    [[nodiscard]] Result<void> open_listener(
            const std::string& path, std::optional<std::uint32_t> admin_gid);

    // ---- the channel to one superd-log

    // Makes a channel and queues everything: the end returned becomes descriptor 0 of the
    // superd-log about to be started. A former channel is closed.
    [[nodiscard]] Result<Fd> open_channel();
    // superd-log has died, or is to go: it flushes and leaves, streams keep what it has not
    // read.
    void close_channel();
    // superd stops for good while handlers live on: superd-log reads every stream to its end,
    // then leaves. Last call; flush() follows.
    void finish();

    // -1: none. Readable or hung up: superd-log has gone (close_channel(), start another).
    [[nodiscard]] int channel() const { return channel_.get(); }

    // Sends what is queued. False: the channel is broken and has been closed.
    bool flush();

    // Something waits for room: call flush() again when channel() is writable.
    [[nodiscard]] bool pending() const { return channel_ && !queue_.empty(); }

private:
    struct File {
        SinkPlan plan;
        Fd fd;
        bool routed = false;  // a service writes to it
    };

    using Files = std::map<std::string, File, std::less<>>;  // by path
    // What is queued is looked up when it is sent, so that nothing stale goes out.
    enum class Item : std::uint8_t {
        config,
        file,
        route,
        events,
        service,
        listener,
        drain,
        board
    };

    struct Queued {
        Item item;
        std::string name;  // of the service; the file's path
    };

    [[nodiscard]] Result<Fd> open_target(const SinkPlan& plan) const;
    void open_file(Files& files, const SinkPlan& plan, bool routed, std::vector<Error>& errors);
    void enqueue(Item item, std::string_view name = {});
    [[nodiscard]] bool is_queued(Item item, std::string_view name) const;
    void enqueue_sinks();
    [[nodiscard]] bool is_stale(const Queued& queued) const;
    [[nodiscard]] bool send(const Queued& queued, bool& blocked);
    [[nodiscard]] Frame frame_of(const Queued& queued, std::vector<int>& descriptors) const;

    const std::uint32_t owner_;
    LogFormat format_ = LogFormat::text;
    std::optional<std::uint32_t> admin_gid_;
    std::optional<std::uint64_t> keep_size_;
    std::optional<DirectoryOwner> writer_;
    int board_ = -1;
    std::vector<SinkPlan> sinks_;  // superd's
    Files files_;
    std::map<std::string, std::vector<SinkPlan>, std::less<>> routes_;
    bool configured_ = false;
    Fd events_;  // read end
    Fd listener_;

    struct Kept {
        std::shared_ptr<const Fd> write_end;
        Fd read_end;
        std::uint32_t place = 0;
        bool pipe = false;
    };

    std::map<std::string, Kept, std::less<>> streams_;
    Fd channel_;
    std::deque<Queued> queue_;
};

}  // namespace superd
