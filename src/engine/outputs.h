// SPDX-License-Identifier: MIT
// Where services' stderr and stdout go, and superd's own log: owner of the hub, of output files
// and of what superd-log needs to be told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/fd.h"
#include "engine/service.h"
#include "log/board.h"
#include "log/hub.h"
#include "log/writer.h"
#include "loop/loop.h"
#include "sys/spawner.h"

namespace superd {

// Where superd-log answers those who want to read.
[[nodiscard]] inline std::string log_socket_path(const std::string& run_directory) {
    return run_directory + "/log";
}

class Outputs {
public:
    // on_channel_lost: superd-log has gone; start another with open_channel().
    Outputs(Loop& loop, std::uint32_t own_uid, std::function<void()> on_channel_lost);

    [[nodiscard]] LogWriter& log() { return log_; }

    // Before anything else: whom superd-log runs as, and where it counts (a loan).
    void set_log_program(const IdentityPlan& identity, int board);

    // What superd-log has counted of a service; null where it has no board.
    [[nodiscard]] const LogTally* tally(const Service& service) const {
        return board_.at(service.index);
    }

    // Sinks from the plan, those of services included; log files and services' output files
    // are opened anew.
    void configure(const DaemonPlan& plan, const Plan& services);

    // Which files could not be opened by the last configure(), and why; empty: all were.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

    // The socket of `superctl logs`.
    void open_reader_socket(const std::string& path, std::optional<std::uint32_t> admin_gid);

    // The end that becomes descriptor 0 of a superd-log about to be started. From then on
    // superd's events go there.
    [[nodiscard]] Result<Fd> open_channel();
    // Back to plain lines on stderr: superd-log cannot be started.
    void fall_back();
    // superd stops for good.
    void finish();

    // After finish(): superd-log sees the end of what superd says.
    void leave_stream() { log_.to_plain(2); }

    // The service's log stream, an output file, or -1 where the plan wants /dev/null or the
    // socket. What cannot be opened is logged and becomes the log stream. A reload opens files
    // anew and a stream may have to be replaced: the loan keeps what it was given.
    [[nodiscard]] Loan descriptor_for(Service& service, const Output& output);
    void adopt_streams(Service& service);
    void drop(const Service& service);

    void flush();

private:
    [[nodiscard]] Loan stream_of(Service& service);
    void watch_channel();

    Loop& loop_;
    LogWriter log_;
    LogHub hub_;
    LogBoard board_;
    std::function<void()> on_channel_lost_;
    std::unique_ptr<Poll> channel_poll_;
    Timer retry_;  // what could not be written at once
    bool events_open_ = false;
    std::string trouble_;
    std::map<std::string, std::shared_ptr<const Fd>, std::less<>> files_;  // by path
};

}  // namespace superd
