// SPDX-License-Identifier: MIT
// The option list of superd.toml(5) is the options table. `make manual` writes it there.
#include <fstream>
#include <sstream>
#include <string>

#include "config/options.h"

#include "support/catch.h"

using namespace superd;

namespace {

constexpr const char* page = "man/superd.toml.5";

struct Parts {
    std::string before, options, after;
};

// The page around the lines between its two marks.
Parts read_page() {
    std::ifstream file(page);
    Parts parts;
    std::string* current = &parts.before;
    for (std::string line; std::getline(file, line);) {
        if (line == ".\\\" END OPTIONS") current = &parts.after;
        *current += line + "\n";
        if (line.starts_with(".\\\" BEGIN OPTIONS")) current = &parts.options;
    }
    return parts;
}

}  // namespace

TEST_CASE("manual: the option list of superd.toml(5) is that of the options table") {
    const Parts parts = read_page();
    REQUIRE_FALSE(parts.after.empty());
    CHECK(parts.options == render_options_mdoc());
}

TEST_CASE("manual: every option of the table has an entry in superd.toml(5)") {
    const std::string options = read_page().options;
    for (const Option& option : all_options()) {
        INFO(option.key);
        CHECK(options.find(option.key) != std::string::npos);
    }
}

// Hidden: only `make manual` asks for it.
TEST_CASE("manual: write the option list", "[.][manual-write]") {
    const Parts parts = read_page();
    REQUIRE_FALSE(parts.after.empty());
    std::ofstream file(page);
    file << parts.before << render_options_mdoc() << parts.after;
    CHECK(file.good());
}
