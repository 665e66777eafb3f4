# SPDX-License-Identifier: MIT
"""The watchdog: superd says that it lives to whoever asked, and the guard kills one that does not."""

import os
import signal
import socket
import struct
import time

from clients import ask
from harness import Superd, expect, expect_in, holds_for, notify_socket, shell
from registry import needs_root

PERIOD = 2.0
ASKED = {"WATCHDOG_USEC": str(int(PERIOD * 1e6))}
HELLO = '[service.hello]\nlisten = "tcp:127.0.0.1:2000"\nexec = {}\nuser = "nobody"\n'


def close_kept(control):
    """superd gives its listeners to be kept; held here, they would answer for the next superd."""
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            for fd in struct.unpack(f"{len(data) // 4}i", data):
                os.close(fd)


class Pings:
    """What comes to NOTIFY_SOCKET, and from whom."""

    def __init__(self, notify):
        notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.notify = notify

    def wait(self, count):
        """The pids that so many pings came in the name of."""
        self.notify.settimeout(60)
        pids = set()
        while count > 0:
            text, control, _, _ = self.notify.recvmsg(4096, 256)
            close_kept(control)
            if text != b"WATCHDOG=1\n":
                continue
            count -= 1
            for _, kind, data in control:
                if kind == socket.SCM_CREDENTIALS:
                    pids.add(struct.unpack("iii", data)[0])
        return pids

    def take_all(self):
        """How many are there by now."""
        self.notify.setblocking(False)
        count = 0
        try:
            while True:
                count += b"WATCHDOG" in self.notify.recv(4096)
        except BlockingIOError:
            return count


@needs_root
def test_pings():
    """Pings come in the guard's name, again and again, and the variables reach no service"""
    script = "echo usec=$WATCHDOG_USEC pid=$WATCHDOG_PID"
    text = HELLO.format(shell(script)) + 'pass_environment = ["WATCHDOG_USEC", "WATCHDOG_PID"]\n'
    # The pid stays over exec.
    named = ["/bin/sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"]
    for prefix in ([], named):
        begin = time.monotonic()
        # A socket of its own: a listener that lies in it unread would keep the port for itself.
        with notify_socket() as notify, Superd(text, env=ASKED, prefix=prefix, notify=notify) as d:
            expect(Pings(notify).wait(5), {d.guard})
            assert time.monotonic() - begin > PERIOD * 0.7, "four in a period, not more"
            expect(ask(2000), b"usec= pid=\n")


@needs_root
def test_not_asked():
    """Without WATCHDOG_USEC, or where it is for another process, nothing is said and nothing ticks"""
    text = HELLO.format(shell("echo"))
    for env in ({}, {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}):
        with notify_socket() as notify, Superd(text, env=env, notify=notify) as d:
            pings = Pings(notify)
            before = sleeps(d.guard), sleeps(d.pid)
            holds_for(lambda: True, 2.0)
            expect(pings.take_all(), 0, "pings")
            # What was still to do after the start; a heartbeat would have been 40 times more.
            assert sleeps(d.guard) - before[0] < 10, "the guard sleeps"
            assert sleeps(d.pid) - before[1] < 10, "superd sleeps"


def sleeps(pid):
    """How often it has gone to sleep."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return sum(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt"))


@needs_root
def test_hung():
    """A superd that hangs is killed; the next one serves, says so and is heard again"""
    with notify_socket() as notify, Superd(HELLO.format(shell("echo hello")), env=ASKED, notify=notify) as d:
        pings = Pings(notify)
        pings.wait(2)
        old = d.pid
        os.kill(old, signal.SIGSTOP)
        d.wait_superd(other_than=old)
        expect(ask(2000), b"hello\n")
        pings.take_all()
        expect(pings.wait(3), {d.guard})
        expect_in("the superd before this one hung", d.log())
        d.wait_log("superd was started again")


@needs_root
def test_both_stopped():
    """A superd that was stopped together with its guard is not killed for it"""
    long = {"WATCHDOG_USEC": "8000000"}
    with notify_socket() as notify, Superd(HELLO.format(shell("echo hello")), env=long, notify=notify) as d:
        pings = Pings(notify)
        old = d.pid
        pings.wait(1)
        for pid in (d.guard, old):
            os.kill(pid, signal.SIGSTOP)
        holds_for(lambda: True, 5.0)
        for pid in (d.guard, old):
            os.kill(pid, signal.SIGCONT)
        pings.wait(3)
        expect(d.pid, old)
        expect(ask(2000), b"hello\n")
