// SPDX-License-Identifier: MIT
// When services that run by the clock come next: every and at.
//
// What is due is kept in the service's record, so a superd that takes over goes on where the
// one before was: what came due in between comes at once, once. Intervals go by the monotonic
// clock; moments of the calendar by the clock on the wall, and the kernel tells when somebody
// sets that. Nothing wakes superd before something is due. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "config/plan.h"
#include "loop/loop.h"
#include "sys/state.h"

namespace superd {

class Timers {
public:
    // A run is due; by index of the service. It may call arm() and disarm().
    using OnDue = std::function<void(std::uint32_t index)>;

    // clock: the loop, or a test's. folder: where runs of services with missed = "run" are
    // remembered over superd's end; made when there is one.
    Timers(Loop& loop, const Clock& clock, std::string folder, OnDue on_due);

    // From now on the service comes when its plan says so. Nothing changes where that is so
    // already. record outlives the arming.
    void arm(std::uint32_t index, const std::shared_ptr<const ServicePlan>& plan,
            ServiceRecord& record);
    // It does not come until it is armed again, and then anew.
    void disarm(std::uint32_t index);
    // The service goes for good: what is remembered of it goes as well.
    void forget(std::uint32_t index);

    // When it comes next by the clock on the wall; nothing where it does not.
    [[nodiscard]] std::optional<Wall> next(const ServiceRecord& record) const;

    // Somebody has set the clock: what is not due yet is looked up again.
    void on_clock_set();
    // Runs what is due, and waits for what comes next.
    void look();

private:
    struct Entry {
        std::shared_ptr<const ServicePlan> plan;
        ServiceRecord* record = nullptr;
    };

    [[nodiscard]] bool is_due(const Entry& entry) const;
    [[nodiscard]] bool fits(const Entry& entry) const;
    void set_first(const Entry& entry);
    void set_next(const Entry& entry, std::int64_t moment);
    void go_on(const Entry& entry);
    [[nodiscard]] std::optional<Wall> next_of_calendar(const Entry& entry, Wall after) const;
    [[nodiscard]] std::string stamp_of(const Entry& entry) const;
    [[nodiscard]] std::optional<Wall> stamped(const Entry& entry) const;
    void stamp(const Entry& entry) const;
    void wait();
    void wait_for_moment(std::optional<std::int64_t> due);

    Loop& loop_;
    const Clock& clock_;
    const std::string folder_;
    const OnDue on_due_;
    std::map<std::uint32_t, Entry> entries_;
    Timer timer_;  // the first interval
    Fd wall_;      // timerfd: the first moment, and the clock's setting
    std::unique_ptr<Poll> poll_;
    bool looking_ = false;
};

}  // namespace superd
