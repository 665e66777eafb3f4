# SPDX-License-Identifier: MIT
"""Copies of a service: each is one of its own, and superctl takes them together or apart."""

import os
import signal

from clients import ask
from harness import Superd, as_user, expect, expect_in, shell, wait_until
from registry import covers, needs_root


def copies(replicas, lines=""):
    return (f'[service.q]\nreplicas = {replicas}\nuser = "alice"\nenvironment = {{ ME = "%n" }}\n'
            f'exec = {shell("echo I am %i of %p, $ME; exec tail -f /dev/null")}\n{lines}\n')


def pid(d, name):
    found = [process["pid"] for process in d.status(name)["processes"]]
    return found[0] if len(found) == 1 else None


def names(d):
    return d.ok("list").split()


@needs_root
@covers("replicas")
def test_copies():
    """replicas = N: each copy is told its number, has a life and a log of its own, and outlives a kill -9 of superd"""
    with Superd(copies(3)) as d:
        for name in ("q@0", "q@1", "q@2"):
            d.wait_state(name, "running")
        expect(names(d), ["q@0", "q@1", "q@2"])
        d.wait_log("q@1.* I am 1 of q, q@1")
        before = {name: pid(d, name) for name in names(d)}
        d.ok("stop", "q@1")
        expect([d.state(name) for name in names(d)], ["running", "stopped", "running"])
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        expect([d.state(name) for name in names(d)], ["running", "stopped", "running"])
        for name in ("q@0", "q@2"):
            expect(pid(d, name), before[name], name)


@needs_root
def test_together():
    """superctl takes a service with replicas by its name, one copy by its own, and some by a pattern"""
    with Superd(copies('["red", "blue"]')) as d:
        for name in ("q@blue", "q@red"):
            d.wait_state(name, "running")
        before = [pid(d, "q@red"), pid(d, "q@blue")]
        d.ok("restart", "q")
        for name, old in zip(("q@red", "q@blue"), before):
            wait_until(lambda name=name, old=old: pid(d, name) not in (None, old), what=f"{name} is another one")
        d.ok("stop", "q@r*")
        expect((d.state("q@red"), d.state("q@blue")), ("stopped", "running"))
        told = d.ok("why", "q")
        expect_in("q@red is stopped", told)
        expect_in("q@blue is running", told)
        expect(d.ctl("stop", "q@green").code, 4)


@needs_root
def test_reload():
    """A reload that changes replicas starts what is new, ends what has gone, and leaves the others alone"""
    with Superd(copies(2)) as d:
        d.wait_state("q@1", "running")
        first = wait_until(lambda: pid(d, "q@0"))
        d.write(copies(3))
        d.reload()
        d.wait_state("q@2", "running")
        d.write(copies(1))
        d.reload()
        wait_until(lambda: names(d) == ["q@0"], what="one copy")
        expect(pid(d, "q@0"), first)


@needs_root
def test_addresses():
    """%i in an address: each copy has its own"""
    text = (f'[service.echo]\nreplicas = 3\nlisten = "tcp:200%i"\nuser = "nobody"\n'
            f'exec = {shell("echo copy %i")}\n')
    with Superd(text) as d:
        for number in range(3):
            expect(ask(2000 + number), f"copy {number}\n".encode())
        wait_until(lambda: d.status("echo@2")["exited"] == 1, what="counted by itself")


@needs_root
def test_scale():
    """superctl scale: more and fewer copies while the others run on, over a reload, a kill -9 and an upgrade; until the file says another number"""
    with Superd(copies(2)) as d:
        d.wait_state("q@1", "running")
        before = [pid(d, "q@0"), pid(d, "q@1")]
        expect(d.ok("scale", "q", "4"), "q: 4 copies; the file asks for 2\n")
        four = ["q@0", "q@1", "q@2", "q@3"]
        expect(names(d), four)
        expect([d.state(name) for name in four], ["running"] * 4)
        expect_in("one of 4 of q; the file asks for 2", d.ok("status", "q@3"))
        expect(d.status("q@3")["copies"], {"of": "q", "number": 4, "written": 2})
        new = pid(d, "q@3")
        # Half an edit of the file is not looked at, and a reload that leaves the number alone leaves the copies.
        d.write("[service.q\n")
        d.ok("scale", "q", "3")
        wait_until(lambda: names(d) == four[:3], what="three copies")
        d.ok("scale", "q", "4")
        wait_until(lambda: pid(d, "q@3") not in (None, new), what="a fourth one again")
        d.write(copies(2) + copies(1).replace("service.q", "service.other"))
        d.reload()
        expect(names(d), ["other@0", *four])
        for end in ("kill", "upgrade"):
            old = d.pid
            if end == "kill":
                os.kill(old, signal.SIGKILL)
            else:
                d.ok("upgrade")
            d.wait_superd(other_than=old)
            expect(names(d), ["other@0", *four], f"after {end}")
            expect([pid(d, "q@0"), pid(d, "q@1")], before, f"after {end}")
        d.ok("scale", "q", "2")
        wait_until(lambda: names(d) == ["other@0", "q@0", "q@1"], what="as many as the file says")
        expect("the file asks for" in d.ok("status", "q@1"), False)
        d.ok("scale", "q", "4")
        d.wait_state("q@3", "running")
        d.write(copies(3))
        d.reload()
        wait_until(lambda: names(d) == four[:3], what="as many as the file says")
        expect([pid(d, "q@0"), pid(d, "q@1")], before)


@needs_root
def test_scale_refused():
    """superctl scale: what has no number to change, or cannot have that one, says so, and nothing changes"""
    text = (copies(2) + copies('["red"]').replace("service.q", "service.named") +
            f'[service.single]\nuser = "alice"\nexec = {shell("exec tail -f /dev/null")}\n'
            f'[service.at]\nreplicas = 1\nlisten = "tcp:6553%i"\nuser = "nobody"\nexec = "/bin/true"\n')
    with Superd(text) as d:
        before = names(d)
        for words, code, said in ((("single", "2"), 1, "single has no replicas"),
                                  (("named", "2"), 1, "named one by one"),
                                  (("q@1", "2"), 1, "superctl scale q N"),
                                  (("nobody", "2"), 4, "no service"),
                                  (("q", "0"), 2, "from 1 to 1024"),
                                  (("q", "2000"), 2, "write 1 to 1024"),
                                  (("q", "many"), 2, "is no number of copies"),
                                  (("at", "7"), 1, "65536")):
            told = d.ctl("scale", *words)
            expect(told.code, code, words)
            expect_in(said, told.err)
        expect(names(d), before)
        expect(as_user("alice", lambda: d.ctl("scale", "q", "3", quiet=True).code), "5")
        expect(names(d), before)
