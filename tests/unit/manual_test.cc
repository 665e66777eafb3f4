// SPDX-License-Identifier: MIT
// The option list of superd.toml(5) is the options table, and the lives in superd(8) are the
// table of lives. `make manual` writes both there.
#include <fstream>
#include <sstream>
#include <string>

#include "config/options.h"
#include "policy/life.h"

#include "support/catch.h"

using namespace superd;

namespace {

// A page, and what begins and ends the part of it that is written.
struct Generated {
    const char *page, *begin, *end;
};

constexpr Generated options{"man/superd.toml.5", ".\\\" BEGIN OPTIONS", ".\\\" END OPTIONS"};
constexpr Generated lives{"man/superd.8", ".\\\" BEGIN LIFE", ".\\\" END LIFE"};

struct Parts {
    std::string before, made, after;
};

// The page around the lines between its two marks.
Parts read_page(const Generated& from) {
    std::ifstream file(from.page);
    Parts parts;
    std::string* current = &parts.before;
    for (std::string line; std::getline(file, line);) {
        if (line == from.end) current = &parts.after;
        *current += line + "\n";
        if (line.starts_with(from.begin)) current = &parts.made;
    }
    return parts;
}

void write_page(const Generated& into, const std::string& made) {
    const Parts parts = read_page(into);
    REQUIRE_FALSE(parts.after.empty());
    std::ofstream file(into.page);
    file << parts.before << made << parts.after;
    CHECK(file.good());
}

}  // namespace

TEST_CASE("manual: the option list of superd.toml(5) is that of the options table") {
    const Parts parts = read_page(options);
    REQUIRE_FALSE(parts.after.empty());
    CHECK(parts.made == render_options_mdoc());
}

TEST_CASE("manual: every option of the table has an entry in superd.toml(5)") {
    const std::string list = read_page(options).made;
    for (const Option& option : all_options()) {
        INFO(option.key);
        CHECK(list.find(option.key) != std::string::npos);
    }
}

TEST_CASE("manual: the lives in superd(8) are those of the table") {
    const Parts parts = read_page(lives);
    REQUIRE_FALSE(parts.after.empty());
    CHECK(parts.made == render_life());
    for (unsigned i = 0; i < static_cast<unsigned>(LifeState::count); ++i)
        CHECK(parts.made.find(life_state_name(static_cast<LifeState>(i))) != std::string::npos);
}

// Hidden: only `make manual` asks for it.
TEST_CASE("manual: write what is generated", "[.][manual-write]") {
    write_page(options, render_options_mdoc());
    write_page(lives, render_life());
}
