// SPDX-License-Identifier: MIT
// The descriptors that daemons and workers hand over by FDSTORE=1.
#include "engine/descriptor_store.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/records.h"

namespace superd {

namespace {

constexpr std::string_view usual_name = "stored";
constexpr int batch = 64;
// LISTEN_FDNAMES is one string, and the kernel passes none of 128 KiB on (execve(2)).
constexpr std::size_t most_names = 65536;

}  // namespace

DescriptorStore::DescriptorStore(Loop& loop, const State& state, Spawner& closer)
        : header_(state.header()),
          records_(state.stored()),
          closer_(closer),
          set_(::epoll_create1(EPOLL_CLOEXEC)),
          poll_(loop, set_.get(), [this](int, int) { on_hang_ups(); }) {
    adopt();
    poll_.start(Poll::readable);
}

void DescriptorStore::adopt() {
    for (std::uint32_t i = 0; i < header_.stored_high; ++i) {
        const StoredRecord& record = records_[i];
        // A number that is no longer open was somebody's before: never, as far as superd knows.
        if (record.used == 0 || ::fcntl(record.fd, F_GETFD) < 0) {
            records_[i].used = 0;
            freed_.push_back(i);
            continue;
        }
        shelves_[{record.service, record.number}].records.push_back(i);
        serial_ = std::max(serial_, record.serial);
    }
    for (auto& [place, shelf] : shelves_) {
        std::sort(shelf.records.begin(), shelf.records.end(),
                [this](std::uint32_t a, std::uint32_t b) {
                    return records_[a].serial < records_[b].serial;
                });
        for (const std::uint32_t index : shelf.records) {
            const FileIdentity file = file_identity(records_[index].fd);
            (void)shelf.files.add(records_[index].fd, file);
            shelf.names += std::string_view(records_[index].name).size() + 1;
            watch(index, file);
        }
    }
}

bool DescriptorStore::has_room(const Shelf& shelf, const Offer& offer) const {
    return shelf.records.size() < offer.most && shelf.names + offer.name.size() < most_names &&
           (!freed_.empty() || header_.stored_high < records_.size());
}

bool DescriptorStore::keep(StorePlace place, const Offer& offer, std::vector<Fd>& from) {
    Shelf& shelf = shelves_[place];
    bool had_room = true;
    for (Fd& fd : from) {
        had_room = has_room(shelf, offer);
        if (!had_room) break;
        if (shelf.files.add(fd.get(), file_identity(fd.get())))
            put(place, shelf, offer, std::move(fd));
    }
    if (shelf.records.empty()) shelves_.erase(place);
    return had_room;
}

void DescriptorStore::put(StorePlace place, Shelf& shelf, const Offer& offer, Fd fd) {
    std::uint32_t index = header_.stored_high;
    if (freed_.empty()) {
        ++header_.stored_high;
    } else {
        index = freed_.back();
        freed_.pop_back();
    }
    StoredRecord& record = records_[index];
    record = StoredRecord{};
    record.service = place.first;
    record.number = place.second;
    record.serial = ++serial_;
    record.watched = offer.watched ? 1 : 0;
    keep_text(record.name, offer.name.empty() ? usual_name : offer.name);
    record.fd = fd.release();
    record.used = 1;
    shelf.names += std::string_view(record.name).size() + 1;
    shelf.records.push_back(index);
    watch(index, file_identity(record.fd));
}

// Without a bit of its own, for EPOLLERR and EPOLLHUP are always said.
void DescriptorStore::watch(std::uint32_t index, const FileIdentity& file) {
    if (records_[index].watched == 0 || !can_hang_up(file)) return;
    epoll_event event{};
    event.data.u32 = index;
    ::epoll_ctl(set_.get(), EPOLL_CTL_ADD, records_[index].fd, &event);
}

// The record first: the next superd closes what nobody has.
void DescriptorStore::forget(Shelf& shelf, std::uint32_t index) {
    StoredRecord& record = records_[index];
    const int fd = record.fd;
    record.used = 0;
    freed_.push_back(index);
    shelf.files.remove(fd);
    // The service has copies, for which close alone would leave it there.
    ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr);
    shelf.names -= std::string_view(record.name).size() + 1;
    closer_.close_later(fd, Closer::Linger::keep);
}

void DescriptorStore::remove(StorePlace place, std::string_view name) {
    const auto found = shelves_.find(place);
    if (found == shelves_.end()) return;
    Shelf& shelf = found->second;
    std::erase_if(shelf.records, [&](std::uint32_t index) {
        const bool wanted = name == records_[index].name;
        if (wanted) forget(shelf, index);
        return wanted;
    });
    if (shelf.records.empty()) shelves_.erase(found);
}

void DescriptorStore::drop(StorePlace place) {
    const auto found = shelves_.find(place);
    if (found == shelves_.end()) return;
    for (const std::uint32_t index : found->second.records)
        forget(found->second, index);
    shelves_.erase(found);
}

void DescriptorStore::on_hang_ups() {
    std::array<epoll_event, batch> events;
    const int count = ::epoll_wait(set_.get(), events.data(), batch, 0);
    for (int i = 0; i < count; ++i) {
        const std::uint32_t index = events[static_cast<std::size_t>(i)].data.u32;
        const auto found = shelves_.find({records_[index].service, records_[index].number});
        if (found == shelves_.end()) continue;
        std::erase(found->second.records, index);
        forget(found->second, index);
        if (found->second.records.empty()) shelves_.erase(found);
    }
}

void DescriptorStore::give(StorePlace place, Launch& launch) const {
    const auto found = shelves_.find(place);
    if (found == shelves_.end()) return;
    for (const std::uint32_t index : found->second.records) {
        const StoredRecord& record = records_[index];
        const int copy = ::fcntl(record.fd, F_DUPFD_CLOEXEC, low_number);
        if (copy < 0) launch.copy_error = errno;
        launch.stored.emplace_back(std::make_shared<const Fd>(copy));
        if (launch.stored.size() > 1) launch.stored_names += ':';
        launch.stored_names += record.name;
    }
}

std::vector<std::string> DescriptorStore::names(StorePlace place) const {
    std::vector<std::string> names;
    const auto found = shelves_.find(place);
    if (found == shelves_.end()) return names;
    for (const std::uint32_t index : found->second.records)
        names.emplace_back(records_[index].name);
    return names;
}

}  // namespace superd
