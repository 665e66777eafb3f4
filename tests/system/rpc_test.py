# SPDX-License-Identifier: MIT
"""RPC services registered with a real rpcbind, which comes, goes and comes back."""

import ctypes
import os
import re
import shutil
import signal
import subprocess

import peers
from harness import (Superd, descendants, executable, expect, expect_in, gone, program, run, shell,
                     wait_until)
from registry import build, covers, needs_peer, needs_root

SOCKET = "/run/rpcbind.sock"
RSTATD, RUSERSD = 100001, 100002
TEXT = """
[service.stat]
listen = "udp:0"
exec = "PROGRAM"
user = "nobody"
rpc = { program = "rstatd", versions = "1-3" }
[service.users]
listen = "tcp4:0"
exec = HELLO
user = "nobody"
rpc = { program = 100002, versions = 2 }
"""


def text():
    worker = program("answer_udp", "stat").replace('"', "'")
    return TEXT.replace('"PROGRAM"', worker).replace("HELLO", shell("echo hello"))


class Rpcbind:
    """Debian's, on the addresses of the test's own network."""

    def __init__(self):
        self.process = None

    def start(self):
        os.makedirs("/run/rpcbind", exist_ok=True)
        shutil.chown("/run/rpcbind", "_rpc")
        self.process = subprocess.Popen([peers.path("rpcbind", "sbin/rpcbind"), "-f"],
                                        env=peers.environment("rpcbind"), stdin=subprocess.DEVNULL)
        wait_until(lambda: registered(None) is not None, what="rpcbind answers")
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def registered(number):
    """{(version, netid): address} of a program, None where rpcbind does not answer."""
    told = run([peers.path("rpcbind", "usr/bin/rpcinfo")], env=peers.environment("rpcbind"))
    if told.code != 0:
        return None
    found = {}
    for line in told.out.splitlines()[1:]:
        program_number, version, netid, address = line.split()[:4]
        if number is None or int(program_number) == number:
            key = (int(version), netid)
            assert number is None or key not in found, f"{key} of {number} stands there twice"
            found[key] = address
    return found


def port_of(address):
    high, low = address.split(".")[-2:]
    return int(high) * 256 + int(low)


def wait_registered(number, keys):
    """The port under which all of them, and nothing else of the program, are registered."""
    wait_until(lambda: set(registered(number) or ()) == set(keys), what=f"{number} has {keys}")
    ports = {port_of(address) for address in registered(number).values()}
    expect(len(ports), 1, "ports")
    return ports.pop()


def announcement(d, service):
    """(state, text) of what rpcbind was told."""
    found = d.status(service)["announcements"]
    expect([one["how"] for one in found], ["rpc"])
    return found[0]["state"], found[0]["text"]


def wait_announced(d, service, state):
    wait_until(lambda: announcement(d, service)[0] == state, what=f"{service} {state}")


def helpers(d):
    path = os.path.join(build(), "superd-announce")
    return [pid for pid, _, _ in descendants(d.guard) if executable(pid) == path]


STAT = [(version, netid) for version in (1, 2, 3) for netid in ("udp", "udp6")]
USERS = [(2, "tcp")]


@needs_root
@needs_peer("rpcbind")
@covers("rpc")
def test_registers():
    """rpc: port, versions and both families are registered, stay over a reload, go with the listener"""
    with Rpcbind(), Superd(text()) as d:
        port = wait_registered(RSTATD, STAT)
        expect(port, d.port("stat"), "the port of rpcbind")
        users = wait_registered(RUSERSD, USERS)
        expect(users, d.port("users"))
        wait_announced(d, "stat", "announced")
        expect_in(f"registered 100001 v1-3 udp port {port}", d.ok("status", "stat"))
        d.wait_log(rf"users rpc: registered 100002 v2 tcp port {users}")
        d.write(text().replace("versions = 2", 'versions = "2-3"').replace("echo hello", "echo you"))
        expect(d.reload().code, 0)
        expect(wait_registered(RUSERSD, [(2, "tcp"), (3, "tcp")]), users, "the port over a reload")
        expect(wait_registered(RSTATD, STAT), port, "that of the other one")
        d.ok("pause", "users")
        wait_registered_none(RUSERSD)
        expect(announcement(d, "users"), ("withdrawn", "not registered: it has no open listener"))
        d.ok("resume", "users")
        expect(wait_registered(RUSERSD, [(2, "tcp"), (3, "tcp")]), users, "the port after a pause")
        d.ok("stop", "stat")
        wait_registered_none(RSTATD)
        d.ok("start", "stat")
        expect(wait_registered(RSTATD, STAT), d.port("stat"), "a new port")
        d.write(text().replace('rpc = { program = "rstatd", versions = "1-3" }', ""))
        expect(d.reload().code, 0)
        wait_registered_none(RSTATD)
        d.stop()
        expect(registered(RUSERSD), {}, "after superd has stopped")


def wait_registered_none(number):
    wait_until(lambda: registered(number) == {}, what=f"{number} is not registered")


@needs_root
@needs_peer("rpcbind")
def test_real_service():
    """rpc.rstatd as inetd ran it: found through rpcbind by its version, and it answers"""
    served = text().replace("'/usr/bin/python3'", "PYTHON")
    served = re.sub(r"exec = \[PYTHON.*", f'exec = "{peers.path("rpcbind", "usr/sbin/rpc.rstatd")}"', served)
    with Rpcbind(), Superd(served) as d:
        wait_registered(RSTATD, STAT)
        asked = run([peers.path("rpcbind", "usr/bin/rpcinfo"), "-u", "127.0.0.1", str(RSTATD), "3"],
                    env=peers.environment("rpcbind"))
        expect_in("program 100001 version 3 ready and waiting", asked.out)
        expect(d.status("stat")["started"], 1, "workers that were started")
        d.ctl("kill", "stat")


@needs_root
@needs_peer("rpcbind")
def test_rpcbind_comes_and_goes():
    """a rpcbind that is not there is waited for, one that is restarted is told again"""
    rpcbind = Rpcbind()
    with Superd(text()) as d:
        wait_until(lambda: announcement(d, "stat")[1] == "waiting for rpcbind: No such file or directory",
                   what="waiting for rpcbind")
        d.wait_log(r"stat WARNING .*rpc: waiting for rpcbind: No such file")
        rpcbind.start()
        port = wait_registered(RSTATD, STAT)
        wait_announced(d, "stat", "announced")
        for _ in range(2):
            rpcbind.stop()
            rpcbind.start()
            expect(wait_registered(RSTATD, STAT), port, "the port after rpcbind's restart")
        wait_registered(RUSERSD, USERS)
        wait_announced(d, "users", "announced")
        rpcbind.stop()


@needs_root
@needs_peer("rpcbind")
def test_nothing_stays_behind():
    """kill -9 of superd or of its helper leaves no registration stale, and none twice"""
    with Rpcbind(), Superd(text()) as d:
        port = wait_registered(RSTATD, STAT)
        before = d.pid
        old = helpers(d)
        os.kill(before, signal.SIGKILL)
        d.wait_superd(other_than=before)
        wait_announced(d, "stat", "announced")
        expect(wait_registered(RSTATD, STAT), port, "after superd was killed")
        expect(helpers(d), old, "the program that spoke to rpcbind")
        # A change that nobody could tell rpcbind of: it is known by who comes next.
        os.kill(d.pid, signal.SIGSTOP)
        os.kill(old[0], signal.SIGKILL)
        os.kill(d.pid, signal.SIGCONT)
        d.ok("pause", "users")
        wait_registered_none(RUSERSD)
        expect(wait_registered(RSTATD, STAT), port, "after its helper was killed")
        wait_until(lambda: len(helpers(d)) == 1 and helpers(d) != old, what="another helper")
        # All at once, as an out-of-memory killer would.
        last = helpers(d)[0]
        everything = [d.guard, d.pid]
        for pid in everything:
            os.kill(pid, signal.SIGSTOP)
        for pid in everything:
            os.kill(pid, signal.SIGKILL)
        d.wait_end()
        wait_registered_none(RSTATD)
        wait_until(lambda: gone(last), what="the helper's end")
        d.start()
        expect(wait_registered(RSTATD, STAT), d.port("stat"), "after a cold start")


@needs_root
@needs_peer("rpcbind")
def test_others_keep_theirs():
    """what root registered stays root's: the service is refused, says so, and comes when it has gone"""
    tirpc = ctypes.CDLL("libtirpc.so.3")
    udp = 17
    with Rpcbind():
        assert tirpc.pmap_set(RSTATD, 2, udp, 1234) == 1, "pmap_set"
        with Superd(text()) as d:
            wait_announced(d, "stat", "refused")
            expect_in("refused by rpcbind: version 2 over udp is registered by root, at 0.0.0.0.4.210",
                      d.ok("status", "stat"))
            expect(registered(RSTATD)[(2, "udp")], "0.0.0.0.4.210", "root's")
            expect(port_of(registered(RSTATD)[(3, "udp")]), d.port("stat"), "ours")
            tirpc.pmap_unset(RSTATD, 2)
            wait_registered(RSTATD, STAT)
            wait_announced(d, "stat", "announced")
        expect(registered(RSTATD), {}, "after superd has stopped")


@needs_root
def test_only_where_it_is_needed():
    """a superd without rpc in its file starts no superd-announce"""
    with Superd(re.sub("rpc = .*", "", text())) as d:
        expect(helpers(d), [])
        expect(d.status("stat")["announcements"], [])
        d.write(text())
        expect(d.reload().code, 0)
        wait_until(lambda: len(helpers(d)) == 1, what="a superd-announce")
        uid = os.stat(f"/proc/{helpers(d)[0]}").st_uid
        assert uid != 0, "superd-announce runs as root"
        d.write(re.sub("rpc = .*", "", text()))
        expect(d.reload().code, 0)
        wait_until(lambda: not helpers(d), what="its end")


def test_check():
    """rpc: mistakes are errors with their place and what to write"""
    directory = Superd(None).directory
    path = os.path.join(directory, "check.toml")

    def errors_of(rpc, listen='"udp:0"'):
        with open(path, "w", encoding="utf-8") as out:
            out.write(f'[service.x]\nlisten = {listen}\nexec = "/bin/true"\nuser = "nobody"\nrpc = {rpc}\n')
        told = run([os.path.join(build(), "superd"), "-t", "-c", path])
        return told.err if told.code else ""

    expect(errors_of('{ program = "rstatd", versions = 1 }'), "")
    expect_in("check.toml:5:19: error: there is no RPC program \"rstad\" in /etc/rpc",
              errors_of('{ program = "rstad", versions = 1 }'))
    expect_in('did you mean "rstatd"?', errors_of('{ program = "rstad", versions = 1 }'))
    expect_in("rpc has no versions", errors_of('{ program = 100001 }'))
    expect_in("has none", errors_of('{ program = 100001, versions = 1 }', '"unix:/run/test/x"'))
