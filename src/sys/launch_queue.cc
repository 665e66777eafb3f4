// SPDX-License-Identifier: MIT
// Which launch is next: first come, first served, but no service may have more than its share
// in hand.
#include "sys/launch_queue.h"

#include <iterator>
#include <utility>

namespace superd {

bool LaunchQueue::push(Launch launch) {
    Service& service = services_[launch.service];
    if (service.in_hand >= share_) {
        service.waiting.push_back(std::move(launch));
        return false;
    }
    ++service.in_hand;
    ready_.push_back(std::move(launch));
    return true;
}

std::optional<Launch> LaunchQueue::pop() {
    if (ready_.empty()) return std::nullopt;
    ++popped_;
    std::optional<Launch> next(std::move(ready_.front()));
    ready_.pop_front();
    return next;
}

void LaunchQueue::done(std::uint32_t index) {
    const auto found = services_.find(index);
    if (found == services_.end()) return;
    Service& service = found->second;
    if (service.waiting.empty()) {
        --service.in_hand;
        return;
    }
    ready_.push_back(std::move(service.waiting.front()));
    service.waiting.pop_front();
}

std::deque<Launch> LaunchQueue::take_all() {
    std::deque<Launch> all;
    all.swap(ready_);
    for (auto& [index, service] : services_) {
        std::move(service.waiting.begin(), service.waiting.end(), std::back_inserter(all));
        service.waiting.clear();
    }
    return all;
}

}  // namespace superd
