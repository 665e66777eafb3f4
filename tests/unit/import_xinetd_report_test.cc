// SPDX-License-Identifier: MIT
// What the report of an import from xinetd says of each line that is not plainly carried over,
// and whether the service comes in enabled.
#include "support/catch.h"
#include "support/import_host.h"
#include "support/import_text.h"

namespace superd::test {

namespace {

using S = ImportSeverity;

constexpr const char* main_file = "/etc/xinetd.conf";

Import read(const std::map<std::string, std::string>& files) {
    FakeImportHost host;
    host.files = files;
    host.missing_programs.insert("/usr/sbin/missing");
    return import_xinetd({main_file}, host);
}

Import read_one(const std::string& text) {
    return read({{main_file, text}});
}

// The service stands from line 1 on; its first own line is line 7.
std::string service(const std::string& lines, const std::string& name = "ssh") {
    return "service " + name +
           "\n{\n socket_type = stream\n wait = no\n user = root\n server = /usr/sbin/sshd\n" +
           lines + "\n}\n";
}

// A line added to a service that is otherwise fine.
struct Line {
    const char* text;
    S severity;
    const char* says;
    const char* reason;  // why the service comes in disabled; empty: it does not
};

void check_lines(const std::vector<Line>& lines) {
    for (const Line& line : lines) {
        const Import import = read_one(service(" " + std::string(line.text)));
        INFO(line.text << "\n" << notes_of(import));
        REQUIRE(import.services.size() == 1);
        CHECK(has_note_at(import, 7, line.severity, line.says));
        CHECK(reasons_of(import.services[0]) == line.reason);
    }
}

// Lines of a whole service, without anything given; what xinetd refuses about it.
struct Entry {
    const char* lines;
    const char* name;
    const char* reasons;
};

void check_entries(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
        const Import import =
                read_one(std::string("service ") + entry.name + "\n{\n" + entry.lines + "}\n");
        INFO(entry.lines << "\n" << notes_of(import));
        REQUIRE(import.services.size() == 1);
        CHECK(reasons_of(import.services[0]) == entry.reasons);
        // Each reason is a warning of the report too.
        if (*entry.reasons != '\0') CHECK(has_note(import, S::warning, "comes in disabled"));
    }
}

}  // namespace

TEST_CASE("xinetd report: a line that xinetd ignores is named and changes nothing") {
    check_lines({
            {"frobnicate = 3", S::warning, "xinetd has no such attribute and ignores the line",
                    ""},
            {"enabled = ssh", S::warning, "it may not stand in this entry", ""},
            {"nice = 5 5", S::warning, "xinetd expects 1 value and ignores the line", ""},
            {"cps = 5", S::warning, "xinetd expects 2 values and ignores the line", ""},
            {"redirect = 192.0.2.1", S::warning, "xinetd expects 2 values", ""},
            {"type =", S::warning, "xinetd expects at least one value", ""},
            {"server_args =", S::warning, "xinetd expects at least one value", ""},
            {"wait = yes", S::warning, "it is set above; xinetd takes the first", ""},
            {"server = /bin/other", S::warning, "it is set above; xinetd takes the first", ""},
            {"flags += IPv4", S::warning, "xinetd has no += for flags and ignores the line",
                    ""},
            {"port -= 22", S::warning, "xinetd has no -= for port and ignores the line", ""},
            {"log_type += FILE /x", S::warning, "xinetd has no += for log_type", ""},
    });
    // Ignored means ignored: the first value, and no family, stay.
    const Import import = read_one(service(" wait = yes\n flags += IPv4\n nice = 5 5"));
    CHECK(listen_text(import.services[0]) == "tcp:22");
    CHECK(value_of(import.services[0], "mode").empty());
    CHECK(value_of(import.services[0], "nice").empty());
}

TEST_CASE("xinetd report: what xinetd refuses comes in disabled with its line and reason") {
    const auto refused = [](const char* text, const std::string& why) {
        const Import import = read_one(service(" " + std::string(text)));
        INFO(text << "\n" << notes_of(import));
        REQUIRE(import.services.size() == 1);
        CHECK(reasons_of(import.services[0]) == "xinetd refuses it: " + why);
    };
    refused("env -= A=1", "line 7: xinetd has no -= for env and disables the service");
    refused("env = NAME", "line 7: NAME is not VARIABLE=value");
    refused("flags = REUSE # always",
            "line 7: # is not a value: xinetd has no comments behind values");
    refused("log_on_success = PID # too",
            "line 7: # is not a value: xinetd has no comments behind values");
    refused("groups = 1", "line 7: groups is yes or no, not 1");
    refused("mdns = maybe", "line 7: mdns is yes or no, not maybe");
    refused("v6only = true", "line 7: v6only is yes or no, not true");
    refused("disable = 1", "line 7: disable is yes or no, not 1");
    refused("flags = WILD", "line 7: WILD is not a value of flags");
    refused("type = STRANGE", "line 7: STRANGE is not a value of type");
    refused("port = 80", "port = 80, but /etc/services has 22");
    refused("bind = nohost.example.org", "line 7: nohost.example.org has no address here");
    refused("group = nogroup2", "line 7: there is no group nogroup2");
    refused("umask = 999", "line 7: 999 is not an octal umask");
    refused("rlimit_as = lots", "line 7: lots is not a limit");
    refused("rlimit_stack = -1", "line 7: -1 is not a limit");
    refused("instances = 0", "line 7: instances = 0 lets nobody in");
    refused("per_source = many", "line 7: many is not a value of per_source");
    refused("max_load = none", "line 7: none is not a load");
    refused("max_load = 0", "line 7: 0 is not a load");
    refused("max_load = 1.2.3", "line 7: 1.2.3 is not a load");
    refused("cps = 10 x", "line 7: cps takes a number of connections and one of seconds");
    refused("access_times = 8:30-6:30",
            "line 7: 8:30-6:30 is not a time of the day: the end must be after the start");
    refused("access_times = 25:00-26:00", "line 7: 25:00-26:00 is not a time of the day");
    refused("access_times = 8:30", "line 7: 8:30 is not a time of the day");
    refused("log_type = SYSLOG local4.info",
            "line 7: SYSLOG takes a facility and perhaps a level");
    refused("log_type = SYSLOG daemon loud", "line 7: loud is not a level");
    refused("log_type = FILE /x 5 3", "line 7: its sizes are wrong");
    refused("log_type = FILE", "line 7: FILE takes a path and perhaps two sizes");
    refused("log_type = PRINTER", "line 7: log_type is SYSLOG or FILE");
    refused("log_on_success = TRAFFIC", "line 7: TRAFFIC is only for redirect");
    refused("log_on_failure = RECORD", "line 7: RECORD is not a value of log_on_failure");
    refused("flags = NAMEINARGS", "NAMEINARGS needs server_args");
    refused("redirect = 192.0.2.1 0", "line 7: 0 is not a port");
    refused("redirect = 192.0.2.1 nosuch", "line 7: nosuch is not a port");
    refused("redirect = 192.0.2.1 65536", "line 7: 65536 is not a port");
}

TEST_CASE("xinetd report: a service that says too little or contradicts itself") {
    check_entries({
            {" wait = no\n user = root\n server = /usr/sbin/sshd\n", "ssh",
                    "xinetd refuses it: it says neither socket_type nor protocol; tcp is "
                    "taken"},
            {" socket_type = stream\n user = root\n server = /usr/sbin/sshd\n", "ssh",
                    "xinetd refuses it: it does not say wait"},
            {" socket_type = stream\n wait = no\n server = /usr/sbin/sshd\n", "ssh",
                    "xinetd refuses it: it says no user"},
            {" socket_type = stream\n wait = no\n user = root\n", "ssh",
                    "xinetd refuses it: it names no server"},
            {" socket_type = stream\n wait = no\n user = root\n server = sshd\n", "ssh",
                    "xinetd refuses it: line 6: sshd is not an absolute path"},
            {" socket_type = stream\n wait = no\n user = root\n server = /usr/sbin/missing\n",
                    "ssh",
                    "xinetd refuses it: line 6: /usr/sbin/missing is not executable here"},
            {" socket_type = stream\n wait = no\n user = 4711\n server = /usr/sbin/sshd\n",
                    "ssh", "xinetd refuses it: line 5: there is no user 4711"},
            {" protocol = tcp6\n wait = no\n user = root\n server = /usr/sbin/sshd\n", "ssh",
                    "xinetd refuses it: there is no protocol tcp6; flags = IPv6 is meant"},
            {" socket_type = stream\n protocol = udp\n wait = yes\n user = root\n"
             " server = /usr/sbin/tftpd\n",
                    "tftp",
                    "xinetd refuses it: its socket_type and its protocol do not belong "
                    "together"},
            {" socket_type = stream\n wait = no\n type = INTERNAL\n", "ftp",
                    "xinetd refuses it: it has no internal service ftp"},
            {" socket_type = stream\n wait = no\n flags = SENSOR\n", "ssh",
                    "xinetd refuses it: beside SENSOR it wants type = INTERNAL or a server"},
            {" socket_type = stream\n wait = yes\n type = INTERNAL\n redirect = 192.0.2.1 7\n",
                    "time",
                    "xinetd refuses it: line 6: redirect needs wait = no\n"
                    "xinetd refuses it: line 6: an INTERNAL service cannot redirect"},
            {" socket_type = stream\n wait = no\n user = root\n server = /bin/x\n type = "
             "UNLISTED\n",
                    "own", "xinetd refuses it: an UNLISTED service needs its port"},
            {" socket_type = stream\n wait = no\n user = root\n server = /bin/x\n", "own",
                    "xinetd refuses it: it has no port and own/tcp is not in /etc/services"},
            {" socket_type = stream\n wait = no\n user = root\n server = /bin/x\n type = RPC\n",
                    "own",
                    "xinetd refuses it: own is not in /etc/rpc\n"
                    "xinetd refuses it: an RPC service needs its rpc_version, N or N-M"},
            {" socket_type = stream\n wait = no\n user = root\n server = /bin/x\n"
             " type = RPC UNLISTED\n rpc_version = 3-1\n",
                    "own",
                    "xinetd refuses it: an UNLISTED RPC service needs its rpc_number\n"
                    "xinetd refuses it: an RPC service needs its rpc_version, N or N-M"},
            {" socket_type = stream\n wait = no\n user = root\n server = /bin/x\n type = "
             "TCPMUX\n",
                    "own", "xinetd refuses it: a TCPMUX service is UNLISTED and tcp"},
    });
}

TEST_CASE("xinetd report: what superd has no word for is lost, and closes what it would open") {
    const Import raw = read_one(
            "service x\n{\n socket_type = raw\n wait = no\n user = root\n server = "
            "/bin/x\n}\n");
    REQUIRE(raw.services.size() == 1);
    CHECK(raw.has_losses());
    CHECK(raw.services[0].listeners.empty());
    CHECK(reasons_of(raw.services[0]) ==
            "superd has no sockets of socket_type raw and protocol tcp");
    check_lines({
            {"rlimit_cpu = 10K", S::lost, "a limit of this kind has no K or M", ""},
            {"rlimit_files = 5M", S::lost, "a limit of this kind has no K or M", ""},
            {"no_access = !x", S::lost, "DANGER: !x is no address, network or name",
                    "no_access has !x, which keeps nobody out"},
            {"no_access = 192.0.2.1/33", S::lost, "so it keeps nobody out",
                    "no_access has 192.0.2.1/33, which keeps nobody out"},
            {"no_access = 300.1.2.3", S::lost, "so it keeps nobody out",
                    "no_access has 300.1.2.3, which keeps nobody out"},
            {"only_from = 300.1.2.3", S::warning, "300.1.2.3 is no address, network or name",
                    ""},
            {"only_from = a,b", S::warning, "xinetd skips it: it lets nobody in", ""},
            {"only_from = {1,2}", S::warning, "xinetd skips it: it lets nobody in", ""},
            {"only_from = 10.{1,2}.3", S::warning, "xinetd skips it: it lets nobody in", ""},
    });
    // All of the list skipped: nobody is let in, as by xinetd.
    const Import nobody = read_one(service(" only_from = 300.1.2.3 10.{1,2}.3"));
    CHECK(value_of(nobody.services[0], "allow").empty());
    CHECK(value_of(nobody.services[0], "deny") == "\"all\"");
}

TEST_CASE("xinetd report: what behaves differently is a warning or told, and stays enabled") {
    check_lines({
            {"only_from = 10.1", S::warning,
                    "10.1: xinetd takes it for 10.0.0.1, probably 10.1.0.0/16 is meant", ""},
            {"only_from = 10.1.2.3/8", S::warning, "its host bits are not zero", ""},
            {"no_access = gone.example.org", S::warning,
                    "DANGER: gone.example.org has no address now", ""},
            {"bind = both.example.org", S::warning, "write it anew when the host moves", ""},
            {"v6only = no", S::warning, "the manual promises and takes both", ""},
            {"log_on_failure = USERID", S::warning,
                    "clients that are refused are not asked for their user", ""},
            {"flags = IDONLY", S::warning, "without USERID xinetd does not ask", ""},
            {"nice = -5", S::info, "it has no effect but for root", ""},
            {"flags = NORETRY", S::info, "superd does not try a failed start again", ""},
            {"flags = REUSE", S::info, "superd always does what REUSE says", ""},
            {"libwrap = x", S::info, "hosts.allow and hosts.deny have no rule", ""},
            {"access_times = 8:30-9:30", S::info, "xinetd's last minute is let in", ""},
            {"server_args = \"a b\"", S::warning, "quotes mean nothing to xinetd", ""},
    });
    const Import worker = read_one(
            "service ssh\n{\n socket_type = stream\n wait = yes\n user = root\n"
            " server = /usr/sbin/sshd\n instances = 3\n per_source = 2\n flags = INTERCEPT\n"
            " only_from = 192.0.2.0/24\n}\n");
    CHECK(has_note_at(
            worker, 7, S::info, "means nothing where one process is given the socket"));
    CHECK(has_note_at(
            worker, 8, S::info, "means nothing where one process is given the socket"));
    CHECK(has_note_at(worker, 9, S::info, "the kernel holds every client of a worker"));
    CHECK(has_note_at(
            worker, 10, S::warning, "xinetd cannot see the clients of a stream service"));
    CHECK(reasons_of(worker.services[0]).empty());
    const Import datagrams = read_one(
            "service tftp\n{\n protocol = udp\n wait = no\n user = root\n server = "
            "/bin/x\n}\n");
    CHECK(has_note_at(datagrams, 1, S::warning, "a process for each datagram"));
    const Import redirect = read_one(service(" redirect = 192.0.2.1 80"));
    CHECK(has_note_at(redirect, 6, S::info, "xinetd does not run it: it redirects"));
    const Import v4 = read_one(service(" flags = IPv4\n v6only = yes"));
    CHECK(has_note_at(v4, 8, S::info, "means nothing for an IPv4 socket"));
    CHECK(listen_text(v4.services[0]) == "tcp4:22");
}

TEST_CASE("xinetd report: files that cannot be read are errors with the line that names them") {
    const Import import = read({{main_file,
                                        "include /etc/gone\nincludedir /etc/none\n"
                                        "includedir /etc/xinetd.d\ninclude /etc/xinetd.conf\n"},
            {"/etc/xinetd.d/.hidden", ""}, {"/etc/xinetd.d/a.rpmnew", ""},
            {"/etc/xinetd.d/b~", ""}, {"/etc/xinetd.d/c", "service telnet\n"}});
    CHECK(has_note_at(import, 1, S::lost, "cannot read /etc/gone: No such file"));
    CHECK(has_note_at(import, 2, S::lost, "cannot read directory /etc/none: No such file"));
    CHECK(has_note_at(import, 1, S::lost, "the file ends after the name of the service"));
    CHECK(has_note_at(import, 4, S::lost, "/etc/xinetd.conf includes itself"));
    CHECK(error_lines(import) == "1 2 1 4");
    CHECK(import.has_losses());
    std::size_t skipped = 0;
    for (const ImportNote& note : import.notes)
        if (note.message.find("its name has a dot or ends in ~") != std::string::npos)
            ++skipped;
    CHECK(skipped == 3);
}

TEST_CASE(
        "xinetd report: an entry that xinetd's parser loses is there, disabled, as it was "
        "meant") {
    const Import import = read_one(
            "frob\nlost = 1\n}\n"
            "service ssh\n socket_type = stream\n{\n wait = no\n user = root\n"
            " server = /usr/sbin/sshd\n}\n"
            "service ftp\n{\n socket_type=stream\n wait no\n user = root\n"
            " server = /usr/sbin/sshd\n");
    CHECK(has_note_at(import, 1, S::warning, "xinetd skips all to the next '}'"));
    CHECK(has_note_at(
            import, 6, S::warning, "no =, += or -= behind {: xinetd drops the service"));
    CHECK(has_note_at(import, 13, S::warning, "no blank before the operator"));
    CHECK(has_note_at(import, 14, S::warning, "no =, += or -= behind wait"));
    REQUIRE(import.services.size() == 2);
    CHECK(reasons_of(import.services[0]) ==
            "xinetd refuses it: a '{' alone on its line is missing behind the name\n"
            "xinetd refuses it: line 6: no =, += or -= behind {");
    CHECK(value_of(import.services[0], "exec") == R"(["/usr/sbin/sshd"])");
    CHECK(reasons_of(import.services[1]) ==
            "xinetd refuses it: line 13: no blank before the operator\n"
            "xinetd refuses it: line 14: no =, += or -= behind wait\n"
            "xinetd refuses it: the file ends before its '}'\n"
            "xinetd refuses it: it does not say wait");
    const Import skipping = read_one("frob\nservice ssh\n{\n wait = no\n}\n");
    CHECK(reasons_of(skipping.services.at(0))
                    .starts_with(
                            "xinetd refuses it: xinetd skips to the '}' after line 1, which "
                            "it does not understand"));
}

TEST_CASE(
        "xinetd report: duplicates, and the lists enabled and disabled, say whom they "
        "concern") {
    const std::string ssh = service(" log_on_success = PID");
    const Import twice =
            read_one(ssh + ssh + service(" type = UNLISTED\n port = 22\n id = own", "other"));
    REQUIRE(twice.services.size() == 3);
    CHECK(reasons_of(twice.services[0]).empty());
    CHECK(reasons_of(twice.services[1]) ==
            "xinetd refuses it: id ssh is taken by the service at /etc/xinetd.conf:1");
    CHECK(reasons_of(twice.services[2]) ==
            "xinetd refuses it: its port and address are taken by ssh at /etc/xinetd.conf:1");
    const Import lists =
            read_one("defaults\n{\n enabled = ssh time\n disabled = time\n}\n" + ssh +
                     "service time\n{\n type = INTERNAL\n socket_type = stream\n"
                     " wait = no\n}\n" +
                     service("", "ftp"));
    REQUIRE(lists.services.size() == 3);
    CHECK(reasons_of(lists.services[0]).empty());
    CHECK(reasons_of(lists.services[1]) == "time is in the list disabled");
    CHECK(reasons_of(lists.services[2]) == "ftp is not in the list enabled");
    const Import broken =
            read_one("defaults\n{\n log_on_failure = RECORD\n}\ndefaults\n{\n}\n" + ssh);
    CHECK(has_note_at(broken, 5, S::warning, "xinetd takes only the first defaults entry"));
    CHECK(has_note_at(broken, 1, S::warning,
            "xinetd does not start with it (/etc/xinetd.conf:3: RECORD is not a value of "
            "log_on_failure); every service comes in disabled"));
    CHECK(reasons_of(broken.services[0]) ==
            "xinetd does not start with defaults: /etc/xinetd.conf:3: RECORD is not a value of "
            "log_on_failure");
}

TEST_CASE("xinetd report: a sensor's time in minutes, for ever, or never, which is also 0") {
    const std::pair<const char*, const char*> times[] = {{"5", "\"5m\""},
            {"FOREVER", "\"forever\""}, {"never", "\"never\""}, {"0", "\"never\""}};
    for (const auto& [said, made] : times) {
        const Import import =
                read_one(service(" flags = SENSOR\n deny_time = " + std::string(said)));
        INFO(said);
        CHECK(value_of(import.services.at(0), "deny_for") == made);
        CHECK(reasons_of(import.services[0]).empty());
    }
}

}  // namespace superd::test
