# SPDX-License-Identifier: MIT
"""What becomes of all that a daemon or a worker has started."""

import glob
import os

from harness import Superd, expect, expect_in, gone, read_text, shell, wait_until
from ready_test import Start
from registry import needs_root, skip


def groups():
    """The directories of control groups that superds have made here, by what runs in them."""
    found = {}
    for line in read_text("/proc/self/mountinfo").splitlines():
        if " - cgroup2 " not in line:
            continue
        for path in glob.glob(os.path.join(line.split()[4], "**", "superd-*", "*", "*"), recursive=True):
            try:
                found[path] = {int(pid) for pid in read_text(path + "/cgroup.procs").split()}
            except OSError:
                pass  # a file, or the group of another superd that has just ended
    return found


def pid_in(path):
    """What a script has written there as its last act."""
    wait_until(lambda: os.path.exists(path) and read_text(path).endswith("\n"), what=path)
    return int(read_text(path))


def group_of(pid):
    """The paths of the groups that hold the process, as far as it can be seen from here."""
    return [path for path, pids in groups().items() if pid in pids]


def daemon(script, lines=""):
    return f'[service.d]\nuser = "root"\nrestart = "no"\nexec = {shell(script)}\n{lines}\n'


# One that leaves the session, so that no process group holds it.
BESIDE = "setsid sh -c 'echo $$ > /srv/pid.new; mv /srv/pid.new /srv/pid; exec tail -f /dev/null' & "


@needs_root
def test_stop_ends_all():
    """Stop: what the program has started ends with it, in a session of its own too"""
    with Superd(daemon(BESIDE + "exec tail -f /dev/null")) as d:
        beside = pid_in("/srv/pid")
        if not group_of(beside):
            skip("no writable cgroup v2 here")
        d.ok("stop", "d")
        wait_until(lambda: gone(beside), what="the end of what it had started")
        expect(d.state("d"), "stopped")


@needs_root
def test_kill_ends_all():
    """What ignores TERM is killed after stop_timeout, with all that came of it"""
    with Superd(daemon("trap '' TERM; " + BESIDE + "while :; do tail -f /dev/null; done",
                       'stop_timeout = "200ms"')) as d:
        beside = pid_in("/srv/pid")
        if not group_of(beside):
            skip("no writable cgroup v2 here")
        d.ok("stop", "d")
        wait_until(lambda: gone(beside), what="the end of what it had started")
        expect_in("stop_timeout: KILL", d.log())


@needs_root
def test_left_over():
    """What is left when the program has ended is reported and ended"""
    with Superd(daemon(BESIDE + "while [ ! -e /srv/pid ]; do sleep 0.05; done; exit 0")) as d:
        beside = pid_in("/srv/pid")
        if not groups():
            skip("no writable cgroup v2 here")
        wait_until(lambda: gone(beside), what="the end of what was left over")
        d.wait_log("1 process left over by its program: KILL")


@needs_root
def test_after_kill_9():
    """A superd that was killed is followed by one that knows the same groups; they go with the last"""
    with Superd(daemon(BESIDE + "exec tail -f /dev/null")) as d:
        beside = pid_in("/srv/pid")
        mine = group_of(beside)
        if not mine:
            skip("no writable cgroup v2 here")
        first = d.pid
        os.kill(first, 9)
        d.wait_superd(other_than=first)
        expect(group_of(beside), mine)
        d.ok("stop", "d")
        wait_until(lambda: gone(beside), what="the end of what it had started")
    expect([path for path in mine if os.path.exists(path)], [])


@needs_root
def test_process_group():
    """Without a group of its own, what is in the program's process group ends with it all the same"""
    script = "sh -c 'echo $$ > /srv/pid.new; mv /srv/pid.new /srv/pid; exec tail -f /dev/null' & exec tail -f /dev/null"
    with Superd(daemon(script)) as d:
        beside = pid_in("/srv/pid")
        d.ok("stop", "d")
        wait_until(lambda: gone(beside), what="the end of its process group")


SAYS = "trap 'echo {0} >> /srv/told{1}' USR1; echo {0} >> /srv/ready; "
GOES_ON = "while :; do sleep 0.05; done"


def lines_of(path):
    return sorted(read_text(path).split()) if os.path.exists(path) else []


@needs_root
def test_kill_whom():
    """superctl kill --whom: the program alone, the command beside it alone, or all that came of them"""
    child = SAYS.format("child", "") + GOES_ON
    script = f"({child}) & " + SAYS.format("main", "") + GOES_ON
    stop = SAYS.format("control", "; exit 0") + GOES_ON
    with Superd(daemon(script, f"exec_stop = {shell(stop)}")) as d:
        wait_until(lambda: lines_of("/srv/ready") == ["child", "main"], what="both traps")
        expect(d.ctl("kill", "--whom", "control", "-s", "USR1", "d").code, 3)
        d.ok("kill", "--whom", "main", "-s", "USR1", "d")
        wait_until(lambda: lines_of("/srv/told"), what="a signal")
        expect(lines_of("/srv/told"), ["main"])
        d.ok("kill", "--whom", "all", "-s", "USR1", "d")
        wait_until(lambda: lines_of("/srv/told") == ["child", "main", "main"], what="a signal to all")
        expect(d.ctl("kill", "--whom", "nobody", "d").code, 2)
        ending = Start(d, "d", "stop")
        wait_until(lambda: "control" in lines_of("/srv/ready"), what="exec_stop")
        d.ok("kill", "--whom", "control", "-s", "USR1", "d")
        expect(ending.wait().code, 0)
        expect(lines_of("/srv/told"), ["child", "control", "main", "main"])
