# SPDX-License-Identifier: MIT
"""What went wrong in inetds before superd and has no test beside what it is about; and that each has one."""

import importlib
import os
import resource
import signal
import socket

from clients import ask, ask_udp, connect, connect_unix, read_all, read_line, refused_or_closed, talk
from differential import ENVIRONMENT, careless
from harness import (HERE, Superd, as_user, descendants, executable, expect, gone, read_text, shell, wait_until,
                     write_text)
from name_servers import IdentServer
from pitfalls import PITFALLS
from registry import build, needs_root, pitfall
from relay_test import builtin, relays, sanitized

REPORT = "/run/build/tests/report"


def test_each_has_a_test():
    """Every pitfall of the list has a test that names it, and no test names another"""
    named = set()
    for entry in os.listdir(HERE):
        if entry.endswith("_test.py"):
            module = importlib.import_module(entry.removesuffix(".py"))
            named.update(name for value in vars(module).values() for name in getattr(value, "pitfalls", ()))
    expect(sorted(set(PITFALLS) - named), [], "without a test")
    expect(sorted(named - set(PITFALLS)), [], "not in the list")


def report(text):
    """The lines of tests/programs/report: those of one key stand behind one another."""
    assert text.endswith("end=1\n"), text[-200:]
    return dict(line.split("=", 1) for line in text.splitlines())


# One of each kind of start: plain, with superd-exec before it, through tcpmux, with the listener itself.
STARTS = f"""[defaults]
user = "nobody"
[service.plain]
listen = "tcp:2000"
exec = ["{REPORT}"]
[service.stepped]
listen = "tcp:2001"
exec = ["{REPORT}"]
banner = "/run/test/banner"
[service.mux]
listen = "tcp:2002"
builtin = "tcpmux"
[service.marked]
tcpmux = "plus"
exec = ["{REPORT}"]
[service.datagram]
listen = "udp:2003"
exec = ["{REPORT}", "datagram"]
"""


def starts():
    """What each of them found, where superd was started by somebody who left much behind."""
    write_text("/run/test/banner", "hello\n")
    environment = {**ENVIRONMENT, "LOGNAME": "admin", "USER": "admin"}
    with Superd(STARTS, prefix=careless([]), env=environment):
        mux = connect(2002)
        mux.sendall(b"marked\r\n")
        expect(read_line(mux), b"+Go\r\n")
        return {"plain": report(ask(2000).decode()), "stepped": report(ask(2001).decode().removeprefix("hello\n")),
                "marked": report(talk(mux).decode()), "datagram": report(ask_udp(2003, b"?").decode())}


@needs_root
@pitfall("CVE-2002-0871", "CVE-2001-1322", "CVE-2013-4342", "descriptor leaks", "signals of children", "session",
         "login name")
def test_careless_starter():
    """CVE-2002-0871, CVE-2001-1322, CVE-2013-4342: nothing of superd or its starter reaches a program, by any way"""
    for name, found in starts().items():
        numbers = {key[3:] for key in found if key.startswith("fd.") and key.count(".") == 1}
        expect(sorted(numbers), ["0", "1", "2"], f"{name}: descriptors")
        expect((found["umask"], found["blocked"], found["ignored"], found["cwd"]), (str(0o022), "", "", "/"), name)
        expect((found["uid"], found["gid"]), ("65534 65534 65534",) * 2, f"{name}: the user of the service")
        expect(found["session_leader"], "1", name)
        expect((found["env.LOGNAME"], found["env.USER"]), ("nobody", "nobody"), name)
        expect([key for key in found if key in ("env.SECRET", "env.LD_BIND_NOW", "env.CHOSEN")], [], name)


@needs_root
@pitfall("session")
def test_ended_with_all_it_started():
    """A handler leads a session of its own: one signal reaches it and all that it started, and nobody else"""
    script = "sleep 1000 & echo $!; wait"
    with Superd(f'[service.tree]\nlisten = "tcp:2000"\nuser = "nobody"\nexec = {shell(script)}\n') as d:
        with connect(2000) as client:
            child = int(read_line(client))
            handler = os.getsid(child)
            expect([pid for pid, _ in d.children() if os.getsid(pid) == handler], [handler, child], "in its session")
            os.killpg(handler, signal.SIGKILL)
            expect(read_all(client), b"")
            wait_until(lambda: gone(child), what="the end of the handler's child")
        d.wait_connections("tree", 0)


def memory(pid):
    """Resident kilobytes of its own."""
    return int(read_text(f"/proc/{pid}/statm").split()[1]) * resource.getpagesize() // 1024


@needs_root
@pitfall("CVE-2003-0211")
def test_refusals_leave_nothing():
    """CVE-2003-0211: three thousand refused connections leave no memory and no descriptor"""
    text = '[service.closed]\nlisten = "tcp:2000"\nuser = "nobody"\nallow = "192.0.2.1"\nexec = ["/bin/cat"]\n'
    with Superd(text) as d:
        def refuse(count):
            for _ in range(count):
                assert refused_or_closed(2000)

        refuse(3000)
        wait_until(lambda: d.refused("closed") == {"not_allowed": 3000}, what="3000 refusals")
        before, descriptors = memory(d.pid), len(d.fds())
        refuse(3000)
        wait_until(lambda: d.refused("closed") == {"not_allowed": 6000}, what="6000 refusals")
        wait_until(lambda: len(d.fds()) <= descriptors, what=f"{descriptors} descriptors")
        if not sanitized():  # which keep what was freed for a while
            assert memory(d.pid) - before < 256, f"{memory(d.pid) - before} kB more"


EVIL = (b"A" * 100_000, b"", b"\r\n", b"%s%s%n : USERID : %s : %s%n\r\n", b"-1, -2 : USERID : UNIX : root\r\n",
        b"{remote}, {local} : USERID : UNIX : x\0y\x1b[2J\x85START\xff\r\n",
        b"{remote}, {local} : USERID : %n : %s%n%s\r\n",
        b"{remote}, {local} : USERID : " + b"S" * 2000 + b" : u\r\n",
        b"{remote}, {local} : USERID : UNIX : " + b"u" * 900 + b"\r\n",
        b"{remote}, {local} : ERROR : " + b"e" * 900 + b"\r\n", b"4294967296, 99999999999999999999 : ERROR : x\r\n")


@needs_root
@pitfall("CVE-2001-0763", "CVE-2001-0825", "CVE-2001-1389", "format in the log")
def test_evil_ident_servers():
    """CVE-2001-0763, -0825, -1389: no answer of an ident server harms superd, its helper or the lines of the log"""
    text = ('[superd]\nlog = "stderr"\n[service.who]\nlisten = "tcp4:2000"\nuser = "nobody"\nident = "log"\n'
            'exec = ["/bin/cat"]\n')
    with Superd(text) as d:
        for number, evil in enumerate(EVIL):
            def answer(remote, local, evil=evil):
                return evil.replace(b"{remote}", b"%d" % remote).replace(b"{local}", b"%d" % local)

            source = f"127.0.0.{number + 10}"
            with IdentServer(source, answer):
                expect(ask(2000, b"served\n", source=source), b"served\n")
                d.wait_log(rf"who IDENT conn=\w+ from={source}:")
        resolve = os.path.join(build(), "superd-resolve")
        expect(len([pid for pid, _, _ in descendants(d.guard) if executable(pid) == resolve]), 1)
        expect(len(d.superd_pids()), 1)
        raw = [line for line in d.log().split("\n") if any(c < " " or c in "\x7f\x85" for c in line)]
        expect(raw, [], "lines with control characters")
        wait_until(lambda: d.log().count(" START ") >= len(EVIL), what="the last START line")
        expect(len([line for line in d.log().split("\n") if " START " in line]), len(EVIL), "START lines")


@needs_root
@pitfall("CVE-2001-0309")
def test_builtins_close():
    """CVE-2001-0309: internal services leave no socket open, in superd or in the relay"""
    words = ("echo", "discard", "chargen", "daytime", "time")
    text = "".join(builtin(word, word, f"tcp:{2000 + at}", 'max_per_source = "unlimited"')
                   for at, word in enumerate(words))
    with Superd(text) as d:
        def visit_all(times):
            for _ in range(times):
                for at in range(len(words)):
                    with connect(2000 + at) as client:
                        client.shutdown(socket.SHUT_WR)
                        client.recv(1)
            for word in words:
                d.wait_connections(word, 0)

        visit_all(3)
        pids = [d.pid, *relays(d)]
        before = [len(d.fds(pid)) for pid in pids]
        visit_all(40)
        wait_until(lambda: all(len(d.fds(pid)) <= count for pid, count in zip(pids, before)),
                   what=f"{before} descriptors")


@needs_root
@pitfall("CVE-2001-0196")
def test_helpers_have_no_groups():
    """CVE-2001-0196: superd's helpers and programs have none of the groups that superd was started with"""
    prefix = ["setpriv", "--groups=4,9122", "--"]
    text = builtin("echo", "echo", "tcp4:2000") + \
        f'[service.who]\nlisten = "tcp4:2001"\nuser = "alice"\ngroups = []\nident = "log"\nexec = ["{REPORT}"]\n'
    with Superd(text, prefix=prefix) as d:
        expect(ask(2000, b"x"), b"x")
        expect(report(ask(2001).decode())["groups"], "")
        d.wait_log(r"who IDENT ")
        helpers = {}
        for pid, _, _ in descendants(d.guard):
            name = os.path.basename(executable(pid))
            if name.startswith("superd-"):
                status = dict(line.split(":\t", 1) for line in read_text(f"/proc/{pid}/status").splitlines())
                helpers[name] = (status["Uid"].split()[0] != "0", status["Groups"].split())
        for name in ("superd-relay", "superd-resolve", "superd-log"):
            expect(helpers.get(name), (True, []), name)


def allow_processes(pid, soft, hard):
    """How many bob may have, as that process sees it; only he himself may say so."""
    as_user("bob", lambda: resource.prlimit(pid, resource.RLIMIT_NPROC, (soft, hard)))


@needs_root
@pitfall("fork failure")
def test_no_more_processes():
    """Where the kernel gives no more processes one connection is lost, nobody waits, and it goes on by itself"""
    directory = "/run/test/bob"
    for name in ("", "run", "state"):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
        os.chown(os.path.join(directory, name), 9112, 9112)
    prefix = ["setpriv", "--reuid=9112", "--regid=9112", "--clear-groups", "--"]
    text = '[service.one]\nlisten = "tcp:2000"\nexec = ["/bin/echo", "one"]\n' + builtin("echo", "echo", "tcp:2001")
    with Superd(text, prefix=prefix, directory=directory) as d:
        expect(ask(2000), b"one\n")
        with connect(2001) as client:
            client.sendall(b"before")
            expect(client.recv(6), b"before")
            _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
            allow_processes(d.pid, 1, hard)
            assert refused_or_closed(2000)
            d.wait_log(r"one FAIL conn=\w+ .*Resource temporarily unavailable")
            client.sendall(b"during")
            expect(client.recv(6), b"during", "who is in, stays in")
            allow_processes(d.pid, hard, hard)
            wait_until(lambda: not refused_or_closed(2000), what="processes again")
        expect(ask(2000), b"one\n")


@needs_root
@pitfall("deactivation")
def test_pause_keeps_the_count():
    """After the pause of a rate those who were there still count: the bound of max_connections holds"""
    text = ('[service.one]\nlisten = "tcp:2000"\nuser = "nobody"\nexec = ["/bin/cat"]\nmax_connections = 2\n'
            'on_limit = "refuse"\nrate = { limit = "20/min", burst = 2, pause = "500ms" }\n')
    with Superd(text) as d:
        held = [connect(2000) for _ in range(2)]
        for client in held:
            client.sendall(b"x")
            expect(client.recv(1), b"x")
        with connect(2000) as third:
            d.wait_log("one .*paused")
            expect(read_all(third), b"", "after the pause")
        expect(d.refused("one").get("max_connections"), 1)
        expect(d.connections("one"), 2)
        for client in held:
            client.close()
        d.wait_connections("one", 0)


@needs_root
@pitfall("unix sockets")
def test_unix_socket_of_somebody_else():
    """A live UNIX socket of another process stays his, and comes to superd when he has gone"""
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind("/run/test/node")
        owner.listen(1)
        node = os.stat("/run/test/node").st_ino
        text = '[service.one]\nlisten = "unix:/run/test/node"\nuser = "nobody"\nexec = ["/bin/echo", "one"]\n'
        with Superd(text) as d:
            expect(d.state("one"), "waiting")
            expect(os.stat("/run/test/node").st_ino, node, "the node")
            connect_unix("/run/test/node").close()
            owner.close()
            wait_until(lambda: d.state("one") == "listening", what="the address to be free")
            with connect_unix("/run/test/node") as client:
                expect(read_all(client), b"one\n")
