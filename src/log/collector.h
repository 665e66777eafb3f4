// SPDX-License-Identifier: MIT
// superd-log's main object: reads what superd and the services print, stamps it, hands it to
// the sinks, the ring and the readers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "log/board.h"
#include "log/channel.h"
#include "log/file_jobs.h"
#include "log/format.h"
#include "log/lines.h"
#include "log/ring.h"
#include "log/server.h"
#include "log/sink_set.h"

namespace superd {

struct CollectorOptions {
    std::size_t line_limit = 8 * 1024;  // of a service's line; longer ones are cut
    Nanoseconds partial_after = std::chrono::seconds(1);  // a line without its end is given out
    std::size_t ring_lines = 1000, ring_bytes = 8 * 1024 * 1024;
    int standard_error = 2;  // a loan
};

// How it ends:
// - the channel closes: superd has died or wants another superd-log. What superd itself said is
//   read to the end, the services' streams are left alone (the next superd-log reads on where
//   this one stopped), everything read is written.
// - DrainFrame: superd stops while its handlers live on. Every stream is read to its end.
// - stop(): as if the channel had closed.
// While a service's lines wait for a sink that is stuck they are dropped above the sink's bound
// rather than left in the stream: a full disk or a stopped terminal never stops a service.
class Collector {
public:
    // channel: the SOCK_SEQPACKET end that superd passed.
    Collector(Fd channel, const Clock& clock, const CollectorOptions& options);
    ~Collector();
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;

    // Runs until one of the ends above; stop_fd (a loan, -1: none) becoming readable is stop().
    void run(int stop_fd);
    // One turn, waiting at most so many milliseconds (-1: for ever). False: it has ended.
    bool turn(int timeout);
    void await_former(int board) const;
    void stop();

    [[nodiscard]] std::size_t streams() const { return streams_.size(); }

    [[nodiscard]] const LogRing& ring() const { return ring_; }

private:
    enum class Kind : std::uint8_t { channel, stop, server, files, stream };
    struct Stream;

    void watch(int fd, Kind kind, std::uint32_t id);
    void on_channel();
    void handle(ReceivedFrame received);
    void add_stream(std::string service, bool events, std::int32_t pid, Fd fd,
            LogTally* tally = nullptr);
    void on_stream(std::uint32_t id);
    enum class Progress : std::uint8_t { more, nothing, end };
    [[nodiscard]] Progress read_some(Stream& stream);
    [[nodiscard]] Progress read_pipe(Stream& stream);
    [[nodiscard]] Progress take(Stream& stream, std::int32_t pid, std::size_t size);
    [[nodiscard]] LineSplitter::Emit emit_for(const Stream& stream);
    void end_stream(std::uint32_t id);
    void leave();
    void printed(const Stream& stream, const LineSplitter::Line& line);
    void said(std::int32_t pid, std::string_view line);
    void say(Level level, std::string_view text);
    void add_xinetd(std::string_view in_file, std::string_view message);
    void said_as_xinetd(const Head& head, std::string_view line, std::string_view marked);
    void flush_partials();
    void flush_out(bool asked);
    void finish();
    [[nodiscard]] int timeout(int wanted) const;

    const Clock& clock_;
    const CollectorOptions options_;
    Fd epoll_, channel_;
    LogRing ring_;
    LogServer server_;
    LogBoard board_;
    Fd board_file_;  // its lock is this process's
    ThreadedFileJobs files_;
    SinkSet sinks_;
    LogFormat format_ = LogFormat::text;
    std::int32_t daemon_ = 0;  // superd's pid
    std::map<std::uint32_t, std::unique_ptr<Stream>> streams_;
    std::uint32_t next_id_ = 1;
    bool draining_ = false, leaving_ = false, ended_ = false;
    // Reused for every line.
    std::vector<char> chunk_;
    LogLine line_;
    std::string form_;
    std::vector<XinetdForm> xinetd_;
    std::vector<SinkNews> news_;
};

}  // namespace superd
