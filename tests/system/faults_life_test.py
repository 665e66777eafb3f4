# SPDX-License-Identifier: MIT
"""Services and clients that misbehave on purpose: what others notice of it, and what is left."""

import os
import signal
import socket
import struct

from clients import ask, connect_unix
from faults import BYSTANDER, others_unharmed
from harness import Superd, expect, forever, gone, processes, read_text, shell, wait_until
from puppet import Puppet
from registry import needs_root, skip


def daemon(script, lines="", user="root"):
    return f'[service.d]\nexec = {shell(script)}\nuser = "{user}"\n{lines}\n' + BYSTANDER


def only_process(d, name):
    return d.status(name)["processes"][0]["pid"]


@needs_root
def test_stopped_child():
    """A daemon that was stopped (SIGSTOP) is shown as it is, ends at once when it is told to, and needs no KILL"""
    with Superd(daemon("exec tail -f /dev/null", 'stop_timeout = "1h"')) as d:
        d.wait_state("d", "running")
        pid = only_process(d, "d")
        with others_unharmed(d, "a daemon is stopped"):
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: read_text(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] == "T", what="the stop")
            d.ok("stop", "d")
            wait_until(lambda: gone(pid), what="the end of what was stopped")
            d.ok("start", "d")
            d.wait_state("d", "running")


@needs_root
def test_fork_bomb():
    """A daemon that forks as fast as it can, up to its limit, delays nobody; stop ends all of it"""
    # Each that is born begins another one, in a session of its own; its limit is counted for the user.
    bomb = 'trap "" TERM; f() { f & f & wait; }; f 2>/dev/null; while :; do f 2>/dev/null; sleep 0.1; done'
    lines = 'rlimits = { nproc = 40 }\nstop_timeout = "200ms"\nrestart = "no"'
    with Superd(daemon(bomb, lines, user="bob")) as d:
        with others_unharmed(d, "a fork bomb of 40 processes") as bystander:
            bystander.wait_more(20)
            d.ok("stop", "d")
            wait_until(lambda: not [pid for pid, command in d.children() if "trap" in command],
                       what="the end of all its processes")
            d.ok("start", "d")
            d.ok("stop", "d")


@needs_root
def test_stop_while_starting():
    """TERM while services are starting that never will be ready: superd ends within their stop_timeout"""
    text = "".join(f'[service.s{n}]\nexec = {forever()}\nuser = "nobody"\nready = "notify"\nstart_timeout = "1h"\n'
                   for n in range(20)) + f'[service.after]\nexec = {forever()}\nuser = "nobody"\nafter = ["s0"]\n' \
        'requires = ["s0"]\n'
    with Superd(text + BYSTANDER) as d:
        for n in range(20):
            d.wait_state(f"s{n}", "starting")
        children = [pid for pid, _ in d.children()]
        d.stop()
        wait_until(lambda: all(gone(pid) for pid in children), what="the end of what was starting")


@needs_root
def test_pid_reuse():
    """Who gets the number of a process that has ended is not taken for it: no signal reaches him"""
    text = f'[service.d]\nexec = {forever()}\nuser = "nobody"\nrestart = "no"\n'
    with Superd(text + BYSTANDER) as d:
        d.wait_state("d", "running")
        pid = only_process(d, "d")
        os.kill(pid, signal.SIGKILL)
        d.wait_status("d", processes=[])
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="the number to be free")
        stranger = begin_as(pid)
        try:
            with others_unharmed(d, "a stranger with the number of a daemon that has ended"):
                d.ctl("kill", "d")
                d.ctl("stop", "d")
                old = d.pid
                os.kill(old, signal.SIGKILL)
                d.wait_superd(other_than=old)
                d.ctl("kill", "d")
                d.ok("start", "d")
                d.ok("stop", "d")
                assert not gone(stranger), "somebody else's process has ended"
        finally:
            os.kill(stranger, signal.SIGKILL)
            os.waitpid(stranger, 0)


def begin_as(wanted):
    """A process with that number: the namespace's next one can be chosen."""
    for _ in range(200):
        try:
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
                last.write(str(wanted - 1))
        except OSError as error:
            skip(f"no number of a process can be chosen, so no user and network namespace: {error}")
        pid = os.fork()
        if pid == 0:
            os.execv("/usr/bin/tail", ["tail", "-f", "/dev/null"])
        if pid == wanted:
            return pid
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    raise AssertionError(f"number {wanted} was not to be had")


@needs_root
def test_empty_notices():
    """Empty, overlong and binary datagrams to a notify socket, thousands of them: its last word counts all the same"""
    puppet = Puppet("p", 'ready = "notify"\nnotify_access = "all"', user="root")
    with Superd(puppet.text + BYSTANDER) as d:
        puppet.wait_started()
        address = puppet.environment()["NOTIFY_SOCKET"]
        with others_unharmed(d, "6,000 empty, overlong and binary notices"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(60)
                out.connect("\0" + address[1:] if address.startswith("@") else address)
                for _ in range(2000):
                    out.send(b"")
                    out.send(b"STATUS=" + b"x" * 60_000)
                    out.send(b"READY=1\0\xff\n=\n\n=1\nMAINPID=1\n")
            expect(d.state("p"), "starting", "nobody of the service has said READY=1")
            puppet.do("say READY=1|STATUS=done")
            d.wait_state("p", "running")
            expect(d.status("p")["detail"], "done")
        expect([pid for pid, _, _ in processes() if pid == 1], [1])


@needs_root
def test_control_never_reads():
    """Clients of the control socket that ask without end and never read: superd's memory is bounded, others are served"""
    with Superd(BYSTANDER + f'[service.d]\nexec = {forever()}\nuser = "nobody"\n') as d:
        d.ok("status")
        with others_unharmed(d, "ten control clients that never read", slack=8192):
            clients = [ask_without_reading(d.socket) for _ in range(10)]
            for _ in range(5):
                d.ok("status", "d")
            for client in clients:
                client.close()
        d.ok("status")


def ask_without_reading(path):
    """D-Bus by hand: EXTERNAL, then the same question until nothing more is taken."""
    client = connect_unix(path)
    client.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
    message = method_call("/org/superd/Superd1", "org.freedesktop.DBus.Introspectable", "Introspect")
    client.setblocking(False)
    try:
        for _ in range(20_000):
            if client.send(message) < len(message):
                break
    except (BlockingIOError, ConnectionError):
        pass
    return client


def method_call(path, interface, member):
    """A message of the D-Bus specification without a body."""
    fields = b""
    for code, kind, value in ((1, b"o", path), (2, b"s", interface), (3, b"s", member)):
        fields += b"\0" * (-len(fields) % 8)
        text = value.encode()
        fields += bytes([code, 1]) + kind + b"\0" + struct.pack("<I", len(text)) + text + b"\0"
    header = struct.pack("<cBBBIII", b"l", 1, 0, 1, 0, 1, len(fields)) + fields
    return header + b"\0" * (-len(header) % 8)
