# SPDX-License-Identifier: MIT
"""tls: records that no library sends: in pieces, too long, out of order, cut off."""

import socket
import ssl
import struct

from clients import connect, read_all
from harness import Superd, expect, wait_until
from registry import needs_root
from tls_tools import certificate, context, handler, profile

HANDSHAKE, ALERT, CHANGE, DATA = 22, 21, 20, 23


class RawClient:
    """TLS by hand: what the library would send is cut and mixed as the test wants."""

    def __init__(self, port, made=None):
        self.raw = connect(port)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (made or context()).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def step(self):
        """What the library sends next, and whether its handshake is done."""
        try:
            self.tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        return self.outgoing.read(), done

    def take(self):
        part = self.raw.recv(65536)
        assert part, "it was closed"
        self.incoming.write(part)

    def shake(self, send):
        """The whole handshake, each flight sent by that function."""
        while True:
            flight, done = self.step()
            if flight:
                send(flight)
            if done:
                return
            self.take()

    def ask(self, text):
        self.tls.write(text)
        self.raw.sendall(self.outgoing.read())
        got = b""
        while len(got) < len(text):
            try:
                got += self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.take()
        return got


def records(flight):
    """(type, version, content) of each record."""
    found = []
    while flight:
        kind, version, size = struct.unpack("!BHH", flight[:5])
        found.append((kind, version, flight[5:5 + size]))
        flight = flight[5 + size:]
    return found


def record(kind, version, content):
    return struct.pack("!BHH", kind, version, len(content)) + content


def hello(port):
    client = RawClient(port)
    flight, _ = client.step()
    return client, records(flight)[0]


def is_refused(client):
    """Closed without an answer but an alert."""
    try:
        said = read_all(client.raw)
    except ConnectionResetError:
        return True
    return all(kind == ALERT for kind, _, _ in records(said))


@needs_root
def test_in_pieces():
    """A handshake that comes byte by byte, or in records of one byte, is the same handshake"""
    with Superd(profile(certificate()) + handler()) as d:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = RawClient(d.port("s"), context(version=version))
            client.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def drip(flight, to=client):
                for byte in flight:
                    to.raw.sendall(bytes([byte]))
            client.shake(drip)
            expect(client.ask(b"byte by byte"), b"byte by byte")
            client.raw.close()
        client, (kind, number, content) = hello(d.port("s"))
        client.raw.sendall(b"".join(record(kind, number, content[i:i + 1]) for i in range(len(content))))
        client.take()
        client.shake(client.raw.sendall)
        expect(client.ask(b"in records of one byte"), b"in records of one byte")
        client.raw.close()
        d.wait_connections("s", 0)
        expect(d.refused("s"), {})


@needs_root
def test_what_is_no_handshake():
    """Oversized, empty, of an unknown kind, out of order, in the wrong version: an alert at most, and no handler"""
    with Superd(profile(certificate()) + handler()) as d:
        cases = [record(HANDSHAKE, 0x301, b"")[:3] + b"\xff\xff" + b"\0" * 2000,
                 record(DATA, 0x303, b"data before anything"), record(CHANGE, 0x303, b"\1"),
                 record(99, 0x303, b"what"), record(HANDSHAKE, 0x303, b"\x01\xff\xff\xff" + b"\0" * 4000),
                 record(HANDSHAKE, 0x303, b"\x14\0\0\x0c" + b"\0" * 12), record(HANDSHAKE, 0x300, b"\x01\0\0\x02\3\0"),
                 b"\x80\x2e\x01\x00\x02" + b"\0" * 60, record(ALERT, 0x303, b"\2\50"), b"\0" * 100]
        for number, sent in enumerate(cases):
            client = RawClient(d.port("s"))
            client.raw.sendall(sent)
            assert is_refused(client), f"case {number}"
            client.raw.close()
        wait_until(lambda: d.refused("s").get("tls_handshake") == len(cases), what="a refusal for each")
        expect(d.status("s")["started"], 0)


@needs_root
def test_cut_off():
    """A handshake that ends in the middle of a record, at each of many places, leaves nothing behind"""
    with Superd(profile(certificate()) + handler(lines='max_per_source = "unlimited"')) as d:
        _, (kind, number, content) = hello(d.port("s"))
        whole = record(kind, number, content)
        wait_until(lambda: d.connections("s") <= 1, what="one at most")
        count = 0
        for size in range(1, len(whole), 17):
            with connect(d.port("s")) as client:
                client.sendall(whole[:size])
            count += 1
        wait_until(lambda: d.refused("s").get("tls_handshake", 0) >= count, what="their refusals")
        expect(d.status("s")["started"], 0)


@needs_root
def test_after_the_handshake():
    """A record that was changed on its way, and one that is too long, end the connection and its handler"""
    with Superd(profile(certificate()) + handler()) as d:
        for number, spoil in enumerate((lambda sent: sent[:-1] + bytes([sent[-1] ^ 1]),
                                        lambda sent: sent[:3] + b"\xff\xff" + b"\0" * 70_000,
                                        lambda sent: record(HANDSHAKE, 0x303, b"\0" * 40))):
            client = RawClient(d.port("s"))
            client.shake(client.raw.sendall)
            expect(client.ask(b"x"), b"x")
            client.tls.write(b"y" * 100)
            try:
                client.raw.sendall(spoil(client.outgoing.read()))
            except ConnectionError:
                pass
            assert is_closed(client), f"case {number}"
            d.wait_connections("s", 0)
            client.raw.close()


def is_closed(client):
    """No word of the handler's comes any more."""
    try:
        client.incoming.write(read_all(client.raw))
        return client.tls.read(100) == b""
    except (ssl.SSLError, ConnectionResetError):
        return True
