// SPDX-License-Identifier: MIT
#include "config/tls_findings.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/codec_bytes.h"

namespace superd {

namespace {

constexpr std::string_view profiles_magic = "SUPERDTP", findings_magic = "SUPERDTF";

template <class T>
std::string encode(std::string_view magic, const std::vector<T>& list) {
    codec::Writer writer;
    writer.raw(magic);
    writer.number(codec::fingerprint<T>(1));
    writer.put(list);
    return writer.take();
}

template <class T>
std::optional<std::vector<T>> decode(std::string_view magic, std::span<const char> bytes) {
    codec::Reader reader(bytes);
    std::uint64_t print = 0;
    std::vector<T> list;
    if (!reader.raw(magic) || !reader.number(print) || print != codec::fingerprint<T>(1) ||
            !reader.get(list) || !reader.at_end())
        return std::nullopt;
    return list;
}

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return ::lseek(fd, 0, SEEK_SET) == 0;
}

std::string read_all(int fd) {
    std::string bytes;
    char room[4096];
    ::lseek(fd, 0, SEEK_SET);
    for (ssize_t n = 0; (n = ::read(fd, room, sizeof room)) > 0;)
        bytes.append(room, static_cast<std::size_t>(n));
    return bytes;
}

// The program with both memory files; its wait status, -1 where it did not start.
int run(const std::string& program, int input, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, 1);
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char name[] = "superd-tls", verb[] = "check", path[] = "PATH=/usr/bin:/bin";
    char* argv[]{name, verb, nullptr};
    char* environment[]{path, nullptr};
    pid_t pid = -1;
    const int failed =
            ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv, environment);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (failed != 0) {
        errno = failed;
        return -1;
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return 0;  // somebody else has reaped it: the answer decides
    return status;
}

}  // namespace

std::string encode_tls_profiles(const std::vector<TlsPlan>& profiles) {
    return encode(profiles_magic, profiles);
}

std::optional<std::vector<TlsPlan>> decode_tls_profiles(std::span<const char> bytes) {
    return decode<TlsPlan>(profiles_magic, bytes);
}

std::string encode_tls_findings(const std::vector<TlsFinding>& findings) {
    return encode(findings_magic, findings);
}

std::optional<std::vector<TlsFinding>> decode_tls_findings(std::span<const char> bytes) {
    return decode<TlsFinding>(findings_magic, bytes);
}

std::optional<std::vector<TlsFinding>> ask_tls_program(
        const std::string& program, const std::vector<TlsPlan>& profiles, std::string& error) {
    const Fd input(::memfd_create("tls-profiles", MFD_CLOEXEC));
    const Fd output(::memfd_create("tls-findings", MFD_CLOEXEC));
    if (!input || !output || !write_all(input.get(), encode_tls_profiles(profiles))) {
        error = std::strerror(errno);
        return std::nullopt;
    }
    const int status = run(program, input.get(), output.get());
    if (status == -1) {
        error = program + ": " + std::strerror(errno);
        return std::nullopt;
    }
    auto findings = decode_tls_findings(read_all(output.get()));
    if (!findings) error = program + " answered nothing that can be read";
    return findings;
}

}  // namespace superd
