// SPDX-License-Identifier: MIT
#include "engine/target_names.h"

#include <algorithm>

#include <fmt/format.h>

namespace superd {

namespace {

// A name that has no address is asked for again when a client comes, but not more often.
constexpr Nanoseconds soonest_again = std::chrono::seconds(5);

std::string list_of(const std::vector<IpAddress>& addresses) {
    std::string text;
    for (const IpAddress& address : addresses)
        text += (text.empty() ? "" : ", ") + address.text();
    return text;
}

}  // namespace

TargetNames::TargetNames(Loop& loop, Resolver& resolver, EventSink& log, OnNews on_news)
        : loop_(loop),
          resolver_(resolver),
          log_(log),
          on_news_(std::move(on_news)),
          timer_(loop, [this] { look_up_due(); }) {}

void TargetNames::want(
        const std::set<std::string>& hosts, Nanoseconds timeout, Nanoseconds refresh) {
    timeout_ = timeout;
    refresh_ = refresh;
    std::erase_if(names_, [&](const auto& known) { return !hosts.contains(known.first); });
    for (const std::string& host : hosts) {
        Name& name = names_[host];
        name.due = name.ever ? std::min(name.due, name.asked + refresh) : loop_.now();
    }
    arm();
}

// From the loop alone: an answer may come before the question has returned.
void TargetNames::arm() {
    Mono first = Mono::max();
    for (const auto& [host, name] : names_)
        if (!name.pending) first = std::min(first, name.due);
    if (first == Mono::max())
        timer_.stop();
    else
        timer_.start(std::max(first - loop_.now(), Nanoseconds{0}));
}

void TargetNames::look_up_due() {
    std::vector<std::string> due;
    for (const auto& [host, name] : names_)
        if (!name.pending && name.due <= loop_.now()) due.push_back(host);
    for (const std::string& host : due)
        ask(host, names_[host]);
    arm();
}

void TargetNames::ask(const std::string& host, Name& name) {
    name.pending = name.ever = true;
    name.asked = loop_.now();
    name.due = name.asked + refresh_;
    resolver_.find_addresses(
            host, timeout_, [this, host](bool failed, const std::vector<IpAddress>& found) {
                on_answer(host, failed, found);
            });
}

bool TargetNames::hurry(const std::string& host) {
    const auto known = names_.find(host);
    if (known == names_.end()) return false;
    Name& name = known->second;
    if (name.pending) return true;
    if (name.ever && loop_.now() - name.asked < soonest_again) return false;
    name.due = loop_.now();
    arm();
    return true;
}

const std::vector<IpAddress>& TargetNames::addresses(const std::string& host) const {
    static const std::vector<IpAddress> none;
    const auto known = names_.find(host);
    return known == names_.end() ? none : known->second.addresses;
}

void TargetNames::on_answer(
        const std::string& host, bool failed, const std::vector<IpAddress>& found) {
    const auto known = names_.find(host);
    if (known == names_.end()) return;  // a reload has come between
    Name& name = known->second;
    name.pending = false;
    if (found.empty()) {
        on_failure(host, name, failed);
    } else {
        name.failing = false;
        if (name.addresses != found)
            log_.log(NoticeEvent{.text = fmt::format("{} is {}", host, list_of(found))});
        name.addresses = found;
    }
    arm();
    on_news_(host);
}

void TargetNames::on_failure(const std::string& host, Name& name, bool failed) {
    if (std::exchange(name.failing, true)) return;  // said once
    const char* why = failed ? "nobody answered in time" : "there is no such name";
    log_.log(NoticeEvent{.level = Level::warning,
            .text = name.addresses.empty()
                            ? fmt::format("no address of {} is known: {}", host, why)
                            : fmt::format("the addresses of {} stay {}: {}", host,
                                      list_of(name.addresses), why)});
}

}  // namespace superd
