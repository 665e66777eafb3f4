# SPDX-License-Identifier: MIT
"""superd-relay and datagrams: small services that are nobody's weapon, redirects with conversations."""

import os
import signal
import socket
import struct

import namespace
from clients import connect, talk, udp_socket
from harness import Superd, expect, expect_in, wait_until, write_text
from registry import needs_root, pitfall
from relay_test import builtin, redirect, relays


def ask(port, data, host="127.0.0.1", source=None, deadline=None):
    """One answer to one datagram; None where there is none within a moment."""
    with udp_socket(host) as client:
        if source is not None:
            client.bind((host, source))
        client.settimeout(10 if deadline is None else deadline)
        client.sendto(data, (host, port))
        try:
            return client.recv(65536)
        except socket.timeout:
            return None


def unanswered(d, service, count):
    wait_until(lambda: d.status(service)["dropped_datagrams"] == count, what=f"{count} unanswered")


def test_small_services():
    """echo, chargen, daytime and time answer one datagram with one; discard with none"""
    text = "".join(builtin(word, word, "udp:127.0.0.1:0")
                   for word in ("echo", "discard", "chargen", "daytime", "time"))
    with Superd(text) as d:
        expect(ask(d.port("echo"), b"hello"), b"hello")
        large = os.urandom(60_000)
        expect(ask(d.port("echo"), large) == large, True, "a large one")
        expect(ask(d.port("echo"), b""), b"")
        expect(len(ask(d.port("chargen"), b"?")), 74)
        expect_in(b"\r\n", ask(d.port("daytime"), b"?"))
        expect(len(ask(d.port("time"), b"?")), 4)
        with udp_socket() as client:
            client.sendto(b"?", ("127.0.0.1", d.port("discard")))
        wait_until(lambda: d.status("discard")["accepted"] == 1, what="counted")
        wait_until(lambda: d.status("echo")["accepted"] == 3, what="counted")
        expect(len(relays(d)) >= 1, True)


@needs_root
def test_both_kinds():
    """One service over TCP and UDP, IPv4 and IPv6 on one socket"""
    lines = 'listen = ["tcp:2000", "udp:2000"]\nbuiltin = "echo"\n'
    with Superd("[service.echo]\n" + lines):
        expect(talk(connect(2000), b"stream"), b"stream")
        expect(talk(connect(2000, "::1"), b"stream"), b"stream")
        expect(ask(2000, b"four"), b"four")
        expect(ask(2000, b"six", "::1"), b"six")


@needs_root
@pitfall("UDP loops")
def test_reflectors():
    """No answer to a port below 1024, to a small service of this superd or to the service itself"""
    text = builtin("echo", "echo", "udp:2007") + builtin("chargen", "chargen", "udp:2019")
    with Superd(text) as d:
        expect(ask(2007, b"yes"), b"yes")
        count = 0
        for source in (7, 9, 13, 19, 37, 53, 1023):
            with udp_socket() as client:
                client.bind(("127.0.0.2", source))
                client.sendto(b"no", ("127.0.0.1", 2007))
            count += 1
        unanswered(d, "echo", count)
        # The forged question of one small service to the other, by a socket that may forge it.
        for service, port, source in (("echo", 2007, 2019), ("chargen", 2019, 2007), ("echo", 2007, 2007)):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
            raw.sendto(struct.pack("!HHHH", source, port, 10, 0) + b"no", ("127.0.0.1", 0))
            raw.close()
        unanswered(d, "echo", count + 2)
        unanswered(d, "chargen", 1)
        expect(ask(2007, b"still"), b"still")


@needs_root
def test_broadcast():
    """No answer to a datagram for everybody"""
    with Superd(builtin("echo", "echo", "udp:2007")) as d:
        with udp_socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            client.sendto(b"all", ("127.255.255.255", 2007))
        unanswered(d, "echo", 1)


def test_rate():
    """A source has a rate: 100/s where nothing is said, or what rate_per_source says"""
    text = builtin("echo", "echo", "udp:127.0.0.1:0", 'rate_per_source = "3/h"') + \
        builtin("usual", "echo", "udp:127.0.0.1:0") + \
        builtin("free", "echo", "udp:127.0.0.1:0", 'rate_per_source = "unlimited"')
    with Superd(text) as d:
        for _ in range(3):
            expect(ask(d.port("echo"), b"x"), b"x")
        with udp_socket() as client:
            client.sendto(b"x", ("127.0.0.1", d.port("echo")))
        unanswered(d, "echo", 1)
        for name, least in (("usual", 100), ("free", 150)):
            with udp_socket() as client:
                client.connect(("127.0.0.1", d.port(name)))
                for _ in range(150):
                    client.send(b"x")
            wait_until(lambda n=name: d.status(n)["accepted"] == 150, what="all counted")
            dropped = d.status(name)["dropped_datagrams"]
            expect(150 - dropped >= least, True, f"{name}: {dropped} unanswered")
            expect(dropped > 0, name == "usual", f"{name}: {dropped} unanswered")


def test_total_rate():
    """rate bounds the answers of a small service to all sources together"""
    lines = 'rate = "3/h"\nrate_per_source = "unlimited"'
    with Superd(builtin("echo", "echo", "udp:127.0.0.1:0", lines)) as d:
        for _ in range(3):
            expect(ask(d.port("echo"), b"x"), b"x")
        for count, source in ((1, "127.0.0.1"), (2, "127.0.0.2")):
            with udp_socket() as client:
                client.bind((source, 0))
                client.sendto(b"x", ("127.0.0.1", d.port("echo")))
            unanswered(d, "echo", count)


@needs_root
def test_load():
    """max_load: above it no datagram is answered and no conversation begins, below it both"""
    write_text("/run/test/loadavg", "9.50 1.00 1.00 1/100 1000\n")
    namespace.bind("/run/test/loadavg", "/proc/loadavg")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        target = f"udp:127.0.0.1:{server.getsockname()[1]}"
        text = builtin("echo", "echo", "udp:127.0.0.1:2000", "max_load = 5.0") + \
            redirect("r", "udp:127.0.0.1:2001", target, "max_load = 5.0")
        with Superd(text) as d, udp_socket() as client:
            client.sendto(b"x", ("127.0.0.1", 2000))
            unanswered(d, "echo", 1)
            client.sendto(b"x", ("127.0.0.1", 2001))
            wait_until(lambda: d.refused("r") == {"load": 1}, what="no conversation")
            with open("/run/test/loadavg", "w", encoding="ascii") as file:
                file.write("1.00 1.00 1.00 1/100 1000\n")
            wait_until(lambda: ask(2000, b"x", deadline=1) == b"x", what="answers below max_load")
            wait_until(lambda: send_and_wait(2001, server) == b"here", what="conversations below max_load")
            with open("/run/test/loadavg", "w", encoding="ascii") as file:
                file.write("9.50 1.00 1.00 1/100 1000\n")
            wait_until(lambda: ask(2000, b"x", deadline=0.2) is None, what="no answers above it again")


def send_and_wait(port, server):
    """A datagram of somebody new through a redirect; None where it does not arrive within a moment."""
    with udp_socket() as client:
        client.sendto(b"here", ("127.0.0.1", port))
        server.settimeout(1)
        try:
            return server.recv(100)
        except socket.timeout:
            return None


@needs_root
def test_denied():
    """superctl deny holds for datagrams as well, until it is cleared or its time is over"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        target = f"udp:127.0.0.1:{server.getsockname()[1]}"
        text = builtin("echo", "echo", "udp:127.0.0.1:2000", 'allow = "127.0.0.1"') + \
            redirect("r", "udp:127.0.0.1:2001", target, "rate = \"1000/s\"")
        with Superd(text) as d:
            expect(ask(2000, b"x"), b"x")
            d.ok("deny", "127.0.0.1", "--for", "1h")
            wait_until(lambda: ask(2000, b"x", deadline=0.3) is None, what="no answer any more")
            expect(send_and_wait(2001, server), None, "a conversation of one who is denied")
            expect(d.refused("r"), {"denied": 1})
            d.ok("deny", "--clear", "127.0.0.1")
            wait_until(lambda: ask(2000, b"x", deadline=1) == b"x", what="answers after --clear")
            expect(send_and_wait(2001, server), b"here")
            d.ok("deny", "127.0.0.1", "--for", "2s")
            wait_until(lambda: ask(2000, b"x", deadline=0.3) is None, what="no answer")
            wait_until(lambda: ask(2000, b"x", deadline=1) == b"x", what="answers when its time is over")


def test_flow_rate():
    """rate bounds how many conversations of datagrams begin"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        target = f"udp:127.0.0.1:{server.getsockname()[1]}"
        with Superd(redirect("r", "udp:127.0.0.1:0", target, 'rate = "2/h"')) as d:
            expect([send_and_wait(d.port("r"), server) for _ in range(3)], [b"here", b"here", None])
            expect(d.refused("r"), {"rate": 1})


def test_access():
    """allow and deny hold for datagrams, lists from files too, also when they change"""
    text = builtin("in", "echo", "udp:127.0.0.1:0", 'allow = ["127.0.0.0/8"]') + \
        builtin("denied", "echo", "udp:127.0.0.1:0", 'allow = ["127.0.0.0/8"]\ndeny = "127.0.0.1"') + \
        builtin("closed", "echo", "udp:127.0.0.1:0", 'allow = "192.0.2.1"') + \
        builtin("listed", "echo", "udp:127.0.0.1:0", 'deny = "@bad"')
    d = Superd(None, files={"bad.list": "192.0.2.0/24\n"})
    d.write(f'{text}[networks]\nbad = {{ file = "{d.path("bad.list")}" }}\n')
    with d:
        expect(ask(d.port("in"), b"x"), b"x")
        for name in ("denied", "closed"):
            with udp_socket() as client:
                client.sendto(b"x", ("127.0.0.1", d.port(name)))
            unanswered(d, name, 1)
        expect(ask(d.port("listed"), b"x"), b"x")
        write_text(d.path("bad.list"), "127.0.0.0/8\n")
        d.wait_log("address lists read again")
        with udp_socket() as client:
            client.sendto(b"x", ("127.0.0.1", d.port("listed")))
        unanswered(d, "listed", 1)


def test_relay_killed():
    """kill -9 of the relay: datagrams are answered by the next one"""
    with Superd(builtin("echo", "echo", "udp:127.0.0.1:0")) as d:
        port = d.port("echo")
        expect(ask(port, b"x"), b"x")
        (relay,) = relays(d)
        os.kill(relay, signal.SIGKILL)
        d.wait_log("superd-relay 0 has died")
        expect(ask(port, b"again"), b"again")
        expect(d.port("echo"), port)


def test_superd_killed():
    """kill -9 of superd: datagrams go on being answered, and are by the next superd"""
    with Superd(builtin("echo", "echo", "udp:127.0.0.1:0")) as d:
        port, old = d.port("echo"), d.pid
        expect(ask(port, b"x"), b"x")
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        for _ in range(5):
            expect(ask(port, b"again"), b"again")


def test_stop_and_reload():
    """A stopped or removed service answers no more, and its port is free again"""
    text = builtin("echo", "echo", "udp:127.0.0.1:0")
    with Superd(text + builtin("other", "echo", "udp:127.0.0.1:0")) as d:
        port, other = d.port("echo"), d.port("other")
        expect((ask(port, b"x"), ask(other, b"y")), (b"x", b"y"))
        d.ok("pause", "echo")
        with udp_socket() as client:
            client.connect(("127.0.0.1", port))
            client.send(b"later")
            d.ok("resume", "echo")
            client.settimeout(10)
            expect(client.recv(100), b"later")
        d.ok("stop", "echo")
        d.write(text)
        expect(d.reload().code, 0)

        def free(number):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind(("127.0.0.1", number))
                    return True
                except OSError:
                    return False

        wait_until(lambda: free(port) and free(other), what="both ports free")


# ---- redirect


class Server:
    """A UDP server on loopback, by hand."""

    def __init__(self):
        self.socket = udp_socket()
        self.socket.bind(("127.0.0.1", 0))
        self.address = "udp:127.0.0.1:%d" % self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def test_redirect():
    """Each client has a conversation of its own, with START and EXIT and the bytes"""
    with Server() as server:
        text = redirect("r", "udp:127.0.0.1:0", server.address, 'idle_timeout = "400ms"')
        with Superd(text) as d:
            with udp_socket() as one, udp_socket() as two:
                for client, word in ((one, b"one"), (two, b"two")):
                    client.connect(("127.0.0.1", d.port("r")))
                    client.send(word)
                seen = {}
                for _ in range(2):
                    data, peer = server.socket.recvfrom(100)
                    seen[data] = peer
                expect(set(seen), {b"one", b"two"})
                expect(seen[b"one"] != seen[b"two"], True, "each by a socket of its own")
                expect(d.connections("r"), 2)
                server.socket.sendto(b"to one", seen[b"one"])
                server.socket.sendto(b"for two", seen[b"two"])
                expect((one.recv(100), two.recv(100)), (b"to one", b"for two"))
                one.send(b"more")
                expect(server.socket.recvfrom(100), (b"more", seen[b"one"]))
            d.wait_log(r"r EXIT conn=\S+ end=idle received=7 sent=6 ")
            d.wait_log(r"r EXIT conn=\S+ end=idle received=3 sent=7 ")
            d.wait_connections("r", 0)


def test_redirect_limits():
    """Conversations are let in like connections"""
    with Server() as server:
        text = redirect("r", "udp:127.0.0.1:0", server.address, "max_connections = 1") + \
            redirect("closed", "udp:127.0.0.1:0", server.address, 'deny = "127.0.0.0/8"')
        with Superd(text) as d:
            with udp_socket() as one, udp_socket() as two:
                one.connect(("127.0.0.1", d.port("r")))
                one.send(b"one")
                expect(server.socket.recvfrom(100)[0], b"one")
                two.connect(("127.0.0.1", d.port("r")))
                two.send(b"two")
                wait_until(lambda: d.refused("r") == {"max_connections": 1}, what="refused")
                two.sendto(b"x", ("127.0.0.1", d.port("r")))
            with udp_socket() as three:
                three.sendto(b"x", ("127.0.0.1", d.port("closed")))
                wait_until(lambda: d.refused("closed") == {"denied": 1}, what="refused")
            number = d.ctl_json("connections", "r")
            expect_in('"relayed"', str(number).replace("'", '"'))
            d.ok("kill", "r")
            d.wait_log(r"r EXIT conn=\S+ end=closed ")
