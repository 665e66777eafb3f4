// SPDX-License-Identifier: MIT
// Where superd-log writes: stderr, files, syslog, the journal. Nothing here blocks: what cannot
// be written is kept up to a bound, then dropped and counted.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "config/plan.h"
#include "log/channel.h"
#include "log/event.h"

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
};

// A sentence about a sink: that it fails, that it works again.
struct SinkNews {
    Level level;
    std::string text;
    bool operator==(const SinkNews&) const = default;
};

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
    // Something waits: flush() again soon.
    [[nodiscard]] virtual bool pending() const = 0;
    // False: it is not there at all (no journald, no syslogd, no open file).
    [[nodiscard]] virtual bool available() const = 0;

    // Not zero: lines wait for somebody who is away; flush() looks again after so long.
    [[nodiscard]] virtual Nanoseconds retry_after() const { return Nanoseconds(0); }

    [[nodiscard]] const SinkPlan& plan() const { return plan_; }

    [[nodiscard]] std::string name() const;  // "file /var/log/superd.log"

    [[nodiscard]] std::uint64_t lost() const { return lost_; }

    // What has changed since: failures and losses at most once in ten seconds. Call it until
    // there is nothing.
    [[nodiscard]] std::optional<SinkNews> news(Mono now);

protected:
    void set_plan(SinkPlan plan) { plan_ = std::move(plan); }

    void note(Level level, std::string text) { notes_.push_back({level, std::move(text)}); }

    void count_lost(std::uint64_t lines) { lost_ += lines; }

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

// stderr and files: lines as they are. A file that has grown to its soft size is told of once;
// at its hard size nothing more is written until it is opened again and is smaller.
class FileSink final : public Sink {
public:
    // descriptor: a loan; -1: none, every line is lost.
    FileSink(SinkPlan plan, int descriptor);
    FileSink(SinkPlan plan, Fd file);

    // A new file of the same name, after a rotation, or another bound. Waiting lines go to the
    // old one if they can.
    void replace(SinkPlan plan, Fd file, Mono now);

    void write(const SinkLine& line) override;
    void flush(Mono now) override;

    [[nodiscard]] bool pending() const override { return !buffer_.empty(); }

    [[nodiscard]] bool available() const override { return descriptor_ >= 0; }

private:
    [[nodiscard]] std::string describe(int error) const override;
    void look();
    void take(std::string_view line);
    [[nodiscard]] bool fits(std::size_t size);
    [[nodiscard]] long write_some(std::string_view text);
    void give_up(std::size_t from, int error);

    Fd file_;
    std::uint64_t size_ = 0;     // of a regular file, as far as it was written here
    std::uint64_t full_at_ = 0;  // its size when its hard bound was met; 0: not yet
    std::uint64_t left_out_ = 0;
    bool alerted_ = false;  // of its soft size
    int descriptor_;
    bool regular_ = false;
    bool torn_ = false;  // the last thing written was not the end of a line
    std::string buffer_;
};

// Sinks that take one message at a time, over a socket of somebody who may be away.
class MessageSink : public Sink {
public:
    using Sink::Sink;

    void write(const SinkLine& line) override;
    void flush(Mono now) override;

    [[nodiscard]] bool pending() const override { return available_ && !queue_.empty(); }

    [[nodiscard]] bool available() const override { return available_; }

    [[nodiscard]] Nanoseconds retry_after() const override {
        return available_ || queue_.empty() ? Nanoseconds(0) : retry_;
    }

protected:
    struct Message {
        int priority;
        std::int32_t pid;
        std::string service, text;
        const char* own;  // superd's own line: as whose; null: the service's
    };

    // errno: 0 sent, EAGAIN later, anything else: not there any more.
    [[nodiscard]] virtual int send(const Message& message) = 0;
    [[nodiscard]] virtual int connect() = 0;  // errno, 0: there

private:
    [[nodiscard]] std::string describe(int error) const override;
    void take(const SinkLine& line, std::string_view text, const char* daemon);
    bool try_connect(Mono now);

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

// All sinks of the configuration. A service's lines go to its own where it has some, else to
// superd's. Where none of them is there, stderr takes the lines.
class SinkSet {
public:
    explicit SinkSet(int standard_error);

    // superd's own sinks, after the files and routes that go with them: sinks that nobody uses
    // any more are closed. Those that stay keep what waits in them; descriptors as ConfigFrame
    // says.
    void configure(const ConfigFrame& config, std::vector<Fd> files, Mono now);
    // A file that routes speak of, opened (anew).
    void open(const SinkPlan& plan, Fd file, Mono now);
    // The sinks of a service; none: superd's.
    void route(const std::string& service, const std::vector<SinkPlan>& sinks);
    void write(const SinkLine& line);
    // Appends what is to be said about the sinks to news.
    void flush(Mono now, std::vector<SinkNews>& news);
    // Milliseconds until flush() should be called even if nothing happens; -1: never.
    [[nodiscard]] int timeout() const;
    [[nodiscard]] bool pending() const;

    [[nodiscard]] std::size_t size() const { return pool_.size(); }

private:
    using Shared = std::shared_ptr<Sink>;

    [[nodiscard]] Shared find(const SinkPlan& plan) const;
    // The one there is, or a new one; a file that was not opened takes no lines.
    Shared share(const SinkPlan& plan);
    void sweep(Mono now);

    std::vector<Shared> pool_;  // every sink once
    std::vector<Shared> own_;   // superd's
    std::map<std::string, std::vector<Shared>, std::less<>> routes_;
    const int stderr_;
    FileSink fallback_;
};

}  // namespace superd
