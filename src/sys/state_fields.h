// SPDX-License-Identifier: MIT
// The fields of what is saved, by the names they have in the saved text: never changed, never
// used for something else. A test fails on a field of sys/state.h that is missing here.
#pragma once

#include <string_view>
#include <tuple>

#include "config/plan_base.h"
#include "policy/life.h"
#include "policy/refusal.h"
#include "sys/state.h"

namespace superd {

// A number whose meaning is an enumerator that may move: saved as its name.
template <class Struct, class Member, class Enum>
struct NamedField {
    std::string_view name;
    Member Struct::*member;
    std::string_view (*name_of)(Enum);
};

template <class Struct, class Member, class Enum>
NamedField(std::string_view, Member Struct::*, std::string_view (*)(Enum))
        -> NamedField<Struct, Member, Enum>;

constexpr auto state_fields(const IpAddress*) {
    return std::tuple{Field{"ip", &IpAddress::bytes}};
}

constexpr auto state_fields(const Endpoint*) {
    return std::tuple{Field{"address", &Endpoint::ip}, Field{"scope", &Endpoint::scope},
            Field{"port", &Endpoint::port}, Field{"uid", &Endpoint::uid},
            Field{"gid", &Endpoint::gid}, Field{"pid", &Endpoint::pid},
            Field{"family", &Endpoint::family}};
}

constexpr auto state_fields(const Source*) {
    return std::tuple{Field{"bytes", &Source::bytes}, Field{"family", &Source::family}};
}

constexpr auto state_fields(const SourceEntry*) {
    return std::tuple{Field{"source", &SourceEntry::source},
            Field{"service", &SourceEntry::service}, Field{"active", &SourceEntry::active},
            Field{"tokens", &SourceEntry::tokens}, Field{"tokens_at", &SourceEntry::tokens_at},
            Field{"penalised_until", &SourceEntry::penalised_until}};
}

constexpr auto state_fields(const ProcessRecord*) {
    using P = ProcessRecord;
    return std::tuple{Field{"state", &P::state}, Field{"pid", &P::pid},
            Field{"pidfd", &P::pidfd}, Field{"connection", &P::connection},
            Field{"error", &P::error}, Field{"stage", &P::stage}, Field{"kind", &P::kind},
            Field{"attempts", &P::attempts}, Field{"flags", &P::flags},
            Field{"relay", &P::relay}, Field{"deaths", &P::deaths}, Field{"target", &P::target},
            Field{"proxied", &P::proxied}, Field{"tls", &P::tls},
            Field{"partner", &P::partner}, Field{"service", &P::service},
            Field{"generation", &P::generation}, Field{"listener", &P::listener},
            Field{"source", &P::source}, Field{"banner_sent", &P::banner_sent},
            Field{"cookie", &P::cookie}, Field{"id", &P::id}, Field{"started", &P::started},
            Field{"peer", &P::peer}, Field{"local", &P::local}};
}

constexpr auto state_fields(const ProxiedRecord*) {
    using P = ProxiedRecord;
    return std::tuple{Field{"proxy", &P::proxy}, Field{"variables", &P::variables}};
}

constexpr auto state_fields(const ServiceRecord*) {
    using S = ServiceRecord;
    return std::tuple{Field{"name", &S::name}, Field{"orders", &S::orders},
            Field{"failures", &S::failures}, Field{"accepted", &S::accepted},
            Field{"started", &S::started}, Field{"failed", &S::failed},
            Field{"exited", &S::exited}, Field{"dropped_datagrams", &S::dropped_datagrams},
            Field{"refused", &S::refused}, Field{"last_status", &S::last_status},
            Field{"last_stage", &S::last_stage}, Field{"idling", &S::idling},
            Field{"last_error", &S::last_error}, Field{"last_failure", &S::last_failure},
            Field{"state_since", &S::state_since}, Field{"tokens", &S::tokens},
            Field{"tokens_at", &S::tokens_at}, Field{"paused_until", &S::paused_until},
            Field{"restarts_in_window", &S::restarts_in_window},
            Field{"restart_window", &S::restart_window},
            Field{"timer_moment", &S::timer_moment}, Field{"timer_due", &S::timer_due},
            Field{"timer_last_moment", &S::timer_last_moment},
            Field{"timer_last", &S::timer_last}, Field{"timer_runs", &S::timer_runs},
            Field{"timer_skipped", &S::timer_skipped}, Field{"pool", &S::pool},
            Field{"generation", &S::generation}, Field{"rolling", &S::rolling},
            Field{"served_warm", &S::served_warm}, Field{"served_cold", &S::served_cold},
            Field{"log_read", &S::log_read}, Field{"log_write", &S::log_write}};
}

constexpr auto state_fields(const LifeRecord*) {
    using L = LifeRecord;
    return std::tuple{Field{"used", &L::used}, Field{"service", &L::service},
            Field{"number", &L::number}, NamedField{"state", &L::state, life_state_name},
            Field{"cause", &L::cause}, Field{"limit", &L::limit}, Field{"command", &L::command},
            Field{"last_status", &L::last_status}, Field{"reload_heard", &L::reload_heard},
            Field{"reload_done", &L::reload_done}, Field{"leaves", &L::leaves},
            Field{"generation", &L::generation}, Field{"start_by", &L::start_by},
            Field{"reload_at", &L::reload_at}, Field{"notify_fd", &L::notify_fd},
            Field{"ready_fd", &L::ready_fd}, Field{"said_error", &L::said_error},
            Field{"unheeded", &L::unheeded}, Field{"running_since", &L::running_since},
            Field{"deadline", &L::deadline}, Field{"expires", &L::expires},
            Field{"heard", &L::heard}, Field{"watchdog", &L::watchdog},
            Field{"requests", &L::requests}, Field{"status", &L::status},
            Field{"cause_text", &L::cause_text}};
}

constexpr auto state_fields(const StoredRecord*) {
    using S = StoredRecord;
    return std::tuple{Field{"used", &S::used}, Field{"service", &S::service},
            Field{"number", &S::number}, Field{"fd", &S::fd}, Field{"serial", &S::serial},
            Field{"watched", &S::watched}, Field{"name", &S::name}};
}

constexpr auto state_fields(const ListenerRecord*) {
    using L = ListenerRecord;
    return std::tuple{Field{"fd", &L::fd}, Field{"filter", &L::filter},
            Field{"inode", &L::inode}, Field{"key", &L::key}};
}

constexpr auto state_fields(const StateHeader*) {
    using H = StateHeader;
    return std::tuple{Field{"starts", &H::starts}, Field{"low", &H::low},
            Field{"report_fd", &H::report_fd}, Field{"log_board", &H::log_board},
            Field{"next_connection", &H::next_connection},
            Field{"process_high", &H::process_high}, Field{"service_high", &H::service_high},
            Field{"listener_high", &H::listener_high}, Field{"life_high", &H::life_high},
            Field{"stored_high", &H::stored_high}, Field{"booted", &H::booted},
            Field{"source_seed", &H::source_seed}};
}

}  // namespace superd
