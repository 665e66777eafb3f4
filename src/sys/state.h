// SPDX-License-Identifier: MIT
// What must survive a superd that is killed: one memory file, mapped shared by the guard and
// every superd it starts.
//
// Records are plain data at fixed places, written in place. The loop thread of superd is the
// only writer, except for the fields said to be written by a spawner thread, by a child or by
// the kernel. A new superd reads them before it opens anything (sys/recovery.h).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/fd.h"
#include "base/result.h"
#include "policy/refusal.h"
#include "policy/sources.h"

namespace superd {

// relay: a superd-relay; `connection` is superd's end of the channel to it for as long as the
// record is held, `listener` its number. relayed: a connection that a relay serves, with no
// process of its own: `accepted` until the relay has it, `running` from then on. announce: a
// superd-announce, with its channel as a relay's; `listener` is whom it speaks to (Announcing).
// warm: `connection` is superd's end of its channel; `id` that of the connection that is on
// its way to it and whose own record stays `accepted` until it has arrived (engine/warm.h).
enum class ProcessKind : std::uint8_t {
    handler,
    worker,
    daemon,
    relayed,
    log,
    resolve,
    relay,
    announce,
    command,  // of a daemon's or worker's life, beside its program; `listener` as the program's
    warm,     // a handler that was started ahead and has no connection yet
    key       // a superd-key; `listener` is the number of its relay
};

// superd-log and its like: of no service, and not counted as processes.
constexpr bool is_own_program(ProcessKind kind) {
    return (kind >= ProcessKind::log && kind < ProcessKind::command) ||
           kind == ProcessKind::key;
}

// superd's end of the channel to it stays in its record, so that the next superd has it too.
constexpr bool keeps_channel(ProcessKind kind) {
    return kind == ProcessKind::relay || kind == ProcessKind::announce ||
           kind == ProcessKind::warm;
}

// free -> accepted -> left -> running -> free. `accepted` is written by the loop as soon as
// accept4(2) has returned; `left` by the child when it has left the shared descriptor table and
// closed all slots but its own; `running` by the spawner thread when exec succeeded.
enum class RecordState : std::uint32_t { free, accepted, left, running };

// awaited: `peer` and `local` are the connection's own, and a relay reads the header. known:
// they are the header's, and ProxiedRecord has the rest.
enum class ProxyStep : std::uint8_t { none, awaited, known };

// awaited: a relay does the handshake. known: it is complete, and ProxiedRecord has what it came
// to.
enum class TlsStep : std::uint8_t { none, awaited, known };

// One process, from the moment its connection was accepted until it was reaped.
struct ProcessRecord {
    std::atomic<RecordState> state;
    std::atomic<std::int32_t> pid;  // by the kernel (CLONE_PARENT_SETTID) before the child runs
    std::atomic<std::int32_t> pidfd;       // spawner thread; -1: none yet
    std::atomic<std::int32_t> connection;  // descriptor of the accepted connection while state
                                           // is accepted: above LOW, or in a slot; -1: none
    std::atomic<std::int32_t> error;       // child: errno of the stage that failed; 0: none
    std::atomic<std::uint8_t> stage;       // child: SpawnStage it is at
    ProcessKind kind;
    std::uint8_t attempts;      // launches begun for this connection; at 2 it is closed
    std::uint8_t flags;         // engine's own
    std::uint8_t relay;         // relayed: the number of the relay that has it
    std::uint8_t deaths;        // superds that died with it in hand; at 8 it is closed too
    std::uint8_t target;        // redirected: the number of the target it goes to
    ProxyStep proxied;          // its client is, or will be, who a PROXY header names
    TlsStep tls;                // its client speaks TLS
    std::uint32_t partner;      // the other record of one connection, and 1: a handler's that a
                                // relay speaks TLS for, or that relayed connection's; 0: none
    std::uint32_t service;      // index in services()
    std::uint32_t generation;   // plan sequence it was started from
    std::uint32_t listener;     // index into the service's listeners; worker, daemon: the
                                // number of its place among the service's
    std::uint32_t source;       // index in sources(); ~0: not counted
    std::uint32_t banner_sent;  // bytes of the service's banner that the client was sent
    std::uint64_t cookie;       // SO_COOKIE of the connection; 0: none
    std::uint64_t id;           // connection number of log lines (hexadecimal there)
    std::int64_t started;       // CLOCK_MONOTONIC, ns
    Endpoint peer, local;
};

// What a PROXY header has said beside the client, or a handshake, at the place of the connection's record;
// there only where that one's `proxied` is `known`.
struct ProxiedRecord {
    Endpoint proxy;        // whose header it was; family none: there was no header
    char variables[4096];  // "SSL_PROTOCOL=TLSv1.3", each ended by a newline, all by NUL
};

// What idle_stop has come to: its workers are held still for a last look, or they are stopped.
enum class IdleNote : std::uint8_t { none, held_still, stopped };

// Counters and standing orders of one service, kept by name over reloads and restarts.
struct ServiceRecord {
    char name[64];           // empty: free
    std::uint32_t orders;    // engine: stopped, paused, draining by hand
    std::uint32_t failures;  // in a row, for back-off
    std::uint64_t accepted, started, failed, exited, dropped_datagrams;
    std::uint64_t refused[refusal_count];
    std::int32_t last_status;  // wait status of the last process that ended
    std::uint8_t last_stage;
    IdleNote idling;
    std::uint8_t pad[2];
    std::int32_t last_error;    // errno of the last failed launch
    std::int64_t last_failure;  // CLOCK_MONOTONIC, ns; 0: never
    std::int64_t state_since;   // CLOCK_REALTIME, ns
    // The service's own token bucket (policy/rate.h), and the end of its pause.
    double tokens;
    std::int64_t tokens_at, paused_until;
    // Restarts within restart_limit's period, which began then (CLOCK_MONOTONIC, ns; 0: none).
    std::uint32_t restarts_in_window;
    std::int64_t restart_window;
    // Runs by the clock (engine/timers.h). `every`: CLOCK_MONOTONIC, ns; `at`: CLOCK_REALTIME.
    std::int64_t timer_moment;       // of the next run, as the file says; 0: none
    std::int64_t timer_due;          // ... and with jitter
    std::int64_t timer_last_moment;  // of the last one; 0: none
    std::int64_t timer_last;         // CLOCK_REALTIME at which it began; 0: never
    std::uint64_t timer_runs, timer_skipped;
    std::uint64_t served_warm, served_cold;  // where handlers are started ahead
    std::uint32_t pool;        // places for workers that there are to be; 0: as the plan says
    std::uint32_t generation;  // of its processes: one more with each that follows another
    std::uint8_t rolling;      // 1: a generation follows another one now
    std::int32_t log_read, log_write;  // both ends of the service's log stream; -1: none
};

// One daemon, or one worker of a pool, beside its process: what its life has come to
// (engine/instance.h), and what its program has said.
struct LifeRecord {
    std::uint32_t used;         // 0: free; written last
    std::uint32_t service;      // index in services()
    std::uint32_t number;       // of its place among the service's
    std::uint8_t state;         // LifeState
    std::uint8_t cause;         // EndKind of the end that is under way, or was the last
    std::uint8_t limit;         // 1: restart_limit was reached
    std::uint8_t command;       // which of the state's commands is in hand
    std::int32_t notify_fd;     // socket behind $NOTIFY_SOCKET; -1: none
    std::int32_t ready_fd;      // end of the pipe that ready = "fd:N" is read from; -1: none
    std::int32_t said_error;    // ERRNO it has said; 0: none
    std::int32_t last_status;   // of its program, as waitpid(2)'s; -1: unknown
    std::uint8_t reload_heard;  // 1: RELOADING=1 was said, and READY=1 not yet
    std::uint8_t reload_done;   // 1: what superd does for the reload is done
    std::uint8_t leaves;        // 1: the place goes when its process has
    std::uint8_t pad[1];
    std::uint32_t generation;  // its process's, as ServiceRecord::generation was then
    std::uint32_t unheeded;    // messages that did not count, of this life
    // All CLOCK_MONOTONIC, ns; 0: none.
    std::int64_t running_since;
    std::int64_t deadline;   // of the state
    std::int64_t start_by;   // of the start
    std::int64_t reload_at;  // when the reload was asked for
    std::int64_t expires;    // end of run_timeout
    std::int64_t heard;      // WATCHDOG=1, or the start of the watch
    std::int64_t watchdog;   // the period in force, ns; 0: nobody watches
    std::uint64_t requests;  // X_SUPERD_REQUESTS it has said, of this life
    char status[128];        // STATUS it has said; ended by NUL
    char cause_text[256];
};

// One descriptor that superd keeps for the program of a place (engine/descriptor_store.h).
struct StoredRecord {
    std::uint32_t used;     // 0: free; written last
    std::uint32_t service;  // index in services()
    std::uint32_t number;   // of the place among the service's
    std::int32_t fd;
    std::uint64_t serial;  // the order in which they came
    std::uint8_t watched;  // 1: it goes when it is hung up
    char name[256];        // ended by NUL
};

// One descriptor that a listener owns.
struct ListenerRecord {
    std::int32_t fd;       // -1: free
    std::uint32_t filter;  // id of the BPF program attached to it; 0: none that can be changed
    std::uint64_t inode;   // fstat(2) of fd: proves that the number still means it
    char key[200];         // service name, ' ', canonical address
};

// An exit that only the guard can see (its child since the superd that started it died).
struct GuardExit {
    std::atomic<std::int32_t>
            pid;          // 0: free. The guard writes it last; superd sets acknowledged
    std::int32_t status;  // wait status
    std::atomic<std::uint32_t> acknowledged;
};

struct StateHeader {
    std::uint32_t magic, version;
    std::atomic<std::uint64_t>
            plan_sequence;  // 0: none committed; buffer (sequence & 1) holds it
    std::atomic<std::int64_t>
            heartbeat;  // CLOCK_MONOTONIC, ns; superd, where asked (engine/heartbeat.h)
    std::atomic<std::int32_t> guard_pid, superd_pid;
    std::atomic<std::int32_t>
            final_code;    // superd, before it ends with exit_stop: of the whole
    std::uint32_t starts;  // superds started, but for those that took another one's place
    std::atomic<std::uint32_t> serving;  // superd: 1 once it serves; the guard: 0 at each start
    std::uint32_t low;                   // first number that is not a launch slot's
    std::int32_t plan_fd[2];             // memory files with an encoded plan each
    std::int32_t report_fd[2];           // pipe of superd-exec's reports (sys/exec_report.h)
    std::int32_t log_board;              // memory file of what superd-log counts (log/board.h)
    std::uint64_t plan_size[2];
    std::uint64_t next_connection;
    // One more than the highest record ever used: what lies beyond was never touched and costs
    // no memory as long as nobody looks at it.
    std::uint32_t process_high, service_high, listener_high, life_high, stored_high;
    std::int64_t booted;           // CLOCK_REALTIME ns when the guard started
    std::uint8_t source_seed[16];  // of the source table; made by create()
    // Another program takes superd's place (sys/handover.h).
    std::atomic<std::int32_t> former_program;  // to go back to while the new one does not
                                               // serve; -1: none
    char successor[1024];  // its path: superd, before it ends with exit_upgrade
    char predecessor[32];  // version of the superd whose place was taken, until it is told
    char handover_failure[256];  // why another one's was not, until it is told
    GuardExit exits[64];
};

// Cuts it to what there is room for.
template <std::size_t N>
void set_text(char (&room)[N], std::string_view text) {
    const std::size_t length = std::min(text.size(), N - 1);
    std::copy_n(text.data(), length, room);
    room[length] = '\0';
}

// Where everything is. Sizes are fixed when the guard makes it; pages that were never touched
// cost nothing.
class State {
public:
    struct Capacity {
        std::uint32_t processes = 32768, services = 16384, listeners = 16384, sources = 65536,
                      lives = 32768, stored = 16384;
    };

    // Makes the memory file; the descriptor stays open (close-on-exec) for as long as State
    // lives.
    [[nodiscard]] static Result<State> create(const Capacity& capacity);
    // The same with memory of this process only, for unit tests.
    [[nodiscard]] static State for_test(const Capacity& capacity = {64, 16, 16, 256, 64, 16});

    State(State&&) noexcept;
    State& operator=(State&&) noexcept;
    ~State();

    [[nodiscard]] StateHeader& header() const { return *header_; }

    [[nodiscard]] std::span<ProcessRecord> processes() const { return processes_; }

    [[nodiscard]] std::span<ServiceRecord> services() const { return services_; }

    [[nodiscard]] std::span<ListenerRecord> listeners() const { return listeners_; }

    [[nodiscard]] std::span<SourceEntry> sources() const { return sources_; }

    [[nodiscard]] std::span<LifeRecord> lives() const { return lives_; }

    [[nodiscard]] std::span<StoredRecord> stored() const { return stored_; }

    // As many as processes(); used up to process_high.
    [[nodiscard]] std::span<ProxiedRecord> proxied() const { return proxied_; }

    [[nodiscard]] int fd() const { return fd_.get(); }

    // Writes an encoded plan into the buffer that is not committed, then commits it.
    [[nodiscard]] Result<std::uint64_t> commit_plan(std::string_view encoded);
    // The committed plan's bytes; empty where there is none.
    [[nodiscard]] Result<std::string> committed_plan() const;

private:
    State() = default;
    void adopt(void* memory, std::size_t size, const Capacity& capacity);
    Result<void> begin();

    Fd fd_;
    void* memory_ = nullptr;
    std::size_t size_ = 0;
    StateHeader* header_ = nullptr;
    std::span<ProcessRecord> processes_;
    std::span<ServiceRecord> services_;
    std::span<ListenerRecord> listeners_;
    std::span<SourceEntry> sources_;
    std::span<LifeRecord> lives_;
    std::span<StoredRecord> stored_;
    std::span<ProxiedRecord> proxied_;
};

}  // namespace superd
