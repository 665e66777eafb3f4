# SPDX-License-Identifier: MIT
"""superd-relay: builtins over streams, and what becomes of it and of its connections."""

import datetime
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import tempfile

from clients import connect, read_all, talk
from harness import Superd, descendants, executable, expect, expect_in, processes, read_text, wait_until
from registry import build, covers, needs_root, pitfall, skip, timeout


def builtin(name, word, listen, lines=""):
    return f'[service.{name}]\nlisten = "{listen}"\nbuiltin = "{word}"\n{lines}\n'


def relays(d):
    """The pids of the superd-relay processes of this superd."""
    path = os.path.join(build(), "superd-relay")
    return [pid for pid, _, _ in descendants(d.guard) if executable(pid) == path]


def sanitized():
    """A relay under sanitizers, whose runtime needs more than its filter would allow."""
    with open(os.path.join(build(), "superd-relay"), "rb") as program:
        return b"__asan_init" in program.read()


def echo(connection, text):
    connection.sendall(text)
    got = b""
    while len(got) < len(text):
        part = connection.recv(65536)
        assert part, f"ended after {got!r}"
        got += part
    return got


@covers("builtin")
def test_echo():
    """Echo gives everything back, then the end of file; START and EXIT with the bytes are logged"""
    with Superd(builtin("echo", "echo", "tcp:127.0.0.1:0")) as d:
        data = os.urandom(300_000)
        with connect(d.port("echo")) as client:
            expect(echo(client, b"hello"), b"hello")
            expect(d.connections("echo"), 1)
            expect([p["kind"] for p in d.status("echo")["processes"]], ["relayed"])
            got = b""
            client.setblocking(True)
            for at in range(0, len(data), 10_000):
                got += echo(client, data[at:at + 10_000])
            expect(got, data)
            client.shutdown(socket.SHUT_WR)
            expect(read_all(client), b"")
        line = d.wait_log(r"echo EXIT conn=\S+ end=finished received=(\d+) sent=(\d+) duration=\S+ from=127")
        expect(line.groups(), ("300005", "300005"))
        d.wait_log(r"echo START conn=\S+ from=127\S+ to=127")
        expect(d.status("echo")["exited"], 1)
        expect(len(relays(d)), 1, "one relay for one connection")
        expect(talk(connect(d.port("echo")), b"again"), b"again")


@covers("builtin")
def test_small_services():
    """discard, chargen, daytime and time over TCP say what their RFCs want"""
    text = "".join(builtin(word, word, "tcp:127.0.0.1:0") for word in ("discard", "chargen", "daytime", "time"))
    with Superd(text) as d:
        expect(talk(connect(d.port("discard")), b"x" * 200_000), b"")
        d.wait_log(r"discard EXIT conn=\S+ end=finished received=200000 sent=0 ")
        with connect(d.port("chargen")) as client:
            got = b""
            while len(got) < 74 * 96:
                got += client.recv(65536)
        lines = got.split(b"\r\n")
        expect(lines[0], bytes(range(32, 104)), "the first line")
        expect(lines[1][:3], b'!"#', "each line begins one character later")
        expect(lines[95], lines[0], "after 95 lines it begins anew")
        d.wait_log(r"chargen EXIT conn=\S+ end=finished received=0 sent=\d{4,} ")
        said = talk(connect(d.port("daytime")), half_close=False).decode()
        told = datetime.datetime.strptime(said, "%a %b %d %H:%M:%S %Y\r\n")
        assert abs((datetime.datetime.now() - told).total_seconds()) < 30, said
        (seconds,) = struct.unpack("!I", talk(connect(d.port("time")), half_close=False))
        assert abs(seconds - 2_208_988_800 - datetime.datetime.now().timestamp()) < 30, seconds


@covers("idle_timeout")
def test_idle():
    """A connection without traffic ends after idle_timeout; traffic either way keeps it"""
    with Superd(builtin("echo", "echo", "tcp:127.0.0.1:0", 'idle_timeout = "300ms"')) as d:
        with connect(d.port("echo")) as client:
            expect(echo(client, b"one"), b"one")
            expect(read_all(client), b"", "closed by superd")
        d.wait_log(r"echo EXIT conn=\S+ end=idle received=3 sent=3 ")


def test_limits_of_relayed():
    """A builtin's connections are counted, refused and listed like those of a handler"""
    lines = 'max_connections = 1\non_limit = "refuse"\nrefuse_text = "full\\n"\n'
    text = builtin("echo", "echo", "tcp:127.0.0.1:0", lines) + \
        builtin("closed", "echo", "tcp:127.0.0.1:0", 'allow = "192.0.2.1"')
    with Superd(text) as d:
        with connect(d.port("echo")) as client:
            expect(echo(client, b"x"), b"x")
            expect(talk(connect(d.port("echo")), half_close=False), b"full\n")
            expect(d.refused("echo"), {"max_connections": 1})
            expect(d.state("echo"), "running")
            (number,) = re.search(r"echo START conn=(\S+)", d.log()).groups()
            expect_in(number, d.ok("connections", "echo"))
            d.ok("kill", "echo", "--connection", number)
            expect(read_all(client), b"")
        d.wait_log(r"echo EXIT conn=\S+ end=closed ")
        expect(talk(connect(d.port("closed")), half_close=False), b"")
        expect(d.refused("closed"), {"not_allowed": 1})


def test_stop_of_relayed():
    """superctl stop ends a builtin's connections; a reload that removes the service does not"""
    text = builtin("echo", "echo", "tcp:127.0.0.1:0")
    with Superd(text + builtin("other", "echo", "tcp:127.0.0.1:0")) as d:
        port = d.port("other")
        with connect(d.port("echo")) as client, connect(port) as other:
            expect((echo(client, b"x"), echo(other, b"y")), (b"x", b"y"))
            d.write(text)
            expect(d.reload().code, 0)
            expect(echo(other, b"still"), b"still")
            d.ok("stop", "echo")
            expect(read_all(client), b"")
            other.shutdown(socket.SHUT_WR)
            expect(read_all(other), b"")
        d.wait_log(r"other EXIT conn=\S+ end=finished received=6 sent=6 ")


def test_relay_killed():
    """kill -9 of a relay ends its connections and nothing else: the listener stays, others serve on"""
    with Superd(builtin("echo", "echo", "tcp:127.0.0.1:0")) as d:
        port = d.port("echo")
        client = connect(port)
        expect(echo(client, b"x"), b"x")
        (relay,) = relays(d)
        os.kill(relay, signal.SIGKILL)
        try:
            expect(client.recv(10), b"")
        except ConnectionResetError:
            pass
        d.wait_log(r"superd-relay 0 has died")
        d.wait_log(r"echo EXIT conn=\S+ end=relay_lost ")
        expect(d.connections("echo"), 0)
        expect(talk(connect(port), b"again"), b"again")
        expect(d.port("echo"), port, "the listener stays")
        for _ in range(20):
            expect(talk(connect(port), b"again"), b"again")


def test_superd_killed():
    """kill -9 of superd: relayed connections live on, are counted again, and the relay is used again"""
    with Superd(builtin("echo", "echo", "tcp:127.0.0.1:0")) as d:
        with connect(d.port("echo")) as client:
            expect(echo(client, b"x"), b"x")
            before, old = relays(d), d.pid
            os.kill(old, signal.SIGKILL)
            expect(echo(client, b"while superd is away"), b"while superd is away")
            d.wait_superd(other_than=old)
            expect(d.connections("echo"), 1)
            expect(echo(client, b"yz"), b"yz")
            client.shutdown(socket.SHUT_WR)
            expect(read_all(client), b"")
        d.wait_log(r"echo EXIT conn=\S+ end=finished received=23 sent=23 ")
        d.wait_connections("echo", 0)
        expect(talk(connect(d.port("echo")), b"again"), b"again")
        expect(set(before) <= set(relays(d)), True, "the relay of before is still there")


def test_stop_leaves_relayed():
    """superd stops: relayed connections are served to their end, unless on_stop says end"""
    text = builtin("stays", "echo", "tcp:127.0.0.1:0") + \
        builtin("ends", "echo", "tcp:127.0.0.1:0", 'on_stop = "end"')
    with Superd(text) as d:
        stays, ends = connect(d.port("stays")), connect(d.port("ends"))
        expect((echo(stays, b"x"), echo(ends, b"y")), (b"x", b"y"))
        pids = relays(d)
        d.stop()
        expect(ends.recv(10), b"")
        expect(echo(stays, b"still"), b"still")
        stays.close()
        ends.close()
        wait_until(lambda: not set(pids) & {pid for pid, _, _ in processes()}, what="no relay left")


@needs_root
def test_sandbox():
    """A relay is nobody of importance: own user, empty root, no capability, no new privileges, seccomp"""
    with Superd(builtin("echo", "echo", "tcp:2000")) as d:
        expect(talk(connect(2000), b"x"), b"x")
        (relay,) = relays(d)
        status = dict(line.split(":\t", 1) for line in read_text(f"/proc/{relay}/status").splitlines() if ":\t" in line)
        for name in ("Uid", "Gid"):
            assert "0" not in status[name].split(), f"{name}: {status[name]}"
        expect(status["Groups"].strip(), "")
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            expect(int(status[name], 16), 0, name)
        expect(status["NoNewPrivs"].strip(), "1")
        if not sanitized():
            expect(status["Seccomp"].strip(), "2")
        expect(os.listdir(f"/proc/{relay}/root"), [])
        expect(os.stat(f"/proc/{relay}/root").st_uid, 0)


# ---- redirect


class Upstream:
    """A server on 127.0.0.1 (or ::1) that the test drives by hand."""

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind((host, 0))
        self.listener.listen(4096)
        self.listener.settimeout(10)
        self.port = self.listener.getsockname()[1]
        self.address = f"tcp:[{host}]:{self.port}" if ":" in host else f"tcp:{host}:{self.port}"

    def accept(self):
        connection, _ = self.listener.accept()
        connection.settimeout(10)
        return connection

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def redirect(name, listen, target, lines=""):
    return f'[service.{name}]\nlisten = "{listen}"\nredirect = {json.dumps(target)}\n{lines}\n'


@covers("redirect")
def test_redirect():
    """Bytes go both ways, each half is closed by itself, and EXIT has their numbers"""
    with Upstream() as server, Superd(redirect("r", "tcp:127.0.0.1:0", server.address)) as d:
        with connect(d.port("r")) as client, server.accept() as upstream:
            client.sendall(b"question")
            expect(upstream.recv(100), b"question")
            client.shutdown(socket.SHUT_WR)
            expect(upstream.recv(100), b"", "the client's end of file")
            upstream.sendall(b"answer, later")
            expect(client.recv(100), b"answer, later")
            upstream.close()
            expect(client.recv(100), b"")
        d.wait_log(r"r EXIT conn=\S+ end=finished received=8 sent=13 ")
        with connect(d.port("r")) as client, server.accept() as upstream:
            upstream.shutdown(socket.SHUT_WR)
            expect(client.recv(100), b"", "the server's end of file")
            client.sendall(b"still listening")
            client.close()
            expect(read_all(upstream), b"still listening")


def test_redirect_bulk():
    """Many bytes arrive whole and in order, both ways at once, when the reader is slow too"""
    with Upstream() as server, Superd(redirect("r", "tcp:127.0.0.1:0", server.address)) as d:
        data = os.urandom(1 << 20) * 8
        client = connect(d.port("r"))
        upstream = server.accept()
        got = {client: b"", upstream: b""}
        left = {client: memoryview(data), upstream: memoryview(data)[::-1]}
        left[upstream] = memoryview(bytes(left[upstream]))
        wanted = {client: bytes(left[upstream]), upstream: data}
        parts = {client: [], upstream: []}
        for end in (client, upstream):
            end.setblocking(False)
        sizes = {client: 0, upstream: 0}
        while min(sizes.values()) < len(data):
            readable, writable, _ = select.select(
                [end for end in parts if sizes[end] < len(data)], [end for end in left if left[end]], [], 10)
            assert readable or writable, "nothing moves"
            for end in readable:
                part = end.recv(300_000)
                assert part
                parts[end].append(part)
                sizes[end] += len(part)
            for end in writable:
                left[end] = left[end][end.send(left[end][:200_000]):]
        for end in parts:
            got[end] = b"".join(parts[end])
            expect(got[end] == wanted[end], True, "the same bytes")
            end.close()
        d.wait_log(rf"r EXIT conn=\S+ end=finished received={len(data)} sent={len(data)} ")


def test_redirect_matrix():
    """v4 and v6 and UNIX clients to v4, v6 and UNIX servers"""
    with tempfile.TemporaryDirectory() as folder, Upstream() as four, Upstream("::1") as six:
        path = os.path.join(folder, "server")
        local = socket.socket(socket.AF_UNIX)
        local.bind(path)
        local.listen(8)
        local.settimeout(10)
        os.chmod(folder, 0o755)
        os.chmod(path, 0o666)
        servers = {"four": (four.address, four.listener), "six": (six.address, six.listener),
                   "unix": ("unix:" + path, local)}
        text = ""
        for name, (address, _) in servers.items():
            text += redirect(f"v4-{name}", "tcp:127.0.0.1:0", address)
            text += redirect(f"v6-{name}", "tcp:[::1]:0", address)
            text += redirect(f"local-{name}", f"unix:{folder}/{name}", address)
        with Superd(text) as d:
            for name, (_, listener) in servers.items():
                clients = [connect(d.port(f"v4-{name}")), connect(d.port(f"v6-{name}"), "::1")]
                last = socket.socket(socket.AF_UNIX)
                last.connect(f"{folder}/{name}")
                last.settimeout(10)
                for client in [*clients, last]:
                    upstream, _ = listener.accept()
                    upstream.settimeout(10)
                    client.sendall(b"to")
                    expect(upstream.recv(10), b"to")
                    upstream.sendall(b"fro")
                    expect(client.recv(10), b"fro")
                    client.close()
                    expect(upstream.recv(10), b"")
                    upstream.close()
        local.close()


def test_redirect_failover():
    """The first target that can be reached is taken; none of them closes and is logged"""
    with Upstream() as dead:
        nobody = dead.address
    with Upstream() as server:
        text = redirect("r", "tcp:127.0.0.1:0", [nobody, "unix:/nonexistent/socket", server.address]) + \
            redirect("none", "tcp:127.0.0.1:0", [nobody, nobody])
        with Superd(text) as d:
            with connect(d.port("r")) as client, server.accept() as upstream:
                upstream.sendall(b"here")
                expect(client.recv(10), b"here")
            d.wait_log(rf"r FAIL conn=\S+ from=\S+ connect {nobody}: Connection refused")
            expect(talk(connect(d.port("none")), half_close=False), b"")
            d.wait_log(r"none EXIT conn=\S+ end=connect error=\"Connection refused\" received=0 sent=0 ")


def test_status():
    """status, connections and why speak of connections, now and in all, not of processes"""
    with Upstream() as server, Superd(redirect("r", "tcp:127.0.0.1:0", server.address, "max_connections = 7")) as d:
        with connect(d.port("r")) as client, server.accept():
            client.sendall(b"x")
        d.wait_connections("r", 0)
        with connect(d.port("r")) as client, server.accept():
            d.wait_connections("r", 1)
            expect(d.status("r")["connections"], {"now": 1, "max": 7, "total": 2})
            row = re.search(r"^r .*$", d.ok("status"), re.M).group(0).split()
            expect(row[1:2] + row[-5:-3], ["running", "1/7", "2"], "the row of superctl status")
            shown = d.ok("status", "r")
            expect_in("Connections: 1/7 now, 2 accepted", shown)
            expect_in("Relayed: 2 started, 1 ended", shown)
            port = client.getsockname()[1]
            assert re.search(rf"connection \w+ from 127\.0\.0\.1:{port}", shown), shown
            assert re.search(rf"r +relayed .*127\.0\.0\.1:{port}", d.ok("connections", "r"))
            why = d.ok("why", "r")
            expect_in("superd-relay serves it, without a process of its own: 1 connection now, 2 in all", why)
            assert "process ended" not in why and "pid" not in shown, why + shown


@covers("connect_timeout")
def test_connect_timeout():
    """A target that does not answer is given up after connect_timeout, and the next one tried"""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = []
    for _ in range(4):  # its queue is full: a further connect gets no answer
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(full.getsockname())
        waiting.append(one)
    with Upstream() as server:
        target = ["tcp:127.0.0.1:%d" % full.getsockname()[1], server.address]
        with Superd(redirect("r", "tcp:127.0.0.1:0", target, 'connect_timeout = "300ms"')) as d:
            with connect(d.port("r")) as client, server.accept() as upstream:
                upstream.sendall(b"here")
                expect(client.recv(10), b"here")
            d.wait_log(r"r FAIL conn=\S+ from=\S+ connect \S+: Connection timed out")
    for one in (full, *waiting):
        one.close()


@covers("send_proxy")
def test_send_proxy():
    """The server is told who its client is, before the first byte"""
    with Upstream() as server, Upstream("::1") as six:
        text = redirect("one", "tcp:127.0.0.1:0", server.address, 'send_proxy = "v1"') + \
            redirect("two", "tcp:127.0.0.1:0", server.address, 'send_proxy = "v2"') + \
            redirect("six", "tcp:[::1]:0", six.address, 'send_proxy = "v1"')
        with Superd(text) as d:
            for name, host, to in (("one", "127.0.0.1", server), ("six", "::1", six)):
                with connect(d.port(name), host) as client, to.accept() as upstream:
                    client.sendall(b"hello")
                    client.shutdown(socket.SHUT_WR)
                    port = client.getsockname()[1]
                    family = "TCP6" if ":" in host else "TCP4"
                    expect(read_all(upstream).decode(),
                           f"PROXY {family} {host} {host} {port} {d.port(name)}\r\nhello")
            with connect(d.port("two")) as client, server.accept() as upstream:
                client.shutdown(socket.SHUT_WR)
                home = socket.inet_aton("127.0.0.1")
                expect(read_all(upstream), b"\r\n\r\n\0\r\nQUIT\n" + b"\x21\x11\0\x0c" + home + home +
                       struct.pack("!HH", client.getsockname()[1], d.port("two")))


@pitfall("time of resolution")
def test_redirect_name():
    """A target may be a name; one that has no address now is a warning and closes its clients"""
    with Upstream() as server:
        text = redirect("r", "tcp:127.0.0.1:0", f"tcp4:localhost:{server.port}") + \
            redirect("none", "tcp:127.0.0.1:0", "tcp:nonexistent.invalid:1")
        with Superd(text) as d:
            with connect(d.port("r")) as client, server.accept() as upstream:
                upstream.sendall(b"here")
                expect(client.recv(10), b"here")
            expect(talk(connect(d.port("none")), half_close=False), b"")
            d.wait_log(r"none EXIT conn=\S+ end=connect error=\"No route to host\"")
            expect_in("no address of", d.log())


@timeout(120)
def test_memory():
    """2,000 open relayed connections cost the relays less than 40 MB"""
    lines = 'max_connections = "unlimited"\nmax_per_source = "unlimited"'
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 10_000:
        skip("not as many descriptors here")
    with Upstream() as server, Superd(redirect("r", "tcp:127.0.0.1:0", server.address, lines)) as d:
        port, open_ends = d.port("r"), []
        for _ in range(2000):
            client = connect(port)
            upstream = server.accept()
            client.sendall(b"question")
            expect(upstream.recv(100), b"question")
            upstream.sendall(b"answer")
            expect(client.recv(100), b"answer")
            open_ends += [client, upstream]
        expect(d.connections("r"), 2000)
        resident = 0
        for pid in relays(d):
            rollup = read_text(f"/proc/{pid}/smaps_rollup")
            resident += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M).group(1))
        print(f"{resident} kB for 2,000 connections")
        if not sanitized():  # there is a shadow of everything
            assert resident < 40 * 1024, f"{resident} kB"
        for end in open_ends:
            end.close()
        d.wait_connections("r", 0)
