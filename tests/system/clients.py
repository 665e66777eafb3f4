# SPDX-License-Identifier: MIT
"""Clients of the system tests: each has a deadline and gives back what it got."""

import socket
import struct

from registry import scale

DEADLINE = 60.0


def _deadline(seconds):
    return (DEADLINE if seconds is None else seconds) * scale()


def read_all(connection):
    """Everything up to the end of file."""
    parts = []
    while True:
        part = connection.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def read_line(connection):
    """One line with its end; the bytes behind it stay unread."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return line


def connect(port, host="127.0.0.1", source=None, deadline=None):
    """A TCP connection; source is an address of 127.0.0.0/8 to come from."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(_deadline(deadline))
    try:
        if source is not None:
            connection.bind((source, 0))
        connection.connect((host, port))
    except BaseException:
        connection.close()
        raise
    return connection


def talk(connection, data=b"", half_close=True):
    """Sends data, ends this half, reads to the end, closes."""
    with connection:
        if data:
            connection.sendall(data)
        if half_close:
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        return read_all(connection)


def ask(port, data=b"", host="127.0.0.1", source=None, half_close=True, deadline=None):
    """One whole conversation over TCP."""
    return talk(connect(port, host, source, deadline), data, half_close)


def refused_or_closed(port, host="127.0.0.1", source=None):
    """True where a connection brings nothing but its end."""
    try:
        return ask(port, host=host, source=source, half_close=False) == b""
    except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
        return True


def connect_unix(path, kind=socket.SOCK_STREAM, deadline=None):
    """path begins with '@' for an abstract name."""
    connection = socket.socket(socket.AF_UNIX, kind)
    connection.settimeout(_deadline(deadline))
    try:
        connection.connect("\0" + path[1:] if path.startswith("@") else path)
    except BaseException:
        connection.close()
        raise
    return connection


def ask_unix(path, data=b""):
    return talk(connect_unix(path), data)


def udp_socket(host="127.0.0.1", deadline=None):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.settimeout(_deadline(deadline))
    return datagrams


def ask_udp(port, data, host="127.0.0.1", deadline=None):
    """Sends one datagram and gives back the answer."""
    with udp_socket(host, deadline) as datagrams:
        datagrams.sendto(data, (host, port))
        return datagrams.recv(65536)


def tftp_get(port, name, host="127.0.0.1"):
    """RFC 1350, octet mode, blocks of 512 bytes."""
    with udp_socket(host) as datagrams:
        datagrams.sendto(struct.pack("!H", 1) + name.encode() + b"\0octet\0", (host, port))
        content, expected = b"", 1
        while True:
            packet, server = datagrams.recvfrom(65536)
            code, number = struct.unpack("!HH", packet[:4])
            if code == 5:
                raise OSError(f"tftp error {number}: {packet[4:].decode(errors='replace')}")
            if code != 3 or number != expected & 0xFFFF:
                continue
            content += packet[4:]
            datagrams.sendto(struct.pack("!HH", 4, number), server)
            expected += 1
            if len(packet) < 516:
                return content
