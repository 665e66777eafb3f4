# SPDX-License-Identifier: MIT
"""Services that start after one another, and come and go together."""

import os
import signal
import socket
import threading

from clients import ask, connect
from harness import Gate, Superd, expect, expect_in, forever, shell, wait_until, write_text
from registry import covers, needs_root

LOOPBACK = "127.0.0.1"


def service(name, keys="", program=None):
    return f'[service.{name}]\nexec = {program or forever()}\nuser = "root"\n{keys}\n'


def order_of(d, what, names):
    """The services in the order of their first START, EXIT ... line."""
    found = []
    for line in d.log().splitlines():
        words = line.split()
        if len(words) > 2 and words[2] == what and words[1] in names and words[1] not in found:
            found.append(words[1])
    return found


def wait_running(d, *names):
    for name in names:
        d.wait_state(name, "running")


def slow(name):
    """A program that ends some time after TERM: when it is let through the gate."""
    return shell(f"trap 'read x </srv/gate; exit 0' TERM; touch /srv/{name}; while :; do read y </srv/never; done")


def wait_up(name):
    """What TERM does to it is settled."""
    wait_until(lambda: os.path.exists(f"/srv/{name}"), what=f"{name} is up")
    os.unlink(f"/srv/{name}")


def missing():
    """A program that cannot be started, as long as nobody writes it."""
    return '["/srv/missing"]'


@needs_root
@covers("after")
def test_after():
    """after: by the order of the file's words, not of its names; what failed or is stopped holds nobody up"""
    text = (service("a", 'after = "b"') + service("b", 'after = ["c", "broken", "off"]') + service("c") +
            service("broken", 'restart = "no"', missing()) + service("off", 'start = "manual"'))
    with Superd(text) as d:
        wait_running(d, "a", "b", "c")
        expect(order_of(d, "START", "abc"), ["c", "b", "a"])
        expect(d.state("off"), "stopped")
        expect(d.state("broken"), "failed")


@needs_root
@covers("requires")
def test_requires():
    """requires: started with it, waited for, stopped with it and back with it, in order both ways"""
    gate, _never = Gate(), Gate("/srv/never")
    text = (service("app", 'requires = "db"\nstart = "manual"', slow("app")) +
            service("db", 'start = "manual"') + service("web", 'requires = "app"\nstart = "manual"'))
    with Superd(text) as d:
        expect([d.state(name) for name in ("app", "db", "web")], ["stopped"] * 3)
        d.ok("start", "web")
        wait_running(d, "db", "app", "web")
        expect(order_of(d, "START", ("app", "db", "web")), ["db", "app", "web"])
        wait_up("app")
        stopping = threading.Thread(target=lambda: d.ok("stop", "db"))
        stopping.start()
        # web goes at once, app takes its time, and db runs as long as app does.
        d.wait_log(r"web EXIT")
        expect_in("those that start after it end first", d.ok("status", "db"))
        expect(len(d.status("db")["processes"]), 1, "processes of db")
        gate.let()
        stopping.join()
        expect(order_of(d, "EXIT", ("app", "db", "web")), ["web", "app", "db"])
        expect(d.state("db"), "stopped")
        expect_in("waits for db, which is stopped", d.ok("why", "app"))
        expect_in("waits for app, which itself waits", d.ok("why", "web"))
        d.ok("start", "db")
        wait_running(d, "db", "app", "web")
        # A restart of the one is one of all three.
        before = [d.status(name)["processes"][0]["pid"] for name in ("app", "web")]
        wait_up("app")
        gate.let()
        d.ok("restart", "db")
        wait_until(lambda: all(d.state(name) == "running" and d.status(name)["processes"][0]["pid"] not in before
                               for name in ("app", "web")), what="both anew")
        gate.let()


@needs_root
def test_required_fails():
    """what it requires fails: it waits and says so, start fails, and it comes when the other one does"""
    text = service("app", 'requires = "db"') + service("db", 'restart = "no"', missing())
    with Superd(text) as d:
        d.wait_state("db", "failed")
        d.wait_state("app", "waiting")
        expect(d.status("app")["detail"], "waits for db, which has failed")
        expect(order_of(d, "START", ("app",)), [])
        told = d.ctl("start", "app")
        expect(told.code, 1)
        expect_in("waits for db", told.err)
        write_text("/srv/missing", "#!/bin/sh\nexec tail -f /dev/null\n", 0o755)
        d.ok("start", "db")
        wait_running(d, "app")
        # One that falls takes nobody with it.
        pid = d.status("app")["processes"][0]["pid"]
        d.ok("kill", "db", "-s", "KILL")
        d.wait_state("db", "failed")
        expect(d.status("app")["processes"][0]["pid"], pid)


@needs_root
@covers("wants")
def test_wants():
    """wants: started with it, whether it works or not, and nobody waits for it"""
    text = (service("app", 'wants = ["broken", "helper"]\nstart = "manual"') +
            service("broken", 'start = "manual"\nrestart = "no"', missing()) +
            service("helper", 'start = "manual"'))
    with Superd(text) as d:
        d.ok("start", "app")
        wait_running(d, "app", "helper")
        d.wait_state("broken", "failed")
        d.wait_log(r"helper .*is started for app")
        d.ok("stop", "helper")
        expect(d.state("app"), "running")
        d.ok("stop", "app")
        d.ok("start", "app")
        wait_running(d, "app", "helper")


@needs_root
def test_wanted_at_boot():
    """what is required by a service that starts with superd does too, though it says manual"""
    text = service("app", 'requires = "db"') + service("db", 'start = "manual"')
    with Superd(text) as d:
        wait_running(d, "app", "db")
        expect(order_of(d, "START", ("app", "db")), ["db", "app"])
        superd, pids = d.pid, [d.status(name)["processes"][0]["pid"] for name in ("app", "db")]
        os.kill(superd, signal.SIGKILL)
        d.wait_superd(other_than=superd)
        wait_running(d, "app", "db")
        expect([d.status(name)["processes"][0]["pid"] for name in ("app", "db")], pids)


@needs_root
@covers("conflicts")
def test_conflicts():
    """conflicts: starting one stops the other, and waits until it has gone"""
    gate, _never = Gate(), Gate("/srv/never")
    text = (service("one", program=slow("one")) + service("two", 'start = "manual"\nconflicts = "one"'))
    with Superd(text) as d:
        wait_up("one")
        starting = threading.Thread(target=lambda: d.ok("start", "two"))
        starting.start()
        d.wait_log(r"one .*is stopped: it is in conflict with two")
        wait_until(lambda: d.status("two")["detail"] == "waits for one to end", what="two waits")
        expect(order_of(d, "START", ("two",)), [])
        gate.let()
        starting.join()
        wait_running(d, "two")
        expect(d.state("one"), "stopped")
        d.ok("start", "one")
        wait_running(d, "one")
        expect(d.state("two"), "stopped")
        gate.let()


@needs_root
def test_listeners():
    """a listener of one that waits is open, and its clients are served when the other one is there"""
    taken = socket.create_server((LOOPBACK, 2001))
    text = f"""
[service.db]
listen = "tcp:{LOOPBACK}:2001"
exec = ["/bin/echo", "db"]
user = "nobody"
[service.app]
listen = "tcp:{LOOPBACK}:2000"
exec = ["/bin/echo", "app"]
user = "nobody"
requires = "db"
[service.later]
listen = "tcp:{LOOPBACK}:2002"
exec = ["/bin/echo", "later"]
user = "nobody"
after = "db"
"""
    with Superd(text) as d:
        d.wait_state("app", "waiting")
        expect_in("waits for db", d.ok("why", "app"))
        expect(ask(2002), b"later\n")  # it is after what is there, and waits for no address
        client = connect(2000)
        client.setblocking(False)
        try:
            client.recv(1)
            raise AssertionError("it was served")
        except BlockingIOError:
            pass
        client.setblocking(True)
        taken.close()
        expect(client.makefile("rb").read(), b"app\n")
        client.close()
        expect(d.state("app"), "listening")
        d.ok("stop", "db")
        d.wait_state("app", "waiting")
        d.ok("start", "db")
        expect(ask(2000), b"app\n")


@needs_root
def test_stop_of_superd():
    """superd's own end goes the other way round, and a chain of a hundred is walked in both directions"""
    count = 100
    text = "".join(service(f"s{i:03}", f'after = "s{i - 1:03}"' if i else "") for i in range(count))
    names = [f"s{i:03}" for i in range(count)]
    with Superd(text) as d:
        wait_running(d, names[-1])
        expect(order_of(d, "START", names), names)
        d.stop()
        expect(order_of(d, "EXIT", names), names[::-1])


@needs_root
def test_reload():
    """a reload lines up what is new, and lets go of who waits no longer"""
    text = service("app", 'requires = "db"') + service("db", 'restart = "no"', missing())
    with Superd(text) as d:
        d.wait_state("app", "waiting")
        d.write(service("app") + service("db", 'restart = "no"', missing()))
        expect(d.reload().code, 0)
        wait_running(d, "app")
        pid = d.status("app")["processes"][0]["pid"]
        d.write(service("app", 'requires = "db"') + service("db", 'restart = "no"', missing()) +
                service("late", 'requires = "db"'))
        expect(d.reload().code, 0)
        d.wait_state("late", "waiting")
        expect(d.status("app")["processes"][0]["pid"], pid)
        d.write(text.replace('requires = "db"', 'requires = "dbb"'))
        told = d.reload()
        expect(told.code, 1)
        expect_in('did you mean "db"?', told.out + told.err)
        d.write(text.replace('restart = "no"', 'after = "app"'))
        told = d.reload()
        expect_in("each of these starts after the next one: app -> db -> app", told.out + told.err)
