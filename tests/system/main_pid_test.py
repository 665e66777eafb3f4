# SPDX-License-Identifier: MIT
"""MAINPID: a daemon that leaves its work to another process is followed there."""

import os
import signal

from harness import Superd, expect, expect_in, gone, program, read_text, wait_until
from killing_test import group_of
from registry import needs_root, skip
from upgrade_test import another, upgrade


def daemon(mode, lines=""):
    os.chmod("/srv", 0o777)
    return (f'[service.m]\nexec = {program("daemonize", "/srv/m", mode)}\nuser = "alice"\nready = "notify"\n'
            f'reload = {{ signal = "HUP", wait = true }}\nrestart = "no"\n{lines}\n')


def main_pid(d):
    """Of the one process that the service has."""
    (process,) = d.status("m")["processes"]
    return process["pid"]


def wait_main(d):
    """The process that works has written its pid, and superd follows it."""
    wait_until(lambda: os.path.exists("/srv/m") and main_pid(d) == int(read_text("/srv/m")), what="the main process")
    return main_pid(d)


@needs_root
def test_follow():
    """Forked twice: it is followed by reloads, a kill -9 of superd and an upgrade, and its exit status is known"""
    with Superd(daemon("twice")) as d:
        d.wait_state("m", "running")
        first = wait_main(d)
        d.wait_log(rf"its main process is {first} now; it was \d+")
        d.ok("reload", "m")
        second = wait_main(d)
        assert second != first
        wait_until(lambda: gone(first), what="the end of the one before")
        expect(d.state("m"), "running")
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        expect(main_pid(d), second)
        d.ok("reload", "m")
        third = wait_main(d)
        assert third != second
        upgrade(d, another(d))
        expect(main_pid(d), third)
        expect(d.state("m"), "running")
        # The guard is its parent by now, and tells.
        os.kill(third, signal.SIGUSR1)
        d.wait_state("m", "failed")
        expect(d.status("m")["detail"], "it ended: status 7")
        os.unlink("/srv/m")
        d.ok("start", "m")
        last = wait_main(d)
        os.kill(last, signal.SIGKILL)
        d.wait_state("m", "failed")
        expect(d.status("m")["detail"], "it ended: signal KILL")
        os.unlink("/srv/m")
        d.ok("start", "m")
        last = wait_main(d)
        d.ok("stop", "m")
        wait_until(lambda: gone(last), what="the end by a stop")


@needs_root
def test_strangers():
    """A process that is not the service's, or is not there, is not followed"""
    with Superd(daemon("twice")) as d:
        d.wait_state("m", "running")
        main = wait_main(d)
        os.kill(main, signal.SIGUSR2)
        wait_until(lambda: os.path.exists("/srv/m.said"), what="what it says")
        d.wait_log("MAINPID=1 does not count: it is none of the service's processes")
        d.wait_log("MAINPID=4194300 does not count: there is no such process now")
        expect(main_pid(d), main)


@needs_root
def test_session():
    """In a session of its own it is followed where a control group says whose it is"""
    with Superd(daemon("session")) as d:
        d.wait_log("its main process is|does not count|not ready|ended")
        if not os.path.exists("/srv/m"):
            wait_until(lambda: os.path.exists("/srv/m"), what="its pid")
        pid = int(read_text("/srv/m"))
        if "does not count" in d.log() and not group_of(pid):
            skip("no writable cgroup v2 here")
        d.wait_state("m", "running")
        expect(wait_main(d), pid)
        d.ok("stop", "m")
        wait_until(lambda: gone(pid), what="the end by a stop")


@needs_root
def test_somebody_elses_child():
    """One whose parent stays: its end is noticed, and its status is not known"""
    with Superd(daemon("keeper")) as d:
        d.wait_state("m", "running")
        main = wait_main(d)
        os.kill(main, signal.SIGUSR1)
        d.wait_state("m", "failed")
        expect_in("it ended: status unknown", d.status("m")["detail"])
