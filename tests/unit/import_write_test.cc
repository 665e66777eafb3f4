// SPDX-License-Identifier: MIT
// What readers made, held against the checker and written: superd takes every file.
#include "config/import_write.h"

#include "config/options.h"

#include "support/catch.h"
#include "support/config_text.h"
#include "support/import_host.h"

namespace superd::test {

namespace {

ImportService make_service(const std::string& name, const std::string& address) {
    ImportService service{name, {"/etc/x.conf", 3}, {}, {{address, {}}}, {}, {}, {}};
    service.set("exec", R"(["/bin/true"])");
    service.set("user", "\"nobody\"");
    return service;
}

Import settled(std::vector<ImportService> services) {
    Import import;
    import.services = std::move(services);
    FakeImportHost host;
    settle_import(import, host);
    return import;
}

std::string text_of(const Import& import) {
    return write_import(import, false).front().text;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::size_t count_notes(const Import& import, ImportSeverity severity) {
    std::size_t count = 0;
    for (const ImportNote& note : import.notes)
        count += note.severity == severity ? 1 : 0;
    return count;
}

}  // namespace

TEST_CASE("import: text becomes TOML that reads back, whatever its bytes") {
    for (const std::string text : {"plain", "a \"b\" \\c", "tab\tnl\n", "\x01\x7f", "\xc3\xa4",
                 "\xff\xfe", "\xe0\x80\x80", "\xed\xa0\x80", ""}) {
        Diagnostics diagnostics;
        const auto root = parse_toml("k = " + toml_text(text) + "\n", 0, "x", diagnostics);
        INFO(toml_text(text));
        REQUIRE(root != nullptr);
        const auto& value = std::get<TableValue>(root->value).members.front().value->value;
        if (toml_text(text).find("\\uFFFD") == std::string::npos)
            CHECK(std::get<std::string>(value) == text);
    }
    CHECK(toml_list({"a"}) == "\"a\"");
    CHECK(toml_list({"a", "b"}) == R"(["a", "b"])");
    CHECK(toml_array({"a"}) == R"(["a"])");
    CHECK(toml_key("a-b_1") == "a-b_1");
    CHECK(toml_key("a.b") == "\"a.b\"");
}

TEST_CASE("import: a long list goes over lines and reads back whole") {
    std::vector<std::string> blocks;
    for (int i = 0; i < 3000; ++i)
        blocks.push_back("10.7." + std::to_string(i / 250) + "." + std::to_string(i % 250));
    auto service = make_service("s", "tcp:2000");
    service.set("deny", toml_list(blocks));
    service.set("frobnicate", toml_list(blocks));
    service.set("exec", toml_array({"/bin/echo", "a, b", "[\"x\"]", std::string(90, 'y')}));
    const Import import = settled({service, make_service("short", "tcp:2001")});
    const std::string text = text_of(import);
    for (const std::string_view line : split(text, '\n'))
        CHECK(line.size() < 120);
    const auto read = resolve_text(text);
    REQUIRE(read.errors().empty());
    const ServicePlan& made = *read.plan.services.front();
    CHECK(made.admission.access.size() == 3000);
    CHECK(made.exec.argv.at(2) == "[\"x\"]");
    CHECK(made.exec.argv.at(3).size() == 90);
}

TEST_CASE("import: bytes that are not text are lost, and the service is off") {
    for (const char* key : {"argv0", "banner", "exec"}) {
        auto service = make_service("s", "tcp:2000");
        const std::string value = toml_text("/bin/\xff");
        service.set(key, key == std::string("exec") ? "[" + value + "]" : value);
        const Import import = settled({service});
        INFO(text_of(import));
        CHECK(has(text_of(import), "enabled = false\n"));
        CHECK(import.has_losses());
        REQUIRE(import.services.front().disabled.size() == 1);
        CHECK(has(import.services.front().disabled.front(), "has bytes that are not text"));
    }
    auto fine = make_service("s", "tcp:2000");
    fine.set("argv0", toml_text("\\uFFFD and \xef\xbf\xbd"));
    const Import kept = settled({fine});
    INFO(render_import_report(kept) << text_of(kept));
    CHECK_FALSE(kept.has_losses());
}

TEST_CASE("import: what is lost without being in use is said and is no loss to --strict") {
    Import import = settled({make_service("s", "tcp:2000")});
    import.notes.push_back(
            {.severity = ImportSeverity::lost, .at = {}, .message = "gone", .in_use = false});
    CHECK_FALSE(import.has_losses());
    CHECK(has(render_import_report(import), "import: lost: gone\n"));
    CHECK(has(render_import_report(import), " 0 lost\n"));
    import.notes.back().in_use = true;
    CHECK(import.has_losses());
}

TEST_CASE("import: the report shows what was quoted as it is in the file") {
    Import import;
    import.notes.push_back({.at = {"/etc/x.conf", 3},
            .read = "a\x1b b",
            .made = "exec = " + toml_array({"\"none"})});
    CHECK(has(render_import_report(import), R"(a\x1b b -> exec = ["\"none"])"));
}

TEST_CASE("import: names are valid and each is given once") {
    ServiceNames names;
    CHECK(names.make("pop-3/ssl") == "pop-3_ssl");
    CHECK(names.make("pop-3_ssl") == "pop-3_ssl-2");
    CHECK(names.make("pop-3 ssl") == "pop-3_ssl-3");
    CHECK(names.make("") == "service");
    CHECK(names.make("///") == "service-2");
    CHECK(names.make(std::string(300, 'x')).size() <= 64);
}

TEST_CASE("import: a key that superd has not is a comment, and the service is off") {
    auto service = make_service("s", "tcp:2000");
    service.set("frobnicate", "true");
    const Import import = settled({service});
    const std::string text = text_of(import);
    INFO(text);
    CHECK(has(text, "# frobnicate = true\n"));
    CHECK(has(text, "enabled = false\n"));
    CHECK(import.has_losses());
    CHECK(resolve_text(text).errors().empty());
}

TEST_CASE("import: a value that the checker refuses is a comment, and the service is off") {
    auto service = make_service("s", "tcp:2000");
    service.set("nice", "99");
    service.set("allow", "\"no such thing!\"");
    const Import import = settled({service});
    const std::string text = text_of(import);
    INFO(text);
    CHECK(has(text, "# nice = 99\n"));
    CHECK(has(text, "# allow = "));
    CHECK(has(text, "enabled = false\n"));
    CHECK(resolve_text(text).errors().empty());
}

TEST_CASE("import: a service that cannot be said at all is a comment as a whole") {
    auto stranger = make_service("stranger", "tcp:2000");
    stranger.set("user", "\"nosuch\"");
    ImportService empty{"empty", {}, {"its comment"}, {{"tcp:2001", {}}}, {}, {}, {}};
    const Import import = settled({stranger, empty, make_service("good", "tcp:2002")});
    const std::string text = text_of(import);
    INFO(text);
    CHECK(has(text, "# [service.stranger]\n"));
    CHECK(has(text, "# user   = \"nosuch\"\n"));
    CHECK(has(text, "# [service.empty]\n"));
    CHECK(has(text, "\n[service.good]\n"));
    const auto resolved = resolve_text(text);
    CHECK(resolved.errors().empty());
    CHECK(resolved.plan.services.size() == 1);
}

TEST_CASE("import: of two services on one address the second is off") {
    const Import import =
            settled({make_service("one", "tcp:2000"), make_service("two", "tcp:2000")});
    CHECK(import.services[0].disabled.empty());
    CHECK_FALSE(import.services[1].disabled.empty());
    CHECK(resolve_text(text_of(import)).errors().empty());
}

TEST_CASE("import: a rule about clients that means nothing keeps the service off") {
    auto service = make_service("s", "udp:2000");
    service.set("max_connections", "5");
    service.set("hours", "\"08:00-18:00\"");
    const Import import = settled({service});
    const std::string text = text_of(import);
    INFO(text);
    CHECK(has(text, "# hours = "));
    CHECK(has(text, "enabled = false\n"));
    CHECK_FALSE(has(text, "max_connections"));
    CHECK(count_notes(import, ImportSeverity::info) == 1);
    CHECK(resolve_text(text).errors().empty());
}

TEST_CASE("import: what all services share stands in defaults") {
    std::vector<ImportService> services;
    for (const char* port : {"1", "2", "3", "4"}) {
        services.push_back(
                make_service("s" + std::string(port), "tcp:200" + std::string(port)));
        services.back().set("umask", "\"0077\"");
        services.back().set("nice", *port == '4' ? "7" : "3");
    }
    services[0].set("max_load", "2.5");
    const Import import = settled(services);
    const std::string text = text_of(import);
    INFO(text);
    CHECK(has(text, "[defaults]\nuser  = \"nobody\"\numask = \"0077\"\nnice  = 3\n"));
    CHECK(has(text, "nice   = 7"));
    CHECK_FALSE(has(text, "defaults]\nmax_load"));
    const auto resolved = resolve_text(text);
    CHECK(resolved.errors().empty());
    REQUIRE(resolved.service("s2") != nullptr);
    CHECK(resolved.service("s2")->exec.nice == 3);
    CHECK(resolved.service("s4")->exec.nice == 7);
    CHECK(resolved.service("s2")->exec.umask == 0077);
    CHECK_FALSE(resolved.service("s2")->admission.max_load.has_value());
}

TEST_CASE("import: a list is not shared where one service edits it") {
    std::vector<ImportService> services;
    for (const char* port : {"1", "2", "3", "4"}) {
        services.push_back(
                make_service("s" + std::string(port), "tcp:200" + std::string(port)));
        services.back().set("groups", *port == '4' ? R"({ add = ["staff"] })" : "[]");
    }
    const std::string text = text_of(settled(services));
    INFO(text);
    CHECK_FALSE(has(text.substr(0, text.find("[service")), "groups"));
    CHECK(has(text, R"(groups = { add = ["staff"] })"));
}

TEST_CASE("import: nobody inherits who may come in from others, nor who they are") {
    auto open = make_service("open", "tcp:2000");
    std::vector<ImportService> services{open};
    for (const char* port : {"1", "2", "3"}) {
        services.push_back(
                make_service("s" + std::string(port), "tcp:200" + std::string(port)));
        services.back().set("allow", "\"10.0.0.0/8\"");
    }
    services[1].set("user", "\"root\"");
    const Import import = settled(services);
    const auto resolved = resolve_text(text_of(import));
    INFO(text_of(import));
    CHECK_FALSE(has(text_of(import), "[defaults]"));
    REQUIRE(resolved.service("open") != nullptr);
    CHECK(resolved.service("open")->admission.access.empty());
    CHECK(resolved.service("s2")->admission.access.size() == 1);
}

TEST_CASE("import: what several services share beyond the others is a profile they name") {
    std::vector<ImportService> services;
    for (int i = 0; i < 9; ++i) {
        auto service = make_service("s" + std::to_string(i), "tcp:" + std::to_string(2000 + i));
        if (i < 5) {
            service.set("allow", R"(["192.0.2.1", "192.0.2.0/24"])");
            service.set("max_connections", "30");
            service.set("rlimits", R"({ cpu = "60s" })");
            service.set("nice", "5");
        }
        if (i == 4) service.set("umask", "\"0027\"");
        if (i == 3) service.set("nice", "7");
        services.push_back(std::move(service));
    }
    services[2].set("nice", "5").comments = {"as it was"};
    auto more = make_service("s9", "tcp:2009");
    more.settings = services[0].settings;
    auto last = more;
    last.name = "s10";
    last.listeners.front().address = "tcp:2010";
    services.push_back(more);
    services.push_back(last);
    const Import import = settled(services);
    const std::string text = text_of(import);
    INFO(text);
    CHECK(has(text, "# what s0, s1 and 3 others share\n[profile.shared]\n"));
    CHECK(has(text, "nice            = 5\n"));
    // One that says a little else, or says why, says all of it itself.
    for (const char* name : {"s2", "s3", "s5"}) {
        const auto table = text.substr(text.find("[service." + std::string(name) + "]"));
        CHECK_FALSE(has(table.substr(0, table.find("\n\n")), "profile"));
    }
    const auto with = resolve_text(text), without = resolve_text(render_import(import).text);
    REQUIRE(with.errors().empty());
    for (int i = 0; i < 11; ++i) {
        const auto name = "s" + std::to_string(i);
        const ServicePlan *ours = with.service(name), *theirs = without.service(name);
        REQUIRE(ours != nullptr);
        REQUIRE(theirs != nullptr);
        CHECK(ours->exec.nice == theirs->exec.nice);
        CHECK(ours->exec.umask == theirs->exec.umask);
        CHECK(ours->exec.rlimits == theirs->exec.rlimits);
        CHECK(ours->admission.max_connections.value == theirs->admission.max_connections.value);
        CHECK(ours->admission.access.size() == theirs->admission.access.size());
    }
    // Three of them are too few for what it costs.
    services.erase(services.begin() + 3, services.end());
    CHECK_FALSE(has(text_of(settled(services)), "profile"));
}

TEST_CASE("import: split files stand below a main file that includes them") {
    auto one = make_service("one", "tcp:2000");
    one.listeners.front().options.push_back({"backlog", "5", {}, {}, {}});
    auto two = make_service("two", "tcp:2001");
    two.listeners.push_back({"tcp:2002", {}});
    const Import import = settled({one, two});
    const auto files = write_import(import, true);
    REQUIRE(files.size() == 3);
    CHECK(files[0].name == "superd.toml");
    CHECK(has(files[0].text, "include = [\"superd.d/*.toml\"]"));
    CHECK(files[1].name == "superd.d/one.toml");
    const auto resolved = resolve_files(
            {{"/etc/superd.toml", files[0].text.substr(files[0].text.find("[defaults]"))},
                    {"/etc/superd.d/one.toml", files[1].text},
                    {"/etc/superd.d/two.toml", files[2].text}});
    INFO(files[0].text << files[1].text << files[2].text << resolved.text());
    CHECK(resolved.errors().empty());
    REQUIRE(resolved.service("one") != nullptr);
    CHECK(resolved.service("one")->listeners.front().backlog == 5);
    CHECK(resolved.service("two")->listeners.size() == 2);
}

TEST_CASE("import: comments hold no text that a terminal or TOML would trip over") {
    auto service = make_service("s", "tcp:2000");
    service.comments = {"bell \a and \x1b[31m", std::string(300, 'x'),
            std::string(60, 'y') + " " + std::string(60, 'z'), ""};
    const std::string text = text_of(settled({service}));
    INFO(text);
    CHECK(resolve_text(text).errors().empty());
    CHECK_FALSE(has(text, "\x1b"));
    CHECK(has(text, std::string(60, 'y') + "\n# " + std::string(60, 'z') + "\n"));
}

TEST_CASE("import: the report says place, service, what was read and what was made") {
    Import import;
    import.services.push_back(make_service("s", "tcp:2000"));
    import.notes.push_back({ImportSeverity::warning, {"/etc/x.conf", 7}, "s", "instances = 10",
            "max_connections = 10", "differs"});
    import.notes.push_back({ImportSeverity::lost, {}, {}, {}, {}, "gone"});
    const std::string report = render_import_report(import);
    CHECK(has(report,
            "/etc/x.conf:7: warning: [s] instances = 10 -> max_connections = 10: differs\n"));
    CHECK(has(report, "import: lost: gone\n"));
    CHECK(has(report,
            "services: 1 enabled, 0 disabled, 0 left as comments; 1 warnings, 1 lost\n"));
    const std::string json = import_report_json(import, {{"superd.toml", "x"}});
    CHECK(has(json, "\"severity\": \"warning\""));
    CHECK(has(json, "\"complete\": false"));
    CHECK(has(json, "\"text\": \"x\""));
}

TEST_CASE("import: keys of the options table are written in its order") {
    auto service = make_service("s", "tcp:2000");
    service.set("nice", "3");
    service.set("allow", "\"10.0.0.0/8\"");
    const std::string text = text_of(settled({service}));
    CHECK(text.find("listen") < text.find("exec"));
    CHECK(text.find("exec") < text.find("allow"));
    CHECK(text.find("allow") < text.find("user"));
    CHECK(text.find("user") < text.find("nice"));
}

}  // namespace superd::test
