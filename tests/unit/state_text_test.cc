// SPDX-License-Identifier: MIT
// The saved state in words: what is written reads back, and what is not whole is refused.
#include "sys/state_text.h"

#include <cstring>

#include "sys/state_fields.h"

#include "support/catch.h"

namespace superd {
namespace {

constexpr State::Capacity small{8, 4, 4, 16, 4};

template <class Member>
constexpr std::size_t size_of(const Member& /*value*/) {
    return sizeof(Member);
}

// Bytes of a record that no field names: what its members leave between them.
template <class Record>
std::size_t unnamed_bytes() {
    const auto record = std::make_unique<Record>();
    return std::apply(
            [&](const auto&... field) {
                return sizeof(Record) - (size_of((*record).*field.member) + ...);
            },
            state_fields(record.get()));
}

State filled() {
    State state = State::for_test(small);
    StateHeader& header = state.header();
    header.process_high = 3;
    header.service_high = 2;
    header.listener_high = 2;
    header.next_connection = 0xfedcba9876543210;
    header.starts = 7;
    header.booted = -5;
    ProcessRecord& process = state.processes()[2];
    process.state = RecordState::running;
    process.pid = 4711;
    process.connection = -1;
    process.kind = ProcessKind::worker;
    process.service = 1;
    process.source = no_source;
    process.peer.ip = IpAddress::v4(0xc0000201);
    process.peer.family = Family::ip;
    process.peer.port = 65535;
    ServiceRecord& service = state.services()[1];
    std::strcpy(service.name, "a b=%\n\xff");
    service.refused[static_cast<std::size_t>(Refusal::rate)] = 12;
    service.refused[static_cast<std::size_t>(Refusal::ident)] = ~std::uint64_t{0};
    service.tokens = 0.1;
    service.last_status = -256;
    ListenerRecord& listener = state.listeners()[1];
    std::strcpy(listener.key, "ssh tcp:22");
    listener.fd = 70;
    listener.inode = 99;
    header.life_high = 2;
    LifeRecord& life = state.lives()[1];
    life.used = 1;
    life.service = 1;
    life.state = static_cast<std::uint8_t>(LifeState::running);
    life.notify_fd = 71;
    std::strcpy(life.status, "serves 3 = many");
    header.stored_high = 2;
    StoredRecord& stored = state.stored()[1];
    stored.used = 1;
    stored.service = 1;
    stored.number = 3;
    stored.fd = 72;
    stored.serial = 9;
    std::strcpy(stored.name, "a b");
    SourceEntry& source = state.sources()[15];
    source.source.family = Family::ip;
    source.source.bytes[15] = 0xab;
    source.active = 2;
    return state;
}

const Handover facts{.version = "9.9 beta",
        .state_fd = 3,
        .plan_fd = 4,
        .plan_size = 123456789012,
        .plan_sequence = 6,
        .lock_fd = 5,
        .channels = 2};

std::string error_of(const std::string& text) {
    State state = State::for_test(small);
    const auto read = read_state(text, state);
    return read ? "" : read.error().operation;
}

}  // namespace

TEST_CASE("saved state: every field of a record has its name in the text") {
    // More than what lies between members: a field was added to sys/state.h and not to
    // sys/state_fields.h.
    CHECK(unnamed_bytes<ProcessRecord>() == 3);
    CHECK(unnamed_bytes<ServiceRecord>() == 17);
    CHECK(unnamed_bytes<LifeRecord>() == 5);
    CHECK(unnamed_bytes<StoredRecord>() == 7);
    CHECK(unnamed_bytes<ListenerRecord>() == 0);
    CHECK(unnamed_bytes<SourceEntry>() < 8);
    CHECK(unnamed_bytes<IpAddress>() == 0);
    CHECK(unnamed_bytes<Source>() == 0);
    CHECK(unnamed_bytes<Endpoint>() == 3);
}

TEST_CASE("saved state: what was written reads back") {
    const State before = filled();
    const std::string text = write_state(before, facts);
    State after = State::for_test(small);
    const auto read = read_state(text, after);
    INFO(text);
    REQUIRE(read);
    CHECK(read->version == "9.9 beta");
    CHECK(read->plan_size == 123456789012);
    CHECK(read->plan_sequence == 6);
    CHECK(after.header().next_connection == 0xfedcba9876543210);
    CHECK(after.header().booted == -5);
    const ProcessRecord& process = after.processes()[2];
    CHECK(process.pid == 4711);
    CHECK(process.connection == -1);
    const LifeRecord& life = after.lives()[1];
    CHECK(life.state == static_cast<std::uint8_t>(LifeState::running));
    CHECK(life.notify_fd == 71);
    CHECK(std::string(life.status) == "serves 3 = many");
    const StoredRecord& stored = after.stored()[1];
    CHECK((stored.used == 1 && stored.service == 1 && stored.number == 3 && stored.fd == 72));
    CHECK((stored.serial == 9 && std::string(stored.name) == "a b"));
    CHECK(process.source == no_source);
    CHECK(process.peer == before.processes()[2].peer);
    const ServiceRecord& service = after.services()[1];
    CHECK(std::string(service.name) == "a b=%\n\xff");
    CHECK(std::memcmp(service.refused, before.services()[1].refused, sizeof service.refused) ==
            0);
    CHECK(service.tokens == 0.1);
    CHECK(service.last_status == -256);
    CHECK(std::string(after.listeners()[1].key) == "ssh tcp:22");
    CHECK(after.sources()[15].source == before.sources()[15].source);
    CHECK(after.processes()[0].state == RecordState::free);
    // And writes the same again.
    CHECK(write_state(after, facts) == write_state(before, facts));
}

TEST_CASE("saved state: cut off at any byte it is refused") {
    const std::string text = write_state(filled(), facts);
    for (std::size_t length = 0; length < text.size(); ++length) {
        INFO(length);
        CHECK_FALSE(error_of(text.substr(0, length)).empty());
    }
    CHECK(error_of(text).empty());
}

TEST_CASE("saved state: one damaged byte is refused or harmless, never worse") {
    const std::string text = write_state(filled(), facts);
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (const char c : {'\0', ' ', '9', '\n', '=', '\xff'}) {
            std::string damaged = text;
            damaged[at] = c;
            State state = State::for_test(small);
            const auto read = read_state(damaged, state);
            if (!read) continue;
            for (const ProcessRecord& record :
                    state.processes().first(state.header().process_high))
                CHECK(record.service < state.services().size());
        }
    }
}

TEST_CASE("saved state: another version's words are skipped, what is missing is zero") {
    const std::string text =
            "superd-state 3 1\n"
            "handover version=2.0 colour=red\n"
            "header process_high=1 service_high=1 flavour=7\n"
            "weather 1 sunny=yes\n"
            "process 0 state=3 pid=12 wings=2 peer.feathers=9\n"
            "service 0 name=x refused=too_late:4,rate:2\n"
            "life 0 used=1 state=hibernating\n"
            "end 7\n";
    State state = State::for_test(small);
    const auto read = read_state(text, state);
    REQUIRE(read);
    CHECK(read->version == "2.0");
    CHECK(read->lock_fd == -1);
    CHECK(state.processes()[0].pid == 12);
    CHECK(state.lives()[0].state == 0);
    CHECK(state.services()[0].refused[static_cast<std::size_t>(Refusal::rate)] == 2);
}

TEST_CASE("saved state: what cannot be read says why") {
    CHECK(error_of("") == "it is cut off");
    CHECK(error_of("hello\nend 1\n") == "line 1: it is no superd's saved state");
    CHECK(error_of("superd-state 8 7\nend 1\n").find("which only superds of format 7") !=
            std::string::npos);
    CHECK(error_of("superd-state 1 1\nend 2\n") ==
            "the last line counts other lines than there are");
    CHECK(error_of("superd-state 1 1\nprocess 9 pid=1\nend 2\n") == "line 2: record 9 of 8");
    CHECK(error_of("superd-state 1 1\nprocess x pid=1\nend 2\n") ==
            "line 2: a record without a number");
    CHECK(error_of("superd-state 1 1\nprocess 1 pid=1x\nend 2\n") ==
            "line 2: \"pid=1x\" makes no sense");
    CHECK(error_of("superd-state 1 1\nprocess 1 relay=256\nend 2\n") ==
            "line 2: \"relay=256\" makes no sense");
    CHECK(error_of("superd-state 1 1\nheader process_high=9\nend 2\n") ==
            "it has more records than this superd holds");
    CHECK(error_of("superd-state 1 1\nheader process_high=1\nprocess 0 state=9\nend 3\n") ==
            "a process of a kind or state that this superd does not know");
    CHECK(error_of("superd-state 1 1\nheader process_high=1\nprocess 0 state=1 service=4\n"
                   "end 3\n") == "a process of a service or source beyond the tables");
}

}  // namespace superd
