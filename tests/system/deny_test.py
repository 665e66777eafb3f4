# SPDX-License-Identifier: MIT
"""superctl deny and the tools around it: fail2ban, Nagios, address lists in files."""

import os
import re

import peers
from clients import ask, connect, refused_or_closed
from crash_test import kill_superd
from harness import HERE, Superd, as_user, expect, expect_in, run, shell, wait_until, write_text
from registry import build, needs_peer, needs_root

SAYS_IN = f'exec = {shell("echo in")}\nuser = "nobody"\n'
CONTRIB = os.path.join(HERE, "..", "..", "contrib")


def service(name, port, lines=""):
    return f'[service.{name}]\nlisten = "tcp:{port}"\n{SAYS_IN}{lines}\n'


def let_in(port, source="127.0.0.1", host="127.0.0.1"):
    try:
        return ask(port, source=source, host=host, half_close=False) == b"in\n"
    except (ConnectionResetError, BrokenPipeError):
        return False


@needs_root
def test_deny_and_clear():
    """superctl deny keeps an address out of every service at once, until it is cleared or over"""
    with Superd(service("one", 2000, 'allow = "127.0.0.0/8"') + service("two", 2001)) as d:
        assert let_in(2000, "127.0.0.2") and let_in(2001, "127.0.0.2")
        expect(d.ok("deny"), "nobody is denied\n")
        d.ok("deny", "127.0.0.2", "--for", "1h", "--reason", "probing ports")
        assert refused_or_closed(2000, source="127.0.0.2") and refused_or_closed(2001, source="127.0.0.2")
        assert let_in(2000, "127.0.0.3"), "another address"
        expect((d.refused("one"), d.refused("two")), ({"denied": 1}, {"denied": 1}))
        d.wait_log(r'one REFUSE .*from=127\.0\.0\.2:\d+ .*reason=denied '
                   r'rule="superctl: probing ports, until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"')
        expect_in("127.0.0.2", d.ok("deny"))
        expect_in("probing ports", d.ok("deny"))
        listed = d.ctl_json("deny")["denied"]
        expect([(entry["source"], entry["by"], entry["reason"]) for entry in listed],
               [("127.0.0.2", "superctl", "probing ports")])
        told = d.ok("explain", "--from", "127.0.0.2", "one")
        expect_in("denied", told)
        expect_in("probing ports", told)
        d.ok("deny", "--clear", "127.0.0.2")
        assert let_in(2000, "127.0.0.2"), "after --clear"
        expect(d.ctl("deny", "--clear", "127.0.0.2").code, 1, "to clear what is not there")
        d.ok("deny", "127.0.0.2", "--for", "1s")
        wait_until(lambda: let_in(2000, "127.0.0.2"), what="the end of its second")
        expect(d.ctl("deny", "127.0.0.0/24").code, 2, "a block is for deny lists")
        expect(d.ctl("deny", "nonsense").code, 2)
        for length in ("0s", "100000d", "36500d1s"):
            told = d.ctl("deny", "127.0.0.2", "--for", length)
            expect(told.code, 2, f"--for {length}")
            expect_in("between 1s and 36500d; write --forever", told.err)
        assert "127.0.0.2" not in d.ok("deny")
        d.ok("deny", "127.0.0.2", "--for", "36500d")
        d.ok("deny", "--clear", "127.0.0.2")
        for words in (["--for", "10m"], ["--forever"], ["--reason", "none"]):
            told = d.ctl("deny", *words)
            expect(told.code, 2, f"{words} without an address")
            expect_in("ADDRESS", told.err)


@needs_root
def test_deny_reason_escaped():
    """A reason with control characters is escaped once wherever it is shown, and is kept as it was given"""
    reason = "probe\x1b[2J of a\\b\nnext"
    shown = r"probe\x1b[2J of a\\b\nnext"
    d = Superd(service("one", 2000))
    with d:
        expect_in(f"superctl: {shown}, until", d.ok("deny", "127.0.0.2", "--reason", reason))
        d.wait_log(re.escape(f"127.0.0.2 is denied by superctl: {shown}, until"))
    for _ in range(2):
        with d:
            expect_in(shown + "\n", d.ok("deny"))
            expect(d.ctl_json("deny")["denied"][0]["reason"], reason)
            expect_in(f"superctl: {shown}, until", d.ok("explain", "--from", "127.0.0.2", "one"))


@needs_root
def test_denials_survive():
    """Denials outlive kill -9 and a restart; an IPv6 address stands for its /64; --all clears"""
    for address in ("fd00:1::1/64", "fd00:1::2/64", "fd00:2::1/64"):
        run(["ip", "address", "add", address, "dev", "lo", "nodad"])
    d = Superd(service("one", 2000))
    with d:
        d.ok("deny", "127.0.0.2", "--forever")
        d.ok("deny", "fd00:1::1", "--for", "1h")
        assert refused_or_closed(2000, host="fd00:1::1", source="fd00:1::2"), "the same /64"
        assert let_in(2000, host="fd00:1::1", source="fd00:2::1"), "another /64"
        kill_superd(d)
        assert refused_or_closed(2000, source="127.0.0.2"), "after kill -9"
        assert refused_or_closed(2000, host="fd00:1::1", source="fd00:1::1")
    with d:
        assert refused_or_closed(2000, source="127.0.0.2"), "after a restart"
        expect(len(d.ctl_json("deny")["denied"]), 2)
        expect_in("for good", d.ok("deny"))
        d.ok("deny", "--clear", "--all")
        assert let_in(2000, "127.0.0.2")
    with d:
        expect(d.ctl_json("deny")["denied"], [])


@needs_root
def test_who_may_deny():
    """Only root, superd's own user and the admin group may deny; everybody may look"""
    with Superd(service("one", 2000)) as d:
        os.chmod(d.socket, 0o666)

        def tries():
            return d.ctl("deny", "127.0.0.2").code

        expect(as_user("alice", tries), "5")
        assert let_in(2000, "127.0.0.2")


@needs_root
def test_lists_that_tools_write():
    """A list counts at once however a tool writes it: in place, by rename, taken away"""
    text = f'[networks]\nbad = {{ file = "bad.list" }}\n' + service("one", 2000, 'deny = "@bad"')
    with Superd(text, files={"bad.list": ""}) as d:
        assert let_in(2000, "127.0.0.2")
        write_text(d.path("bad.list"), "127.0.0.2\n")
        wait_until(lambda: not let_in(2000, "127.0.0.2"), 5, "the list written in place")
        with open(d.path("bad.list"), "a", encoding="ascii") as more:
            more.write("127.0.0.3 # one more\n")
        wait_until(lambda: not let_in(2000, "127.0.0.3"), 5, "the line appended")
        write_text(d.path("bad.list.tmp"), "127.0.0.3\n")
        os.rename(d.path("bad.list.tmp"), d.path("bad.list"))
        wait_until(lambda: let_in(2000, "127.0.0.2"), 5, "the list renamed into place")
        assert not let_in(2000, "127.0.0.3")
        write_text(d.path("bad.list"), "127.0.0.3\n\nno address\n")
        d.wait_log(r'ERROR .*/bad\.list:3: "no address" is not an address')
        os.unlink(d.path("bad.list"))
        d.wait_log(r"ERROR .*/superd\.toml:2: the list .*/bad\.list cannot be read")
        assert not let_in(2000, "127.0.0.3"), "a list that has gone lets nobody in that it kept out"


@needs_root
@needs_peer("fail2ban")
def test_fail2ban_filter():
    """contrib/fail2ban: the filter finds those who were refused for what they did, and no others"""
    lines = 'allow = ["127.0.0.1", "127.0.0.9", "fd00:1::/64"]\nmax_connections = 1\non_limit = "refuse"'
    for address in ("fd00:1::1/64", "fd00:2::1/64"):
        run(["ip", "address", "add", address, "dev", "lo", "nodad"])
    text = service("one", 2000, 'deny = ["127.0.0.2", "fd00:2::/64"]') + \
        service("full", 2001, lines).replace("echo in", "read line")
    with Superd(text) as d:
        assert refused_or_closed(2000, source="127.0.0.2")
        assert refused_or_closed(2000, host="fd00:1::1", source="fd00:2::1")
        assert refused_or_closed(2001, source="127.0.0.3")
        with connect(2001, source="127.0.0.1"):
            d.wait_connections("full", 1)
            assert refused_or_closed(2001, source="127.0.0.9"), "the service is full"
        d.ok("deny", "127.0.0.4")
        assert refused_or_closed(2000, source="127.0.0.4")
        d.wait_log(r"REFUSE .*from=127\.0\.0\.4")
        d.wait_log("reason=max_connections")
        log = d.path("copy.log")
        write_text(log, d.log())
    root = peers.root("fail2ban")
    done = run(["/usr/bin/python3", "-B", os.path.join(root, "usr/bin/fail2ban-regex"), "--print-all-matched",
                log, os.path.join(CONTRIB, "fail2ban", "superd.conf")],
               env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.path.join(root, "usr/lib/python3/dist-packages"),
                    "LANG": "C.UTF-8", "HOME": "/run/test"})
    print(done)
    expect(done.code, 0, "fail2ban-regex")
    lines = done.out.split("Matched line(s):", 1)[1].split("`-", 1)[0]
    matched = sorted(set(re.findall(r"REFUSE .*from=(\S+):\d+ to=", lines)))
    expect(matched, ["127.0.0.2", "127.0.0.3", "[fd00:2::1]"])


@needs_root
def test_fail2ban_action():
    """contrib/fail2ban: the commands of the action, as fail2ban fills them in, ban and unban"""
    action = open(os.path.join(CONTRIB, "fail2ban", "action-superd.conf"), encoding="ascii").read()
    with Superd(service("one", 2000)) as d:
        for name, expected in (("actionban", False), ("actionunban", True)):
            command = re.search(rf"^{name}\s*=\s*(.*)$", action, re.M)[1]
            length = re.search(r"^length\s*=\s*(.*)$", action, re.M)[1]
            program = f"{build()}/superctl --socket {d.socket}"
            for tag, value in (("superctl", program), ("ip", "127.0.0.2"), ("length", length), ("name", "superd")):
                command = command.replace(f"<{tag}>", value)
            done = run(["/bin/sh", "-c", command])
            print(done)
            expect(done.code, 0, command)
            expect(let_in(2000, "127.0.0.2"), expected, name)


def plugin(d, *names, env=None):
    program = os.path.join(CONTRIB, "nagios", "check_superd")
    done = run(["/usr/bin/python3", "-B", program, "--superctl", os.path.join(build(), "superctl"), "--socket",
                d.socket, *names], env=env)
    print(done)
    return done


@needs_root
def test_nagios_plugin():
    """contrib/nagios: 0, 1, 2 and 3, each with a line that says why"""
    with Superd(service("one", 2000) + service("two", 2001) +
                '[service.off]\nenabled = false\nlisten = "tcp:2002"\n' + SAYS_IN) as d:
        good = plugin(d)
        expect(good.code, 0)
        assert re.match(r"SUPERD OK: .* \| services=3 connections=0 refused=0c\n$", good.out), good.out
        expect(plugin(d, "one").code, 0)
        d.ok("pause", "two")
        paused = plugin(d)
        expect(paused.code, 1)
        expect_in("SUPERD WARNING: two is paused", paused.out)
        expect(plugin(d, "one").code, 0, "only one was asked for")
        d.ok("stop", "one")
        stopped = plugin(d)
        expect(stopped.code, 2)
        expect_in("one is stopped", stopped.out)
        expect_in("two is paused", stopped.out)
        expect(plugin(d, "nosuch").code, 2)
        expect(plugin(d, "off").code, 2, "a disabled service that is asked for by name")
        expect(plugin(d, "--nonsense").code, 3)
        os.chmod(d.path("run"), 0o755)
    dead = plugin(d)
    expect(dead.code, 2, "no superd")
    missing = run(["/usr/bin/python3", "-B", os.path.join(CONTRIB, "nagios", "check_superd"), "--superctl",
                   "/nonexistent/superctl"])
    expect(missing.code, 3, "no superctl")
