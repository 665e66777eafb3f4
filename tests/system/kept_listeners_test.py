# SPDX-License-Identifier: MIT
"""Whoever starts superd may keep its listeners: they come back to the superd that it starts next."""

import os
import signal
import socket

from clients import ask
from harness import Superd, expect, expect_in, gone, notify_socket, wait_until
from registry import needs_root
from reload_test import says

# The descriptors come at 3 and up, and the pid in LISTEN_PID is that of superd itself.
GIVE = """import os, sys
given = [int(number) for number in sys.argv[1].split(",")]
for at, number in enumerate(given):
    os.dup2(number, 3 + at)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES="a:b")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Store:
    """What systemd would keep: descriptors by name."""

    def __init__(self, notify):
        self.notify, self.kept = notify, {}
        notify.settimeout(60)

    def take(self):
        text, descriptors, _, _ = socket.recv_fds(self.notify, 4096, 1)
        lines = text.decode().splitlines()
        name = next((line[7:] for line in lines if line.startswith("FDNAME=")), None)
        if "FDSTORE=1" in lines:
            self.kept[name] = socket.socket(fileno=descriptors[0])
        elif "FDSTOREREMOVE=1" in lines:
            self.kept.pop(name).close()

    def ports(self):
        return sorted(kept.getsockname()[1] for kept in self.kept.values())

    def wait_for(self, *ports):
        while self.ports() != sorted(ports):
            self.take()


@needs_root
def test_kept():
    """Listeners are given away with a name, come back to the next superd as they were, and what no service wants goes"""
    with notify_socket() as notify:
        store = Store(notify)
        d = Superd(says("one", 2000, "one") + says("two", 2001, "two"), notify=notify)
        with d:
            store.wait_for(2000, 2001)
            # A crash of superd alone tells the same again; a stop of a service takes one away.
            d.ok("stop", "two")
            store.wait_for(2000)
            d.ok("start", "two")
            store.wait_for(2000, 2001)
            superd = d.pid
            os.kill(d.guard, signal.SIGKILL)
            d.process.wait()
            wait_until(lambda: gone(superd), what="superd's end")
        expect(store.ports(), [2000, 2001], "kept after the end")
        with socket.create_connection(("127.0.0.1", 2000)) as client:  # nobody is there, and it is not refused
            d.write(says("one", 2000, "again"))
            numbers = [kept.fileno() for kept in store.kept.values()]
            d.prefix = ["/usr/bin/python3", "-c", GIVE, ",".join(map(str, numbers))]
            d.pass_fds = numbers
            with d:
                client.settimeout(60)
                expect(client.recv(64), b"again\n")
                expect(ask(2000), b"again\n")
                store.wait_for(2000)
                expect_in("took tcp:2000 from whoever started superd", d.log())
                expect_in("closed, for no service asks for it", d.log())
        for kept in store.kept.values():
            kept.close()
        with socket.socket() as client:
            expect(client.connect_ex(("127.0.0.1", 2001)), 111)
