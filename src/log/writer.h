// SPDX-License-Identifier: MIT
// superd's own log: formats events into a batch and hands it on without ever blocking.
//
// Loop thread only. log() costs formatting and an append; flush() costs one system call a loop
// turn. The lines go to superd-log through a stream socket (log/hub.h makes it), each with a
// short head that superd-log takes off again: "<6>ssh " (syslog's priority, service or
// nothing); or, plain, to a terminal or file where there is no superd-log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "config/plan.h"
#include "log/event.h"

namespace superd {

class LogWriter final : public EventSink {
public:
    // What is kept while the other side does not read; above it lines are dropped and counted.
    static constexpr std::size_t default_bound = 1024 * 1024;

    // Writes plain lines to descriptor 2 until told otherwise. clock must outlive the writer.
    explicit LogWriter(const Clock& clock, std::size_t bound = default_bound);
    ~LogWriter() override;  // flushes what can be flushed
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    // From the next line on. Lines not yet written keep their form and go to the new place.
    void to_stream(Fd stream);      // LogHub::open_events()
    void to_plain(int descriptor);  // a loan, usually 2; any kind of file

    // Lines that a stream did not bring to anybody (LogHub::take_back_events()): written first,
    // without their heads. Call it after to_plain().
    void put_back(std::string_view lines);

    void set_format(LogFormat format) { format_ = format; }

    // Events below it are not written. Level::info unless told otherwise.
    void set_level(Level level) { level_ = level; }

    // Never blocks; formats with clock.wall().
    void log(const Event& event) override;

    [[nodiscard]] bool wants(Level level) const override { return level >= level_; }

    // Call once a loop turn. Writes until all is written or it would block.
    void flush();

    // True where flush() would have blocked: call it again when descriptor() is writable, or
    // after a tenth of a second, even where no event has come.
    [[nodiscard]] bool pending() const { return sent_ < batch_.size(); }

    [[nodiscard]] int descriptor() const;

    // Lines dropped since the start, and of these the ones no line has told of yet.
    [[nodiscard]] std::uint64_t lost() const { return lost_; }

private:
    void append(const Event& event);
    void tell_lost();
    [[nodiscard]] bool make_room();
    [[nodiscard]] long write_some(const char* data, std::size_t size);
    void discard();

    const Clock& clock_;
    const std::size_t bound_;
    Fd stream_;
    int plain_ = 2;
    LogFormat format_ = LogFormat::text;
    Level level_ = Level::info;
    std::string batch_;  // whole lines; the first sent_ bytes are written
    std::size_t sent_ = 0;
    std::uint64_t lost_ = 0, told_ = 0;
};

}  // namespace superd
