// SPDX-License-Identifier: MIT
// Seccomp filters, made when the file is read.
#include "config/system_calls.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/system_call_groups.h"

namespace superd {

namespace {

// Between the loading of a filter and the first instruction of the program.
constexpr std::array launch_calls = std::to_array<std::string_view>(
        {"execve", "exit", "exit_group", "rt_sigreturn", "rt_sigprocmask"});
// Where it is loaded with the rest of the sequence still to come.
constexpr std::array early_calls = std::to_array<std::string_view>(
        {"capset", "chdir", "chroot", "close", "getpid", "openat", "prctl", "rt_sigaction",
                "setgroups", "setresgid", "setresuid", "write"});

// True where this kernel's architecture has the call; its number.
bool number_of(std::string_view name, int& number) {
    number = ::seccomp_syscall_resolve_name(std::string(name).c_str());
    return number >= 0;
}

// One program while it is made.
class Filter {
public:
    explicit Filter(std::uint32_t otherwise) : context_(::seccomp_init(otherwise)) {
        // A tree instead of a list: no call is looked for by a hundred comparisons.
        note(!context_ ? -ENOMEM
                       : ::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
    }

    void add(std::string_view name, std::uint32_t action) {
        int number = 0;
        if (!number_of(name, number) || error_ != 0) return;
        note(::seccomp_rule_add_exact_array(context_.get(), action, number, 0, nullptr));
    }

    void add(std::string_view name, std::uint32_t action, const scmp_arg_cmp& argument) {
        int number = 0;
        if (!number_of(name, number) || error_ != 0) return;
        note(::seccomp_rule_add_exact_array(context_.get(), action, number, 1, &argument));
    }

    [[nodiscard]] Result<FilterProgram> finish() const {
        if (error_ != 0) return fail(error_, "seccomp");
        const Fd file(::memfd_create("seccomp", MFD_CLOEXEC));
        if (!file) return fail("memfd_create");
        if (const int result = ::seccomp_export_bpf(context_.get(), file.get()); result < 0)
            return fail(-result, "seccomp_export_bpf");

        struct stat facts {};

        if (::fstat(file.get(), &facts) != 0) return fail("fstat");
        FilterProgram program;
        program.code.resize(static_cast<std::size_t>(facts.st_size) / sizeof(std::uint64_t));
        const std::size_t size = program.code.size() * sizeof(std::uint64_t);
        if (::pread(file.get(), program.code.data(), size, 0) != static_cast<ssize_t>(size))
            return fail(EIO, "read", "seccomp");
        return program;
    }

private:
    struct Release {
        void operator()(void* context) const { ::seccomp_release(context); }
    };

    void note(int result) {
        // The kernel answers so already; nothing is lost.
        if (result < 0 && result != -EEXIST && error_ == 0) error_ = -result;
    }

    std::unique_ptr<void, Release> context_;
    int error_ = 0;
};

std::set<std::string_view> all_calls(const std::vector<std::string>& words) {
    std::set<std::string_view> calls;
    for (const std::string& word : words)
        for (const std::string_view call : calls_of_word(word))
            calls.insert(call);
    return calls;
}

Result<FilterProgram> compile_list(const SandboxPlan& plan) {
    const auto denied = all_calls(plan.deny_system_calls);
    const bool only_some = !plan.allow_system_calls.empty();
    Filter filter(only_some ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
    if (!only_some) {
        for (const std::string_view call : denied)
            filter.add(call, SCMP_ACT_ERRNO(EPERM));
        return filter.finish();
    }
    auto allowed = all_calls(plan.allow_system_calls);
    for (const std::string_view call : calls_of_group("@default"))
        allowed.insert(call);
    allowed.insert(launch_calls.begin(), launch_calls.end());
    if (!plan.no_new_privs) allowed.insert(early_calls.begin(), early_calls.end());
    for (const std::string_view call : allowed)
        if (!denied.contains(call)) filter.add(call, SCMP_ACT_ALLOW);
    return filter.finish();
}

// ---- by arguments

scmp_arg_cmp compare(unsigned argument, scmp_compare how, std::uint64_t value) {
    return {argument, how, value, 0};
}

// All these bits are set.
scmp_arg_cmp has_bits(unsigned argument, std::uint64_t bits) {
    return {argument, SCMP_CMP_MASKED_EQ, bits, bits};
}

// A rule may look at an argument once, so what is not in the list is refused in pieces.
void restrict_families(Filter& filter, const AddressFamilies& families) {
    const std::uint32_t refuse = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    if (families.numbers.empty()) return filter.add("socket", refuse);
    const unsigned first = families.numbers.front(), last = families.numbers.back();
    if (first > 0) filter.add("socket", refuse, compare(0, SCMP_CMP_LT, first));
    filter.add("socket", refuse, compare(0, SCMP_CMP_GT, last));
    for (unsigned family = first + 1; family < last; ++family)
        if (!std::binary_search(families.numbers.begin(), families.numbers.end(), family))
            filter.add("socket", refuse, compare(0, SCMP_CMP_EQ, family));
}

void restrict_namespaces(Filter& filter) {
    constexpr std::uint64_t kinds[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
            CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};
    const std::uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    for (const std::uint64_t kind : kinds) {
        filter.add("unshare", refuse, has_bits(0, kind));
        filter.add("clone", refuse, has_bits(0, kind));
    }
    filter.add("unshare", refuse, has_bits(0, 0x80));  // CLONE_NEWTIME
    filter.add("setns", refuse);
    filter.add("clone3", SCMP_ACT_ERRNO(ENOSYS));
}

void restrict_realtime(Filter& filter) {
    const std::uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    for (const int policy : {SCHED_FIFO, SCHED_RR})
        filter.add("sched_setscheduler", refuse,
                {1, SCMP_CMP_MASKED_EQ, 0xff, static_cast<std::uint64_t>(policy)});
    filter.add("sched_setscheduler", refuse, {1, SCMP_CMP_MASKED_EQ, 0xff, 6});  // deadline
    filter.add("sched_setattr", refuse);
}

// By chmod(2) and by making a file with the bit.
void restrict_suid_sgid(Filter& filter) {
    struct Call {
        std::string_view name;
        unsigned mode;  // which argument
    };

    constexpr Call calls[] = {{"chmod", 1}, {"fchmod", 1}, {"fchmodat", 2}, {"fchmodat2", 2},
            {"mkdir", 1}, {"mkdirat", 2}, {"mknod", 1}, {"mknodat", 2}, {"creat", 1}};
    for (const unsigned bit : {S_ISUID | 0U, S_ISGID | 0U}) {
        for (const Call& call : calls)
            filter.add(call.name, SCMP_ACT_ERRNO(EPERM), has_bits(call.mode, bit));
        filter.add("open", SCMP_ACT_ERRNO(EPERM), has_bits(2, bit));
        filter.add("openat", SCMP_ACT_ERRNO(EPERM), has_bits(3, bit));
    }
    filter.add("openat2", SCMP_ACT_ERRNO(ENOSYS));
}

void deny_write_execute(Filter& filter) {
    const std::uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    filter.add("mmap", refuse, has_bits(2, PROT_WRITE | PROT_EXEC));
    filter.add("mprotect", refuse, has_bits(2, PROT_EXEC));
    filter.add("pkey_mprotect", refuse, has_bits(2, PROT_EXEC));
    filter.add("shmat", refuse, has_bits(2, SHM_EXEC));
}

// The usual one (0) may be set, and asked for (all ones): in any other number a bit that is set
// stands before one that is not.
void lock_personality(Filter& filter) {
    for (unsigned bit = 0; bit < 32; ++bit) {
        const std::uint64_t set = std::uint64_t{1} << bit,
                            next = std::uint64_t{1} << (bit + 1) % 32;
        filter.add(
                "personality", SCMP_ACT_ERRNO(EPERM), {0, SCMP_CMP_MASKED_EQ, set | next, set});
    }
}

bool looks_at_arguments(const SandboxPlan& plan) {
    return plan.address_families || plan.restrict_namespaces || plan.restrict_realtime ||
           plan.restrict_suid_sgid || plan.memory_deny_write_execute || plan.lock_personality;
}

Result<FilterProgram> compile_arguments(const SandboxPlan& plan) {
    Filter filter(SCMP_ACT_ALLOW);
    if (plan.address_families) restrict_families(filter, *plan.address_families);
    if (plan.restrict_namespaces) restrict_namespaces(filter);
    if (plan.restrict_realtime) restrict_realtime(filter);
    if (plan.restrict_suid_sgid) restrict_suid_sgid(filter);
    if (plan.memory_deny_write_execute) deny_write_execute(filter);
    if (plan.lock_personality) lock_personality(filter);
    return filter.finish();
}

// What the programs depend on, as text.
std::string question(const SandboxPlan& plan) {
    std::string text;
    for (const auto* words : {&plan.allow_system_calls, &plan.deny_system_calls}) {
        for (const std::string& word : *words)
            text += word + " ";
        text += "\n";
    }
    if (plan.address_families)
        for (const std::uint16_t family : plan.address_families->numbers)
            text += std::to_string(family) + " ";
    for (const bool one : {plan.address_families.has_value(), plan.no_new_privs,
                 plan.restrict_namespaces, plan.restrict_realtime, plan.restrict_suid_sgid,
                 plan.memory_deny_write_execute, plan.lock_personality})
        text += one ? "1" : "0";
    return text;
}

}  // namespace

bool is_system_call(std::string_view word) {
    if (word.starts_with('@')) return !calls_of_group(word).empty();
    return ::seccomp_syscall_resolve_name(std::string(word).c_str()) != __NR_SCMP_ERROR;
}

std::vector<std::string_view> calls_of_word(std::string_view word) {
    if (word.starts_with('@')) return calls_of_group(word);
    return {word};
}

std::string_view needed_by_launch(const std::vector<std::string>& words, bool early) {
    const auto calls = all_calls(words);
    for (const std::string_view call : launch_calls)
        if (calls.contains(call)) return call;
    for (const std::string_view call : early_calls)
        if (early && calls.contains(call)) return call;
    return {};
}

Result<std::vector<FilterProgram>> FilterCompiler::compile(const SandboxPlan& plan) {
    std::string key = question(plan);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
    std::vector<FilterProgram> programs;
    const auto add = [&programs](Result<FilterProgram> program) -> Result<void> {
        if (!program) return tl::unexpected(program.error());
        programs.push_back(std::move(*program));
        return {};
    };
    if (looks_at_arguments(plan))
        if (auto made = add(compile_arguments(plan)); !made)
            return tl::unexpected(made.error());
    // Last, for it may not let seccomp(2) through.
    if (!plan.allow_system_calls.empty() || !plan.deny_system_calls.empty())
        if (auto made = add(compile_list(plan)); !made) return tl::unexpected(made.error());
    known_.emplace(std::move(key), programs);
    return programs;
}

}  // namespace superd
