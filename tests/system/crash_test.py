# SPDX-License-Identifier: MIT
"""kill -9 of superd: listeners, queued and accepted connections, handlers and counters live on."""

import os
import re
import signal
import threading
import time

from clients import ask, connect
from harness import FOREVER, Superd, expect, expect_in, gone, read_text, shell, wait_until, write_text
from hanging_fs import HangingFs
from registry import covers, needs_root, timeout
from reload_test import echo, inode, says

UNBOUNDED = 'max_connections = "unlimited"\nmax_per_source = "unlimited"'


class Load:
    """Clients that ask one after the other; every connection must bring exactly one answer."""

    def __init__(self, port, wanted, clients=8):
        self.port, self.wanted = port, wanted
        self.answers, self.wrong, self.stopped = 0, [], threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client) for _ in range(clients)]

    def client(self):
        while not self.stopped.is_set():
            try:
                got = ask(self.port, half_close=False, deadline=90)
            except OSError as error:
                got = repr(error).encode()
            with self.lock:
                self.answers += 1
                if got != self.wanted:
                    self.wrong.append(got)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def kill_superd(d):
    """Kills superd, not the guard, and waits for the next one."""
    old = d.pid
    os.kill(old, signal.SIGKILL)
    return d.wait_superd(other_than=old)


ONCE = f'[service.hello]\nlisten = "tcp:2000"\nexec = ["/bin/echo", "once"]\nuser = "nobody"\n{UNBOUNDED}\n'


def finish(load):
    """The clients end; every connection must have brought its one answer."""
    load.stopped.set()
    wait_until(lambda: not any(thread.is_alive() for thread in load.threads), 120, "the last answers")
    assert not load.wrong, f"{len(load.wrong)} of {load.answers} wrong: {load.wrong[:5]}"


@needs_root
@timeout(300)
def test_under_load():
    """Thirty kills under load: no connection is lost and none is answered twice"""
    with Superd(ONCE) as d, Load(2000, b"once\n") as load:
        wait_until(lambda: load.answers > 50, what="the load to begin")
        for _ in range(30):
            before, old = load.answers, d.pid
            os.kill(old, signal.SIGKILL)
            wait_until(lambda: load.answers > before + 20, what="answers after a kill")
            d.wait_superd(other_than=old)
        finish(load)


@needs_root
@timeout(300)
def test_while_it_starts():
    """Kills at any moment of the start: the guard waits longer each time, and nothing is lost"""
    with Superd(ONCE) as d, Load(2000, b"once\n") as load:
        wait_until(lambda: load.answers > 50, what="the load to begin")
        for pause in (0, 0.002, 0.005, 0.02):
            fresh = wait_until(d.superd_pids, what="another superd")
            end = time.monotonic() + pause
            while time.monotonic() < end:
                pass
            os.kill(fresh[0], signal.SIGKILL)
            wait_until(lambda: fresh[0] not in d.superd_pids(), what="its end")
        before = load.answers
        wait_until(lambda: load.answers > before + 20, what="answers after the kills")
        finish(load)
        d.wait_superd()


@needs_root
def test_handlers_and_counters():
    """Listener, open connections, counters and limits are as before"""
    with Superd(echo("held", 2000, "max_connections = 2") + says("other", 2001, "x")) as d:
        for _ in range(5):
            ask(2001)
        d.wait_status("other", exited=5)
        socket_before, counters = inode(2000), d.status("other")
        with connect(2000) as held:
            held.sendall(b"1")
            expect(held.recv(1), b"1")
            kill_superd(d)
            held.sendall(b"2")
            expect(held.recv(1), b"2", "the handler runs on")
            expect(inode(2000), socket_before, "the listening socket")
            expect(d.connections("held"), 1, "the open connection is still counted")
            after = d.status("other")
            for name in ("accepted", "started", "exited"):
                expect(after[name], counters[name], name)
        d.wait_connections("held", 0)
        expect(ask(2000, b"again"), b"again")
        d.wait_status("held", exited=2)


@needs_root
def test_queue_survives():
    """Clients in the kernel's queue are served by the next superd"""
    with Superd(echo("held", 2000, "max_connections = 1")) as d:
        first = connect(2000)
        first.sendall(b"1")
        expect(first.recv(1), b"1")
        waiting = [connect(2000) for _ in range(5)]
        kill_superd(d)
        first.close()
        for connection in waiting:
            with connection:
                connection.sendall(b"w")
                expect(connection.recv(1), b"w")


@needs_root
def test_runs_the_committed_plan():
    """The next superd runs what was accepted last, whatever the file says by now"""
    with Superd(says("one", 2000, "one")) as d:
        write_text(d.config, "[service.one\n")
        kill_superd(d)
        expect(ask(2000), b"one\n")


@needs_root
def test_orders_survive():
    """A paused service stays paused, a stopped one stopped"""
    with Superd(says("paused", 2000, "p") + says("stopped", 2001, "s")) as d:
        d.ok("pause", "paused")
        d.ok("stop", "stopped")
        kill_superd(d)
        expect((d.state("paused"), d.state("stopped")), ("paused", "stopped"))
        d.ok("resume", "paused")
        expect(ask(2000), b"p\n")


@needs_root
def test_worker_survives():
    """A worker runs on and no second one is started beside it"""
    script = f"echo $$ >> /srv/starts; exec {' '.join(FOREVER)}"
    text = f'[service.daemon]\nexec = {shell(script)}\nuser = "root"\n'
    with Superd(text) as d:
        wait_until(lambda: os.path.exists("/srv/starts") and os.path.getsize("/srv/starts"), what="the daemon")
        # The shell has written its line and is still on its way to becoming the other program.
        wait_until(lambda: [c for _, c in d.children() if FOREVER[0] in c and "echo" not in c],
                   what="the shell's exec")
        before = d.children()
        kill_superd(d)
        expect(d.state("daemon"), "running")
        expect(d.children(), before, "the same process")
        with open("/srv/starts", encoding="ascii") as starts:
            expect(len(starts.readlines()), 1, "starts")


def first_pid(status):
    """Of the service's processes; 0 where none has been cloned."""
    return next((process["pid"] for process in status["processes"]), 0)


def waits(pid):
    """In the kernel, for what is not there yet."""
    return read_text(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] in "SD"


@needs_root
def test_control_after_a_kill_in_a_launch():
    """superctl reaches the next superd while a child of the killed one hangs in its exec"""
    slow = HangingFs("/srv/slow")
    text = (f'[service.worker]\nlisten = "tcp:2000"\nmode = "worker"\nexec = ["{slow.program}"]\n'
            'user = "nobody"\nlaunch_timeout = "1h"\n' + says("one", 2001, "one"))
    with Superd(text) as d:
        slow.hold()
        with connect(2000):
            child = wait_until(lambda: first_pid(d.status("worker")), what="a child")
            wait_until(lambda: waits(child), what="the child in its exec")
            kill_superd(d)
            expect(gone(child), False, "the child still hangs")
            expect(ask(2001), b"one\n")
            slow.release()
            wait_until(lambda: gone(child), what="the worker's end")
        d.ok("stop", "worker")
    slow.close()


@needs_root
def test_guard_dies():
    """A superd whose guard was killed does not stay behind"""
    with Superd(says("one", 2000, "one")) as d:
        superd = d.pid
        os.kill(d.guard, signal.SIGKILL)
        d.process.wait()
        wait_until(lambda: gone(superd), what="superd's end")


@needs_root
@covers("superd.broken_file")
def test_cold_start_with_a_broken_file():
    """A start with a broken file runs the last accepted one and says so first; "refuse" ends instead"""
    d = Superd(says("one", 2000, "kept"))
    with d:
        expect(ask(2000), b"kept\n")
    d.write(says("one", 2000, "never") + "nonsense = = 1\n")
    with d:
        expect(ask(2000), b"kept\n")
        first = d.ok("status").splitlines()[0]
        expect_in("last accepted", first)
        d.wait_log("CRIT")
        d.wait_log(re.escape(f"{d.config}:"))
    d.write('[superd]\nbroken_file = "refuse"\n' + says("one", 2000, "kept"))
    with d:
        expect(ask(2000), b"kept\n")
    d.write('[superd]\nbroken_file = "refuse"\nnonsense = = 1\n')
    d.expect_ready = False
    d.start()
    expect(d.wait_end(), 1, "the exit status with broken_file = \"refuse\"")


@needs_root
def test_cold_start_without_a_last_file():
    """A broken file and none accepted before: exit 1 and the reason"""
    d = Superd("[service.one\n", ready=False).start()
    expect(d.wait_end(), 1)
    expect_in(f"{d.config}:", d.log())
