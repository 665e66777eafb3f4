// SPDX-License-Identifier: MIT
// Which records of the shared state are free. The records themselves are plain data there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sys/state.h"

namespace superd {

class KeptListeners;

// Bits of ProcessRecord::flags.
// Accepted, counted, and not to be started before something has been found out about its peer.
inline constexpr std::uint8_t record_held = 1;
// Its launch goes through superd-exec; the bits below say how far that has come.
inline constexpr std::uint8_t launch_steps_in = 2;
inline constexpr std::uint8_t launch_exec_runs = 4;
inline constexpr std::uint8_t launch_begun = 8;  // the service's program runs, or is about to
inline constexpr std::uint8_t launch_refused = 16;
inline constexpr std::uint8_t launch_failed = 32;
// Its start stands in the log and in its service's counter.
inline constexpr std::uint8_t record_started = 64;
// A command that is none of a life's: health.exec.
inline constexpr std::uint8_t record_checks = 128;

// Process records, taken and given back in O(1); the most recently freed one first, so that few
// pages are touched.
class ProcessRecords {
public:
    explicit ProcessRecords(const State& state);

    // A record with everything zero (descriptors -1) and still `free`: the caller fills it in
    // and sets its state last. Nothing where the table is full.
    [[nodiscard]] std::optional<std::uint32_t> take();
    void give_back(std::uint32_t index);

    [[nodiscard]] ProcessRecord& at(std::uint32_t index) const { return records_[index]; }

    // What a PROXY header has said of its client; null where there was none.
    [[nodiscard]] const ProxiedRecord* proxied(std::uint32_t index) const {
        return records_[index].proxied == ProxyStep::known ? &proxied_[index] : nullptr;
    }

    // To be filled in before the record's `proxied` becomes `known`.
    [[nodiscard]] ProxiedRecord& proxied_place(std::uint32_t index) { return proxied_[index]; }

    // What is known of one connection's client goes over to the record that takes its place.
    void move_proxied(std::uint32_t from, std::uint32_t to);

    [[nodiscard]] std::uint32_t in_use() const { return in_use_; }

    [[nodiscard]] std::uint32_t capacity() const {
        return static_cast<std::uint32_t>(records_.size());
    }

    // Every record that is not free: visit(index, record).
    template <class Visit>
    void for_each(Visit visit) const {
        for (std::uint32_t i = 0; i < header_.process_high; ++i) {
            if (records_[i].state.load(std::memory_order_acquire) != RecordState::free)
                visit(i, records_[i]);
        }
    }

private:
    StateHeader& header_;
    std::span<ProcessRecord> records_;
    std::span<ProxiedRecord> proxied_;
    std::vector<std::uint32_t> freed_;
    std::uint32_t in_use_ = 0;
};

// Records that are kept by a name: services and listeners.
class ServiceRecords {
public:
    explicit ServiceRecords(const State& state);

    // The record of that name, made where there is none; nothing where the table is full or the
    // name is longer than a record holds.
    [[nodiscard]] std::optional<std::uint32_t> find_or_make(std::string_view name);

    [[nodiscard]] ServiceRecord& at(std::uint32_t index) const { return records_[index]; }

    // Forgets the counters of a service that the plan no longer has.
    void remove(std::uint32_t index);

private:
    StateHeader& header_;
    std::span<ServiceRecord> records_;
    std::unordered_map<std::string, std::uint32_t> by_name_;
    std::vector<std::uint32_t> freed_;
};

class ListenerRecords {
public:
    explicit ListenerRecords(const State& state);
    ~ListenerRecords();
    ListenerRecords(const ListenerRecords&) = delete;
    ListenerRecords& operator=(const ListenerRecords&) = delete;

    // Whoever is to have a copy of what is written down from now on; null: nobody any more.
    void keep_with(std::unique_ptr<KeptListeners> kept);
    // A listener that is in no record is not to be kept any longer.
    void let_go(int fd) const;

    // Writes down that fd (a loan) belongs to key; nothing where the table is full.
    [[nodiscard]] std::optional<std::uint32_t> add(std::string_view key, int fd);
    // A descriptor that a former superd wrote down for key and that still is the same open
    // file. Handed out once: two listeners of one key (port 0) are two descriptors.
    [[nodiscard]] std::optional<std::uint32_t> claim(std::string_view key);

    [[nodiscard]] ListenerRecord& at(std::uint32_t index) const { return records_[index]; }

    // moved: the descriptor stands in another record.
    void remove(std::uint32_t index, bool moved = false);

private:
    StateHeader& header_;
    std::unique_ptr<KeptListeners> kept_;
    std::span<ListenerRecord> records_;
    std::unordered_multimap<std::string, std::uint32_t> unclaimed_;  // found at the start
    std::vector<std::uint32_t> freed_;
};

class LifeRecords {
public:
    explicit LifeRecords(const State& state);

    // The one that a former superd has written for this place, else an empty one; null where
    // the table is full.
    [[nodiscard]] LifeRecord* find_or_make(std::uint32_t service, std::uint32_t number);
    // The number of a place of the service's that a former superd has written down, and that
    // nobody has claimed yet; nothing where there is none that is to stay.
    [[nodiscard]] std::optional<std::uint32_t> left_of(std::uint32_t service) const;
    // Its descriptors are closed by whoever owns them.
    void remove(LifeRecord& record);
    // Frees what a former superd has left and nobody has claimed, and closes its descriptors.
    void drop_unclaimed();

private:
    StateHeader& header_;
    std::span<LifeRecord> records_;
    std::vector<std::uint32_t> freed_, unclaimed_;
};

// Text into a field of a record, cut where it is too long.
template <std::size_t N>
void keep_text(char (&field)[N], std::string_view text) {
    const std::size_t size = text.size() < N ? text.size() : N - 1;
    text.copy(field, size);
    field[size] = '\0';
}

// The inode of an open descriptor, 0 where it is not open.
[[nodiscard]] std::uint64_t inode_of(int fd);

}  // namespace superd
