// SPDX-License-Identifier: MIT
// Signals and changed files as events of the loop.
#pragma once

#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "loop/loop.h"

namespace superd {

// signalfd(2) on a set of signals that every thread has blocked.
class SignalWatch {
public:
    SignalWatch(Loop& loop, const std::vector<int>& signals, std::function<void(int)> callback);

    // SIGCHLD comes with every handler that ends; the sweep for orphans needs it now and then.
    void mute(int signal);
    void unmute(int signal);

private:
    void on_readable();

    sigset_t set_{};
    Fd fd_;
    std::function<void(int)> callback_;
    Poll poll_;
};

// Says when one of a set of files may have changed: written, replaced, made or removed. Watches
// the folders they are in, because editors and scripts replace files by rename.
class FileWatch {
public:
    FileWatch(Loop& loop, std::function<void()> callback);

    // Replaces the set; paths are absolute.
    void watch(const std::vector<std::string>& paths);

private:
    void on_readable();

    Loop& loop_;
    std::function<void()> callback_;
    Fd fd_;
    std::unique_ptr<Poll> poll_;
    Timer settle_;                                // several changes in a row are one
    std::map<int, std::set<std::string>> names_;  // by watch descriptor: the names that count
};

}  // namespace superd
