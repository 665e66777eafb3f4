# SPDX-License-Identifier: MIT
"""Who is let in, who is refused and who waits, seen from the client."""

import os
import re
import socket
import time

import namespace
from clients import DEADLINE, ask, ask_unix, connect, refused_or_closed
from harness import Superd, as_user, expect, expect_in, run, wait_until, write_text
from registry import covers, needs_root, pitfall

ECHO = 'exec = ["/bin/cat"]\nuser = "nobody"\n'


def service(name, port, lines="", listen=None):
    return f'[service.{name}]\nlisten = "{listen or f"tcp:{port}"}"\n{ECHO}{lines}\n'


def echoes(connection, word=b"word\n"):
    """True where a handler answers; waits for it."""
    connection.sendall(word)
    return connection.recv(len(word)) == word


def served(port, source="127.0.0.1", host="127.0.0.1"):
    return ask(port, b"hello\n", host=host, source=source) == b"hello\n"


def check_access(rules, allowed, refused):
    """One service with the rules; the sources that get in and those that do not, with the reason."""
    with Superd(service("echo", 2000, rules)) as d:
        for source in allowed:
            assert served(2000, source), f"{source} was not let in"
        for source, reason in refused:
            before = d.refused("echo").get(reason, 0)
            assert refused_or_closed(2000, source=source), f"{source} was let in"
            wait_until(lambda: d.refused("echo").get(reason, 0) == before + 1, what=f"{source} {reason}")
            told = d.ctl("explain", "--from", source, "echo")
            expect_in(reason, told.out + told.err, "explain agrees")


@needs_root
@covers("allow")
def test_allow():
    """allow: nobody else gets in once it is set"""
    check_access('allow = ["127.0.0.2", "127.0.1.0/24"]', ["127.0.0.2", "127.0.1.9"],
                 [("127.0.0.1", "not_allowed"), ("127.0.2.1", "not_allowed")])


@needs_root
@covers("deny")
def test_deny():
    """deny: everybody but these gets in"""
    check_access('deny = "127.0.0.0/30"', ["127.0.0.4"], [("127.0.0.2", "denied")])


@needs_root
def test_most_specific():
    """allow and deny: the longest match wins, equal length denies"""
    check_access('allow = ["127.0.0.0/8", "127.0.1.1", "127.0.3.3"]\ndeny = ["127.0.1.0/24", "127.0.3.3"]',
                 ["127.0.0.1", "127.0.1.1"], [("127.0.1.2", "denied"), ("127.0.3.3", "denied")])


@needs_root
def test_networks():
    """@network: blocks from a file are read again when it changes"""
    text = '[networks]\nlab = { file = "lab.list" }\ndesk = ["127.0.5.0/24"]\n' + \
        service("echo", 2000, 'allow = ["@lab", "@desk"]')
    with Superd(text, files={"lab.list": "# the lab\n127.0.7.1\n"}) as d:
        assert served(2000, "127.0.7.1")
        assert served(2000, "127.0.5.5")
        assert refused_or_closed(2000, source="127.0.7.2")
        write_text(d.path("lab.list.new"), "127.0.7.2\n")
        os.rename(d.path("lab.list.new"), d.path("lab.list"))
        wait_until(lambda: not refused_or_closed_quick("127.0.7.2"), what="the new list in force")
        assert refused_or_closed(2000, source="127.0.7.1")


def refused_or_closed_quick(source):
    try:
        return not served(2000, source)
    except (ConnectionResetError, BrokenPipeError):
        return True


@needs_root
@pitfall("mapped addresses")
def test_ipv6_and_mapped():
    """IPv6 blocks match IPv6 clients; an IPv4 client of a dual socket is matched and shown as IPv4"""
    for address in ("fd00:1::1/64", "fd00:2::1/64"):
        run(["ip", "address", "add", address, "dev", "lo", "nodad"])
    with Superd(service("echo", 2000, 'allow = ["fd00:1::/64", "127.0.0.1"]')) as d:
        assert served(2000, "fd00:1::1", host="fd00:1::1")
        assert refused_or_closed(2000, host="fd00:2::1", source="fd00:2::1")
        assert served(2000, "127.0.0.1")
        assert refused_or_closed(2000, source="127.0.0.2")
        d.wait_log(r"echo REFUSE .*from=\[fd00:2::1\]:\d+ .*reason=not_allowed")
        d.wait_log(r"echo REFUSE .*from=127\.0\.0\.2:\d+ .*reason=not_allowed")
        assert "::ffff:" not in d.log(), "a mapped address in the log"


@needs_root
def test_unix_peers():
    """uid:, user:, gid: and group: decide over UNIX clients"""
    text = service("one", 0, 'allow = ["user:alice"]', "unix:/run/test/one") + \
        service("two", 0, 'allow = ["group:writers"]\ndeny = ["uid:9112"]', "unix:/run/test/two")
    with Superd(text) as d:
        def tries(path):
            def call():
                try:
                    return ask_unix(path, b"x") == b"x"
                except (ConnectionResetError, BrokenPipeError):
                    return False
            return call

        expect(as_user("alice", tries("/run/test/one")), "True", "user:alice")
        expect(as_user("bob", tries("/run/test/one")), "False", "bob is not alice")
        expect(as_user("alice", tries("/run/test/two"), groups=["writers"]), "True", "group:writers")
        expect(as_user("alice", tries("/run/test/two")), "False", "not in the group")
        expect(as_user("bob", tries("/run/test/two"), groups=["writers"]), "False", "deny uid:9112")
        wait_until(lambda: d.refused("two").get("denied") == 1, what="bob counted as denied")


@needs_root
@covers("max_connections", "on_limit")
def test_queue():
    """max_connections with on_limit queue: the next client waits in the kernel's queue and is served"""
    with Superd(service("echo", 2000, "max_connections = 2")) as d:
        first, second = connect(2000), connect(2000)
        assert echoes(first) and echoes(second)
        third = connect(2000)
        third.sendall(b"third\n")
        third.settimeout(0.3)
        try:
            got = third.recv(10)
            raise AssertionError(f"the third was answered: {got!r}")
        except socket.timeout:
            pass
        expect(d.connections("echo"), 2)
        first.close()
        third.settimeout(DEADLINE)
        expect(third.recv(10), b"third\n", "after a place is free")
        expect(d.refused("echo"), {}, "nobody is refused")
        second.close()
        third.close()


@needs_root
@covers("refuse_text")
def test_refuse():
    """max_connections with on_limit refuse: the text is sent and the connection ends"""
    lines = 'max_connections = 1\non_limit = "refuse"\nrefuse_text = "@ERROR: full\\n"'
    with Superd(service("echo", 2000, lines)) as d:
        with connect(2000) as first:
            assert echoes(first)
            expect(ask(2000, half_close=False), b"@ERROR: full\n")
            wait_until(lambda: d.refused("echo") == {"max_connections": 1}, what="one refusal")
            d.wait_log(r"echo REFUSE .*reason=max_connections rule=\S+superd\.toml:5")
        d.wait_connections("echo", 0)
        assert served(2000), "a free place is given again"


@needs_root
@covers("max_per_source")
def test_per_source():
    """max_per_source refuses that source only; an IPv6 source is its /64"""
    for address in ("fd00:1::1/64", "fd00:1::2/64", "fd00:2::1/64"):
        run(["ip", "address", "add", address, "dev", "lo", "nodad"])
    with Superd(service("echo", 2000, "max_per_source = 1")) as d:
        with connect(2000, source="127.0.0.2") as held:
            assert echoes(held)
            assert refused_or_closed(2000, source="127.0.0.2")
            assert served(2000, "127.0.0.3"), "another source"
        with connect(2000, host="fd00:1::1", source="fd00:1::1") as held:
            assert echoes(held)
            assert refused_or_closed(2000, host="fd00:1::1", source="fd00:1::2"), "the same /64"
            assert served(2000, "fd00:2::1", host="fd00:2::1"), "another /64"
        expect(d.refused("echo"), {"max_per_source": 2})
        d.wait_connections("echo", 0)
        assert served(2000, "127.0.0.2"), "the count comes back"


@needs_root
@covers("rate")
@pitfall("looping")
def test_rate():
    """rate: at the limit superd stops accepting for the pause, says so once, and comes back"""
    lines = 'rate = { limit = "30/min", burst = 3, pause = "2s" }'
    with Superd(service("echo", 2000, lines)) as d:
        began = time.monotonic()
        for _ in range(5):
            assert served(2000), "whoever is too many waits in the queue and is then served"
        took = time.monotonic() - began
        # Three at once, then one in two seconds, however slow the clients are.
        assert took > 3.9, f"five in {took:.1f} s"
        expect(d.refused("echo"), {}, "nobody is refused")


@needs_root
@covers("rate_per_source")
@pitfall("looping")
def test_rate_per_source():
    """rate_per_source: that source waits its pause out, the others notice nothing"""
    lines = 'rate_per_source = { limit = "1/min", burst = 2, pause = "2s" }'
    with Superd(service("echo", 2000, lines)) as d:
        assert served(2000, "127.0.0.2") and served(2000, "127.0.0.2")
        assert refused_or_closed(2000, source="127.0.0.2")
        assert served(2000, "127.0.0.3")
        wait_until(lambda: d.refused("echo").get("rate_per_source", 0) >= 1, what="counted")
        told = d.ctl("explain", "--from", "127.0.0.2", "echo")
        expect_in("rate_per_source", told.out + told.err)


def window(begin, end):
    """Local time from now on, in minutes, as "HH:MM-HH:MM"."""
    def clock(minutes):
        return time.strftime("%H:%M", time.localtime(time.time() + minutes * 60))

    return f"{clock(begin)}-{clock(end)}"


@needs_root
@covers("hours")
def test_hours():
    """hours: inside the window one is let in, outside refused"""
    text = service("open", 2000, f'hours = "{window(-60, 60)}"') + \
        service("shut", 2001, f'hours = ["{window(120, 180)}"]')
    with Superd(text) as d:
        assert served(2000)
        assert refused_or_closed(2001)
        wait_until(lambda: d.refused("shut") == {"hours": 1}, what="counted as hours")
        assert re.search(r"^Nobody is let in: \w{3} \d\d:\d\d is outside of hours, which open next at \w{3} ",
                         d.ok("why", "shut"), re.M)
        assert "Nobody" not in d.ok("why", "open")


@needs_root
@covers("max_load")
def test_load():
    """max_load: above it clients are refused, below it let in"""
    write_text("/run/test/loadavg", "9.50 1.00 1.00 1/100 1000\n")
    namespace.bind("/run/test/loadavg", "/proc/loadavg")
    text = service("low", 2000, "max_load = 5.0") + service("high", 2001, "max_load = 20")
    with Superd(text) as d:
        assert refused_or_closed(2000)
        assert served(2001)
        expect(d.refused("low"), {"load": 1})


@needs_root
@covers("superd.max_processes")
def test_max_processes():
    """[superd] max_processes bounds all services together"""
    text = service("one", 2000, 'on_limit = "refuse"') + service("two", 2001, 'on_limit = "refuse"') + \
        "[superd]\nmax_processes = 2\n"
    with Superd(text) as d:
        with connect(2000) as first, connect(2001) as second:
            assert echoes(first) and echoes(second)
            expect(len(d.children()), 2)
            with connect(2000) as third:
                third.settimeout(0.5)
                try:
                    expect(third.recv(1), b"", "the third is not served")
                except (socket.timeout, ConnectionResetError):
                    pass
                expect(len(d.children()), 2, "no third process")
        for name in ("one", "two"):
            d.wait_connections(name, 0)
        assert served(2001), "served again"


@needs_root
def test_refusals_are_logged_at_a_bounded_rate():
    """A hundred refusals are all counted and few are logged"""
    with Superd(service("echo", 2000, 'allow = "127.9.9.9"')) as d:
        for _ in range(100):
            assert refused_or_closed(2000)
        wait_until(lambda: d.refused("echo") == {"not_allowed": 100}, what="all counted")
        d.wait_log("REFUSE")
        d.stop()
        lines = [line for line in d.log().splitlines() if "REFUSE" in line]
        assert 1 <= len(lines) <= 10, f"{len(lines)} lines"
        expect_in("rule=", lines[0])


@needs_root
def test_refusals_leave_no_descriptor():
    """After refusals and conversations superd has the descriptors it had before"""
    text = service("echo", 2000, 'deny = "127.0.0.9"\nmax_per_source = "unlimited"')
    with Superd(text) as d:
        assert served(2000)
        d.wait_connections("echo", 0)
        before = len(d.fds())
        for _ in range(50):
            assert served(2000)
            assert refused_or_closed(2000, source="127.0.0.9")
        wait_until(lambda: len(d.fds()) <= before, what=f"back to {before} descriptors")
