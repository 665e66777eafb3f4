// SPDX-License-Identifier: MIT
// Runs part of a test in a process of its own: for what changes descriptors, signals, identity
// or the children of the whole process.
#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace superd::test {

// Collects what did not hold; the framework's own macros say nothing in another process.
class Checker {
public:
    void that(bool holds, const std::string& what) {
        if (!holds) failures_ << what << "\n";
    }

    template <class A, class B>
    void equal(const A& is, const B& expected, const std::string& what) {
        if (!(is == expected))
            failures_ << what << ": is " << is << ", not " << expected << "\n";
    }

    // Ends the process at once: what follows makes no sense without it.
    void need(bool holds, const std::string& what) {
        that(holds, what);
        if (!holds) finish();
    }

    [[noreturn]] void finish() {
        const std::string text = failures_.str() + "done\n";
        (void)!::write(out_, text.data(), text.size());
        ::_exit(0);
    }

    explicit Checker(int out) : out_(out) {}

private:
    std::ostringstream failures_;
    int out_;
};

// What failed in there, a line each; "done\n" where nothing did and the process came to its
// end.
inline std::string in_own_process(const std::function<void(Checker&)>& body) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return "pipe2 failed";
    const pid_t pid = ::fork();
    if (pid == 0) {
        // The one place that neither launch slots nor a recovery take away.
        Checker checker(::dup2(ends[1], STDOUT_FILENO));
        // The framework's handlers would report from here.
        for (int signal = 1; signal < 32; ++signal)
            ::signal(signal, SIG_DFL);
        // What other tests and whoever started them have open is not this one's.
        ::close_range(STDERR_FILENO + 1, ~0U, 0);
        body(checker);
        checker.finish();
    }
    ::close(ends[1]);
    std::string text;
    char block[4096];
    for (ssize_t n; (n = ::read(ends[0], block, sizeof block)) > 0;)
        text.append(block, static_cast<std::size_t>(n));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (!WIFEXITED(status)) text += "died with wait status " + std::to_string(status) + "\n";
    return text;
}

// A program of tests/programs, built beside the one that runs; a copy where users cannot walk
// to that (main.cc).
inline std::string test_program(const std::string& name) {
    if (const char* copies = std::getenv("SUPERD_TEST_PROGRAMS"))
        return std::string(copies) + '/' + name;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
    return (self.parent_path() / "tests" / name).string();
}

}  // namespace superd::test
