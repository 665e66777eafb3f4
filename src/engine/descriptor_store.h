// SPDX-License-Identifier: MIT
// The descriptors that daemons and workers hand over by FDSTORE=1 (sd_notify(3)), to find them
// again at their next start.
//
// Each place of a service (engine/instance.h) has its own, in the order in which they came.
// They stand in the shared state, so that the next superd has them too; nothing is closed when
// this goes. Whoever holds a descriptor of somebody else's must not wait for it: it is closed
// by a thread of its own, and only what cannot keep superd waiting is watched for hanging up.
// Loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "loop/loop.h"
#include "sys/open_file.h"
#include "sys/spawner.h"
#include "sys/state.h"

namespace superd {

// Where a service's plan is not known: by its index, and the number of the place.
using StorePlace = std::pair<std::uint32_t, std::uint32_t>;

class DescriptorStore {
public:
    // closer: outlives this.
    DescriptorStore(Loop& loop, const State& state, Spawner& closer);

    struct Offer {
        std::string_view name;  // empty: "stored"
        bool watched = true;    // it goes when it is hung up
        std::uint32_t most = 0;
    };

    // Takes what is not there yet out of `from`, as long as there is room; the rest stays
    // there. False where there was not room for all.
    bool keep(StorePlace place, const Offer& offer, std::vector<Fd>& from);
    // Those of that name.
    void remove(StorePlace place, std::string_view name);
    void drop(StorePlace place);

    // What a former superd has left of places that are not.
    template <class Exists>
    void drop_unless(Exists exists) {
        for (auto next = shelves_.begin(); next != shelves_.end();) {
            const StorePlace place = (next++)->first;
            if (!exists(place)) drop(place);
        }
    }

    // For a start: copies of all of them, and their names.
    void give(StorePlace place, Launch& launch) const;
    [[nodiscard]] std::vector<std::string> names(StorePlace place) const;

    void close_later(Fd fd) const { closer_.close_later(fd.release(), Closer::Linger::keep); }

private:
    struct Shelf {
        std::vector<std::uint32_t> records;  // in order
        std::size_t names = 0;               // bytes of theirs in LISTEN_FDNAMES
        OpenFiles files;
    };

    void adopt();
    [[nodiscard]] bool has_room(const Shelf& shelf, const Offer& offer) const;
    void put(StorePlace place, Shelf& shelf, const Offer& offer, Fd fd);
    void watch(std::uint32_t index, const FileIdentity& file);
    void forget(Shelf& shelf, std::uint32_t index);
    void on_hang_ups();

    StateHeader& header_;
    std::span<StoredRecord> records_;
    Spawner& closer_;
    Fd set_;  // epoll
    Poll poll_;
    std::map<StorePlace, Shelf> shelves_;  // none is empty
    std::vector<std::uint32_t> freed_;
    std::uint64_t serial_ = 0;  // the last one's
};

}  // namespace superd
