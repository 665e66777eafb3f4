# SPDX-License-Identifier: MIT
"""A reload is two-phase, touches only what changed, and a mistake changes nothing."""

import json
import os
import signal
import socket

from clients import ask, ask_unix, connect, connect_unix, refused_or_closed
from harness import Superd, expect, expect_in, forever, program, read_text, run, shell, wait_until, write_text
from registry import needs_root, pitfall


def says(name, port, word, lines=""):
    return f'[service.{name}]\nlisten = "tcp:{port}"\nexec = {shell("echo " + word)}\nuser = "nobody"\n{lines}\n'


def echo(name, port, lines=""):
    return f'[service.{name}]\nlisten = "tcp:{port}"\nexec = ["/bin/cat"]\nuser = "nobody"\n{lines}\n'


def inode(port):
    """The socket that listens on a TCP port, by the kernel's table."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as rows:
            for row in list(rows)[1:]:
                fields = row.split()
                if fields[1].endswith(wanted) and fields[3] == "0A":
                    return int(fields[9])
    return None


@needs_root
@pitfall("reload")
def test_add_change_remove():
    """Services come, change and go; the one that did not change keeps its socket and its connection"""
    with Superd(echo("kept", 2000) + says("changed", 2001, "old") + says("gone", 2002, "gone")) as d:
        kept, changed = inode(2000), inode(2001)
        with connect(2000) as held:
            held.sendall(b"1")
            expect(held.recv(1), b"1")
            d.write(echo("kept", 2000) + says("changed", 2001, "new") + says("added", 2003, "added"))
            expect(d.reload().code, 0, "the reload")
            expect(ask(2001), b"new\n")
            expect(ask(2003), b"added\n")
            wait_until(lambda: inode(2002) is None, what="the removed listener closed")
            expect((inode(2000), inode(2001)), (kept, changed), "listeners that stayed")
            held.sendall(b"2")
            expect(held.recv(1), b"2", "the connection that was open")


@needs_root
def test_mistake():
    """A file with a mistake changes nothing; the message shows file, line, column, the line and a caret"""
    with Superd(says("one", 2000, "one")) as d:
        d.write(says("one", 2000, "other") + says("two", 2001, "two", 'user_name = "x"'))
        done = d.reload()
        expect(done.code, 1)
        said = done.out + done.err
        expect_in(f"{d.config}:10:1: ", said)
        expect_in("user_name", said)
        expect_in("^", said)
        expect(ask(2000), b"one\n", "what ran, runs on")
        assert refused_or_closed(2001)
        d.write(says("one", 2000, "other"))
        expect(d.reload().code, 0)
        expect(ask(2000), b"other\n")


@needs_root
def test_mistake_in_an_included_file():
    """One bad file among the included ones refuses all of them"""
    files = {"d/a.toml": says("a", 2001, "a"), "d/b.toml": says("b", 2002, "b")}
    with Superd('include = ["d/*.toml"]\n' + says("main", 2000, "main"), files=files) as d:
        expect([ask(port) for port in (2000, 2001, 2002)], [b"main\n", b"a\n", b"b\n"])
        write_text(d.path("d/a.toml"), says("a", 2001, "changed"))
        write_text(d.path("d/b.toml"), "[service.b\n")
        done = d.reload()
        expect(done.code, 1)
        expect_in("d/b.toml:1:", done.out + done.err)
        expect([ask(port) for port in (2000, 2001, 2002)], [b"main\n", b"a\n", b"b\n"])


@needs_root
def test_queue_is_kept():
    """Clients in the queue of a listener that stays are served by what the new file says"""
    with Superd(says("slow", 2000, "old")) as d:
        d.ok("pause", "slow")
        waiting = [connect(2000) for _ in range(20)]
        d.write(says("slow", 2000, "new"))
        expect(d.reload().code, 0)
        expect(d.state("slow"), "paused", "a pause stays over a reload")
        d.ok("resume", "slow")
        for connection in waiting:
            with connection:
                expect(connection.recv(100), b"new\n")


@needs_root
def test_address_in_use():
    """An address that somebody else has refuses the whole reload and names the holder"""
    with Superd(says("one", 2000, "one")) as d, socket.socket() as other:
        other.bind(("0.0.0.0", 2005))
        other.listen()
        d.write(says("one", 2000, "other") + says("taken", 2005, "taken") + says("third", 2006, "third"))
        done = d.reload()
        expect(done.code, 1)
        expect_in(f"pid {os.getpid()}", done.out + done.err)
        expect(ask(2000), b"one\n", "nothing has changed")
        wait_until(lambda: inode(2006) is None, what="what was bound for the new plan closed again")
        other.close()
        expect(d.reload().code, 0, "after it is free")
        expect(ask(2005), b"taken\n")


@needs_root
def test_address_in_use_at_start():
    """At start such a listener waits, names the holder, and is bound when the address is free"""
    with socket.socket() as other:
        other.bind(("0.0.0.0", 2005))
        other.listen()
        with Superd(says("taken", 2005, "taken") + says("fine", 2006, "fine")) as d:
            expect(ask(2006), b"fine\n", "the rest goes on")
            expect(d.state("taken"), "waiting")
            expect_in(f"pid {os.getpid()}", str(d.status("taken")))
            other.close()
            wait_until(lambda: d.state("taken") == "listening", what="bound after the holder has gone")
            expect(ask(2005), b"taken\n")


@needs_root
def test_reload_while_an_address_is_in_use():
    """A listener that waits for its address since the start refuses no reload, and goes on waiting"""
    with socket.socket() as other:
        other.bind(("0.0.0.0", 2005))
        other.listen()
        with Superd(says("taken", 2005, "taken") + says("fine", 2006, "old")) as d:
            expect(d.state("taken"), "waiting")
            d.write(says("taken", 2005, "changed") + says("fine", 2006, "new") + says("added", 2007, "added"))
            expect(d.reload().code, 0)
            expect((ask(2006), ask(2007)), (b"new\n", b"added\n"))
            expect(d.state("taken"), "waiting")
            expect_in(f"pid {os.getpid()}", str(d.status("taken")))
            other.close()
            wait_until(lambda: d.state("taken") == "listening", what="bound after the holder has gone")
            expect(ask(2005), b"changed\n")


@needs_root
def test_signals():
    """HUP and USR2 reload"""
    with Superd(says("one", 2000, "first")) as d:
        for number, word in ((signal.SIGHUP, "second"), (signal.SIGUSR2, "third")):
            d.write(says("one", 2000, word))
            d.signal(number)
            wait_until(lambda: ask(2000) == word.encode() + b"\n", what=f"{word} after {number!r}")


@needs_root
def test_access_at_once():
    """A changed access list counts from the next connection; the open one is left alone"""
    with Superd(echo("one", 2000)) as d:
        with connect(2000, source="127.0.0.2") as held:
            held.sendall(b"1")
            expect(held.recv(1), b"1")
            d.write(echo("one", 2000, 'deny = "127.0.0.2"'))
            expect(d.reload().code, 0)
            assert refused_or_closed(2000, source="127.0.0.2")
            held.sendall(b"2")
            expect(held.recv(1), b"2")


@needs_root
def test_moved_service():
    """A service that moves to another port leaves the old one"""
    with Superd(says("one", 2000, "here")) as d:
        d.write(says("one", 2001, "there"))
        expect(d.reload().code, 0)
        expect(ask(2001), b"there\n")
        wait_until(lambda: inode(2000) is None, what="the old port closed")


@needs_root
def test_moved_within_an_address():
    """An address in which only the service's own listener is in the way is bound after that has closed"""
    def text(tcp, local, word):
        return (f'[service.tcp]\nlisten = "{tcp}"\nexec = {shell("echo " + word)}\nuser = "nobody"\n'
                f'[service.local]\nlisten = "{local}"\nexec = ["/bin/cat"]\nuser = "nobody"\n')
    stream, packets = "unix:/run/test/local", "seqpacket:/run/test/local"
    with Superd(text("tcp:2000", stream, "0")) as d, connect_unix("/run/test/local") as held:
        held.sendall(b"1")
        expect(held.recv(1), b"1")
        steps = (("tcp:127.0.0.1:2000", stream), ("tcp4:2000", packets), ("tcp:2000", stream))
        for word, (tcp, local) in enumerate(steps, 1):
            d.write(text(tcp, local, str(word)))
            expect(d.reload().code, 0)
            expect(ask(2000), f"{word}\n".encode())
            kind = socket.SOCK_STREAM if local == stream else socket.SOCK_SEQPACKET
            with connect_unix("/run/test/local", kind) as client:
                client.sendall(b"2")
                expect(client.recv(1), b"2")
        held.sendall(b"3")
        expect(held.recv(1), b"3", "the connection of before")
        with socket.socket() as other:
            other.bind(("127.0.0.2", 2001))
            other.listen()
            d.write(text("tcp:127.0.0.1:2001", stream, "4"))
            expect(d.reload().code, 0)
            d.write(text("tcp:2001", stream, "5"))
            done = d.reload()
            expect(done.code, 1, "somebody else is in the way as well")
            expect_in("is in use", done.out + done.err)
            expect(ask(2001), b"4\n")


@needs_root
def test_handler_becomes_worker():
    """Connections of a handler go on beside the workers that it has become, and keep none from being started"""
    worker = (f'[service.one]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "nobody"\n'
              f'exec = {program("tell", "worker", "1", "0")}\n')
    with Superd(echo("one", 2000)) as d:
        with connect(2000) as held:
            held.sendall(b"1")
            expect(held.recv(1), b"1")
            d.write(worker)
            expect(d.reload().code, 0)
            pids = {json.loads(ask(2000))["pid"] for _ in range(3)}
            expect(len(pids), 3, "a worker each, while the old connection lives")
            d.wait_status("one", state="listening")
            held.sendall(b"2")
            expect(held.recv(1), b"2", "the connection that was open")
        d.wait_status("one", processes=[])
        assert json.loads(ask(2000))["pid"] not in pids


@needs_root
def test_kept_listener_gets_its_new_options():
    """Options that take effect at once do so on listeners that stay: permissions, owner, backlog"""
    def text(options, backlog):
        tables = "".join(f'[service.{name}]\nlisten = {{ address = "{kind}:/srv/{name}"{options} }}\n'
                         f'{mode}exec = ["/bin/cat"]\nuser = "nobody"\n'
                         for name, kind, mode in (("stream", "unix", ""), ("pipe", "fifo", 'mode = "worker"\n')))
        return (tables + f'[service.port]\nlisten = {{ address = "tcp:127.0.0.1:2000", backlog = {backlog} }}\n'
                'exec = ["/bin/cat"]\nuser = "nobody"\n')

    def nodes():
        found = [os.stat(f"/srv/{name}") for name in ("stream", "pipe")]
        return [(one.st_mode & 0o7777, one.st_uid, one.st_gid) for one in found]

    def backlog():
        return run(["ss", "-Hltn", "src", "127.0.0.1:2000"]).out.split()[2]

    def sockets():
        unix = [line.split()[6] for line in read_text("/proc/net/unix").splitlines() if line.endswith(" /srv/stream")]
        return inode(2000), unix, os.stat("/srv/pipe").st_ino

    with Superd(text("", 100)) as d:
        expect((nodes(), backlog()), ([(0o666, 0, 0)] * 2, "100"))
        before = sockets()
        d.write(text(', mode = "0600", owner = "nobody", group = "nogroup"', 7))
        expect(d.reload().code, 0)
        expect((nodes(), backlog()), ([(0o600, 65534, 65534)] * 2, "7"))
        expect(sockets(), before, "the sockets are those of before")
        expect(ask_unix("/srv/stream", b"x"), b"x")
        d.write(text("", 100))
        expect(d.reload().code, 0)
        expect((nodes(), backlog()), ([(0o666, 0, 0)] * 2, "100"), "back again")
        os.rename("/srv/stream", "/srv/elsewhere")
        d.write(text(', mode = "0600"', 100))
        expect(d.reload().code, 0)
        d.wait_log("stream FAIL open /srv/stream: No such file or directory .its listener stays as it was")


@needs_root
def test_becomes_a_daemon():
    """start = "boot" starts what a reload has made a daemon, or has given it, beside connections of before"""
    def worker(start):
        return (f'[service.late]\nlisten = "tcp:2001"\nmode = "worker"\nuser = "nobody"\n'
                f'exec = {program("tell", "worker", "0", "0")}\nstart = "{start}"\n')

    def daemon(name):
        return f'[service.{name}]\nexec = {forever()}\nuser = "nobody"\nstart = "boot"\n'

    idle = worker("demand").replace("late", "idle").replace("2001", "2002")
    with Superd(echo("one", 2000) + worker("demand") + idle) as d:
        with connect(2000) as held:
            held.sendall(b"1")
            expect(held.recv(1), b"1")
            d.write(daemon("one") + worker("boot") + daemon("idle"))
            expect(d.reload().code, 0)
            for name in ("one", "late", "idle"):
                d.wait_status(name, state="running", started=2 if name == "one" else 1)
            held.sendall(b"2")
            expect(held.recv(1), b"2", "the connection that was open")
        wait_until(lambda: len(d.status("one")["processes"]) == 1, what="the daemon alone")
        expect(d.state("one"), "running")
        d.ok("stop", "one")
        d.ok("stop", "idle")
        d.write(daemon("one") + worker("boot") + daemon("idle") + says("added", 2003, "added"))
        expect(d.reload().code, 0)
        expect((d.state("one"), d.state("idle")), ("stopped", "stopped"), "what was stopped stays so")


@needs_root
def test_descriptors_over_reloads():
    """Twenty reloads to and fro leave as many descriptors as before"""
    first = says("one", 2000, "one") + says("two", 2001, "two")
    second = says("one", 2000, "uno") + says("three", 2002, "three")
    with Superd(first) as d:
        for text in (second, first):
            d.write(text)
            expect(d.reload().code, 0)
        expect(ask(2001), b"two\n", "the launch that opens the service's log")
        before = len(d.fds())
        for _ in range(10):
            for text in (second, first):
                d.write(text)
                expect(d.reload().code, 0)
        expect(ask(2001), b"two\n")
        wait_until(lambda: len(d.fds()) <= before, what=f"back to {before} descriptors, {len(d.fds())} are open")
