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
inline constexpr std::size_t tls_certificates_limit = 128;

struct TlsMaterial {
    TlsPlan plan;
    // What the files of plan.certificates hold, then those of its certificate_directory.
    std::vector<std::string> chains;
    std::vector<std::string> keys;  // paths, one for each of chains
    std::vector<std::string> ocsp;
    std::string client_ca, client_crl;

    bool operator==(const TlsMaterial&) const = default;

    template <class P = TlsMaterial>
    static constexpr auto fields() {
        return std::tuple{Field{"plan", &P::plan}, Field{"chains", &P::chains},
                Field{"keys", &P::keys}, Field{"ocsp", &P::ocsp},
                Field{"client_ca", &P::client_ca}, Field{"client_crl", &P::client_crl}};
    }
};

// A certificate and its key, by their paths.
struct TlsPair {
    std::string certificate, key;
};

// Those of the folder, by name: NAME.pem and NAME.key.
[[nodiscard]] Result<std::vector<TlsPair>> list_tls_pairs(const std::string& directory);

// Every file of a profile, for those who watch for changes.
[[nodiscard]] std::vector<std::string> tls_file_paths(const TlsMaterial& material);

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
