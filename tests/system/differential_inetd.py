# SPDX-License-Identifier: MIT
"""inetd's side of the differential test: a file for openbsd-inetd and inetutils-inetd, and the clients."""

import os
import re
import socket
import subprocess

from clients import connect, connect_unix, read_all, talk
from differential import listening
from differential_clients import (LONG_PATIENCE, PATIENCE, answer_before, ask_datagram, gone, read_exactly, report,
                                  visit, without_time)
from harness import write_text

REPORT = "/run/build/tests/report"
ADDRESS = "192.0.2.1"  # openbsd-inetd answers no datagram from 127.0.0.1
FILE = "/run/test/inetd.conf"
SMALL = {"echo": 7, "discard": 9, "daytime": 13, "chargen": 19, "time": 37}

# Both dialects; those of one of them below.
COMMON = f"""# what both know
3000 stream tcp nowait nobody {REPORT} report
3001 stream tcp nowait alice.readers {REPORT} my-name to 1
3002 stream tcp nowait root {REPORT}
3003 stream tcp nowait nobody {REPORT} report to 1 "a b" 'c'
3004 stream tcp nowait nobody /bin/cat cat
900 stream tcp nowait.2 nobody /bin/cat cat
3006 dgram udp wait nobody {REPORT} report datagram
3007 stream tcp wait nobody {REPORT} report accept
3008 stream tcp4 nowait nobody /bin/cat cat
3009 stream tcp6 nowait nobody /bin/cat cat
127.0.0.1:3010 stream tcp nowait nobody /bin/cat cat
3011 stream tcp nowait nobody /run/test/broken broken
3012 stream tcp nowait nobody /bin/cat cat
""" + "".join(f"{name} {kind} {protocol} {wait} root internal\n" for name in SMALL
              for kind, protocol, wait in (("stream", "tcp", "nowait"), ("dgram", "udp", "wait")))
OPENBSD = f"""/run/test/stream.sock stream unix nowait nobody {REPORT} report
/run/test/dgram.sock dgram unix wait nobody {REPORT} report datagram
3013 stream tcp46 nowait nobody /bin/cat cat
"""
GNU = f"""tcpmux stream tcp nowait root internal
tcpmux/mine stream tcp nowait nobody {REPORT} report answer here
tcpmux/+mine-plus stream tcp nowait nobody {REPORT} report answer here
3014 stream tcp6only nowait nobody /bin/cat cat
"""


def write(dialect):
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    write_text("/run/test/broken", "\x7fELF this is no program\n", 0o755)
    write_text(FILE, COMMON + (OPENBSD if dialect == "openbsd" else GNU))
    return FILE


def ports(dialect):
    return ({"tcp 900", "udp 3006"} | {f"tcp {port}" for port in range(3000, 3013) if port not in (3005, 3006)} |
            {f"{protocol} {port}" for protocol in ("tcp", "udp") for port in SMALL.values()} |
            ({"tcp 3013"} if dialect == "openbsd" else {"tcp 1", "tcp 3014"}))


def everything(side, dialect):
    """All of it, on one side; what was seen is in side.seen."""
    for name, port in (("plain", 3000), ("owner", 3001), ("bare", 3002), ("quotes", 3003)):
        report(side, name, talk(connect(port), half_close=False).decode())
    shapes(side)
    families(side, dialect)
    small(side)
    waits(side)
    if dialect == "openbsd":
        report(side, "plain6", talk(connect(3000, "::1"), half_close=False).decode())
        report(side, "datagram6", ask_datagram(side, 3006, host="::1"))
        local(side)
    else:
        muxes(side)
    looping(side)


def shapes(side):
    seen = side.seen
    seen["cat.half-close"] = visit(3004, b"half")
    noise = b"0123456789" * 5000
    seen["cat.much"] = str(talk(connect(3004), noise) == noise)
    seen["cat.silent"] = visit(3004, half_close=False, patience=PATIENCE)
    gone(side, 3012)
    seen["vanish.after"] = visit(3012, b"still there\n")
    seen["broken.client"] = visit(3011, half_close=False)
    seen["bound.client"] = visit(3010, b"hello\n")
    seen["bound.elsewhere"] = visit(3010, b"hello\n", host="127.0.0.2")


def families(side, dialect):
    both = (("tcp", 3004), ("tcp4", 3008), ("tcp6", 3009))
    for name, port in both + ((("tcp46", 3013),) if dialect == "openbsd" else (("tcp6only", 3014),)):
        for family, host in (("v4", "127.0.0.1"), ("v6", "::1")):
            side.seen[f"{name}.{family}"] = visit(port, b"hello\n", host=host)


def small(side):
    seen = side.seen
    for name, port in SMALL.items():
        if name == "chargen":
            with connect(port) as client:
                got = read_exactly(client, 74 * 97)
            seen["chargen.stream"], seen["chargen.turn"] = got[:74 * 2].decode(), got[74 * 92:].decode()
        elif name == "time":
            seen["time.stream"] = str(len(talk(connect(port), half_close=False)))
        else:
            seen[f"{name}.stream"] = without_time(visit(port, b"hello\n", half_close=name != "daytime"))
        if name == "discard":
            seen["discard.dgram"] = answer_before(side, port, lambda: ask_echo(side))
            continue
        answer = ask_datagram(side, port, host=ADDRESS)
        seen[f"{name}.dgram"] = str(answer != "nothing") if name == "time" else without_time(
            re.sub(r"[!-~]{20,}", "...", answer))
    seen["echo.loopback"] = answer_before(side, 7, lambda: ask_echo(side))
    seen["echo.low"] = answer_before(side, 7, lambda: ask_echo(side), ("127.0.0.1", 600))


def ask_echo(side):
    return ask_datagram(side, 7, host=ADDRESS)


def waits(side):
    report(side, "accept", read_all(connect(3007)).decode())
    for turn in ("datagram", "datagram-again"):
        report(side, turn, ask_datagram(side, 3006))


def local(side):
    """UNIX sockets: who may use them, and what the program is given."""
    for kind in ("stream", "dgram"):
        node = os.stat(f"/run/test/{kind}.sock")
        side.seen[f"unix-{kind}.node"] = f"{node.st_mode & 0o777:o} {node.st_uid} {node.st_gid}"
    report(side, "unix-stream", talk(connect_unix("/run/test/stream.sock")).decode())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind("/run/test/client.sock")
        os.chmod("/run/test/client.sock", 0o777)
        datagrams.settimeout(60)
        datagrams.sendto(b"x", "/run/test/dgram.sock")
        report(side, "unix-dgram", datagrams.recv(65536).decode())
    os.unlink("/run/test/client.sock")


def muxes(side):
    for name in ("mine", "mine-plus", "MINE", "help", "no-such"):
        side.seen[f"tcpmux.{name}"] = visit(1, name.encode() + b"\r\n", half_close=False)


def looping(side):
    """The third start within a minute."""
    side.seen["limit.first"] = visit(900, b"hello\n")
    # GNU's inetd sleeps for a second whenever a signal wakes it.
    for turn, patience in (("second", LONG_PATIENCE), ("third", 2 * LONG_PATIENCE)):
        seen = visit(900, half_close=False, patience=patience)
        # One that was in the queue when the listener went is told in another way.
        side.seen[f"limit.{turn}"] = "refused" if seen == "'' RST" else seen
    side.seen["limit.listens"] = str("tcp 900" in listening())
