# SPDX-License-Identifier: MIT
"""tcpmux (RFC 1078), ident (RFC 1413) and the sensor: one line read by superd-relay, the rest decided by superd."""

import os
import re
import resource
import signal
import socket

from clients import connect, read_all, read_line, talk
from harness import Superd, expect, expect_in, program, shell, wait_until
from registry import covers, needs_root, pitfall
from relay_test import builtin, relays

MUX = builtin("mux", "tcpmux", "tcp:127.0.0.1:0")


def marked(name, script, mark, lines=""):
    user = 'user = "alice"\n' if os.geteuid() == 0 else ""
    return f'[service.{name}]\ntcpmux = "{mark}"\nexec = {shell(script)}\n{user}{lines}\n'


@needs_root
@covers("tcpmux")
@pitfall("CVE-2012-0862")
def test_tcpmux():
    """A marked service is reached by its name in any case, with its own user, log line and exactly its bytes"""
    text = MUX + marked("Lines", "echo +mine; id -un; cat", "plain") + marked("plus", "cat", "plus") + \
        '[service.plain]\nlisten = "tcp:127.0.0.1:0"\nuser = "alice"\nexec = ["/bin/cat"]\n'
    with Superd(text) as d:
        port = d.port("mux")
        expect(talk(connect(port), b"lINES\r\nwhat follows\n"), b"+mine\nalice\nwhat follows\n")
        expect(talk(connect(port), b"plus\nnext"), b"+Go\r\nnext")
        expect(d.status("plus")["state"], "listening")
        d.wait_log(r"mux EXIT conn=(\S+) end=handed_over ")
        d.wait_log(r"Lines START conn=\S+ pid=\d+ from=127\.0\.0\.1")
        d.wait_log(r"Lines EXIT conn=\S+ pid=\d+ status=0 ")
        expect(d.connections("mux"), 0)
        # CVE-2012-0862: only marked services.
        said = talk(connect(port), b"plain\r\n")
        expect(said, b"-Service plain is not known\r\n")


@needs_root
def test_tcpmux_help():
    """HELP lists the marked services, one a line, and nothing else"""
    text = MUX + marked("one", "cat", "plain") + marked("two", "cat", "plus") + \
        marked("off", "cat", "plus", "enabled = false") + \
        '[service.other]\nlisten = "tcp:127.0.0.1:0"\nuser = "alice"\nexec = ["/bin/cat"]\n'
    with Superd(text) as d:
        expect(talk(connect(d.port("mux")), b"HELP\r\n", half_close=False), b"one\r\ntwo\r\n")


@needs_root
def test_tcpmux_bad_lines():
    """A line in pieces is fine; one too long, empty or with control characters is answered by '-'"""
    with Superd(MUX + marked("one", "cat", "plain")) as d:
        port = d.port("mux")
        with connect(port) as client:
            for byte in b"one\r\nrest":
                client.sendall(bytes([byte]))
            client.shutdown(socket.SHUT_WR)
            expect(read_all(client), b"rest")
        for line in (b"x" * 300, b"\r\n", b"o\x07ne\r\n", b"two words\r\n"):
            said = talk(connect(port), line, half_close=False)
            expect(said, b"-That is no name of a service\r\n", repr(line[:10]))
        expect(talk(connect(port), b"on"), b"", "an end before the line's")
        expect(d.status("one")["started"], 1)


@needs_root
def test_tcpmux_admission():
    """The wanted service's own rules count"""
    text = MUX + marked("closed", "cat", "plus", 'allow = "192.0.2.1"') + \
        marked("one", "cat", "plus", 'max_connections = 1\non_limit = "refuse"')
    with Superd(text) as d:
        port = d.port("mux")
        expect(talk(connect(port), b"closed\r\n"), b"-Service closed is refused\r\n")
        expect(d.refused("closed"), {"not_allowed": 1})
        with connect(port) as first:
            first.sendall(b"one\r\n")
            expect(read_line(first), b"+Go\r\n")
            expect(talk(connect(port), b"one\r\n"), b"-Service one is refused\r\n")
            expect(d.connections("one"), 1)
        wait_until(lambda: d.connections("one") == 0, what="given back")
        expect(d.refused("one"), {"max_connections": 1})


@needs_root
def test_tcpmux_superd_killed():
    """A client whose line is being read outlives superd and is served once"""
    with Superd(MUX + marked("one", "echo here; cat", "plain")) as d:
        with connect(d.port("mux")) as client:
            client.sendall(b"on")
            wait_until(lambda: d.connections("mux") == 1, what="accepted")
            wait_until(lambda: relays(d), what="a relay")
            old = d.pid
            os.kill(old, signal.SIGKILL)
            client.sendall(b"e\r\nrest")
            d.wait_superd(other_than=old)
            client.shutdown(socket.SHUT_WR)
            expect(read_all(client), b"here\nrest")
        expect(d.status("one")["started"], 1)


@needs_root
def test_tcpmux_no_descriptors():
    """A client whose copy no descriptor is left for is refused, and the next ones are served"""
    with Superd(MUX + marked("one", "cat", "plus")) as d:
        port = d.port("mux")
        expect(talk(connect(port), b"one\r\nfirst"), b"+Go\r\nfirst")
        d.wait_log(r"one EXIT conn=")
        before = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (second_free(settled(d)), before[1]))
        with connect(port) as client:
            expect(read_all(client), b"", "closed")
        d.wait_log(r"mux REFUSE conn=\S+ from=127\.0\.0\.1\S* to=\S+ reason=no_descriptors")
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, before)
        expect(talk(connect(port), b"one\r\nnext"), b"+Go\r\nnext")
        expect(d.refused("mux"), {"no_descriptors": 1})
        expect(d.connections("mux"), 0)


def settled(d):
    """The numbers of superd's descriptors, once nothing opens or closes any."""
    seen = []
    def quiet():
        seen.append(set(d.fds()))
        return len(seen) >= 10 and all(numbers == seen[-1] for numbers in seen[-10:])
    wait_until(quiet, what="nothing opened or closed")
    return seen[-1]


def second_free(numbers):
    """A limit that leaves room for one descriptor more."""
    free = (number for number in range(max(numbers) + 3) if number not in numbers)
    next(free)
    return next(free)


@needs_root
def test_ident():
    """ident names the owner of a connection between the asking host and this one"""
    with Superd(builtin("ident", "ident", "tcp:2113")) as d:
        with socket.socket() as server, connect(2113) as asking:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            with connect(server.getsockname()[1]) as mine:
                there, _ = server.accept()
                local, remote = mine.getsockname()[1], mine.getpeername()[1]
                asking.sendall(f"{local}, {remote}\r\n".encode())
                expect(read_line(asking).decode(), f"{local} , {remote} : USERID : UNIX : root\r\n")
                asking.sendall(b"1 , 2\r\n")
                expect(read_line(asking), b"1 , 2 : ERROR : NO-USER\r\n", "nobody's")
                for bad in (b"x, y", b"0, 1", b"70000, 1", b"1 2", b""):
                    asking.sendall(bad + b"\r\n")
                    expect(read_line(asking), b"0 , 0 : ERROR : INVALID-PORT\r\n", repr(bad))
                there.close()
            asking.sendall(b"9" * 2000)
            expect(read_line(asking), b"0 , 0 : ERROR : UNKNOWN-ERROR\r\n")
        d.wait_log(r"ident EXIT conn=\S+ end=\S+ ")


def test_sensor():
    """A sensor says who came, to TCP and UDP, and answers nothing"""
    text = builtin("trap", "sensor", "tcp:127.0.0.1:0") + builtin("gram", "sensor", "udp:127.0.0.1:0")
    with Superd(text) as d:
        expect(talk(connect(d.port("trap")), b"anything"), b"")
        d.wait_log(r"trap CRIT SENSOR from=127\.0\.0\.1:\d+ to=127")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", ("127.0.0.1", d.port("gram")))
        d.wait_log(r"gram CRIT SENSOR from=127\.0\.0\.1:\d+ to=127")


@covers("deny_for")
def test_sensor_denies():
    """deny_for keeps who touched the sensor out of every service, until superctl deny lets him in again"""
    text = builtin("trap", "sensor", "tcp:127.0.0.1:0", 'deny_for = "1h"') + builtin("echo", "echo", "tcp:127.0.0.1:0")
    with Superd(text) as d:
        expect(talk(connect(d.port("echo")), b"x"), b"x")
        talk(connect(d.port("trap")))
        expect_in("127.0.0.1", d.ok("deny"))
        expect(talk(connect(d.port("echo")), half_close=False), b"")
        expect(d.refused("echo"), {"denied": 1})
