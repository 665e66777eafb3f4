// SPDX-License-Identifier: MIT
#include "relay/wheel.h"

#include <algorithm>

namespace superd {

WheelTimer::~WheelTimer() {
    cancel();
}

void WheelTimer::cancel() {
    if (next_ == nullptr) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
}

Wheel::Head::Head() {
    next_ = previous_ = this;
}

bool Wheel::Head::empty() const {
    return next_ == this;
}

void Wheel::Head::append(WheelTimer& timer) {
    timer.next_ = this;
    timer.previous_ = previous_;
    previous_->next_ = &timer;
    previous_ = &timer;
}

Wheel::Wheel(Mono now) : start_(now) {}

std::uint64_t Wheel::tick_of(Mono time) const {
    return time <= start_ ? 0 : static_cast<std::uint64_t>((time - start_) / tick);
}

void Wheel::set(WheelTimer& timer, Mono due) {
    timer.cancel();
    timer.due_ = std::max(tick_of(due), now_) + 1;
    insert(timer);
}

// A level holds what is less than one turn of it away.
void Wheel::insert(WheelTimer& timer) {
    const std::uint64_t due = std::max(timer.due_, now_ + 1), away = due - now_;
    unsigned level = 0;
    while (level + 1 < levels && away >> (bits * (level + 1)) != 0)
        ++level;
    std::uint64_t place = due;
    if (away >> (bits * levels) != 0) place = now_ + (std::uint64_t{1} << (bits * levels)) - 1;
    slots_[level][place >> (bits * level) & (slots - 1)].append(timer);
}

// The slot of a higher level whose time has begun is dealt out to the lower ones.
void Wheel::cascade(unsigned level) {
    Head& slot = slots_[level][now_ >> (bits * level) & (slots - 1)];
    Head waiting;
    while (!slot.empty()) {
        WheelTimer& timer = *slot.next_;
        timer.cancel();
        waiting.append(timer);
    }
    while (!waiting.empty()) {
        WheelTimer& timer = *waiting.next_;
        timer.cancel();
        // Those due at this very tick go to the slot that is fired next.
        if (timer.due_ <= now_) {
            slots_[0][now_ & (slots - 1)].append(timer);
        } else {
            insert(timer);
        }
    }
}

void Wheel::fire(Head& slot) {
    Head due;
    // Out of the wheel first: what a callback sets is for later.
    while (!slot.empty()) {
        WheelTimer& timer = *slot.next_;
        timer.cancel();
        due.append(timer);
    }
    while (!due.empty()) {
        WheelTimer& timer = *due.next_;
        timer.cancel();
        timer.on_time();
    }
}

void Wheel::advance(Mono now) {
    const std::uint64_t until = tick_of(now);
    if (until <= now_) return;
    if (timeout(now) < 0) now_ = until;
    while (now_ < until) {
        ++now_;
        for (unsigned level = levels - 1; level > 0; --level)
            if ((now_ & ((std::uint64_t{1} << (bits * level)) - 1)) == 0) cascade(level);
        fire(slots_[0][now_ & (slots - 1)]);
    }
}

int Wheel::timeout(Mono now) const {
    // The first slot of each level that has something; a higher one is due when it begins.
    std::uint64_t first = ~std::uint64_t{0};
    for (unsigned level = 0; level < levels; ++level) {
        const std::uint64_t here = now_ >> (bits * level);
        for (std::uint64_t i = 1; i <= slots; ++i) {
            if (slots_[level][(here + i) & (slots - 1)].empty()) continue;
            first = std::min(first, (here + i) << (bits * level));
            break;
        }
    }
    if (first == ~std::uint64_t{0}) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            start_ + tick * static_cast<std::int64_t>(first) - now);
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

}  // namespace superd
