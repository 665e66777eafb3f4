# SPDX-License-Identifier: MIT
"""The table of differences: where superd does not do what the inetd in whose place it comes does, and why."""

from differential import Difference

XINETD, OPENBSD, GNU = "xinetd", "openbsd-inetd", "inetutils-inetd"
INETDS = f"{OPENBSD} {GNU}"
ALL = f"{XINETD} {INETDS}"


def each(services, *patterns):
    """The patterns of keys for each of the services."""
    return " | ".join(f"{service}.{pattern}" for service in services.split() for pattern in patterns)


RELAYED = "chargen-stream discard-stream echo-stream daytime-stream time-stream tcpmux relayed unreachable"

DIFFERENCES = (
    # ---- the environment
    Difference(f"{XINETD} {GNU}", "*.env.SECRET | *.env.CHOSEN | *.env.LD_*", "*", "-",
               "The environment of whoever started the daemon may hold secrets, and the loader obeys some of it: a "
               "program gets one that is built for it, and what pass_environment names."),
    Difference(OPENBSD, "*.env.SECRET | *.env.CHOSEN", "*", "-", "The same; openbsd-inetd drops only what it knows."),
    Difference(INETDS, "*.env.inetd_dummy", "*", "-", "Room for a title of the daemon's own."),
    Difference(ALL, "*.env.PATH", "*", "/usr/local/sbin:*",
               "PATH is superd's and the same however superd was started."),
    Difference(ALL, "*.env.HOME | *.env.USER | *.env.LOGNAME | *.env.SHELL | *.env.LANG | *.env.TZ", "-", "*",
               "A program finds who it runs as, and the language and zone of the host, as after a login."),
    Difference(ALL, "*.env.PROTO | *.env.TCP* | *.env.UNIX* | *.env.REMOTE_ADDR | *.env.REMOTE_PORT | *.env.SO_COOKIE",
               "-", "*", "The conversation's ends are told in the words of UCSPI and systemd besides."),
    Difference(XINETD, "*.env.REMOTE_HOST", "::ffff:127.0.0.1", "127.0.0.1",
               "An IPv4 client has its IPv4 address, whatever the family of the listener."),
    Difference(INETDS, "*.env.REMOTE_HOST", "-", "*1", "xinetd's name for the client, wherever one comes from."),
    Difference(XINETD, "accept.env.REMOTE_HOST | datagram*.env.REMOTE_HOST", "*", "-",
               "Of a client of a socket that the program itself reads superd knows nothing: it reads no byte of it."),

    # ---- what a process inherits
    Difference(ALL, "accept.fd.1 | accept.fd.2 | datagram*.fd.1 | datagram*.fd.2 | unix-dgram.fd.1 | unix-dgram.fd.2",
               "socket A", "socket B",
               "A program that is given the listener has it on descriptor 0; what it prints goes to the log, not "
               "onto a socket that has no peer."),
    Difference(ALL, each("accept", "fd.1.family", "fd.2.family") + " | " +
               each("datagram* unix-dgram", "fd.1.family", "fd.2.family", "fd.1.type", "fd.2.type"), "*", "1",
               "The same: they are UNIX sockets of superd-log."),
    Difference(ALL, "accept.fd.1.listening | accept.fd.2.listening", "1", "0",
               "The same: descriptors 1 and 2 are not the listener."),
    Difference(INETDS, "*.ignored | *.blocked", " *", "",
               "What the daemon's starter ignored or blocked would stay so in every program: a Ctrl-C without effect, "
               "a timer that never fires."),
    Difference(GNU, "*.session_leader | *.group_leader", "0", "1",
               "Each process has a session of its own, so that it can be ended with all it started."),
    Difference(GNU, "*.umask", "0", "18", "Files that anybody may write are nobody's wish (CVE-2001-1322)."),
    Difference(OPENBSD, "*.cwd", "/srv", "/", "A program does not begin where somebody stood who started the daemon."),
    Difference(GNU, "bare.groups", "", "0", "root has its groups as everybody has."),

    # ---- who comes in
    Difference(XINETD, "both.in", "'' RST", "'hello\\n' FIN",
               "The manual promises that of only_from and no_access the more specific entry wins; the program denies."),
    Difference(XINETD, "both.log FAIL address from=127.0.0.1", "1", "-", "The same."),
    Difference(XINETD, "banner.early", "* RST", "* FIN",
               "No reset overtakes a banner: what the client sent is read and dropped until it has all of it."),
    Difference(XINETD, "burst.third", "'' FIN", "'' open",
               "Over the rate nobody is thrown out: the listener stays open and the client waits in its queue."),
    Difference(XINETD, "burst.listens", "False", "True", "The same."),
    Difference(XINETD, "burst.fourth", "refused", "'4\\n' FIN", "The same."),
    Difference(XINETD, "burst.log START * | burst.log EXIT *", "3", "5", "The same: all five were served."),
    Difference(XINETD, "burst.log FAIL connections per second *", "*", "-", "The same: nobody was refused."),

    # ---- what the log says
    Difference(XINETD, "plain.log addresses", "mapped", "plain",
               "An IPv4 client has its IPv4 address in the log, which is what filters of logs look for."),
    Difference(XINETD, each("closed nobody", "log START *", "log EXIT *") + " | " +
               each("denied both banner", "log START * from=127.0.0.3", "log EXIT * of=127.0.0.3") + " | " +
               "cat.log START * from=127.0.0.66 | cat.log EXIT * of=127.0.0.66 | " +
               each("must", *(f"log * {end}=127.0.0.{n}" for end in ("from", "of") for n in (6, 7))), "*", "-",
               "superd decides before it starts anything: who is refused has a FAIL line and no process."),
    Difference(XINETD, "must.log FAIL ident *", "-", "1", "A refusal is a FAIL line, whatever its reason."),
    Difference(XINETD, "who.log NOID *", "-", "1",
               "That the client's host did not tell the user is worth a line as well."),
    Difference(XINETD, "broken.log START * | broken.log EXIT status=0 *", "1", "-",
               "What could not be executed was not started and did not end well; superd logs the error instead."),
    Difference(XINETD, each("fenced", "log FAIL *", "log START * from=127.0.0.3", "log EXIT * of=127.0.0.3"), "1", "-",
               "The kernel keeps a denied client's datagrams from the socket; superctl status counts them."),
    Difference(XINETD, each("datagram fenced", "log START * from=127.0.0.1", "log EXIT * of=127.0.0.1"), "*", "-",
               "superd does not read the datagram that starts a program, so it cannot tell whose it was."),
    Difference(XINETD, each("datagram fenced", "log * from=<no address>", "log * of=<no address>"), "-", "*",
               "The same."),
    Difference(XINETD, "*-dgram.log START *", "*", "-",
               "A line for each datagram would let anybody fill the log."),
    Difference(XINETD, each(RELAYED, "log START pid=N *", "log EXIT * pid=N *"), "*", "-",
               "A builtin or redirect has no process of its own, so its pid is 0."),
    Difference(XINETD, each(RELAYED + " trap", "log START pid=0 *", "log EXIT * pid=0 *"), "-", "*",
               "The same; and each has an EXIT line."),
    Difference(XINETD, "vanish.log EXIT status=0 *", "2", "1",
               "libwrap reads the reset of a client that has gone; superd leaves it to the program."),
    Difference(XINETD, "vanish.log EXIT signal=13 *", "-", "1",
               "The same: cat complains of it to the socket that is gone."),
    Difference(XINETD, "own.log *", "-", "*",
               "What superd has to say about a service stands where its lines stand; xinetd has a log for that."),
    Difference(XINETD, "mux-*.log *", "-", "*", "A service behind tcpmux has its own lines, beside tcpmux's."),
    Difference(XINETD, "trap.log FAIL *", "1", "-", "The sensor's client was let in, and is logged at CRIT."),

    # ---- builtins
    Difference(XINETD, "chargen.stream | chargen.turn", "*", "*",
               "RFC 864 has 95 characters, the blank among them; xinetd leaves out the blank and the tilde."),
    Difference(XINETD, "chargen.dgram.*", "*", "*",
               "One line for a datagram: fourteen would make a weapon of it."),
    Difference(XINETD, "daytime.*", "*9 AAA 9 9:9:9 UTC*", "*Aaa Aaa 9 9:9:9 9*",
               "The form that every other inetd has and that clients read."),
    Difference(XINETD, "echo.dgram.chargen | echo.dgram.low", "hello\n", "nothing",
               "An answer to the port of another small service would begin a loop (xinetd lost its check in 2.3.14)."),
    Difference(XINETD, "tcpmux.help", "'-Service name not found\\r\\n\\x00' FIN", "'mux-plain\\r\\nmux-plus\\r\\n' FIN",
               "RFC 1078 has HELP."),
    Difference(XINETD, "tcpmux.no-such | tcpmux.plain", "'-Service name not found\\r\\n\\x00' FIN", "'-Service * FIN",
               "The answer ends with its line, not with a NUL behind it."),
    Difference(XINETD, "tcpmux.mux-plus", "'+Go\\r\\n\\x00here\\n' FIN", "'+Go\\r\\nhere\\n' FIN", "The same."),

    # ---- redirect
    Difference(XINETD, "relayed.client", "'' FIN", "'hello\\n' FIN",
               "A client that has ended its half still gets the answer."),
    Difference(XINETD, "relayed.log TRAFFIC in=6(bytes) out=0(bytes)", "1", "-", "The same."),
    Difference(XINETD, "relayed.log TRAFFIC in=6(bytes) out=6(bytes)", "-", "1", "The same."),

    # ---- inetd
    Difference(GNU, "limit.third", "'' FIN", "'' open",
               "Over the rate nobody is thrown out: the client waits in the queue of a listener that stays open."),
    Difference(OPENBSD, "limit.second", "'' FIN", "'' open",
               "nowait.2 lets two start a minute, as the manual says; the program stops at the second."),
    Difference(OPENBSD, "limit.third", "refused", "'' open", "The same as above: the listener stays open."),
    Difference(GNU, "limit.listens", "False", "True", "The same."),
    Difference(OPENBSD, "datagram6.fd.0.v6only", "-", "1",
               "The IPv6 socket takes no IPv4 datagrams, whoever has the IPv4 one."),
    Difference(OPENBSD, "echo.loopback", "nothing", "hello\n",
               "A client on the host itself is answered; its source port decides, not its address."),
    Difference(GNU, "echo.low", "hello\n", "nothing",
               "An answer to the port of another small service would begin a loop."),
    Difference(GNU, "time.stream", "8", "4", "RFC 868 has four octets; the program sends the eight of a long."),
    Difference(GNU, "tcpmux.help", "*", "'mine\\r\\nmine-plus\\r\\n' FIN", "The names are sorted."),
    Difference(GNU, "tcpmux.no-such", "'-Service not available\\r\\n' FIN", "'-Service no-such is not known\\r\\n' FIN",
               "The answer names what was asked for."),
)
