# SPDX-License-Identifier: MIT
"""The clients of the differential test: each puts down what it saw, in words that can be compared."""

import os
import re
import select
import signal
import socket
import time

from clients import connect
from harness import wait_until
from registry import scale

# A client that has seen nothing for that long says that the connection stays open: the short one where that
# is what both sides should do, the long one where it is a difference.
PATIENCE, LONG_PATIENCE = 0.4, 1.5


def drain(connection, patience=60.0):
    """What comes, and how it ends: FIN, RST, or that it stays open."""
    connection.settimeout(patience * scale())
    got, end = b"", "FIN"
    try:
        while part := connection.recv(65536):
            got += part
    except (ConnectionResetError, BrokenPipeError):
        end = "RST"
    except TimeoutError:
        end = "open"
    return got, end


def read_exactly(connection, count):
    got = b""
    while len(got) < count:
        part = connection.recv(count - len(got))
        assert part, f"ended after {len(got)} bytes"
        got += part
    return got


def without_time(text):
    """daytime says something else every second."""
    text = re.sub(r"\d+", "9", text)
    return re.sub(r"\b[A-Z][a-z]{2}\b", "Aaa", re.sub(r"\b(?!UTC)[A-Z]{3}\b", "AAA", text))


def words(got, end):
    return f"{got.decode(errors='backslashreplace')!r} {end}"


def visit(port, data=b"", host="127.0.0.1", source=None, half_close=True, patience=60.0):
    """One client: "refused", or what it got and how the connection ended."""
    try:
        connection = connect(port, host, source)
    except OSError as error:
        return "refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__
    with connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other end was faster; reading tells how it ended
        return words(*drain(connection, patience))


def served(port, source=None):
    """A connection to cat that has been served, to be held: it gave a byte back."""
    connection = connect(port, source=source)
    connection.sendall(b"x")
    assert connection.recv(1) == b"x", f"port {port} gives nothing back"
    return connection


def ask_datagram(side, port, data=b"hello\n", host="127.0.0.1", source=None):
    """What comes back for a datagram.

    xinetd throws away what is in the queue when a server of datagrams has ended: nothing is sent
    before it has come to rest, and after a loss it is sent again.
    """
    with datagram_socket(host, source) as datagrams:
        for _ in range(5):
            settle(side)
            datagrams.sendto(data, (host, port))
            datagrams.settimeout(5 * scale())
            try:
                return datagrams.recv(65536).decode(errors="backslashreplace")
            except TimeoutError:
                continue
        return "nothing"


def answer_before(side, port, fence, source=("127.0.0.1", 0)):
    """What came back for a datagram when somebody else who asked after it has been answered: maybe "nothing"."""
    with datagram_socket("127.0.0.1", source) as datagrams:
        settle(side)
        datagrams.sendto(b"hello\n", ("127.0.0.1", port))
        fence()
        return datagrams.recv(65536).decode(errors="backslashreplace") if readable(datagrams) else "nothing"


def datagram_socket(host, source):
    datagrams = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    if source:
        datagrams.bind(source)
    return datagrams


def readable(connection):
    return bool(select.select([connection], [], [], 0)[0])


def settle(side):
    """The daemon sleeps, several times in a row."""
    quiet = 0
    while quiet < 10:
        quiet = quiet + 1 if all(state(pid) == "S" for pid in side.pids()) else 0
        time.sleep(0.002)


class Stopped:
    """The daemon stands still within the block: what clients do there has happened before it looks."""

    def __init__(self, side):
        self.pids = side.pids()

    def __enter__(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in self.pids:
            wait_until(lambda pid=pid: state(pid) == "T", what="stopped")

    def __exit__(self, *_):
        for pid in reversed(self.pids):
            os.kill(pid, signal.SIGCONT)


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def early(side, port, data=b"hello\n", source=None, half_close=False):
    """A client whose bytes are there before it is looked at: refused without reading, it may get a reset."""
    with Stopped(side):
        connection = connect(port, source=source)
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
    with connection:
        return words(*drain(connection))


def gone(side, port):
    """A client that has reset its connection before it is looked at."""
    with Stopped(side):
        with connect(port) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def report(side, service, text):
    """The lines of tests/programs/report as things seen of that service."""
    assert text.endswith("end=1\n"), text[-200:]
    sockets = {}
    for line in text.splitlines():
        key, value = line.split("=", 1)
        if key in ("pid", "end", "root_inode"):
            continue
        if re.fullmatch(r"env\.(REMOTE_PORT|TCPREMOTEPORT|SO_COOKIE|UNIX\w+PID)", key):
            value = "N"
        if match := re.fullmatch(r"(socket|pipe):\[(\d+)\]", value):
            value = f"{match[1]} {sockets.setdefault(match[2], chr(ord('A') + len(sockets)))}"
        side.seen[f"{service}.{key}"] = re.sub(r"/run/build/peers/\S+", "(libraries)", value)


def finished(side):
    """Every process that was started has ended, by the log."""
    started, ended = (set(re.findall(rf"{word}: .* ?pid=([1-9]\d*)", side.log())) for word in ("START", "EXIT"))
    return started == ended


def log_lines(side):
    """How often each line was written, without what differs from run to run, whatever the order.

    An EXIT tells the client of its START: of some clients only one of the two has such lines.
    """
    clients, counts = {}, {}
    for line in side.log().splitlines():
        line = re.sub(r"^\d\d/\d+/\d+@\d\d:\d\d:\d\d: ", "", line).replace("::ffff:", "")
        match = re.match(r"(START|EXIT|FAIL|USERID|NOID|TRAFFIC): (\S+) ?(.*)", line)
        if match is None:
            line = re.sub(r":\d{4,5}\b", ":N", re.sub(r"conn=\w+", "conn=N", re.sub(r": \d+ {", ": N {", line)))
            key = f"own.log {line}"
        else:
            word, service, rest = match.groups()
            pid = re.search(r"pid=(\d+)", rest)
            if word == "START" and pid and "from=" in rest:
                clients[pid[1]] = rest.split("from=")[1]
            if word == "EXIT" and pid:
                rest += f" of={clients.get(pid[1]) if pid[1] != '0' else 'N'}"
                if service == "cat":  # xinetd's redirect may be gone before cat has written to it
                    rest = rest.replace("signal=13", "status=0")
            rest = re.sub(r"duration=\d+\(sec\)", "duration=N", re.sub(r"pid=[1-9]\d*", "pid=N", rest))
            key = f"{service}.log {word} {rest}"
        counts[key] = counts.get(key, 0) + 1
    return counts
