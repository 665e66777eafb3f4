// SPDX-License-Identifier: MIT
#include "engine/watches.h"

#include <cstdio>
#include <fstream>

#include <unistd.h>

#include "support/catch.h"
#include "support/sockets.h"
#include "support/turning.h"

namespace superd {
namespace {

using test::Scratch;
using test::turn_until;

// While it lives, these are blocked; what is left of them is gone afterwards.
class Blocked {
public:
    explicit Blocked(const std::vector<int>& signals) {
        ::sigemptyset(&set_);
        for (const int signal : signals)
            ::sigaddset(&set_, signal);
        ::pthread_sigmask(SIG_BLOCK, &set_, &before_);
    }

    ~Blocked() {
        const timespec now{};
        while (::sigtimedwait(&set_, nullptr, &now) > 0) {
        }
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

    Blocked(const Blocked&) = delete;
    Blocked& operator=(const Blocked&) = delete;

private:
    sigset_t set_{}, before_{};
};

void write(const std::string& path, const std::string& text = "text\n") {
    std::ofstream(path, std::ios::trunc) << text;
}

// A watch on some files of a folder, and one on a file that is written to last: when that one
// has called, everything before it has been seen as well.
class Watched {
public:
    explicit Watched(const std::vector<std::string>& names) { watch(names); }

    void watch(const std::vector<std::string>& names) {
        std::vector<std::string> paths;
        for (const std::string& name : names)
            paths.push_back(folder / name);
        first_.watch(paths);
        last_.watch({folder / "last"});
    }

    // How often the watch has called for what was done until now. Written twice: of two watches
    // that wake in one turn either may be read first, and its time to settle starts there.
    int calls() {
        for (int i = 0; i < 2; ++i) {
            const int before = last_calls_;
            write(folder / "last");
            REQUIRE(turn_until(loop_, [&] { return last_calls_ > before; }));
        }
        return std::exchange(calls_, 0);
    }

    Scratch folder;

private:
    Loop loop_;
    int calls_ = 0, last_calls_ = 0;
    FileWatch first_{loop_, [this] {
                         ++calls_;
                     }};
    FileWatch last_{loop_, [this] {
                        ++last_calls_;
                    }};
};

}  // namespace

TEST_CASE("watches: a signal of the set is an event with its number, others are not") {
    const Blocked blocked({SIGUSR1, SIGUSR2, SIGWINCH});
    Loop loop;
    std::vector<int> seen;
    const SignalWatch watch(
            loop, {SIGUSR1, SIGUSR2}, [&](int signal) { seen.push_back(signal); });
    ::raise(SIGWINCH);
    ::raise(SIGUSR1);
    REQUIRE(turn_until(loop, [&] { return !seen.empty(); }));
    ::raise(SIGUSR2);
    REQUIRE(turn_until(loop, [&] { return seen.size() > 1; }));
    CHECK(seen == std::vector<int>{SIGUSR1, SIGUSR2});
}

TEST_CASE("watches: several signals at once are as many events, whatever their order") {
    const Blocked blocked({SIGUSR1, SIGUSR2, SIGHUP});
    Loop loop;
    std::set<int> seen;
    int calls = 0;
    const SignalWatch watch(loop, {SIGUSR1, SIGUSR2, SIGHUP}, [&](int signal) {
        seen.insert(signal);
        ++calls;
    });
    for (const int signal : {SIGUSR2, SIGHUP, SIGUSR1, SIGHUP})
        ::raise(signal);
    REQUIRE(turn_until(loop, [&] { return seen.size() == 3; }));
    CHECK(calls == 3);  // the kernel keeps one of each
}

TEST_CASE("watches: a muted signal keeps waiting until it is wanted again") {
    const Blocked blocked({SIGUSR1, SIGUSR2});
    Loop loop;
    std::vector<int> seen;
    SignalWatch watch(loop, {SIGUSR1, SIGUSR2}, [&](int signal) { seen.push_back(signal); });
    watch.mute(SIGUSR1);
    ::raise(SIGUSR1);
    ::raise(SIGUSR2);
    REQUIRE(turn_until(loop, [&] { return !seen.empty(); }));
    loop.turn(false);
    CHECK(seen == std::vector<int>{SIGUSR2});
    watch.unmute(SIGUSR1);
    REQUIRE(turn_until(loop, [&] { return seen.size() > 1; }));
    CHECK(seen == std::vector<int>{SIGUSR2, SIGUSR1});
}

TEST_CASE("watches: a file that is made, written, replaced, moved away or removed calls") {
    Watched watched({"file"});
    const std::string path = watched.folder / "file", other = watched.folder / "other";
    write(path);
    CHECK(watched.calls() == 1);
    write(path, "longer than before\n");
    CHECK(watched.calls() == 1);
    write(other);
    CHECK(watched.calls() == 0);
    REQUIRE(std::rename(other.c_str(), path.c_str()) == 0);
    CHECK(watched.calls() == 1);
    REQUIRE(std::rename(path.c_str(), other.c_str()) == 0);
    CHECK(watched.calls() == 1);
    REQUIRE(std::rename(other.c_str(), path.c_str()) == 0);
    REQUIRE(::unlink(path.c_str()) == 0);
    CHECK(watched.calls() == 1);
}

TEST_CASE("watches: several changes in a row are one, and reading is none") {
    Watched watched({"one", "two"});
    for (int i = 0; i < 5; ++i) {
        write(watched.folder / "one");
        write(watched.folder / "two");
    }
    CHECK(watched.calls() == 1);
    std::ifstream(watched.folder / "one").get();
    CHECK(watched.calls() == 0);
}

TEST_CASE(
        "watches: another set replaces the first, and files of a missing folder spare others") {
    Watched watched({"old"});
    watched.watch({"missing/file", "new"});
    write(watched.folder / "old");
    CHECK(watched.calls() == 0);
    write(watched.folder / "new");
    CHECK(watched.calls() == 1);
    watched.watch({});
    write(watched.folder / "new");
    CHECK(watched.calls() == 0);
}

TEST_CASE("watches: no descriptor is left by either") {
    const Blocked blocked({SIGUSR1});
    Loop loop;
    const Scratch folder;
    const std::size_t before = test::open_descriptors();
    {
        const SignalWatch signals(loop, {SIGUSR1}, [](int) {});
        FileWatch files(loop, [] {});
        files.watch({folder / "one"});
        files.watch({folder / "two"});
        CHECK(test::open_descriptors() > before);
    }
    CHECK(test::open_descriptors() == before);
}

}  // namespace superd
