// SPDX-License-Identifier: MIT
// What superd-tls is asked about the profiles of a file, and what it answers: encoded as a plan
// is (config/codec.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "config/diagnostics.h"
#include "config/plan_tls.h"

namespace superd {

struct TlsFinding {
    std::uint32_t profile = 0;  // its place among those that were asked about
    std::string key;            // "certificate": what it is about
    std::uint32_t item = 0;     // of a list
    Severity severity = Severity::error;
    std::string message, suggestion;

    bool operator==(const TlsFinding&) const = default;

    template <class P = TlsFinding>
    static constexpr auto fields() {
        return std::tuple{Field{"profile", &P::profile}, Field{"key", &P::key},
                Field{"item", &P::item}, Field{"severity", &P::severity},
                Field{"message", &P::message}, Field{"suggestion", &P::suggestion}};
    }
};

[[nodiscard]] std::string encode_tls_profiles(const std::vector<TlsPlan>& profiles);
[[nodiscard]] std::optional<std::vector<TlsPlan>> decode_tls_profiles(
        std::span<const char> bytes);
[[nodiscard]] std::string encode_tls_findings(const std::vector<TlsFinding>& findings);
[[nodiscard]] std::optional<std::vector<TlsFinding>> decode_tls_findings(
        std::span<const char> bytes);

// Runs the program (superd-tls) over the profiles; it opens their files itself. Nothing with
// `error` set where it could not be run or answered nothing that can be read.
[[nodiscard]] std::optional<std::vector<TlsFinding>> ask_tls_program(
        const std::string& program, const std::vector<TlsPlan>& profiles, std::string& error);

}  // namespace superd
