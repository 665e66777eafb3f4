// SPDX-License-Identifier: MIT
// libsuperd-park.so, interpreters: Python and Perl copy the environment when they start, and
// are told of the connection's by their own interfaces, where the program exports those.
//
// Nothing is linked: the functions are looked up by name. The thread is inside a call that the
// interpreter makes of libc. Python lets go of its lock there, or is asked again by the thread
// that has it, which its PyGILState allows; of Perl only what neither runs Perl code nor uses
// its stacks is called.
#include <cstddef>
#include <cstring>

#include <dlfcn.h>
#include <pthread.h>

#include "park/parking.h"

namespace superd::park {

namespace {

template <class Function>
Function* find(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

// ---- Python

constexpr char hex_digits[] = "0123456789abcdef";

char* append(char* to, const char* text) {
    const std::size_t length = std::strlen(text);
    std::memcpy(to, text, length + 1);
    return to + length;
}

char* append_hex(char* to, const char* from, const char* end) {
    for (; from < end; ++from) {
        const auto byte = static_cast<unsigned char>(*from);
        *to++ = hex_digits[byte >> 4];
        *to++ = hex_digits[byte & 15];
    }
    *to = '\0';
    return to;
}

// In one expression, so that no name is left behind.
void tell_python_one(int (*run)(const char*, void*), const char* entry, const char* equals,
        const char* end) {
    static char text[2 * 4096 + 256];
    if (end - entry > 4096) return;
    char* to = append(text, "__import__('os').environb[bytes.fromhex('");
    to = append_hex(to, entry, equals);
    to = append(to, "')]=bytes.fromhex('");
    to = append_hex(to, equals + 1, end);
    append(to, "')\n");
    run(text, nullptr);
}

using Each = void(void* context, const char* entry, const char* equals, const char* end);

void for_each(const char* variables, long size, Each* each, void* context) {
    for (const char *entry = variables, *const last = variables + size; entry < last;) {
        const char* const end = entry + std::strlen(entry);
        const char* const equals = std::strchr(entry, '=');
        if (equals != nullptr) each(context, entry, equals, end);
        entry = end + 1;
    }
}

void tell_python(const char* variables, long size) {
    using Run = int(const char*, void*);
    auto* const initialized = find<int()>("Py_IsInitialized");
    auto* const ensure = find<int()>("PyGILState_Ensure");
    auto* const release = find<void(int)>("PyGILState_Release");
    auto* const run = find<Run>("PyRun_SimpleStringFlags");
    if (initialized == nullptr || ensure == nullptr || release == nullptr || run == nullptr)
        return;
    if (initialized() == 0) return;
    const int before = ensure();
    for_each(
            variables, size,
            [](void* context, const char* entry, const char* equals, const char* end) {
                tell_python_one(reinterpret_cast<Run*>(context), entry, equals, end);
            },
            reinterpret_cast<void*>(run));
    release(before);
}

// ---- Perl

// hv_store(), which is hv_common_key_len() with these since 5.10.
constexpr int perl_is_store = 0x04, perl_just_value = 0x20;

struct Perl {
    void* interpreter = nullptr;
    void* table = nullptr;  // %ENV
    void* (*make)(void*, const char*, std::size_t) = nullptr;
    void* (*store)(void*, void*, const char*, int, int, void*, unsigned) = nullptr;
    void (*set)(void*, void*) = nullptr;  // as if it had been assigned
};

void tell_perl_one(void* context, const char* entry, const char* equals, const char* end) {
    const Perl& perl = *static_cast<const Perl*>(context);
    void* const value =
            perl.make(perl.interpreter, equals + 1, static_cast<std::size_t>(end - equals - 1));
    if (value == nullptr) return;
    const void* const stored = perl.store(perl.interpreter, perl.table, entry,
            static_cast<int>(equals - entry), perl_is_store | perl_just_value, value, 0);
    if (stored != nullptr) perl.set(perl.interpreter, value);
}

// A Perl without threads has functions of one parameter less.
void tell_perl(const char* variables, long size) {
    auto* const key = static_cast<pthread_key_t*>(::dlsym(RTLD_DEFAULT, "PL_thr_key"));
    auto* const current = static_cast<void**>(::dlsym(RTLD_DEFAULT, "PL_curinterp"));
    if (key == nullptr || current == nullptr || *current == nullptr) return;
    Perl perl;
    perl.interpreter = ::pthread_getspecific(*key);
    perl.make = find<void*(void*, const char*, std::size_t)>("Perl_newSVpvn");
    perl.store = find<void*(void*, void*, const char*, int, int, void*, unsigned)>(
            "Perl_hv_common_key_len");
    perl.set = find<void(void*, void*)>("Perl_mg_set");
    auto* const get = find<void*(void*, const char*, int)>("Perl_get_hv");
    if (perl.interpreter == nullptr || perl.make == nullptr || perl.store == nullptr ||
            perl.set == nullptr || get == nullptr)
        return;
    perl.table = get(perl.interpreter, "ENV", 0);
    if (perl.table != nullptr) for_each(variables, size, tell_perl_one, &perl);
}

}  // namespace

void tell_interpreter(const char* variables, long size) {
    tell_python(variables, size);
    tell_perl(variables, size);
}

}  // namespace superd::park
