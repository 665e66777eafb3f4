# SPDX-License-Identifier: MIT
"""What the differential test does to xinetd's services and to superd's."""

import re
import socket
import time

from clients import connect, read_all, talk
from differential import listening
from differential_clients import (LONG_PATIENCE, PATIENCE, Stopped, answer_before, ask_datagram, drain, early, finished,
                                  gone, log_lines, read_exactly, report, served, visit, without_time, words)
from differential_xinetd import BUILTINS, DENIED, STREAMS, TRAPPED
from harness import wait_until
from name_servers import IdentServer

NOISE = b"0123456789" * 5000


def port_of(name):
    return STREAMS[name][0]


def everything(side):
    """All of it, on one side; what was seen is in side.seen."""
    for part in (handlers, access, limits, burst, shapes, families, endings, banners, small, waits, relays, idents,
                 muxes, trap, logs):
        part(side)


def handlers(side):
    """What a program finds about itself."""
    for name in ("plain", "rich", "named", "root"):
        report(side, name, talk(connect(port_of(name)), half_close=False).decode())


def access(side):
    """Who may come in."""
    seen = side.seen
    for name in ("closed", "denied", "nobody", "both"):
        seen[f"{name}.in"] = early(side, port_of(name), half_close=True)
        seen[f"{name}.out"] = visit(port_of(name), source=DENIED, half_close=False)
        seen[f"{name}.out-early"] = early(side, port_of(name), source=DENIED)
    seen["hours.client"] = visit(3013, half_close=False)
    seen["quiet.client"] = visit(port_of("quiet"), b"hello\n")
    seen["bound.elsewhere"] = visit(port_of("bound"), b"hello\n", host="127.0.0.2")
    seen["bound.client"] = visit(port_of("bound"), b"hello\n")
    seen["fenced.in"] = str("end=1" in ask_datagram(side, 3045))
    seen["fenced.out"] = answer_before(side, 3045, lambda: ask_datagram(side, 3045), (DENIED, 0))


def limits(side):
    """One too many; afterwards there is room again."""
    seen = side.seen
    for name in ("one", "each"):
        with served(port_of(name)) as held:
            seen[f"{name}.over"] = visit(port_of(name), half_close=False)
            seen[f"{name}.other-source"] = visit(port_of(name), b"hello\n" if name == "each" else b"",
                                                 source="127.0.0.2", half_close=name == "each")
            held.shutdown(socket.SHUT_WR)
            seen[f"{name}.held"] = words(*drain(held))
        wait_until(lambda name=name: ended(side, name, "127.0.0.1"), what=f"the end of {name}'s first")
        seen[f"{name}.again"] = visit(port_of(name), b"again\n")


def ended(side, name, client):
    return any(key.startswith(f"{name}.log EXIT") and key.endswith(f"of={client}") for key in log_lines(side))


def burst(side):
    """cps: the third within a second, and one who comes after it."""
    seen, port = side.seen, port_of("burst")
    with Stopped(side):
        first, second, third = (connect(port) for _ in range(3))
        first.sendall(b"1\n")
        second.sendall(b"2\n")
    with first, second, third:
        seen["burst.third"] = words(*drain(third, LONG_PATIENCE))
        seen["burst.listens"] = str(not closes(port))
        seen["burst.fourth"] = visit(port, b"4\n")
        for name, client in (("first", first), ("second", second)):
            client.shutdown(socket.SHUT_WR)
            seen[f"burst.{name}"] = words(*drain(client))
    wait_until(lambda: visit(port, b"5\n") == words(b"5\n", "FIN"), what="the end of the pause")


def closes(port):
    """Nobody listens on the port, now or soon."""
    end = time.monotonic() + LONG_PATIENCE / 2
    while time.monotonic() < end:
        if f"tcp {port}" not in listening():
            return True
        time.sleep(0.01)
    return False


def shapes(side):
    """Half a close, much at once, silence, a client that vanishes."""
    seen = side.seen
    with connect(port_of("cat")) as client:
        client.sendall(b"half")
        client.shutdown(socket.SHUT_WR)
        seen["cat.half-close"] = words(*drain(client))
    seen["cat.much"] = str(talk(connect(port_of("cat")), NOISE) == NOISE)
    seen["cat.silent"] = visit(port_of("cat"), half_close=False, patience=PATIENCE)
    gone(side, port_of("vanish"))
    seen["vanish.after"] = visit(port_of("vanish"), b"still there\n")


def families(side):
    seen = side.seen
    for name in ("six", "six-only", "four", "cat"):
        seen[f"{name}.v4"] = visit(port_of(name), b"hello\n")
        seen[f"{name}.v6"] = visit(port_of(name), b"hello\n", host="::1")
        seen[f"{name}.mapped"] = visit(port_of(name), b"hello\n", host="::ffff:127.0.0.1")


def endings(side):
    for name in ("broken", "status", "killed"):
        side.seen[f"{name}.client"] = visit(port_of(name), half_close=False)
    side.seen["leaves.early"] = early(side, port_of("leaves"))


def banners(side):
    seen = side.seen
    seen["banner.allowed"] = visit(port_of("banner"), b"hello\n")
    seen["banner.refused"] = visit(port_of("banner"), source=DENIED, half_close=False)
    seen["banner.early"] = early(side, port_of("banner"), source=DENIED)


def small(side):
    """The internal services."""
    for name in BUILTINS:
        streams(side, name)
        datagrams(side, name)
    seen = side.seen
    for word, source in (("chargen", 19), ("low", 600)):
        seen[f"echo.dgram.{word}"] = answer_before(
            side, BUILTINS["echo"], lambda: ask_datagram(side, BUILTINS["echo"]), ("127.0.0.1", source))


def streams(side, name):
    seen, port = side.seen, BUILTINS[name]
    if name == "chargen":
        with connect(port) as client:
            got = read_exactly(client, 74 * 97)
        seen["chargen.stream"] = got[:74 * 2].decode()
        seen["chargen.turn"] = got[74 * 92:].decode()
    elif name == "time":
        seen["time.stream"] = str(len(talk(connect(port), half_close=False)))
    elif name == "daytime":
        seen["daytime.stream"] = without_time(visit(port, half_close=False))
    else:
        seen[f"{name}.stream"] = visit(port, b"hello\n")


def datagrams(side, name):
    seen, port = side.seen, BUILTINS[name]
    if name == "discard":
        seen["discard.dgram"] = answer_before(side, port, lambda: ask_datagram(side, BUILTINS["echo"]))
        return
    for family, host in (("v4", "127.0.0.1"), ("v6", "::1")):
        answer = ask_datagram(side, port, host=host)
        if name == "chargen":
            answer = re.sub(r"[!-~]+", "...", answer)
        elif name == "daytime":
            answer = without_time(answer)
        elif name == "time":
            answer = str(answer != "nothing")
        seen[f"{name}.dgram.{family}"] = answer


def waits(side):
    """Programs that are given the socket itself."""
    report(side, "accept", read_all(connect(3041)).decode())
    for turn in ("datagram", "datagram-again"):
        report(side, turn, ask_datagram(side, 3040))


def relays(side):
    seen = side.seen
    seen["relayed.client"] = visit(port_of("relayed"), b"hello\n")
    with served(port_of("relayed")) as client:
        client.sendall(b"more")
        seen["relayed.more"] = read_exactly(client, 4).decode()
    seen["unreachable.client"] = visit(port_of("unreachable"), half_close=False)


def idents(side):
    seen = side.seen
    with IdentServer("127.0.0.5", lambda remote, local: f"{remote}, {local} : USERID : UNIX :alice\r\n".encode()), \
            IdentServer("127.0.0.6", lambda remote, local: f"{remote}, {local} : ERROR : NO-USER\r\n".encode()):
        for name in ("who", "must"):
            for who, source in (("known", "127.0.0.5"), ("unknown", "127.0.0.6"), ("no-server", "127.0.0.7")):
                seen[f"{name}.{who}"] = early(side, port_of(name), source=source, half_close=True)


def muxes(side):
    seen = side.seen
    for name in ("mux-plain", "mux-plus", "MUX-PLAIN", "help", "plain", "no-such"):
        seen[f"tcpmux.{name}"] = visit(3042, name.encode() + b"\r\n", half_close=False)


def trap(side):
    seen = side.seen
    seen["trap.client"] = visit(3043, source=TRAPPED)
    seen["trap.afterwards"] = visit(port_of("cat"), source=TRAPPED, half_close=False)
    seen["trap.others"] = visit(port_of("cat"), b"hello\n")


def logs(side):
    """What was written; of what came before, nothing is missing when the last one is there."""
    visit(port_of("plain"), source="127.0.0.9")
    wait_until(lambda: ended(side, "plain", "127.0.0.9") and finished(side), what="the end of the log")
    side.seen.update({key: str(count) for key, count in log_lines(side).items()})
    side.seen["told.client"] = visit(port_of("told"), b"hello\n")
    side.seen["told.syslog"] = side.system_log.until("EXIT: told")
    side.seen["plain.log addresses"] = "mapped" if "=::ffff:" in side.log() else "plain"
