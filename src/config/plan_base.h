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
template <class Struct, class Member>
Field(std::string_view, Member Struct::*) -> Field<Struct, Member>;

// Where something was written. file is an index into Plan::files; line 0: a built-in value.
struct Origin {
    std::uint32_t file = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    bool operator==(const Origin&) const = default;

    static constexpr auto fields() {
        return std::tuple{Field{"file", &Origin::file}, Field{"line", &Origin::line},
                Field{"column", &Origin::column}};
    }
};

}  // namespace superd
