// SPDX-License-Identifier: MIT
#include "engine/outputs.h"

#include <fcntl.h>

namespace superd {

namespace {

constexpr auto retry_time = std::chrono::milliseconds(100);

}  // namespace

Outputs::Outputs(Loop& loop, std::uint32_t own_uid, std::function<void()> on_channel_lost)
        : loop_(loop),
          log_(loop),
          hub_(own_uid),
          on_channel_lost_(std::move(on_channel_lost)),
          retry_(loop, [this] { flush(); }) {
    loop_.at_turn_end([this] { flush(); });
}

void Outputs::set_log_program(const IdentityPlan& identity, int board) {
    if (identity.change) hub_.set_writer(DirectoryOwner{identity.uid, identity.gid});
    hub_.set_board(board);
    if (auto mapped = LogBoard::map(board)) board_ = std::move(*mapped);
}

void Outputs::configure(const DaemonPlan& plan, const Plan& services) {
    std::vector<LogHub::Route> routes;
    for (const auto& service : services.services)
        if (!service->log.sinks.empty()) routes.push_back({service->name, service->log.sinks});
    log_.set_format(plan.log_format);
    files_.clear();
    trouble_.clear();
    for (const Error& error : hub_.configure(plan, std::move(routes))) {
        trouble_ += (trouble_.empty() ? "" : "; ") + error.text();
        log_.log(FailEvent{
                .stage = error.operation, .subject = error.subject, .error = error.code});
    }
}

void Outputs::open_reader_socket(
        const std::string& path, std::optional<std::uint32_t> admin_gid) {
    if (auto opened = hub_.open_listener(path, admin_gid); !opened) {
        log_.log(FailEvent{.stage = opened.error().operation,
                .subject = opened.error().subject,
                .error = opened.error().code});
    }
}

Result<Fd> Outputs::open_channel() {
    if (!events_open_) {
        auto events = hub_.open_events();
        if (!events) return tl::unexpected(events.error());
        log_.flush();
        log_.to_stream(std::move(*events));
        events_open_ = true;
    }
    channel_poll_.reset();
    auto channel = hub_.open_channel();
    if (channel) watch_channel();
    return channel;
}

void Outputs::watch_channel() {
    channel_poll_ =
            std::make_unique<Poll>(loop_, hub_.channel(), [this](int events, int error) {
                if ((events & Poll::writable) != 0 && error == 0 &&
                        (events & Poll::hangup) == 0) {
                    flush();
                    return;
                }
                channel_poll_.reset();
                hub_.close_channel();
                on_channel_lost_();
            });
    channel_poll_->start(Poll::readable | Poll::hangup);
}

void Outputs::fall_back() {
    channel_poll_.reset();
    hub_.close_channel();
    log_.to_plain(2);
    log_.put_back(hub_.take_back_events());
    events_open_ = false;
}

void Outputs::finish() {
    log_.flush();
    channel_poll_.reset();
    hub_.finish();
    hub_.flush();
}

namespace {

// A FIFO was opened without waiting for a reader; the service that prints there expects to
// wait.
void make_blocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) (void)::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

}  // namespace

Loan Outputs::descriptor_for(Service& service, const Output& output) {
    switch (output.kind) {
        case OutputKind::null:
        case OutputKind::socket: return {};
        case OutputKind::log:
        case OutputKind::pipe: return stream_of(service);
        case OutputKind::file: break;
    }
    const auto known = files_.find(output.path);
    if (known != files_.end()) return Loan(known->second);
    auto file = open_log_file(output.path);
    if (file) make_blocking(file->get());
    if (file) {
        auto owner = std::make_shared<const Fd>(std::move(*file));
        return Loan(files_.emplace(output.path, std::move(owner)).first->second);
    }
    log_.log(FailEvent{.service = service.name(),
            .stage = "open",
            .subject = output.path,
            .error = file.error().code,
            .detail = "its output goes to the log"});
    return stream_of(service);
}

// The first stream of a service that is new here: its place on the board may have been
// another's.
Loan Outputs::stream_of(Service& service) {
    const ExecPlan& exec = service.plan->exec;
    LogHub::StreamWish wish{.place = service.index,
            .pipe = exec.standard_error.kind == OutputKind::pipe ||
                    exec.standard_output.kind == OutputKind::pipe};
    if (exec.identity.change) wish.owner = exec.identity.uid;
    auto stream = hub_.service_stream(service.name(), wish);
    if (!stream) return {};
    if (service.record->log_read < 0) board_.clear(service.index);
    service.record->log_read = stream->read_end;
    service.record->log_write = stream->write_end;
    return Loan(stream->owner);
}

void Outputs::adopt_streams(Service& service) {
    if (service.record->log_read < 0 || service.record->log_write < 0) return;
    hub_.adopt_stream(service.name(), Fd(service.record->log_read),
            Fd(service.record->log_write), service.index);
}

void Outputs::drop(const Service& service) {
    hub_.drop_stream(service.name());
    service.record->log_read = service.record->log_write = -1;
}

void Outputs::flush() {
    log_.flush();
    if (!hub_.flush() && channel_poll_) {
        channel_poll_.reset();
        on_channel_lost_();
    }
    if ((log_.pending() || hub_.pending()) && !retry_.active()) retry_.start(retry_time);
}

}  // namespace superd
