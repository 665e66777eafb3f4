// SPDX-License-Identifier: MIT
// What must survive a superd that is killed: one memory file.
#include "sys/state.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "log/board.h"
#include "sys/spawner.h"

namespace superd {

namespace {

constexpr std::uint32_t state_magic = 0x73757064;  // "supd"
constexpr std::uint32_t state_version = 2;
constexpr std::size_t alignment = 4096;

constexpr std::size_t rounded(std::size_t size) {
    return (size + alignment - 1) / alignment * alignment;
}

// Where each table begins. Everything is all zero at first, which is a valid value of each
// type: free, and the pages need not be touched.
struct Layout {
    std::size_t processes, services, listeners, sources, lives, stored, proxied, size;

    explicit Layout(const State::Capacity& capacity)
            : processes(rounded(sizeof(StateHeader))),
              services(processes + rounded(capacity.processes * sizeof(ProcessRecord))),
              listeners(services + rounded(capacity.services * sizeof(ServiceRecord))),
              sources(listeners + rounded(capacity.listeners * sizeof(ListenerRecord))),
              lives(sources + rounded(capacity.sources * sizeof(SourceEntry))),
              stored(lives + rounded(capacity.lives * sizeof(LifeRecord))),
              proxied(stored + rounded(capacity.stored * sizeof(StoredRecord))),
              size(proxied + rounded(capacity.processes * sizeof(ProxiedRecord))) {}
};

template <class Record>
std::span<Record> table_at(void* memory, std::size_t offset, std::uint32_t count) {
    return {std::launder(reinterpret_cast<Record*>(static_cast<char*>(memory) + offset)),
            count};
}

Result<Fd> memory_file(const char* name, std::size_t size) {
    Fd fd(::memfd_create(name, MFD_CLOEXEC));
    if (!fd) return fail("memfd_create", name);
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return fail("ftruncate", name);
    return fd;
}

std::int64_t wall_now() {
    return std::chrono::system_clock::now().time_since_epoch().count();
}

Result<void> write_all(int fd, std::string_view bytes) {
    off_t at = 0;
    while (!bytes.empty()) {
        const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail("write", "plan");
        bytes.remove_prefix(static_cast<std::size_t>(n));
        at += n;
    }
    return {};
}

}  // namespace

static_assert(std::atomic<RecordState>::is_always_lock_free);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// Takes over the mapping.
void State::adopt(void* memory, std::size_t size, const Capacity& capacity) {
    const Layout layout(capacity);
    memory_ = memory;
    size_ = size;
    header_ = table_at<StateHeader>(memory, 0, 1).data();
    processes_ = table_at<ProcessRecord>(memory, layout.processes, capacity.processes);
    services_ = table_at<ServiceRecord>(memory, layout.services, capacity.services);
    listeners_ = table_at<ListenerRecord>(memory, layout.listeners, capacity.listeners);
    sources_ = table_at<SourceEntry>(memory, layout.sources, capacity.sources);
    lives_ = table_at<LifeRecord>(memory, layout.lives, capacity.lives);
    stored_ = table_at<StoredRecord>(memory, layout.stored, capacity.stored);
    proxied_ = table_at<ProxiedRecord>(memory, layout.proxied, capacity.processes);
}

Result<void> State::begin() {
    header_->magic = state_magic;
    header_->version = state_version;
    header_->low = low_number;
    header_->next_connection = 1;
    header_->booted = wall_now();
    header_->plan_fd[0] = header_->plan_fd[1] = -1;
    header_->report_fd[0] = header_->report_fd[1] = -1;
    header_->former_program = -1;
    header_->log_board = -1;
    if (::getrandom(header_->source_seed, sizeof header_->source_seed, 0) !=
            ssize_t{sizeof header_->source_seed})
        return fail("getrandom");
    for (int& fd : header_->plan_fd) {
        auto file = memory_file("superd-plan", 0);
        if (!file) return tl::unexpected(file.error());
        fd = file->release();
    }
    auto board = make_log_board(static_cast<std::uint32_t>(services_.size()));
    if (!board) return tl::unexpected(board.error());
    header_->log_board = board->release();
    if (::pipe2(header_->report_fd, O_CLOEXEC | O_NONBLOCK) != 0) return fail("pipe");
    return {};
}

Result<State> State::create(const Capacity& capacity) {
    const std::size_t size = Layout(capacity).size;
    auto file = memory_file("superd-state", size);
    if (!file) return tl::unexpected(file.error());
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), 0);
    if (memory == MAP_FAILED) return fail("mmap", "superd-state");
    State state;
    state.fd_ = std::move(*file);
    state.adopt(memory, size, capacity);
    if (auto begun = state.begin(); !begun) return tl::unexpected(begun.error());
    return state;
}

State State::for_test(const Capacity& capacity) {
    const std::size_t size = Layout(capacity).size;
    void* memory =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    State state;
    state.adopt(memory, size, capacity);
    if (!state.begin()) std::abort();
    return state;
}

State::State(State&& other) noexcept {
    *this = std::move(other);
}

State& State::operator=(State&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    std::swap(header_, other.header_);
    std::swap(processes_, other.processes_);
    std::swap(services_, other.services_);
    std::swap(listeners_, other.listeners_);
    std::swap(sources_, other.sources_);
    std::swap(lives_, other.lives_);
    std::swap(stored_, other.stored_);
    std::swap(proxied_, other.proxied_);
    return *this;
}

State::~State() {
    if (memory_ == nullptr) return;
    for (const int fd : header_->plan_fd)
        if (fd >= 0) ::close(fd);
    for (const int fd : header_->report_fd)
        if (fd >= 0) ::close(fd);
    if (header_->log_board >= 0) ::close(header_->log_board);
    ::munmap(memory_, size_);
}

// The other buffer is written first; the sequence commits it. A kill before that leaves the
// plan as it was.
Result<std::uint64_t> State::commit_plan(std::string_view encoded) {
    const std::uint64_t next = header_->plan_sequence.load() + 1;
    const std::size_t buffer = next & 1;
    const int fd = header_->plan_fd[buffer];
    if (::ftruncate(fd, static_cast<off_t>(encoded.size())) != 0)
        return fail("ftruncate", "plan");
    if (auto written = write_all(fd, encoded); !written) return tl::unexpected(written.error());
    header_->plan_size[buffer] = encoded.size();
    header_->plan_sequence.store(next, std::memory_order_release);
    return next;
}

Result<std::string> State::committed_plan() const {
    const std::uint64_t sequence = header_->plan_sequence.load(std::memory_order_acquire);
    std::string bytes;
    if (sequence == 0) return bytes;
    const std::size_t buffer = sequence & 1;
    bytes.resize(header_->plan_size[buffer]);
    std::size_t at = 0;
    while (at < bytes.size()) {
        const ssize_t n = ::pread(header_->plan_fd[buffer], bytes.data() + at,
                bytes.size() - at, static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail("read", "plan");
        if (n == 0) return fail(EIO, "read", "plan");
        at += static_cast<std::size_t>(n);
    }
    return bytes;
}

}  // namespace superd
