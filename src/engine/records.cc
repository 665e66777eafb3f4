// SPDX-License-Identifier: MIT
#include "engine/records.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <sys/stat.h>

#include "base/fd.h"
#include "engine/kept_listeners.h"

namespace superd {

namespace {

// A freed place, else the first that was never used, else nothing.
std::optional<std::uint32_t> next_place(
        std::vector<std::uint32_t>& freed, std::uint32_t& high, std::size_t capacity) {
    if (!freed.empty()) {
        const std::uint32_t index = freed.back();
        freed.pop_back();
        return index;
    }
    if (high >= capacity) return std::nullopt;
    return high++;
}

template <std::size_t N>
std::string_view text_of(const char (&field)[N]) {
    return {field, ::strnlen(field, N)};
}

template <std::size_t N>
bool store(char (&field)[N], std::string_view text) {
    if (text.size() >= N) return false;
    std::copy(text.begin(), text.end(), field);
    field[text.size()] = '\0';
    return true;
}

}  // namespace

ProcessRecords::ProcessRecords(const State& state)
        : header_(state.header()), records_(state.processes()), proxied_(state.proxied()) {
    for (std::uint32_t i = 0; i < header_.process_high; ++i) {
        if (records_[i].state.load() == RecordState::free)
            freed_.push_back(i);
        else
            ++in_use_;
    }
}

std::optional<std::uint32_t> ProcessRecords::take() {
    const auto index = next_place(freed_, header_.process_high, records_.size());
    if (!index) return std::nullopt;
    ProcessRecord& record = records_[*index];
    record.pid.store(0, std::memory_order_relaxed);
    record.pidfd.store(-1, std::memory_order_relaxed);
    record.connection.store(-1, std::memory_order_relaxed);
    record.error.store(0, std::memory_order_relaxed);
    record.stage.store(0, std::memory_order_relaxed);
    record.attempts = 0;
    record.flags = 0;
    record.relay = 0;
    record.target = 0;
    record.proxied = ProxyStep::none;
    record.tls = TlsStep::none;
    record.partner = 0;
    record.banner_sent = 0;
    record.deaths = 0;
    record.source = ~std::uint32_t{0};
    record.listener = 0;
    record.cookie = 0;
    record.id = 0;
    record.peer = {};
    record.local = {};
    ++in_use_;
    return index;
}

void ProcessRecords::move_proxied(std::uint32_t from, std::uint32_t to) {
    if (records_[from].proxied != ProxyStep::known) return;
    proxied_[to] = proxied_[from];
    records_[to].proxied = ProxyStep::known;
}

void ProcessRecords::give_back(std::uint32_t index) {
    if (records_[index].proxied != ProxyStep::none) proxied_[index] = {};
    records_[index].state.store(RecordState::free, std::memory_order_release);
    freed_.push_back(index);
    --in_use_;
}

ServiceRecords::ServiceRecords(const State& state)
        : header_(state.header()), records_(state.services()) {
    for (std::uint32_t i = 0; i < header_.service_high; ++i) {
        const auto name = text_of(records_[i].name);
        if (name.empty())
            freed_.push_back(i);
        else
            by_name_.emplace(name, i);
    }
}

std::optional<std::uint32_t> ServiceRecords::find_or_make(std::string_view name) {
    const auto known = by_name_.find(std::string(name));
    if (known != by_name_.end()) return known->second;
    if (name.size() >= sizeof ServiceRecord::name) return std::nullopt;
    const auto index = next_place(freed_, header_.service_high, records_.size());
    if (!index) return std::nullopt;
    ServiceRecord& record = records_[*index];
    record = ServiceRecord{};
    record.log_read = record.log_write = -1;
    store(record.name, name);
    by_name_.emplace(name, *index);
    return index;
}

void ServiceRecords::remove(std::uint32_t index) {
    by_name_.erase(std::string(text_of(records_[index].name)));
    records_[index].name[0] = '\0';
    freed_.push_back(index);
}

ListenerRecords::ListenerRecords(const State& state)
        : header_(state.header()), records_(state.listeners()) {
    for (std::uint32_t i = 0; i < header_.listener_high; ++i) {
        ListenerRecord& record = records_[i];
        if (record.fd < 0 || inode_of(record.fd) != record.inode) {
            record.fd = -1;  // the number may be something else's by now
            freed_.push_back(i);
            continue;
        }
        unclaimed_.emplace(text_of(record.key), i);
    }
}

ListenerRecords::~ListenerRecords() = default;

void ListenerRecords::keep_with(std::unique_ptr<KeptListeners> kept) {
    kept_ = std::move(kept);
}

void ListenerRecords::let_go(int fd) const {
    if (kept_) kept_->let_go(fd);
}

std::optional<std::uint32_t> ListenerRecords::add(std::string_view key, int fd) {
    if (key.size() >= sizeof ListenerRecord::key) return std::nullopt;
    const auto index = next_place(freed_, header_.listener_high, records_.size());
    if (!index) return std::nullopt;
    ListenerRecord& record = records_[*index];
    record.inode = inode_of(fd);
    record.filter = 0;
    store(record.key, key);
    record.fd = fd;
    if (kept_) kept_->keep(fd);
    return index;
}

std::optional<std::uint32_t> ListenerRecords::claim(std::string_view key) {
    const auto known = unclaimed_.find(std::string(key));
    if (known == unclaimed_.end()) return std::nullopt;
    const std::uint32_t index = known->second;
    unclaimed_.erase(known);
    // The one before may have been killed before it could say so.
    if (kept_) kept_->keep(records_[index].fd);
    return index;
}

void ListenerRecords::remove(std::uint32_t index, bool moved) {
    if (!moved && records_[index].fd >= 0) let_go(records_[index].fd);
    std::erase_if(unclaimed_, [index](const auto& entry) { return entry.second == index; });
    records_[index].fd = -1;
    freed_.push_back(index);
}

LifeRecords::LifeRecords(const State& state)
        : header_(state.header()), records_(state.lives()) {
    for (std::uint32_t i = 0; i < header_.life_high; ++i)
        (records_[i].used == 0 ? freed_ : unclaimed_).push_back(i);
}

LifeRecord* LifeRecords::find_or_make(std::uint32_t service, std::uint32_t number) {
    const auto known =
            std::find_if(unclaimed_.begin(), unclaimed_.end(), [&](std::uint32_t index) {
                return records_[index].service == service && records_[index].number == number;
            });
    if (known != unclaimed_.end()) {
        LifeRecord& record = records_[*known];
        unclaimed_.erase(known);
        return &record;
    }
    const auto index = next_place(freed_, header_.life_high, records_.size());
    if (!index) return nullptr;
    LifeRecord& record = records_[*index];
    record = LifeRecord{};
    record.notify_fd = record.ready_fd = -1;
    record.service = service;
    record.number = number;
    record.used = 1;
    return &record;
}

std::optional<std::uint32_t> LifeRecords::left_of(std::uint32_t service) const {
    std::optional<std::uint32_t> first;
    for (const std::uint32_t index : unclaimed_) {
        const LifeRecord& record = records_[index];
        if (record.service != service || record.leaves != 0) continue;
        if (!first || record.number < *first) first = record.number;
    }
    return first;
}

void LifeRecords::remove(LifeRecord& record) {
    record.used = 0;
    freed_.push_back(static_cast<std::uint32_t>(&record - records_.data()));
}

void LifeRecords::drop_unclaimed() {
    for (const std::uint32_t index : std::exchange(unclaimed_, {})) {
        Fd(records_[index].notify_fd).reset();
        Fd(records_[index].ready_fd).reset();
        remove(records_[index]);
    }
}

std::uint64_t inode_of(int fd) {
    struct stat facts {};

    return fd >= 0 && ::fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

}  // namespace superd
