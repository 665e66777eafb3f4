// SPDX-License-Identifier: MIT
#include "sys/rpc_listing.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"

namespace superd {

namespace {

constexpr auto patience = std::chrono::seconds(10);

template <class Number>
std::optional<Number> number_of(std::string_view text, Number most) {
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() ||
            value > most)
        return std::nullopt;
    return value;
}

// The last two numbers of a universal address (RFC 5665).
std::optional<std::uint16_t> port_of_address(std::string_view address) {
    const std::size_t last = address.rfind('.');
    if (last == std::string_view::npos || last == 0) return std::nullopt;
    const std::size_t first = address.rfind('.', last - 1);
    if (first == std::string_view::npos) return std::nullopt;
    const auto high = number_of<unsigned>(address.substr(first + 1, last - first - 1), 255);
    const auto low = number_of<unsigned>(address.substr(last + 1), 255);
    if (!high || !low) return std::nullopt;
    return static_cast<std::uint16_t>(*high << 8 | *low);
}

// "PROGRAM VERSION tcp|udp PORT"
std::optional<RpcPort> parse_line(std::string_view line) {
    std::array<std::string_view, 4> words{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::size_t blank = line.find(' ');
        if ((blank == std::string_view::npos) != (i + 1 == words.size())) return std::nullopt;
        words[i] = line.substr(0, blank);
        if (blank != std::string_view::npos) line.remove_prefix(blank + 1);
    }
    const auto program = number_of<std::uint32_t>(words[0], ~std::uint32_t{0});
    const auto version = number_of<std::uint32_t>(words[1], ~std::uint32_t{0});
    const auto port = number_of<std::uint32_t>(words[3], 65535);
    if (!program || !version || !port || *port == 0) return std::nullopt;
    if (words[2] != "tcp" && words[2] != "udp") return std::nullopt;
    return RpcPort{*program, *version, words[2] == "udp", static_cast<std::uint16_t>(*port)};
}

// In a child that is to become the program; false: it cannot take that identity.
bool take_identity(const IdentityPlan& identity) {
    if (!identity.change) return true;
    std::vector<gid_t> groups(identity.groups.begin(), identity.groups.end());
    return ::setgroups(groups.size(), groups.data()) == 0 &&
           ::setresgid(identity.gid, identity.gid, identity.gid) == 0 &&
           ::setresuid(identity.uid, identity.uid, identity.uid) == 0;
}

[[noreturn]] void become(const std::string& program, const IdentityPlan& identity, int output) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int nothing = ::open("/dev/null", O_RDONLY);
    char name[] = "superd-announce", word[] = "list", path[] = "PATH=/usr/bin:/bin";
    char* arguments[] = {name, word, nullptr};
    char* environment[] = {path, nullptr};
    if (::dup2(nothing, 0) == 0 && ::dup2(output, 1) == 1 &&
            ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 && take_identity(identity))
        ::execve(program.c_str(), arguments, environment);
    ::_exit(127);
}

// Until its end, or until it takes too long or says too much.
Result<std::string> read_all(int fd) {
    const SystemClock clock;
    const Mono until = clock.now() + patience;
    std::string text;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock.now());
        pollfd entry{fd, POLLIN, 0};
        const int ready =
                left.count() > 0 ? ::poll(&entry, 1, static_cast<int>(left.count())) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return fail(ETIMEDOUT, "read", "superd-announce's list");
        char part[4096];
        const ssize_t got = ::read(fd, part, sizeof part);
        if (got < 0) return fail("read", "superd-announce's list");
        if (got == 0) return text;
        text.append(part, static_cast<std::size_t>(got));
        if (text.size() > rpc_listing_limit) return fail(EFBIG, "superd-announce's list");
    }
}

}  // namespace

std::string format_rpc_listing(const std::vector<RpcEntry>& listed) {
    std::string text;
    for (const RpcEntry& entry : listed) {
        const std::string_view netid = entry.key.netid;
        const bool known =
                netid == "tcp" || netid == "tcp6" || netid == "udp" || netid == "udp6";
        const auto port = port_of_address(entry.address);
        if (!known || !port || *port == 0) continue;
        text += fmt::format("{} {} {} {}\n", entry.key.program, entry.key.version,
                netid.substr(0, 3), *port);
    }
    return text;
}

std::optional<std::vector<RpcPort>> parse_rpc_listing(std::string_view text) {
    if (text.size() > rpc_listing_limit) return std::nullopt;
    std::vector<RpcPort> ports;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return std::nullopt;
        const auto port = parse_line(text.substr(0, end));
        if (!port) return std::nullopt;
        ports.push_back(*port);
        text.remove_prefix(end + 1);
    }
    return ports;
}

Result<std::vector<RpcPort>> ask_rpc_ports(
        const std::string& program, const IdentityPlan& identity) {
    if (program.empty()) return fail(ENOENT, "start", "superd-announce");
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail("pipe");
    const Fd ours(ends[0]);
    Fd theirs(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return fail("start", program);
    if (child == 0) become(program, identity, theirs.get());
    theirs.reset();
    const auto text = read_all(ours.get());
    if (!text) ::kill(child, SIGKILL);  // not reaped yet: the number is still its own
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!text) return tl::unexpected(text.error());
    if (status != 0) return fail(0, "superd-announce could not list what rpcbind has");
    auto ports = parse_rpc_listing(*text);
    if (!ports) return fail(EPROTO, "read", "superd-announce's list");
    return std::move(*ports);
}

}  // namespace superd
