// SPDX-License-Identifier: MIT
#include "engine/waiters.h"

#include <algorithm>
#include <iterator>

namespace superd {

std::uint64_t Waiters::add(std::string service, Test test, Reply reply) {
    waiting_.push_back({next_token_, std::move(service), std::move(test), std::move(reply)});
    return next_token_++;
}

void Waiters::forget(std::uint64_t token) {
    std::erase_if(waiting_, [token](const Waiter& waiter) { return waiter.token == token; });
}

bool Waiters::has(std::string_view service) const {
    return std::any_of(waiting_.begin(), waiting_.end(),
            [&](const Waiter& waiter) { return waiter.service == service; });
}

template <class Holds>
std::vector<Waiters::Waiter> Waiters::take(Holds holds) {
    const auto first = std::stable_partition(waiting_.begin(), waiting_.end(),
            [&](const Waiter& waiter) { return !holds(waiter); });
    std::vector<Waiter> taken(
            std::make_move_iterator(first), std::make_move_iterator(waiting_.end()));
    waiting_.erase(first, waiting_.end());
    return taken;
}

void Waiters::look(const ServiceStatus& status) {
    for (const Waiter& waiter : take([&](const Waiter& one) {
             return one.service == status.name && one.test(status);
         }))
        waiter.reply({});
}

void Waiters::answer(std::string_view service, const Outcome& outcome) {
    for (const Waiter& waiter : take([&](const Waiter& one) { return one.service == service; }))
        waiter.reply(outcome);
}

}  // namespace superd
