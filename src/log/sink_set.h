// SPDX-License-Identifier: MIT
// All sinks of superd-log's configuration.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "config/plan.h"
#include "log/channel.h"
#include "log/file_sink.h"
#include "log/sinks.h"

namespace superd {

// All sinks of the configuration. A service's lines go to its own where it has some, else to
// superd's. Where none of them is there, stderr takes the lines.
class SinkSet {
public:
    explicit SinkSet(int standard_error, FileContext context = {});

    // superd's own sinks, after the files and routes that go with them: sinks that nobody uses
    // any more are closed once they have written what waits. Those that stay keep what waits in
    // them; descriptors as ConfigFrame says.
    void configure(const ConfigFrame& config, std::vector<Fd> files, Mono now);
    // A file that routes speak of, opened (anew).
    void open(const SinkPlan& plan, Fd file, Mono now);
    // The sinks of a service; none: superd's.
    void route(const std::string& service, const std::vector<SinkPlan>& sinks);
    void write(const SinkLine& line);
    // Appends what is to be said about the sinks to news.
    void flush(Mono now, std::vector<SinkNews>& news);
    // Milliseconds until flush() should be called even if nothing happens; -1: never.
    [[nodiscard]] int timeout(Mono now) const;
    [[nodiscard]] bool pending() const;
    // superd-log leaves: no file is ended any more.
    void leave();

    [[nodiscard]] std::size_t size() const { return pool_.size(); }

private:
    using Shared = std::shared_ptr<Sink>;

    [[nodiscard]] Shared find(const SinkPlan& plan) const;
    // The one there is, or a new one; a file that was not opened takes no lines.
    Shared share(const SinkPlan& plan);
    void sweep(Mono now);
    void keep_within_bound(Mono now);

    const FileContext context_;
    std::optional<std::uint64_t> keep_size_;  // of all ended files
    std::string dropped_;                     // the last one that had to go
    std::optional<Mono> dropped_at_;
    bool settled_ = true;       // no configuration is half said
    std::vector<Shared> pool_;  // every sink once
    std::vector<Shared> own_;   // superd's
    std::map<std::string, std::vector<Shared>, std::less<>> routes_;
    const int stderr_;
    FileSink fallback_;
};

}  // namespace superd
