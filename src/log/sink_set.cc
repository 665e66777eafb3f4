// SPDX-License-Identifier: MIT
// All sinks of the configuration: which lines go to which.
#include "log/sink_set.h"

#include <algorithm>
#include <utility>

namespace superd {

namespace {

constexpr Nanoseconds drop_retry = std::chrono::seconds(10);

}  // namespace

SinkSet::SinkSet(int standard_error, FileContext context)
        : context_(context),
          stderr_(standard_error),
          fallback_(SinkPlan{SinkKind::stderr_text, {}}, standard_error, context) {}

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
        case SinkKind::file: made = std::make_shared<FileSink>(plan, Fd(), context_); break;
        case SinkKind::syslog: made = std::make_shared<SyslogSink>(plan); break;
        case SinkKind::journal: made = make_journal_sink(plan); break;
        case SinkKind::stderr_text:
            made = std::make_shared<FileSink>(plan, stderr_, context_);
            break;
    }
    pool_.push_back(made);
    return made;
}

void SinkSet::open(const SinkPlan& plan, Fd file, Mono now) {
    settled_ = false;
    if (const Shared known = find(plan))
        static_cast<FileSink&>(*known).replace(plan, std::move(file), now);
    else
        pool_.push_back(std::make_shared<FileSink>(plan, std::move(file), context_));
}

void SinkSet::route(const std::string& service, const std::vector<SinkPlan>& sinks) {
    settled_ = false;
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
    keep_size_ = config.keep_size;
    settled_ = true;
    sweep(now);
    for (const Shared& sink : pool_)
        sink->flush(now);  // finds out who is there before the first line
}

// Sinks that nobody uses go when they have written what they were given.
void SinkSet::sweep(Mono now) {
    std::erase_if(pool_, [&](const Shared& sink) {
        if (sink.use_count() > 1) return false;
        sink->flush(now);
        return !sink->pending() || !sink->works();
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
    if (settled_) sweep(now);
    if (keep_size_) keep_within_bound(now);
}

// Of all ended files the oldest goes; what it was is known when its job has been done. One that
// could not go is tried again after a while.
void SinkSet::keep_within_bound(Mono now) {
    std::uint64_t bytes = 0;
    FileSink* oldest = nullptr;
    for (const Shared& sink : pool_) {
        if (!sink->plan().rotation) continue;
        auto& file = static_cast<FileSink&>(*sink);
        bytes += file.kept().bytes;
        const std::string& stamp = file.kept().oldest;
        if (!stamp.empty() && (oldest == nullptr || stamp < oldest->kept().oldest))
            oldest = &file;
    }
    if (bytes <= *keep_size_ || oldest == nullptr || oldest->busy()) return;
    std::string name = oldest->plan().path + '.' + oldest->kept().oldest;
    if (name == dropped_ && dropped_at_ && now - *dropped_at_ < drop_retry) return;
    dropped_ = std::move(name);
    dropped_at_ = now;
    oldest->drop_oldest();
}

bool SinkSet::pending() const {
    return fallback_.pending() || std::any_of(pool_.begin(), pool_.end(),
                                          [](const auto& sink) { return sink->pending(); });
}

int SinkSet::timeout(Mono now) const {
    int timeout = fallback_.timeout(now);
    for (const Shared& sink : pool_) {
        const auto due = sink->news_due();
        for (const int own : {sink->timeout(now), due ? until(*due, now) : -1})
            if (own >= 0 && (timeout < 0 || own < timeout)) timeout = own;
    }
    return timeout;
}

void SinkSet::leave() {
    for (const Shared& sink : pool_)
        if (sink->plan().kind == SinkKind::file) static_cast<FileSink&>(*sink).leave();
}

}  // namespace superd
