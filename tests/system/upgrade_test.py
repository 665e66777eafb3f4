# SPDX-License-Identifier: MIT
"""superctl upgrade: another program in superd's place, and nothing is lost whichever way it goes."""

import os
import shutil
import socket

from clients import connect
from crash_test import ONCE, Load, finish
from harness import Superd, expect, expect_in, as_user, forever, wait_until, write_text
from registry import build, needs_root, timeout
from reload_test import inode
from without_root_test import superd as superd_without_root

HELPERS = ("superd-log", "superd-resolve", "superd-announce", "superd-exec", "superd-relay",
           "superd-tls", "superd-key")


def says(client, line):
    """An echo still answers."""
    client.sendall(line)
    expect(client.makefile("rb", buffering=0).readline(), line)


def another(d, name="next"):
    """Superd once more, in a folder of its own, with the programs that belong to it."""
    folder = d.path(name)
    os.mkdir(folder, 0o755)
    for one in ("superd", *HELPERS):
        shutil.copy(os.path.join(build(), one), folder)
    return os.path.join(folder, "superd")


def broken(path):
    """It answers every question, and dies as soon as it is to serve."""
    with open(path, "rb") as file:
        code = file.read()
    assert b"\0uv_loop_init\0" in code
    with open(path, "wb") as file:
        file.write(code.replace(b"\0uv_loop_init\0", b"\0uv_loop_fork\0"))
    return path


def running(d):
    """The program that the guard is now."""
    return os.readlink(f"/proc/{d.guard}/exe")


def upgrade(d, path):
    before = d.pid
    d.ok("upgrade", path)
    d.wait_superd(other_than=before)


EVERYTHING = f'''
[service.echo]
listen = "tcp:2000"
exec = "/bin/cat"
user = "nobody"

[service.pool]
listen = "tcp:2001"
mode = "worker"
start = "boot"
exec = {forever()}
user = "nobody"

[service.daemon]
exec = {forever()}
user = "nobody"

[service.inner]
listen = "tcp:2002"
builtin = "echo"
'''


def facts(d):
    """What must be the same afterwards."""
    found = {}
    for name in ("echo", "pool", "daemon", "inner"):
        status = d.status(name)
        found[name] = (status["state"], status["accepted"], status["started"], status["since"],
                       sorted(one["pid"] for one in status["processes"]))
    return found, [inode(port) for port in (2000, 2001, 2002)]


@needs_root
def test_everything_stays():
    """An upgrade keeps the guard's pid, listeners, handlers, workers, daemons, relayed connections and counters"""
    with Superd(EVERYTHING) as d, connect(2000) as talking, connect(2002) as relayed:
        says(talking, b"before\n")
        says(relayed, b"before\n")
        for name in ("pool", "daemon"):
            d.wait_state(name, "running")
        before, guard = facts(d), d.guard
        path = another(d)
        upgrade(d, path)
        expect(d.guard, guard)
        expect(running(d), path)
        expect(os.readlink(f"/proc/{d.pid}/exe"), path)
        expect(facts(d), before)
        says(talking, b"after\n")
        says(relayed, b"after\n")
        d.wait_log("has taken the place of superd .*: 3 processes and 4 services taken over")
        expect(d.ctl_json("status")["daemon"]["starts"], 1)
        # The connections end as they would have.
        talking.shutdown(socket.SHUT_WR)
        expect(talking.recv(10), b"")
        d.wait_connections("echo", 0)
        d.stop()


@needs_root
@timeout(300)
def test_under_load():
    """Ten upgrades under load, from one copy to the other: no connection is lost, none answered twice"""
    with Superd(ONCE) as d, Load(2000, b"once\n") as load:
        copies = [another(d, "one"), another(d, "two")]
        wait_until(lambda: load.answers > 50, what="the load to begin")
        for turn in range(10):
            before = load.answers
            upgrade(d, copies[turn % 2])
            expect(running(d), copies[turn % 2])
            wait_until(lambda seen=before: load.answers > seen + 20, what="answers after an upgrade")
        finish(load)
        expect(d.status("hello")["failed"], 0)


@needs_root
def test_replaced_on_disk():
    """Without an argument it is the file that superd was started from, as a package has replaced it"""
    with Superd(EVERYTHING) as d:
        path = another(d)
        upgrade(d, path)
        old = os.stat(path).st_ino
        shutil.copy(path, path + ".new")
        os.rename(path + ".new", path)
        assert running(d).endswith("(deleted)"), running(d)
        before = d.pid
        d.ok("upgrade")
        d.wait_superd(other_than=before)
        expect(running(d), path)
        assert os.stat(f"/proc/{d.guard}/exe").st_ino != old


@needs_root
def test_refused():
    """A program that cannot take superd's place is refused with the reason, and superd goes on"""
    with Superd(EVERYTHING) as d, connect(2000) as talking:
        says(talking, b"before\n")
        script = d.path("script")
        write_text(script, "#!/bin/sh\nexit 0\n", 0o755)
        careless = another(d)
        os.chmod(careless, 0o777)
        for path, why in ((d.path("nothing"), "No such file or directory"),
                          (script, "is no ELF program"),
                          (d.directory, "is no program"),
                          (careless, "is not root's alone"),
                          ("/bin/true", "/bin/true cannot take superd's place: it says nothing"),
                          ("/bin/false", "it ended with status 1"),
                          ("/bin/echo", "cannot take superd's place")):
            before = d.pid
            result = d.ctl("upgrade", path)
            expect(result.code, 1, path)
            expect_in(why, result.err, path)
            expect(d.pid, before)
        says(talking, b"after\n")


@needs_root
def test_one_that_hangs():
    """A program that is asked and never answers does not hold superd up"""
    with Superd(EVERYTHING) as d:
        silent = os.path.join(build(), "tests/silent")
        asking = d.ctl("--timeout", "200ms", "upgrade", silent)
        expect(asking.code, 6)
        with connect(2000) as client:
            says(client, b"meanwhile\n")
        expect_in("an upgrade is under way", d.ctl("upgrade", silent).err)


@needs_root
def test_dies_before_it_serves():
    """A program that takes the place and dies before it serves: the former one is back, with everything"""
    with Superd(EVERYTHING) as d, connect(2000) as talking, connect(2002) as relayed:
        says(talking, b"before\n")
        says(relayed, b"before\n")
        for name in ("pool", "daemon"):
            d.wait_state(name, "running")
        before, guard, own = facts(d), d.guard, running(d)
        result = d.ctl("upgrade", broken(another(d)))
        expect(result.code, 1)
        expect_in("did not come to serve", result.err)
        expect(d.guard, guard)
        expect(running(d), own)
        expect(facts(d), before)
        says(talking, b"after\n")
        says(relayed, b"after\n")
        d.wait_log("the upgrade failed, superd .* goes on: superd .* did not come to serve")
        # And the next one may be better.
        upgrade(d, another(d, "better"))
        expect(facts(d), before)
        says(talking, b"still\n")


@needs_root
def test_rights():
    """Only who may change something may upgrade"""
    with Superd(EVERYTHING) as d:
        path = another(d)
        before = d.pid
        expect(as_user("nobody", lambda: d.ctl("upgrade", path).code), "5")
        expect(d.pid, before)


def test_without_root():
    """An ordinary user's superd upgrades as well"""
    with superd_without_root(f"[service.d]\nexec = {forever()}\n") as d:
        path = another(d)
        os.chmod(os.path.dirname(path), 0o755)
        upgrade(d, path)
        expect(d.status("d")["started"], 1)


def test_without_guard():
    """A superd without a guard says that it cannot be upgraded"""
    with superd_without_root(f"[service.d]\nexec = {forever()}\n", args=("--no-guard",)) as d:
        result = d.ctl("upgrade", another(d))
        expect(result.code, 1)
        expect_in("--no-guard", result.err)


@needs_root
def test_kill_after_upgrade():
    """kill -9 of a superd that took another one's place is as kill -9 of any"""
    with Superd(EVERYTHING) as d, connect(2000) as talking:
        says(talking, b"before\n")
        upgrade(d, another(d))
        old = d.pid
        os.kill(old, 9)
        d.wait_superd(other_than=old)
        says(talking, b"after\n")
        expect(d.ctl_json("status")["daemon"]["starts"], 2)
        d.stop()
