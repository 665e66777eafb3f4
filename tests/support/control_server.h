// SPDX-License-Identifier: MIT
// A control server on a path of its own, and threads that talk to it while the loop turns here.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/ctl.h"
#include "control/server.h"

#include "support/catch.h"
#include "support/fake_manager.h"

namespace superd::test {

// A folder that goes with all that is in it.
struct TemporaryFolder {
    std::string path;

    TemporaryFolder() {
        char name[] = "/tmp/superd-control-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
    }

    ~TemporaryFolder() { std::filesystem::remove_all(path); }

    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

// What is printed on a descriptor while it lives goes into memory.
class Captured {
public:
    explicit Captured(int fd)
            : fd_(fd),
              memory_(::memfd_create("captured", MFD_CLOEXEC)),
              saved_(::fcntl(fd, F_DUPFD_CLOEXEC, 100)) {
        ::dup2(memory_.get(), fd_);
    }

    ~Captured() { ::dup2(saved_.get(), fd_); }

    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;

    [[nodiscard]] std::string text() const {
        std::string all(static_cast<std::size_t>(::lseek(memory_.get(), 0, SEEK_END)), '\0');
        if (::pread(memory_.get(), all.data(), all.size(), 0) < 0) all.clear();
        return all;
    }

private:
    int fd_;
    Fd memory_, saved_;
};

// What a verb of superctl said and returned.
struct Said {
    int code = -1;
    std::string out, err;
};

inline Said said_by(const std::function<int()>& verb) {
    Said said;
    std::fflush(stdout);
    const Captured out(1), err(2);
    said.code = verb();
    std::fflush(stdout);
    said.out = out.text();
    said.err = err.text();
    return said;
}

struct ControlFixture {
    TemporaryFolder folder;
    std::string path = folder.path + "/control";
    FakeManager manager;
    Loop loop;
    std::unique_ptr<ControlServer> server;

    void open(ControlOptions options = {}) {
        options.path = path;
        auto opened = ControlServer::open(loop, manager, options);
        INFO((opened ? "" : opened.error()));
        REQUIRE(opened);
        server = std::move(*opened);
    }

    // body runs in a thread until it returns; REQUIREs that it returns true.
    void in_thread(const std::function<bool()>& body) {
        Fd done(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        std::atomic<bool> over = false;
        bool result = false;
        std::thread thread([&] {
            result = body();
            over = true;
            ::eventfd_write(done.get(), 1);
        });
        {
            Poll poll(loop, done.get(), [&](int, int) {
                eventfd_t value;
                ::eventfd_read(done.get(), &value);
            });
            poll.start(Poll::readable);
            while (!over)
                loop.turn(true);
        }
        thread.join();
        loop.turn(false);
        REQUIRE(result);
    }

    // superctl, as it would be called.
    [[nodiscard]] CtlGlobals globals(bool json = false) const {
        return {.default_file = folder.path + "/superd.toml", .socket = path, .json = json};
    }

    // A verb of superctl, which blocks, against the server.
    Said ctl(const std::function<int()>& verb) {
        Said said;
        in_thread([&] {
            said = said_by(verb);
            return true;
        });
        return said;
    }
};

}  // namespace superd::test
