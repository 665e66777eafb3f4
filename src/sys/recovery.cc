// SPDX-License-Identifier: MIT
// What a new superd finds of the launches that the last one had in hand.
//
// The order matters. A child that was cloned and has not left shares the very table that this
// process has, so first of all each of them must have left or be dead; until then no number may
// be touched. Then every record can be decided, connections in slots move out of them, and what
// is open beyond that is either a connection that was accepted a moment too early to be written
// down, or somebody's that died with the last superd.
#include "sys/recovery.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "policy/spawn_plan.h"
#include "sys/accept.h"
#include "sys/process.h"
#include "sys/raw_syscall.h"
#include "sys/slots.h"
#include "sys/warm_recovery.h"

namespace superd {

namespace {

constexpr auto patience = std::chrono::seconds(2);
constexpr timespec moment{.tv_sec = 0, .tv_nsec = 200'000};

// The pid that a pidfd stands for; 0 where fd is no pidfd, -1 where the process was reaped.
int pid_of_pidfd(int fd) {
    char path[48];
    std::snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    std::FILE* file = std::fopen(path, "re");
    if (file == nullptr) return 0;
    char line[256];
    int pid = 0;
    while (std::fgets(line, sizeof line, file) != nullptr)
        if (std::sscanf(line, "Pid: %d", &pid) == 1) break;
    std::fclose(file);
    return pid;
}

bool has_ended(int pidfd) {
    pollfd entry{.fd = pidfd, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, 0) == 1;
}

// The record's pidfd if it is there, else a new one: its process was never reaped, for superd
// reaps only what has a pidfd and the guard only what superd acknowledged.
void find_pidfd(ProcessRecord& record) {
    const std::int32_t pid = record.pid.load();
    const std::int32_t known = record.pidfd.load();
    if (known >= 0) {
        const int stands_for = pid_of_pidfd(known);
        if (stands_for == pid || stands_for == -1) return;
    }
    const long opened = raw_call(SYS_pidfd_open, pid, 0);
    record.pidfd.store(opened < 0 ? -1 : static_cast<std::int32_t>(opened));
}

bool process_lives(const ProcessRecord& record) {
    const std::int32_t pidfd = record.pidfd.load();
    return pidfd >= 0 ? !has_ended(pidfd) : ::kill(record.pid.load(), 0) == 0;
}

bool shares_the_table(const ProcessRecord& record) {
    return record.state.load(std::memory_order_acquire) == RecordState::accepted &&
           record.pid.load() != 0 && process_lives(record);
}

// Nothing announces that a child has left; it takes microseconds unless it was stopped or
// starved.
void wait_until_left(ProcessRecord& record) {
    const auto end = std::chrono::steady_clock::now() + patience;
    bool killed = false;
    while (shares_the_table(record)) {
        if (!killed && std::chrono::steady_clock::now() >= end)
            killed = signal_process(record, SIGKILL);
        ::nanosleep(&moment, nullptr);
    }
}

// The connection a record speaks of, if that number still is it.
bool has_connection(const ProcessRecord& record) {
    const int fd = record.connection.load();
    if (fd < 0) return false;
    return socket_cookie(fd) == record.cookie && record.cookie != 0;
}

LaunchTrace trace_of(const ProcessRecord& record) {
    LaunchTrace trace;
    trace.state = record.state.load(std::memory_order_acquire);
    const bool relayed = record.kind == ProcessKind::relayed;
    trace.cloned = record.pid.load() != 0 || (relayed && trace.state == RecordState::running);
    trace.alive = trace.cloned && process_lives(record);
    trace.failed = record.error.load(std::memory_order_acquire) != 0;
    trace.began_exec = record.stage.load() >= static_cast<std::uint8_t>(SpawnStage::exec);
    trace.connected = has_connection(record);
    trace.needs_connection = record.kind == ProcessKind::handler || relayed;
    trace.attempts = record.attempts;
    trace.deaths = record.deaths;
    return trace;
}

void close_connection(ProcessRecord& record) {
    // The number may already be somebody else's; a slot is covered later.
    const bool still_it = has_connection(record);
    const int fd = record.connection.exchange(-1);
    if (still_it && !is_slot_number(fd)) ::close(fd);
}

// Out of its slot: the slots belong to the spawner that is made next.
bool move_above_slots(ProcessRecord& record) {
    const int fd = record.connection.load();
    if (!is_slot_number(fd)) return true;
    const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, low_number);
    if (moved < 0) return false;
    record.connection.store(moved);
    return true;
}

void forget_child(ProcessRecord& record) {
    record.pid.store(0);
    const std::int32_t pidfd = record.pidfd.exchange(-1);
    if (pidfd >= 0) ::close(pidfd);
    record.error.store(0);
    record.stage.store(0);
    record.state.store(RecordState::accepted, std::memory_order_release);
}

void prepare(ProcessRecord& record, Recovered& action) {
    if (action == Recovered::start) {
        forget_child(record);
        ++record.deaths;
        if (!move_above_slots(record)) action = Recovered::give_up;
    }
    // The channel to a relay or to superd-announce stays superd's, and so does its copy of a
    // client that a relay reads a first line from.
    const bool keeps = keeps_channel(record.kind) || record.kind == ProcessKind::relayed;
    if (action == Recovered::start || (keeps && action == Recovered::running)) return;
    // A child has it, or nobody is to have it.
    close_connection(record);
    record.deaths = 0;
    if (action == Recovered::give_up || action == Recovered::forget) forget_child(record);
}

// ---- descriptors that no record speaks of
// ------------------------------------------------------

std::vector<int> open_descriptors() {
    std::vector<int> numbers;
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return numbers;
    while (const dirent* entry = ::readdir(directory)) {
        const auto number = parse_decimal(entry->d_name);
        if (number && static_cast<int>(*number) != ::dirfd(directory))
            numbers.push_back(static_cast<int>(*number));
    }
    ::closedir(directory);
    return numbers;
}

std::unordered_set<int> known_descriptors(const State& state, std::span<const int> keep) {
    std::unordered_set<int> known(keep.begin(), keep.end());
    const StateHeader& header = state.header();
    known.insert(state.fd());
    known.insert({header.plan_fd[0], header.plan_fd[1]});
    known.insert({header.report_fd[0], header.report_fd[1], header.log_board});
    for (const ListenerRecord& listener : state.listeners().first(header.listener_high))
        known.insert(listener.fd);
    for (const ServiceRecord& service : state.services().first(header.service_high))
        if (service.name[0] != '\0') known.insert({service.log_read, service.log_write});
    for (const LifeRecord& life : state.lives().first(header.life_high))
        if (life.used != 0) known.insert({life.notify_fd, life.ready_fd});
    for (const StoredRecord& stored : state.stored().first(header.stored_high))
        if (stored.used != 0) known.insert(stored.fd);
    for (const ProcessRecord& record : state.processes().first(header.process_high)) {
        if (record.state.load() == RecordState::free) continue;
        known.insert(record.pidfd.load());
        known.insert(record.connection.load());
    }
    return known;
}

struct Address {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;

    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }

    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

std::optional<Address> local_address(int fd) {
    Address address;
    if (::getsockname(fd, address.get(), &address.length) != 0) return std::nullopt;
    return address;
}

int socket_option(int fd, int level, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(fd, level, option, &value, &length) == 0 ? value : -1;
}

bool listens(int fd) {
    return socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1;
}

// What a connection has from the listener it came to, and never changes.
struct Name {
    Address address;
    Endpoint endpoint;  // the same
    int type, domain;
    int v6only;     // -1: not IPv6
    int interface;  // index of the device it is bound to; 0: any. IPv6 with a zone has one
};

std::optional<Name> name_of(int fd) {
    const auto address = local_address(fd);
    if (!address) return std::nullopt;
    return Name{.address = *address,
            .endpoint = Endpoint::from(address->get(), address->length),
            .type = socket_option(fd, SOL_SOCKET, SO_TYPE),
            .domain = socket_option(fd, SOL_SOCKET, SO_DOMAIN),
            .v6only = socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY),
            .interface = socket_option(fd, SOL_SOCKET, SO_BINDTOIFINDEX)};
}

// The connection's own address is its listener's, except where that has a wildcard. 0: it is
// not; else the more the better it fits.
unsigned fit_of_address(const Name& connection, const Name& listener) {
    const Endpoint& here = connection.endpoint;
    const Endpoint& there = listener.endpoint;
    const Address& address = connection.address;
    if (here.family != there.family || here.port != there.port) return 0;
    switch (here.family) {
        case Family::ip: return here.ip == there.ip ? 2 : there.ip.is_unspecified() ? 1 : 0;
        case Family::vsock: return here.scope == there.scope ? 2 : there.scope == ~0U ? 1 : 0;
        case Family::unix:
            return address.length == listener.address.length &&
                                   std::memcmp(&address.storage, &listener.address.storage,
                                           address.length) == 0
                           ? 1
                           : 0;
        case Family::none: return 0;
    }
    return 0;
}

// The kernel's own order, where several listeners could have had the connection: the address,
// then the device. A connection to a listener of any device may be bound to the one that it
// came by.
unsigned fit(const Name& connection, const Name& listener) {
    if (connection.type != listener.type || connection.domain != listener.domain ||
            connection.v6only != listener.v6only)
        return 0;
    const bool any_interface = listener.interface <= 0;
    if (!any_interface && connection.interface != listener.interface) return 0;
    const unsigned by_address = fit_of_address(connection, listener);
    return by_address == 0 ? 0 : 2 * by_address + (any_interface ? 0 : 1);
}

struct KnownListener {
    std::uint32_t index;
    Name name;
};

std::vector<KnownListener> connection_listeners(const State& state) {
    std::vector<KnownListener> listeners;
    const auto records = state.listeners().first(state.header().listener_high);
    for (std::uint32_t i = 0; i < records.size(); ++i) {
        if (records[i].fd <= 0 || !listens(records[i].fd)) continue;
        if (const auto name = name_of(records[i].fd)) listeners.push_back({i, *name});
    }
    return listeners;
}

// Nothing where two would do as well: the wrong one may let in whom its own keeps out.
const KnownListener* listener_of(
        const Name& connection, const std::vector<KnownListener>& listeners) {
    const KnownListener* found = nullptr;
    unsigned best = 0;
    for (const KnownListener& listener : listeners) {
        const unsigned one = fit(connection, listener.name);
        if (one == 0 || one < best) continue;
        found = one > best ? &listener : nullptr;
        best = one;
    }
    return found;
}

void fill_in_credentials(int fd, Endpoint& peer) {
    ucred credentials{};
    socklen_t length = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return;
    peer.uid = credentials.uid;
    peer.gid = credentials.gid;
    peer.pid = static_cast<std::uint32_t>(credentials.pid);
}

// Nothing where fd is no connection, was not accepted from one of our listeners, was being
// turned away (engine/farewells.h), or its client has gone: superd's own connections have other
// local addresses.
std::optional<FoundConnection> as_connection(
        int fd, const std::vector<KnownListener>& listeners) {
    const int type = socket_option(fd, SOL_SOCKET, SO_TYPE);
    if (type != SOCK_STREAM && type != SOCK_SEQPACKET) return std::nullopt;
    if (listens(fd)) return std::nullopt;
    if (is_turned_away(fd)) return std::nullopt;
    const auto name = name_of(fd);
    Address peer;
    if (!name || ::getpeername(fd, peer.get(), &peer.length) != 0) return std::nullopt;
    const KnownListener* const found = listener_of(*name, listeners);
    if (found == nullptr) return std::nullopt;
    FoundConnection connection{.fd = fd,
            .listener = found->index,
            .cookie = socket_cookie(fd),
            .peer = Endpoint::from(peer.get(), peer.length),
            .local = name->endpoint};
    if (connection.local.family == Family::unix) fill_in_credentials(fd, connection.peer);
    return connection;
}

std::unordered_set<std::uint64_t> known_cookies(const State& state) {
    std::unordered_set<std::uint64_t> cookies;
    for (const ProcessRecord& record : state.processes().first(state.header().process_high))
        if (record.state.load() != RecordState::free && record.cookie != 0)
            cookies.insert(record.cookie);
    return cookies;
}

void cover_slots() {
    auto null = open_null();
    for (int number = first_slot; number < low_number; ++number)
        if (!null || !put_at(null->get(), number)) std::abort();
}

void sort_out_descriptors(const State& state, std::span<const int> keep, Recovery& recovery) {
    const auto known = known_descriptors(state, keep);
    const auto listeners = connection_listeners(state);
    auto cookies = known_cookies(state);
    for (const int fd : open_descriptors()) {
        if (fd < low_number || known.contains(fd)) continue;
        const auto connection = as_connection(fd, listeners);
        // A copy of one that is written down, or given up above, is nothing new.
        if (connection && cookies.insert(connection->cookie).second) {
            recovery.connections.push_back(*connection);
            continue;
        }
        ::close(fd);
        ++recovery.closed;
    }
}

}  // namespace

Recovered decide_recovery(const LaunchTrace& trace) {
    const bool has_run =
            trace.state == RecordState::left || trace.state == RecordState::running;
    // Dead, nothing wrong, and exec not even tried: the program has seen nothing.
    const bool died_early = trace.state == RecordState::left && !trace.alive && !trace.failed &&
                            !trace.began_exec && trace.connected;
    if (trace.cloned && trace.failed) return Recovered::failed;
    if (trace.cloned && has_run && !died_early) return Recovered::running;
    if (trace.state == RecordState::free || trace.failed) return Recovered::forget;
    if (trace.needs_connection && !trace.connected) return Recovered::forget;
    if (trace.attempts >= most_attempts || trace.deaths >= most_deaths)
        return Recovered::give_up;
    return Recovered::start;
}

void settle_launches(State& state) {
    for (ProcessRecord& record : state.processes().first(state.header().process_high)) {
        if (record.state.load() == RecordState::free || record.pid.load() == 0) continue;
        find_pidfd(record);
        wait_until_left(record);
    }
}

Recovery recover_launches(State& state, std::span<const int> keep) {
    Recovery recovery;
    settle_launches(state);
    settle_warm(state);
    const auto records = state.processes().first(state.header().process_high);
    for (std::uint32_t i = 0; i < records.size(); ++i) {
        if (records[i].state.load() == RecordState::free) continue;
        RecoveredRecord one{.record = i, .action = decide_recovery(trace_of(records[i]))};
        prepare(records[i], one.action);
        recovery.records.push_back(one);
    }
    cover_slots();
    sort_out_descriptors(state, keep, recovery);
    return recovery;
}

}  // namespace superd
