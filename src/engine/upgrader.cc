// SPDX-License-Identifier: MIT
#include "engine/upgrader.h"

#include <array>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/sealed_file.h"

namespace superd {

namespace {

constexpr std::string_view version_prefix = "superd ";
constexpr std::size_t most_said = 300;  // of what a program that is no superd prints

Result<std::string> verdict_on(
        const std::string& program, const ErrandAnswer& answer, bool timed_out) {
    if (timed_out) return fail(0, program + " did not say in time whether it can");
    const std::string_view said = trim(answer.bytes);
    if (answer.failure.empty() && said.starts_with(version_prefix) &&
            said.find('\n') == said.npos)
        return std::string(said.substr(version_prefix.size()));
    const std::string text = escape(said.substr(0, most_said));
    return fail(0, fmt::format("{} cannot take superd's place: {}", program,
                           !text.empty()            ? text
                           : answer.failure.empty() ? "it says nothing"
                                                    : answer.failure));
}

}  // namespace

Upgrader::Upgrader(Loop& loop, const State& state, const Beginning* beginning)
        : loop_(loop), state_(state), beginning_(beginning), deadline_(loop, [this] {
              timed_out_ = true;
              kill();
          }) {}

Upgrader::~Upgrader() {
    if (busy()) kill();
}

void Upgrader::kill() const {
    ::syscall(SYS_pidfd_send_signal, errand_.pidfd.get(), SIGKILL, nullptr, 0);
}

void Upgrader::ask(const std::string& program, Callback callback) {
    if (beginning_ == nullptr)
        return callback(fail(0, "superd runs with --no-guard: nothing can take its place"));
    if (busy()) return callback(fail(0, "an upgrade is under way"));
    auto errand = begin(program);
    if (!errand) return callback(tl::unexpected(errand.error()));
    errand_ = std::move(*errand);
    callback_ = std::move(callback);
    timed_out_ = false;
    poll_ = std::make_unique<Poll>(loop_, errand_.pidfd.get(), [this](int, int) { finish(); });
    poll_->start(Poll::readable);
    deadline_.start(patience);
}

Result<Errand> Upgrader::begin(const std::string& program) {
    if (auto good = check_program(program); !good) return tl::unexpected(good.error());
    const auto text = sealed_file("superd-state-text", state_for_check(state_, *beginning_));
    if (!text) return tl::unexpected(text.error());
    std::vector<std::string> argv = beginning_->arguments;
    argv.emplace_back("--check-state");
    const StateHeader& header = state_.header();
    const std::array lent{
            Lent{text->get(), 0}, Lent{header.plan_fd[header.plan_sequence.load() & 1], 3}};
    return begin_errand(program, program, std::move(argv), lent);
}

void Upgrader::finish() {
    deadline_.stop();
    poll_.reset();
    const Errand errand = std::exchange(errand_, {});
    const Callback callback = std::exchange(callback_, nullptr);
    const auto answer = answer_of(errand);
    if (!answer) return callback(tl::unexpected(answer.error()));
    callback(verdict_on(errand.what, *answer, timed_out_));
}

std::string own_program() {
    constexpr std::string_view deleted = " (deleted)";
    std::array<char, 4096> path{};
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
    std::string program(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    if (program.ends_with(deleted)) program.resize(program.size() - deleted.size());
    return program;
}

}  // namespace superd
