// SPDX-License-Identifier: MIT
// What every place that superd-log writes to has, and those that take messages: syslog, the
// journal; files are in file_sink.h. Nothing here blocks: what cannot be written is kept up to
// a bound, then dropped and counted.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "config/plan.h"
#include "log/board.h"
#include "log/event.h"
#include "log/log_file.h"

namespace superd {

// A line as xinetd writes it: into its file with the time, to syslog without.
struct XinetdForm {
    std::string file, message;
};

// One line in the forms that sinks need; views valid during the call.
struct SinkLine {
    int priority = 6;          // syslog's
    std::string_view service;  // empty: superd itself
    std::int32_t pid = 0;      // who printed it; 0: superd's own line
    std::int32_t daemon = 0;   // superd's pid
    std::string_view line;     // whole, with its time, as text or JSON
    std::string_view message;  // without time, service and pid
    // log_format = "xinetd": what files and syslog get instead, if anything. A loan.
    const std::vector<XinetdForm>* xinetd = nullptr;
    LogTally* tally = nullptr;  // of the service, where losses are counted; may be null
};

// Milliseconds from now to then, rounded up, 0 where it is over, an hour at most.
[[nodiscard]] int until(Mono then, Mono now);

class Sink {
public:
    static constexpr std::size_t bound =
            1024 * 1024;  // bytes kept while nothing can be written

    explicit Sink(SinkPlan plan) : plan_(std::move(plan)) {}

    virtual ~Sink() = default;
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;

    virtual void write(const SinkLine& line) = 0;
    // Once a turn of the loop.
    virtual void flush(Mono now) = 0;
    // Something waits that could still be written.
    [[nodiscard]] virtual bool pending() const = 0;
    // False: it is not there at all (no journald, no syslogd, no open file).
    [[nodiscard]] virtual bool available() const = 0;

    // Milliseconds until flush() has something to do even if nothing happens; -1: nothing.
    [[nodiscard]] virtual int timeout(Mono now) const = 0;

    [[nodiscard]] const SinkPlan& plan() const { return plan_; }

    [[nodiscard]] std::string name() const;  // "file /var/log/superd.log"

    [[nodiscard]] bool works() const { return error_ == 0; }

    [[nodiscard]] std::uint64_t lost() const { return lost_; }

    // What has changed since: failures and losses at most once in ten seconds. Call it until
    // there is nothing.
    [[nodiscard]] std::optional<SinkNews> news(Mono now);
    // When news() will have something; nothing: not until something happens.
    [[nodiscard]] std::optional<Mono> news_due() const;

protected:
    void set_plan(SinkPlan plan) { plan_ = std::move(plan); }

    void note(Level level, std::string text) { notes_.push_back({level, std::move(text)}); }

    void count_lost(LogTally* tally, std::uint64_t lines = 1) {
        lost_ += lines;
        if (tally != nullptr) tally->lost.fetch_add(lines, std::memory_order_relaxed);
    }

    void set_error(int error) { error_ = error; }  // errno; 0: works

    // What is wrong: "syslog is not there: Connection refused".
    [[nodiscard]] virtual std::string describe(int error) const = 0;

private:
    SinkPlan plan_;
    std::deque<SinkNews> notes_;
    std::uint64_t lost_ = 0, told_ = 0;
    int error_ = 0, said_error_ = 0;
    std::optional<Mono> said_;
};

// Sinks that take one message at a time, over a socket of somebody who may be away.
class MessageSink : public Sink {
public:
    using Sink::Sink;

    void write(const SinkLine& line) override;
    void flush(Mono now) override;

    [[nodiscard]] bool pending() const override { return available_ && !queue_.empty(); }

    [[nodiscard]] bool available() const override { return available_; }

    [[nodiscard]] int timeout(Mono now) const override;

protected:
    struct Message {
        int priority;
        std::int32_t pid;
        std::string service, text;
        const char* own;  // superd's own line: as whose; null: the service's
        LogTally* tally;
    };

    // errno: 0 sent, EAGAIN later, anything else: not there any more.
    [[nodiscard]] virtual int send(const Message& message) = 0;
    [[nodiscard]] virtual int connect() = 0;  // errno, 0: there

private:
    [[nodiscard]] std::string describe(int error) const override;
    void take(const SinkLine& line, std::string_view text, const char* daemon);
    bool try_connect(Mono now);
    [[nodiscard]] static std::size_t cost_of(const Message& message);
    void drop_front();

    std::deque<Message> queue_;
    std::size_t bytes_ = 0;
    bool available_ = false;
    std::optional<Mono> tried_;
    Nanoseconds retry_{0};  // doubles up to 30 s while nobody is there
};

// syslogd's datagram socket, /dev/log unless the plan has another path.
class SyslogSink final : public MessageSink {
public:
    using MessageSink::MessageSink;

private:
    int send(const Message& message) override;
    int connect() override;

    Fd socket_;
    std::string packet_;
};

// log/journal.cc
[[nodiscard]] std::unique_ptr<Sink> make_journal_sink(SinkPlan plan);

}  // namespace superd
