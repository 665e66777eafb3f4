// SPDX-License-Identifier: MIT
// superctl's verbs about files: check, options, enable, disable, edit and import.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

#include "config/options.h"
#include "control/ctl.h"
#include "control/install.h"
#include "control/names.h"
#include "control/switches.h"

#include "support/catch.h"
#include "support/control_server.h"

using namespace superd;
using test::Said;
using test::said_by;

namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

constexpr const char* echo =
        "[service.echo]\nlisten = \"tcp:127.0.0.1:40007\"\nbuiltin = \"echo\"\n";
// The same address: an error where both are enabled.
constexpr const char* other =
        "[service.other]\nlisten = \"tcp:127.0.0.1:40007\"\nbuiltin = \"discard\"\n"
        "enabled = false\n";
constexpr const char* including = "include = [\"superd.d/*.toml\"]\n";

// A main file of its own and a control server that is only there where it was opened.
struct Fixture : test::ControlFixture {
    const std::string main = folder.path + "/superd.toml";
    const std::string switches = switches_path(main);

    void write(const std::string& name, const std::string& text) const {
        REQUIRE(write_file(folder.path + "/" + name, text));
    }

    [[nodiscard]] std::string text_of(const std::string& file) const {
        const auto text = read_file(file);
        return text ? *text : "(none)";
    }

    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(
                std::distance(std::filesystem::directory_iterator(folder.path), {}));
    }

    // Without a server, unless it was opened.
    Said run(const std::function<int()>& verb) { return server ? ctl(verb) : said_by(verb); }

    Said enable(const Words& names, bool on = true, bool json = false) {
        return run([&] { return ctl_enable(globals(json), main, names, on); });
    }

    Said edit(const std::string& editor, const std::string& name = "") {
        ::setenv("VISUAL", editor.c_str(), 1);
        const Said said = run([&] { return ctl_edit(globals(), main, name); });
        ::unsetenv("VISUAL");
        return said;
    }
};

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

Said options_of(const std::string& key, bool json = false) {
    return said_by(
            [&] { return ctl_options({.default_file = "", .socket = "", .json = json}, key); });
}

}  // namespace

TEST_CASE("superctl check: a good file is 0 and says so, a broken one 1 with its places") {
    Fixture f;
    const auto check = [&](const std::string& file, const std::string& as, bool json) {
        return f.run([&] { return ctl_check(f.globals(json), file, as); });
    };
    f.write("superd.toml", echo);
    const Said good = check(f.main, "", false);
    CHECK(good.code == exit_code::ok);
    CHECK(good.out == f.main + ": 1 service, no errors\n");
    CHECK(good.err.empty());
    CHECK(check("", "", false).out == good.out);  // the default, where no daemon tells its own
    const auto json = Json::parse(check(f.main, "", true).out)["check"];
    CHECK(json["good"] == true);
    CHECK(json["files"] == Json::array({f.main}));

    f.write("superd.toml", std::string(including) + echo);
    f.write("superd.d/b.toml", echo);
    const Said bad = check(f.main, "", false);
    CHECK(bad.code == exit_code::failed);
    CHECK(bad.out.empty());
    CHECK(holds(bad.err, "superd.d/b.toml:1:10: error: [service.echo] is defined twice"));
    CHECK(holds(bad.err, f.main + ":2:10: note: the other place is here"));
    const auto refused = Json::parse(check(f.main, "", true).out)["check"];
    CHECK(refused["good"] == false);
    CHECK(refused["diagnostics"][0]["other"]["line"] == 2);
    CHECK(check(f.folder.path + "/missing", "", false).code == exit_code::failed);
}

TEST_CASE("superctl check --as: a copy elsewhere is read as if it stood there") {
    Fixture f;
    f.write("superd.toml", echo);
    f.write("superd.d/more.toml",
            "[service.time]\nlisten = \"tcp:127.0.0.1:40037\"\nbuiltin = \"time\"\n");
    f.write("copy/new", std::string(including) + echo);
    const Said said =
            f.run([&] { return ctl_check(f.globals(), f.folder.path + "/copy/new", f.main); });
    CHECK(said.code == exit_code::ok);
    CHECK(said.out == f.main + ": 2 services, no errors\n");
}

TEST_CASE("superctl options: one's own keys, foreign words, and what is none") {
    CHECK(holds(options_of("rate").out, "rate"));
    CHECK(Json::parse(options_of("", true).out)["options"].size() == all_options().size());
    const std::pair<const char*, const char*> found[] = {
            {"xinetd:instances", "max_connections"}, {"inetd:nowait", "mode"},
            {"systemd:MaxConnections", "max_connections"}, {"xinetd:cps", "rate"}};
    for (const auto& [word, name] : found) {
        const auto options = Json::parse(options_of(word, true).out)["options"];
        INFO(word);
        CHECK(std::any_of(options.begin(), options.end(),
                [&, wanted = name](const Json& one) { return one["key"] == wanted; }));
    }
    CHECK(Json::parse(options_of("xinetd:flags", true).out)["options"].size() > 3);
    const auto foreign = Json::parse(options_of("xinetd:id", true).out)["foreign"];
    CHECK(foreign["word"] == "id");
    CHECK(holds(options_of("xinetd:id").out, "id of xinetd\n"));
    CHECK(options_of("max_conections").err ==
            "superctl: no option max_conections; did you mean max_connections?\n");
    for (const char* none : {"zzzzzzzz", "xinetd:", "xinetd:nosuch", "plan9:rate", ":rate"}) {
        INFO(none);
        CHECK(options_of(none).code == exit_code::failed);
        CHECK(Json::parse(options_of(none, true).out)["error"]["code"] == 1);
    }
}

TEST_CASE("superctl enable: writes its own file alone, for names and patterns") {
    Fixture f;
    f.write("superd.toml", std::string(including) + echo);
    const Said off = f.enable({"e*"}, false);
    CHECK(off.code == exit_code::ok);
    CHECK(off.out == f.switches + " is written; no superd runs that would read it now\n");
    CHECK(holds(f.text_of(f.switches), "[override.echo]\nenabled = false\n"));
    CHECK(Json::parse(f.enable({"echo"}, true, true).out)["version"] == 1);
    CHECK(holds(f.text_of(f.switches), "[override.echo]\nenabled = true\n"));
    CHECK(f.text_of(f.main) == std::string(including) + echo);
    for (const char* none : {"gone", "x*"}) {
        const std::string before = f.text_of(f.switches);
        CHECK(f.enable({"echo", none}, false).code == exit_code::no_such_service);
        CHECK(f.text_of(f.switches) == before);  // all or nothing
    }
}

TEST_CASE("superctl enable: a file that it cannot work with is said, and nothing changes") {
    Fixture f;
    f.write("superd.toml", echo);
    const Said apart = f.enable({"echo"});
    CHECK(apart.code == exit_code::failed);
    CHECK(holds(apart.err, "does not include " + f.switches));
    f.write("superd.toml", std::string(including) + "[service.echo]\n");
    CHECK(holds(f.enable({"echo"}).err, f.main + " has errors; mend them first"));
    CHECK(f.text_of(f.switches) == "(none)");
    f.write("superd.toml", std::string(including) + echo);
    const std::string foreign = "[override.echo]\nmax_connections = 5\n";
    f.write("superd.d/99-superctl.toml", foreign);
    CHECK(holds(f.enable({"echo"}).err, "holds more than superctl wrote"));
    CHECK(f.text_of(f.switches) == foreign);
}

TEST_CASE("superctl enable: what would make the file wrong is taken back") {
    Fixture f;
    f.write("superd.toml", std::string(including) + echo + other);
    const Said said = f.enable({"other"});
    CHECK(said.code == exit_code::failed);
    CHECK(holds(said.err, "superctl: nothing was changed\n"));
    CHECK(f.text_of(f.switches) == "(none)");
    CHECK(f.enable({"echo"}, false).code == exit_code::ok);
    const std::string before = f.text_of(f.switches);
    CHECK(f.enable({"echo", "other"}).code == exit_code::failed);
    CHECK(f.text_of(f.switches) == before);
}

TEST_CASE("superctl enable: superd's refusal takes it back, its silence does not") {
    Fixture f;
    f.write("superd.toml", std::string(including) + echo);
    f.open();
    f.manager.report.changes = {{"echo", Change::in_place, {"enabled"}, false}};
    f.manager.report.message = "1 service changed";
    CHECK(holds(f.enable({"echo"}, false).out, "reloaded: 1 service changed\n"));
    const std::string before = f.text_of(f.switches);
    f.manager.report.code = exit_code::failed;
    f.manager.report.message = "tcp:40007 is in use by sshd";
    const Said refused = f.enable({"echo"}, true);
    CHECK(refused.code == exit_code::failed);
    CHECK(holds(refused.err, f.switches + " is as it was before\n"));
    CHECK(f.text_of(f.switches) == before);
    f.manager.report.code = exit_code::timeout;
    const Said late = f.enable({"echo"}, true);
    CHECK(late.code == exit_code::timeout);
    CHECK(holds(late.err, "keeps enabled = true; superctl disable echo takes it back"));
    CHECK(holds(f.text_of(f.switches), "enabled = true"));
}

TEST_CASE("superctl edit: a change that is right is put in place, others leave all as it was") {
    Fixture f;
    const std::string main_text = std::string(including) + echo;
    f.write("superd.toml", main_text);
    REQUIRE(::chmod(f.main.c_str(), 0640) == 0);
    const Said same = f.edit("true");
    CHECK(same.code == exit_code::ok);
    CHECK(same.out == "nothing was changed\n");
    const Said failed = f.edit("false");
    CHECK(failed.code == exit_code::failed);
    CHECK(failed.err == "superctl: false failed\n");
    CHECK(f.files() == 1);  // no copy is left behind
    const Said good = f.edit("sed -i s/echo\\\"/discard\\\"/");
    CHECK(good.code == exit_code::ok);
    CHECK(holds(good.out, "~ echo: builtin\n"));
    CHECK(holds(good.out, "is in place; no superd runs"));
    CHECK(holds(f.text_of(f.main), "builtin = \"discard\""));

    struct stat facts {};

    REQUIRE(::stat(f.main.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 07777) == 0640);
    CHECK(f.files() == 1);

    const std::string before = f.text_of(f.main);
    const Said wrong = f.edit("sed -i s/builtin/bultin/");
    CHECK(wrong.code == exit_code::failed);
    CHECK(holds(wrong.err, f.main + ":4:1: error: unknown key \"bultin\""));
    CHECK(holds(wrong.err, "nothing was changed; what you wrote is kept in " + f.folder.path));
    CHECK(f.text_of(f.main) == before);
    CHECK(f.files() == 2);
}

TEST_CASE("superctl edit NAME: the file that defines the service, checked with all others") {
    Fixture f;
    f.write("superd.toml", std::string(including) + echo);
    const std::string path = f.folder.path + "/superd.d/time.toml";
    const std::string text =
            "[service.time]\nlisten = \"tcp:127.0.0.1:40037\"\nbuiltin = \"time\"\n";
    f.write("superd.d/time.toml", text);
    CHECK(f.edit("sed -i s/40037/40038/", "time").code == exit_code::ok);
    CHECK(holds(f.text_of(path), "40038"));
    const std::string before = f.text_of(path);
    const Said clash = f.edit("sed -i s/40038/40007/", "time");
    CHECK(clash.code == exit_code::failed);
    CHECK(f.text_of(path) == before);
    CHECK(f.edit("true", "gone").code == exit_code::no_such_service);
    // Somebody else was faster.
    const std::string both = "sh -c 'echo >> " + path + "; echo >> \"$1\"; echo >> \"$1\"' x";
    const Said raced = f.edit(both, "time");
    CHECK(raced.code == exit_code::failed);
    CHECK(holds(raced.err, path + " was changed by somebody else"));
    CHECK(f.text_of(path) == before + "\n");
}

TEST_CASE("superctl edit: a file with errors may be mended, and superd is told") {
    Fixture f;
    f.write("superd.toml",
            "[service.echo]\nlisten = \"tcp:127.0.0.1:40007\"\nbultin = \"echo\"\n");
    f.open();
    f.manager.report.changes = {{"echo", Change::added, {}, false}};
    f.manager.report.message = "1 service changed";
    const Said said = f.edit("sed -i s/bultin/builtin/");
    CHECK(said.code == exit_code::ok);
    CHECK(holds(said.out, "+ echo\nreloaded: 1 service changed\n"));
    CHECK(f.manager.asked == Words{"reload-config"});
}
