// SPDX-License-Identifier: MIT
// Cuts what several writers print into one stream into lines.
#include "log/lines.h"

#include <algorithm>

namespace superd {

namespace {

// Besides its bytes an unfinished line costs the record of it.
constexpr std::size_t partial_cost = 64;
constexpr std::size_t partial_room = 64 * partial_cost;

}  // namespace

// A line without its "\n", in pieces of at most the limit.
void LineSplitter::emit_whole(std::int32_t pid, std::string_view text, const Emit& emit) const {
    if (text.ends_with('\r')) text.remove_suffix(1);
    while (text.size() > limit_) {
        emit({pid, text.substr(0, limit_), true});
        text.remove_prefix(limit_);
    }
    emit({pid, text, false});
}

void LineSplitter::feed(std::int32_t pid, std::string_view bytes, Mono now, const Emit& emit) {
    const auto partial = std::find_if(partials_.begin(), partials_.end(),
            [&](const Partial& candidate) { return candidate.pid == pid; });
    if (partial != partials_.end()) {
        const std::size_t end = bytes.find('\n');
        const std::size_t size = std::min(end, bytes.size());
        partial->text.append(bytes, 0, size);
        kept_ += size;
        if (end == std::string_view::npos && partial->text.size() <= limit_) return;
        const Partial done = std::move(*partial);
        kept_ -= done.text.size() + partial_cost;
        partials_.erase(partial);
        if (end == std::string_view::npos) {
            const std::size_t pieces = (done.text.size() - 1) / limit_ * limit_;
            for (std::size_t at = 0; at < pieces; at += limit_)
                emit({pid, std::string_view(done.text).substr(at, limit_), true});
            keep(pid, std::string_view(done.text).substr(pieces), now, emit);
            return;
        }
        emit_whole(pid, done.text, emit);
        bytes.remove_prefix(end + 1);
    }
    for (;;) {
        const std::size_t end = bytes.find('\n');
        if (end == std::string_view::npos) break;
        emit_whole(pid, bytes.substr(0, end), emit);
        bytes.remove_prefix(end + 1);
    }
    for (; bytes.size() > limit_; bytes.remove_prefix(limit_))
        emit({pid, bytes.substr(0, limit_), true});
    if (!bytes.empty()) keep(pid, bytes, now, emit);
}

void LineSplitter::keep(std::int32_t pid, std::string_view rest, Mono now, const Emit& emit) {
    partials_.push_back({pid, now, std::string(rest)});
    kept_ += rest.size() + partial_cost;
    while (kept_ > 4 * limit_ + partial_room && !partials_.empty())
        flush(partials_.front().begun, emit);
}

void LineSplitter::flush(Mono begun, const Emit& emit) {
    std::size_t count = 0;
    for (; count < partials_.size() && partials_[count].begun <= begun; ++count) {
        kept_ -= partials_[count].text.size() + partial_cost;
        emit_whole(partials_[count].pid, partials_[count].text, emit);
    }
    partials_.erase(partials_.begin(), partials_.begin() + static_cast<std::ptrdiff_t>(count));
}

void LineSplitter::flush_all(const Emit& emit) {
    flush(Mono::max(), emit);
}

std::optional<Mono> LineSplitter::oldest() const {
    if (partials_.empty()) return std::nullopt;
    return partials_.front().begun;
}

}  // namespace superd
