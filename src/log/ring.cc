// SPDX-License-Identifier: MIT
// The last lines of each service, in memory, for `superctl logs`.
#include "log/ring.h"

#include <algorithm>

namespace superd {

namespace {

std::size_t cost_of(const LogLine& line) {
    return sizeof(LogLine) + sizeof(std::uint64_t) + line.time.size() + line.service.size() +
           line.text.size();
}

}  // namespace

LogRing::Entry LogRing::take_oldest(Lines& lines) {
    Entry entry = std::move(lines.entries.front());
    lines.entries.pop_front();
    const std::size_t cost = cost_of(entry.line);
    lines.bytes -= cost;
    bytes_ -= cost;
    return entry;
}

void LogRing::append(const LogLine& line) {
    auto found = services_.find(line.service);
    if (found == services_.end()) found = services_.emplace(line.service, Service()).first;
    Lines& lines = line.pid == 0 ? found->second.said : found->second.printed;
    const std::size_t cost = cost_of(line);
    Entry entry;  // an old one where one has to go: its memory serves again
    while (!lines.entries.empty() &&
            (lines.entries.size() >= line_bound_ || lines.bytes + cost > byte_bound_ / 8))
        entry = take_oldest(lines);
    entry.sequence = next_++;
    entry.line = line;
    lines.entries.push_back(std::move(entry));
    lines.bytes += cost;
    bytes_ += cost;
    if (bytes_ > byte_bound_) shrink();
}

void LogRing::shrink() {
    for (auto service = services_.begin(); service != services_.end();) {
        shrink(service->second.printed);
        shrink(service->second.said);
        const bool empty =
                service->second.printed.entries.empty() && service->second.said.entries.empty();
        service = empty ? services_.erase(service) : std::next(service);
    }
}

void LogRing::shrink(Lines& lines) {
    for (std::size_t n = (lines.entries.size() + 7) / 8; n > 0; --n)
        take_oldest(lines);
}

std::vector<const LogLine*> LogRing::select(
        std::span<const std::string> services, std::size_t count) const {
    std::vector<const Entry*> chosen;
    const auto choose = [&](const Lines& lines) {
        const std::size_t skip = lines.entries.size() - std::min(count, lines.entries.size());
        for (std::size_t i = skip; i < lines.entries.size(); ++i)
            chosen.push_back(&lines.entries[i]);
    };
    for (const auto& [name, service] : services_) {
        const bool wanted = services.empty() ||
                            std::find(services.begin(), services.end(), name) != services.end();
        if (!wanted) continue;
        choose(service.printed);
        choose(service.said);
    }
    std::sort(chosen.begin(), chosen.end(),
            [](const Entry* a, const Entry* b) { return a->sequence < b->sequence; });
    std::vector<const LogLine*> out;
    for (std::size_t i = chosen.size() - std::min(count, chosen.size()); i < chosen.size(); ++i)
        out.push_back(&chosen[i]->line);
    return out;
}

}  // namespace superd
