# SPDX-License-Identifier: MIT
"""Load that must not notice what is done to superd, and what superd has open and holds meanwhile."""

import collections
import contextlib
import mmap
import os
import re
import select
import statistics
import sys
import tempfile
import time

from clients import connect, talk
from harness import Superd, expect, forever, program, read_text, wait_until
from relay_test import sanitized

UNBOUNDED = 'max_connections = "unlimited"\nmax_per_source = "unlimited"\n'

# What does not change, by kind: each gives back what it gets. The target of the redirect is a worker too.
SERVED = {"handler": 2000, "worker": 2001, "redirect": 2002, "builtin": 2003}
STEADY = f"""
[service.handler]
listen = "tcp:2000"
exec = "/bin/cat"
user = "nobody"
{UNBOUNDED}
[service.worker]
listen = "tcp:2001"
mode = "worker"
exec = {program("echo")}
user = "nobody"
[service.redirect]
listen = "tcp:2002"
redirect = "unix:/run/test/target"
{UNBOUNDED}
[service.builtin]
listen = "tcp:2003"
builtin = "echo"
{UNBOUNDED}
[service.target]
listen = "unix:/run/test/target"
mode = "worker"
exec = {program("echo")}
user = "nobody"
[service.daemon]
exec = {forever()}
user = "nobody"
"""
CLIENTS = 16
WIDTH = 8  # numbers of one client


class Crowd:
    """Clients that connect without pause, each to one kind after the other; a process each.

    Each counts in places of its own of a page that all share: its answers by kind, the slowest in µs.
    """

    def __init__(self):
        self.page = mmap.mmap(-1, mmap.PAGESIZE)
        self.numbers = memoryview(self.page).cast("Q")
        self.mistakes = tempfile.TemporaryFile(buffering=0)
        self.pids = []

    def client(self, number):
        kinds, turn, places = list(SERVED), number, number * WIDTH
        while not self.numbers[-1]:
            turn += 1
            kind = turn % len(kinds)
            began = time.monotonic()
            self.visit(kinds[kind], b"%d of %d\n" % (turn, number))
            took = round((time.monotonic() - began) * 1e6)
            self.numbers[places + len(kinds)] = max(took, self.numbers[places + len(kinds)])
            self.numbers[places + kind] += 1

    def visit(self, kind, token):
        try:
            got = talk(connect(SERVED[kind], deadline=90), token)
        except OSError as error:
            got = error
        if got != token:
            os.write(self.mistakes.fileno(), f"{kind}: {token!r} got {got!r}\n".encode())

    def answers(self, kind):
        place = list(SERVED).index(kind)
        return sum(self.numbers[client * WIDTH + place] for client in range(CLIENTS))

    def count(self):
        return min(self.answers(kind) for kind in SERVED)

    def slowest(self):
        """Milliseconds."""
        return max(self.numbers[client * WIDTH + len(SERVED)] for client in range(CLIENTS)) / 1000

    def wrong(self):
        return os.pread(self.mistakes.fileno(), 1000, 0).decode()

    def wait_more(self, count):
        """That many more of each kind, or something wrong."""
        wanted = self.count() + count
        wait_until(lambda: self.wrong() or self.count() >= wanted, what="answers")

    def finish(self):
        self.stop()
        total = sum(self.answers(kind) for kind in SERVED)
        assert not self.wrong(), f"of {total} connections: {self.wrong()}"
        return total

    def stop(self):
        self.numbers[-1] = 1
        for pid in self.pids:
            os.waitpid(pid, 0)
        self.pids = []

    def __enter__(self):
        sys.stdout.flush()
        for number in range(CLIENTS):
            pid = os.fork()
            if pid == 0:
                try:
                    os.nice(10)  # the test itself is one of this many, and has to come to its turns
                    self.client(number)
                finally:
                    os._exit(0)
            self.pids.append(pid)
        return self

    def __exit__(self, *_):
        self.stop()


class Held:
    """One connection of each kind that is open the whole time."""

    def __init__(self):
        self.connections = {kind: connect(port) for kind, port in SERVED.items()}
        self.turn = 0

    def check(self):
        self.turn += 1
        for kind, connection in self.connections.items():
            word = b"still %d\n" % self.turn
            connection.sendall(word)
            got = b""
            while len(got) < len(word):
                part = connection.recv(100)
                assert part, f"the open connection to {kind} has ended"
                got += part
            expect(got, word, f"the open connection to {kind}")

    def close(self):
        for connection in self.connections.values():
            connection.close()


def anonymous_kilobytes(pid):
    """Heap, stacks and changed data; not the saved state, whose pages are the same file for everybody."""
    rows = dict(row.split(":", 1) for row in read_text(f"/proc/{pid}/smaps_rollup").splitlines()[1:])
    return int(rows["Anonymous"].split()[0])


class Use:
    """Descriptors and memory of superd and its guard, at rest; what grows is seen in the samples."""

    def __init__(self, d):
        self.d, self.samples = d, []

    def look(self):
        return {"superd": anonymous_kilobytes(self.d.pid), "guard": anonymous_kilobytes(self.d.guard)}

    def sample(self):
        # Between superd and the next one there is none.
        with contextlib.suppress(OSError, IndexError):
            self.samples.append(self.look())

    def rest(self):
        """After the last client: its connection has been closed everywhere."""
        for kind in SERVED:
            if kind != "worker":
                self.d.wait_connections(kind, 0)
        return self

    def before(self):
        self.descriptors, self.memory = len(self.rest().d.fds()), self.look()
        return self

    def after(self, slack):
        """slack: kilobytes that either may have more than before."""
        self.rest()
        try:
            wait_until(lambda: len(self.d.fds()) <= self.descriptors, 30, f"{self.descriptors} descriptors")
        except AssertionError as error:
            kinds = collections.Counter(re.sub(r"\d+", "N", target) for target in self.d.fds().values())
            raise AssertionError(f"{error}: {kinds}") from None
        now = self.look()
        growth = {name: self.growth(name) for name in now}
        print(f"descriptors {self.descriptors}; anonymous kB before {self.memory}, after {now}, "
              f"from the first third of the time to the last {growth}")
        if not sanitized():
            for name, kilobytes in now.items():
                assert kilobytes <= self.memory[name] + slack, f"{name}: {self.memory} became {now} kB"
                assert growth[name] <= slack, f"{name} grew by {growth[name]} kB"

    def growth(self, name):
        values = [sample[name] for sample in self.samples]
        third = len(values) // 3
        return statistics.median(values[-third:]) - statistics.median(values[:third]) if third else 0


def pause_until(moment):
    """The rest of a turn that is to take a certain time."""
    left = moment - time.monotonic()
    if left > 0:
        select.select([], [], [], left)


def warm_up():
    """Each kind's processes are there, and memory that is taken once is taken."""
    with Crowd() as crowd:
        wait_until(lambda: crowd.wrong() or crowd.count() >= 100, what="the first answers")
        crowd.finish()


def pids(d):
    return {name: sorted(one["pid"] for one in d.status(name)["processes"])
            for name in ("worker", "target", "daemon")}


def soak(disturb, period, turns, slack, text=STEADY):
    """disturb(d, turn) is called `turns` times, once in `period` seconds (0: as soon as it is answered)."""
    with Superd(text) as d:
        d.wait_state("daemon", "running")
        warm_up()
        use, same = Use(d).before(), pids(d)
        accepted = {kind: d.status(kind)["accepted"] for kind in SERVED if kind != "worker"}
        began = time.monotonic()
        held = Held()
        with Crowd() as crowd:
            for turn in range(turns):
                disturb(d, turn)
                held.check()
                use.sample()
                assert not crowd.wrong(), crowd.wrong()
                if period:
                    pause_until(began + (turn + 1) * period)
                else:
                    crowd.wait_more(2)
            total = crowd.finish()
        held.close()
        expect(pids(d), same, "workers and daemons")
        print(f"{turns} times in {time.monotonic() - began:.1f} s: {total} connections, "
              f"the slowest took {crowd.slowest():.0f} ms")
        use.after(slack)
        for kind, count in accepted.items():
            status = d.status(kind)
            expect(status["accepted"] - count, crowd.answers(kind) + 1, f"connections of {kind} accepted")
            expect((status["started"], status["exited"]), (status["accepted"],) * 2, f"{kind}: starts and ends")
            expect((status["failed"], status["refused"]), (0, {}), kind)
        return d
