# SPDX-License-Identifier: MIT
"""Signals to superd, on_stop, and what superd logs about itself."""

import json
import os
import re
import signal
import socket

import namespace
from clients import DEADLINE, ask, connect
from harness import Superd, expect, expect_in, forever, gone, read_text, wait_until
from registry import covers, needs_root
from reload_test import echo, says


def held_connection(port):
    connection = connect(port)
    connection.sendall(b"1")
    expect(connection.recv(1), b"1")
    return connection


@needs_root
@covers("on_stop")
def test_stop():
    """TERM: handlers are left or ended as on_stop says, daemons end"""
    text = echo("left", 2000) + echo("ended", 2001, 'on_stop = "end"') + \
        f'[service.daemon]\nexec = {forever()}\nuser = "nobody"\n'
    d = Superd(text)
    with d:
        d.wait_state("daemon", "running")
        daemon = d.status("daemon")["processes"][0]["pid"]
        left, ended = held_connection(2000), held_connection(2001)
        d.signal(signal.SIGTERM)
        expect(d.wait_end(), 0)
        expect(ended.recv(1), b"", "the handler that is to end")
        left.sendall(b"2")
        expect(left.recv(1), b"2", "the handler that is left")
        wait_until(lambda: gone(daemon), what="the daemon's end")
        left.close()
        ended.close()


@needs_root
def test_interrupt_and_quit():
    """INT stops as TERM does; QUIT stops and leaves all"""
    with Superd(says("one", 2000, "x")) as d:
        d.signal(signal.SIGINT)
        expect(d.wait_end(), 0)
    with Superd(echo("ended", 2000, 'on_stop = "end"')) as d:
        held = held_connection(2000)
        d.signal(signal.SIGQUIT)
        expect(d.wait_end(), 0)
        held.sendall(b"2")
        expect(held.recv(1), b"2", "left by QUIT")
        held.close()


@needs_root
@covers("superd.dump_file")
def test_dump():
    """USR1 writes the state to dump_file"""
    with Superd('[superd]\ndump_file = "/run/test/dump"\n' + says("one", 2000, "x")) as d:
        d.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists("/run/test/dump") and "one" in read_text("/run/test/dump"), what="the dump")
        expect_in("listening", read_text("/run/test/dump"))


@needs_root
@covers("superd.log", "superd.log_format")
def test_log_to_file_as_json():
    """log = "file:…" and log_format = "json": one object a line with the event"""
    with Superd('[superd]\nlog = "file:/run/test/superd.log"\nlog_format = "json"\n' + says("one", 2000, "x")) as d:
        expect(ask(2000), b"x\n")

        def events():
            if not os.path.exists("/run/test/superd.log"):
                return []
            whole = read_text("/run/test/superd.log").rpartition("\n")[0]
            return [json.loads(line) for line in whole.splitlines()]

        wait_until(lambda: "EXIT" in json.dumps(events()).upper(), what="the exit in the log")
        expect_in("START", json.dumps(events()).upper())
        assert all("time" in event for event in events()), events()[0]
        assert d.log() == "" or "START" not in d.log(), "nothing of it on stderr"


@needs_root
def test_log_to_syslog_and_journal():
    """log = ["syslog", "journal"]: both get the line, each in its own protocol"""
    os.makedirs("/run/systemd/journal")
    receivers = {}
    for name, path in (("syslog", "/run/test/devlog"), ("journal", "/run/systemd/journal/socket")):
        receivers[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receivers[name].bind(path)
        receivers[name].settimeout(DEADLINE)
        os.chmod(path, 0o666)
    os.symlink("/run/test/devlog", make_dev() + "/log")
    with Superd('[superd]\nlog = ["syslog", "journal"]\n' + says("one", 2000, "x")):
        expect(ask(2000), b"x\n")
        for name, pattern in (("syslog", rb"^<\d+>.*superd.*one START "), ("journal", rb"MESSAGE=.*one START ")):
            seen = b""
            while not re.search(pattern, seen, re.S):
                seen = receivers[name].recv(65536)


def make_dev():
    """A /dev of the test's own with the devices that programs need."""
    keep = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")
    os.mkdir("/run/test/dev")
    for name in keep:
        path = f"/run/test/dev/{name}"
        with open(path, "w", encoding="ascii"):
            pass
        namespace.bind(f"/dev/{name}", path)
    os.symlink("/proc/self/fd", "/run/test/dev/fd")
    namespace.mount("/run/test/dev", "/dev", flags=namespace.MS_BIND | namespace.MS_REC)
    return "/dev"


@needs_root
def test_log_lines():
    """START, EXIT and FAIL lines carry time, service, connection, peer, status and reason"""
    text = says("one", 2000, "x") + \
        '[service.lost]\nlisten = "tcp:2001"\nexec = ["/no/such/program"]\nuser = "nobody"\n'
    with Superd(text) as d:
        expect(ask(2000), b"x\n")
        expect(ask(2001), b"")
        stamp = r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
        started = d.wait_log(stamp + r"one START conn=([0-9a-f]+) .*from=127\.0\.0\.1:\d+")
        d.wait_log(stamp + rf"one EXIT conn={started.group(1)} .*status=0")
        d.wait_log(stamp + r"lost FAIL .*exec /no/such/program: No such file or directory")
        expect_in("/no/such/program: No such file or directory", d.status("lost")["last_failure"])


def daemon_pid(d):
    """superd's own pid as it says, None where nobody answers."""
    asked = d.ctl("--json", "status", quiet=True)
    return asked.json()["daemon"]["pid"] if asked.code == 0 else None


@needs_root
def test_pid_file_and_background():
    """--background --pid-file: the starter ends when superd is ready, and a superd after a kill is like the first"""
    d = Superd(says("one", 2000, "x"), args=["--background", "--pid-file", "/run/test/superd.pid"], ready=False)
    d.start()
    expect(d.wait_end(), 0, "the starter")
    expect_in('nobody sees log = "stderr"', d.log())
    expect(ask(2000), b"x\n")
    guard = int(read_text("/run/test/superd.pid"))
    first = d.ctl_json("status")["daemon"]
    expect(first["guard_pid"], guard)
    expect(d.reload().code, 0)
    os.kill(first["pid"], signal.SIGKILL)
    wait_until(lambda: daemon_pid(d) not in (None, first["pid"]), what="the next superd")
    expect(ask(2000), b"x\n")
    os.kill(guard, signal.SIGTERM)
    wait_until(lambda: d.ctl("version", quiet=True).code == 7, what="the end")
    wait_until(lambda: not os.path.exists("/run/test/superd.pid"), what="the guard to remove the pid file")
