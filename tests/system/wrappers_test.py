# SPDX-License-Identifier: MIT
"""tcp_wrappers and peer_label: what superd-exec does before a service, and that it leaves no trace."""

import glob
import json
import os
import signal
import subprocess

import namespace
import peers
from clients import ask, connect, read_all, refused_or_closed
from harness import Gate, Superd, expect, expect_in, program, run, shell, wait_until, write_text
from registry import build, covers, needs_peer, needs_root, skip


def own_etc():
    """A copy of /etc that this test may change."""
    os.mkdir("/run/test/etc")
    subprocess.run(["cp", "-a", "/etc/.", "/run/test/etc"], check=True)
    namespace.bind("/run/test/etc", "/etc")


def tables(allow, deny="ALL: ALL\n"):
    write_text("/etc/hosts.allow", allow)
    write_text("/etc/hosts.deny", deny)


def wrap(allow, deny="ALL: ALL\n"):
    """libwrap for this test alone, with these tables."""
    own_etc()
    tables(allow, deny)
    folders = [folder for part in ("usr/lib", "lib")
               for folder in glob.glob(peers.path("libwrap", part, "*-linux-gnu*"))]
    write_text("/etc/ld.so.conf.d/00-test.conf", "".join(folder + "\n" for folder in folders))
    subprocess.run(["/sbin/ldconfig", "-X"], check=True)


def service(name, port, lines, command='["/bin/cat"]', user="nobody"):
    return (f'[service.{name}]\nlisten = "tcp:{port}"\nexec = {command}\n'
            f'user = "{user}"\n{lines}\n')


def served(port, source="127.0.0.1"):
    return ask(port, b"hello\n", source=source) == b"hello\n"


@needs_root
@needs_peer("libwrap")
@covers("tcp_wrappers")
def test_hosts_access():
    """tcp_wrappers: hosts.allow and hosts.deny decide, by the program's name or the one written"""
    wrap("cat: 127.0.0.2\nspecial: 127.0.0.3\n")
    text = service("one", 2000, "tcp_wrappers = true") + \
        service("two", 2001, 'tcp_wrappers = "special"') + service("free", 2002, "tcp_wrappers = false")
    with Superd(text) as d:
        assert served(2000, "127.0.0.2")
        assert refused_or_closed(2000, source="127.0.0.3")
        assert served(2001, "127.0.0.3")
        assert refused_or_closed(2001, source="127.0.0.2")
        assert served(2002, "127.0.0.9"), "nobody asks for the third"
        wait_until(lambda: d.refused("one") == {"tcp_wrappers": 1}, what="counted")
        d.wait_log(r"one REFUSE conn=\w+ from=127\.0\.0\.3:\d+ .*reason=tcp_wrappers rule=\S+superd\.toml:5")
        d.wait_connections("one", 0)
        wait_until(lambda: d.status("one")["exited"] == 1, what="the end of the one that was let in")
        expect(d.status("one")["started"], 1, "only who is let in has started something")
        expect(d.status("one")["failed"], 0)
        expect(len([line for line in d.log().splitlines() if " one START " in line]), 1)
        expect_in("tcp_wrappers", d.ok("why", "one"))
        expect_in("hosts.allow and hosts.deny decide then, for \"special\"",
                  d.ok("explain", "--from", "127.0.0.2", "two"))


@needs_root
@needs_peer("libwrap")
def test_no_trace():
    """A program behind superd-exec finds what it finds without: descriptors, environment, arguments"""
    wrap("ALL: ALL\n", "")
    # What a service sets is not for superd-exec, which is root: the loader would obey it.
    lines = ('umask = "0027"\nnice = 3\nrlimits = { nofile = 77 }\ndirectory = "/srv"\n'
             'environment = { LD_PRELOAD = "/nowhere.so", SECRET = "s" }\n')
    command = program("tell")
    text = service("plain", 2000, lines, command, "alice") + \
        service("wrapped", 2001, lines + "tcp_wrappers = true\n", command, "alice")
    with Superd(text) as d:
        plain, wrapped = json.loads(ask(2000)), json.loads(ask(2001))
        for told in (plain, wrapped):  # ports and cookies differ from connection to connection
            told["environment"] = {k: v for k, v in told["environment"].items()
                                   if "PORT" not in k and k != "SO_COOKIE"}
            told["descriptors"] = {k: v.split(":")[0] for k, v in told["descriptors"].items()}
            told["status"] = {k: v for k, v in told["status"].items() if k.startswith(("Sig", "Cap", "NoNew", "Seccomp"))}
        for key in sorted(plain):
            if key not in ("pid", "session", "process_group", "sockets", "parent"):
                expect(wrapped[key], plain[key], key)
        expect(d.status("wrapped")["started"], 1)


@needs_root
@needs_peer("libwrap")
def test_listen_fds():
    """With pass = "listen_fds" the connection is on 3 and LISTEN_PID is the program's own"""
    wrap("ALL: ALL\n", "")
    # Without another process: while one is started a shell has descriptors of its own.
    script = ('echo "$LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID - $$))" >&3; '
              'for f in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$f ] && echo $f; done >&3')
    text = service("one", 2000, 'pass = "listen_fds"\ntcp_wrappers = true\n', shell(script))
    with Superd(text):
        expect(ask(2000).split(), [b"1", b"connection", b"0", b"0", b"1", b"2", b"3"])


@needs_root
@needs_peer("libwrap")
def test_twist_and_spawn():
    """Commands of hosts.allow run as the service's user; a twist counts as a refusal"""
    wrap("cat: 127.0.0.1: spawn (id -un >/srv/spawned) : allow\n"
         "cat: 127.0.0.2: twist (id -un; echo twisted %d)\n")
    os.chmod("/srv", 0o777)
    with Superd(service("one", 2000, "tcp_wrappers = true", user="alice")) as d:
        assert served(2000)
        with open("/srv/spawned", encoding="ascii") as said:
            expect(said.read(), "alice\n", "spawn's user")
        expect(ask(2000, source="127.0.0.2"), b"alice\ntwisted cat\n")
        wait_until(lambda: d.refused("one") == {"tcp_wrappers": 1}, what="counted")
        d.wait_connections("one", 0)
        expect(d.status("one")["started"], 1)


@needs_root
@needs_peer("libwrap")
def test_refused_text():
    """Who hosts.deny keeps out gets banner_refused and refuse_text, whole, though it has sent data"""
    wrap("")
    write_text("/run/test/no", "This host is closed to you.\n")
    lines = 'tcp_wrappers = true\nbanner_refused = "/run/test/no"\nrefuse_text = "bye\\n"\n'
    with Superd(service("one", 2000, lines)):
        with connect(2000) as client:
            client.sendall(b"x" * 100000)
            expect(read_all(client), b"This host is closed to you.\nbye\n")


@needs_root
@needs_peer("libwrap")
def test_fails_closed():
    """A table that cannot be read lets nobody in; superd says why"""
    wrap("ALL: ALL\n", "")
    os.chmod("/etc/hosts.deny", 0o600)
    with Superd(service("one", 2000, "tcp_wrappers = true")) as d:
        assert refused_or_closed(2000)
        d.wait_log(r"one FAIL .* tcp_wrappers: .*Permission denied")
        wait_until(lambda: d.status("one")["failed"] == 1, what="counted as failed")
        d.wait_connections("one", 0)
        os.chmod("/etc/hosts.deny", 0o644)
        assert served(2000), "readable again"


@needs_root
def test_without_libwrap():
    """Where there is no libwrap nobody is let in and the log says so"""
    own_etc()
    subprocess.run(["/sbin/ldconfig", "-X", "-f", "/dev/null"], check=True)
    for path in glob.glob("/usr/lib/*/libwrap.so.0") + glob.glob("/lib/*/libwrap.so.0"):
        namespace.bind("/dev/null", path)
    with Superd(service("one", 2000, "tcp_wrappers = true")) as d:
        assert refused_or_closed(2000)
        d.wait_log(r"one FAIL .* tcp_wrappers: .*shared library")
        expect(d.status("one")["started"], 0)


@needs_root
@needs_peer("libwrap")
def test_in_a_root():
    """With root the tables are those outside, and the program's own is what it sees"""
    wrap("report: 127.0.0.2\n")
    os.mkdir("/srv/jail")
    subprocess.run(["cp", os.path.join(build(), "tests", "report"), "/srv/jail/report"], check=True)
    lines = 'tcp_wrappers = true\nroot = "/srv/jail"\n'
    with Superd(service("one", 2000, lines, '["/report"]')) as d:
        expect_in(b"\nend=", b"\n" + ask(2000, source="127.0.0.2"))
        assert refused_or_closed(2000, source="127.0.0.3")
        wait_until(lambda: d.refused("one") == {"tcp_wrappers": 1}, what="counted")


@needs_root
@needs_peer("libwrap")
def test_superd_killed_meanwhile():
    """A superd that is killed while superd-exec asks: the next one learns what came of it"""
    gate = Gate("/srv/waiting")
    wrap(f"cat: 127.0.0.1: spawn (read pass <{gate.path}) : allow\n")
    with Superd(service("one", 2000, "tcp_wrappers = true")) as d:
        with connect(2000) as client:
            client.sendall(b"still there\n")
            wait_until(lambda: any("waiting" in command for _, command in d.children()), what="the command runs")
            expect(d.status("one")["started"], 0, "nothing has started yet")
            old = d.pid
            os.kill(old, signal.SIGKILL)
            d.wait_superd(old)
            gate.let()
            expect(client.recv(100), b"still there\n")
            wait_until(lambda: d.status("one")["started"] == 1, what="START is said by the new superd")
        d.wait_connections("one", 0)


@needs_root
@needs_peer("libwrap")
def test_stopped_meanwhile():
    """launch_timeout bounds what hosts.allow takes; nothing of it is left"""
    wrap("cat: 127.0.0.1: spawn (tail -f /dev/null) : allow\n")
    with Superd(service("one", 2000, 'tcp_wrappers = true\nlaunch_timeout = "500ms"\n')) as d:
        assert refused_or_closed(2000)
        d.wait_log(r"one FAIL .* tcp_wrappers: .*timed out")
        d.wait_connections("one", 0)


@needs_root
def test_errors():
    """tcp_wrappers where it cannot be enforced is an error, wherever it was written"""
    text = ('[defaults]\ntcp_wrappers = true\nuser = "nobody"\n'
            '[service.a]\nlisten = "udp:2000"\nexec = ["/bin/cat"]\n'
            '[service.b]\nlisten = "unix:/run/test/b"\nexec = ["/bin/cat"]\n'
            '[service.c]\nlisten = "udp:2001"\nexec = ["/bin/cat"]\ntcp_wrappers = false\n'
            '[service.d]\nlisten = "tcp:2002"\nexec = ["/bin/cat"]\ntcp_wrappers = "a b"\n')
    d = Superd(text)
    told = run([os.path.join(build(), "superd"), "-t", "-c", d.config])
    expect(told.code, 1)
    expect_in("tcp_wrappers cannot be enforced for [service.a]", told.err)
    expect_in("tcp_wrappers cannot be enforced for [service.b]", told.err)
    expect_in("is not a name for hosts.allow", told.err)
    assert "[service.c]" not in told.err, told.err


@needs_root
@covers("peer_label")
def test_peer_label():
    """peer_label: without SELinux nobody is let in; check warns and the log says why"""
    if os.path.exists("/sys/fs/selinux/enforce"):
        skip("this kernel has SELinux: what its policy makes of a label is not known here")
    with Superd(service("one", 2000, "peer_label = true")) as d:
        told = run([os.path.join(build(), "superd"), "-t", "-c", d.config])
        expect_in("peer_label", told.err)
        assert refused_or_closed(2000)
        d.wait_log(r"one FAIL .* peer_label: ")
        wait_until(lambda: d.status("one")["failed"] == 1, what="counted")
