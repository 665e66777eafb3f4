# SPDX-License-Identifier: MIT
"""Banners and the last words to those who are refused: whole, and never overtaken by a reset."""

import json
import os
import socket

from clients import ask, connect, connect_unix, read_all
from harness import Superd, expect, expect_in, program, run, shell, wait_until, write_text
from registry import build, covers, needs_root

NOISE = b"x" * 100000


def service(name, port, lines, command='["/bin/cat"]', listen=None):
    return (f'[service.{name}]\nlisten = {listen or json.dumps(f"tcp:{port}")}\nexec = {command}\n'
            f'user = "nobody"\n{lines}\n')


def banners():
    for name in ("banner", "admitted", "refused"):
        write_text(f"/run/test/{name}", f"the {name}\n")


def noisy(port, source=None):
    """A client that sends before it reads; a reset would be an exception."""
    with connect(port, source=source) as client:
        client.sendall(NOISE)
        return read_all(client)


@needs_root
@covers("banner")
def test_banner():
    """banner: everybody gets it first, who is let in and who is refused, and the program knows nothing of it"""
    banners()
    lines = 'banner = "/run/test/banner"\ndeny = "127.0.0.9"\n'
    with Superd(service("one", 2000, lines)) as d:
        expect(ask(2000, b"hello\n"), b"the banner\nhello\n")
        expect(noisy(2000, "127.0.0.9"), b"the banner\n")
        wait_until(lambda: d.refused("one") == {"denied": 1}, what="counted")
        expect(d.status("one")["started"], 1)


@needs_root
@covers("banner_admitted")
def test_banner_admitted():
    """banner_admitted: only for those let in, before the program's own first byte"""
    banners()
    lines = 'banner = "/run/test/banner"\nbanner_admitted = "/run/test/admitted"\ndeny = "127.0.0.9"\n'
    text = service("one", 2000, lines, shell("echo ready")) + \
        service("two", 2001, lines, program("tell")) + \
        service("three", 0, 'banner_admitted = "/run/test/admitted"', listen='"unix:/run/test/three"')
    with Superd(text) as d:
        expect(ask(2000), b"the banner\nthe admitted\nready\n")
        expect(noisy(2000, "127.0.0.9"), b"the banner\n")
        told = ask(2001)
        assert told.startswith(b"the banner\nthe admitted\n{"), told[:60]
        found = json.loads(told.split(b"\n", 2)[2])
        expect(sorted(found["descriptors"]), ["0", "1", "2"])
        assert not [name for name in found["environment"] if "BANNER" in name], found["environment"]
        with connect_unix("/run/test/three") as client:
            client.sendall(b"hello\n")
            client.shutdown(socket.SHUT_WR)
            expect(read_all(client), b"the admitted\nhello\n")
        expect(d.status("one")["started"], 1)


@needs_root
def test_relayed_banners():
    """A builtin's and a redirect's clients get the same banners; what is too long for them is an error"""
    banners()
    lines = ('banner = "/run/test/banner"\nbanner_admitted = "/run/test/admitted"\n'
             'banner_refused = "/run/test/refused"\ndeny = "127.0.0.9"\n')
    text = (f'[service.echo]\nlisten = "tcp:2000"\nbuiltin = "echo"\n{lines}'
            f'[service.through]\nlisten = "tcp:2001"\nredirect = "tcp:127.0.0.1:2002"\n{lines}'
            + service("behind", 2002, ""))
    with Superd(text) as d:
        for port in (2000, 2001):
            expect(ask(port, b"hello\n"), b"the banner\nthe admitted\nhello\n")
            expect(noisy(port, "127.0.0.9"), b"the banner\nthe refused\n")
        write_text("/run/test/admitted", "x" * 4090)
        expect_in("together are larger than 4K", d.ctl("check").err)


@needs_root
@covers("banner_refused")
def test_banner_refused():
    """banner_refused: only for those refused, then refuse_text; no reset though they have sent data"""
    banners()
    lines = 'banner_refused = "/run/test/refused"\nrefuse_text = "go away\\n"\ndeny = "127.0.0.9"\n'
    with Superd(service("one", 2000, lines)) as d:
        expect(ask(2000, b"hello\n"), b"hello\n")
        for _ in range(20):
            expect(noisy(2000, "127.0.0.9"), b"the refused\ngo away\n")
        wait_until(lambda: d.refused("one") == {"denied": 20}, what="counted")
        before = len(d.fds())
        expect(noisy(2000, "127.0.0.9"), b"the refused\ngo away\n")
        wait_until(lambda: len(d.fds()) <= before, what="no descriptor is left")


@needs_root
def test_refuse_text_is_never_reset():
    """refuse_text arrives with a plain end, on TCP and UNIX sockets, while the client goes on sending"""
    lines = 'refuse_text = "full\\n"\nmax_connections = 1\non_limit = "refuse"\n'
    text = service("one", 2000, lines) + service("two", 0, lines, listen='"unix:/run/test/two"')
    with Superd(text):
        for connector in (lambda: connect(2000), lambda: connect_unix("/run/test/two")):
            with connector() as first:
                first.sendall(b"hello")
                expect(first.recv(5), b"hello")
                for _ in range(10):
                    with connector() as client:
                        client.setblocking(False)
                        try:
                            while True:
                                client.send(NOISE)
                        except BlockingIOError:
                            pass
                        except BrokenPipeError:
                            pass
                        client.setblocking(True)
                        client.settimeout(10)
                        expect(read_all(client), b"full\n")


@needs_root
def test_large_banner():
    """A banner larger than the socket's buffer is delivered whole, before what the program says"""
    text = "".join(f"line {i} of the banner\n" for i in range(2500))
    write_text("/run/test/banner", text)
    lines = 'banner = "/run/test/banner"\nsend_buffer = "4K"\ndeny = "127.0.0.9"\n'
    with Superd(service("one", 2000, lines, shell("echo ready; cat"))) as d:
        for source, rest in (("127.0.0.1", "ready\nhello\n"), ("127.0.0.9", "")):
            with socket.socket() as client:
                # A small window, so that the rest of it has to wait for this client to read.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.settimeout(20)
                client.bind((source, 0))
                client.connect(("127.0.0.1", 2000))
                client.sendall(b"hello\n")
                client.shutdown(socket.SHUT_WR)
                expect(read_all(client).decode(), text + rest, source)
        wait_until(lambda: d.status("one")["started"] == 1, what="one was let in")


@needs_root
def test_who_does_not_read():
    """Refused clients that read nothing hold up nobody, and are let go after a time"""
    write_text("/run/test/refused", "no\n" * 20000)
    lines = 'banner_refused = "/run/test/refused"\nsend_buffer = "4K"\ndeny = "127.0.0.9"\n'
    with Superd(service("one", 2000, lines)) as d:
        expect(ask(2000, b"hello\n"), b"hello\n")
        d.wait_connections("one", 0)
        before = len(d.fds())
        silent = []
        for _ in range(20):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.bind(("127.0.0.9", 0))
            client.connect(("127.0.0.1", 2000))
            silent.append(client)
        wait_until(lambda: d.refused("one") == {"denied": 20}, what="counted")
        expect(ask(2000, b"hello\n"), b"hello\n", "somebody else")
        assert len(d.fds()) > before, "they are still being served"
        wait_until(lambda: len(d.fds()) <= before, 15, "they are let go")
        for client in silent:
            client.close()


@needs_root
def test_reload_and_check():
    """A banner is read with the configuration: a reload takes a new text, what cannot be sent is an error"""
    banners()
    with Superd(service("one", 2000, 'banner = "/run/test/banner"')) as d:
        write_text("/run/test/banner", "another\n")
        expect(ask(2000), b"the banner\n")
        expect(d.reload().code, 0)
        expect(ask(2000), b"another\n")
        os.unlink("/run/test/banner")
        told = d.reload()
        expect(told.code, 0, "a file that is missing is a warning")
        expect_in("nothing is sent for banner", told.out + told.err)
        expect(ask(2000, b"hello\n"), b"hello\n")
        os.mkdir("/run/test/banner")
        expect(d.reload().code, 1, "what is no file is an error")
        os.rmdir("/run/test/banner")
        write_text("/run/test/banner", "x" * 65537)
        told = run([os.path.join(build(), "superd"), "-t", "-c", d.config])
        expect_in("is larger than 64K", told.err)
