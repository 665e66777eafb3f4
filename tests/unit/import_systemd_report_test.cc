// SPDX-License-Identifier: MIT
// What the report of an import from systemd says of each line that superd cannot say, and
// whether the service comes in enabled.
#include "support/catch.h"
#include "support/import_host.h"
#include "support/import_text.h"

namespace superd::test {

namespace {

using S = ImportSeverity;

Import read(const std::map<std::string, std::string>& files,
        const std::vector<std::string>& units = {"/u/x.socket"}) {
    FakeImportHost host;
    host.files = files;
    return import_systemd(units, host);
}

constexpr const char* plain_service = "[Service]\nExecStart=/usr/sbin/x\n";

// A line of a unit, its note and why the service comes in disabled (empty: it does not).
struct Line {
    const char* text;
    S severity;
    const char* says;
    const char* reason = "";
};

std::string key_and(const Line& line) {
    return *line.reason == '\0' ? "" : std::string(line.text) + ": " + line.reason;
}

// The line stands in line 3 of [Socket].
void check_socket(const std::vector<Line>& lines, bool accept) {
    for (const Line& line : lines) {
        const Import import =
                read({{"/u/x.socket", std::string("[Socket]\nListenStream=80\n") + line.text +
                                              "\n" + (accept ? "Accept=yes\n" : "")},
                        {accept ? "/u/x@.service" : "/u/x.service", plain_service}});
        INFO(line.text << "\n" << notes_of(import));
        REQUIRE(import.services.size() == 1);
        CHECK(has_note_at(import, 3, line.severity, line.says));
        CHECK(reasons_of(import.services[0]) == key_and(line));
    }
}

// The line stands in line 3 of [Service], below ExecStart=.
Import with_service_line(const std::string& text, bool accept) {
    return read({{"/u/x.socket", std::string("[Socket]\nListenStream=80\n") +
                                         (accept ? "Accept=yes\n" : "")},
            {accept ? "/u/x@.service" : "/u/x.service", plain_service + text + "\n"}});
}

void check_service(const std::vector<Line>& lines, bool accept = true) {
    for (const Line& line : lines) {
        const Import import = with_service_line(line.text, accept);
        INFO(line.text << "\n" << notes_of(import));
        REQUIRE(import.services.size() == 1);
        CHECK(has_note_at(import, 3, line.severity, line.says));
        CHECK(reasons_of(import.services[0]) == key_and(line));
    }
}

// What is said of ExecStart=TEXT, and what it becomes.
struct Command {
    const char* text;
    const char* says;
    const char* exec;
    bool enabled;
};

}  // namespace

TEST_CASE("systemd report: lines of a socket that superd cannot say") {
    check_socket(
            {
                    {"ListenSpecial=/dev/x", S::lost, "superd has no listener of that kind",
                            "superd has no listener of that kind"},
                    {"ListenNetlink=audit 1", S::info, "listen = \"netlink:audit:1\""},
                    {"ListenMessageQueue=/q", S::info, "listen = \"mqueue:/q\""},
                    {"ListenMessageQueue=q", S::lost, "superd has no listener of that kind",
                            "superd has no listener of that kind"},
                    {"MessageQueueMaxMessages=3", S::info, "means nothing for these listeners"},
                    {"ListenNetlink=audit 1 2", S::lost, "superd has no listener of that kind",
                            "superd has no listener of that kind"},
                    {"ListenUSBFunction=/x", S::lost, "superd has no listener of that kind",
                            "superd has no listener of that kind"},
                    {"ListenStream=%t/x", S::info, "listen = \"unix:/run/x\""},
                    {"ListenStream=%Z", S::lost, "what %Z stands for is not known here",
                            "what %Z stands for is not known here\nListenStream=%Z: superd has "
                            "no "
                            "listener of that kind"},
                    {"SocketUser=nobody2", S::lost, "there is no such user here",
                            "there is no such user here"},
                    {"SocketGroup=nogroup2", S::lost, "there is no such group here",
                            "there is no such group here"},
                    {"SocketProtocol=sctp", S::lost, "superd does not speak this protocol",
                            "superd does not speak this protocol"},
                    {"IPAddressDeny=nonsense", S::lost, "\"nonsense\" is not an address",
                            "\"nonsense\" is not an address"},
                    {"Backlog=lots", S::lost, "is not a value that systemd takes"},
                    {"Backlog=4294967295", S::info, "superd's 4096 is what the kernel allows"},
                    {"BindIPv6Only=perhaps", S::lost, "is not a value that systemd takes"},
                    {"BindIPv6Only=both", S::info, "so it is without the line"},
                    {"BindIPv6Only=ipv6-only", S::info, "\"tcp6:PORT\" in listen"},
                    {"SocketMode=999", S::lost, "is not a value that systemd takes"},
                    {"KeepAliveTimeSec=never", S::lost, "is not a value that systemd takes"},
                    {"ReceiveBuffer=lots", S::lost, "is not a value that systemd takes"},
                    {"PassCredentials=maybe", S::lost, "is not a value that systemd takes"},
                    {"TriggerLimitBurst=no", S::lost, "is not a value that systemd takes"},
                    {"TriggerLimitBurst=0", S::info, "no limit"},
                    {"TriggerLimitBurst=5", S::warning, "superd stops accepting for a while"},
                    {"PipeSize=5", S::lost, "superd has nothing for this"},
                    {"Symlinks=/a /b", S::lost, "superd has nothing for this"},
                    {"Unknown=7", S::lost, "superd has nothing for this"},
                    {"ExecStartPre=/bin/x", S::lost,
                            "superd runs nothing when it opens sockets"},
                    {"TimeoutSec=5", S::info, "superd runs nothing when it opens sockets"},
                    {"RemoveOnStop=yes", S::info, "means nothing for these listeners"},
                    {"MaxConnections=5", S::info, "means nothing without Accept=yes"},
                    {"MaxConnectionsPerSource=5", S::info, "means nothing without Accept=yes"},
            },
            false);
}

TEST_CASE("systemd report: bounds of a socket that accepts") {
    check_socket(
            {
                    {"MaxConnections=0", S::lost, "systemd lets nobody in",
                            "systemd lets nobody in"},
                    {"MaxConnections=many", S::lost,
                            "is not a number of connections; systemd takes 64"},
                    {"MaxConnectionsPerSource=x", S::lost, "systemd takes no bound"},
                    {"MaxConnectionsPerSource=4", S::warning,
                            "superd counts an IPv6 /64 as one source"},
                    {"FileDescriptorName=foo", S::info,
                            "a connection has the name \"connection\""},
                    {"Service=other.service", S::lost, "does not go with Accept=yes"},
            },
            true);
    const auto bounds = [](const std::string& line) {
        const Import import =
                read({{"/u/x.socket", "[Socket]\nListenStream=80\nAccept=yes\n" + line + "\n"},
                        {"/u/x@.service", plain_service}});
        const ImportService& service = import.services.at(0);
        return value_of(service, "max_connections") + " " + value_of(service, "on_limit") +
               " " + value_of(service, "max_per_source");
    };
    CHECK(bounds("") == R"(64 "refuse" "unlimited")");
    CHECK(bounds("MaxConnections=many") == R"(64 "refuse" "unlimited")");
    CHECK(bounds("MaxConnections=7") == R"(7 "refuse" "unlimited")");
    CHECK(bounds("MaxConnectionsPerSource=0") == R"(64 "refuse" "unlimited")");
    CHECK(bounds("MaxConnectionsPerSource=x") == R"(64 "refuse" "unlimited")");
}

TEST_CASE("systemd report: protection that is lost is said in so many words, and only then") {
    for (const char* line : {"ProtectSystem=half", "NoNewPrivileges=perhaps",
                 "PrivateUsers=yes", "CapabilityBoundingSet=CAP_FOO",
                 "SystemCallFilter=@file-system:ENOENT", "ProtectHome=elsewhere",
                 "RestrictAddressFamilies=~AF_INET", "ProtectClock=1", "ReadOnlyPaths=etc",
                 "AmbientCapabilities=~CAP_CHOWN", "RestrictNamespaces=net"}) {
        const Import import = with_service_line(line, true);
        INFO(line << "\n" << notes_of(import));
        CHECK(has_note_at(import, 3, S::lost, "PROTECTION LOST"));
        CHECK(reasons_of(import.services.at(0)).empty());  // the service stays enabled
    }
    for (const char* line : {"PrivateTmp=no", "NoNewPrivileges=false", "ProtectSystem=off",
                 "PrivateNetwork=0", "ProtectHome=no"}) {
        const Import import = with_service_line(line, true);
        INFO(line << "\n" << notes_of(import));
        CHECK(has_note_at(import, 3, S::info, "as it is here"));
        CHECK_FALSE(has_note(import, S::lost, "PROTECTION"));
    }
}

TEST_CASE("systemd report: what would make another program of it leaves it disabled") {
    check_service({
            {"Type=forking", S::lost, "the option that keeps it in the foreground",
                    "superd keeps to the process it starts: give the program the option that "
                    "keeps it in the foreground"},
            {"ExecStart=/bin/other", S::lost, "a service has one program",
                    "a service has one program"},
            {"User=nobody2", S::lost, "there is no such user here",
                    "there is no such user here"},
            {"Group=nogroup2", S::lost, "there is no such group here",
                    "there is no such group here"},
            {"EnvironmentFile=/etc/missing", S::lost, "the file cannot be read",
                    "the file cannot be read"},
            {"PAMName=login", S::lost, "superd opens no PAM session",
                    "superd opens no PAM session"},
            {"TTYPath=/dev/tty1", S::lost, "superd gives no terminals",
                    "superd gives no terminals"},
            {"RootImage=/x.img", S::lost, "superd mounts no images", "superd mounts no images"},
            {"SetCredential=x:y", S::lost, "write the credential to a file and name it here",
                    "write the credential to a file and name it here"},
            {"LoadCredentialEncrypted=a:/b", S::lost, "superd decrypts no credentials",
                    "superd decrypts no credentials"},
            {"Environment=%Z=1", S::lost, "stands for is not known here",
                    "what %Z stands for is not known here, or is another thing for each "
                    "connection"},
            {"LoadCredential=x", S::lost, "a credential is NAME:/PATH of one file",
                    "a credential is NAME:/PATH of one file"},
    });
}

TEST_CASE("systemd report: what superd does otherwise is a warning, what it need not do told") {
    check_service({
            {"Restart=always", S::info, "a handler lives as long as its connection"},
            {"StartLimitBurst=3", S::info, "a handler lives as long as its connection"},
            {"KillSignal=SIGINT", S::warning,
                    "superd ends a process with TERM, then with KILL"},
            {"KillMode=mixed", S::warning,
                    "superd ends a handler's process alone, and all of a worker"},
            {"PIDFile=/run/x", S::warning, "superd knows the process that it started"},
            {"BusName=org.x", S::warning, "superd waits for no name on a bus"},
            {"SyslogIdentifier=foo", S::warning, "lines carry the name of the service"},
            {"IgnoreSIGPIPE=no", S::warning, "superd resets SIGPIPE"},
            {"Sockets=other.socket", S::warning, "import these units together with this one"},
            {"TimeoutStopSec=infinity", S::warning, "a day is the longest that superd waits"},
            {"Type=notify", S::warning, "it counts as running when it is started"},
            {"Type=dbus", S::warning, "it counts as running when it is started"},
            {"StandardOutput=file:/x", S::warning, "superd appends to the file"},
            {"SuccessExitStatus=3", S::info, "a handler lives as long as its connection"},
            {"EnvironmentFile=-/etc/optional", S::info, "the line is left out"},
    });
}

TEST_CASE("systemd report: what has no place in superd is lost, and the service stays") {
    check_service({
            {"RuntimeMaxSec=5", S::lost, "this is of daemons and workers alone"},
            {"WatchdogSec=4", S::lost, "this is of daemons and workers alone"},
            {"FileDescriptorStoreMax=3", S::lost, "this is of daemons and workers alone"},
            {"Slice=x.slice", S::lost, "superd's control groups have no such bound"},
            {"MemoryMax=1G", S::lost, "this is of daemons and workers alone"},
            {"ExecStop=/bin/c", S::lost, "this is of daemons and workers alone"},
            {"ExecReload=/bin/c", S::lost, "this is of daemons and workers alone"},
            {"OpenFile=/x", S::lost, "superd opens no files for services"},
            {"ConfigurationDirectory=foo", S::lost, "make the directory below /etc yourself"},
            {"UnsetEnvironment=C", S::lost, "superd sets what environment(7) lists"},
            {"LimitNOFILE=lots", S::lost, "superd has no such limit"},
            {"LimitFOO=1", S::lost, "superd has no such limit"},
            {"UMask=999", S::lost, "is not a value that systemd takes"},
            {"CPUAffinity=0 numa", S::lost, "superd takes numbers of processors only"},
            {"WorkingDirectory=~", S::lost, "write the user's home as directory"},
            {"RuntimeDirectory=a:b", S::lost, "superd makes no links to directories"},
            {"RuntimeDirectoryMode=0700", S::lost, "superd makes it 0755: others can read"},
            {"StandardError=journal+console", S::lost, "goes to superd's log"},
            {"StandardInput=tty", S::lost, "superd gives a program its socket or nothing"},
            {"Environment=BROKEN", S::lost, "\"BROKEN\" is not NAME=value"},
    });
}

TEST_CASE("systemd report: command lines that systemd would read otherwise") {
    const Command commands[] = {
            {"-/bin/a", "superd logs how a program ended and goes on", R"(["/bin/a"])", true},
            {"!/bin/a", "the program starts as root, not as User=", R"(["/bin/a"])", true},
            {"|/bin/a", "superd starts programs, not lines for a shell", R"(["/bin/a"])",
                    false},
            {"@/bin/a", "'@' needs a name for the program", "", false},
            {"/bin/a ; /bin/b", "a service has one program", "", false},
            {"/bin/a \"b", "a quote is not closed", "", false},
            {"/bin/a %n", "what %n stands for is not known here, or is another thing",
                    R"(["/bin/a", "%n"])", false},
            {"/bin/a $NOSUCH b", "$NOSUCH is not set and left out", R"(["/bin/a", "b"])", true},
            {"/bin/a b${X}c", "$X is put in as it is now", R"(["/bin/a", "b1 2c"])", true},
            {"/bin/a $X", "$X is put in as it is now", R"(["/bin/a", "1", "2"])", true},
            {"/bin/a $$X %%", "", R"(["/bin/a", "$X", "%"])", true},
    };
    for (const Command& command : commands) {
        const Import import = read({{"/u/x.socket", "[Socket]\nListenStream=80\nAccept=yes\n"},
                {"/u/x@.service",
                        std::string(
                                "[Service]\nUser=nobody\nEnvironment=\"X=1 2\"\nExecStart=") +
                                command.text + "\n"}});
        INFO(command.text << "\n" << notes_of(import));
        REQUIRE(import.services.size() == 1);
        CHECK((notes_of(import).find(command.says) != std::string::npos));
        CHECK(value_of(import.services[0], "exec") == command.exec);
        CHECK(reasons_of(import.services[0]).empty() == command.enabled);
    }
}

TEST_CASE("systemd report: units that are none, or that say nothing to run") {
    const Import import =
            read({{"/u/d.socket", "[Socket]\nListenStream=1\n"},
                         {"/u/d.service", "[Service]\nExecStart=\n"},
                         {"/u/g.service", "[Service]\nExecStart=/x\n"},
                         {"/u/h@.socket", "[Socket]\nListenStream=4\n"},
                         {"/u/i.socket", "[Socket]\nListenStream=5\n"}, {"/u/j.socket", ""},
                         {"/u/k.socket", "A=1\n[Socket]\nalso stray\nListenStream=6\n"},
                         {"/u/k.service", plain_service}},
                    {"/u/d.socket", "/u/g.service", "/u/gone.socket", "/u/h@.socket",
                            "/u/i.socket", "/u/j.socket", "/u/k.socket"});
    INFO(notes_of(import));
    CHECK(has_note(import, S::lost, "/u/g.service||is not a .socket unit"));
    CHECK(has_note(import, S::lost, "/u/gone.socket||No such file or directory"));
    CHECK(has_note(import, S::lost, "is a template: name an instance, h@INSTANCE.socket"));
    CHECK(has_note(import, S::lost, "/u/j.socket||is masked: the file is empty"));
    CHECK(has_note(import, S::lost, "A=1||stands before the first [section]"));
    CHECK(has_note(import, S::lost, "also stray||is not KEY=VALUE"));
    REQUIRE(import.services.size() == 3);
    CHECK(reasons_of(import.services[0]) == "the unit has no ExecStart=");
    CHECK(reasons_of(import.services[1]) == "there is no i.service");
    CHECK(reasons_of(import.services[2]).empty());
    CHECK(has_note(import, S::warning, "LISTEN_FDNAMES has d instead of d.socket"));
}

}  // namespace superd::test
