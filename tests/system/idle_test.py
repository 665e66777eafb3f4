# SPDX-License-Identifier: MIT
"""idle_stop: workers that nobody needs go, come back with the next client, and nobody is lost in between."""

import os
import random
import re
import signal
import socket
import threading
import time

from clients import connect, connect_unix, read_line
from harness import Superd, expect, expect_in, gone, holds_for, program, run, wait_until
from kernel import has_unix_diag
from registry import covers, needs_root, skip

BOUND = 1.0


def worker(listen, lines="", bound="1s"):
    return (f'[service.echo]\nlisten = {listen}\nmode = "worker"\nuser = "alice"\n'
            f'exec = {program("echoing")}\nidle_stop = "{bound}"\n{lines}\n')


def say(connection):
    """One message, and the pid of who answers."""
    connection.sendall(b"?\n")
    line = read_line(connection)
    assert line.endswith(b"\n"), f"lost: {line!r}"
    return int(line)


def visit(port=2000):
    with connect(port) as connection:
        return say(connection)


def wait_idle(d):
    d.wait_state("echo", "listening")
    expect_in("stopped: idle for 1s; the next connection starts it", d.ok("why", "echo"))


@needs_root
@covers("idle_stop")
def test_silent_connection():
    """An open, silent connection keeps the worker; when it is closed it goes, and comes back with the next"""
    with Superd(worker('"tcp:2000"')) as d:
        with connect(2000) as connection:
            pid = say(connection)
            holds_for(lambda: not gone(pid), 3 * BOUND, "the worker stays")
            expect(d.state("echo"), "running")
            expect(say(connection), pid)
            closed = time.monotonic()
        wait_until(lambda: gone(pid), what="the idle worker")
        assert time.monotonic() - closed > BOUND * 0.7, "not before it was idle for so long"
        wait_idle(d)
        expect_in("idle for 1s: it is stopped", d.log())
        expect("Last failure" in d.ok("why", "echo"), False)
        assert visit() != pid
        d.wait_status("echo", state="running", started=2)


@needs_root
def test_busy():
    """Short connections, of which none is there when superd looks, keep the worker; status says since when nobody came"""
    with Superd(worker('"tcp:2000"')) as d:
        pid, before = visit(), time.monotonic()
        end = before + 3 * BOUND
        while time.monotonic() < end:
            time.sleep(BOUND / 5)
            now, begun = visit(), time.monotonic()
            # On a machine that slept itself meanwhile it was idle for so long.
            assert now == pid or begun - before > BOUND * 0.9, "another worker, without a pause"
            pid, before = now, begun
        wait_until(lambda: re.search(r"idle for \S+ of 1s", d.ok("status", "echo")) or
                   d.state("echo") == "listening", what="since when it is idle")
        wait_idle(d)


@needs_root
def test_unix():
    """The same at UNIX sockets, of streams and of packets, and for several listeners together"""
    if not has_unix_diag():
        skip("the kernel has no unix_diag")
    with Superd(worker('["tcp:2000", "unix:/srv/s", "seqpacket:/srv/p"]')) as d:
        for path, kind in (("/srv/s", socket.SOCK_STREAM), ("/srv/p", socket.SOCK_SEQPACKET)):
            with socket.socket(socket.AF_UNIX, kind) as connection:
                connection.settimeout(60)
                connection.connect(path)
                connection.sendall(b"?")
                pid = int(connection.recv(100))
                holds_for(lambda: not gone(pid), 2 * BOUND, "the worker stays")
            wait_until(lambda: gone(pid), what="the idle worker")
            wait_idle(d)
        assert visit() != pid


@needs_root
def test_nobody_lost():
    """Eight clients that come at random moments around the stop are all served"""
    with Superd(worker('"tcp:2000"')) as d:
        pids, failures = set(), []
        start = threading.Barrier(8)

        def client(seed):
            chance = random.Random(seed)
            try:
                for number in range(12):
                    start.wait(60)
                    # Nobody is there from now on; the stop comes after one second, or a quarter more. All
                    # come close together, each time at another moment around it.
                    together = random.Random(number).uniform(0.95, 1.4)
                    time.sleep(BOUND * (together + 0.05 * chance.random()))
                    pids.add(visit())
            except BaseException as error:  # whatever it is, it is told
                failures.append(repr(error))
                start.abort()

        threads = [threading.Thread(target=client, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(failures, [])
        assert len(pids) > 2, "it was stopped in between"
        expect("KILL" in d.log(), False)


@needs_root
def test_boot():
    """One that starts with superd goes too; no other superd starts it again, but its next client does"""
    with Superd(worker('"tcp:2000"', 'start = "boot"')) as d:
        d.wait_state("echo", "running")
        wait_idle(d)
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        wait_idle(d)
        expect(d.status("echo")["started"], 1)
        pid = visit()
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        expect(gone(pid), False)
        wait_until(lambda: gone(pid), what="the idle worker of a superd that was killed")
        wait_idle(d)


@needs_root
def test_reload():
    """idle_stop can come and go while the worker runs"""
    with Superd(worker('"tcp:2000"', bound="1h")) as d:
        pid = visit()
        d.write(worker('"tcp:2000"'))
        d.reload()
        wait_until(lambda: gone(pid), what="the idle worker")
        wait_idle(d)
        pid = visit()
        d.write(worker('"tcp:2000"', bound="unlimited"))
        d.reload()
        holds_for(lambda: not gone(pid), 2.5 * BOUND, "it stays now")


@needs_root
def test_cannot_be_told():
    """Where nobody can tell whether it is idle, that is an error of the file"""
    with Superd(worker('"tcp:2000"')) as d:
        d.write(worker('"udp:2000"'))
        result = d.ctl("reload-config")
        expect(result.code, 1)
        expect_in("idle_stop cannot be kept: udp:2000 has no connections to see", result.out + result.err)
