# SPDX-License-Identifier: MIT
"""Descriptors that a daemon or worker hands over by FDSTORE=1, and finds again at its next start."""

import array
import os
import signal
import socket

from harness import Superd, expect, expect_in, wait_until
from puppet import Puppet
from registry import covers, needs_root
from upgrade_test import another, upgrade


def fill(puppet):
    """A memfd and a listening socket; the port of it."""
    puppet.do("store state memfd", "store web listen")
    puppet.barrier()


def check(puppet, port=None):
    """Both are there; the port, which must be that one."""
    (first, second) = puppet.stored()
    expect(first, ("state", "file", "state"))
    expect(second[:2], ("web", "socket"))
    if port is not None:
        expect(second[2], port)
    return second[2]


@needs_root
@covers("fd_store")
def test_found_again():
    """What a daemon stores it finds after a crash, a restart, kill -9 of superd and an upgrade; a stop drops it"""
    puppet = Puppet("p", 'fd_store = 4\nrestart_delay = "1ms"')
    with Superd(puppet.text) as d:
        pid = puppet.wait_started()
        expect(puppet.environment()["FDSTORE"], "4")
        expect(puppet.stored(), [])
        fill(puppet)
        expect(d.status("p")["stored"], ["state", "web"])
        expect_in("2 descriptors kept for its next start: state, web.", d.ok("why", "p"))
        expect_in("2 descriptors: state, web", d.ok("status", "p"))
        os.kill(pid, signal.SIGKILL)
        pid = puppet.wait_started(other_than=pid)
        port = check(puppet)
        # The socket went on taking connections while nobody was there.
        d.ok("restart", "p")
        pid = puppet.wait_started(other_than=pid)
        check(puppet, port)
        client = socket.create_connection(("127.0.0.1", int(port)), 30)
        client.close()
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        expect(d.status("p")["stored"], ["state", "web"])
        os.kill(pid, signal.SIGKILL)
        pid = puppet.wait_started(other_than=pid)
        check(puppet, port)
        upgrade(d, another(d))
        expect(d.status("p")["stored"], ["state", "web"])
        d.ok("restart", "p")
        pid = puppet.wait_started(other_than=pid)
        check(puppet, port)
        d.ok("stop", "p")
        expect(d.status("p")["stored"], [])
        with socket.socket() as gone:
            wait_until(lambda: gone.connect_ex(("127.0.0.1", int(port))) != 0, what="the end of the stored socket")
        d.ok("start", "p")
        puppet.wait_started(other_than=pid)
        expect(puppet.stored(), [])


@needs_root
@covers("fd_store")
def test_bounds():
    """A flood stays within fd_store, copies count once, names are checked, FDSTOREREMOVE takes them out again"""
    puppet = Puppet("p", 'fd_store = 5\nrestart_delay = "1ms"')
    with Superd(puppet.text) as d:
        pid = puppet.wait_started()
        fill(puppet)
        os.kill(pid, signal.SIGKILL)
        pid = puppet.wait_started(other_than=pid)
        before = len(d.fds())
        puppet.do("twice", "store a:b memfd")
        puppet.barrier()
        expect(d.status("p")["stored"], ["state", "web", "stored"], "a copy counts once; a name with a colon is none")
        puppet.do(*(["store many hundred"] * 20))
        puppet.barrier()
        expect(d.status("p")["stored"], ["state", "web", "stored", "many", "many"])
        d.wait_log("FDSTORE=1 beyond fd_store 5: not kept")
        wait_until(lambda: len(d.fds()) <= before + 3, what="what is not kept is closed")
        puppet.do("say FDSTOREREMOVE=1|FDNAME=many", "say FDSTOREREMOVE=1", "say FDSTOREREMOVE=1|FDNAME=none")
        puppet.barrier()
        expect(d.status("p")["stored"], ["state", "web", "stored"])
        wait_until(lambda: len(d.fds()) <= before + 1, what="what was taken out is closed")


@needs_root
def test_hung_up():
    """One whose other side has gone goes by itself, unless it came with FDPOLL=0; after kill -9 of superd too"""
    puppet = Puppet("p", "fd_store = 5")
    with Superd(puppet.text) as d:
        puppet.wait_started()
        puppet.do("store first pipe", "store kept pipe FDPOLL=0", "store file memfd")
        puppet.barrier()
        expect(d.status("p")["stored"], ["first", "kept", "file"])
        puppet.do("hang")
        d.wait_status("p", stored=["kept", "file"])
        puppet.do("store second pipe")
        puppet.barrier()
        expect(d.status("p")["stored"], ["kept", "file", "second"])
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        puppet.do("hang")
        d.wait_status("p", stored=["kept", "file"])


@needs_root
def test_strangers():
    """Nobody else stores anything: the message does not count, and its descriptors are closed"""
    puppet = Puppet("p", "fd_store = 5")
    with Superd(puppet.text) as d:
        puppet.wait_started()
        name = puppet.environment()["NOTIFY_SOCKET"]
        reader, writer = os.pipe()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(name)
            out.sendmsg([b"FDSTORE=1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))])
        os.close(writer)
        expect(os.read(reader, 1), b"", "superd's copy of the pipe is closed")
        os.close(reader)
        expect(d.status("p")["stored"], [])
        expect_in("1 message to its notify socket came from elsewhere", d.ok("why", "p"))


@needs_root
@covers("fd_store")
def test_worker():
    """A worker has them behind its listeners, each of a pool its own, and keeps them while it waits for a client"""
    puppet = Puppet("w", 'listen = "tcp:2000"\nmode = "worker"\nstart = "boot"\nfd_store = 3')
    with Superd(puppet.text) as d:
        pid = puppet.wait_started()
        expect([one[1] for one in puppet.stored()], ["socket"])
        puppet.do("store state memfd")
        puppet.barrier()
        puppet.do("exit 0")
        d.wait_state("w", "listening")
        expect(d.status("w")["stored"], ["state"])
        client = socket.create_connection(("127.0.0.1", 2000), 30)
        puppet.wait_started(other_than=pid)
        (listener, state) = puppet.stored()
        expect(listener[1:], ("socket", "2000"))
        expect(state, ("state", "file", "state"))
        client.close()
        d.ok("stop", "w")
        expect(d.status("w")["stored"], [])
