// SPDX-License-Identifier: MIT
#include "config/import_systemd.h"

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

using S = ImportSeverity;

const std::string folder = "/srv/units/";

class UnitHost : public test::FakeImportHost {
public:
    std::set<std::string> closed;

    File read(const std::string& path) override {
        File file = FakeImportHost::read(path);
        file.closed = closed.contains(path);
        return file;
    }
};

// x.socket with those lines in [Socket], and its service (or template) with those in [Service].
struct Pair {
    UnitHost host;
    Import import;

    Pair(const std::string& socket, const std::string& service)
            : Pair(UnitHost{}, socket, service) {}

    Pair(UnitHost made, const std::string& socket, const std::string& service)
            : host(std::move(made)) {
        const bool accept = socket.find("Accept=yes") != std::string::npos;
        host.files[folder + "x.socket"] = "[Socket]\n" + socket;
        host.files[folder + (accept ? "x@.service" : "x.service")] = "[Service]\n" + service;
        import = import_systemd({folder + "x.socket"}, host);
    }

    [[nodiscard]] const ImportService& only() const {
        REQUIRE(import.services.size() == 1);
        return import.services.front();
    }

    [[nodiscard]] std::string value(std::string_view key) const {
        return value_of(only(), key);
    }

    [[nodiscard]] bool enabled() const { return only().disabled.empty(); }
};

Pair service(const std::string& lines) {
    return {"ListenStream=80\n", lines};
}

Pair socket(const std::string& lines) {
    return {lines, "ExecStart=/bin/x\n"};
}

}  // namespace

TEST_CASE("systemd: a socket that accepts is a handler of its template", "[import][systemd]") {
    const Pair pair("ListenStream=22\nAccept=yes\n",
            "ExecStart=-/usr/sbin/sshd -i\nStandardInput=socket\nRuntimeDirectory=sshd\n");
    const ImportService& ssh = pair.only();
    CHECK(ssh.name == "x");
    CHECK(listen_text(ssh) == "tcp:22");
    CHECK(pair.value("mode") == R"("handler")");
    CHECK(pair.value("exec") == R"(["/usr/sbin/sshd", "-i"])");
    CHECK(pair.value("user") == R"("root")");
    CHECK(pair.value("stderr") == R"("socket")");
    CHECK(pair.value("pass").empty());
    CHECK(pair.value("max_connections") == "64");
    CHECK(pair.value("on_limit") == R"("refuse")");
    CHECK(pair.value("max_per_source") == R"("unlimited")");
    CHECK(pair.value("runtime_directory") == R"("sshd")");
    CHECK(pair.enabled());
    CHECK_FALSE(pair.import.has_losses());
}

TEST_CASE("systemd: a socket that is handed over has a worker", "[import][systemd]") {
    const Pair pair("ListenStream=/run/x.sock\nListenDatagram=514\n", "ExecStart=/bin/x\n");
    CHECK(listen_text(pair.only()) == "unix:/run/x.sock udp:514");
    CHECK(pair.value("mode") == R"("worker")");
    CHECK(pair.value("pass") == R"("listen_fds")");
    CHECK(has_note(pair.import, S::warning, "LISTEN_FDNAMES"));
    CHECK(Pair("ListenStream=80\n", "ExecStart=/bin/x\nStandardInput=socket\n").value("pass") ==
            R"("stdin")");
}

TEST_CASE("systemd: addresses of listeners", "[import][systemd]") {
    struct Row {
        const char *lines, *listen;
    };

    const Row rows[] = {{"ListenStream=80", "tcp:80"},
            {"ListenStream=127.0.0.1:80", "tcp:127.0.0.1:80"},
            {"ListenStream=[::1]:80", "tcp:[::1]:80"}, {"ListenStream=0.0.0.0:80", "tcp4:80"},
            {"ListenStream=[::]:80", "tcp:80"},
            {"ListenStream=80\nBindIPv6Only=ipv6-only", "tcp6:80"},
            {"ListenStream=80\nBindIPv6Only=both", "tcp:80"},
            {"ListenStream=@name", "unix:@name"}, {"ListenDatagram=/run/d", "unixgram:/run/d"},
            {"ListenSequentialPacket=/run/s", "seqpacket:/run/s"},
            {"ListenFIFO=/run/f", "fifo:/run/f"}, {"ListenMessageQueue=/q", "mqueue:/q"},
            {"ListenNetlink=kobject-uevent 1", "netlink:kobject-uevent:1"},
            {"ListenNetlink=audit", "netlink:audit:0"},
            {"ListenStream=vsock:2:80", "vsock:2:80"},
            {"ListenStream=80\nListenStream=\nListenDatagram=90", "udp:90"},
            {"ListenStream=80\nListenStream=81", "tcp:80 tcp:81"}};
    for (const Row& row : rows) {
        CAPTURE(row.lines);
        const Pair pair = socket(std::string(row.lines) + "\n");
        CHECK(listen_text(pair.only()) == row.listen);
        CHECK(pair.enabled());
    }
    for (const char* wrong : {"ListenNetlink=nonsense 1", "ListenMessageQueue=q",
                 "ListenSpecial=/dev/x", "ListenUSBFunction=/x", "ListenStream=host:80",
                 "ListenSequentialPacket=80", "ListenStream=70000"}) {
        CAPTURE(wrong);
        const Pair pair = socket(std::string(wrong) + "\n");
        CHECK_FALSE(pair.enabled());
        CHECK(has_note(pair.import, S::lost, wrong));
    }
}

TEST_CASE("systemd: options go to the listeners that have them", "[import][systemd]") {
    const Pair pair =
            socket("ListenStream=80\nListenStream=/run/x\nListenStream=@x\nSocketMode=0660\n"
                   "SocketUser=git\nSocketGroup=staff\nDirectoryMode=0750\nRemoveOnStop=yes\n"
                   "KeepAlive=yes\nKeepAliveTimeSec=1min 30s\nNoDelay=true\nBacklog=128\n"
                   "ReceiveBuffer=8M\nFreeBind=1\nBindToDevice=eth0\nIPTOS=low-delay\n"
                   "FileDescriptorName=web\n");
    REQUIRE(pair.only().listeners.size() == 3);
    const std::string text = listen_text(pair.only());
    CHECK(text.find(R"(keepalive_time="1m30s", no_delay=true, backlog=128)") !=
            std::string::npos);
    CHECK(text.find(R"(unix:/run/x{mode="0660", owner="git", group="staff", )"
                    R"(directory_mode="0750", remove_on_stop=true, )") != std::string::npos);
    CHECK(text.find(R"(unix:@x{backlog=128, receive_buffer="8M", name="web"})") !=
            std::string::npos);
    CHECK_FALSE(has_note(pair.import, S::warning, "LISTEN_FDNAMES"));
    CHECK(has_note(socket("ListenStream=80\nSocketMode=0600\n").import, S::info,
            "means nothing for these"));
    CHECK_FALSE(socket("ListenStream=/x\nSocketUser=ghost\n").enabled());
    CHECK(has_note(socket("ListenStream=80\nBacklog=many\n").import, S::lost, "not a value"));
    CHECK_FALSE(socket("ListenStream=80\nSocketProtocol=sctp\n").enabled());
    CHECK(listen_text(socket("ListenStream=80\nSocketProtocol=mptcp\n").only()) ==
            "tcp:80{mptcp=true}");
    CHECK(has_note(socket("ListenStream=80\nIPTTL=4\n").import, S::lost, "IPTTL=4"));
}

TEST_CASE("systemd: bounds of connections and triggers", "[import][systemd]") {
    const Pair pair(
            "ListenStream=80\nAccept=yes\nMaxConnections=5\n"
            "MaxConnectionsPerSource=2\nTriggerLimitIntervalSec=10s\n"
            "TriggerLimitBurst=50\n",
            "ExecStart=/bin/x\n");
    CHECK(pair.value("max_connections") == "5");
    CHECK(pair.value("max_per_source") == "2");
    CHECK(pair.value("rate") == R"("50/10s")");
    CHECK(pair.value("pass") == R"("listen_fds")");
    CHECK(has_note(pair.import, S::warning, "/64"));
    CHECK(socket("ListenStream=80\nTriggerLimitBurst=7\n").value("rate") == R"("7/2s")");
    CHECK(socket("ListenStream=80\nTriggerLimitIntervalSec=0\n").value("rate").empty());
    CHECK(socket("ListenStream=80\nMaxConnections=5\n").value("max_connections").empty());
}

TEST_CASE("systemd: who may come in, in superd's order of rules", "[import][systemd]") {
    struct Row {
        const char *lines, *allow, *deny;
    };

    const Row rows[] = {{"IPAddressAllow=10.0.0.0/8", "", ""},
            {"IPAddressDeny=any", "", R"("all")"},
            {"IPAddressAllow=10.0.0.1/8 localhost\nIPAddressDeny=any",
                    R"(["10.0.0.0/8", "127.0.0.0/8", "::1"])", ""},
            {"IPAddressDeny=192.0.2.0/24", "", R"("192.0.2.0/24")"},
            {"IPAddressAllow=192.0.2.7\nIPAddressDeny=192.0.2.0/24", R"(["192.0.2.7", "all"])",
                    R"("192.0.2.0/24")"},
            {"IPAddressAllow=192.0.2.0/24\nIPAddressDeny=192.0.2.7", "", ""},
            {"IPAddressDeny=any\nIPAddressDeny=\nIPAddressDeny=multicast", "",
                    R"(["224.0.0.0/4", "ff00::/8"])"}};
    for (const Row& row : rows) {
        CAPTURE(row.lines);
        const Pair pair("ListenStream=80\nAccept=yes\n" + std::string(row.lines) + "\n",
                "ExecStart=/bin/x\n");
        CHECK(pair.value("allow") == row.allow);
        CHECK(pair.value("deny") == row.deny);
    }
    CHECK_FALSE(socket("ListenStream=80\nIPAddressDeny=nobody.example\n").enabled());
}

TEST_CASE("systemd: command lines", "[import][systemd]") {
    struct Row {
        const char *line, *exec;
    };

    const Row rows[] = {
            {"/bin/x -a 'b c' \"d e\" f\\x20g", R"(["/bin/x", "-a", "b c", "d e", "f g"])"},
            {"-/bin/x", R"(["/bin/x"])"}, {"x", R"(["/usr/local/sbin/x"])"},
            {"/bin/x %n %p %N %t %S %% %h",
                    R"(["/bin/x", "x.service", "x", "x", "/run", "/var/lib", "%", "/root"])"},
            {"/bin/x $A ${A}b $$A $NONE", R"(["/bin/x", "1", "2", "1 2b", "$A"])"},
            {":/bin/x $A ${A}", R"(["/bin/x", "$A", "${A}"])"},
            {"/bin/x \\\n  -a \\\n# comment\n  -b", R"(["/bin/x", "-a", "-b"])"},
            {"/bin/x a\\;b \\;", R"(["/bin/x", "a\\;b", ";"])"}};
    for (const Row& row : rows) {
        CAPTURE(row.line);
        const Pair pair =
                service("Environment=\"A=1 2\"\nExecStart=" + std::string(row.line) + "\n");
        CHECK(pair.value("exec") == row.exec);
        CHECK(pair.enabled());
    }
    CHECK(service("ExecStart=@/bin/x y -z\n").value("argv0") == R"("y")");
    CHECK(service("ExecStart=+/bin/x\nUser=git\n").value("user") == R"("root")");
    CHECK(service("ExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n").value("exec") ==
            R"(["/bin/b"])");
    for (const char* wrong : {"ExecStart=/bin/x 'a", "ExecStart=/bin/a ; /bin/b",
                 "ExecStart=/bin/a\nExecStart=/bin/b", "ExecStart=|/bin/a", "ExecStart=-",
                 "ExecStart=@/bin/a", "ExecStart=/bin/x $REMOTE_ADDR", "ExecStart=/bin/x %Z",
                 "Type=simple"}) {
        CAPTURE(wrong);
        CHECK_FALSE(service(std::string(wrong) + "\n").enabled());
        CHECK(service(std::string(wrong) + "\n").import.has_losses());
    }
}

TEST_CASE("systemd: what a connection's instance is called is not known", "[import][systemd]") {
    const Pair pair("ListenStream=80\nAccept=yes\n", "ExecStart=/bin/x %i\n");
    CHECK_FALSE(pair.enabled());
    CHECK(has_note(pair.import, S::lost, "%i"));
}

TEST_CASE("systemd: environment, its files and what is passed", "[import][systemd]") {
    UnitHost host;
    host.files["/etc/default/x"] = "A=file\nB=\"two words\"\n";
    host.files["/etc/secret"] = "TOKEN=secret\n";
    host.closed.insert("/etc/secret");
    const Pair pair(host, "ListenStream=80\n",
            "ExecStart=/bin/x $B\nEnvironment=A=unit \"C=c d\"\n"
            "EnvironmentFile=-/etc/default/x\nEnvironmentFile=/etc/secret\n"
            "EnvironmentFile=-/etc/none\nPassEnvironment=LANG TZ\n");
    CHECK(pair.value("environment") == R"({ A = "file", B = "two words", C = "c d" })");
    CHECK(pair.value("environment_file") == R"("/etc/secret")");
    CHECK(pair.value("pass_environment") == R"(["LANG", "TZ"])");
    CHECK(pair.value("exec") == R"(["/bin/x", "two", "words"])");
    CHECK(has_note(pair.import, S::warning, "later changes"));
    CHECK(pair.enabled());
    CHECK_FALSE(service("ExecStart=/bin/x\nEnvironmentFile=/etc/none\n").enabled());
    CHECK_FALSE(Pair(
            host, "ListenStream=80\n", "ExecStart=/bin/x $TOKEN\nEnvironmentFile=/etc/secret\n")
                        .enabled());
    CHECK(service("ExecStart=/bin/x\nEnvironment=A=1\nEnvironment=\n")
                    .value("environment")
                    .empty());
}

TEST_CASE("systemd: identity", "[import][systemd]") {
    const Pair pair =
            service("ExecStart=/bin/x\nUser=git\nGroup=staff\n"
                    "SupplementaryGroups=root staff\n");
    CHECK(pair.value("user") == R"("git")");
    CHECK(pair.value("group") == R"("staff")");
    CHECK(pair.value("groups") == R"({ add = ["root", "staff"] })");
    CHECK_FALSE(service("ExecStart=/bin/x\nUser=ghost\n").enabled());
    CHECK_FALSE(service("ExecStart=/bin/x\nGroup=ghost\n").enabled());
    const Pair dynamic = service("ExecStart=/bin/x\nDynamicUser=yes\nUser=made-up\n");
    CHECK(dynamic.enabled());
    CHECK(dynamic.value("dynamic_user") == "true");
    CHECK(dynamic.value("user").empty());
    // The account that is there counts, as it does for systemd.
    const Pair named = service("ExecStart=/bin/x\nDynamicUser=yes\nUser=git\n");
    CHECK(named.value("user") == R"("git")");
    CHECK(named.value("dynamic_user").empty());
    CHECK_FALSE(service("ExecStart=+/bin/x\nDynamicUser=yes\n").enabled());
    CHECK(service("ExecStart=/bin/x\nDynamicUser=no\n").enabled());
    CHECK(service("ExecStart=/bin/x\nPrivatePIDs=yes\n").value("private_pids") == "true");
}

TEST_CASE("systemd: limits, priorities and directories", "[import][systemd]") {
    const Pair pair = service(
            "ExecStart=/bin/x\nLimitNOFILE=256:1024\nLimitCORE=infinity\nLimitCPU=5min\n"
            "LimitAS=1G\nLimitNPROC=50\nUMask=0077\nNice=-5\nOOMScoreAdjust=-100\n"
            "CPUAffinity=0-3 5\nIOSchedulingClass=idle\nWorkingDirectory=/srv\n"
            "RootDirectory=/jail\nStateDirectory=a b\nCacheDirectory=c\nLogsDirectory=l\n"
            "TimeoutStopSec=1min 30s\nLoadCredential=db:/etc/db\nStandardOutput=null\n"
            "StandardError=append:/var/log/x\n");
    CHECK(pair.value("rlimits") ==
            R"({ nofile = "256:1024", core = "unlimited", cpu = "5m", as = "1G", nproc = 50 })");
    CHECK(service("ExecStart=/bin/x\nLimitNOSUCH=3\n").value("rlimits").empty());
    CHECK(pair.value("umask") == R"("0077")");
    CHECK(pair.value("nice") == "-5");
    CHECK(pair.value("oom_score_adjust") == "-100");
    CHECK(pair.value("cpu_affinity") == R"(["0-3", "5"])");
    CHECK(pair.value("ionice") == R"("idle")");
    CHECK(pair.value("directory") == R"("/srv")");
    CHECK(pair.value("root") == R"("/jail")");
    CHECK(pair.value("state_directory") == R"(["a", "b"])");
    CHECK(pair.value("cache_directory") == R"("c")");
    CHECK(pair.value("logs_directory") == R"("l")");
    CHECK(pair.value("stop_timeout") == R"("1m30s")");
    CHECK(pair.value("credentials") == R"({ db = "/etc/db" })");
    CHECK(pair.value("stdout") == R"("null")");
    CHECK(pair.value("stderr") == R"("file:/var/log/x")");
    CHECK(pair.enabled());
    CHECK(service("ExecStart=/bin/x\nTimeoutStopSec=infinity\n").value("stop_timeout") ==
            R"("1d")");
}

TEST_CASE("systemd: lost protection is said loudly, what was off is not", "[import][systemd]") {
    for (const char* line : {"PrivateUsers=yes", "ProtectClock=yes", "ProtectSystem=half",
                 "RestrictAddressFamilies=~AF_UNIX"}) {
        CAPTURE(line);
        const Pair pair = service("ExecStart=/bin/x\n" + std::string(line) + "\n");
        CHECK(has_note(pair.import, S::lost, "PROTECTION LOST"));
        CHECK(pair.only().comments.back().find(line) != std::string::npos);
        CHECK(pair.enabled());
    }
    CHECK_FALSE(service("ExecStart=/bin/x\nPrivateTmp=no\n").import.has_losses());
}

TEST_CASE("systemd: what confines a service is said in superd's words", "[import][systemd]") {
    struct Row {
        const char *lines, *key, *value;
    };

    const Row rows[] = {{"NoNewPrivileges=yes", "no_new_privs", "true"},
            {"PrivateTmp=true", "private_tmp", "true"},
            {"ProtectKernelTunables=yes\nProtectControlGroups=yes", "protect_kernel", "true"},
            {"ProtectSystem=yes", "protect_system", R"("yes")"},
            {"ProtectSystem=strict", "protect_system", R"("strict")"},
            {"ProtectHome=tmpfs", "protect_home", R"("tmpfs")"},
            {"ReadWritePaths=/ -/nowhere\nReadWritePaths=+/srv", "read_write_paths",
                    R"(["/", "/srv"])"},
            {"CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN", "capabilities",
                    R"(["net_bind_service", "chown"])"},
            {"CapabilityBoundingSet=~CAP_SYS_ADMIN", "capabilities",
                    R"({ remove = ["sys_admin"] })"},
            {"SystemCallFilter=@system-service\nSystemCallFilter=~@privileged nonesuch",
                    "deny_system_calls", R"("@privileged")"},
            {"SystemCallFilter=@system-service", "allow_system_calls", R"("@system-service")"},
            {"RestrictAddressFamilies=AF_UNIX AF_INET", "address_families",
                    R"(["unix", "inet"])"},
            {"RestrictAddressFamilies=none", "address_families", "[]"}};
    for (const Row& row : rows) {
        CAPTURE(row.lines);
        const Pair pair = service("ExecStart=/bin/x\n" + std::string(row.lines) + "\n");
        CHECK(pair.value(row.key) == row.value);
        CHECK_FALSE(has_note(pair.import, S::lost, "PROTECTION LOST"));
        CHECK(pair.enabled());
    }
}

TEST_CASE("systemd: what is done around a worker is said in superd's words",
        "[import][systemd]") {
    const Pair pair = service(
            "ExecStart=/bin/x\nType=notify\nTimeoutStartSec=90\nWatchdogSec=30\n"
            "RuntimeMaxSec=infinity\nMemoryMax=1G\nTasksMax=10\nCPUQuota=50%\nIOWeight=20\n"
            "FileDescriptorStoreMax=4\nNotifyAccess=exec\nExecStartPre=/bin/a 'b c'\n"
            "ExecStartPre=-/bin/d\nExecStop=/bin/s $MAINPID\n"
            "ExecReload=/bin/kill -HUP $MAINPID\nExecReload=/bin/r\n");
    const char* const values[][2] = {{"ready", R"("notify")"}, {"start_timeout", R"("1m30s")"},
            {"watchdog", R"("30s")"}, {"run_timeout", R"("unlimited")"},
            {"memory_max", R"("1G")"}, {"tasks_max", "10"}, {"cpu_max", R"("50%")"},
            {"io_weight", "20"}, {"fd_store", "4"}, {"notify_access", R"("main")"},
            {"exec_pre", R"([["/bin/a", "b c"], ["/bin/d"]])"}, {"reload", R"("HUP")"}};
    for (const auto& [key, value] : values) {
        CAPTURE(key);
        CHECK(pair.value(key) == value);
    }
    CHECK(has_note(pair.import, S::lost, "superd puts no variables in"));
    CHECK(has_note(pair.import, S::lost, "a reload is one command or signal"));
    CHECK(has_note(pair.import, S::warning, "'-': where it fails"));
    CHECK(pair.enabled());
}

TEST_CASE("systemd: when a service is started again is said in superd's words",
        "[import][systemd]") {
    const auto restart = [](const std::string& lines) {
        return service("ExecStart=/bin/x\n" + lines);
    };
    for (const char* word : {"always", "on-failure", "on-abnormal", "on-success"}) {
        const Pair pair = restart(std::string("Restart=") + word + "\n");
        CHECK(pair.value("restart") == '"' + std::string(word) + '"');
        CHECK(has_note(pair.import, S::info, word));
    }
    CHECK(restart("Restart=on-abort\n").value("restart") == R"("on-abnormal")");
    CHECK(restart("Restart=no\n").value("restart").empty());
    CHECK(has_note(restart("Restart=on-watchdog\n").import, S::warning, "no such choice"));
    CHECK(has_note(restart("Restart=maybe\n").import, S::lost, "not a value"));

    const Pair constant = restart("Restart=always\nRestartSec=5\n");
    CHECK(constant.value("restart_delay") == R"("5s")");
    CHECK(constant.value("restart_delay_max") == R"("5s")");
    CHECK(has_note(constant.import, S::warning, "from one start to the next"));
    const Pair growing =
            restart("Restart=always\nRestartSec=1\nRestartSteps=4\nRestartMaxDelaySec=1min\n");
    CHECK(growing.value("restart_delay") == R"("1s")");
    CHECK(growing.value("restart_delay_max") == R"("1m")");
    CHECK(has_note(growing.import, S::warning, "superd doubles the pause"));
    const Pair half = restart("Restart=always\nRestartMaxDelaySec=1min\n");
    CHECK(half.value("restart_delay_max").empty());
    CHECK(has_note(half.import, S::info, "without RestartSteps="));
    CHECK(has_note(
            restart("Restart=always\nRestartSec=2d\n").import, S::lost, "a day at most"));
    // Where nothing but a client starts it again a pause means nothing.
    CHECK(restart("RestartSec=5\n").value("restart_delay").empty());
    CHECK(has_note(restart("RestartSec=5\n").import, S::info, "the next client starts it"));
}

TEST_CASE("systemd: a start limit and clean exits are said in superd's words",
        "[import][systemd]") {
    const auto limit = [](const std::string& lines) {
        return service("ExecStart=/bin/x\n[Unit]\n" + lines);
    };
    CHECK(limit("StartLimitBurst=3\n").value("restart_limit") == R"("3/10s")");
    CHECK(limit("StartLimitIntervalSec=1min\n").value("restart_limit") == R"("5/min")");
    const Pair both = limit("StartLimitInterval=1h\nStartLimitBurst=20\n");
    CHECK(both.value("restart_limit") == R"("20/h")");
    CHECK(has_note(both.import, S::warning, "the listener stays"));
    CHECK(has_note(both.import, S::info, "goes into restart_limit"));
    for (const char* none : {"StartLimitBurst=0\n", "StartLimitIntervalSec=0\n"}) {
        CHECK(limit(none).value("restart_limit").empty());
        CHECK(has_note(limit(none).import, S::info, "no limit"));
    }
    CHECK(has_note(limit("StartLimitBurst=x\n").import, S::lost, "not a limit"));

    const auto clean = [](const std::string& lines) {
        return service("ExecStart=/bin/x\n" + lines);
    };
    CHECK(clean("SuccessExitStatus=143 SIGKILL TEMPFAIL\nSuccessExitStatus=USR1 3\n")
                    .value("clean_exit") == R"({ add = [143, "KILL", 75, "USR1", 3] })");
    CHECK(has_note(clean("SuccessExitStatus=256\n").import, S::lost, "no exit status"));
    CHECK(has_note(clean("SuccessExitStatus=NONSENSE\n").import, S::lost, "no exit status"));
}

TEST_CASE("systemd: every other directive is named", "[import][systemd]") {
    struct Row {
        const char* line;
        S severity;
        bool enabled;
    };

    const Row rows[] = {{"Restart=always", S::info, true}, {"WatchdogSec=never", S::lost, true},
            {"Type=dbus", S::warning, true}, {"Type=forking", S::lost, false},
            {"MemoryMax=50%", S::lost, true}, {"ExecStartPre=+/bin/true", S::lost, true},
            {"KillMode=process", S::warning, true}, {"PAMName=login", S::lost, false},
            {"RootImage=/x.img", S::lost, false}, {"NotifyAccess=all", S::info, true},
            {"SetCredential=a:b", S::lost, false}, {"RuntimeDirectoryMode=0700", S::lost, true},
            {"NoSuchDirective=1", S::lost, true}, {"X-Mine=1", S::info, true}};
    for (const Row& row : rows) {
        CAPTURE(row.line);
        const Pair pair = service("ExecStart=/bin/x\n" + std::string(row.line) + "\n");
        CHECK(has_note(pair.import, row.severity, row.line));
        CHECK(pair.enabled() == row.enabled);
    }
}

TEST_CASE("systemd: drop-ins, templates and instances", "[import][systemd]") {
    UnitHost host;
    host.files["/etc/systemd/system/web@.socket"] =
            "# the web\n[Unit]\nDescription=Web %i\n[Socket]\nListenStream=/run/%i.sock\n";
    host.files["/usr/lib/systemd/system/web@.service"] =
            "[Service]\nExecStart=/bin/web %i %I\nUser=nobody\n";
    host.files["/etc/systemd/system/web@.service.d/10.conf"] = "[Service]\nUser=git\n";
    host.files["/usr/lib/systemd/system/web@.service.d/10.conf"] = "[Service]\nUser=root\n";
    host.files["/usr/lib/systemd/system/service.d/20.conf"] = "[Service]\nNice=3\n";
    const Import import = import_systemd({"web@a-b.socket"}, host);
    REQUIRE(import.services.size() == 1);
    const ImportService& web = import.services.front();
    CHECK(web.name == "web_a-b");
    CHECK(listen_text(web) == "unix:/run/a-b.sock");
    CHECK(value_of(web, "exec") == R"(["/bin/web", "a-b", "a/b"])");
    CHECK(value_of(web, "user") == R"("git")");
    CHECK(value_of(web, "nice") == "3");
    CHECK(value_of(web, "description") == R"("Web a-b")");
    CHECK(web.comments.front() == "the web");
    CHECK(import_systemd({"web@.socket"}, host).has_losses());
}

TEST_CASE("systemd: socket units that share a service are one service", "[import][systemd]") {
    UnitHost host;
    host.files[folder + "a.socket"] =
            "[Socket]\nListenStream=80\nService=web.service\n"
            "FileDescriptorName=http\n";
    host.files[folder + "b.socket"] =
            "[Socket]\nListenStream=443\nService=web.service\n"
            "FileDescriptorName=https\n";
    host.files[folder + "web.service"] = "[Service]\nExecStart=/bin/web\n";
    const Import import = import_systemd({folder + "a.socket", folder + "b.socket"}, host);
    REQUIRE(import.services.size() == 1);
    CHECK(import.services[0].name == "web");
    CHECK(listen_text(import.services[0]) == R"(tcp:80{name="http"} tcp:443{name="https"})");
}

TEST_CASE("systemd: units that are not there or not readable", "[import][systemd]") {
    UnitHost host;
    CHECK(error_lines(import_systemd({"/none.socket"}, host)) == "0");
    CHECK(error_lines(import_systemd({"/x.timer"}, host)) == "0");
    host.files["/u/m.socket"] = "\n";
    CHECK(has_note(import_systemd({"/u/m.socket"}, host), S::lost, "masked"));
    host.files["/u/x.socket"] = "stray=1\n[Socket]\nListenStream=80\nrubbish\n";
    const Import import = import_systemd({"/u/x.socket"}, host);
    CHECK(error_lines(import) == "1 4 0");
    REQUIRE(import.services.size() == 1);
    CHECK_FALSE(import.services[0].disabled.empty());
}

TEST_CASE("systemd: no unit makes an import larger than it is", "[import][systemd]") {
    const std::string value(4000, 'v');
    std::string words;
    for (int i = 0; i < 1000; ++i)
        words += " $A";
    const Pair blown = service("Environment=A=" + value + "\nExecStart=/bin/x" + words + "\n");
    CHECK_FALSE(blown.enabled());
    CHECK(has_note(blown.import, S::lost, "too long"));
    CHECK(has_note(
            service("ExecStart=/bin/x\nEnvironment=A=" + std::string(20000, 'v') + "\n").import,
            S::lost, "longer than superd reads"));
    std::string many = "ExecStart=/bin/x\n";
    for (int i = 0; i < 1500; ++i)
        many += "Key" + std::to_string(i) + "=1\n";
    const Import import = service(many).import;
    CHECK(has_note(import, S::lost, "Key10=1"));
    CHECK(has_note(import, S::lost, "longer than superd reads"));
}

TEST_CASE("systemd: time spans, sizes and words", "[import][systemd]") {
    using namespace std::chrono_literals;
    CHECK(parse_unit_time("90") == 90s);
    CHECK(parse_unit_time("1min 30s") == 90s);
    CHECK(parse_unit_time("1h30min") == 90min);
    CHECK(parse_unit_time("2.5s") == 2500ms);
    CHECK(parse_unit_time("100ms") == 100ms);
    for (const char* wrong : {"", "infinity", "5x", "s", "-1", "99999999999"})
        CHECK_FALSE(parse_unit_time(wrong));
    CHECK(parse_unit_size("8M") == 8u << 20);
    CHECK(parse_unit_size("1.5K") == 1536u);
    for (const char* wrong : {"", "M", "1X", "infinity", "99999999P"})
        CHECK_FALSE(parse_unit_size(wrong));
    CHECK(split_unit_words(R"(a"b c"d \x41\u00e9\101 \q)").value() ==
            std::vector<std::string>{"ab cd",
                    "A\xc3\xa9"
                    "A",
                    "\\q"});
    CHECK_FALSE(split_unit_words("'a"));
}
