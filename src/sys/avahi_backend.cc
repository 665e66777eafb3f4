// SPDX-License-Identifier: MIT
#include "sys/avahi_backend.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "policy/backoff.h"

namespace superd {

namespace {

// How often a bus that is not there is tried.
constexpr auto longest_pause = std::chrono::seconds(5);
// Names of one announcement that others may have before it is given up.
constexpr unsigned most_names = 50;

// What came over the bus, for one line.
std::string one_line(const std::string& text) {
    std::string line = escape(text);
    if (line.size() > announce_text_limit) line = "unspeakable";
    return line;
}

}  // namespace

void AvahiBackend::want(AnnouncementList list, Mono now) {
    number_ = list.number;
    std::map<std::uint32_t, Group> before = std::exchange(groups_, {});
    std::vector<std::uint32_t> fresh;
    for (Announcement& announcement : list.wanted) {
        if (announcement.ports.empty()) continue;
        const std::uint32_t id = announcement.id;
        const auto known = before.find(id);
        if (known != before.end() && known->second.announcement == announcement) {
            groups_.insert(before.extract(known));
            continue;
        }
        groups_[id].announcement = std::move(announcement);
        fresh.push_back(id);
    }
    for (auto& [id, group] : before)
        take_back(group);
    reports_.settled(number_);
    if (!groups_.empty() && !bus_.is_open() && retry_at_ == Mono::max()) connect(now);
    for (auto& [id, group] : groups_) {
        const bool is_fresh = std::find(fresh.begin(), fresh.end(), id) != fresh.end();
        if (!runs_)
            say(group, AnnounceState::waiting, missing_error_, missing_);
        else if (is_fresh && group.path.empty() && !group.said)
            publish(group);
        else if (group.said)
            say(group, group.said->state, static_cast<int>(group.said->error),
                    group.said->text);
    }
}

void AvahiBackend::add_to(std::vector<pollfd>& entries) {
    if (bus_.is_open()) entries.push_back(bus_.wanted());
}

Mono AvahiBackend::next(Mono) const {
    return bus_.is_open() ? bus_.next() : retry_at_;
}

void AvahiBackend::on_polled(Mono now) {
    if (!bus_.is_open()) {
        if (now >= retry_at_) connect(now);
        return;
    }
    const auto news = bus_.take_news();
    if (!news) return lose_bus(news.error().code);
    for (const AvahiNews& one : *news) {
        if (!bus_.is_open()) return;
        switch (one.what) {
            case AvahiNews::What::came: look_at_avahi(); break;
            case AvahiNews::What::gone: on_server(false); break;
            case AvahiNews::What::server_state:
                on_server(one.state == avahi_server_runs);
                break;
            case AvahiNews::What::group_state: on_group(one); break;
        }
    }
}

void AvahiBackend::withdraw() {
    if (!bus_.is_open()) return;
    for (auto& [id, group] : groups_)
        take_back(group);
    bus_.close();
}

void AvahiBackend::connect(Mono now) {
    retry_at_ = Mono::max();
    if (groups_.empty()) return;
    const auto opened = bus_.open();
    if (opened) {
        failures_ = 0;
        return look_at_avahi();
    }
    say_waiting(opened.error().code, "the system bus");
    retry_at_ = now + std::min<Nanoseconds>(backoff_delay(++failures_), longest_pause);
}

void AvahiBackend::look_at_avahi() {
    int state = 0;
    const AvahiOutcome outcome = bus_.get_state(state);
    if (outcome.kind == AvahiOutcome::Kind::broken) return lose_bus(outcome.error);
    on_server(outcome.done() && state == avahi_server_runs);
}

// Avahi that looks for a host name of its own anew has taken everything back.
void AvahiBackend::on_server(bool runs) {
    if (!runs) {
        runs_ = false;
        for (auto& [id, group] : groups_)
            take_back(group);
        forget_groups();
        if (bus_.is_open()) say_waiting(0, "Avahi");
        return;
    }
    if (std::exchange(runs_, true)) return;
    for (auto& [id, group] : groups_) {
        if (!runs_) return;
        publish(group);
    }
}

void AvahiBackend::on_group(const AvahiNews& news) {
    const auto known = std::find_if(groups_.begin(), groups_.end(),
            [&](const auto& entry) { return entry.second.path == news.path; });
    if (known == groups_.end() || news.path.empty()) return;
    Group& group = known->second;
    switch (static_cast<AvahiGroupState>(news.state)) {
        case AvahiGroupState::established:
            say(group, AnnounceState::announced, 0, one_line(group.name));
            break;
        case AvahiGroupState::collision: {
            const AvahiOutcome outcome = rename(group);
            if (outcome.done())
                publish(group);
            else
                conclude(group, outcome);
            break;
        }
        case AvahiGroupState::failure:
            conclude(group, {AvahiOutcome::Kind::refused, 0, news.error});
            break;
        case AvahiGroupState::uncommitted:
        case AvahiGroupState::registering: break;
    }
}

// Names of this host's own services are taken at once, those of others by StateChanged.
void AvahiBackend::publish(Group& group) {
    AvahiOutcome outcome = try_publish(group);
    while (outcome.kind == AvahiOutcome::Kind::taken) {
        outcome = rename(group);
        if (outcome.done()) outcome = try_publish(group);
    }
    if (!outcome.done()) conclude(group, outcome);
}

AvahiOutcome AvahiBackend::try_publish(Group& group) {
    const auto& mdns = std::get<MdnsAnnouncement>(group.announcement.what);
    if (group.name.empty()) group.name = mdns.name;
    if (group.name.empty())
        if (auto asked = bus_.get_host_name(group.name); !asked.done()) return asked;
    const auto services = avahi_services(group.announcement, group.name, interface_of);
    if (services.empty())
        return {AvahiOutcome::Kind::refused, 0,
                "none of its ports can be reached from elsewhere"};
    auto outcome = group.path.empty() ? bus_.new_group(group.path)
                                      : bus_.call_group(group.path, "Reset");
    for (const AvahiService& service : services)
        if (outcome.done()) outcome = bus_.add_service(group.path, service, mdns.txt);
    return outcome.done() ? bus_.call_group(group.path, "Commit") : outcome;
}

AvahiOutcome AvahiBackend::rename(Group& group) {
    if (++group.renamed > most_names)
        return {AvahiOutcome::Kind::refused, 0, "every name is taken"};
    std::string other;
    auto outcome = bus_.get_alternative(group.name, other);
    if (outcome.done()) group.name = std::move(other);
    return outcome;
}

void AvahiBackend::conclude(Group& group, const AvahiOutcome& outcome) {
    switch (outcome.kind) {
        case AvahiOutcome::Kind::broken: return lose_bus(outcome.error);
        case AvahiOutcome::Kind::gone: return on_server(false);
        case AvahiOutcome::Kind::done:
        case AvahiOutcome::Kind::taken:
        case AvahiOutcome::Kind::refused:
            take_back(group);
            say(group, AnnounceState::refused, 0, one_line(outcome.text));
    }
}

void AvahiBackend::take_back(Group& group) {
    if (group.path.empty() || !bus_.is_open()) return;
    const AvahiOutcome outcome = bus_.call_group(std::exchange(group.path, {}), "Free");
    if (outcome.kind == AvahiOutcome::Kind::broken) lose_bus(outcome.error);
}

void AvahiBackend::lose_bus(int error) {
    bus_.close();
    runs_ = false;
    forget_groups();
    say_waiting(error, "the system bus");
    retry_at_ = SystemClock().now() +
                std::min<Nanoseconds>(backoff_delay(++failures_), longest_pause);
}

// With another Avahi the name that was asked for is tried first again.
void AvahiBackend::forget_groups() {
    for (auto& [id, group] : groups_) {
        group.path.clear();
        group.name.clear();
        group.renamed = 0;
    }
}

void AvahiBackend::say(Group& group, AnnounceState state, int error, std::string text) {
    group.said = AnnounceReport{number_, group.announcement.id, state,
            static_cast<std::uint32_t>(error), std::move(text)};
    reports_.report(*group.said);
}

void AvahiBackend::say_waiting(int error, const std::string& what) {
    missing_ = what;
    missing_error_ = error;
    for (auto& [id, group] : groups_)
        say(group, AnnounceState::waiting, error, what);
}

}  // namespace superd
