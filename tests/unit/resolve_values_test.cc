// SPDX-License-Identifier: MIT
// Wrong values: each with its line and column, what is wrong, and what to write instead.
#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

// A service's text, and all that is said of it: "LINE:COLUMN error: message [suggestion]".
struct Case {
    const char* body;
    const char* said;
};

// A text without a header is that of a service whose first line is line 2.
void check_cases(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
        const std::string body = one.body;
        INFO(body);
        CHECK(resolve_text(body.starts_with('[') ? body : service_text(body)).text() ==
                one.said);
    }
}

}  // namespace

TEST_CASE("values: numbers and bounds say their range, their unit or what they are instead") {
    check_cases({
            {"listen = \"tcp:22\"\nkeepalive = \"yes\"",
                    "3:13 error: keepalive is true or false, not text [write true, without "
                    "quotes]\n"},
            {"listen = \"tcp:22\"\nkeepalive = \"off\"",
                    "3:13 error: keepalive is true or false, not text [write false, without "
                    "quotes]\n"},
            {"listen = \"tcp:22\"\nkeepalive = 1",
                    "3:13 error: keepalive is true or false, not an integer\n"},
            {"listen = \"tcp:22\"\nno_delay = []",
                    "3:12 error: no_delay is true or false, not a list\n"},
            {"listen = \"tcp:22\"\nmax_load = 0",
                    "3:12 error: max_load is out of range [write a number above 0]\n"},
            {"listen = \"tcp:22\"\nmax_load = inf",
                    "3:12 error: max_load is out of range [write a number above 0]\n"},
            {"listen = \"tcp:22\"\nmax_load = nan",
                    "3:12 error: max_load is out of range [write a number above 0]\n"},
            {"listen = \"tcp:22\"\nmax_load = \"3\"",
                    "3:12 error: max_load is a number, not a string [write 3, without "
                    "quotes]\n"},
            {"listen = \"tcp:22\"\nmax_connections = \"many\"",
                    "3:19 error: \"many\" is not a bound [write a number or \"unlimited\"]\n"},
            {"listen = \"tcp:22\"\nmax_connections = 20.5",
                    "3:19 error: max_connections is a number, not a number with a fraction\n"},
            {"stop_timeout = -5", "2:16 error: stop_timeout is negative\n"},
            {"stop_timeout = \"-5s\"",
                    "2:16 error: \"-5s\" is not a duration [write a number and a unit, such as "
                    "\"250ms\" or \"1h30m\"]\n"},
            {"stop_timeout = \"5\"", "2:16 error: \"5\" has no unit [write \"5s\"]\n"},
            {"stop_timeout = true",
                    "2:16 error: stop_timeout is text, not true or false [it takes a duration "
                    "like "
                    "\"250ms\" or \"1h30m\", \"0s\" to \"1d\"]\n"},
            {"listen = \"tcp:22\"\nsend_buffer = -1", "3:15 error: send_buffer is negative\n"},
            {"listen = \"tcp:22\"\nsend_buffer = 0",
                    "3:15 error: send_buffer is out of range [from 1 to 2147483647]\n"},
            {"listen = \"tcp:22\"\nsend_buffer = \"3G\"",
                    "3:15 error: send_buffer is out of range [from 1 to 2147483647]\n"},
            {"listen = \"tcp:22\"\nsend_buffer = true",
                    "3:15 error: send_buffer is text, not true or false [it takes a size like "
                    "\"512K\", \"1\" to \"2147483647\"]\n"},
            {"listen = \"tcp:22\"\nsend_buffer = \"9999999999G\"",
                    "3:15 error: send_buffer is out of range [from 1 to 2147483647]\n"},
            {"umask = true",
                    "2:9 error: umask is text, not true or false [it takes permissions like "
                    "\"0660\"]\n"},
            {"listen = \"tcp:22\"\nrate = 0",
                    "3:8 error: rate = 0 would let nobody in [write \"unlimited\" for no "
                    "bound]\n"},
            {"listen = \"tcp:22\"\nrate = -1", "3:8 error: rate is negative\n"},
            {"listen = \"tcp:22\"\nrate = { limit = \"5/s\", bust = 1 }",
                    "3:25 error: unknown key \"bust\" in rate [did you mean \"burst\"?]\n"},
            {"listen = \"tcp:22\"\nrate = []",
                    "3:8 error: rate is text, not a list [it takes a rate like \"50/s\", { "
                    "limit, burst, pause } or \"unlimited\"]\n"},
            {"cpu_affinity = [1.5]",
                    "2:17 error: cpu_affinity is text, not a number with a fraction [it takes "
                    "a list of numbers and ranges]\n"},
            {"ionice = \"realtime:-1\"",
                    "2:10 error: \"realtime:-1\" is not a disk priority [write \"idle\", "
                    "\"best-effort:0\" to \"best-effort:7\" or \"realtime:0\" to "
                    "\"realtime:7\"]\n"},
            {"listen = \"udp:1\"\ncpu_max = \"1.5\"",
                    "3:11 error: \"1.5\" is not a share of processors [write \"50%\", or "
                    "\"200%\" for two of them]\n"},
            {"listen = \"udp:1\"\ncpu_max = \"0%\"",
                    "3:11 error: \"0%\" is not a share of processors [write \"50%\", or "
                    "\"200%\" for two of them]\n"},
            {"ionice = 3", "2:10 error: ionice is text, not an integer [write \"3\"]\n"},
            {"rlimits = { nofil = 5 }",
                    "2:13 error: \"nofil\" is not a resource limit [did you mean "
                    "\"nofile\"?]\n"},
            {"rlimits = { nofile = \"a\" }",
                    "2:22 error: \"a\" is not a number [write a number, \"256:1024\" or "
                    "\"unlimited\"]\n"},
            {"rlimits = { as = \"lots\" }",
                    "2:18 error: \"lots\" is not a size; write bytes, or a number and K, M, G "
                    "or T, such as \"512M\" [write \"512M\", \"256M:512M\" or "
                    "\"unlimited\"]\n"},
            {"rlimits = { cpu = \"5\" }",
                    "2:19 error: \"5\" has no unit; write \"5s\" [write \"5m\", \"5m:10m\" or "
                    "\"unlimited\"]\n"},
            {"rlimits = { core = true }",
                    "2:20 error: rlimits.core is text, not true or false\n"},
            {"rlimits = { core = \"1K:\" }",
                    "2:20 error: \"\" is not a size; write bytes, or a number and K, M, G or "
                    "T, such as \"512M\" [write \"512M\", \"256M:512M\" or \"unlimited\"]\n"},
            {"listen = \"tcp:22\"\nmax_load = true",
                    "3:12 error: max_load is a number, not true or false\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nbuiltin = \"sensor\"\ndeny_for = \"1ms\"",
                    "4:12 error: deny_for is out of range [from 1s to 3650d]\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nbuiltin = \"sensor\"\ndeny_for = "
             "\"sometimes\"",
                    "4:12 error: \"sometimes\" is not a duration [write a number and a unit, "
                    "such as \"250ms\" or \"1h30m\"]\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nbuiltin = \"echo\"\nidle_timeout = \"40d\"",
                    "4:16 error: idle_timeout is out of range [from 10ms to 30d]\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nbuiltin = \"echo\"\nidle_timeout = \"1ms\"",
                    "4:16 error: idle_timeout is out of range [from 10ms to 30d]\n"},
    });
}

TEST_CASE("values: words, paths, names and commands") {
    check_cases({
            {"description = 5",
                    "2:15 error: description is text, not an integer [write \"5\"]\n"},
            {"description = \"a\\u0000b\"", "2:15 error: description holds a NUL\n"},
            {"start = 5",
                    "2:9 error: start is a word, not an integer [write \"demand\", \"boot\" or "
                    "\"manual\"]\n"},
            {"listen = \"tcp:22\"\non_limit = \"drop\"",
                    "3:12 error: \"drop\" is not a value of on_limit [write \"queue\" or "
                    "\"refuse\"]\n"},
            {"root = \"rel\"",
                    "2:8 error: root must be an absolute path [write \"/rel\" with all its "
                    "folders]\n"},
            {"root = \"\"", "2:8 error: root must be an absolute path\n"},
            {"root = \"/a/../b\"", "2:8 error: root may not go up with \"..\"\n"},
            {"listen = \"tcp:22\"\ntcp_wrappers = \"a b\"",
                    "3:16 error: \"a b\" is not a name for hosts.allow [write true for the "
                    "program's own name]\n"},
            {"exec = true",
                    "2:8 error: exec is text, not true or false [it takes a program and its "
                    "arguments, a list or text]\n"},
            {"runtime_directory = \"a/../b\"",
                    "2:21 error: \"a/../b\" is not a directory's name\n"},
            {"runtime_directory = \"\"", "2:21 error: \"\" is not a directory's name\n"},
            {"runtime_directory = [\"a//b\"]",
                    "2:22 error: \"a//b\" is not a directory's name\n"},
            {"pass_environment = [\"A B\", \"1A\"]",
                    "2:21 error: \"A B\" is not the name of a variable\n2:28 error: \"1A\" is "
                    "not the name of a variable\n"},
            {"environment = { \"A-B\" = \"x\" }",
                    "2:17 error: \"A-B\" is not the name of a variable\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nbuiltin = \"echoo\"",
                    "3:11 error: \"echoo\" is not a value of builtin [write \"echo\", "
                    "\"discard\", \"chargen\", \"daytime\", \"time\", \"tcpmux\", \"ident\" or "
                    "\"sensor\"]\n"},
            {"ident = \"maybe\"\nlisten = \"tcp:22\"",
                    "2:9 error: \"maybe\" is not a value of ident [write \"off\", \"log\" or "
                    "\"require\"]\n"},
            {"user = \"12345\"",
                    "2:8 error: user 12345 has no entry, so its group must be named [write "
                    "group = \"12345\"]\n"},
    });
}

TEST_CASE("values: places for output and log lines, and hours") {
    check_cases({
            {"stderr = \"/var/log/x\"",
                    "2:10 error: \"/var/log/x\" is not a value of stderr [write "
                    "\"file:/var/log/x\"]\n"},
            {"stderr = \"syslog\"",
                    "2:10 error: \"syslog\" is not a value of stderr [write \"log\", "
                    "\"pipe\", \"socket\", \"null\" or \"file:/path\"]\n"},
            {"stderr = \"file:rel\"",
                    "2:10 error: \"file:rel\" is not a value of stderr [write \"log\", "
                    "\"pipe\", \"socket\", \"null\" or \"file:/path\"]\n"},
            {"stderr = \"file:\"",
                    "2:10 error: \"file:\" is not a value of stderr [write \"log\", "
                    "\"pipe\", \"socket\", \"null\" or \"file:/path\"]\n"},
            {"log = \"x\"",
                    "2:7 error: \"x\" is not a place for the log [write \"stderr\", "
                    "\"syslog\", \"syslog:local4.info\", \"journal\", \"file:/path\" or { file "
                    "= \"/path\", rotate_size = \"10M\" }]\n"},
            {"log = { file = \"rel\" }",
                    "2:16 error: file must be an absolute path [write \"/rel\" with all its "
                    "folders]\n"},
            {"log = \"syslog:nosuch\"",
                    "2:7 error: \"syslog:nosuch\" is not a place for the log [write "
                    "\"stderr\", \"syslog\", \"syslog:local4.info\", \"journal\", "
                    "\"file:/path\" or { file = \"/path\", rotate_size = \"10M\" }]\n"},
            {"log_admitted = [\"pid\", \"attempt\"]",
                    "2:24 error: \"attempt\" is not a value of log_admitted [write some of "
                    "\"pid\" \"host\" \"user\" \"exit\" \"duration\" \"traffic\"]\n"},
            {"listen = \"tcp:22\"\nhours = \"8-18\"",
                    "3:9 error: \"8-18\" is not a time of the week [write \"08:00-18:00\" or "
                    "\"Mon..Fri 07:00-19:00\"]\n"},
            {"listen = \"tcp:22\"\nhours = \"24:00-25:00\"",
                    "3:9 error: \"24:00-25:00\" is not a time of the week [write "
                    "\"08:00-18:00\" or \"Mon..Fri 07:00-19:00\"]\n"},
            {"listen = \"tcp:22\"\nhours = \"08:60-09:00\"",
                    "3:9 error: \"08:60-09:00\" is not a time of the week [write "
                    "\"08:00-18:00\" or \"Mon..Fri 07:00-19:00\"]\n"},
            {"[service.s]\nlisten = \"udp:40000\"\nbuiltin = \"echo\"\nhours = \"08:00-09:00\"",
                    "4:1 error: hours cannot be enforced for datagrams of a builtin [leave it "
                    "out, or listen on tcp alone]\n"},
    });
}

TEST_CASE("values: who may come in") {
    check_cases({
            {"allow = \"nonsense\"\nlisten = \"tcp:22\"",
                    "2:9 error: \"nonsense\" is not an address, a block or a name [write "
                    "\"host:nonsense\" for one host, \"domain:nonsense\" for all below it]\n"},
            {"allow = \"10.0.0.0/33\"\nlisten = \"tcp:22\"",
                    "2:9 error: \"10.0.0.0/33\": after the slash stands a number from 0 to "
                    "32\n"},
            {"allow = \"uid:x\"\nlisten = \"unix:/run/x\"",
                    "2:9 error: \"x\" is not a number [write \"user:x\" for a name]\n"},
            {"allow = \"host:a b\"\nlisten = \"tcp:22\"",
                    "2:9 error: \"a b\" is not a host name\n"},
            {"allow = \"domain:\"\nlisten = \"tcp:22\"",
                    "2:9 error: \"\" is not a host name\n"},
            {"allow = 5\nlisten = \"tcp:22\"",
                    "2:9 error: allow is text, not an integer [write \"5\"]\n"},
            {"allow = \"user:git\"\nlisten = \"udp:5\"",
                    "2:9 error: \"user:git\" cannot be enforced for [service.s]: superd does "
                    "not see a worker's clients\n"},
            {"allow = \"host:x.example.org\"\nlisten = \"udp:5\"",
                    "2:9 error: \"host:x.example.org\" cannot be enforced for [service.s]: the "
                    "kernel knows a worker's clients by address only\n"},
    });
}

TEST_CASE("values: addresses of listeners, and what a relay can serve") {
    check_cases({
            {"listen = \"tcp:22\"\nhours = \"Mon..Fry 08:00-18:00\"",
                    "3:9 error: \"Mon..Fry\" is not a day [the days are Mon Tue Wed Thu Fri "
                    "Sat Sun, as in \"Mon..Fri\" or \"Sat,Sun\"]\n"},
            {"[service.s]\nlisten = [{ address = \"udp:1000\", join = \"ff02::1%\" }]\nexec = "
             "\"/bin/true\"\nuser = \"git\"",
                    "2:42 error: the interface behind '%' is missing\n"},
            {"[service.s]\nlisten = [{ address = \"udp:1000\", join = \"x\" }]\nexec = "
             "\"/bin/true\"\nuser = \"git\"",
                    "2:42 error: \"x\" is not an IP address\n"},
            {"listen = \"tcp:22\"\nrate_per_source = { limit = 0 }",
                    "3:29 error: rate_per_source = 0 would let nobody in [write \"unlimited\" "
                    "for no bound]\n"},
            {"listen = \"tcp:99999\"",
                    "2:10 error: port 99999 is out of range [ports are 1 to 65535, or 0 to "
                    "have the kernel choose]\n"},
            {"listen = \"tcp\"",
                    "2:10 error: \"tcp\" is not an address [write \"tcp:PORT\"]\n"},
            {"listen = \"ftp:22\"",
                    "2:10 error: \"ftp\" is not a kind of address [the kinds are tcp tcp4 tcp6 "
                    "udp udp4 udp6 unix unixgram seqpacket fifo vsock mqueue netlink]\n"},
            {"listen = \"tcp:[::1:22\"",
                    "2:10 error: the ']' of the IPv6 address is missing\n"},
            {"listen = \"tcp:[]:22\"",
                    "2:10 error: the address between the brackets is missing\n"},
            {"listen = \"tcp:[fe80::1%]:22\"",
                    "2:10 error: the zone behind '%' is not an interface's name\n"},
            {"listen = \"tcp:192.0.2.1%eth0:22\"", "2:10 error: an IPv4 address has no zone\n"},
            {"listen = \"tcp:[fe80::1%eth9]:22\"",
                    "2:10 warning: there is no interface \"eth9\" now; the listener waits for "
                    "it\n"},
            {"listen = \"tcp:1.2.3:22\"", "2:10 error: \"1.2.3\" is not an IP address\n"},
            {"listen = \"tcp:host.example.org:22\"",
                    "2:10 error: \"host.example.org\" is not an IP address [a listener needs "
                    "the address itself, not a host's name]\n"},
            {"listen = \"unix:/run/x/\"", "2:10 error: the path names a directory\n"},
            {"listen = \"vsock:x:1\"",
                    "2:10 error: \"x\" is not a CID [write a number, or \"*\" for any]\n"},
            {"listen = \"vsock:*:99999999999\"",
                    "2:10 error: \"99999999999\" is not a vsock port [write a number from 0 to "
                    "4294967294]\n"},
            {"listen = \"vsock:*:x\"",
                    "2:10 error: \"x\" is not a vsock port [write a number from 0 to "
                    "4294967294]\n"},
            {"listen = [{ address = \"tcp:22\", nam = \"x\" }]",
                    "2:33 error: unknown key \"nam\" in a listener of [service.s] [did you "
                    "mean \"name\"?]\n"},
            {"listen = [{ address = \"tcp:22\", name = \"\" }]",
                    "2:40 error: \"\" is not a name for a listener [at most 63 characters, no "
                    "':' and no blank]\n"},
            {"listen = true", "2:10 error: an address is text, not true or false\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nredirect = \"tcp:host\"",
                    "3:12 error: the service name \"host\" is not known for tcp [write the "
                    "port's number]\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nredirect = \"udp:192.0.2.1:5\"",
                    "3:12 error: streams cannot be redirected to udp:192.0.2.1:5 [write a tcp "
                    "or unix address]\n"},
            {"[service.s]\nlisten = \"udp:40000\"\nredirect = \"tcp:192.0.2.1:5\"",
                    "3:12 error: datagrams cannot be redirected to tcp:192.0.2.1:5 [write a "
                    "udp address]\n"},
            {"[service.s]\nlisten = \"udp:40000\"\nbuiltin = \"echo\"\ndeny = "
             "\"host:a.example.org\"",
                    "4:1 error: \"host:a.example.org\" cannot be enforced for datagrams of a "
                    "builtin [write addresses or blocks]\n"},
            {"[service.s]\nredirect = \"tcp:192.0.2.1:5\"",
                    "2:1 error: a redirect without listen serves nobody [write listen = "
                    "\"tcp:PORT\"]\n"},
            {"[service.s]\nlisten = [\"tcp:40000\", \"udp:40000\"]\nredirect = "
             "\"tcp:192.0.2.1:5\"",
                    "3:1 error: streams and datagrams cannot go to the same targets [write two "
                    "services]\n3:12 error: datagrams cannot be redirected to tcp:192.0.2.1:5 "
                    "[write a udp address]\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nredirect = \"tcp:192.0.2.1:5\"\nexec = "
             "\"/bin/true\"\nmode = \"handler\"",
                    "4:1 error: exec and redirect exclude each other [leave one of them "
                    "out]\n5:1 error: mode means nothing for a redirect [leave it out]\n"},
            {"[service.s]\nlisten = \"fifo:/run/x\"\nbuiltin = \"echo\"",
                    "2:10 error: fifo:/run/x cannot be served by a builtin [builtins are "
                    "spoken to over tcp, udp and unix addresses]\n"},
            {"[service.s]\nbuiltin = \"echo\"",
                    "2:1 error: a builtin without listen serves nobody [write listen = "
                    "\"tcp:PORT\"]\n"},
            {"[service.s]\nlisten = \"tcp:40000\"\nbuiltin = \"echo\"\nstart = \"boot\"",
                    "4:9 error: start = \"boot\" cannot be: a builtin has no process of its "
                    "own [write \"demand\" or \"manual\"]\n"},
    });
}

// A suggestion that is itself refused would send people in circles.
TEST_CASE("values: what is suggested in quotes for a bare number is taken") {
    const std::pair<const char*, const char*> lines[] = {{"stop_timeout = 5", "\"5s\""},
            {"launch_timeout = 5", "\"5s\""}, {"umask = 22", "\"022\""},
            {"rlimits = { cpu = 5 }", "\"5s\""}};
    for (const auto& [line, better] : lines) {
        const std::string text = line;
        const Resolved wrong = resolve_text(service_text(text));
        INFO(text << "\n" << wrong.text());
        CHECK((wrong.text().find(std::string("[write ") + better) != std::string::npos));
        std::string mended = text;
        const auto digit = mended.find_first_of("0123456789");
        mended.replace(digit, mended.find_last_of("0123456789") - digit + 1, better);
        CHECK(resolve_text(service_text(mended)).text().empty());
    }
}
