// SPDX-License-Identifier: MIT
#include "sys/handover.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/raw_syscall.h"
#include "sys/recovery.h"
#include "sys/spawner.h"

namespace superd {

namespace {

// A plan of 10,000 services has about 20 MB.
constexpr std::uint64_t largest = std::uint64_t{1} << 30;

std::vector<int> descriptors_above(int lowest) {
    std::vector<int> found;
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return found;
    while (const dirent* entry = ::readdir(directory)) {
        const auto number = parse_decimal(entry->d_name);
        if (!number || static_cast<int>(*number) == ::dirfd(directory)) continue;
        if (static_cast<int>(*number) >= lowest) found.push_back(static_cast<int>(*number));
    }
    ::closedir(directory);
    return found;
}

void let_through_exec() {
    for (const int fd : descriptors_above(3))
        ::fcntl(fd, F_SETFD, 0);
}

// Every descriptor of superd's is close-on-exec.
void keep_from_exec() {
    if (raw_call(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    for (const int fd : descriptors_above(3))
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

Result<std::string> read_file(int fd, std::uint64_t size) {
    if (size > largest) return fail(EFBIG, "read", "the saved state");
    std::string bytes(static_cast<std::size_t>(size), '\0');
    std::size_t at = 0;
    while (at < bytes.size()) {
        const ssize_t got =
                ::pread(fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
        if (got <= 0) return fail(got < 0 ? errno : EIO, "read", "the saved state");
        at += static_cast<std::size_t>(got);
    }
    return bytes;
}

Result<std::string> read_whole_file(int fd) {
    struct stat facts {};

    if (::fstat(fd, &facts) != 0) return fail("fstat", "the saved state");
    return read_file(fd, static_cast<std::uint64_t>(facts.st_size));
}

Result<Fd> text_file(std::string_view text) {
    Fd file(::memfd_create("superd-handover", 0));
    if (!file) return fail("memfd_create");
    for (std::size_t at = 0; at < text.size();) {
        const ssize_t wrote = ::write(file.get(), text.data() + at, text.size() - at);
        if (wrote <= 0) return fail("write", "the saved state");
        at += static_cast<std::size_t>(wrote);
    }
    return file;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> result;
    for (auto& word : words)
        result.push_back(word.data());
    result.push_back(nullptr);
    return result;
}

Handover handover_of(const State& state, const Beginning& beginning) {
    const StateHeader& header = state.header();
    const std::uint64_t sequence = header.plan_sequence.load();
    return {.version = beginning.version,
            .state_fd = state.fd(),
            .plan_fd = header.plan_fd[sequence & 1],
            .plan_size = header.plan_size[sequence & 1],
            .plan_sequence = sequence,
            .lock_fd = beginning.lock_fd,
            .channels = channel_version};
}

Result<void> check_compatible(const State& state, const Handover& handover) {
    if (state.header().low != low_number)
        return fail(0, "its launch slots are others than those of the superd that runs");
    if (handover.channels != channel_version)
        return fail(0, fmt::format("superd {} speaks version {} with its relays, this one {}",
                               handover.version, handover.channels, channel_version));
    return {};
}

// The text's pipe is the former program's until accept_inheritance(): the state, which would
// close it, does without.
Result<Inheritance> read_inheritance(int text_fd, int plan_fd) {
    const auto text = read_whole_file(text_fd);
    if (!text) return tl::unexpected(text.error());
    auto state = State::create({});
    if (!state) return tl::unexpected(state.error());
    StateHeader& header = state->header();
    for (int& fd : header.report_fd)
        ::close(std::exchange(fd, -1));
    Fd own_board(std::exchange(header.log_board, -1));
    auto handover = read_state(*text, *state);
    const std::array report{
            std::exchange(header.report_fd[0], -1), std::exchange(header.report_fd[1], -1)};
    const int board = std::exchange(header.log_board, -1);
    if (!handover) return tl::unexpected(handover.error());
    if (auto good = check_compatible(*state, *handover); !good)
        return tl::unexpected(good.error());
    auto plan = read_file(plan_fd >= 0 ? plan_fd : handover->plan_fd, handover->plan_size);
    if (!plan) return tl::unexpected(plan.error());
    return Inheritance{std::move(*state), std::move(*handover), std::move(*plan), report,
            board >= 0 ? board : own_board.release()};
}

// Does not return where it succeeds. program_fd: -1 where name is a path.
Error become(int program_fd, const std::string& name, const Resume& resume,
        const Beginning& beginning) {
    std::vector<std::string> words = beginning.arguments;
    words.emplace_back(resume_option);
    words.push_back(resume.value());
    std::vector<std::string> environment = beginning.environment;
    const auto argv = pointers(words), envp = pointers(environment);
    let_through_exec();
    if (program_fd >= 0)
        ::execveat(program_fd, "", argv.data(), envp.data(), AT_EMPTY_PATH);
    else
        ::execve(name.c_str(), argv.data(), envp.data());
    const int error = errno;
    keep_from_exec();
    return {error, "exec", name};
}

}  // namespace

std::optional<Resume> Resume::parse(std::string_view value) {
    const auto first = value.find(','), second = value.find(',', first + 1);
    if (first == value.npos || second == value.npos) return {};
    const auto number = [](std::string_view text) -> std::optional<int> {
        if (text == "-1") return -1;
        const auto parsed = parse_decimal(text);
        if (!parsed || *parsed > 0x7fffffff) return {};
        return static_cast<int>(*parsed);
    };
    const auto text = number(value.substr(0, first));
    const auto former = number(value.substr(first + 1, second - first - 1));
    if (!text || !former || *text < 0) return {};
    return Resume{*text, *former, std::string(value.substr(second + 1))};
}

std::string Resume::value() const {
    return fmt::format("{},{},{}", text, former, failure);
}

Error hand_over(State& state, const Beginning& beginning, const std::string& program) {
    // What a child that still shares the table writes into its record must be in the text.
    settle_launches(state);
    const auto text = text_file(write_state(state, handover_of(state, beginning)));
    if (!text) return text.error();
    // What runs may have been replaced on disk: the number stays the program that it was.
    const Fd former(::open("/proc/self/exe", O_PATH));
    return become(-1, program, {text->get(), former.get(), {}}, beginning);
}

Error hand_back(State& state, const Beginning& beginning, const std::string& why) {
    settle_launches(state);
    const Fd former(state.header().former_program.exchange(-1));
    const auto text = text_file(write_state(state, handover_of(state, beginning)));
    if (!text) return text.error();
    return become(former.get(), "the former program", {text->get(), -1, why}, beginning);
}

Error return_to(const Resume& resume, const Beginning& beginning, const std::string& why) {
    if (resume.former < 0) return {0, why, {}};
    return become(resume.former, "the former program", {resume.text, -1, why}, beginning);
}

std::string state_for_check(const State& state, const Beginning& beginning) {
    return write_state(state, handover_of(state, beginning));
}

Result<Inheritance> inherit(const Resume& resume) {
    keep_from_exec();
    return read_inheritance(resume.text, -1);
}

void accept_inheritance(Inheritance& inheritance, const Resume& resume) {
    StateHeader& header = inheritance.state.header();
    std::copy(inheritance.report_fd.begin(), inheritance.report_fd.end(), header.report_fd);
    header.log_board = inheritance.log_board;
    header.former_program = resume.former;
    --header.starts;  // the next one is no start after a death
    set_text(header.predecessor, inheritance.handover.version);
    set_text(header.handover_failure, resume.failure);
    for (const int fd :
            {inheritance.handover.state_fd, inheritance.handover.plan_fd, resume.text})
        if (fd >= 0) ::close(fd);
}

Result<Inheritance> look_at_inheritance(int text_fd, int plan_fd) {
    return read_inheritance(text_fd, plan_fd);
}

Result<void> check_program(const std::string& path) {
    if (path.empty() || path[0] != '/') return fail(0, "\"" + path + "\" is no absolute path");
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return fail("open", path);

    struct stat facts {};

    if (::fstat(file.get(), &facts) != 0) return fail("stat", path);
    if (!S_ISREG(facts.st_mode) || (facts.st_mode & 0111) == 0)
        return fail(0, path + " is no program");
    if (::geteuid() == 0 && (facts.st_uid != 0 || (facts.st_mode & 022) != 0))
        return fail(0, path + " is not root's alone: chown root and chmod go-w");
    std::array<char, 4> magic{};
    if (::pread(file.get(), magic.data(), magic.size(), 0) != ssize_t{magic.size()} ||
            std::memcmp(magic.data(),
                    "\x7f"
                    "ELF",
                    magic.size()) != 0)
        return fail(0, path + " is no ELF program: a script cannot take superd's place");
    return {};
}

}  // namespace superd
