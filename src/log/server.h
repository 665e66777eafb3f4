// SPDX-License-Identifier: MIT
// superd-log's side of `superctl logs`: accepts readers, checks who they are, sends lines.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "log/reader.h"
#include "log/ring.h"

namespace superd {

// At most 16 readers; each has two seconds for its question, 4 KiB long at most. A reader that
// does not read loses lines above 2 MiB and is told how many. Nothing blocks.
class LogServer {
public:
    static constexpr std::size_t reader_bound = 16;
    static constexpr std::size_t question_bound = 4096;
    static constexpr std::size_t history_bound = 1024 * 1024;
    static constexpr std::size_t output_bound = 2 * 1024 * 1024;

    explicit LogServer(const LogRing& ring);
    ~LogServer();

    void set_listener(Fd listener);
    // Who may read besides uid 0.
    void set_access(std::uint32_t owner, std::optional<std::uint32_t> admin_gid);

    // An epoll descriptor: when it is readable, on_ready() has something to do.
    [[nodiscard]] int descriptor() const { return epoll_.get(); }

    void on_ready(Mono now);
    // A new line, which the ring has already.
    void publish(const LogLine& line);
    // Sends what publish() collected and drops readers that have not asked in time; once a
    // turn.
    void flush(Mono now);
    // Milliseconds until the next flush() is due; -1: none.
    [[nodiscard]] int timeout(Mono now) const;

    [[nodiscard]] std::size_t readers() const { return readers_.size(); }

private:
    struct Reader;

    void accept_all(Mono now);
    [[nodiscard]] bool may_read(int socket) const;
    void on_question(Reader& reader);
    void answer(Reader& reader, std::string_view question);
    void send_history(Reader& reader);
    static void append(Reader& reader, std::string_view text);
    static void tell_lost(Reader& reader);
    void send_some(Reader& reader);
    void watch(Reader& reader);
    void remove_closed();

    const LogRing& ring_;
    Fd epoll_, listener_;
    std::uint32_t owner_ = 0;
    std::optional<std::uint32_t> admin_gid_;
    std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace superd
