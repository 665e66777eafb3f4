// SPDX-License-Identifier: MIT
// What the report of an import from inetd says of each line and field that is not plainly
// carried over, by dialect.
#include "support/catch.h"
#include "support/import_host.h"
#include "support/import_text.h"

namespace superd::test {

namespace {

using D = InetdDialect;
using S = ImportSeverity;

constexpr const char* conf = "/etc/inetd.conf";

Import read(const std::string& text, D dialect) {
    FakeImportHost host;
    host.files[conf] = text;
    host.ports["auth/tcp"] = 113;
    return import_inetd(conf, dialect, host);
}

// A line that no service comes of.
struct Broken {
    const char* line;
    const char* says;
    D dialect = D::openbsd;
};

// A line of one service, its note and why the service comes in disabled (empty: it does not).
struct Line {
    const char* text;
    D dialect;
    S severity;
    const char* says;
    bool enabled = true;
};

void check_lines(const std::vector<Line>& lines) {
    for (const Line& line : lines) {
        const Import import = read(std::string(line.text) + "\n", line.dialect);
        INFO(line.text << "\n" << notes_of(import));
        REQUIRE_FALSE(import.services.empty());
        CHECK(has_note_at(import, 1, line.severity, line.says));
        CHECK(reasons_of(import.services[0]).empty() == line.enabled);
    }
}

}  // namespace

TEST_CASE("inetd report: a line that inetd cannot read is lost with its place, and only it") {
    const Broken lines[] = {{"telnet", "the socket type and what follows are missing"},
            {"telnet stream", "the protocol is missing"},
            {"telnet stream tcp", "wait or nowait is missing"},
            {"telnet stream tcp nowait", "the user is missing"},
            {"telnet stream tcp nowait root", "the program is missing"},
            {"ssh stream6 tcp nowait root /bin/x", "\"stream6\" is not a socket type"},
            {"ssh raw tcp nowait root /bin/x", "superd has no raw sockets"},
            {"ssh stream sctp nowait root /bin/x",
                    "\"sctp\" is not a protocol that superd knows"},
            {"ssh dgram tcp wait root /bin/x", "dgram and tcp do not go together"},
            {"ssh stream udp wait root /bin/x", "stream and udp do not go together"},
            {"ssh seqpacket tcp wait root /bin/x",
                    "superd has seqpacket for UNIX sockets only"},
            {"ssh stream tcp perhaps root /bin/x", "\"perhaps\" is not wait or nowait"},
            {"ssh stream tcp nowait: root /bin/x", "\"nowait:\" is not wait or nowait"},
            {"ssh stream tcp,fast=1 nowait root /bin/x", "\"fast=1\" is not sndbuf=SIZE or"},
            {"printer stream unix nowait root /bin/x",
                    "the service of a UNIX socket is its absolute path"},
            {"rstatd dgram rpc/udp wait root /bin/x",
                    "an RPC service needs its versions, as in \"rstatd/1-3\""},
            {"rstatd/1-3-4 dgram rpc/udp wait root /bin/x",
                    "an RPC service needs its versions"},
            {"tcpmux/x dgram udp wait root /bin/x",
                    "a service behind tcpmux is stream and tcp"},
            {"tcpmux/y stream tcp wait root /bin/x", "a service behind tcpmux is nowait"},
            {"tcpmux/z stream tcp,sndbuf=1k nowait root /bin/x",
                    "a service behind tcpmux has no buffer sizes of its own"},
            {"ssh stream tcp nowait/x/2 root /bin/x", "\"x\" in \"nowait/x/2\" is not a number",
                    D::freebsd},
            {"ftp stream tcp nowait/1/2/3/4 root /bin/x",
                    "\"nowait/1/2/3/4\" has too many numbers", D::freebsd},
            {":root:/run/y stream unix nowait root /bin/x",
                    "\":root:/run/y\" is not :USER:GROUP:MODE:/PATH", D::freebsd},
            {"192.0.2.1:", "", D::freebsd}};
    for (const Broken& broken : lines) {
        const Import import = read(
                "ftp stream tcp nowait root /usr/sbin/ftpd\n" + std::string(broken.line) + "\n",
                broken.dialect);
        INFO(broken.line << "\n" << notes_of(import));
        CHECK(has_note_at(import, 2, S::lost, broken.says));
        CHECK(error_lines(import) == "2");
        CHECK(import.services.size() == 1);
        CHECK(reasons_of(import.services.at(0)).empty());
    }
}

TEST_CASE("inetd report: who inetd would not have served comes in disabled") {
    check_lines({
            {"foo stream tcp nowait root internal", D::openbsd, S::warning,
                    "\"foo/tcp\" is not in this host's /etc/services", false},
            {"ssh stream tcp nowait root internal", D::openbsd, S::lost,
                    "superd has no service of its own of that name", false},
            {"tcpmux stream tcp nowait root internal", D::openbsd, S::warning,
                    "openbsd's inetd has no internal stream service of that name", false},
            {"tcpmux stream tcp nowait root internal", D::busybox, S::warning,
                    "busybox's inetd has no internal stream service of that name", false},
            {"auth stream tcp nowait root internal", D::netbsd, S::warning, "has no internal",
                    false},
            {"nosuch stream tcp nowait root /bin/x", D::gnu, S::warning,
                    "\"nosuch/tcp\" is not in this host's /etc/services", false},
            {"70000 stream tcp nowait root /bin/x", D::openbsd, S::warning,
                    "70000 is not a port", false},
            {"0 stream tcp nowait root /bin/x", D::openbsd, S::warning, "0 is not a port",
                    false},
            {"ssh stream tcp nowait nobody2 /bin/x", D::openbsd, S::warning,
                    "there is no user nobody2 here", false},
            {"ssh stream tcp nowait root:nogroup2 /bin/x", D::openbsd, S::warning,
                    "there is no group nogroup2 here", false},
            {"nntp stream tcp nowait root /usr/sbin/tcpd", D::openbsd, S::warning,
                    "tcpd has no program to start", false},
            {"nohost.example.org:ssh stream tcp nowait root /bin/x", D::gnu, S::warning,
                    "the host \"nohost.example.org\" has no address now", false},
    });
}

TEST_CASE("inetd report: what superd does otherwise is said beside the line") {
    check_lines({
            {"ssh stream tcp nowait.0 root /bin/x", D::openbsd, S::warning,
                    "releases differ in what 0 starts a minute means"},
            {"rsync stream tcp nowait root /bin/x x # comment", D::openbsd, S::warning,
                    "there are no comments behind fields"},
            {"ftp stream tcp nowait root /usr/sbin/tcpd in.ftpd -l", D::openbsd, S::info,
                    "superd asks hosts.allow and hosts.deny itself and starts "
                    "/usr/sbin/in.ftpd"},
            {"telnet stream tcp nowait root/daemon /bin/x", D::freebsd, S::lost,
                    "there are no login classes"},
            {"finger stream faith/tcp nowait root /bin/x", D::freebsd, S::warning,
                    "faith/ translated addresses for KAME's gateway"},
            {"rsync stream tcp nowait/0/0/5 root /bin/x", D::freebsd, S::warning,
                    "superd counts an IPv6 /64 as one source"},
            {"tftp dgram udp wait/1/60 root /bin/x", D::freebsd, S::lost,
                    "superd does not see who sends to a service that is given its socket"},
            {"rsync stream tcp nowait root \"/bin/x y", D::freebsd, S::warning,
                    "a quote is not closed: it was read to the end of its line"},
            {"time stream tcp nowait root internal time -v", D::freebsd, S::lost,
                    "the builtin takes no arguments"},
            {"smtp stream,5:httpready tcp nowait root /bin/x", D::netbsd, S::warning,
                    "a connection counts with its first bytes, whole requests or not"},
            {"telnet stream tcp nowait root:staff /bin/x", D::gnu, S::warning,
                    "GNU's inetd leaves root its own group"},
            {"both.example.org:smtp stream tcp nowait git /bin/x", D::gnu, S::warning,
                    "superd listens on the addresses that the name has now"},
            {"tftp dgram udp nowait root /bin/x", D::busybox, S::warning,
                    "superd looks at a datagram socket again when the process"},
    });
}

TEST_CASE(
        "inetd report: an IPsec policy is lost for each service below it, until it is taken "
        "back") {
    const Import import =
            read("ftp stream tcp nowait root /bin/x\n#@ in ipsec ah/transport//require\n"
                 "ssh stream tcp nowait root /bin/x\ntelnet stream tcp nowait root /bin/x\n#@\n"
                 "smtp stream tcp nowait root /bin/x\n",
                    D::freebsd);
    std::string losers;
    for (const ImportNote& note : import.notes)
        if (note.message.starts_with("IPsec is not required"))
            losers += note.service + ":" + std::to_string(note.at.line) + " ";
    CHECK(losers == "ssh:3 telnet:4 ");
    CHECK(import.has_losses());
}

TEST_CASE("inetd report: a definition of NetBSD's with a wrong key is lost whole") {
    const std::string good = "ssh on protocol = tcp, wait = no, user = root, exec = /bin/x";
    const std::pair<const char*, const char*> keys[] = {
            {"color = red", "\"color\" is not a key"},
            {"wait = perhaps", "wait is yes or no, not"},
            {"service_max = many", "is not a number for"},
            {"ip_max = 1 2", "\"ip_max\" takes one value, not 2"},
            {"acceptfilter = a b c", "acceptfilter takes a name and at most one argument"},
            {"sndbuf = lots", "is not a"}, {"socktype = raw", "raw"}};
    for (const auto& [key, says] : keys) {
        const Import import =
                read("ftp on protocol = tcp, wait = no, user = root, exec = /bin/f;\n" + good +
                                ", " + key + ";\n",
                        D::netbsd);
        INFO(key << "\n" << notes_of(import));
        CHECK(has_note_at(import, 2, S::lost, says));
        CHECK(import.services.size() == 1);
    }
    CHECK(read(good + ";\n", D::netbsd).errors_at.empty());
}

TEST_CASE("inetd report: what closes a service in NetBSD's words keeps it closed") {
    const auto made = [](const std::string& keys) {
        return read(
                "ssh on protocol = tcp, wait = no, user = root, exec = /bin/x, " + keys + ";\n",
                D::netbsd);
    };
    const Import none = made("ip_max = 0");
    INFO(notes_of(none));
    CHECK(has_note(none, S::info, "ip_max = 0: inetd let nobody in"));
    CHECK_FALSE(reasons_of(none.services.at(0)).empty());
    CHECK(value_of(made("ip_max = 3").services.at(0), "rate_per_source") == "\"3/min\"");
    CHECK(value_of(made("accept_max = 3").services.at(0), "max_connections") == "3");
    CHECK(value_of(made("service_max = 7").services.at(0), "rate") ==
            R"({ limit = "7/min", pause = "10m" })");
    const Import off =
            read("ssh off protocol = tcp, wait = no, user = root, exec = /bin/x;\n", D::netbsd);
    CHECK(reasons_of(off.services.at(0)).find("it was switched off") != std::string::npos);
}

TEST_CASE("inetd report: directives and definitions without an end") {
    const std::pair<const char*, const char*> texts[] = {
            {".frob x\n", "there is no such directive"},
            {".include\n", "the file to include is missing"},
            {"ssh on exec = \"unclosed\n", "a quote is not closed on its line"},
            {"ssh on exec = \"\\q\";\n", "there is no escape"},
            {"ssh on protocol = tcp, user = root\n",
                    "the definition does not end before the file does"},
            {"ssh on protocol tcp;\n", "'=' is missing behind"}};
    for (const auto& [text, says] : texts) {
        const Import import = read(text, D::netbsd);
        INFO(text << "\n" << notes_of(import));
        CHECK(has_note_at(import, 1, S::lost, says));
        CHECK(import.services.empty());
        CHECK(error_lines(import) == "1");
    }
}

TEST_CASE(
        "inetd report: of two lines for one service, protocol and address the later one "
        "holds") {
    const Import import = read(
            "ssh stream tcp nowait root /bin/first\nssh stream tcp nowait root /bin/second\n"
            "192.0.2.1:ssh stream tcp nowait root /bin/third\n",
            D::openbsd);
    INFO(notes_of(import));
    CHECK(has_note_at(import, 1, S::warning, "a later line takes its place"));
    REQUIRE(import.services.size() >= 2);
    std::string programs;
    for (const ImportService& service : import.services)
        if (service.disabled.empty()) programs += value_of(service, "exec") + " ";
    CHECK(programs == R"(["/bin/second"] ["/bin/third"] )");
}

}  // namespace superd::test
