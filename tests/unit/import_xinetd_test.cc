// SPDX-License-Identifier: MIT
// xinetd.conf as xinetd itself reads it: each rule of its syntax, each attribute, each trap.
#include <algorithm>

#include "config/foreign.h"

#include "support/catch.h"
#include "support/config_text.h"
#include "support/import_host.h"

namespace superd::test {

namespace {

constexpr const char* main_file = "/etc/xinetd.conf";

// A service that xinetd would run, with further lines.
std::string service(const std::string& lines, const std::string& name = "ssh") {
    return "service " + name +
           "\n{\n socket_type = stream\n wait = no\n user = root\n server = /usr/sbin/sshd\n" +
           lines + "}\n";
}

struct Imported {
    FakeImportHost host;
    Import import;
    std::string notes;

    explicit Imported(const std::string& text)
            : Imported([&] {
                  FakeImportHost made;
                  made.files[main_file] = text;
                  return made;
              }()) {}

    explicit Imported(FakeImportHost from) : host(std::move(from)) {
        import = import_xinetd({main_file}, host);
        notes = notes_of(import);
    }

    [[nodiscard]] const ImportService* find(const std::string& name) const {
        for (const ImportService& one : import.services)
            if (one.name == name) return &one;
        return nullptr;
    }

    [[nodiscard]] const ImportService& only() const {
        REQUIRE(import.services.size() == 1);
        return import.services.front();
    }

    // The value of a key of the only service; "" where it is not there.
    [[nodiscard]] std::string value(const std::string& key) const {
        const ImportSetting* setting = only().find(key);
        return setting != nullptr ? setting->value : "";
    }

    [[nodiscard]] std::string listen() const {
        return only().listeners.empty() ? "" : only().listeners.front().address;
    }

    [[nodiscard]] bool enabled() const { return only().disabled.empty(); }

    [[nodiscard]] bool says(const std::string& text) const {
        return notes.find(text) != std::string::npos;
    }
};

// What a line makes of a service that is otherwise fine.
std::string made_of(const std::string& line, const std::string& key) {
    return Imported(service(line + "\n")).value(key);
}

bool runs_with(const std::string& line) {
    return Imported(service(line + "\n")).enabled();
}

}  // namespace

// ---- syntax

TEST_CASE("xinetd import: a service becomes a handler with xinetd's habits said") {
    const Imported got(service(" server_args = -i -D\n"));
    INFO(got.notes);
    CHECK(got.enabled());
    CHECK(got.listen() == "tcp:22");
    CHECK(got.value("exec") == R"(["/usr/sbin/sshd", "-i", "-D"])");
    CHECK(got.value("argv0") == "\"sshd\"");
    CHECK(got.value("user") == "\"root\"");
    CHECK(got.value("groups") == "[]");
    CHECK(got.value("stderr") == "\"socket\"");
    CHECK(got.value("max_connections") == "\"unlimited\"");
    CHECK(got.value("max_per_source") == "\"unlimited\"");
    CHECK(got.value("rate") == R"({ limit = "50/s", pause = "10s" })");
}

TEST_CASE("xinetd import: words are split at blanks and quotes mean nothing") {
    const Imported got(service(" server_args = [%s] \"hello world\" 'x y' # trailing\n"));
    CHECK(got.value("exec") ==
            R"(["/usr/sbin/sshd", "[%s]", "\"hello", "world\"", "'x", "y'", "#", "trailing"])");
    CHECK(got.says("given '#' and what follows as arguments"));
    CHECK(got.says("quotes mean nothing to xinetd"));
    CHECK_FALSE(Imported(service(" server_args = -i\n")).says("quotes mean nothing"));
}

TEST_CASE("xinetd import: a brace on the line of the name drops the service") {
    const Imported got(
            "service ssh {\n wait = no\n user = root\n server = /usr/sbin/sshd\n"
            " socket_type = stream\n}\n");
    CHECK_FALSE(got.enabled());
    CHECK(got.value("exec") == R"(["/usr/sbin/sshd"])");
    CHECK(got.only().disabled.front().find("'{'") != std::string::npos);
}

TEST_CASE("xinetd import: an attribute without a blank before its operator drops the service") {
    const Imported got(service(" server_args=-i\n"));
    CHECK_FALSE(got.enabled());
    CHECK(got.value("exec") == R"(["/usr/sbin/sshd", "-i"])");
    CHECK(runs_with(" server_args =-i"));
}

TEST_CASE("xinetd import: what is in no entry makes xinetd skip to the next brace") {
    const Imported got("nonsense\n" + service("") + service("", "ftp"));
    CHECK_FALSE(got.find("ssh")->disabled.empty());
    CHECK(got.find("ftp")->disabled.empty());
}

TEST_CASE("xinetd import: keywords, attributes and their words come in any case") {
    const Imported got(
            "SERVICE ssh\n{\n FLAGS = ipv4\n Socket_Type = STREAM\n WAIT = No\n"
            " user = root\n server = /usr/sbin/sshd\n}\n");
    INFO(got.notes);
    CHECK(got.enabled());
    CHECK(got.listen() == "tcp4:22");
}

TEST_CASE("xinetd import: += on an attribute that is no set is ignored") {
    CHECK(Imported(service(" flags += IPv4\n")).listen() == "tcp:22");
    const Imported port(
            "service x\n{\n type = UNLISTED\n socket_type = stream\n protocol = tcp\n"
            " port += 99\n wait = no\n user = root\n server = /bin/true\n}\n");
    CHECK_FALSE(port.enabled());
    CHECK(port.listen().empty());
}

TEST_CASE("xinetd import: the first of two values counts, and of two sets the second") {
    const Imported got(
            service(" nice = 3\n nice = 5\n only_from = 10.0.0.1\n only_from = 10.0.0.2\n"));
    CHECK(got.value("nice") == "3");
    CHECK(got.value("allow") == "\"10.0.0.2\"");
    CHECK(got.says("takes the first"));
}

TEST_CASE("xinetd import: env with -= disables the service") {
    CHECK_FALSE(runs_with(" env = A=1\n env -= A"));
    CHECK(made_of(" env = A=1\n env += B=2", "environment") == R"({ A = "1", B = "2" })");
}

TEST_CASE("xinetd import: the last of two variables of one name counts") {
    CHECK(made_of(" env = A=1 B=x A=2", "environment") == R"({ A = "2", B = "x" })");
    CHECK_FALSE(runs_with(" env = A"));
    CHECK(Imported(service(" env = 1A=x\n")).import.has_losses());
}

TEST_CASE("xinetd import: unknown attributes are ignored, wrong values disable") {
    CHECK(runs_with(" rotate = yes"));
    for (const char* line : {" disable = 1", " groups = true", " nice = x", " umask = 9",
                 " instances = 0", " per_source = many", " cps = a b", " port = x",
                 " flags = RECORD", " type = SOMETHING", " log_on_failure = RECORD",
                 " log_type = SYSLOG local4.info", " access_times = 8:30-6:30", " max_load = 0",
                 " rlimit_as = big", " group = nosuch"}) {
        INFO(line);
        CHECK_FALSE(runs_with(line));
    }
}

TEST_CASE("xinetd import: the number of values is held") {
    const Imported got(service(" instances = 1 2\n cps = 5\n"));
    CHECK(got.enabled());
    CHECK(got.value("max_connections") == "\"unlimited\"");
    CHECK(got.value("rate") == R"({ limit = "50/s", pause = "10s" })");
    CHECK(got.says("expects 1 value and"));
    CHECK(got.says("expects 2 values and"));
}

// ---- defaults and inheritance

TEST_CASE("xinetd import: defaults reach services that say nothing else") {
    const Imported got(
            "defaults\n{\n instances = 5\n per_source = 2\n umask = 002\n"
            " groups = yes\n cps = 100 2\n only_from = 10.0.0.0\n}\n" +
            service(" instances = 7\n"));
    INFO(got.notes);
    CHECK(got.value("max_connections") == "7");
    CHECK(got.value("on_limit") == "\"refuse\"");
    CHECK(got.value("max_per_source") == "2");
    CHECK(got.value("umask") == "\"0002\"");
    CHECK(got.value("groups").empty());
    CHECK(got.value("rate") == R"({ limit = "100/s", pause = "2s" })");
    CHECK(got.value("allow") == "\"10.0.0.0/8\"");
}

TEST_CASE("xinetd import: a set is edited against what defaults say") {
    const std::string defaults = "defaults\n{\n only_from = 10.0.0.1 10.0.0.2\n}\n";
    const auto allow = [&](const std::string& line) {
        return Imported(defaults + service(line)).value("allow");
    };
    CHECK(allow(" only_from += 10.0.0.3\n") == R"(["10.0.0.1", "10.0.0.2", "10.0.0.3"])");
    CHECK(allow(" only_from -= 10.0.0.1\n") == R"("10.0.0.2")");
    CHECK(allow(" only_from = 10.0.0.9\n") == R"("10.0.0.9")");
}

TEST_CASE("xinetd import: in defaults = adds, and a second entry is not read") {
    const Imported got(
            "defaults\n{\n disabled = ssh\n disabled = ftp\n}\n"
            "defaults\n{\n disabled = telnet\n}\n" +
            service("") + service("", "ftp") + service("", "telnet"));
    CHECK_FALSE(got.find("ssh")->disabled.empty());
    CHECK_FALSE(got.find("ftp")->disabled.empty());
    CHECK(got.find("telnet")->disabled.empty());
    CHECK(got.says("only the first defaults"));
}

TEST_CASE("xinetd import: enabled and disabled name ids") {
    const Imported got("defaults\n{\n enabled = one two\n disabled = two\n}\n" +
                       service(" id = one\n") + service(" id = two\n bind = 127.0.0.2\n") +
                       service("", "ftp"));
    CHECK(got.find("one")->disabled.empty());
    CHECK_FALSE(got.find("two")->disabled.empty());
    CHECK_FALSE(got.find("ftp")->disabled.empty());
}

TEST_CASE("xinetd import: a bad line in defaults keeps xinetd from starting") {
    for (const char* line : {" log_on_failure = HOST RECORD", " nonsense"}) {
        const Imported got("defaults\n{\n" + std::string(line) + "\n}\n" + service(""));
        INFO(line);
        CHECK_FALSE(got.enabled());
        CHECK(got.says("xinetd does not start"));
    }
    CHECK(Imported("defaults\n{\n ignore_me = x\n}\n" + service("")).enabled());
}

TEST_CASE("xinetd import: an empty only_from lets nobody in, an empty log set logs nothing") {
    CHECK(made_of(" only_from =", "deny") == "\"all\"");
    CHECK(made_of(" only_from = 10.0.0.1\n only_from -= 10.0.0.1", "deny") == "\"all\"");
    CHECK(made_of(" log_type = SYSLOG daemon\n log_on_success =", "log_admitted") == "[]");
}

// ---- files

TEST_CASE("xinetd import: includedir takes names in order, without dots and tildes") {
    FakeImportHost host;
    host.files[main_file] = "includedir /etc/xinetd.d\ninclude /etc/more\ninclude /nosuch\n";
    host.files["/etc/xinetd.d/b"] = service("", "ftp");
    host.files["/etc/xinetd.d/a"] = service("", "ssh");
    host.files["/etc/xinetd.d/c.rpmnew"] = service("", "telnet");
    host.files["/etc/xinetd.d/d~"] = service("", "finger");
    host.files["/etc/more"] = service("", "smtp");
    const Imported got(host);
    REQUIRE(got.import.services.size() == 3);
    CHECK(got.import.services[0].name == "ssh");
    CHECK(got.import.services[1].name == "ftp");
    CHECK(got.import.services[2].name == "smtp");
    CHECK(got.import.services[1].at.file == "/etc/xinetd.d/b");
    CHECK(got.says("/etc/xinetd.d/c.rpmnew:0"));
    CHECK(got.says("/nosuch"));
    CHECK(got.import.has_losses());
}

TEST_CASE("xinetd import: files that include each other end") {
    FakeImportHost host;
    host.files[main_file] = "include /a\n";
    host.files["/a"] = "include /b\n" + service("");
    host.files["/b"] = "include /a\n";
    const Imported got(host);
    CHECK(got.import.services.size() == 1);
    CHECK(got.says("includes itself"));
}

TEST_CASE("xinetd import: a file that ends inside an entry loses the entry") {
    CHECK_FALSE(
            Imported("service ssh\n{\n wait = no\n user = root\n server = /bin/true\n"
                     " socket_type = stream\n")
                    .enabled());
}

// ---- what is read dangerously

TEST_CASE("xinetd import: a comment behind bind opens the service to the world; not here") {
    const Imported got(service(" bind = 127.0.0.1 #local only\n"));
    CHECK(got.listen() == "tcp:127.0.0.1:22");
    CHECK(got.enabled());
    REQUIRE(got.only().comments.size() == 1);
    CHECK(got.only().comments.front().starts_with("bind = 127.0.0.1 #local only: DANGER"));
    CHECK(got.says("DANGER"));
}

TEST_CASE("xinetd import: a comment behind disable = yes leaves the service on; not here") {
    const Imported got(service(" disable = yes # for now\n"));
    CHECK_FALSE(got.enabled());
    CHECK(got.says("DANGER"));
}

TEST_CASE("xinetd import: words of a comment are no members of a list") {
    const Imported got(service(" only_from = 192.168.1.0/24 #internal use only\n"));
    CHECK(got.value("allow") == "\"192.168.1.0/24\"");
    CHECK(got.says("DANGER"));
}

TEST_CASE("xinetd import: a comment behind what it needs makes xinetd refuse the service") {
    const Imported got(
            "service ssh\n{\n socket_type = stream\n wait = no\n"
            " user = root #safe\n server = /usr/sbin/sshd\n}\n");
    CHECK_FALSE(got.enabled());
    CHECK(got.value("user") == "\"root\"");
}

TEST_CASE(
        "xinetd import: a name that fails open in no_access is looked up by superd "
        "(CVE-2000-0536)") {
    const Imported got(service(" no_access = evil.example.org\n"));
    CHECK(got.value("deny") == "\"host:evil.example.org\"");
    CHECK(got.says("DANGER"));
    CHECK_FALSE(Imported(service(" no_access = db.example.org\n")).says("DANGER"));
    const Imported broken(service(" no_access = a,b,c\n"));
    CHECK_FALSE(broken.enabled());
    CHECK(broken.says("DANGER"));
}

TEST_CASE("xinetd import: v6only = no means what the manual says") {
    CHECK(Imported(service(" v6only = no\n")).listen() == "tcp:22");
    CHECK(Imported(service(" v6only = no\n")).says("superd does what the manual promises"));
    CHECK(Imported(service(" v6only = yes\n")).listen() == "tcp6:22");
    CHECK(Imported(service(" v6only = no\n flags = IPv4\n")).listen() == "tcp4:22");
}

// ---- attributes

TEST_CASE("xinetd import: addresses in all their forms") {
    const auto allow = [](const std::string& words) {
        return made_of(" only_from = " + words, "allow");
    };
    CHECK(allow("128.138.209.0") == "\"128.138.209.0/24\"");
    CHECK(allow("0.0.0.0") == "\"all\"");
    CHECK(allow("128.138.12.{1,2,3}") == R"(["128.138.12.1", "128.138.12.2", "128.138.12.3"])");
    CHECK(allow("128.138.{12,13}") == R"(["128.138.12.0/24", "128.138.13.0/24"])");
    CHECK(allow("192.168.1.0/24 ::1/128") == R"(["192.168.1.0/24", "::1"])");
    CHECK(allow("192.168.1.7/24") == "\"192.168.1.0/24\"");
    CHECK(allow("2001:db8::5") == "\"2001:db8::5\"");
    CHECK(allow("campus") == "\"10.20.0.0/16\"");
    CHECK(allow("db.example.org") == "\"host:db.example.org\"");
    CHECK(allow(".Example.ORG") == "\"domain:example.org\"");
    CHECK(allow("localhost") == R"(["127.0.0.1", "::1"])");
    CHECK(allow("192.168.1") == "\"192.168.0.1\"");
    CHECK(made_of(" only_from = a,b", "deny") == "\"all\"");
    CHECK(made_of(" no_access = 192.168.1", "deny") == R"(["192.168.0.1", "192.168.1.0/24"])");
}

TEST_CASE("xinetd import: where it listens") {
    CHECK(Imported(service(" bind = 192.0.2.1\n")).listen() == "tcp:192.0.2.1:22");
    CHECK(Imported(service(" interface = ::1\n")).listen() == "tcp:[::1]:22");
    CHECK(Imported(service(" bind = 0.0.0.0\n")).listen() == "tcp4:22");
    CHECK(Imported(service(" bind = db.example.org\n")).listen() == "tcp:192.0.2.7:22");
    CHECK(Imported(service(" bind = both.example.org\n flags = IPv4\n")).listen() ==
            "tcp:192.0.2.8:22");
    CHECK_FALSE(runs_with(" bind = nosuch.example.org"));
    CHECK(Imported(service(" flags = IPv6\n")).listen() == "tcp:22");
    CHECK(Imported(service(" flags = IPv4 IPv6\n")).listen() == "tcp:22");
}

TEST_CASE("xinetd import: a multicast bind joins the group") {
    const Imported got(
            "service ntalk\n{\n socket_type = dgram\n wait = yes\n user = root\n"
            " server = /usr/sbin/in.ntalkd\n bind = 224.0.1.1\n}\n");
    REQUIRE(got.only().listeners.size() == 1);
    CHECK(got.listen() == "udp:224.0.1.1:518");
    REQUIRE(got.only().listeners[0].options.size() == 1);
    CHECK(got.only().listeners[0].options[0].key == "join");
    CHECK(got.only().listeners[0].options[0].value == "\"224.0.1.1\"");
}

TEST_CASE("xinetd import: a port without a line in /etc/services needs UNLISTED") {
    const auto text = [](const std::string& lines) {
        return Imported("service mine\n{\n wait = no\n user = root\n server = /bin/true\n" +
                        lines + "}\n");
    };
    const Imported bare = text(" socket_type = stream\n port = 9200\n");
    CHECK_FALSE(bare.enabled());
    CHECK(bare.listen() == "tcp:9200");
    CHECK(text(" type = UNLISTED\n socket_type = stream\n protocol = tcp\n port = 9200\n")
                    .enabled());
    CHECK_FALSE(text(" type = UNLISTED\n socket_type = stream\n protocol = tcp\n").enabled());
    CHECK_FALSE(runs_with(" port = 2222"));
    CHECK(runs_with(" port = 22"));
}

TEST_CASE("xinetd import: what a service needs") {
    const auto without = [](const std::string& line) {
        std::string text = service("");
        const auto at = text.find(line);
        REQUIRE(at != std::string::npos);
        text.erase(at, text.find('\n', at) - at);
        return Imported(text).enabled();
    };
    CHECK(without("sshd"));  // the service as it is but for the end of its program's name
    CHECK_FALSE(without("wait"));
    CHECK_FALSE(without("user"));
    CHECK_FALSE(without("server"));
    CHECK_FALSE(without("socket_type"));
}

TEST_CASE("xinetd import: programs and people that are not there") {
    FakeImportHost host;
    host.files[main_file] = service("") + service("", "ftp");
    host.missing_programs.insert("/usr/sbin/sshd");
    const Imported gone(host);
    CHECK_FALSE(gone.find("ssh")->disabled.empty());
    host.missing_programs.clear();
    host.users.clear();
    const Imported stranger(host);
    CHECK_FALSE(stranger.find("ssh")->disabled.empty());
}

TEST_CASE("xinetd import: NAMEINARGS takes argv[0] from server_args") {
    const Imported got(service(" flags = NAMEINARGS\n server_args = in.sshd -i\n"));
    CHECK(got.value("exec") == R"(["/usr/sbin/sshd", "-i"])");
    CHECK(got.value("argv0") == "\"in.sshd\"");
    CHECK_FALSE(runs_with(" flags = NAMEINARGS"));
}

TEST_CASE("xinetd import: wait = yes is a worker with the socket on descriptor 0") {
    const Imported stream(
            "service ftp\n{\n socket_type = stream\n wait = yes\n user = root\n"
            " server = /bin/true\n only_from = 10.0.0.1\n}\n");
    CHECK(stream.value("mode") == "\"worker\"");
    CHECK(stream.value("pass") == "\"stdin\"");
    CHECK(stream.value("max_connections").empty());
    CHECK(stream.says("denies all of them"));
    const Imported packets(
            "service tftp\n{\n socket_type = dgram\n wait = yes\n user = root\n"
            " server = /bin/true\n}\n");
    CHECK(packets.listen() == "udp:69");
    CHECK(packets.value("mode").empty());
    CHECK(packets.value("stderr").empty());
}

TEST_CASE("xinetd import: ids name services, and two of one id are one too many") {
    const Imported got(service(" id = a/b\n bind = 127.0.0.1\n") +
                       service(" id = a/b\n bind = 127.0.0.2\n") +
                       service(" id = c\n bind = 127.0.0.1\n"));
    REQUIRE(got.import.services.size() == 3);
    CHECK(got.import.services[0].name == "a_b");
    CHECK(got.import.services[1].name == "a_b-2");
    CHECK(got.import.services[0].disabled.empty());
    CHECK_FALSE(got.import.services[1].disabled.empty());
    CHECK_FALSE(got.import.services[2].disabled.empty());
}

TEST_CASE("xinetd import: internal services, and those that went") {
    const auto internal = [](const std::string& name, const std::string& type) {
        return Imported("service " + name + "\n{\n type = INTERNAL\n socket_type = " + type +
                        "\n wait = " + (type == "dgram" ? "yes" : "no") + "\n}\n");
    };
    for (const char* name : {"echo", "time", "discard"}) {
        CHECK(internal(name, "stream").value("builtin") == "\"" + std::string(name) + "\"");
        CHECK(internal(name, "dgram").enabled());
    }
    CHECK(internal("tcpmux", "stream").value("builtin") == "\"tcpmux\"");
    const Imported servers(
            "service servers\n{\n type = INTERNAL UNLISTED\n port = 9099\n"
            " protocol = tcp\n socket_type = stream\n wait = no\n}\n");
    CHECK_FALSE(servers.enabled());
    CHECK(servers.value("builtin").empty());
}

TEST_CASE("xinetd import: the sensor, its time and its refusals") {
    const auto sensor = [](const std::string& time) {
        return Imported(
                "service telnet\n{\n flags = SENSOR\n type = INTERNAL\n wait = no\n"
                " socket_type = stream\n" +
                time + "}\n");
    };
    CHECK(sensor("").value("builtin") == "\"sensor\"");
    CHECK(sensor("").value("deny_for").empty());
    CHECK(sensor(" deny_time = 30\n").value("deny_for") == "\"30m\"");
    CHECK(sensor(" deny_time = FOREVER\n").value("deny_for") == "\"forever\"");
    CHECK(sensor(" deny_time = never\n").value("deny_for") == "\"never\"");
    const auto external = [](const std::string& server) {
        return Imported(
                "service telnet\n{\n flags = SENSOR\n wait = no\n user = nobody\n"
                " socket_type = stream\n" +
                server + "}\n");
    };
    CHECK_FALSE(external("").enabled());
    CHECK(external(" server = /bin/true\n").enabled());
}

TEST_CASE("xinetd import: RPC services take any port and register") {
    const auto rpc = [](const std::string& lines) {
        return Imported(
                "service rstatd\n{\n type = RPC\n socket_type = dgram\n protocol = udp\n"
                " wait = yes\n user = root\n server = /bin/true\n" +
                lines + "}\n");
    };
    const Imported listed = rpc(" rpc_version = 2-4\n");
    CHECK(listed.enabled());
    CHECK(listed.listen() == "udp:0");
    CHECK(listed.value("rpc") == R"({ program = "rstatd", versions = "2-4" })");
    CHECK_FALSE(rpc("").enabled());
    CHECK(rpc(" rpc_version = 1\n rpc_number = 300019\n").value("rpc") ==
            "{ program = 300019, versions = 1 }");
}

TEST_CASE("xinetd import: TCPMUX services have no port of their own (CVE-2012-0862)") {
    const auto mux = [](const std::string& type) {
        return Imported("service mine\n{\n type = " + type +
                        "\n protocol = tcp\n wait = no\n"
                        " socket_type = stream\n user = nobody\n server = /bin/true\n}\n");
    };
    CHECK(mux("TCPMUX UNLISTED").value("tcpmux") == "\"plain\"");
    CHECK(mux("TCPMUX UNLISTED").listen().empty());
    CHECK(mux("TCPMUXPLUS UNLISTED").value("tcpmux") == "\"plus\"");
    // Only services that say so, and as their own user (CVE-2013-4342).
    CHECK(mux("TCPMUX UNLISTED").value("user") == "\"nobody\"");
    CHECK(Imported(service("")).value("tcpmux").empty());
    CHECK_FALSE(mux("TCPMUX").enabled());
}

TEST_CASE("xinetd import: redirect") {
    const auto redirect = [](const std::string& to) {
        return Imported(
                "service telnet\n{\n socket_type = stream\n wait = no\n user = root\n"
                " redirect = " +
                to + "\n}\n");
    };
    CHECK(redirect("192.168.1.15 23").value("redirect") == "\"tcp:192.168.1.15:23\"");
    CHECK(redirect("inside.example.org ssh").value("redirect") ==
            "\"tcp:inside.example.org:22\"");
    CHECK(redirect("2001:db8::1 80").value("redirect") == "\"tcp:[2001:db8::1]:80\"");
    CHECK_FALSE(redirect("host nosuch").enabled());
    CHECK(redirect("192.168.1.15 23").value("user").empty());
}

TEST_CASE("xinetd import: identity") {
    CHECK(made_of(" group = staff", "group") == "\"staff\"");
    CHECK(made_of(" groups = yes", "groups").empty());
    CHECK(made_of(" groups = yes\n group = root", "groups").empty());
    CHECK(made_of(" groups = yes\n group = staff", "groups") == R"({ add = ["root"] })");
    CHECK(made_of(" groups = no", "groups") == "[]");
    const Imported number(
            "service ssh\n{\n socket_type = stream\n wait = no\n user = 0\n"
            " server = /usr/sbin/sshd\n}\n");
    CHECK(number.value("group") == "\"0\"");
}

TEST_CASE("xinetd import: what the process gets") {
    CHECK(made_of(" nice = -5", "nice") == "-5");
    CHECK(made_of(" nice = 40", "nice") == "19");
    CHECK(made_of(" umask = 077", "umask") == "\"0077\"");
    CHECK(made_of(" passenv = HOME PATH", "pass_environment") == R"(["HOME", "PATH"])");
    CHECK(made_of(" rlimit_as = 32M\n rlimit_cpu = 20\n rlimit_files = 64\n"
                  " rlimit_stack = UNLIMITED\n rlimit_data = 4096\n rlimit_rss = 8K",
                  "rlimits") ==
            R"({ as = "32M", cpu = "20s", data = 4096, rss = "8K", stack = "unlimited", nofile = 64 })");
}

TEST_CASE("xinetd import: no process starts with umask 0 (CVE-2001-1322) or groups of others") {
    const Imported got(service(""));
    Import settled = got.import;
    FakeImportHost host;
    settle_import(settled, host);
    const auto resolved = resolve_text(write_import(settled, false).front().text);
    INFO(resolved.text());
    REQUIRE(resolved.service("ssh") != nullptr);
    const auto mask = resolved.service("ssh")->exec.umask;
    CHECK((!mask || *mask == 022));
    CHECK(resolved.service("ssh")->exec.identity.groups.empty());
    CHECK(resolved.service("ssh")->exec.pass_environment.empty());
    CHECK(resolved.service("ssh")->exec.argv0 == "sshd");
    CHECK_FALSE(resolved.service("ssh")->admission.max_connections.value.has_value());
}

TEST_CASE("xinetd import: flags of the socket") {
    CHECK(made_of(" flags = KEEPALIVE NODELAY", "keepalive") == "true");
    CHECK(made_of(" flags = KEEPALIVE NODELAY", "no_delay") == "true");
    CHECK(made_of(" flags = LABELED", "peer_label") == "true");
    CHECK(made_of(" mdns = yes", "mdns") == "true");
    CHECK(made_of(" mdns = no", "mdns").empty());
    for (const char* flag : {"REUSE", "NORETRY", "INTERCEPT", "IDONLY", "NOLIBWRAP"})
        CHECK(runs_with(" flags = " + std::string(flag)));
}

TEST_CASE("xinetd import: limits") {
    CHECK(made_of(" instances = UNLIMITED", "max_connections") == "\"unlimited\"");
    CHECK(made_of(" instances = UNLIMITED", "on_limit").empty());
    CHECK(made_of(" per_source = 3", "max_per_source") == "3");
    CHECK(made_of(" cps = 0 10", "rate") == "\"unlimited\"");
    CHECK(made_of(" max_load = 2.5", "max_load") == "2.5");
    CHECK(made_of(" max_load = 3.", "max_load") == "3.0");
}

TEST_CASE("xinetd import: hours include their last minute") {
    CHECK(made_of(" access_times = 7:00-12:30 13:30-21:00", "hours") ==
            R"(["07:00-12:31", "13:30-21:01"])");
    CHECK(made_of(" access_times = 0:00-23:59", "hours") == "\"00:00-24:00\"");
    CHECK(made_of(" access_times = 22:00-6:00", "hours") == "\"22:00-06:01\"");
}

TEST_CASE("xinetd import: banners") {
    CHECK(made_of(" banner = /etc/b", "banner") == "\"/etc/b\"");
    CHECK(made_of(" banner_success = /etc/b", "banner_admitted") == "\"/etc/b\"");
    CHECK(made_of(" banner_fail = /etc/b", "banner_refused") == "\"/etc/b\"");
}

TEST_CASE("xinetd import: where lines go and what they carry") {
    CHECK(made_of(" log_type = SYSLOG local4 notice", "log") == "\"syslog:local4.notice\"");
    CHECK(made_of(" log_type = SYSLOG daemon", "log") == "\"syslog:daemon.info\"");
    CHECK(made_of(" log_type = FILE /var/log/x", "log") == "\"file:/var/log/x\"");
    CHECK(made_of(" log_type = FILE /var/log/x 1M 2M", "log") ==
            R"({ file = "/var/log/x", soft = "1048576", hard = "2097152" })");
    CHECK(made_of(" log_type = FILE /var/log/x 100K", "log") ==
            R"({ file = "/var/log/x", soft = "102400", hard = "107520" })");
    const std::string with = " log_type = FILE /var/log/x\n";
    CHECK(made_of(with + " log_on_success = HOST PID EXIT", "log_admitted") ==
            R"(["pid", "host", "exit"])");
    CHECK(made_of(with + " log_on_failure = HOST ATTEMPT", "log_refused") ==
            R"(["host", "attempt"])");
    CHECK(made_of(" log_on_success = HOST", "log_admitted").empty());
    CHECK_FALSE(runs_with(" log_on_success = TRAFFIC"));
}

TEST_CASE("xinetd import: USERID and IDONLY ask the client's ident server") {
    CHECK(made_of(" log_on_success = USERID", "ident") == "\"log\"");
    CHECK(made_of(" log_on_failure += USERID", "ident").empty());
    CHECK(made_of(" flags = IDONLY\n log_on_success = USERID", "ident") == "\"require\"");
    CHECK(Imported(service(" flags = IDONLY\n")).says("superd does what the manual promises"));
}

TEST_CASE("xinetd import: libwrap is asked where hosts.allow or hosts.deny has a rule") {
    FakeImportHost host;
    host.files[main_file] = service("") + service(" flags = NOLIBWRAP\n", "ftp") +
                            service(" libwrap = mine\n", "telnet");
    const Imported without(host);
    CHECK(without.find("ssh")->find("tcp_wrappers") == nullptr);
    CHECK(without.says("lost :0 []"));
    host.files["/etc/hosts.deny"] = "# nobody\n\nALL: ALL\n";
    const Imported with(host);
    REQUIRE(with.find("ssh")->find("tcp_wrappers") != nullptr);
    CHECK(with.find("ssh")->find("tcp_wrappers")->value == "true");
    CHECK(with.find("ftp")->find("tcp_wrappers") == nullptr);
    CHECK(with.find("telnet")->find("tcp_wrappers")->value == "\"mine\"");
    CHECK_FALSE(with.says("its command"));
    host.files["/etc/hosts.deny"] = "ALL: ALL\nsshd: ALL: spawn (/bin/logger no) &\n";
    CHECK(Imported(host).says("/etc/hosts.deny:2: its command runs as the service's user"));
    host.files["/etc/hosts.deny"] = "# ALL: ALL\n";
    CHECK(Imported(host).find("ssh")->find("tcp_wrappers") == nullptr);
}

TEST_CASE("xinetd import: hosts.deny is written out for who cannot ask libwrap") {
    FakeImportHost host;
    host.files["/etc/hosts.allow"] = "tftpd echo-stream: 10.0.0.0/255.0.0.0\n";
    host.files["/etc/hosts.deny"] = "ALL: ALL\n";
    host.files[main_file] =
            "service tftp\n{\n socket_type = dgram\n wait = yes\n user = root\n"
            " server = /usr/sbin/tftpd\n only_from = 10.1.0.0/16 192.0.2.1\n}\n"
            "service echo\n{\n id = echo-stream\n type = INTERNAL\n socket_type = stream\n"
            " wait = no\n}\n"
            "service ftp\n{\n socket_type = stream\n wait = no\n user = nobody\n"
            " redirect = 192.0.2.9 21\n}\n";
    Imported got(host);
    INFO(got.notes);
    CHECK(got.find("tftp")->find("allow")->value == "\"10.1.0.0/16\"");
    CHECK(got.find("tftp")->find("tcp_wrappers") == nullptr);
    CHECK(got.find("ftp")->find("deny")->value == "\"all\"");
    CHECK(got.says("is written out in allow and deny"));
    // An own list and a name: more than two lists can say.
    host.files["/etc/hosts.allow"] = "tftpd: trusted.example.org\n";
    Imported named(host);
    CHECK(named.find("tftp")->find("tcp_wrappers")->value == "true");
    CHECK(named.says("\"tftpd: trusted.example.org\" goes by more than addresses"));
    // At one address of the host only: nobody must come in who did not.
    host.files["/etc/hosts.allow"] = "ALL@192.0.2.1: ALL\n";
    Imported some(host);
    settle_import(some.import, some.host);
    CHECK(some.says("goes by the address that the client came to"));
    for (const ImportService& one : some.import.services)
        CHECK_FALSE(one.disabled.empty());
}

TEST_CASE("xinetd import: the options that the host starts it with") {
    FakeImportHost host;
    host.files[main_file] = service("");
    host.files["/etc/default/xinetd"] =
            "# comment\nXINETD_OPTS=\"-stayalive -limit 50 -syslog local3 -inetd_compat\"\n";
    const Imported got(host);
    REQUIRE(got.import.daemon.size() == 2);
    host.files.erase("/etc/default/xinetd");
    const Imported silent(host);
    REQUIRE(silent.import.daemon.size() == 1);
    CHECK(silent.import.daemon.front().key == "log");
    CHECK(silent.import.daemon.front().value == "\"syslog:daemon.info\"");
    host.files["/etc/default/xinetd"] = "XINETD_OPTS='-limit 50 -syslog local3'\n";
    host.files["/etc/sysconfig/xinetd"] = "EXTRAOPTIONS=\"-limit 9 -limit 12\"\n";
    CHECK(Imported(host).import.daemon.size() == 2);
    CHECK(got.import.daemon[0].key == "max_processes");
    CHECK(got.import.daemon[0].value == "50");
    CHECK(got.import.daemon[1].value == "\"syslog:local3\"");
    host.files["/etc/sysconfig/xinetd"] = "EXTRAOPTIONS='-filelog /var/log/xinetd'\n";
    CHECK(Imported(host).says("file:/var/log/xinetd"));
}

TEST_CASE("xinetd import: inetd.conf comes along where xinetd reads it too") {
    FakeImportHost host;
    host.files[main_file] = service("");
    host.files["/etc/inetd.conf"] =
            "# comment\n\n"
            "telnet stream tcp nowait telnetd.tty /usr/sbin/tcpd in.telnetd -h\n"
            "time stream tcp nowait root internal\n"
            "time dgram udp wait root internal\n"
            "rstatd/1-3 dgram rpc/udp wait root /usr/sbin/rpc.rstatd rpc.rstatd\n"
            "ftp stream tcp nowait.40 root /usr/sbin/in.ftpd in.ftpd\n"
            "short stream\n";
    CHECK(import_xinetd({}, host).services.size() == 1);
    for (const char* option : {"INETD_COMPAT=Yes\n", "XINETD_OPTS='-inetd_compat'\n"}) {
        host.files["/etc/default/xinetd"] = option;
        const Import got = import_xinetd({}, host);
        REQUIRE(got.services.size() == 7);
        const ImportService& telnet = got.services[1];
        CHECK(telnet.name == "telnet");
        CHECK(telnet.find("exec")->value == R"(["/usr/sbin/tcpd", "-h"])");
        CHECK(telnet.find("argv0")->value == "\"in.telnetd\"");
        CHECK(telnet.find("user")->value == "\"telnetd\"");
        CHECK(telnet.find("group")->value == "\"tty\"");
        CHECK(got.services[2].name == "time-stream");
        CHECK(got.services[3].name == "time-dgram");
        CHECK(got.services[3].find("builtin")->value == "\"time\"");
        CHECK(got.services[4].find("rpc") != nullptr);
        CHECK(got.services[5].disabled.front().find("nowait.40") != std::string::npos);
        CHECK(got.services[6].disabled.front().find("too few fields") != std::string::npos);
    }
    // Who names a file wants that one.
    CHECK(import_xinetd({main_file}, host).services.size() == 1);
    host.files["/etc/default/xinetd"] = "INETD_COMPAT=No\n";
    CHECK(import_xinetd({}, host).services.size() == 1);
}

TEST_CASE("xinetd import: comments are carried over") {
    const Imported got(
            "# on top\ndefaults\n{\n # about defaults\n instances = 3\n}\n"
            "# about ssh\n# default: off\n" +
            service(" # about nice\n nice = 2\n # at the end\n"));
    REQUIRE(got.only().comments.size() == 3);
    CHECK(got.only().comments[0] == "about ssh");
    CHECK(got.only().comments[2] == "at the end");
    CHECK(got.only().find("nice")->comments == std::vector<std::string>{"about nice"});
    const auto& top = got.import.comments;
    CHECK(std::find(top.begin(), top.end(), "about defaults") != top.end());
}

TEST_CASE(
        "xinetd import: a datagram service with wait = no, which the manual shows, is a "
        "worker") {
    const Imported got(
            "service tftp\n{\n socket_type = dgram\n wait = no\n user = root\n"
            " server = /bin/true\n instances = 3\n}\n");
    INFO(got.notes);
    CHECK(got.enabled());
    CHECK(got.listen() == "udp:69");
    CHECK(got.value("max_connections").empty());
    CHECK(got.value("stderr").empty());
    CHECK(got.says("a process for each datagram"));
}

TEST_CASE("xinetd import: IPv4-mapped addresses are IPv4 addresses") {
    CHECK(made_of(" only_from = ::ffff:192.0.2.1", "allow") == "\"192.0.2.1\"");
    CHECK(Imported(service(" bind = ::ffff:192.0.2.1\n")).listen() == "tcp:192.0.2.1:22");
}

TEST_CASE(
        "xinetd import: where allow and deny both match, the manual holds and the report says "
        "so") {
    const Imported got(service(" only_from = 127.0.0.1\n no_access = 0.0.0.0/0\n"));
    CHECK(got.value("allow") == "\"127.0.0.1\"");
    CHECK(got.value("deny") == "\"0.0.0.0/0\"");
    CHECK(got.says("DANGER: superd lets in 127.0.0.1; "));
    CHECK(got.says("the more specific one wins"));
}

TEST_CASE("xinetd import: an only_from that opens what defaults closes is a danger") {
    const auto both = [](const std::string& denied, const std::string& allowed) {
        return Imported("defaults\n{\n no_access = " + denied + "\n}\n" +
                        service(" only_from = " + allowed + "\n"));
    };
    const Imported got = both("10.0.0.0/8", "10.1.0.0/16 192.0.2.0/24");
    CHECK(got.says("warning /etc/xinetd.conf:3 [ssh]"));
    CHECK(got.says("DANGER: superd lets in 10.1.0.0/16; "));
    CHECK_FALSE(both("10.1.0.0/16", "10.0.0.0/8").says("DANGER"));
    CHECK_FALSE(both("10.0.0.0/8", "10.0.0.0/8").says("DANGER"));
}

TEST_CASE("xinetd import: a reason names the file of a value that came from elsewhere") {
    FakeImportHost host;
    host.files[main_file] =
            "defaults\n{\n umask = 999\n log_on_success = NONSENSE\n}\nincludedir "
            "/etc/xinetd.d\n";
    host.files["/etc/xinetd.d/ssh"] = service(" nice = x\n");
    const Imported got(host);
    INFO(join(got.only().disabled, "\n"));
    const std::string reasons = join(got.only().disabled, "\n");
    CHECK(reasons.find("/etc/xinetd.conf:3: 999 is not an octal umask") != std::string::npos);
    CHECK(reasons.find("/etc/xinetd.conf:4: NONSENSE is not") != std::string::npos);
    CHECK(reasons.find("line 7: x is not a number") != std::string::npos);
}

TEST_CASE("xinetd import: lists and files have bounds") {
    std::string words;
    for (int i = 0; i < 5000; ++i)
        words += " host" + std::to_string(i);
    const Imported got(service(" no_access =" + words + "\n no_access += a\n"));
    CHECK_FALSE(got.enabled());
    CHECK(got.says("more than 4000 values"));
}

TEST_CASE("xinetd import: without a file xinetd's own is read, or that of -f") {
    FakeImportHost host;
    host.files[main_file] = service("");
    host.files["/srv/x.conf"] = service("", "ftp");
    CHECK(import_xinetd({}, host).services.front().name == "ssh");
    host.files["/etc/default/xinetd"] = "XINETD_OPTS=\"-f /srv/x.conf\"\n";
    CHECK(import_xinetd({}, host).services.front().name == "ftp");
    host.files["/etc/xinetd.d/a"] = service("", "telnet");
    CHECK(import_xinetd({"/etc/xinetd.d"}, host).services.front().name == "telnet");
}

TEST_CASE("xinetd import: what was switched off on purpose is no warning") {
    FakeImportHost host;
    host.files[main_file] = service(" disable = yes\n");
    host.missing_programs.insert("/usr/sbin/sshd");
    const Imported got(host);
    CHECK(got.only().disabled.size() == 2);
    CHECK(got.notes.find("warning /etc/xinetd.conf") == std::string::npos);
}

TEST_CASE("xinetd import: superctl options knows every attribute and flag") {
    for (const char* attribute : {"id", "type", "flags", "disable", "socket_type", "protocol",
                 "wait", "user", "group", "groups", "instances", "nice", "server",
                 "server_args", "libwrap", "only_from", "no_access", "access_times", "log_type",
                 "log_on_success", "log_on_failure", "rpc_version", "rpc_number", "env",
                 "passenv", "port", "redirect", "bind", "interface", "mdns", "banner",
                 "banner_success", "banner_fail", "per_source", "cps", "max_load", "rlimit_as",
                 "rlimit_cpu", "rlimit_data", "rlimit_rss", "rlimit_stack", "rlimit_files",
                 "deny_time", "umask", "v6only", "enabled", "disabled", "defaults", "include",
                 "includedir", "flags=REUSE", "flags=INTERCEPT", "flags=NORETRY",
                 "flags=IDONLY", "flags=NAMEINARGS", "flags=NODELAY", "flags=KEEPALIVE",
                 "flags=NOLIBWRAP", "flags=SENSOR", "flags=IPv4", "flags=IPv6",
                 "flags=LABELED"}) {
        INFO(attribute);
        const auto found = find_foreign("xinetd:" + std::string(attribute));
        REQUIRE(found);
        CHECK_FALSE(found->advice.empty());
    }
}

}  // namespace superd::test
