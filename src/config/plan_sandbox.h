// SPDX-License-Identifier: MIT
// The part of the plan that says what a service's processes may not do and do not see.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/plan_base.h"

namespace superd {

// What the single switches stand at where they are not written (config/sandbox_presets.h).
enum class Sandbox : std::uint8_t { none, standard, strict };
enum class ProtectSystem : std::uint8_t { no, yes, full, strict };
enum class ProtectHome : std::uint8_t { no, yes, read_only, tmpfs };

// Bit n: capability n of <linux/capability.h>.
struct CapabilitySet {
    std::uint64_t bits = 0;

    bool operator==(const CapabilitySet&) const = default;

    template <class P = CapabilitySet>
    static constexpr auto fields() {
        return std::tuple{Field{"bits", &P::bits}};
    }
};

struct AddressFamilies {
    std::vector<std::uint16_t> numbers;  // AF_*, sorted

    bool operator==(const AddressFamilies&) const = default;

    template <class P = AddressFamilies>
    static constexpr auto fields() {
        return std::tuple{Field{"numbers", &P::numbers}};
    }
};

// A seccomp filter as the kernel takes it: each word a struct sock_filter.
struct FilterProgram {
    std::vector<std::uint64_t> code;

    bool operator==(const FilterProgram&) const = default;

    template <class P = FilterProgram>
    static constexpr auto fields() {
        return std::tuple{Field{"code", &P::code}};
    }
};

struct SandboxPlan {
    Sandbox preset = Sandbox::none;

    // ---- what the child does by itself before exec
    bool no_new_privs = false;
    std::optional<CapabilitySet> capabilities;  // the bounding set; empty: it is left alone
    CapabilitySet ambient_capabilities;
    std::vector<std::string> allow_system_calls;  // as written; empty: all
    std::vector<std::string> deny_system_calls;
    std::optional<AddressFamilies> address_families;  // empty: all
    bool restrict_namespaces = false;
    bool restrict_realtime = false;
    bool restrict_suid_sgid = false;
    bool memory_deny_write_execute = false;
    bool lock_personality = false;
    // Compiled from the above when the file was read; the child loads one after the other.
    std::vector<FilterProgram> filters;

    // ---- what superd-exec does, in namespaces of the process
    ProtectSystem protect_system = ProtectSystem::no;
    ProtectHome protect_home = ProtectHome::no;
    bool protect_kernel = false;
    bool private_tmp = false;
    bool private_devices = false;
    std::vector<std::string> read_only_paths, read_write_paths, inaccessible_paths;
    bool private_network = false;
    bool private_ipc = false;
    bool private_pids = false;  // the namespace is made by who launches (sys/pid_namespace.h)
    // The identity is a number that is no account's; the rest of what it means is resolved
    // into the switches above.
    bool dynamic_user = false;
    // By Landlock: below these paths and nowhere else; all empty: anywhere.
    std::vector<std::string> landlock_read, landlock_write, landlock_execute;

    // True where the child itself has something to do for it.
    [[nodiscard]] bool confines() const {
        return no_new_privs || capabilities || ambient_capabilities.bits != 0 ||
               !filters.empty();
    }

    [[nodiscard]] bool landlocks() const {
        return !landlock_read.empty() || !landlock_write.empty() || !landlock_execute.empty();
    }

    // True where superd-exec has something to do for it.
    [[nodiscard]] bool steps_in() const {
        return remounts() || private_network || private_ipc || landlocks();
    }

    // True where the process needs a mount namespace of its own.
    [[nodiscard]] bool remounts() const {
        return protect_system != ProtectSystem::no || protect_home != ProtectHome::no ||
               protect_kernel || private_tmp || private_devices || private_pids ||
               !read_only_paths.empty() || !read_write_paths.empty() ||
               !inaccessible_paths.empty();
    }

    bool operator==(const SandboxPlan&) const = default;

    template <class P = SandboxPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"sandbox", &P::preset}, Field{"no_new_privs", &P::no_new_privs},
                Field{"capabilities", &P::capabilities},
                Field{"ambient_capabilities", &P::ambient_capabilities},
                Field{"allow_system_calls", &P::allow_system_calls},
                Field{"deny_system_calls", &P::deny_system_calls},
                Field{"address_families", &P::address_families},
                Field{"restrict_namespaces", &P::restrict_namespaces},
                Field{"restrict_realtime", &P::restrict_realtime},
                Field{"restrict_suid_sgid", &P::restrict_suid_sgid},
                Field{"memory_deny_write_execute", &P::memory_deny_write_execute},
                Field{"lock_personality", &P::lock_personality},
                Field{"system_call_filters", &P::filters},
                Field{"protect_system", &P::protect_system},
                Field{"protect_home", &P::protect_home},
                Field{"protect_kernel", &P::protect_kernel},
                Field{"private_tmp", &P::private_tmp},
                Field{"private_devices", &P::private_devices},
                Field{"read_only_paths", &P::read_only_paths},
                Field{"read_write_paths", &P::read_write_paths},
                Field{"inaccessible_paths", &P::inaccessible_paths},
                Field{"private_network", &P::private_network},
                Field{"private_ipc", &P::private_ipc}, Field{"private_pids", &P::private_pids},
                Field{"dynamic_user", &P::dynamic_user},
                Field{"landlock_read", &P::landlock_read},
                Field{"landlock_write", &P::landlock_write},
                Field{"landlock_execute", &P::landlock_execute}};
    }
};

}  // namespace superd
