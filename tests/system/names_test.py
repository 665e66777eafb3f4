# SPDX-License-Identifier: MIT
"""Clients whose name or user decides: looked up by superd-resolve, never by superd itself."""

import os
import re
import signal
import time

from clients import ask, connect, refused_or_closed
from crash_test import UNBOUNDED, Load, finish, kill_superd
from harness import Superd, descendants, expect, expect_in, read_text, shell, wait_until
from name_servers import IdentServer, NameServer, reverse
from registry import build, covers, needs_root, pitfall, timeout

NAMES = {"127.0.0.2": "db.example.org", "127.0.0.3": "a.lab.example.org", "127.0.0.4": "db.example.org",
         "127.0.0.6": "other.example.net"}
ADDRESSES = {"db.example.org": ["127.0.0.2"], "a.lab.example.org": ["127.0.0.3"],
             "other.example.net": ["127.0.0.6"]}


def service(name, port, lines, script="echo in $REMOTE_HOST $TCPREMOTEINFO"):
    return f'[service.{name}]\nlisten = "tcp4:{port}"\nuser = "nobody"\nexec = {shell(script)}\n{lines}\n'


def text_with(*services, timeout="10s"):
    return f'[superd]\nname_lookup_timeout = "{timeout}"\n' + "".join(services)


def answer(port, source):
    return ask(port, source=source, half_close=False).decode().strip()


def resolve_pids(d):
    path = os.path.join(build(), "superd-resolve")
    return [pid for pid, _, _ in descendants(d.guard) if executable(pid) == path]


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


@needs_root
def test_allow_by_name():
    """allow: host and domain let in whose name is confirmed by its own addresses, and nobody else"""
    lines = 'allow = ["host:db.example.org", "domain:lab.example.org", "127.0.0.9"]'
    with NameServer(NAMES, ADDRESSES) as names, Superd(text_with(service("echo", 2000, lines))) as d:
        assert not resolve_pids(d), "superd-resolve runs although nobody asked"
        expect(answer(2000, "127.0.0.9"), "in 127.0.0.9", "by its address")
        expect(names.asked, [], "questions about a client that needs none")
        expect(answer(2000, "127.0.0.2"), "in db.example.org")
        expect(answer(2000, "127.0.0.3"), "in a.lab.example.org")
        for source, why in (("127.0.0.4", "a forged name"), ("127.0.0.5", "no name"),
                            ("127.0.0.6", "another name")):
            assert refused_or_closed(2000, source=source), why
        expect(d.refused("echo"), {"not_allowed": 3})
        before = len(names.asked)
        expect(answer(2000, "127.0.0.2"), "in db.example.org", "from memory")
        expect(len(names.asked), before, "a remembered name is not asked for again")
        expect_in("db.example.org", d.ok("explain", "--from", "127.0.0.2", "echo"))
        told = d.ctl("explain", "--from", "127.0.0.4", "echo")
        expect_in("not_allowed", told.out + told.err)


@needs_root
@pitfall("CVE-2000-0536")
def test_deny_by_name_fails_closed():
    """CVE-2000-0536: deny by name keeps out who has no confirmed name, and whose name servers are silent"""
    lines = 'deny = "domain:lab.example.org"'
    with NameServer(NAMES, ADDRESSES, silent=[reverse("127.0.0.8")]) as names, \
            Superd(text_with(service("echo", 2000, lines), timeout="1s")) as d:
        expect(answer(2000, "127.0.0.2"), "in db.example.org")
        for source, why in (("127.0.0.3", "in the domain"), ("127.0.0.4", "a forged name"),
                            ("127.0.0.5", "no name"), ("127.0.0.8", "no answer")):
            assert refused_or_closed(2000, source=source), why
        expect(d.refused("echo"), {"denied": 4})
        d.wait_log(r"echo REFUSE .*from=127\.0\.0\.5:\d+ .*reason=denied rule=\S+superd\.toml:\d+")
        expect_in("no name that its own addresses confirm", d.ok("explain", "--from", "127.0.0.5", "echo"))
        assert names.asked, "nobody asked the name server"


@needs_root
@covers("superd.name_lookup_timeout")
def test_timeout():
    """name_lookup_timeout: a silent name server delays its client for that long, and nobody else"""
    lines = 'allow = "host:db.example.org"'
    text = text_with(service("named", 2000, lines), service("plain", 2001, ""), timeout="1s")
    with NameServer(NAMES, ADDRESSES, silent=[reverse("127.0.0.2")]), Superd(text) as d:
        began = time.monotonic()
        with connect(2000, source="127.0.0.2") as held:
            d.wait_connections("named", 1)
            expect(answer(2001, "127.0.0.2"), "in 127.0.0.2", "another service")
            assert time.monotonic() - began < 1.0, "the other service waited as well"
            expect_in("waits for a look-up", d.ok("why", "named"))
            expect_in("held", d.ok("connections", "named"))
            expect(held.recv(100), b"", "what a client without a name gets")
        assert time.monotonic() - began >= 0.9, "refused before its time was over"
        expect(d.refused("named"), {"not_allowed": 1})


@needs_root
@timeout(60)
def test_kill_while_held():
    """kill -9 while a client waits for its name: the next superd asks again, and answers once"""
    lines = 'allow = "host:db.example.org"\nmax_connections = 8'
    text = text_with(service("named", 2000, lines, "echo once"), timeout="30s")
    with NameServer(NAMES, ADDRESSES, silent=[reverse("127.0.0.2")]) as names, Superd(text) as d:
        clients = [connect(2000, source="127.0.0.2") for _ in range(5)]
        d.wait_connections("named", 5)
        wait_until(lambda: names.asked, what="the first question")
        before = len(names.asked)
        kill_superd(d)
        expect(d.connections("named"), 5, "held connections of the next superd")
        wait_until(lambda: len(names.asked) > before, what="the question asked again")
        names.release()
        for client in clients:
            with client, client.makefile("rb") as stream:
                expect(stream.read(), b"once\n")
        wait_until(lambda: d.status("named")["exited"] == 5, what="five exits")
        expect(d.status("named")["started"], 5)
        expect(d.status("named")["accepted"], 5)


class NamedLoad(Load):
    """Clients of a hundred addresses, each of which has a name of its own."""

    def client(self):
        number = 0
        while not self.stopped.is_set():
            number = number % 100 + 1
            try:
                got = ask(self.port, source=f"127.0.1.{number}", half_close=False, deadline=20)
            except OSError as error:
                got = repr(error).encode()
            with self.lock:
                self.answers += 1
                if got != self.wanted:
                    self.wrong.append(got)


@needs_root
@timeout(120)
def test_kills_under_load():
    """Ten kills under load of clients that their names let in: none is lost, none answered twice"""
    names = {f"127.0.1.{n}": f"h{n}.lab.example.org" for n in range(1, 101)}
    text = text_with(service("named", 2000, f'allow = "domain:lab.example.org"\n{UNBOUNDED}', "echo once"))
    with NameServer(names, {name: [address] for address, name in names.items()}), \
            Superd(text) as d, NamedLoad(2000, b"once\n") as load:
        wait_until(lambda: load.answers > 20, what="the load to begin")
        for _ in range(10):
            before, old = load.answers, d.pid
            os.kill(old, signal.SIGKILL)
            wait_until(lambda: load.answers > before + 20, 20, "answers after a kill")
            d.wait_superd(other_than=old)
        finish(load)
        expect(d.refused("named"), {})


@needs_root
@timeout(60)
def test_program_dies():
    """superd-resolve is confined; when it is killed another one is asked the same"""
    lines = 'allow = "host:db.example.org"'
    with NameServer(NAMES, ADDRESSES, silent=[reverse("127.0.0.2")]) as names, \
            Superd(text_with(service("named", 2000, lines), timeout="30s")) as d:
        with connect(2000, source="127.0.0.2") as client:
            wait_until(lambda: names.asked, what="the question")
            first = wait_until(lambda: resolve_pids(d), what="superd-resolve")[0]
            status = open(f"/proc/{first}/status", encoding="ascii").read()
            for wanted in (r"^NoNewPrivs:\s*1$", r"^Seccomp:\s*2$", r"^CapPrm:\s*0+$", r"^CapEff:\s*0+$",
                           r"^Uid:\s*[1-9]"):
                assert re.search(wanted, status, re.M), f"{wanted} in {status}"
            os.kill(first, signal.SIGKILL)
            second = wait_until(lambda: [pid for pid in resolve_pids(d) if pid != first], what="another one")
            assert second
            names.release()
            with client.makefile("rb") as stream:
                expect(stream.read(), b"in db.example.org\n")


def replies(text):
    """An ident server that says text about whatever ports it is asked for."""
    return lambda peer, local: f"{peer}, {local} : {text}\r\n".encode()


@needs_root
@covers("ident")
def test_ident_log():
    """ident log: the service starts at once, the user is logged when the answer comes, escaped"""
    with IdentServer("127.0.0.2", replies("USERID : UNIX : al\x1bice root")) as identd, \
            Superd(service("echo", 2000, 'ident = "log"', "echo hello; read line")) as d:
        with connect(2000, source="127.0.0.2") as client, client.makefile("rb") as stream:
            expect(stream.readline(), b"hello\n")
            d.wait_log(r'echo IDENT conn=\w+ from=127\.0\.0\.2:\d+ user="al\\x1bice root"')
            asked_from, line = identd.asked[0]
            expect(asked_from, "127.0.0.1", "asked from the address that the client connected to")
            expect(line, f"{client.getsockname()[1]}, 2000\r\n")
            expect(d.status("echo")["processes"][0]["user"], "al\x1bice root")
    with Superd(service("echo", 2000, 'ident = "log"', "echo hello")) as d:
        expect(ask(2000, source="127.0.0.3", half_close=False), b"hello\n", "without an ident server")
        d.wait_log(r'echo IDENT conn=\w+ from=127\.0\.0\.3:\d+ error="no answer"')


@needs_root
def test_ident_refused():
    """ident log: who is refused is asked for as well, unless log_refused leaves the user out; the line is xinetd's there"""
    lines = 'ident = "log"\ndeny = "127.0.0.2"\n'
    with IdentServer("127.0.0.2", replies("USERID : UNIX : alice")) as identd:
        text = service("echo", 2000, lines) + service("silent", 2001, lines + 'log_refused = ["host"]\n')
        with Superd(text) as d:
            assert refused_or_closed(2001, source="127.0.0.2")
            d.wait_log(r"silent REFUSE conn=\w+ from=127\.0\.0\.2:\d+ .*reason=denied")
            assert refused_or_closed(2000, source="127.0.0.2")
            number = d.wait_log(r"echo REFUSE conn=(\w+) from=127\.0\.0\.2:\d+ .*reason=denied").group(1)
            d.wait_log(rf"echo IDENT conn={number} from=127\.0\.0\.2:\d+ user=alice")
            expect(len(identd.asked), 1, "questions")
        log = "/run/test/xinetd.log"  # superd's own lines stay on stderr
        with Superd(f'[superd]\nlog = ["stderr", "file:{log}"]\nlog_format = "xinetd"\n'
                    + service("echo", 2000, lines)):
            assert refused_or_closed(2000, source="127.0.0.2")
            wait_until(lambda: "FAIL: echo address from=127.0.0.2" in read_text(log), what="the line FAIL")
            wait_until(lambda: "USERID: echo UNIX :alice" in read_text(log), what="the line USERID")


@needs_root
def test_ident_require():
    """ident require: who has a user is let in and known by it; errors and nobody there are refused"""
    text = service("echo", 2000, 'ident = "require"')
    with IdentServer("127.0.0.2", replies("USERID : UNIX : alice")), \
            IdentServer("127.0.0.3", replies("ERROR : HIDDEN-USER")), Superd(text) as d:
        expect(answer(2000, "127.0.0.2"), "in 127.0.0.2 alice")
        d.wait_log(r"echo START .* user=alice")
        assert refused_or_closed(2000, source="127.0.0.3"), "a hidden user was let in"
        d.wait_log(r"echo IDENT .*error=HIDDEN-USER")
        assert refused_or_closed(2000, source="127.0.0.4"), "a host without ident was let in"
        expect(d.refused("echo"), {"ident": 2})
        d.wait_log(r"echo REFUSE .*from=127\.0\.0\.4:\d+ .*reason=ident")


@needs_root
@covers("ident_timeout")
def test_ident_timeout():
    """ident_timeout: a silent ident server costs its client that long, and then the connection"""
    text = service("strict", 2000, 'ident = "require"\nident_timeout = "800ms"') + \
        service("plain", 2001, "")
    with IdentServer("127.0.0.2", lambda peer, local: None), Superd(text) as d:
        began = time.monotonic()
        with connect(2000, source="127.0.0.2") as held:
            d.wait_connections("strict", 1)
            expect(answer(2001, "127.0.0.2"), "in 127.0.0.2", "another service meanwhile")
            expect(held.recv(100), b"")
        took = time.monotonic() - began
        assert 0.7 <= took < 8, f"refused after {took} s"
        expect(d.refused("strict"), {"ident": 1})
