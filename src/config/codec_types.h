// SPDX-License-Identifier: MIT
// Inside the codec: which types there are in a plan, and the fingerprint of them all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "config/diagnostics.h"
#include "config/plan.h"

namespace superd::codec {

template <class T>
concept Structure = requires {
    T::fields();
};

template <class T>
struct IsVector : std::false_type {};

template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
struct IsOptional : std::false_type {};

template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct IsShared : std::false_type {};

template <class T>
struct IsShared<std::shared_ptr<const T>> : std::true_type {};

// The last value of each enumeration: a byte beyond it is not one.
constexpr auto last_of(Mode) {
    return Mode::redirect;
}

constexpr auto last_of(Missed) {
    return Missed::run;
}

constexpr auto last_of(Start) {
    return Start::manual;
}

constexpr auto last_of(OnLimit) {
    return OnLimit::refuse;
}

constexpr auto last_of(Pass) {
    return Pass::listen_fds;
}

constexpr auto last_of(ReadyKind) {
    return ReadyKind::exit;
}

constexpr auto last_of(HealthKind) {
    return HealthKind::local;
}

constexpr auto last_of(HealthAction) {
    return HealthAction::take_out;
}

constexpr auto last_of(NotifyAccess) {
    return NotifyAccess::all;
}

constexpr auto last_of(OnStop) {
    return OnStop::end;
}

constexpr auto last_of(OutputKind) {
    return OutputKind::pipe;
}

constexpr auto last_of(ListenerKind) {
    return ListenerKind::netlink;
}

constexpr auto last_of(MatchKind) {
    return MatchKind::domain;
}

constexpr auto last_of(Ident) {
    return Ident::require;
}

constexpr auto last_of(Builtin) {
    return Builtin::sensor;
}

constexpr auto last_of(Tcpmux) {
    return Tcpmux::plus;
}

constexpr auto last_of(Restart) {
    return Restart::always;
}

constexpr auto last_of(Sandbox) {
    return Sandbox::strict;
}

constexpr auto last_of(ProtectSystem) {
    return ProtectSystem::strict;
}

constexpr auto last_of(ProtectHome) {
    return ProtectHome::tmpfs;
}

constexpr auto last_of(SendProxy) {
    return SendProxy::v2;
}

constexpr auto last_of(Starttls) {
    return Starttls::postgres;
}

constexpr auto last_of(ClientCertificate) {
    return ClientCertificate::required;
}

constexpr auto last_of(TlsVersion) {
    return TlsVersion::tls13;
}

constexpr auto last_of(SinkKind) {
    return SinkKind::journal;
}

constexpr auto last_of(LogFormat) {
    return LogFormat::xinetd;
}

constexpr auto last_of(BrokenFile) {
    return BrokenFile::refuse;
}

constexpr auto last_of(Severity) {
    return Severity::error;
}

// ---- the fingerprint: names and sizes of all fields, in order

constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    return (hash ^ value) * 0x100000001b3u;  // FNV-1a
}

template <class T>
constexpr std::uint64_t fingerprint(std::uint64_t hash) {
    if constexpr (Structure<T>) {
        std::apply(
                [&]<class... F>(const F&... field) {
                    const auto one = [&]<class S, class M>(const Field<S, M>& f) {
                        for (const char c : f.name)
                            hash = mix(hash, static_cast<unsigned char>(c));
                        hash = fingerprint<M>(hash);
                    };
                    (one(field), ...);
                },
                T::fields());
        return mix(hash, 1);
    } else if constexpr (IsVector<T>::value || IsOptional<T>::value) {
        return fingerprint<typename T::value_type>(mix(hash, IsVector<T>::value ? 2 : 3));
    } else if constexpr (IsShared<T>::value) {
        return fingerprint<std::remove_const_t<typename T::element_type>>(mix(hash, 4));
    } else if constexpr (std::is_enum_v<T>) {
        return mix(mix(hash, 5), static_cast<std::uint64_t>(last_of(T{})));
    } else {
        return mix(mix(hash, 6), sizeof(T) + (std::is_signed_v<T> ? 64 : 0));
    }
}

}  // namespace superd::codec
