# SPDX-License-Identifier: MIT
"""allow and deny on workers, whose clients superd never sees: the kernel enforces them."""

import json
import os
import signal
import socket

from clients import ask, connect, udp_socket
from crash_test import kill_superd
from harness import Superd, expect, expect_in, run, wait_until, write_text
from registry import build, needs_root, pitfall, timeout
from reload_test import inode

# Without these bpf(2) is not permitted, even to root.
NO_BPF = ("setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin", "--")

# A worker that serves any number of clients at one time, each in a thread.
ECHO = """
import socket, threading
s = socket.socket(fileno=3)
def serve(c):
    while True:
        data = c.recv(65536)
        if not data: break
        c.sendall(data)
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""
UDP_ECHO = """
import socket
s = socket.socket(fileno=0)
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(data, peer)
"""
# Serves one client and ends.
ONE = """
import socket
s = socket.socket(fileno=3)
c, _ = s.accept()
c.sendall(b"served\\n")
c.close()
"""
# Tells what a worker may do to the filter on its listener.
TAMPER = """
import socket, struct
s = socket.socket(fileno=3)
said = []
for option, value in ((27, struct.pack("i", 0)), (44, struct.pack("i", 0)), (26, struct.pack("HL", 0, 0))):
    try:
        s.setsockopt(socket.SOL_SOCKET, option, value)
        said.append("done")
    except OSError as error:
        said.append(error.strerror)
while True:
    c, _ = s.accept()
    c.sendall((", ".join(said)).encode())
    c.close()
"""


def worker(name, listen, lines, script=ECHO):
    command = json.dumps(["/usr/bin/python3", "-c", script])
    return (f'[service.{name}]\nlisten = {json.dumps(listen)}\nmode = "worker"\nuser = "nobody"\n'
            f'exec = {command}\n{lines}\n')


def echoes(connection, word=b"word\n"):
    connection.sendall(word)
    return connection.recv(len(word)) == word


def served(port, source="127.0.0.1", host="127.0.0.1"):
    with connect(port, host, source) as client:
        return echoes(client)


def unanswered(port, source="127.0.0.1", host="127.0.0.1"):
    """A connection of which the kernel drops the SYN: no answer, no refusal."""
    try:
        connect(port, host, source, deadline=0.4).close()
        return False
    except socket.timeout:
        return True


def asked(client, port, word=b"word", host="127.0.0.1"):
    """The answer to a datagram, None where there is none."""
    client.sendto(word, (host, port))
    try:
        return client.recv(100)
    except socket.timeout:
        return None


@needs_root
@timeout(60)
@pitfall("wait-mode stream")
def test_tcp():
    """A worker's allow: others get no answer, refusals are counted, explain agrees, a reload changes the list in place"""
    text = worker("one", "tcp:2000", 'allow = ["127.0.0.2", "127.0.1.0/24"]\ndeny = "127.0.1.9"\n')
    with Superd(text) as d:
        assert served(2000, "127.0.0.2") and served(2000, "127.0.1.1")
        assert unanswered(2000, "127.0.0.1") and unanswered(2000, "127.0.1.9")
        refused = d.refused("one")
        assert refused["not_allowed"] >= 1 and refused["denied"] >= 1, refused
        told = d.ctl("explain", "--from", "127.0.0.1", "one")
        expect_in("not_allowed", told.out + told.err)
        expect_in("the kernel enforces", told.out + told.err)
        expect_in("denied", d.ctl("explain", "--from", "127.0.1.9", "one").out)
        expect_in("let in", d.ctl("explain", "--from", "127.0.0.2", "one").out)
        listener, process = d.status("one")["listeners"][0], d.status("one")["processes"][0]["pid"]
        with connect(2000, source="127.0.0.2") as held:
            assert echoes(held)
            d.write(worker("one", "tcp:2000", 'allow = ["127.0.0.1"]\n'))
            diff = d.ctl("diff")
            assert "rebind" not in diff.out and "opened anew" not in diff.out, diff
            expect(d.reload().code, 0)
            assert served(2000, "127.0.0.1"), "the new list lets it in"
            assert unanswered(2000, "127.0.0.2"), "the new list keeps it out"
            assert echoes(held), "what was connected stays connected"
        expect(d.status("one")["listeners"][0], listener, "the same listener")
        expect(d.status("one")["processes"][0]["pid"], process, "the same worker")
        before = d.refused("one")
        d.write(worker("one", "tcp:2000", ""))
        expect(d.reload().code, 0)
        assert served(2000, "127.0.0.2"), "without a list everybody gets in"
        expect(d.refused("one"), before)


@needs_root
def test_lists_that_come_later():
    """A worker that had no list gets one on the listener it has"""
    with Superd(worker("one", "tcp:2000", "")) as d:
        assert served(2000, "127.0.0.1")
        listener = d.status("one")["listeners"][0]
        d.write(worker("one", "tcp:2000", 'deny = "127.0.0.1"'))
        expect(d.reload().code, 0)
        assert unanswered(2000, "127.0.0.1")
        assert served(2000, "127.0.0.2")
        expect(d.status("one")["listeners"][0], listener, "the same listener")


@needs_root
@timeout(60)
def test_udp():
    """On UDP every datagram is judged, on either family; an IPv4 client of a dual socket as IPv4"""
    for address in ("fd00:1::1/64", "fd00:2::1/64"):
        run(["ip", "address", "add", address, "dev", "lo", "nodad"])
    text = worker("one", "udp:2000", 'deny = ["127.0.0.2", "fd00:2::/64", "::/64"]', UDP_ECHO)
    with Superd(text) as d:
        for source, host, wanted in (("127.0.0.1", "127.0.0.1", b"word"), ("127.0.0.2", "127.0.0.1", None),
                                     ("fd00:1::1", "fd00:1::1", b"word"), ("fd00:2::1", "fd00:2::1", None)):
            with udp_socket(host, 5 if wanted else 0.3) as client:
                client.bind((source, 0))
                expect(asked(client, 2000, host=host), wanted, source)
        expect(d.refused("one"), {"denied": 2})
        with udp_socket(deadline=5) as client:
            client.bind(("127.0.0.3", 0))
            expect(asked(client, 2000), b"word")
            d.write(worker("one", "udp:2000", 'deny = "127.0.0.3"', UDP_ECHO))
            expect(d.reload().code, 0)
            client.settimeout(0.3)
            expect(asked(client, 2000), None, "the same socket, by the new list")
        expect(d.refused("one"), {"denied": 3})


@needs_root
@timeout(60)
def test_networks():
    """@network from a file is read again into the kernel's table when it changes"""
    text = '[networks]\nlab = { file = "lab.list" }\n' + worker("one", "tcp:2000", 'allow = "@lab"')
    with Superd(text, files={"lab.list": "127.0.0.1\n"}) as d:
        assert served(2000, "127.0.0.1") and unanswered(2000, "127.0.0.2")
        process = d.status("one")["processes"][0]["pid"]
        write_text(d.path("lab.list.new"), "127.0.0.2\n")
        os.rename(d.path("lab.list.new"), d.path("lab.list"))
        d.wait_log("address lists read again", 15)
        assert served(2000, "127.0.0.2") and unanswered(2000, "127.0.0.1")
        expect(d.status("one")["processes"][0]["pid"], process, "the same worker")


@needs_root
@timeout(60)
def test_after_a_kill():
    """The list holds while superd is dead, and the next superd counts and changes it"""
    with Superd(worker("one", "tcp:2000", 'deny = "127.0.0.2"')) as d:
        assert served(2000) and unanswered(2000, "127.0.0.2")
        count = d.refused("one")["denied"]
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(old)
        assert unanswered(2000, "127.0.0.2") and served(2000)
        assert d.refused("one")["denied"] > count, d.refused("one")
        d.write(worker("one", "tcp:2000", 'deny = "127.0.0.3"'))
        expect(d.reload().code, 0)
        assert served(2000, "127.0.0.2") and unanswered(2000, "127.0.0.3")


@needs_root
def test_worker_cannot_take_it_off():
    """A worker can neither detach the filter nor unlock it nor attach another one"""
    with Superd(worker("one", "tcp:2000", 'deny = "127.0.0.2"', TAMPER)):
        expect(ask(2000), b"Operation not permitted, Operation not permitted, Operation not permitted")
        assert unanswered(2000, "127.0.0.2")


def keeps_its_queue(prefix=()):
    with Superd(worker("one", "tcp:2000", 'allow = "127.0.0.0/8"', ONE), prefix=prefix) as d:
        before = inode(2000)
        waiting = [connect(2000) for _ in range(4)]
        for client in waiting:
            with client:
                expect(client.recv(100), b"served\n")
        d.wait_status("one", exited=4)
        expect(inode(2000), before, "the same socket")
        assert unanswered(2000, "10.0.0.1"), "the list is still in force"


@needs_root
@timeout(90)
def test_end_of_a_worker():
    """The end of the last worker leaves the listener with its filter and its queue"""
    run(["ip", "address", "add", "10.0.0.1/32", "dev", "lo"])
    keeps_its_queue()
    keeps_its_queue(NO_BPF)


@needs_root
@timeout(90)
def test_without_bpf():
    """Without bpf(2) a classic filter enforces the list; a changed list is a new listener, and diff says so"""
    text = worker("one", "tcp:2000", 'deny = "127.0.0.2"', ECHO)
    with Superd(text, prefix=NO_BPF) as d:
        assert served(2000, "127.0.0.1") and unanswered(2000, "127.0.0.2")
        expect(d.refused("one"), {}, "a classic filter counts nothing")
        process = d.status("one")["processes"][0]["pid"]
        expect(d.reload().code, 0)
        expect(d.status("one")["processes"][0]["pid"], process, "nothing has changed")
        d.write(worker("one", "tcp:2000", 'deny = "127.0.0.3"'))
        expect_in("opened anew", d.ok("diff"))
        expect(d.reload().code, 0)

        def is_anew():
            status = d.status("one")
            old = process in [one["pid"] for one in status["processes"]]
            return not old and status["state"] in ("listening", "running")

        wait_until(is_anew, what="the new listener")
        assert served(2000, "127.0.0.2") and unanswered(2000, "127.0.0.3")


@needs_root
def test_what_cannot_be_enforced():
    """What the kernel cannot enforce for a worker is an error of the check, never silently open"""
    text = ('[networks]\nlab = "127.0.0.0/8"\n[defaults]\nuser = "nobody"\ndeny = "@lab"\n' +
            worker("users", "tcp:2000", 'allow = "uid:0"') +
            worker("mptcp", {"address": "tcp:2001", "mptcp": True}, "") +
            worker("mixed", ["tcp:2002", "unix:/run/test/mixed"], 'allow = "@lab"') +
            worker("everybody", ["unix:/run/test/all"], 'deny = "all"') +
            worker("hours", "tcp:2003", 'hours = "08:00-09:00"') +
            worker("fine", ["tcp:2004", "unix:/run/test/fine"], ""))
    text = text.replace('{"address": "tcp:2001", "mptcp": true}', '{ address = "tcp:2001", mptcp = true }')
    d = Superd(text)
    told = run([os.path.join(build(), "superd"), "-t", "-c", d.config])
    expect(told.code, 1)
    for name in ("users", "mptcp", "mixed", "everybody", "hours"):
        expect_in(f"cannot be enforced for [service.{name}]", told.err)
    assert "[service.fine]" not in told.err, told.err


@needs_root
@timeout(120)
def test_deny():
    """superctl deny holds for workers too, with lists and without, over kill -9, until it is over"""
    text = worker("free", "tcp:2000", "") + worker("listed", "tcp:2001", 'allow = "127.0.0.0/8"') + \
        worker("udp", "udp:2002", "", UDP_ECHO)
    with Superd(text) as d, connect(2000, source="127.0.0.2") as held:
        assert served(2000, "127.0.0.2") and served(2001, "127.0.0.2") and echoes(held)
        process = d.status("free")["processes"][0]["pid"]
        d.ok("deny", "127.0.0.2", "--for", "1h", "--reason", "probing ports")
        wait_until(lambda: unanswered(2000, "127.0.0.2"), what="the filter on a worker without lists")
        assert unanswered(2001, "127.0.0.2"), "it has an allow that says otherwise"
        with udp_socket() as client, udp_socket() as other:
            client.bind(("127.0.0.2", 0))
            other.bind(("127.0.0.3", 0))
            client.settimeout(0.4)
            expect(asked(client, 2002), None)
            expect(asked(other, 2002), b"word")
        assert served(2000, "127.0.0.3") and served(2001, "127.0.0.3"), "another address"
        assert echoes(held), "what was connected stays connected"
        assert d.refused("free")["denied"] >= 1
        expect_in("probing ports", d.ctl("explain", "--from", "127.0.0.2", "free").out)
        kill_superd(d)
        assert unanswered(2000, "127.0.0.2") and unanswered(2001, "127.0.0.2"), "after kill -9"
        d.ok("deny", "--clear", "127.0.0.2")
        wait_until(lambda: served_now(2000, "127.0.0.2") and served_now(2001, "127.0.0.2"), what="--clear")
        d.ok("deny", "127.0.0.2", "--for", "3s")
        wait_until(lambda: unanswered(2000, "127.0.0.2"), what="denied again")
        wait_until(lambda: served_now(2000, "127.0.0.2"), what="the end of its time")
        expect(d.status("free")["processes"][0]["pid"], process, "the same worker all the time")


def served_now(port, source):
    try:
        return served(port, source)
    except (socket.timeout, ConnectionError):
        return False


@needs_root
def test_deny_without_bpf():
    """Where the kernel has no BPF workers go on serving: superctl deny does not reach them"""
    text = worker("free", "tcp:2000", "") + worker("listed", "tcp:2001", 'deny = "127.0.0.9"')
    with Superd(text, prefix=NO_BPF) as d:
        assert served(2000, "127.0.0.2") and served(2001, "127.0.0.2")
        process = d.status("listed")["processes"][0]["pid"]
        d.ok("deny", "127.0.0.2", "--for", "1h")
        d.wait_log("is denied by superctl")
        assert served(2000, "127.0.0.2") and served(2001, "127.0.0.2")
        assert unanswered(2001, "127.0.0.9"), "its own list"
        expect(d.status("listed")["processes"][0]["pid"], process, "the same worker")
