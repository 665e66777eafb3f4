// SPDX-License-Identifier: MIT
// The superd-relay processes: started when first needed, given connections, asked for nothing
// that would make superd wait, started again when they die.
//
// A relayed connection has a record of its own in the shared state (ProcessKind::relayed, its
// relay's number in `flags`), so that it is counted, listed and survives superd like a handler.
// The channel to a relay is kept in the record of its process and survives superd too: a
// superd that takes over goes on where the last one stopped.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "config/plan.h"
#include "engine/processes.h"
#include "log/event.h"
#include "loop/loop.h"

namespace superd {

// relay/protocol.h
struct ConnectionName;
struct ServeMessage;
struct PrefaceMessage;
struct ProxiedMessage;
struct UnproxiedMessage;
struct SecureMessage;
struct SecuredMessage;
struct UnsecuredMessage;
struct PumpMessage;
struct UpstreamFacts;
struct EndedMessage;
struct AskedMessage;
struct IdentMessage;
struct CountsMessage;
struct FlowAskedMessage;
struct WatchMessage;
struct FlowMessage;
struct FlowRefusedMessage;
enum class RelayEnd : std::uint8_t;
enum class AnswerThen : std::uint8_t;
class RelayPacket;  // relay/channel.h

// News of relays. Loop thread.
class RelaySink {
public:
    virtual ~RelaySink() = default;
    // The record is a relayed connection's that this relay was given; the sink gives it back.
    virtual void on_relayed_ended(std::uint32_t record, const EndedMessage& message) = 0;
    // serve() takes connections again.
    virtual void on_relays_ready() = 0;
    // The connection's upstream could not be reached: next_upstream() or end().
    virtual void on_unreached(std::uint32_t record, int error) = 0;
    // It is, as was asked with UpstreamFacts.
    virtual void on_reached(std::uint32_t record) = 0;
    // answer() follows, or end().
    virtual void on_asked(std::uint32_t record, const AskedMessage& message) = 0;
    virtual void on_ident(std::uint32_t record, const IdentMessage& message) = 0;
    // Of a socket that was given by watch() or forward().
    virtual void on_counts(const CountsMessage& message) = 0;
    virtual void on_sensed(std::uint32_t watch, const Endpoint& peer) = 0;
    virtual void on_flow_asked(const FlowAskedMessage& message) = 0;
    virtual void on_watch_lost(std::uint32_t watch) = 0;
};

// News of PROXY headers; the record is a connection's whose `proxied` is `awaited`. Loop
// thread.
class PrefaceSink {
public:
    virtual ~PrefaceSink() = default;
    virtual void on_proxied(std::uint32_t record, const ProxiedMessage& message) = 0;
    virtual void on_unproxied(std::uint32_t record, const UnproxiedMessage& message) = 0;
};

// News of handshakes; the record is a connection's whose `tls` is `awaited`. Loop thread.
class TlsSink {
public:
    virtual ~TlsSink() = default;
    virtual void on_secured(std::uint32_t record, const SecuredMessage& message) = 0;
    virtual void on_unsecured(std::uint32_t record, const UnsecuredMessage& message) = 0;
    struct Profile {
        Fd material;           // an encoded TlsMaterial
        std::vector<Fd> keys;  // their files
        bool key_process = true;
    };

    // Nothing where it cannot be given.
    [[nodiscard]] virtual std::optional<Profile> open_profile(std::uint32_t number) = 0;
};

struct RelayOptions {
    std::string program;  // absolute path; empty: there is none, nothing can be relayed
    // What its processes give up by themselves, as root: to become identity's user, in a root
    // folder that is empty. Without root neither.
    IdentityPlan identity;
    std::string root;
    std::string key_program;  // the same of superd-key, one beside each relay that needs it
    IdentityPlan key_identity{};
    int standard_error = 2;  // a loan; -1: /dev/null
    unsigned count = 1;      // processes at most: one a processor
};

class Relays {
public:
    Relays(Loop& loop, Processes& processes, EventSink& log, RelaySink& sink,
            PrefaceSink& prefaces, TlsSink& tls, RelayOptions options);
    ~Relays();
    Relays(const Relays&) = delete;
    Relays& operator=(const Relays&) = delete;

    // False: nothing can be given now; on_relays_ready() says when.
    [[nodiscard]] bool ready();

    // Gives the client of a relayed connection to a relay, at once or when it takes it. The
    // record's cookie, connection and the rest are filled in and its state is `accepted`; it
    // becomes `running` when the relay has it.
    struct Giving {
        // A superd that was killed may have given it already, to the relay that the record
        // names.
        bool again = false;
        // The record goes on holding the connection: the relay gets a copy.
        bool keeps_client = false;
    };

    void serve(std::uint32_t record, const ServeMessage& message, Fd client, Giving how);
    // The same for a PROXY header; on_relayed_ended() where the relay died over it.
    void preface(std::uint32_t record, const PrefaceMessage& message, Fd client, Giving how);
    // The same for a handshake, by a profile that TlsSink can open.
    void secure(std::uint32_t record, const SecureMessage& message, Fd client, Giving how);
    // Who answers a client that a SecuredMessage spoke of.
    void first_upstream(std::uint32_t record, Fd upstream, const UpstreamFacts& facts,
            std::string header);
    // What tickets are sealed with, the newest first: for all relays that have profiles.
    void set_tickets(std::vector<std::string> keys);
    // No connection will be given with it any more.
    void drop_profile(std::uint32_t number);
    // The same with an upstream, connected or connecting.
    void pump(std::uint32_t record, const PumpMessage& message, Fd client, Fd upstream,
            Giving how);
    void answer(std::uint32_t record, std::string text, AnswerThen then);
    // After on_unreached().
    void next_upstream(std::uint32_t record, Fd upstream, const UpstreamFacts& facts);
    // The connection is to be closed; on_relayed_ended() follows.
    void end(std::uint32_t record);
    void end(std::uint32_t record, RelayEnd how, int error);

    // ---- datagrams: socket is a loan, the relay gets a copy. False: not now.
    [[nodiscard]] bool watch(const WatchMessage& message, int socket, Fd access);
    [[nodiscard]] bool forward(std::uint32_t watch, int socket);
    void unwatch(std::uint32_t watch);
    [[nodiscard]] unsigned relay_of_watch(std::uint32_t watch) const;
    void answer_flow(std::uint32_t watch, const FlowMessage& message, Fd upstream);
    void answer_flow(std::uint32_t watch, const FlowRefusedMessage& message);

    // ---- news of superd-key, by its record
    void on_key_started(std::uint32_t record);
    void on_key_ended(std::uint32_t record);

    // ---- news of the relay processes themselves, by their records
    void on_started(std::uint32_t record);
    void on_launch_failed(std::uint32_t record, const LaunchResult& result);
    void on_ended(std::uint32_t record);
    // A relay that a former superd started.
    void adopt(std::uint32_t record);
    // Connections whose relay is not there any more have ended: after all were adopted.
    void end_orphans();

    // Descriptors wait to be sent.
    [[nodiscard]] std::size_t pending() const;

private:
    struct Waiting;
    struct Relay;
    struct News;
    using Packet = std::optional<std::string>;  // as encode_message() makes it

    [[nodiscard]] Relay* choose();
    [[nodiscard]] bool give_socket(
            std::uint32_t watch, Packet packet, std::vector<Fd> descriptors);
    [[nodiscard]] Relay* of_watch(std::uint32_t watch) const;
    [[nodiscard]] Relay* of_process(std::uint32_t record);
    [[nodiscard]] bool start(Relay& relay);
    // One of superd's own programs with theirs, a loan, as descriptor 0.
    void launch(ProcessKind kind, std::uint32_t record, const Relay& relay, int theirs);
    void watch(Relay& relay);
    void give(std::uint32_t record, Packet packet, std::vector<Fd> descriptors, Giving how,
            std::uint32_t profile = 0);
    [[nodiscard]] bool give_profile(Relay& relay, std::uint32_t profile);
    [[nodiscard]] bool start_key(Relay& relay);
    [[nodiscard]] bool hold_keys(Relay& relay, std::uint32_t first, std::vector<Fd> keys);
    static void drop_keys(const Relay& relay, std::uint32_t profile);
    [[nodiscard]] bool awaits_handshake(const Relay& relay, const ConnectionName& name) const;
    void send(Relay& relay, Packet packet, std::vector<Fd> descriptors = {});
    [[nodiscard]] bool has_given(const Relay& relay, const ConnectionName& name) const;
    [[nodiscard]] bool awaits_header(const Relay& relay, const ConnectionName& name) const;
    static void forget_waiting(Relay& relay, std::uint32_t record);
    void flush(Relay& relay);
    [[nodiscard]] static std::size_t collect(const Relay& relay, RelayPacket& packet);
    void on_sent(const Waiting& one);
    void on_channel(Relay& relay, int events);
    void read_all(Relay& relay);
    void handle(Relay& relay, const News& news);
    void on_gone(Relay& relay);
    void end_connections(const Relay& relay);
    void on_stuck();
    void say(Level level, const std::string& text);

    Loop& loop_;
    Processes& processes_;
    EventSink& log_;
    RelaySink& sink_;
    PrefaceSink& prefaces_;
    TlsSink& tls_;
    const RelayOptions options_;
    std::vector<std::string> tickets_;
    std::vector<std::unique_ptr<Relay>> relays_;
    std::size_t next_ = 0;
    std::map<std::uint32_t, unsigned> watches_;  // by number: the relay that has it
    Timer ready_timer_;                          // the end of a back-off
    Timer stuck_timer_;
    bool waited_for_ = false;  // ready() has said no
};

}  // namespace superd
