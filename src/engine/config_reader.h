// SPDX-License-Identifier: MIT
// Reads superd.toml in a process of its own, so that neither a hostile file (stack overflows in
// the parser) nor a slow name service (NSS) nor the memory of 10,000 parsed tables is superd's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/config.h"
#include "loop/loop.h"

namespace superd {

class ConfigReader {
public:
    using Callback = std::function<void(Result<ReadResult>)>;

    explicit ConfigReader(Loop& loop);

    // One at a time, in order; what is read is asked for when its turn comes, so that it knows
    // of what the one before has changed. The callback comes from the loop, once, unless the
    // reader goes first. A reading that takes more than `patience` (a name service or a file
    // system that hangs) is killed and fails, or no later one would ever begin.
    void read(std::function<ReadOptions()> options, Callback callback);
    // plan_fd: a loan, the committed plan's memory file. The result's plan has fresh networks.
    void reread_networks(int plan_fd, Callback callback);
    // The files of the plan's TLS profiles: the answer's plan has those that are good, its
    // diagnostics what is wrong with the others.
    void recheck_tls(int plan_fd, const std::string& program, Callback callback);

    [[nodiscard]] bool busy() const { return running_ != nullptr || !queue_.empty(); }

    // The same, waiting for the end: for the first start, when nothing is served yet. meanwhile
    // is called while the file is being read.
    [[nodiscard]] static Result<ReadResult> read_now(
            const ReadOptions& options, const std::function<void()>& meanwhile);

private:
    struct Request {
        std::function<std::vector<std::string>()> arguments;
        int input = -1;
        Callback callback;
    };
    struct Running;

    static constexpr Nanoseconds patience = std::chrono::minutes(1);

    void submit(Request request);
    void start_next();
    void finish();

    Loop& loop_;
    std::deque<Request> queue_;
    std::shared_ptr<Running> running_;
    Timer deadline_;
};

// The other side: `superd --read-plan …` in cmd/superd calls this with what follows it. Writes
// an encoded ReadResult to descriptor 1 and returns the exit status.
[[nodiscard]] int run_config_reader(const std::vector<std::string>& arguments);

}  // namespace superd
