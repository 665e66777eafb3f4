// SPDX-License-Identifier: MIT
// peer_label, by libselinux.so.1, whose functions are used as their manual pages have them.
#include "sys/peer_label.h"

#include <cerrno>

#include <dlfcn.h>

#include "policy/exec_spec.h"

namespace superd {

namespace {

class Library {
public:
    Library() : handle_(::dlopen("libselinux.so.1", RTLD_NOW)) {}

    template <class Function>
    bool find(Function*& function, const char* name) const {
        if (handle_ == nullptr) return false;
        function = reinterpret_cast<Function*>(::dlsym(handle_, name));
        return function != nullptr;
    }

private:
    void* handle_;
};

struct SeLinux {
    int (*is_selinux_enabled)() = nullptr;
    int (*getcon)(char**) = nullptr;
    int (*getpeercon)(int, char**) = nullptr;
    int (*getfilecon)(const char*, char**) = nullptr;
    unsigned short (*string_to_security_class)(const char*) = nullptr;
    int (*security_compute_create)(const char*, const char*, unsigned short, char**) = nullptr;
    int (*setexeccon)(const char*) = nullptr;
    void (*freecon)(char*) = nullptr;

    [[nodiscard]] bool load(const Library& library) {
        return library.find(is_selinux_enabled, "is_selinux_enabled") &&
               library.find(getcon, "getcon") && library.find(getpeercon, "getpeercon") &&
               library.find(getfilecon, "getfilecon") &&
               library.find(string_to_security_class, "string_to_security_class") &&
               library.find(security_compute_create, "security_compute_create") &&
               library.find(setexeccon, "setexeccon") && library.find(freecon, "freecon");
    }

    // A context as text of our own; empty where the call failed.
    template <class Call>
    std::string context(Call&& call) const {
        char* text = nullptr;
        if (call(&text) < 0 || text == nullptr) return {};
        std::string copy(text);
        freecon(text);
        return copy;
    }
};

}  // namespace

Result<void> set_label_of_peer(int socket, const std::string& program) {
    SeLinux selinux;
    if (!selinux.load(Library())) return fail(ELIBACC, "peer_label");
    if (selinux.is_selinux_enabled() != 1) return fail(EOPNOTSUPP, "peer_label");
    const std::string own = selinux.context(selinux.getcon);
    if (own.empty()) return fail("getcon");
    const std::string peer =
            selinux.context([&](char** text) { return selinux.getpeercon(socket, text); });
    if (peer.empty()) return fail("getpeercon");
    const std::string file = selinux.context(
            [&](char** text) { return selinux.getfilecon(program.c_str(), text); });
    if (file.empty()) return fail("getfilecon", program);
    const std::string ranged = with_range_of(own, peer);
    if (ranged.empty()) return fail(EINVAL, "peer_label", peer);
    const unsigned short process = selinux.string_to_security_class("process");
    const std::string label = selinux.context([&](char** text) {
        return selinux.security_compute_create(ranged.c_str(), file.c_str(), process, text);
    });
    if (label.empty()) return fail("security_compute_create", ranged);
    if (selinux.setexeccon(label.c_str()) != 0) return fail("setexeccon", label);
    return {};
}

}  // namespace superd
