// SPDX-License-Identifier: MIT
#include "tls/material.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/codec_bytes.h"

namespace superd {

namespace {

constexpr std::string_view magic = "SUPERDTM";
constexpr std::uint64_t print = codec::fingerprint<TlsMaterial>(1);

Result<std::string> read_path(const std::string& path) {
    const auto file = open_tls_file(path);
    if (!file) return tl::unexpected(file.error());
    return read_tls_file(file->get(), path);
}

}  // namespace

Result<Fd> open_tls_file(const std::string& path) {
    // A FIFO must not keep anybody waiting.
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) return fail("open", path);

    struct stat facts {};

    if (::fstat(file.get(), &facts) != 0) return fail("fstat", path);
    if (!S_ISREG(facts.st_mode)) return fail(EINVAL, "read", path);
    return file;
}

Result<std::string> read_tls_file(int fd, const std::string& path) {
    std::string bytes;
    char room[16 * 1024];
    for (;;) {
        const ssize_t n =
                ::pread(fd, room, sizeof room, static_cast<off_t>(bytes.size()));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail("read", path);
        if (n == 0) return bytes;
        bytes.append(room, static_cast<std::size_t>(n));
        if (bytes.size() > tls_file_limit) return fail(EFBIG, "read", path);
    }
}

Result<std::vector<TlsPair>> list_tls_pairs(const std::string& directory) {
    DIR* const listing = ::opendir(directory.c_str());
    if (listing == nullptr) return fail("open", directory);
    std::vector<TlsPair> pairs;
    while (const dirent* entry = ::readdir(listing)) {
        const std::string_view name = entry->d_name;
        if (!name.ends_with(".pem") || name.starts_with('.')) continue;
        const std::string path = directory + "/" + std::string(name);
        pairs.push_back({path, path.substr(0, path.size() - 4) + ".key"});
    }
    ::closedir(listing);
    std::sort(pairs.begin(), pairs.end(), [](const TlsPair& a, const TlsPair& b) {
        return a.certificate < b.certificate;
    });
    return pairs;
}

std::vector<std::string> tls_file_paths(const TlsMaterial& material) {
    std::vector<std::string> paths = material.plan.certificates;
    paths.insert(paths.end(), material.keys.begin(), material.keys.end());
    for (std::size_t i = material.plan.keys.size(); i < material.keys.size(); ++i)
        paths.push_back(material.keys[i].substr(0, material.keys[i].size() - 4) + ".pem");
    paths.insert(paths.end(), material.plan.ocsp.begin(), material.plan.ocsp.end());
    for (const std::string& path : {material.plan.client_ca, material.plan.client_crl})
        if (!path.empty()) paths.push_back(path);
    return paths;
}

Result<TlsMaterial> read_tls_material(const TlsPlan& plan) {
    TlsMaterial material;
    material.plan = plan;
    material.keys = plan.keys;
    std::vector<std::string> certificates = plan.certificates;
    if (!plan.certificate_directory.empty()) {
        auto pairs = list_tls_pairs(plan.certificate_directory);
        if (!pairs) return tl::unexpected(pairs.error());
        for (TlsPair& pair : *pairs) {
            certificates.push_back(std::move(pair.certificate));
            material.keys.push_back(std::move(pair.key));
        }
    }
    if (certificates.size() > tls_certificates_limit)
        return fail(E2BIG, "read", plan.certificate_directory);
    const auto read_all = [](const std::vector<std::string>& paths,
                                  std::vector<std::string>& into) -> Result<void> {
        for (const std::string& path : paths) {
            auto bytes = read_path(path);
            if (!bytes) return tl::unexpected(bytes.error());
            into.push_back(std::move(*bytes));
        }
        return {};
    };
    if (auto done = read_all(certificates, material.chains); !done)
        return tl::unexpected(done.error());
    if (auto done = read_all(plan.ocsp, material.ocsp); !done)
        return tl::unexpected(done.error());
    for (const auto& [path, into] : {std::pair{&plan.client_ca, &material.client_ca},
                 std::pair{&plan.client_crl, &material.client_crl}}) {
        if (path->empty()) continue;
        auto bytes = read_path(*path);
        if (!bytes) return tl::unexpected(bytes.error());
        *into = std::move(*bytes);
    }
    return material;
}

std::string encode_tls_material(const TlsMaterial& material) {
    codec::Writer writer;
    writer.raw(magic);
    writer.number(print);
    writer.put(material);
    return writer.take();
}

std::optional<TlsMaterial> decode_tls_material(std::span<const char> bytes) {
    codec::Reader reader(bytes);
    TlsMaterial material;
    std::uint64_t number = 0;
    if (!reader.raw(magic) || !reader.number(number) || number != print ||
            !reader.get(material) || !reader.at_end())
        return std::nullopt;
    return material;
}

}  // namespace superd
