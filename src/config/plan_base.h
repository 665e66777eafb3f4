// SPDX-License-Identifier: MIT
// What every part of the plan (config/plan.h) is made of: fields by name, and where something
// was written.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>

namespace superd {

template <class Struct, class Member>
struct Field {
    std::string_view name;  // the option's key in superd.toml where there is one
    Member Struct::*member;
};
// fields() is a template so that a file that only uses the plan does not pay for its tuples.
template <class Struct, class Member>
Field(std::string_view, Member Struct::*) -> Field<Struct, Member>;

// Where something was written. file is an index into Plan::files; line 0: a built-in value.
struct Origin {
    std::uint32_t file = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    bool operator==(const Origin&) const = default;

    template <class P = Origin>
    static constexpr auto fields() {
        return std::tuple{
                Field{"file", &P::file}, Field{"line", &P::line}, Field{"column", &P::column}};
    }
};

}  // namespace superd
