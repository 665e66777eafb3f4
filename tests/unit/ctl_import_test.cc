// SPDX-License-Identifier: MIT
// superctl import: where the files go, what is never overwritten, and --strict.
#include <nlohmann/json.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include "control/ctl.h"
#include "control/install.h"
#include "control/names.h"

#include "support/catch.h"
#include "support/control_server.h"

using namespace superd;
using test::Said;

namespace {

using Json = nlohmann::json;

// Two services; with `loss` one of them could not be said whole.
Import two_services(bool loss) {
    Import import;
    for (const char* name : {"echo", "time"}) {
        ImportService service;
        service.name = name;
        service.at = {"/etc/inetd.conf", 1};
        service.listeners.push_back({"tcp:127.0.0.1:4000" + std::to_string(*name % 7), {}});
        service.set("builtin", toml_text(name));
        import.services.push_back(std::move(service));
    }
    if (loss)
        import.notes.push_back({.severity = ImportSeverity::lost,
                .at = {"/etc/inetd.conf", 1},
                .service = "echo",
                .read = "frob",
                .message = "superd has nothing for this"});
    return import;
}

struct Bench {
    test::TemporaryFolder folder;

    Said import(ImportChoices choices, bool loss = false, bool json = false) {
        const CtlGlobals globals{.default_file = "", .socket = "", .json = json};
        return test::said_by([&] {
            return ctl_import(globals, std::move(choices),
                    [&](ImportHost&) { return two_services(loss); });
        });
    }

    [[nodiscard]] std::string path(const std::string& name) const {
        return folder.path + "/" + name;
    }

    [[nodiscard]] std::string text_of(const std::string& name) const {
        const auto text = read_file(path(name));
        return text ? *text : "(none)";
    }
};

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("superctl import: to standard output, the report to standard error") {
    Bench bench;
    for (const char* output : {"", "-"}) {
        const Said said = bench.import({.output = output, .folder = ""});
        CHECK(said.code == exit_code::ok);
        CHECK(holds(said.out, "[service.echo]\n"));
        CHECK(holds(said.out, "[service.time]\n"));
        CHECK(holds(said.err, "services: 2 enabled"));
    }
    const Said json = bench.import({.output = "", .folder = ""}, true, true);
    CHECK(json.err.empty());
    const auto object = Json::parse(json.out);
    CHECK(object["version"] == 1);
    CHECK(holds(json.out, "superd has nothing for this"));
}

TEST_CASE("superctl import: a file that is there stays, unless --force says otherwise") {
    Bench bench;
    const ImportChoices choices{.output = bench.path("out.toml"), .folder = ""};
    const Said first = bench.import(choices);
    CHECK(first.code == exit_code::ok);
    CHECK(first.out.empty());
    CHECK(holds(bench.text_of("out.toml"), "[service.echo]\n"));
    REQUIRE(write_file(choices.output, "mine\n"));
    const Said second = bench.import(choices);
    CHECK(second.code == exit_code::failed);
    CHECK(second.err ==
            "superctl: " + choices.output + ": is there already; --force writes over it\n");
    CHECK(bench.text_of("out.toml") == "mine\n");
    ImportChoices force = choices;
    force.force = true;
    CHECK(bench.import(force).code == exit_code::ok);
    CHECK(holds(bench.text_of("out.toml"), "[service.echo]\n"));
    // Nothing is written through a link or in place of a device, not even so.
    force.output = bench.path("link");
    REQUIRE(::symlink(choices.output.c_str(), force.output.c_str()) == 0);
    CHECK(holds(bench.import(force).err, "is no regular file"));
    force.output = "/dev/null";
    CHECK(bench.import(force).code == exit_code::failed);
}

TEST_CASE("superctl import --split: a file a service, and none where one is in the way") {
    Bench bench;
    const ImportChoices choices{.output = "", .folder = bench.path("new")};
    CHECK(bench.import(choices).code == exit_code::ok);
    CHECK(holds(bench.text_of("new/superd.toml"), "include = "));
    CHECK(holds(bench.text_of("new/superd.d/echo.toml"), "[service.echo]\n"));
    CHECK(holds(bench.text_of("new/superd.d/time.toml"), "[service.time]\n"));
    REQUIRE(::unlink(bench.path("new/superd.toml").c_str()) == 0);
    CHECK(bench.import(choices).code == exit_code::failed);
    CHECK(bench.text_of("new/superd.toml") == "(none)");  // all or nothing
    const Said both = bench.import({.output = bench.path("x"), .folder = bench.path("y")});
    CHECK(both.code == exit_code::usage);
    CHECK(bench.text_of("x") == "(none)");
}

TEST_CASE("superctl import --strict: what would be lost is a failure, and nothing is written") {
    Bench bench;
    const ImportChoices choices{.output = bench.path("out.toml"), .folder = "", .strict = true};
    const Said lost = bench.import(choices, true);
    CHECK(lost.code == exit_code::failed);
    CHECK(holds(lost.err, "superd has nothing for this"));
    CHECK(bench.text_of("out.toml") == "(none)");
    const Said none = bench.import({.output = "", .folder = "", .strict = true}, true);
    CHECK(none.code == exit_code::failed);
    CHECK(none.out.empty());
    CHECK(bench.import(choices, false).code == exit_code::ok);
    CHECK(holds(bench.text_of("out.toml"), "[service.echo]\n"));
}

TEST_CASE("superctl import: where nothing could be read, that is a failure with its reason") {
    const auto unreadable = [](ImportHost&) {
        Import import;
        import.notes.push_back({.severity = ImportSeverity::lost,
                .at = {"/etc/gone.conf", 0},
                .message = "cannot be read: No such file or directory"});
        import.errors_at.push_back({"/etc/gone.conf", 0});
        return import;
    };
    const Said said = test::said_by([&] {
        return ctl_import(
                {.default_file = "", .socket = ""}, {.output = "", .folder = ""}, unreadable);
    });
    CHECK(said.code == exit_code::failed);
    CHECK(said.out.empty());
    CHECK(holds(said.err, "cannot be read"));
    CHECK(holds(said.err, "superctl: nothing could be read\n"));
    // An empty configuration is one that was read.
    const Said empty = test::said_by([&] {
        return ctl_import({.default_file = "", .socket = ""}, {.output = "", .folder = ""},
                [](ImportHost&) { return Import{}; });
    });
    CHECK(empty.code == exit_code::ok);
}
