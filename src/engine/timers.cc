// SPDX-License-Identifier: MIT
#include "engine/timers.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "policy/calendar.h"

namespace superd {

namespace {

// Without a timerfd the clock on the wall is looked at so often.
constexpr auto look_interval = std::chrono::minutes(1);

std::int64_t ns(Mono at) {
    return at.time_since_epoch().count();
}

std::int64_t ns(Wall at) {
    return at.time_since_epoch().count();
}

Wall wall_of(std::int64_t at) {
    return Wall(Nanoseconds(at));
}

Mono mono_of(std::int64_t at) {
    return Mono(Nanoseconds(at));
}

Nanoseconds by_chance(Nanoseconds most) {
    std::uint64_t number = 0;
    if (most <= Nanoseconds::zero() ||
            ::getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        return Nanoseconds{0};
    return Nanoseconds(
            static_cast<std::int64_t>(number % (static_cast<std::uint64_t>(most.count()) + 1)));
}

}  // namespace

Timers::Timers(Loop& loop, const Clock& clock, std::string folder, OnDue on_due)
        : loop_(loop),
          clock_(clock),
          folder_(std::move(folder)),
          on_due_(std::move(on_due)),
          timer_(loop, [this] { look(); }) {}

void Timers::arm(std::uint32_t index, const std::shared_ptr<const ServicePlan>& plan,
        ServiceRecord& record) {
    auto [known, fresh] = entries_.try_emplace(index);
    Entry& entry = known->second;
    const bool same = !fresh && entry.plan->timer == plan->timer;
    entry.plan = plan;
    entry.record = &record;
    if (same) return;
    // One that a superd before this one has armed goes on, if it was for the same plan.
    if (!fresh || !fits(entry)) set_first(entry);
    wait();
}

void Timers::disarm(std::uint32_t index) {
    const auto known = entries_.find(index);
    if (known == entries_.end()) return;
    known->second.record->timer_moment = known->second.record->timer_due = 0;
    entries_.erase(known);
    wait();
}

void Timers::forget(std::uint32_t index) {
    const auto known = entries_.find(index);
    if (known == entries_.end()) return;
    ::unlink(stamp_of(known->second).c_str());
    disarm(index);
}

std::optional<Wall> Timers::next(const ServiceRecord& record) const {
    for (const auto& [index, entry] : entries_) {
        if (entry.record != &record || record.timer_due == 0) continue;
        if (!entry.plan->timer.every) return wall_of(record.timer_due);
        return clock_.wall() + (mono_of(record.timer_due) - clock_.now());
    }
    return std::nullopt;
}

bool Timers::is_due(const Entry& entry) const {
    const std::int64_t due = entry.record->timer_due;
    if (due == 0) return false;
    return entry.plan->timer.every ? ns(clock_.now()) >= due : ns(clock_.wall()) >= due;
}

// What is written down may be for a plan of before.
bool Timers::fits(const Entry& entry) const {
    const TimerPlan& timer = entry.plan->timer;
    const std::int64_t moment = entry.record->timer_moment;
    const Nanoseconds later(entry.record->timer_due - moment);
    if (moment == 0 || later < Nanoseconds::zero() || later > timer.jitter) return false;
    if (timer.every) return moment <= ns(clock_.now() + *timer.every);
    const Wall at = wall_of(moment);
    return next_moment(timer.at, at - std::chrono::seconds(1)) == at;
}

// Nobody has waited for it yet. What was missed while superd was not there comes at once.
void Timers::set_first(const Entry& entry) {
    const TimerPlan& timer = entry.plan->timer;
    if (timer.every) return set_next(entry, ns(clock_.now() + *timer.every));
    Wall after = clock_.wall();
    if (timer.missed == Missed::run) {
        const auto last = stamped(entry);
        if (last)
            after = std::min(after, *last);
        else
            stamp(entry);  // from here on nothing is missed
    }
    const auto next = next_of_calendar(entry, after);
    set_next(entry, next ? ns(*next) : 0);
}

void Timers::set_next(const Entry& entry, std::int64_t moment) {
    ServiceRecord& record = *entry.record;
    record.timer_moment = moment;
    record.timer_due = moment == 0 ? 0 : moment + by_chance(entry.plan->timer.jitter).count();
}

// After a run, or where one was skipped.
void Timers::go_on(const Entry& entry) {
    ServiceRecord& record = *entry.record;
    const TimerPlan& timer = entry.plan->timer;
    if (timer.every) {
        const Mono next =
                next_interval(mono_of(record.timer_moment), *timer.every, clock_.now());
        return set_next(entry, ns(next));
    }
    record.timer_last_moment = record.timer_moment;
    if (timer.missed == Missed::run) stamp(entry);
    const auto next = next_of_calendar(entry, clock_.wall());
    set_next(entry, next ? ns(*next) : 0);
}

std::optional<Wall> Timers::next_of_calendar(const Entry& entry, Wall after) const {
    const std::int64_t last = entry.record->timer_last_moment;
    const auto done = last == 0 ? std::nullopt : std::optional(wall_of(last));
    return next_moment(entry.plan->timer.at, calendar_base(done, after));
}

std::string Timers::stamp_of(const Entry& entry) const {
    return folder_ + '/' + entry.plan->name;
}

std::optional<Wall> Timers::stamped(const Entry& entry) const {
    struct stat facts {};

    if (::lstat(stamp_of(entry).c_str(), &facts) != 0) return std::nullopt;
    return Wall(
            std::chrono::seconds(facts.st_mtim.tv_sec) + Nanoseconds(facts.st_mtim.tv_nsec));
}

// The file's time is all that it says.
void Timers::stamp(const Entry& entry) const {
    ::mkdir(folder_.c_str(), 0755);
    const Fd file(::open(stamp_of(entry).c_str(),
            O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644));
    const std::int64_t now = ns(clock_.wall());
    const timespec at{now / 1'000'000'000, now % 1'000'000'000};
    const timespec times[2] = {at, at};
    if (file) ::futimens(file.get(), times);
}

void Timers::look() {
    if (std::exchange(looking_, true)) return;
    std::vector<std::uint32_t> due;
    for (const auto& [index, entry] : entries_)
        if (is_due(entry)) due.push_back(index);
    for (const std::uint32_t index : due) {
        // First the run, then what is written down: a superd that is killed in between finds
        // the run under way, and skips rather than loses one.
        on_due_(index);
        const auto known = entries_.find(index);
        if (known != entries_.end() && is_due(known->second)) go_on(known->second);
    }
    looking_ = false;
    wait();
}

void Timers::on_clock_set() {
    for (const auto& [index, entry] : entries_) {
        if (entry.plan->timer.every || is_due(entry)) continue;
        const auto next = next_of_calendar(entry, clock_.wall());
        const std::int64_t moment = next ? ns(*next) : 0;
        if (moment != entry.record->timer_moment) set_next(entry, moment);
    }
    look();
}

void Timers::wait() {
    if (looking_) return;
    std::optional<std::int64_t> interval, moment;
    for (const auto& [index, entry] : entries_) {
        const std::int64_t due = entry.record->timer_due;
        auto& first = entry.plan->timer.every ? interval : moment;
        if (due != 0 && (!first || due < *first)) first = due;
    }
    if (interval)
        timer_.start(std::max(mono_of(*interval) - clock_.now(), Nanoseconds{0}));
    else
        timer_.stop();
    wait_for_moment(moment);
}

// CLOCK_REALTIME with TFD_TIMER_CANCEL_ON_SET: timerfd_create(2).
void Timers::wait_for_moment(std::optional<std::int64_t> due) {
    if (!due && !wall_) return;
    if (!wall_) {
        wall_.reset(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
        if (wall_)
            poll_ = std::make_unique<Poll>(loop_, wall_.get(), [this](int, int) {
                std::uint64_t count = 0;
                const bool set =
                        ::read(wall_.get(), &count, sizeof count) < 0 && errno == ECANCELED;
                set ? on_clock_set() : look();
            });
        if (poll_) poll_->start(Poll::readable);
    }
    itimerspec at{};
    if (due) {
        // A time of all zeros would stop it.
        const std::int64_t then = std::max<std::int64_t>(*due, 1);
        at.it_value = {then / 1'000'000'000, then % 1'000'000'000};
    }
    const bool waits =
            wall_ && ::timerfd_settime(wall_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                             &at, nullptr) == 0;
    if (waits || !due) return;
    const Nanoseconds left = std::max(wall_of(*due) - clock_.wall(), Nanoseconds{0});
    timer_.start(std::min<Nanoseconds>(left, look_interval));
}

}  // namespace superd
