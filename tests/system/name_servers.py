# SPDX-License-Identifier: MIT
"""A name server and an ident server of the test's own, in its namespace."""

import os
import socket
import struct
import threading

import namespace
from harness import write_text

PTR, A, AAAA = 12, 1, 28


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def decode_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels).lower(), at + 1


def reverse(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


class NameServer:
    """Answers on 127.0.0.1:53 from `names` (address: its name) and `addresses` (name: its addresses).

    Questions about what is in `silent` get no answer until release() is called.
    """

    def __init__(self, names=None, addresses=None, silent=()):
        self.names, self.addresses = dict(names or {}), dict(addresses or {})
        self.silent, self.asked = set(silent), []
        self.kept, self.lock = [], threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("hosts", "127.0.0.1 localhost\n"),
                           ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")):
            write_text(f"/run/test/{name}", text)
            if not os.path.exists(f"/etc/{name}"):
                write_text(f"/etc/{name}", "")
            namespace.bind(f"/run/test/{name}", f"/etc/{name}")
        self.socket.bind(("127.0.0.1", 53))
        self.thread.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", 53))
        self.thread.join()
        self.socket.close()

    def release(self):
        """Answers what was kept back, and everything from now on."""
        with self.lock:
            self.silent.clear()
            for packet, client in self.kept:
                self.socket.sendto(self._answer(packet), client)
            self.kept.clear()

    def _serve(self):
        while True:
            packet, client = self.socket.recvfrom(4096)
            if not packet:
                return
            name, end = decode_name(packet, 12)
            kind = struct.unpack_from("!H", packet, end)[0]
            with self.lock:
                self.asked.append((name, kind))
                if name in self.silent:
                    self.kept.append((packet, client))
                else:
                    self.socket.sendto(self._answer(packet), client)

    def _answer(self, packet):
        name, end = decode_name(packet, 12)
        kind = struct.unpack_from("!H", packet, end)[0]
        records, known = [], False
        if kind == PTR:
            for address, target in self.names.items():
                if reverse(address) == name:
                    records.append(encode_name(target))
        else:
            known = name in self.addresses
            if kind == A:
                records = [socket.inet_aton(address) for address in self.addresses.get(name, [])]
        code = 0 if records or known else 3
        head = packet[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        body = packet[12:end + 4]
        for data in records:
            body += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
        return head + body


class IdentServer:
    """Answers on ADDRESS:113 with what `reply(peer_port, local_port)` gives; None: not until the end."""

    def __init__(self, address, reply):
        self.reply, self.asked, self.held = reply, [], []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, 113))
        self.socket.listen(64)
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        for connection in self.held:
            connection.close()

    def _serve(self):
        while True:
            try:
                connection, client = self.socket.accept()
            except OSError:
                return
            line = connection.makefile("rb").readline().decode()
            self.asked.append((client[0], line))
            answer = self.reply(*[int(part) for part in line.split(",")])
            if answer is None:
                self.held.append(connection)
                continue
            connection.sendall(answer)
            connection.close()
