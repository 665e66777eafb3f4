# SPDX-License-Identifier: MIT
"""Pools of workers: they grow while clients wait, one generation follows another without a gap, and they are
told of their sockets in the words of other starters."""

import contextlib
import os
import signal
import socket
import threading

from clients import ask, connect, read_all
from harness import Superd, expect, expect_in, program, wait_until, write_text
from registry import covers, needs_root


def pool(word, lines, gate=()):
    return (f'[service.pool]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "alice"\nstart = "boot"\n'
            f'ready = "notify"\nexec = {program("pool", word, *gate)}\n{lines}\n')


def pids(d):
    return {process["pid"] for process in d.status("pool")["processes"]}


def kill_superd(d):
    """And waits for the next one."""
    before = d.pid
    os.kill(before, signal.SIGKILL)
    d.wait_superd(other_than=before)


class Clients:
    """Eight that connect without pause, until told to stop; each answer, or what went wrong, is kept."""

    def __init__(self, port=2000, count=8):
        self.port, self.over, self.wrong, self.words = port, threading.Event(), [], []
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self):
        while not self.over.is_set():
            try:
                answer = ask(self.port, b"who\n", half_close=False)
                if not answer.endswith(b"\n"):
                    self.wrong.append(answer)
                else:
                    self.words.append(answer.split()[0].decode())
            except OSError as error:
                self.wrong.append(repr(error))

    def heard(self, word):
        return word in self.words[-8:]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if kind is None:
            expect(self.wrong[:5], [], f"of {len(self.words)} connections")


def hold(stack):
    """A client that keeps its worker busy."""
    client = stack.enter_context(connect(2000))
    client.sendall(b"hold\n")
    return client


def release(client):
    client.shutdown(socket.SHUT_WR)
    return read_all(client)


@needs_root
@covers("workers")
def test_growth():
    """workers = { min, max, after }: one more when somebody has waited so long, up to max, and over a kill -9 and an upgrade"""
    text = pool("a", 'workers = { min = 1, max = 3, after = "20ms" }')
    with Superd(text) as d, contextlib.ExitStack() as stack:
        d.wait_status("pool", state="running")
        held = []
        for _ in range(2):
            held.append(hold(stack))
            # Whoever comes now is served by one more than those that are held.
            expect(ask(2000, b"who\n", half_close=False)[:2], b"a ")
        held.append(hold(stack))
        d.wait_log("clients have waited for 20ms: worker 3 of at most 3")
        wait_until(lambda: len(pids(d)) == 3, what="three workers")
        before = pids(d)
        kill_superd(d)
        expect(pids(d), before, "the pool that superd had before it was killed")
        former = d.pid
        d.ok("upgrade")
        d.wait_superd(other_than=former)
        expect(pids(d), before, "the pool that superd had before it was upgraded")
        for client in held:
            expect(release(client)[:2], b"a ")
        expect(pids(d), before)


def answers(client):
    """Asks the worker that has had the client since before."""
    client.shutdown(socket.SHUT_WR)
    return int(read_all(client).split()[1])


@needs_root
@covers("workers", "idle_stop")
def test_shrinking():
    """idle_stop: those above min that have no client go one by one, who has one stays, and over a kill -9 too"""
    text = pool("a", 'workers = { min = 1, max = 4, after = "20ms" }\nidle_stop = "1s"')
    with Superd(text) as d, contextlib.ExitStack() as stack:
        d.wait_status("pool", state="running")
        held = [hold(stack) for _ in range(3)]
        # Served by one more than those that are held.
        expect(ask(2000, b"who\n", half_close=False)[:2], b"a ")
        first = answers(held.pop(0))
        # Two of four are free.
        d.wait_log("a worker without clients goes, 3 of at least 1 stay")
        d.wait_log("a worker without clients goes, 2 of at least 1 stay")
        wait_until(lambda: len(pids(d)) == 2, what="those that have clients")
        left = pids(d)
        expect(first in left, False)
        kill_superd(d)
        expect(pids(d), left, "the pool that superd had before it was killed")
        expect({answers(client) for client in held}, left)
        d.wait_state("pool", "listening")
        expect_in("idle for 1s", d.ok("why", "pool"))
        expect("still there" in d.log(), False)
        expect(ask(2000, b"who\n", half_close=False)[:2], b"a ")


@needs_root
def test_growth_by_reload():
    """A pool whose least is more than before has them at once"""
    with Superd(pool("a", "workers = 1")) as d:
        d.wait_status("pool", state="running", started=1)
        d.write(pool("a", "workers = { min = 3, max = 4 }"))
        d.reload()
        d.wait_status("pool", started=3)


@needs_root
@covers("overlap")
def test_deploy():
    """overlap = true: restart, reload and a new file replace the workers while clients connect without pause"""
    with Superd(pool("a", "workers = 3\noverlap = true")) as d:
        d.wait_status("pool", state="running", started=3)
        with Clients() as clients:
            wait_until(lambda: clients.heard("a"), what="answers")
            for verb in ("restart", "reload"):
                before = pids(d)
                d.ok(verb, "pool")
                wait_until(lambda: not before & pids(d), what=f"{verb}: the old ones have gone")
                expect(len(pids(d)), 3)
            before = pids(d)
            d.write(pool("b", "workers = 3\noverlap = true"))
            d.reload()
            wait_until(lambda: not before & pids(d), what="the old ones have gone")
            wait_until(lambda: clients.heard("b"), what="answers of the new program")
            expect(len(pids(d)), 3)
            assert not clients.heard("a") or wait_until(lambda: not clients.heard("a"))
        d.wait_log("generation 4 has taken over")


@needs_root
def test_broken_deploy():
    """A generation that does not come up leaves the one before in place, and says so"""
    with Superd(pool("a", "workers = 2\noverlap = true")) as d:
        d.wait_status("pool", state="running", started=2)
        before = pids(d)
        with Clients() as clients:
            d.write(pool("broken", "workers = 2\noverlap = true"))
            d.reload()
            d.wait_log("generation 2 did not come up: .*status 3; 2 of 2 of the one before go on")
            wait_until(lambda: pids(d) == before, what="the old ones alone")
            expect_in("The last reload failed: generation 2", d.ok("why", "pool"))
            told = d.ctl("restart", "pool")
            expect(told.code, 1)
            expect_in("did not come up", told.err)
            wait_until(lambda: pids(d) == before, what="the old ones alone")
            # A program that works again is taken by the next one.
            d.write(pool("c", "workers = 2\noverlap = true"))
            d.reload()
            wait_until(lambda: clients.heard("c"), what="answers of the third program")
            wait_until(lambda: not before & pids(d), what="the old ones have gone")
        expect(len(pids(d)), 2)


@needs_root
def test_deploy_over_kill():
    """A deploy goes on where it was when superd is killed in the middle of it"""
    text = "workers = 2\noverlap = true"
    with Superd(pool("a", text)) as d:
        d.wait_status("pool", state="running", started=2)
        before = pids(d)
        with Clients() as clients:
            d.write(pool("b", text, ("/srv/go",)))
            d.reload()
            wait_until(lambda: len(pids(d)) > 2, what="a new one beside the old ones")
            expect(d.state("pool"), "reloading")
            kill_superd(d)
            expect(d.state("pool"), "reloading")
            write_text("/srv/go", "")
            wait_until(lambda: not before & pids(d), what="the old ones have gone")
            wait_until(lambda: clients.heard("b"), what="answers of the new program")
        expect(len(pids(d)), 2)
        d.wait_state("pool", "running")


@needs_root
def test_daemon():
    """overlap = true for a service without listen: the new one is ready before the old one is told to end"""
    text = (f'[service.d]\nuser = "alice"\nready = "notify"\noverlap = true\nexec = {program("daemon")}\n')
    with Superd(text) as d:
        d.wait_state("d", "running")
        (old,) = d.status("d")["processes"]
        d.ok("restart", "d")
        wait_until(lambda: old["pid"] not in {one["pid"] for one in d.status("d")["processes"]},
                   what="the old one has gone")
        expect(len(d.status("d")["processes"]), 1)
        expect(d.status("d")["last_exit"], "status 0")
        d.ok("stop", "d")
        expect(d.status("d")["processes"], [])


@needs_root
@covers("listen_environment")
def test_starters():
    """listen_environment: a program that knows Einhorn's or Server::Starter's variables finds its sockets"""
    text = ('[service.s]\nlisten = ["tcp:2000", "tcp:127.0.0.1:2001", "unix:/srv/s.sock"]\nmode = "worker"\n'
            'user = "alice"\nstart = "boot"\noverlap = true\nready = "notify"\n'
            f'listen_environment = ["einhorn", "server_starter"]\nexec = {program("starters")}\n')
    with Superd(text) as d:
        d.wait_state("s", "running")
        expect(ask(2000), b"einhorn 0 starter 2000 generation 1\n")
        expect(ask(2001), b"einhorn 1 starter 127.0.0.1:2001 generation 1\n")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("/srv/s.sock")
            expect(read_all(client), b"einhorn 2 starter /srv/s.sock generation 1\n")
        d.ok("reload", "s")
        wait_until(lambda: len(d.status("s")["processes"]) == 1, what="the old one has gone")
        expect(ask(2000), b"einhorn 0 starter 2000 generation 2\n")
