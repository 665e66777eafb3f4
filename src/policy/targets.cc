// SPDX-License-Identifier: MIT
#include "policy/targets.h"

#include <algorithm>
#include <utility>

#include "policy/backoff.h"

namespace superd {

namespace {

constexpr std::size_t most_addresses = 8;  // of one name
constexpr std::size_t most_targets = 100;  // less than half of all numbers: one is always free

// The first pause is 1.6 s.
Nanoseconds pause_after(std::uint32_t failures) {
    return backoff_delay(failures + 4);
}

bool is_same(const TargetPlan& one, const TargetPlan& other) {
    return one.text == other.text && one.kind == other.kind && one.ip == other.ip &&
           one.port == other.port && one.path == other.path && one.zone == other.zone;
}

bool has_number(const std::vector<Target>& targets, std::uint8_t number) {
    return std::any_of(targets.begin(), targets.end(),
            [&](const Target& target) { return target.number == number; });
}

}  // namespace

void Targets::take_plan(const std::vector<TargetPlan>& plan) {
    plan_ = plan;
    const auto names = this->names();
    std::erase_if(addresses_, [&](const auto& known) {
        return std::find(names.begin(), names.end(), known.first) == names.end();
    });
    rebuild();
}

bool Targets::take_addresses(const std::string& host, std::span<const IpAddress> addresses) {
    std::vector<IpAddress> list(addresses.begin(), addresses.end());
    auto& known = addresses_[host];
    if (known == list) return false;
    known = std::move(list);
    rebuild();
    return true;
}

std::vector<std::string> Targets::names() const {
    std::vector<std::string> names;
    for (const TargetPlan& target : plan_)
        if (!target.host.empty() &&
                std::find(names.begin(), names.end(), target.host) == names.end())
            names.push_back(target.host);
    return names;
}

void Targets::rebuild() {
    const std::vector<Target> before = std::exchange(targets_, {});
    for (const TargetPlan& written : plan_) {
        if (written.host.empty()) {
            add(written, before);
            continue;
        }
        std::size_t found = 0;
        for (const IpAddress& ip : addresses_[written.host]) {
            const bool fits = written.ip_family == 0 || (written.ip_family == 4) == ip.is_v4();
            if (!fits || ++found > most_addresses) continue;
            TargetPlan target = written;
            target.ip = ip;
            add(std::move(target), before);
        }
    }
}

void Targets::add(TargetPlan plan, const std::vector<Target>& before) {
    if (targets_.size() >= most_targets) return;
    const auto known = std::find_if(before.begin(), before.end(),
            [&](const Target& target) { return is_same(target.plan, plan); });
    Target target;
    if (known != before.end() && !has_number(targets_, known->number)) target = *known;
    if (target.number == 0) target.number = free_number(before);
    target.plan = std::move(plan);
    targets_.push_back(std::move(target));
}

// Neither of a target that is there nor of one that was there a moment ago.
std::uint8_t Targets::free_number(const std::vector<Target>& before) {
    do {
        ++last_number_;
    } while (last_number_ == 0 || has_number(targets_, last_number_) ||
             has_number(before, last_number_));
    return last_number_;
}

const Target* Targets::choose(std::span<const std::uint8_t> tried, Mono now) {
    const auto is_left = [&](const Target& target) {
        return std::find(tried.begin(), tried.end(), target.number) == tried.end();
    };
    for (Target& target : targets_) {
        if (!is_left(target) || target.left_out_until > now) continue;
        if (target.failures > 0) target.left_out_until = now + pause_after(target.failures);
        return &target;
    }
    const auto any = std::find_if(targets_.begin(), targets_.end(), is_left);
    return any == targets_.end() ? nullptr : &*any;
}

Target* Targets::get(std::uint8_t number) {
    const auto found = std::find_if(targets_.begin(), targets_.end(),
            [&](const Target& target) { return target.number == number; });
    return found == targets_.end() ? nullptr : &*found;
}

const Target* Targets::find(std::uint8_t number) const {
    return const_cast<Targets*>(this)->get(number);
}

// Of many connections that fail at one time the first counts.
Nanoseconds Targets::on_failure(std::uint8_t number, Mono now) {
    Target* target = get(number);
    if (target == nullptr) return Nanoseconds{0};
    const bool counted =
            target->failures > 0 && now - target->failed_at < pause_after(target->failures) / 2;
    if (!counted) {
        ++target->failures;
        target->failed_at = now;
    }
    target->left_out_until = now + pause_after(target->failures);
    return pause_after(target->failures);
}

void Targets::on_success(std::uint8_t number) {
    Target* target = get(number);
    if (target == nullptr) return;
    target->failures = 0;
    target->left_out_until = Mono{};
}

}  // namespace superd
