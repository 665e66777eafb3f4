// SPDX-License-Identifier: MIT
#include "sys/sealed_file.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace superd {

Result<Fd> sealed_file(const std::string& name, std::string_view bytes) {
    Fd file(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return fail("memfd_create", name);
    while (!bytes.empty()) {
        const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail("write", name);
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (::fcntl(file.get(), F_ADD_SEALS, seals) != 0) return fail("seal", name);
    return file;
}

}  // namespace superd
