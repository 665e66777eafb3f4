// SPDX-License-Identifier: MIT
// All sinks of the configuration: which lines go to which.
#include <algorithm>
#include <utility>

#include "log/sinks.h"

namespace superd {

namespace {

constexpr int retry_timeout = 100;  // ms

}  // namespace

SinkSet::SinkSet(int standard_error)
        : stderr_(standard_error),
          fallback_(SinkPlan{SinkKind::stderr_text, {}}, standard_error) {}

// A file is one sink however many name it; its bounds may change.
SinkSet::Shared SinkSet::find(const SinkPlan& plan) const {
    for (const Shared& sink : pool_) {
        const bool same_file =
                plan.kind == SinkKind::file && sink->plan().kind == SinkKind::file;
        if (same_file ? sink->plan().path == plan.path : sink->plan() == plan) return sink;
    }
    return nullptr;
}

SinkSet::Shared SinkSet::share(const SinkPlan& plan) {
    if (Shared known = find(plan)) return known;
    Shared made;
    switch (plan.kind) {
        case SinkKind::file: made = std::make_shared<FileSink>(plan, Fd()); break;
        case SinkKind::syslog: made = std::make_shared<SyslogSink>(plan); break;
        case SinkKind::journal: made = make_journal_sink(plan); break;
        case SinkKind::stderr_text: made = std::make_shared<FileSink>(plan, stderr_); break;
    }
    pool_.push_back(made);
    return made;
}

void SinkSet::open(const SinkPlan& plan, Fd file, Mono now) {
    if (const Shared known = find(plan))
        static_cast<FileSink&>(*known).replace(plan, std::move(file), now);
    else
        pool_.push_back(std::make_shared<FileSink>(plan, std::move(file)));
}

void SinkSet::route(const std::string& service, const std::vector<SinkPlan>& sinks) {
    std::vector<Shared> shared;
    for (const SinkPlan& plan : sinks)
        shared.push_back(share(plan));
    if (shared.empty())
        routes_.erase(service);
    else
        routes_.insert_or_assign(service, std::move(shared));
}

void SinkSet::configure(const ConfigFrame& config, std::vector<Fd> files, Mono now) {
    std::vector<Shared> sinks;
    auto file = files.begin();
    for (const SinkFrame& wanted : config.sinks) {
        if (wanted.opened && file != files.end()) open(wanted.plan, std::move(*file++), now);
        sinks.push_back(share(wanted.plan));
    }
    own_ = std::move(sinks);
    sweep(now);
    for (const Shared& sink : pool_)
        sink->flush(now);  // finds out who is there before the first line
}

void SinkSet::sweep(Mono now) {
    std::erase_if(pool_, [&](const Shared& sink) {
        if (sink.use_count() > 1) return false;
        sink->flush(now);
        return true;
    });
}

void SinkSet::write(const SinkLine& line) {
    bool taken = false;
    const auto route = routes_.find(line.service);
    for (const Shared& sink : route != routes_.end() ? route->second : own_) {
        sink->write(line);
        taken = taken || sink->available();
    }
    if (!taken) fallback_.write(line);
}

void SinkSet::flush(Mono now, std::vector<SinkNews>& news) {
    for (const Shared& sink : pool_) {
        sink->flush(now);
        while (auto said = sink->news(now))
            news.push_back(std::move(*said));
    }
    fallback_.flush(now);
}

bool SinkSet::pending() const {
    return fallback_.pending() || std::any_of(pool_.begin(), pool_.end(),
                                          [](const auto& sink) { return sink->pending(); });
}

int SinkSet::timeout() const {
    if (pending()) return retry_timeout;
    std::int64_t timeout = -1;
    for (const Shared& sink : pool_) {
        const std::int64_t own = sink->retry_after().count() / 1'000'000;
        if (own > 0 && (timeout < 0 || own < timeout)) timeout = own;
    }
    return static_cast<int>(timeout);
}

}  // namespace superd
