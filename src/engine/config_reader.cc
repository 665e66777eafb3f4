// SPDX-License-Identifier: MIT
#include "engine/config_reader.h"

#include <csignal>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "config/codec.h"
#include "config/tls_findings.h"
#include "engine/errand.h"

namespace superd {

namespace {

const char* const reader_name = "the configuration's reader";

std::vector<std::string> to_arguments(const ReadOptions& options) {
    std::vector<std::string> words{"file", options.path, options.as, options.root ? "root" : "",
            options.check_ownership ? "owned" : "", options.copies, options.dynamic_users,
            options.tls_program};
    for (const ScaledCopies& one : options.scaled)
        words.insert(words.end(),
                {one.name, std::to_string(one.written), std::to_string(one.count)});
    return words;
}

std::uint32_t number_of(const std::string& text) {
    const auto number = parse_decimal(text);
    return number ? static_cast<std::uint32_t>(*number) : 0;
}

constexpr std::size_t own_words = 8;     // of to_arguments()
constexpr std::size_t scaled_words = 3;  // ... and of each that is scaled

ReadOptions from_arguments(const std::vector<std::string>& a) {
    ReadOptions options;
    options.path = a[1];
    options.as = a[2];
    options.root = !a[3].empty();
    options.check_ownership = !a[4].empty();
    options.copies = a[5];
    options.dynamic_users = a[6];
    options.tls_program = a[7];
    for (std::size_t i = own_words; i + scaled_words <= a.size(); i += scaled_words)
        options.scaled.push_back({a[i], number_of(a[i + 1]), number_of(a[i + 2])});
    return options;
}

bool write_answer(int fd, const ReadResult& result) {
    const std::string answer = encode_read_result(result);
    std::size_t done = 0;
    while (done < answer.size()) {
        const ssize_t wrote = ::write(fd, answer.data() + done, answer.size() - done);
        if (wrote <= 0) return false;
        done += static_cast<std::size_t>(wrote);
    }
    return true;
}

void unblock_signals() {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// At the first start superd is small and has one thread: a fork reads as far from it as another
// program would, and spares the dynamic linker's work, a fifth of what reading takes.
Result<Errand> fork_child(const ReadOptions& options) {
    auto child = prepare_errand(reader_name);
    if (!child) return child;
    const pid_t parent = ::getpid();
    child->pid = ::fork();
    if (child->pid < 0) return fail("start", reader_name);
    if (child->pid > 0) return follow(std::move(*child));
    // It has a copy of everything superd holds, locks among it: it must not stay behind.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) ::_exit(1);
    unblock_signals();
    ::_exit(write_answer(child->answer.get(), read_config(options)) ? 0 : 1);
}

Result<Errand> start_child(const std::vector<std::string>& arguments, int input) {
    std::vector<std::string> words{"superd", "--read-plan"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const Lent loan{input, 0};
    return begin_errand(reader_name, "/proc/self/exe", std::move(words),
            std::span(&loan, input >= 0 ? 1 : 0));
}

// The child has ended. Its status may be gone (an orphan sweep was faster): the answer decides.
Result<ReadResult> result_of(const Errand& child) {
    const auto answer = answer_of(child);
    if (!answer) return tl::unexpected(answer.error());
    auto result = decode_read_result(answer->bytes);
    if (result) return std::move(*result);
    return fail(0, fmt::format("{} failed: {}{}it answered nothing that can be read",
                           reader_name, answer->failure, answer->failure.empty() ? "" : "; "));
}

// False: nobody could be asked.
bool keep_good_profiles(const std::string& program, ReadResult& result) {
    std::string error;
    std::vector<TlsPlan>& profiles = result.plan->tls;
    const auto findings = ask_tls_program(program, profiles, error);
    if (!findings) return false;
    std::set<std::string> broken;
    for (const TlsFinding& found : *findings) {
        if (found.severity != Severity::error || found.profile >= profiles.size()) continue;
        const std::string& name = profiles[found.profile].name;
        broken.insert(name);
        result.diagnostics.add({.severity = Severity::error,
                .at = {},
                .message = "TLS profile " + name + ": " + found.message +
                           "; the one before stays",
                .suggestion = {},
                .source_line = {},
                .other = {}});
    }
    std::erase_if(
            profiles, [&](const TlsPlan& profile) { return broken.contains(profile.name); });
    return true;
}

}  // namespace

struct ConfigReader::Running {
    Errand child;
    Callback callback;
    std::unique_ptr<Poll> poll;
};

ConfigReader::ConfigReader(Loop& loop)
        : loop_(loop), deadline_(loop, [this] {
              if (running_)
                  ::syscall(SYS_pidfd_send_signal, running_->child.pidfd.get(), SIGKILL,
                          nullptr, 0);
          }) {}

void ConfigReader::read(std::function<ReadOptions()> options, Callback callback) {
    submit({[options = std::move(options)] { return to_arguments(options()); }, -1,
            std::move(callback)});
}

void ConfigReader::reread_networks(int plan_fd, Callback callback) {
    submit({[] { return std::vector<std::string>{"networks"}; }, plan_fd, std::move(callback)});
}

void ConfigReader::recheck_tls(int plan_fd, const std::string& program, Callback callback) {
    submit({[program] { return std::vector<std::string>{"tls", program}; }, plan_fd,
            std::move(callback)});
}

void ConfigReader::submit(Request request) {
    queue_.push_back(std::move(request));
    start_next();
}

void ConfigReader::start_next() {
    while (!running_ && !queue_.empty()) {
        Request request = std::move(queue_.front());
        queue_.pop_front();
        auto child = start_child(request.arguments(), request.input);
        if (!child) {
            request.callback(tl::unexpected(child.error()));
            continue;
        }
        running_ = std::make_shared<Running>();
        running_->child = std::move(*child);
        running_->callback = std::move(request.callback);
        running_->poll = std::make_unique<Poll>(
                loop_, running_->child.pidfd.get(), [this](int, int) { finish(); });
        running_->poll->start(Poll::readable);
        deadline_.start(patience);
    }
}

void ConfigReader::finish() {
    auto ended = std::exchange(running_, nullptr);
    deadline_.stop();
    ended->poll.reset();
    ended->callback(result_of(ended->child));
    start_next();
}

Result<ReadResult> ConfigReader::read_now(
        const ReadOptions& options, const std::function<void()>& meanwhile) {
    auto child = fork_child(options);
    meanwhile();
    if (!child) return tl::unexpected(child.error());
    return result_of(*child);
}

int run_config_reader(const std::vector<std::string>& arguments) {
    ReadResult result;
    if (arguments.size() >= own_words && arguments[0] == "file") {
        result = read_config(from_arguments(arguments));
    } else if (arguments.size() == 1 && arguments[0] == "networks") {
        auto bytes = read_whole(0, "the plan");
        if (bytes) result.plan = decode_plan(*bytes);
        if (!result.plan) return 1;
        result.plan->networks = reread_networks(*result.plan, result.diagnostics);
    } else if (arguments.size() == 2 && arguments[0] == "tls") {
        auto bytes = read_whole(0, "the plan");
        if (bytes) result.plan = decode_plan(*bytes);
        if (!result.plan || !keep_good_profiles(arguments[1], result)) return 1;
    } else {
        return 2;
    }
    if (!write_answer(1, result)) return 1;
    // superd waits for this end: taking thousands of services apart first would only delay it.
    ::_exit(0);
}

}  // namespace superd
