// SPDX-License-Identifier: MIT
// What a relay needs for a profile, but for the private keys: put together by superd, which
// reads the files and understands none of it, and handed over in a sealed memory file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan_tls.h"

namespace superd {

// Of one file: a chain of certificates.
inline constexpr std::size_t tls_file_limit = 1024 * 1024;
// Certificates of one profile.
inline constexpr std::size_t tls_certificates_limit = 16;

struct TlsMaterial {
    TlsPlan plan;
    std::vector<std::string> chains;  // what the files of plan.certificates hold

    bool operator==(const TlsMaterial&) const = default;

    template <class P = TlsMaterial>
    static constexpr auto fields() {
        return std::tuple{Field{"plan", &P::plan}, Field{"chains", &P::chains}};
    }
};

// Errors name the file.
[[nodiscard]] Result<TlsMaterial> read_tls_material(const TlsPlan& plan);

[[nodiscard]] std::string encode_tls_material(const TlsMaterial& material);
// Nothing for anything that was not encoded by this build.
[[nodiscard]] std::optional<TlsMaterial> decode_tls_material(std::span<const char> bytes);

// The whole of a regular file, from its beginning; fd is a loan.
[[nodiscard]] Result<std::string> read_tls_file(int fd, const std::string& path);
// Opened for reading; only a regular file is.
[[nodiscard]] Result<Fd> open_tls_file(const std::string& path);

}  // namespace superd
