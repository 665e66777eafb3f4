# SPDX-License-Identifier: MIT
"""Servers that take their sockets by LISTEN_FDS get them from superd."""

import json
import os
import struct

import peers
from clients import ask, connect, read_line
from harness import PYTHON, Superd, expect, expect_in, wait_until, write_text
from real_servers_test import SshAccount, service
from registry import covers, needs_peer, needs_root


@needs_root
@needs_peer("beanstalkd")
@covers("mode")
def test_beanstalkd():
    """beanstalkd: a job put by one client is reserved by another"""
    text = service("beans", "beanstalkd", "tcp:127.0.0.1:11300", ["usr/bin/beanstalkd"],
                   user="nobody", extra='mode = "worker"')
    with Superd(text) as d:
        expect(d.children(), [], "nothing runs before the first connection")
        with connect(11300) as producer, connect(11300) as consumer:
            producer.sendall(b"put 1 0 60 4\r\nwork\r\n")
            expect(read_line(producer), b"INSERTED 1\r\n")
            consumer.sendall(b"reserve\r\n")
            expect(read_line(consumer), b"RESERVED 1 4\r\n")
            expect(read_line(consumer), b"work\r\n")
        expect(len(d.children()), 1, "one worker for all connections")


@needs_root
@needs_peer("lighttpd")
def test_lighttpd():
    """lighttpd: serves on the inherited socket"""
    os.makedirs("/srv/www")
    write_text("/srv/www/page.txt", "lighter\n")
    write_text("/srv/lighttpd.conf", 'server.document-root = "/srv/www"\n'
               'server.bind = "127.0.0.1"\nserver.port = 2080\n'
               'server.systemd-socket-activation = "enable"\nmimetype.assign = ( ".txt" => "text/plain" )\n')
    modules = peers.path("lighttpd", "usr/lib/lighttpd")
    text = service("web", "lighttpd", "tcp:127.0.0.1:2080",
                   ["usr/sbin/lighttpd", "-D", "-f", "/srv/lighttpd.conf", "-m", modules],
                   user="nobody", extra='mode = "worker"')
    with Superd(text):
        for _ in range(3):
            got = ask(2080, b"GET /page.txt HTTP/1.0\r\n\r\n", half_close=False)
            expect_in(b" 200 OK", got.splitlines()[0])
            assert got.endswith(b"lighter\n"), got


@needs_root
@needs_peer("gunicorn")
@covers("directory")
def test_gunicorn():
    """gunicorn: an application answers on the inherited socket"""
    os.makedirs("/srv/app")
    write_text("/srv/app/app.py", "def application(environ, start):\n"
               "    start('200 OK', [('Content-Length', '5')])\n    return [b'wsgi\\n']\n")
    command = [PYTHON, "-B", peers.path("gunicorn", "usr/bin/gunicorn"), "--worker-tmp-dir", "/dev/shm", "app"]
    text = (f'[service.app]\nlisten = "tcp:127.0.0.1:2081"\nmode = "worker"\nuser = "nobody"\n'
            f'directory = "/srv/app"\nexec = {json.dumps(command)}\n'
            f'environment = {{ PYTHONPATH = "{peers.path("gunicorn", "usr/lib/python3/dist-packages")}" }}\n')
    with Superd(text):
        got = ask(2081, b"GET / HTTP/1.0\r\n\r\n", half_close=False, deadline=90)
        assert got.startswith(b"HTTP/1.") and got.endswith(b"wsgi\n"), got


@needs_root
@needs_peer("openssh")
def test_sshd_listening():
    """sshd -D: the listening sockets are taken over and a command is run"""
    account = SshAccount()
    text = service("ssh", "openssh", "tcp:2022", ["usr/sbin/sshd", "-D", "-f", account.config],
                   extra='mode = "worker"\nruntime_directory = "sshd"')
    with Superd(text) as d:
        for _ in range(2):
            done = account.command(2022, "echo here")
            expect((done.code, done.out), (0, "here\n"), repr(done))
        wait_until(lambda: len(d.children()) == 1, what="only the listening sshd is left")


@needs_root
@needs_peer("saned")
@covers("pass")
def test_saned():
    """saned: the connection is fd 3 and LISTEN_FDS is 1"""
    os.makedirs("/srv/sane")
    write_text("/srv/sane/saned.conf", "localhost\n127.0.0.1\n")
    write_text("/srv/sane/dll.conf", "")
    text = service("sane", "saned", "tcp4:127.0.0.1:6566", ["usr/sbin/saned"], user="nobody",
                   extra='pass = "listen_fds"', environment={"SANE_CONFIG_DIR": "/srv/sane"})
    with Superd(text):
        with connect(6566) as connection:
            name = b"tester\0"
            connection.sendall(struct.pack("!III", 0, 0x01000003, len(name)) + name)
            answer = b""
            while len(answer) < 8:
                part = connection.recv(8 - len(answer))
                assert part, f"closed after {answer!r}"
                answer += part
            status, version = struct.unpack("!II", answer)
            expect(status, 0, "the status of SANE_NET_INIT")
            expect(version >> 24, 1, "the protocol's major version")
