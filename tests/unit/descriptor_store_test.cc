// SPDX-License-Identifier: MIT
// Descriptors that are kept for services.
#include "engine/descriptor_store.h"

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/open_file.h"

#include "support/catch.h"

namespace superd {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

Fd copy_of(const Fd& fd) {
    return Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

Fd memory() {
    return Fd(::memfd_create("x", MFD_CLOEXEC));
}

std::vector<Fd> one(Fd fd) {
    std::vector<Fd> all;
    all.push_back(std::move(fd));
    return all;
}

struct Pipe {
    Fd read, write;

    Pipe() {
        std::array<int, 2> ends{-1, -1};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

struct Bench {
    Loop loop;
    State state = State::for_test();
    Spawner spawner{state, {}};
    DescriptorStore store{loop, state, spawner};
    const StorePlace place{1, 0};

    bool keep(Fd fd, std::string_view name, std::uint32_t most = 8, bool watched = true) {
        std::vector<Fd> from = one(std::move(fd));
        return store.keep(place, {.name = name, .watched = watched, .most = most}, from);
    }

    // Until the names are these, or for ten seconds.
    bool becomes(const Names& names) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        Timer tick(loop, [this] { loop.stop(); });
        tick.start(2ms, 2ms);
        while (store.names(place) != names) {
            if (std::chrono::steady_clock::now() > end) return false;
            loop.run();
        }
        return true;
    }
};

}  // namespace

TEST_CASE("descriptor store: a copy of what is kept is not kept, whatever it is") {
    OpenFiles files;
    const Fd a = memory(), b = memory(), event(::eventfd(0, EFD_CLOEXEC)),
             other(::eventfd(0, EFD_CLOEXEC));
    const Pipe pipe;
    for (const Fd* fd : {&a, &b, &event, &other, &pipe.read, &pipe.write})
        CHECK(files.add(fd->get(), file_identity(fd->get())));
    for (const Fd* fd : {&a, &b, &event, &other, &pipe.read, &pipe.write}) {
        const Fd copy = copy_of(*fd);
        CHECK_FALSE(files.add(copy.get(), file_identity(copy.get())));
    }
    files.remove(b.get());
    CHECK(files.add(b.get(), file_identity(b.get())));
}

TEST_CASE("descriptor store: what cannot be asked without waiting is not watched") {
    CHECK_FALSE(can_hang_up(file_identity(memory().get())));
    CHECK_FALSE(can_hang_up(file_identity(Fd(::open("/", O_RDONLY | O_CLOEXEC)).get())));
    CHECK(can_hang_up(file_identity(Pipe().read.get())));
    CHECK(can_hang_up(file_identity(Fd(::eventfd(0, EFD_CLOEXEC)).get())));
}

TEST_CASE("descriptor store: no more than there is room for, in the order of their coming") {
    Bench bench;
    const Fd a = memory();
    CHECK(bench.keep(copy_of(a), "a", 3));
    CHECK(bench.keep(copy_of(a), "b", 3));  // it is there
    CHECK(bench.keep(memory(), "", 3));
    CHECK(bench.keep(memory(), "a", 3));
    CHECK_FALSE(bench.keep(memory(), "c", 3));
    CHECK(bench.store.names(bench.place) == Names{"a", "stored", "a"});
    bench.store.remove(bench.place, "a");
    CHECK(bench.store.names(bench.place) == Names{"stored"});
    CHECK(bench.store.names({1, 1}).empty());
    bench.store.drop(bench.place);
    CHECK(bench.store.names(bench.place).empty());
}

TEST_CASE("descriptor store: names fit into one variable, and the table into the state") {
    Bench bench;
    const std::string name(255, 'n');
    // for_test() has room for 16.
    for (int i = 0; i < 16; ++i)
        CHECK(bench.keep(memory(), name, 1024));
    CHECK_FALSE(bench.keep(memory(), name, 1024));
    bench.store.drop(bench.place);
    CHECK(bench.keep(memory(), "again"));
}

TEST_CASE("descriptor store: what hangs up goes, unless it is to stay") {
    Bench bench;
    Pipe first, second;
    CHECK(bench.keep(std::move(first.write), "first"));
    CHECK(bench.keep(std::move(second.write), "second", 8, false));
    CHECK(bench.keep(memory(), "file"));
    first.read.reset();
    second.read.reset();
    CHECK(bench.becomes({"second", "file"}));
}

TEST_CASE("descriptor store: the next superd finds all of it, and drops what nobody has") {
    Bench bench;
    Pipe pipe;
    CHECK(bench.keep(memory(), "b"));
    CHECK(bench.keep(memory(), "gone"));
    CHECK(bench.keep(std::move(pipe.write), "a"));
    bench.store.remove(bench.place, "gone");
    const Fd kept = memory();
    CHECK(bench.keep(copy_of(kept), "c"));
    DescriptorStore next(bench.loop, bench.state, bench.spawner);
    CHECK(next.names(bench.place) == Names{"b", "a", "c"});
    std::vector<Fd> again = one(copy_of(kept));
    CHECK(next.keep(bench.place, {.name = "d", .most = 8}, again));
    CHECK(next.names(bench.place) == Names{"b", "a", "c"});
    Launch launch;
    next.give(bench.place, launch);
    CHECK(launch.stored_names == "b:a:c");
    REQUIRE(launch.stored.size() == 3);
    OpenFiles files;
    CHECK(files.add(kept.get(), file_identity(kept.get())));
    CHECK_FALSE(files.add(launch.stored[2].fd, file_identity(launch.stored[2].fd)));
    next.drop_unless([](StorePlace place) { return place.first != 1; });
    CHECK(next.names(bench.place).empty());
}

}  // namespace superd
