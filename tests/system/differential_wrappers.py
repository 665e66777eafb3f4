# SPDX-License-Identifier: MIT
"""hosts.allow and hosts.deny in the differential test: whom xinetd's libwrap lets in, and whom superd's."""

import os
from concurrent.futures import ThreadPoolExecutor

import peers
from clients import connect
from differential import LOG
from differential_xinetd import TCP, block
from harness import write_text

# By the program's name, by libwrap =, by argv[0], by the service's name where there is no program.
ALLOW = """cat: 127.0.0.2 [::1]
special: 127.0.0.3
argv-name: 127.0.0.4
echo, relay: 127.0.0.5
daytime: 127.0.0.0/255.255.255.252 EXCEPT 127.0.0.1
"""
DENY = "ALL EXCEPT head: ALL\n"
SERVICES = {
    "wrapped": (3100, "user = nobody\nserver = /bin/cat"),
    "other": (3101, "user = nobody\nserver = /bin/cat\nlibwrap = special"),
    "in-args": (3102, "user = nobody\nserver = /bin/cat\nflags = NAMEINARGS\nserver_args = argv-name"),
    "free": (3103, "user = nobody\nserver = /bin/cat\nflags = NOLIBWRAP"),
    "head": (3104, "user = nobody\nserver = /usr/bin/head\nserver_args = -n 1"),
    "relay": (3105, "user = nobody\nredirect = 127.0.0.1 3104"),
}
SOURCES = [f"127.0.0.{number}" for number in range(1, 7)]
INTERNAL = {"echo": 3106, "daytime": 3107}


def write_xinetd():
    """The file, and the port of each service."""
    text = f"defaults\n{{\n\tlog_type = FILE {LOG}\n\tlog_on_failure = HOST\n\tlog_on_success =\n\tcps = 1000 1\n}}\n"
    for name, (port, lines) in SERVICES.items():
        text += block(name, f"type = UNLISTED\n{TCP}port = {port}\n{lines}")
    for name, port in INTERNAL.items():
        text += block(name, f"type = INTERNAL UNLISTED\n{TCP}user = root\nport = {port}")
    write_text("/run/test/wrapped.conf", text)
    return "/run/test/wrapped.conf", {name: port for name, (port, _) in SERVICES.items()} | INTERNAL


def write_inetd():
    """The same of an inetd: tcpd looks the program up that it is to run."""
    tcpd = peers.path("libwrap", "usr/sbin/tcpd")
    os.symlink("/bin/cat", "/run/test/special")
    text = (f"3200 stream tcp nowait nobody {tcpd} /bin/cat\n"
            f"3201 stream tcp nowait nobody {tcpd} /run/test/special\n"
            f"3202 stream tcp nowait nobody {tcpd} /usr/bin/head -n 1\n"
            f"3203 stream tcp nowait nobody /bin/cat cat\n"
            f"3204 stream tcp46 nowait nobody {tcpd} /bin/cat\n")
    write_text("/run/test/wrapped.inetd", text)
    return "/run/test/wrapped.inetd", {"wrapped": 3200, "other": 3201, "head": 3202, "free": 3203, "both": 3204}


def everything(side, services):
    """Who is let in has an answer. All come at once, for tcpd holds each whom it refuses for five seconds."""
    clients = {f"{name}.{source}": (port, {"source": source}) for name, port in services.items() for source in SOURCES}
    clients.update({f"{name}.::1": (port, {"host": "::1"}) for name, port in services.items()})
    with ThreadPoolExecutor(len(clients)) as pool:
        answers = {key: pool.submit(answered, port, **where) for key, (port, where) in clients.items()}
        side.seen.update({key: answer.result() for key, answer in answers.items()})


def answered(port, **where):
    """A redirect ends with the first half that does, so the client does not end its own before the answer."""
    try:
        with connect(port, **where) as client:
            client.sendall(b"hello\n")
            return "let in" if client.recv(1) else "kept out"
    except OSError:
        return "kept out"
