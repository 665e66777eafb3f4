// SPDX-License-Identifier: MIT
#include "tls/material.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/codec_bytes.h"

namespace superd {

namespace {

constexpr std::string_view magic = "SUPERDTM";
constexpr std::uint64_t print = codec::fingerprint<TlsMaterial>(1);

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

Result<TlsMaterial> read_tls_material(const TlsPlan& plan) {
    TlsMaterial material{.plan = plan, .chains = {}};
    for (const std::string& path : plan.certificates) {
        const auto file = open_tls_file(path);
        if (!file) return tl::unexpected(file.error());
        auto chain = read_tls_file(file->get(), path);
        if (!chain) return tl::unexpected(chain.error());
        material.chains.push_back(std::move(*chain));
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
