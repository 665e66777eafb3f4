// SPDX-License-Identifier: MIT
#include "config/options.h"

#include <set>

#include "config/foreign.h"

#include "support/catch.h"

using namespace superd;

TEST_CASE("options: each name stands once, with a sentence of help and a place to stand") {
    std::set<std::string> names;
    for (const Option& option : all_options()) {
        INFO(option.key);
        CHECK(names.insert(option_name(option)).second);
        CHECK(option.help.ends_with('.'));
        CHECK(option.help.find(". ") == std::string_view::npos);
        CHECK(option.where != 0);
        CHECK(option.modes != 0);
        CHECK(option.low <= option.high);
        CHECK_FALSE(type_text(option).empty());
        CHECK_FALSE(scope_text(option).empty());
        CHECK(((option.where & in_listener) != 0) == (option.kinds != 0));
        CHECK((option.type == ValueType::choice) ==
                (!option.words.empty() && option.type != ValueType::output &&
                        option.type != ValueType::log_facts &&
                        option.type != ValueType::proxy_tlvs));
    }
}

TEST_CASE("options: no key has two meanings at one place") {
    for (const unsigned scope : {1u, 2u, 4u, 8u, 16u, 32u, 64u}) {
        std::set<std::string_view> keys;
        for (const Option& option : all_options())
            if (option.where & scope) CHECK(keys.insert(option.key).second);
        CHECK(keys.size() == option_keys(static_cast<Scope>(scope)).size());
    }
}

TEST_CASE("options: are found by key and place, and by the name for people") {
    REQUIRE(find_option("mode", in_service) != nullptr);
    CHECK(find_option("mode", in_service)->type == ValueType::choice);
    CHECK(find_option("mode", in_listener)->type == ValueType::mode);
    CHECK(find_option("mode", in_defaults) == nullptr);
    CHECK(find_option("backlog", in_defaults) == find_option("backlog", in_listener));
    CHECK(find_option("log_format", in_service) == nullptr);
    CHECK(find_option("nosuch", in_service) == nullptr);
    CHECK(find_option("mode")->type == ValueType::choice);
    CHECK(find_option("listen.mode")->type == ValueType::mode);
    CHECK(find_option("log") == find_option("log", in_defaults));
    CHECK(find_option("superd.log")->where == in_superd);
    CHECK(find_option("log_format") == find_option("superd.log_format"));
    CHECK(find_option("service.mode") == find_option("mode"));
    CHECK(find_option("address")->where == in_listener);
    CHECK(find_option("listen.nosuch") == nullptr);
    for (const Option& option : all_options())
        CHECK(find_option(option_name(option)) == &option);
}

TEST_CASE("options: what belongs to later features is unknown") {
    for (const char* key : {"upstream"}) {
        INFO(key);
        CHECK(find_option(key) == nullptr);
    }
}

TEST_CASE("options: one is rendered with all that the table knows") {
    CHECK(render_option(*find_option("max_connections")) ==
            "max_connections\n"
            "  The most connections of the service at one time.\n"
            "  takes     a number or \"unlimited\", 1 to 2147483647\n"
            "  default   200\n"
            "  where     [defaults], [profile.NAME], [service.NAME], [override.NAME]\n"
            "  for       handlers, builtins, redirects\n"
            "  effect    at once\n"
            "  xinetd    instances\n"
            "  inetd     .max-child\n"
            "  systemd   MaxConnections\n");
    CHECK(render_option(*find_option("stop_timeout"))
                    .find("takes     a duration like \"250ms\" or \"1h30m\", \"0s\" to "
                          "\"1d\"\n") != std::string::npos);
    CHECK(render_option(*find_option("listen.mode")).starts_with("listen.mode\n"));
    CHECK(type_text(*find_option("start")) == "one of \"demand\", \"boot\", \"manual\"");
}

TEST_CASE("options: the list has a line for each") {
    const std::string list = render_option_list();
    CHECK(static_cast<std::size_t>(std::count(list.begin(), list.end(), '\n')) ==
            all_options().size());
    CHECK(list.starts_with("superd.log "));
}

TEST_CASE("options: the manual's list has each option, and its lists are closed") {
    const std::string page = render_options_mdoc();
    const auto count = [&](std::string_view what) {
        std::size_t found = 0;
        for (auto at = page.find(what); at != std::string::npos; at = page.find(what, at + 1))
            ++found;
        return found;
    };
    CHECK(count(".It Cm ") == all_options().size());
    CHECK(count(".Bl ") == 7);
    CHECK(count(".El\n") == 7);
    CHECK(page.starts_with(".Ss "));
}
