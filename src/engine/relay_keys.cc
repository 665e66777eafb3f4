// SPDX-License-Identifier: MIT
// TLS profiles as relays are given them, and the superd-key beside each relay that has the keys.
//
// A superd-key is started with the first profile that needs it, and ends with its relay: when
// both superd's channel and the relay's are closed. After its death the relay is given another
// one with the next connection; a superd that takes over starts new ones.
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "base/packet_socket.h"
#include "engine/relay_slot.h"
#include "policy/backoff.h"
#include "tls/key_protocol.h"
#include "tls/material.h"

namespace superd {

namespace {

// Numbers of keys: no profile has more.
constexpr std::uint32_t keys_a_profile = tls_certificates_limit;

bool send_order(int channel, KeyOrder order, std::uint32_t number, int descriptor) {
    const KeyControl control{order, number};
    const std::string_view bytes(reinterpret_cast<const char*>(&control), sizeof control);
    const std::size_t count = descriptor >= 0 ? 1 : 0;
    return send_packet(channel, bytes, {&descriptor, count}, "superd-key").has_value();
}

}  // namespace

// Once for each relay, before the first connection that needs it.
bool Relays::give_profile(Relay& relay, std::uint32_t profile) {
    if (profile == 0 || relay.profiles.contains(profile)) return true;
    auto opened = tls_.open_profile(profile);
    if (!opened) return false;
    ProfileMessage message{.number = profile};
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(opened->material));
    if (opened->key_process) {
        message.first_key = profile * keys_a_profile;
        if (!hold_keys(relay, message.first_key, std::move(opened->keys))) return false;
    } else {
        message.keys = static_cast<std::uint8_t>(opened->keys.size());
        for (Fd& key : opened->keys)
            descriptors.push_back(std::move(key));
    }
    if (relay.profiles.empty()) send(relay, encode_message(ToRelay{TicketsMessage{tickets_}}));
    send(relay, encode_message(ToRelay{message}), std::move(descriptors));
    relay.profiles.insert(profile);
    return true;
}

void Relays::set_tickets(std::vector<std::string> keys) {
    tickets_ = std::move(keys);
    for (const auto& relay : relays_)
        if (!relay->profiles.empty())
            send(*relay, encode_message(ToRelay{TicketsMessage{tickets_}}));
}

void Relays::drop_profile(std::uint32_t number) {
    for (const auto& relay : relays_) {
        if (relay->profiles.erase(number) == 0) continue;
        send(*relay, encode_message(ToRelay{DropProfileMessage{number}}));
        drop_keys(*relay, number);
    }
}

void Relays::drop_keys(const Relay& relay, std::uint32_t profile) {
    for (std::uint32_t i = 0; i < keys_a_profile && relay.key_channel; ++i)
        (void)send_order(
                relay.key_channel.get(), KeyOrder::drop, profile * keys_a_profile + i, -1);
}

bool Relays::hold_keys(Relay& relay, std::uint32_t first, std::vector<Fd> keys) {
    if (!relay.key_channel && !start_key(relay)) return false;
    std::uint32_t number = first;
    for (const Fd& key : keys)
        if (!send_order(relay.key_channel.get(), KeyOrder::hold, number++, key.get()))
            return false;
    return true;
}

bool Relays::start_key(Relay& relay) {
    if (options_.key_program.empty()) {
        say(Level::error, "there is no superd-key: TLS needs it, or key_process = false");
        return false;
    }
    if (relay.key_not_before > loop_.now()) return false;
    int orders[2], questions[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, orders) != 0)
        return false;
    Fd ours(orders[0]), theirs(orders[1]);
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, questions) != 0) return false;
    Fd asks(questions[0]), answers(questions[1]);
    const auto index = processes_.records().take();
    if (!index) return false;
    if (!send_order(ours.get(), KeyOrder::serve, 0, answers.get())) {
        processes_.records().give_back(*index);
        return false;
    }
    relay.key_record = *index;
    relay.key_channel = std::move(ours);
    relay.key_theirs = std::move(theirs);
    launch(ProcessKind::key, *index, relay, relay.key_theirs.get());
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(asks));
    send(relay, encode_message(ToRelay{KeysMessage{}}), std::move(descriptors));
    return true;
}

void Relays::on_key_started(std::uint32_t record) {
    for (const auto& relay : relays_)
        if (relay->key_record == record) relay->key_theirs.reset();
}

// Of one whose relay has gone before, nothing is to be done.
void Relays::on_key_ended(std::uint32_t record) {
    for (const auto& relay : relays_) {
        if (relay->key_record != record) continue;
        relay->key_record = ~std::uint32_t{0};
        relay->key_channel.reset();
        relay->key_theirs.reset();
        relay->profiles.clear();
        relay->key_not_before = loop_.now() + backoff_delay(relay->key_failures++);
        say(Level::error, fmt::format("superd-key {} has died; the next connection has another "
                                      "one started",
                                  relay->number));
    }
}

}  // namespace superd
