// SPDX-License-Identifier: MIT
// Work on files that may take for ever (a dead disk, a network that is gone), done beside
// superd-log's loop: on a thread for each file system, so that one that hangs keeps only its
// own files waiting.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/fd.h"

namespace superd {

class FileJobs {
public:
    // Jobs of one key are done one after the other.
    using Key = std::uint64_t;
    using Work = std::function<void()>;
    // Compressing: one at a time, when the processor has nothing else to do.
    static constexpr Key compressing = ~Key{0};

    virtual ~FileJobs() = default;
    // `work` elsewhere, then `done` where take_done() is called. Neither may throw. What work
    // uses must live as long as it does: an owner's end does not wait for it.
    virtual void post(Key key, Work work, Work done) = 0;
};

// Both at once, where it is posted.
class InlineFileJobs final : public FileJobs {
public:
    void post(Key, Work work, Work done) override;
};

[[nodiscard]] FileJobs& inline_file_jobs();

// Up to 8 threads, made when first needed; keys beyond share them. At its end a thread that
// works is left to itself.
class ThreadedFileJobs final : public FileJobs {
public:
    static constexpr std::size_t thread_bound = 8;

    ThreadedFileJobs();
    ~ThreadedFileJobs() override;
    ThreadedFileJobs(const ThreadedFileJobs&) = delete;
    ThreadedFileJobs& operator=(const ThreadedFileJobs&) = delete;

    void post(Key key, Work work, Work done) override;

    // Readable when take_done() has something to do.
    [[nodiscard]] int descriptor() const;
    void take_done();

private:
    struct Finished;
    struct Lane;

    Lane* lane_of(Key key);

    std::shared_ptr<Finished> finished_;
    std::map<Key, std::shared_ptr<Lane>> lanes_;
};

}  // namespace superd
