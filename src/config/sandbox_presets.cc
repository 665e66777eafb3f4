// SPDX-License-Identifier: MIT
// What sandbox = "standard" and "strict" contain.
#include "config/sandbox_presets.h"

#include <initializer_list>

#include <linux/capability.h>
#include <sys/socket.h>

namespace superd {

namespace {

CapabilitySet capabilities(std::initializer_list<unsigned> numbers) {
    CapabilitySet set;
    for (const unsigned number : numbers)
        set.bits |= std::uint64_t{1} << number;
    return set;
}

// For servers as they are: what they may do as root is left, what only an administrator does is
// not.
SandboxPlan standard_plan() {
    SandboxPlan plan;
    plan.preset = Sandbox::standard;
    plan.no_new_privs = true;
    plan.capabilities = capabilities({CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID,
            CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
            CAP_AUDIT_WRITE});
    plan.deny_system_calls = {"@clock", "@cpu-emulation", "@debug", "@module", "@mount",
            "@obsolete", "@raw-io", "@reboot", "@swap", "@keyring", "bpf", "userfaultfd",
            "io_uring_setup", "open_by_handle_at", "acct", "quotactl"};
    plan.restrict_namespaces = true;
    plan.restrict_realtime = true;
    plan.restrict_suid_sgid = true;
    plan.lock_personality = true;
    plan.protect_system = ProtectSystem::full;
    plan.protect_kernel = plan.private_tmp = plan.private_devices = true;
    return plan;
}

// For programs that serve and need nothing of the system.
SandboxPlan strict_plan() {
    SandboxPlan plan = standard_plan();
    plan.preset = Sandbox::strict;
    plan.capabilities = CapabilitySet{};
    plan.allow_system_calls = {"@system-service"};
    plan.deny_system_calls.insert(plan.deny_system_calls.end(),
            {"@aio", "@chown", "@memlock", "@privileged", "@resources", "@setuid"});
    plan.address_families = AddressFamilies{{AF_UNIX, AF_INET, AF_INET6}};
    plan.memory_deny_write_execute = true;
    plan.protect_system = ProtectSystem::strict;
    plan.protect_home = ProtectHome::yes;
    plan.private_ipc = true;
    return plan;
}

}  // namespace

SandboxPlan preset_plan(Sandbox preset) {
    switch (preset) {
        case Sandbox::none: return {};
        case Sandbox::standard: return standard_plan();
        case Sandbox::strict: return strict_plan();
    }
    return {};
}

}  // namespace superd
