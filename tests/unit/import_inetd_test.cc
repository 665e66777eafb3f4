// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/import_host.h"
#include "support/import_text.h"

using namespace superd;
using superd::test::error_lines;
using superd::test::has_note;
using superd::test::listen_text;
using superd::test::value_of;

namespace {

using D = InetdDialect;
using S = ImportSeverity;

// No program is there but those that a test names.
class InetdHost : public test::FakeImportHost {
public:
    std::set<std::string> executables;

    InetdHost() {
        users.insert("daemon");
        groups.insert({"daemon", "tty"});
        ports.insert({{"daytime/tcp", 13}, {"auth/tcp", 113}});
    }

    bool is_executable(const std::string& path) override { return executables.contains(path); }

    std::optional<std::uint32_t> rpc_number_of(const std::string& program) override {
        if (program == "rquotad") return 100011;
        return FakeImportHost::rpc_number_of(program);
    }
};

constexpr const char* conf = "/etc/inetd.conf";

Import read(const std::string& text, D dialect = D::openbsd) {
    InetdHost host;
    host.files[conf] = text;
    return import_inetd(conf, dialect, host);
}

ImportService one(const std::string& text, D dialect = D::openbsd) {
    Import import = read(text, dialect);
    REQUIRE(import.services.size() == 1);
    return import.services.front();
}

}  // namespace

TEST_CASE("inetd: a line is a service with inetd's habits", "[import][inetd]") {
    const Import import =
            read("ftp\tstream\ttcp\tnowait\troot\t/usr/sbin/in.ftpd\tin.ftpd -l -a\n");
    REQUIRE(import.services.size() == 1);
    const ImportService& ftp = import.services[0];
    CHECK(ftp.name == "ftp");
    CHECK(ftp.at.line == 1);
    CHECK(listen_text(ftp) == "tcp4:21 tcp6:21");
    CHECK(value_of(ftp, "exec") == R"(["/usr/sbin/in.ftpd", "-l", "-a"])");
    CHECK(value_of(ftp, "argv0") == R"("in.ftpd")");
    CHECK(value_of(ftp, "user") == R"("root")");
    CHECK(value_of(ftp, "stderr") == R"("socket")");
    CHECK(value_of(ftp, "max_connections") == R"("unlimited")");
    CHECK(value_of(ftp, "rate") == R"({ limit = "256/min", pause = "10m" })");
    CHECK(value_of(ftp, "mode").empty());
    CHECK(ftp.disabled.empty());
    CHECK(has_note(import, S::info, "ftp\tstream"));
    CHECK_FALSE(import.has_losses());
}

TEST_CASE("inetd: what tcp and udp mean is the dialect's", "[import][inetd]") {
    struct Row {
        D dialect;
        const char *protocol, *listen;
    };

    const Row rows[] = {{D::openbsd, "tcp", "tcp4:79 tcp6:79"}, {D::openbsd, "tcp4", "tcp4:79"},
            {D::openbsd, "tcp6", "tcp6:79"}, {D::openbsd, "tcp46", "tcp:79"},
            {D::netbsd, "tcp", "tcp4:79"}, {D::netbsd, "tcp6", "tcp6:79"},
            {D::freebsd, "tcp", "tcp4:79"}, {D::freebsd, "tcp46", "tcp:79"},
            {D::gnu, "tcp", "tcp4:79"}, {D::gnu, "tcp6", "tcp:79"},
            {D::gnu, "tcp6only", "tcp6:79"}, {D::busybox, "tcp", "tcp4:79"},
            {D::busybox, "tcp6", "tcp:79"}};
    for (const Row& row : rows) {
        CAPTURE(static_cast<int>(row.dialect), row.protocol);
        CHECK(listen_text(one("finger stream " + std::string(row.protocol) +
                                      " nowait nobody /usr/sbin/f f\n",
                      row.dialect)) == row.listen);
    }
    CHECK(listen_text(one("tftp dgram udp46 wait root /usr/sbin/t t\n")) == "udp:69");
    CHECK(error_lines(read("finger stream tcp6only nowait nobody /f f\n")) == "1");
}

TEST_CASE("inetd: where tcp is two sockets a program that is given one is two services",
        "[import][inetd]") {
    const Import import = read("# files\ntftp dgram udp wait root /usr/sbin/t t\n");
    REQUIRE(import.services.size() == 2);
    CHECK(listen_text(import.services[0]) == "udp4:69");
    CHECK(listen_text(import.services[1]) == "udp6:69");
    CHECK(import.services[0].name == "tftp");
    CHECK(import.services[1].name == "tftp-udp6");
    CHECK(import.services[0].comments.size() == 1);
    CHECK(import.services[1].comments.empty());
    CHECK(listen_text(one("echo dgram udp wait root internal\n")) == "udp:7");
    CHECK(listen_text(one("rstatd/1 dgram rpc/udp wait root /r r\n")) == "udp:0");
}

TEST_CASE("inetd: starts a minute are the line's or the dialect's", "[import][inetd]") {
    struct Row {
        D dialect;
        const char *wait, *rate;
    };

    const Row rows[] = {{D::openbsd, "nowait.400", R"({ limit = "400/min", pause = "10m" })"},
            {D::openbsd, "nowait", R"({ limit = "256/min", pause = "10m" })"},
            {D::netbsd, "nowait:7", R"({ limit = "7/min", pause = "10m" })"},
            {D::netbsd, "nowait.7", R"({ limit = "7/min", pause = "10m" })"},
            {D::netbsd, "nowait", R"({ limit = "40/min", pause = "10m" })"},
            {D::freebsd, "nowait", R"({ limit = "256/min", pause = "10m" })"},
            {D::gnu, "nowait", R"({ limit = "1000/min", pause = "10m" })"},
            {D::busybox, "nowait.5", R"({ limit = "5/min", pause = "1m" })"},
            {D::busybox, "nowait", ""}, {D::busybox, "nowait.0", ""}};
    for (const Row& row : rows) {
        CAPTURE(static_cast<int>(row.dialect), row.wait);
        CHECK(value_of(one("finger stream tcp " + std::string(row.wait) +
                                       " nobody /usr/sbin/f f\n",
                               row.dialect),
                      "rate") == row.rate);
    }
    CHECK(error_lines(read("finger stream tcp nowait.x nobody /f f\n")) == "1");
    CHECK(error_lines(read("finger stream tcp nowait:4 nobody /f f\n")) == "1");
    CHECK_FALSE(one("finger stream tcp nowait.0 nobody /f f\n", D::netbsd).disabled.empty());
    CHECK(has_note(read("finger stream tcp nowait.0 nobody /f f\n"), S::warning, "0 starts"));
}

TEST_CASE("inetd: FreeBSD's numbers are bounds and a rate", "[import][inetd]") {
    const ImportService all = one("finger stream tcp nowait/3/10/2 nobody /f f\n", D::freebsd);
    CHECK(value_of(all, "max_connections") == "3");
    CHECK(value_of(all, "rate_per_source") == R"("10/min")");
    CHECK(value_of(all, "max_per_source") == "2");
    const ImportService none = one("finger stream tcp nowait/0 nobody /f f\n", D::freebsd);
    CHECK(value_of(none, "max_connections") == R"("unlimited")");
    CHECK(error_lines(read("finger stream tcp nowait/ nobody /f f\n", D::freebsd)) == "1");
    CHECK(error_lines(read("finger stream tcp nowait/1/2/3/4 nobody /f f\n", D::freebsd)) ==
            "1");
    CHECK(has_note(read("tftp dgram udp wait/4 nobody /f f\n", D::freebsd), S::warning,
            "one process"));
}

TEST_CASE("inetd: waiting services are workers with the socket on descriptor 0",
        "[import][inetd]") {
    const ImportService stream = one("auth stream tcp4 wait root /usr/sbin/identd identd\n");
    CHECK(value_of(stream, "mode") == R"("worker")");
    CHECK(value_of(stream, "pass") == R"("stdin")");
    CHECK(value_of(stream, "stderr").empty());
    CHECK(value_of(stream, "max_connections").empty());
    const ImportService datagrams = one("tftp dgram udp4 wait root /usr/sbin/t t\n");
    CHECK(value_of(datagrams, "mode").empty());
    CHECK(value_of(datagrams, "pass").empty());
    CHECK(has_note(
            read("ntalk dgram udp nowait root /usr/sbin/n n\n"), S::warning, "datagram"));
}

TEST_CASE("inetd: users, groups and login classes", "[import][inetd]") {
    struct Row {
        D dialect;
        const char *written, *user, *group;
    };

    const Row rows[] = {{D::openbsd, "daemon", R"("daemon")", ""},
            {D::openbsd, "daemon.tty", R"("daemon")", R"("tty")"},
            {D::openbsd, "daemon:tty", R"("daemon")", R"("tty")"},
            {D::netbsd, "daemon:tty", R"("daemon")", R"("tty")"},
            {D::freebsd, "daemon:tty", R"("daemon")", R"("tty")"},
            {D::freebsd, "daemon:tty/staff", R"("daemon")", R"("tty")"},
            {D::gnu, "daemon.tty", R"("daemon")", R"("tty")"},
            {D::gnu, "root.tty", R"("root")", ""},
            {D::busybox, "root:tty", R"("root")", R"("tty")"}};
    for (const Row& row : rows) {
        CAPTURE(row.written);
        const ImportService service =
                one("finger stream tcp nowait " + std::string(row.written) + " /f f\n",
                        row.dialect);
        CHECK(value_of(service, "user") == row.user);
        CHECK(value_of(service, "group") == row.group);
        CHECK(service.disabled.empty());
    }
    CHECK(has_note(read("finger stream tcp nowait daemon/staff /f f\n", D::freebsd), S::lost,
            "login classes"));
    CHECK_FALSE(one("finger stream tcp nowait ghost /f f\n").disabled.empty());
    CHECK_FALSE(one("finger stream tcp nowait root.ghosts /f f\n").disabled.empty());
}

TEST_CASE("inetd: addresses, lists of them and default address lines", "[import][inetd]") {
    const Import import = read(R"(127.0.0.1:ftp stream tcp nowait root /f f
[::1]:ftp stream tcp nowait root /f f
10.0.0.1,10.0.0.2,*:telnet stream tcp nowait root /f f
192.0.2.9:
finger stream tcp nowait root /f f
*:
rsync stream tcp nowait root /f f
0.0.0.0:8000 stream tcp nowait root /f f
0.0.0.0:8000 dgram udp wait root /f f
)");
    REQUIRE(import.services.size() == 7);
    CHECK(listen_text(import.services[0]) == "tcp:127.0.0.1:21");
    CHECK(listen_text(import.services[1]) == "tcp:[::1]:21");
    CHECK(import.services[1].name == "ftp-tcp");
    CHECK(listen_text(import.services[2]) == "tcp:10.0.0.1:23 tcp:10.0.0.2:23 tcp4:23 tcp6:23");
    CHECK(listen_text(import.services[3]) == "tcp:192.0.2.9:79");
    CHECK(listen_text(import.services[4]) == "tcp4:873 tcp6:873");
    CHECK(listen_text(import.services[5]) == "tcp4:8000");
    CHECK(listen_text(import.services[6]) == "udp4:8000");
    CHECK_FALSE(import.has_losses());
}

TEST_CASE(
        "inetd: a host's name is its addresses, none disables the service", "[import][inetd]") {
    InetdHost host;
    host.hosts["gate"] = {"192.0.2.1", "2001:db8::1"};
    host.files[conf] =
            "gate:ftp stream tcp nowait root /f f\n"
            "nowhere:telnet stream tcp nowait root /f f\n";
    const Import import = import_inetd(conf, D::openbsd, host);
    REQUIRE(import.services.size() == 2);
    CHECK(listen_text(import.services[0]) == "tcp:192.0.2.1:21 tcp:[2001:db8::1]:21");
    CHECK_FALSE(import.services[1].disabled.empty());
    CHECK(has_note(read("[::1]:ftp stream tcp4 nowait root /f f\n"), S::lost, "::1"));
    CHECK_FALSE(
            one("127.0.0.1:ftp stream tcp nowait root /f f\n", D::freebsd).disabled.empty());
}

TEST_CASE("inetd: superd logs where every inetd does", "[import][inetd]") {
    for (const D dialect : {D::openbsd, D::netbsd, D::freebsd, D::gnu, D::busybox}) {
        const Import import = read("ftp stream tcp nowait root /f f\n", dialect);
        REQUIRE(import.daemon.size() == 1);
        CHECK(import.daemon[0].key == "log");
        CHECK(import.daemon[0].value == "\"syslog:daemon.info\"");
    }
}

TEST_CASE("inetd: ports are numbers or names of this host", "[import][inetd]") {
    CHECK(listen_text(one("2323 stream tcp nowait root /usr/sbin/telnetd telnetd\n")) ==
            "tcp4:2323 tcp6:2323");
    CHECK(one("2323 stream tcp nowait root /usr/sbin/telnetd telnetd\n").name == "telnetd");
    const Import import = read("kshell stream tcp nowait root /usr/sbin/kshd kshd\n");
    REQUIRE(import.services.size() == 1);
    CHECK(import.services[0].disabled.size() == 1);
    CHECK(has_note(import, S::warning, "kshell/tcp"));
    CHECK_FALSE(one("70000 stream tcp nowait root /f f\n").disabled.empty());
}

TEST_CASE("inetd: UNIX sockets are nodes with an owner and a mode", "[import][inetd]") {
    CHECK(listen_text(one("/run/x.sock stream unix nowait root /f f\n")) == "unix:/run/x.sock");
    CHECK(listen_text(one("/run/x.sock dgram unix wait root /f f\n")) ==
            "unixgram:/run/x.sock");
    CHECK(one("/run/x.sock stream unix nowait root /f f\n").name == "x_sock");
    CHECK(listen_text(one(":root:tty:0660:/run/a:b stream unix nowait root /f f\n",
                  D::freebsd)) == R"(unix:/run/a:b{mode="0660", owner="root", group="tty"})");
    CHECK(listen_text(one("/run/x stream unix nowait root /f f\n", D::freebsd)) ==
            R"(unix:/run/x{mode="0200"})");
    CHECK(error_lines(read("x stream unix nowait root /f f\n")) == "1");
    CHECK(error_lines(read(":root:tty:rw:/x stream unix nowait root /f f\n", D::freebsd)) ==
            "1");
}

TEST_CASE("inetd: buffer sizes are the listener's", "[import][inetd]") {
    CHECK(listen_text(one("ftp stream tcp4,sndbuf=64k,rcvbuf=1m nowait root /f f\n")) ==
            R"(tcp4:21{send_buffer="64K", receive_buffer="1M"})");
    CHECK(listen_text(one("ftp stream tcp6,rcvbuf=16384 nowait root /f f\n")) ==
            R"(tcp6:21{receive_buffer="16K"})");
    for (const char* wrong : {"tcp,sndbuf=", "tcp,sndbuf=0", "tcp,size=4k", "tcp,sndbuf=1g",
                 "tcp,sndbuf=99999999m"})
        CHECK(error_lines(read("ftp stream " + std::string(wrong) + " nowait root /f f\n")) ==
                "1");
}

TEST_CASE("inetd: RPC programs with their versions", "[import][inetd]") {
    const ImportService range = one("rstatd/1-3 dgram rpc/udp wait root /usr/sbin/r rpc.r\n");
    CHECK(range.name == "rstatd");
    CHECK(listen_text(range) == "udp:0");
    CHECK(value_of(range, "rpc") == R"({ program = "rstatd", versions = "1-3" })");
    const ImportService number = one("100300/2 stream rpc/tcp wait root /usr/sbin/r r\n");
    CHECK(value_of(number, "rpc") == "{ program = 100300, versions = 2 }");
    CHECK(listen_text(one("rquotad/1 dgram rpc/udp6 wait root /r r\n", D::freebsd)) ==
            "udp6:0");
    CHECK_FALSE(one("ghostd/1 dgram rpc/udp wait root /r r\n").disabled.empty());
    for (const char* wrong : {"rstatd", "rstatd/", "rstatd/x", "rstatd/3-1"})
        CHECK(error_lines(read(std::string(wrong) + " dgram rpc/udp wait root /r r\n")) == "1");
}

TEST_CASE("inetd: services behind tcpmux have no listener", "[import][inetd]") {
    const ImportService plain =
            one("tcpmux/who stream tcp nowait nobody /usr/bin/who who\n", D::netbsd);
    CHECK(plain.name == "who");
    CHECK(plain.listeners.empty());
    CHECK(value_of(plain, "tcpmux") == R"("plain")");
    CHECK(value_of(one("tcpmux/+who stream tcp nowait nobody /usr/bin/who who\n", D::freebsd),
                  "tcpmux") == R"("plus")");
    CHECK(error_lines(read("tcpmux/ stream tcp nowait nobody /w w\n", D::gnu)) == "1");
    CHECK(error_lines(read("tcpmux/who dgram udp wait nobody /w w\n", D::gnu)) == "1");
}

TEST_CASE(
        "inetd: internal services are builtins where the dialect has them", "[import][inetd]") {
    const Import import =
            read("echo stream tcp nowait root internal\n"
                 "echo dgram udp wait root internal\n");
    REQUIRE(import.services.size() == 2);
    CHECK(import.services[0].name == "echo");
    CHECK(import.services[1].name == "echo-udp");
    CHECK(value_of(import.services[1], "builtin") == R"("echo")");
    CHECK(listen_text(import.services[1]) == "udp:7");
    CHECK(import.services[0].find("exec") == nullptr);
    CHECK(import.services[0].find("user") == nullptr);

    const std::string ident = "auth stream tcp nowait root internal auth -r -t 30\n";
    CHECK(value_of(one(ident, D::freebsd), "builtin") == R"("ident")");
    CHECK(has_note(read(ident, D::freebsd), S::lost, "-t"));
    CHECK_FALSE(one(ident).disabled.empty());
    CHECK_FALSE(one("tcpmux stream tcp nowait root internal\n").disabled.empty());
    CHECK(one("tcpmux stream tcp nowait root internal\n", D::gnu).disabled.empty());
    CHECK(has_note(read("finger stream tcp nowait root internal\n"), S::lost,
            "no service of its own"));
}

TEST_CASE("inetd: tcpd becomes tcp_wrappers with the real program", "[import][inetd]") {
    const ImportService absolute =
            one("ftp stream tcp nowait root /usr/sbin/tcpd /usr/krb5/sbin/ftpd -aOP\n");
    CHECK(value_of(absolute, "exec") == R"(["/usr/krb5/sbin/ftpd", "-aOP"])");
    CHECK(value_of(absolute, "argv0").empty());
    CHECK(value_of(absolute, "tcp_wrappers") == R"("ftpd")");
    const ImportService relative =
            one("ftp stream tcp nowait root /usr/sbin/tcpd in.ftpd -l\n");
    CHECK(value_of(relative, "exec") == R"(["/usr/sbin/in.ftpd", "-l"])");
    CHECK(value_of(relative, "argv0") == R"("in.ftpd")");
    CHECK(value_of(relative, "tcp_wrappers") == R"("in.ftpd")");
    CHECK_FALSE(one("ftp stream tcp nowait root /usr/sbin/tcpd\n").disabled.empty());
    CHECK(has_note(read("ftp stream tcp nowait root /usr/sbin/tcpd /opt/x/ftpd ftpd\n"),
            S::warning, "first argument"));
}

TEST_CASE("inetd: argv[0] where the line has no arguments", "[import][inetd]") {
    const std::string line = "ftp stream tcp nowait root /usr/bin/gopherdemo\n";
    CHECK(value_of(one(line), "argv0") == R"("gopherdemo")");
    CHECK(value_of(one(line, D::gnu), "argv0") == R"("gopherdemo")");
    CHECK(value_of(one(line, D::busybox), "argv0").empty());
}

TEST_CASE("inetd: programs without a path", "[import][inetd]") {
    InetdHost host;
    host.files[conf] =
            "ftp stream tcp nowait root ftpd ftpd\n"
            "telnet stream tcp nowait root gone gone\n";
    host.executables.insert("/usr/sbin/ftpd");
    const Import bsd = import_inetd(conf, D::openbsd, host);
    REQUIRE(bsd.services.size() == 2);
    CHECK(value_of(bsd.services[0], "exec") == R"(["/usr/sbin/ftpd"])");
    CHECK_FALSE(bsd.services[0].disabled.empty());
    CHECK(value_of(bsd.services[1], "exec") == R"(["/gone"])");
    CHECK_FALSE(bsd.services[1].disabled.empty());
    const Import busybox = import_inetd(conf, D::busybox, host);
    CHECK(busybox.services[0].disabled.empty());
    CHECK_FALSE(busybox.services[1].disabled.empty());
    host.executables.insert("/ftpd");
    CHECK(import_inetd(conf, D::openbsd, host).services[0].disabled.empty());
}

TEST_CASE("inetd: quotes are the dialect's", "[import][inetd]") {
    struct Row {
        D dialect;
        const char *args, *exec;
    };

    const Row rows[] = {{D::openbsd, R"(f "a b")", R"(["/f", "\"a", "b\""])"},
            {D::busybox, R"(f 'a b')", R"(["/f", "'a", "b'"])"},
            {D::netbsd, R"(f x"a b"y 'c "d')", R"(["/f", "xa by", "c \"d"])"},
            {D::freebsd, R"(f "a b" x"a b")", R"(["/f", "a b", "x\"a", "b\""])"},
            {D::gnu, R"(f "a b"c d\ e \t\101)", R"(["/f", "a bc", "d e", "\tA"])"}};
    for (const Row& row : rows) {
        CAPTURE(row.args);
        CHECK(value_of(one("ftp stream tcp nowait root /f " + std::string(row.args) + "\n",
                               row.dialect),
                      "exec") == row.exec);
    }
    CHECK(has_note(read("ftp stream tcp nowait root /f f \"a\n", D::netbsd), S::warning,
            "not closed"));
}

TEST_CASE("inetd: a line that begins with a blank goes on with the one before",
        "[import][inetd]") {
    const Import import = read("ftp stream tcp\n\tnowait root /f f\n  -l\n-x stream\n");
    REQUIRE(import.services.size() == 1);
    CHECK(value_of(import.services[0], "exec") == R"(["/f", "-l"])");
    CHECK(error_lines(import) == "4");
}

TEST_CASE("inetd: a comment behind fields is an argument, but for BusyBox", "[import][inetd]") {
    const std::string line = "ftp stream tcp nowait root /f f # daily\n";
    CHECK(value_of(one(line), "exec") == R"(["/f", "#", "daily"])");
    CHECK(has_note(read(line), S::warning, "no comments behind fields"));
    const ImportService busybox = one(line, D::busybox);
    CHECK(value_of(busybox, "exec") == R"(["/f"])");
    CHECK(busybox.comments == std::vector<std::string>{"daily"});
}

TEST_CASE(
        "inetd: comments are carried over, marked lines come in disabled", "[import][inetd]") {
    const Import import = read(R"(# of the file
#
# still of the file

#:STANDARD: services
#ftp stream tcp nowait root /usr/sbin/old old
ftp stream tcp nowait root /f f
#<off># telnet stream tcp nowait root /usr/sbin/tcpd /usr/sbin/in.telnetd
#<off># what this is, nobody knows
# the end
)");
    CHECK(import.comments == std::vector<std::string>{"of the file", "", "still of the file",
                                     "<off># what this is, nobody knows", "the end"});
    REQUIRE(import.services.size() == 2);
    CHECK(import.services[0].comments ==
            std::vector<std::string>{
                    ":STANDARD: services", "ftp stream tcp nowait root /usr/sbin/old old"});
    CHECK(import.services[0].disabled.empty());
    CHECK(import.services[1].name == "telnet");
    CHECK(import.services[1].at.line == 8);
    CHECK(import.services[1].disabled ==
            std::vector<std::string>{"it was switched off: #<off>#"});
    CHECK_FALSE(import.has_losses());
}

TEST_CASE(
        "inetd: malformed lines are lost with their place, and only they", "[import][inetd]") {
    const Import import =
            read("ftp\n"
                 "ftp stream\n"
                 "ftp strem tcp nowait root /f f\n"
                 "ftp stream tcq nowait root /f f\n"
                 "ftp stream tcp waut root /f f\n"
                 "ftp stream tcp nowait\n"
                 "ftp stream tcp nowait root\n"
                 "ftp stream udp nowait root /f f\n"
                 "ftp dgram tcp nowait root /f f\n"
                 "ftp raw tcp nowait root /f f\n"
                 "ftp seqpacket tcp nowait root /f f\n"
                 ":ftp\n"
                 "telnet stream tcp nowait root /f f\n");
    CHECK(error_lines(import) == "1 2 3 4 5 6 7 8 9 10 11 12");
    REQUIRE(import.services.size() == 1);
    CHECK(import.services[0].at.line == 13);
    CHECK(import.has_losses());
    CHECK(has_note(import, S::lost, "ftp strem tcp"));
    CHECK(has_note(import, S::lost, "\"waut\" is not wait or nowait"));
}

TEST_CASE("inetd: a later line takes an earlier one's place", "[import][inetd]") {
    const Import import =
            read("ftp stream tcp nowait root /old old\n"
                 "ftp stream tcp nowait root /new new\n"
                 "#<off># ftp stream tcp nowait root /off off\n"
                 "21 stream tcp nowait root /other other\n");
    REQUIRE(import.services.size() == 4);
    CHECK_FALSE(import.services[0].disabled.empty());
    CHECK(import.services[1].disabled.empty());
    CHECK_FALSE(import.services[2].disabled.empty());
    CHECK_FALSE(import.services[3].disabled.empty());
    CHECK(has_note(import, S::warning, "tcp4:21 belongs to ftp-tcp"));
}

TEST_CASE("inetd: historic and foreign things are named", "[import][inetd]") {
    CHECK(has_note(
            read("ftp stream faith/tcp6 nowait root /f f\n", D::netbsd), S::warning, "faith"));
    const std::string policy =
            "#@ in ipsec ah/require\n"
            "ftp stream tcp nowait root /f f\n"
            "#@\n"
            "telnet stream tcp nowait root /f f\n";
    const Import netbsd = read(policy, D::netbsd);
    CHECK(has_note(netbsd, S::lost, "IPsec"));
    REQUIRE(netbsd.services.size() == 2);
    CHECK(netbsd.services[0].comments.size() == 1);
    CHECK(netbsd.services[1].comments.empty());
    CHECK_FALSE(read(policy).has_losses());

    const ImportService filtered =
            one("ftp stream,5:dataready tcp nowait root /f f\n", D::netbsd);
    CHECK(value_of(filtered, "max_connections") == "5");
    CHECK(listen_text(filtered) == R"(tcp4:21{defer_accept="30s"})");
    CHECK(has_note(read("ftp stream:accf tcp nowait root /f f\n", D::netbsd), S::lost, "accf"));
}

TEST_CASE("inetd: NetBSD's key-value definitions", "[import][inetd]") {
    const Import import = read(R"(
127.0.0.1:
5432 on # the first
	protocol = udp,
	wait = yes,   # as datagrams are
	user = root,
	service_max = 5,
	ip_max = 3,
	exec = /bin/server,
	args = server "a b" 'c\x41\n' dgram;
ftp on bind = "*", protocol=tcp, socktype=stream, wait=no, user=root, group=tty,
	sndbuf=4k, recvbuf=8k, accept_max=3, acceptfilter=httpready, exec=/f, args=f; telnet off
	protocol = tcp, wait = no, user = root, exec = /f, args = f;
echo on protocol = tcp, user = root;
)",
            D::netbsd);
    REQUIRE(import.services.size() == 4);
    CHECK(listen_text(import.services[0]) == "udp:127.0.0.1:5432");
    CHECK(value_of(import.services[0], "exec") == R"(["/bin/server", "a b", "cA\n", "dgram"])");
    CHECK(value_of(import.services[0], "rate") == R"({ limit = "5/min", pause = "10m" })");
    CHECK(import.services[0].comments.front() == "the first");
    CHECK(has_note(import, S::lost, "3 a minute for one address"));
    CHECK(listen_text(import.services[1]) ==
            R"(tcp4:21{send_buffer="4K", receive_buffer="8K", defer_accept="30s"})");
    CHECK(value_of(import.services[1], "max_connections") == "3");
    CHECK(value_of(import.services[1], "group") == R"("tty")");
    CHECK(import.services[2].disabled.size() == 1);
    CHECK(value_of(import.services[3], "builtin") == R"("echo")");
    CHECK(import.errors_at.empty());
}

TEST_CASE("inetd: a mistake in a key spoils the definition, one in the syntax the file",
        "[import][inetd]") {
    const std::string good = "ftp on protocol=tcp, wait=no, user=root, exec=/f, args=f;\n";
    for (const char* wrong : {"x on protocol=tcp, colour=red, wait=no, user=root, exec=/f;\n",
                 "x on protocol=tcp, wait=maybe, user=root, exec=/f;\n",
                 "x on wait=no, user=root, exec=/f;\n", "x on protocol=tcp, exec=/f;\n",
                 "x on protocol=tcp udp, wait=no, user=root, exec=/f;\n",
                 "x on protocol=tcp, wait=no, user=root, service_max=many, exec=/f;\n"}) {
        CAPTURE(wrong);
        const Import import = read(wrong + good, D::netbsd);
        CHECK(error_lines(import) == "1");
        CHECK(import.services.size() == 1);
    }
    CHECK(has_note(read("x on protocol=tcp\n", D::netbsd), S::lost, "does not end"));
    for (const char* wrong :
            {"x on protocol tcp;\n", "x on protocol=\"tcp\n;\n", "x on protocol='\\q';\n"}) {
        CAPTURE(wrong);
        const Import import = read(wrong + good, D::netbsd);
        CHECK(error_lines(import) == "1");
        CHECK(import.services.empty());
        CHECK(has_note(import, S::lost, "the rest of the file is not read"));
    }
    CHECK_FALSE(one("ftp on protocol=tcp, wait=no, user=root, ip_max=0, exec=/f;\n", D::netbsd)
                        .disabled.empty());
}

TEST_CASE(
        "inetd: NetBSD's includes are relative, ordered and never endless", "[import][inetd]") {
    InetdHost host;
    host.files[conf] =
            "127.0.0.1:\n.include inetd.d/*.conf\nftp stream tcp nowait root /f f\n"
            ".include /nowhere/*\n.unknown x\n";
    host.files["/etc/inetd.d/a.conf"] = "10.0.0.1:\ntelnet stream tcp nowait root /f f\n";
    host.files["/etc/inetd.d/b.conf"] =
            ".include b.conf\nfinger stream tcp nowait root /f f\n.include ../inetd.conf\n";
    host.files["/etc/inetd.d/c.txt"] = "rsync stream tcp nowait root /f f\n";
    const Import import = import_inetd(conf, D::netbsd, host);
    REQUIRE(import.services.size() >= 3);
    CHECK(import.services[0].at.file == "/etc/inetd.d/a.conf");
    CHECK(listen_text(import.services[0]) == "tcp:10.0.0.1:23");
    CHECK(listen_text(import.services[1]) == "tcp:127.0.0.1:79");
    CHECK(has_note(import, S::warning, "includes itself"));
    CHECK(has_note(import, S::lost, "no such directive"));
}

TEST_CASE("inetd: a file that cannot be read is said", "[import][inetd]") {
    InetdHost host;
    const Import import = import_inetd("/none", D::openbsd, host);
    CHECK(import.services.empty());
    CHECK(error_lines(import) == "0");
    CHECK(import.has_losses());
}

TEST_CASE("inetd: a directory is read file by file", "[import][inetd]") {
    InetdHost host;
    host.files["/etc/inetd.d/b"] = "ftp stream tcp nowait root /f f\n";
    host.files["/etc/inetd.d/a"] = "telnet stream tcp nowait root /f f\n";
    const Import import = import_inetd("/etc/inetd.d", D::gnu, host);
    REQUIRE(import.services.size() == 2);
    CHECK(import.services[0].name == "telnet");
}

TEST_CASE("inetd: dialects by name", "[import][inetd]") {
    CHECK(read_inetd_dialect("openbsd") == D::openbsd);
    CHECK(read_inetd_dialect("busybox") == D::busybox);
    CHECK_FALSE(read_inetd_dialect("xinetd"));
}
