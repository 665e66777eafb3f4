# SPDX-License-Identifier: MIT
"""What a daemon or worker may take, what it has taken, and what becomes of one that the kernel ends for it."""

import contextlib
import os
import re

from harness import Superd, expect, expect_in, read_text, shell, wait_until
from registry import covers, needs_root, skip


def mounts(kind):
    """Where hierarchies of that kind are mounted: (path, options)."""
    for line in read_text("/proc/self/mountinfo").splitlines():
        before, _, behind = line.partition(" - ")
        if behind.split()[0] == kind and "ro" not in before.split()[5].split(","):
            yield before.split()[4], behind.split()[2]


@contextlib.contextmanager
def memory_group(limit):
    """A control group of the test's own, of either version, whose processes may have that many bytes together."""
    places = [(path, "memory.limit_in_bytes") for path, options in mounts("cgroup") if "memory" in options.split(",")]
    places += [(path, "memory.max") for path, _ in mounts("cgroup2")
               if "memory" in read_text(path + "/cgroup.subtree_control").split()]
    if not places:
        skip("no memory can be bounded here")
    root, file = places[0]
    path = f"{root}/bounds-test-{os.getpid()}"
    os.mkdir(path)
    try:
        with open(f"{path}/{file}", "w", encoding="ascii") as bound:
            bound.write(str(limit))
        yield path
    finally:
        wait_until(lambda: not read_text(path + "/cgroup.procs"), what="its processes gone")
        os.rmdir(path)


def daemon(script, lines=""):
    return f'[service.d]\nuser = "root"\nexec = {shell(script)}\n{lines}\n'


@needs_root
def test_out_of_memory():
    """A daemon that the kernel kills for want of memory: that is the cause, and systemd's word for it"""
    with memory_group(20 << 20) as path:
        # What tail keeps of a line without an end is more than that.
        text = daemon(f"echo $$ >{path}/cgroup.procs; exec tail -n 1 /dev/zero",
                      'restart = "no"\nexec_stop_post = ["/bin/sh", "-c", "echo $SERVICE_RESULT >/srv/result"]')
        with Superd(text) as d:
            wait_until(lambda: d.state("d") == "failed", what="its end")
            expect_in("signal KILL, and the kernel has killed for want of memory while it ran",
                      d.status("d")["last_failure"])
            expect_in("for want of memory", d.ok("why", "d"))
            wait_until(lambda: os.path.exists("/srv/result") and read_text("/srv/result"), what="the command's word")
            expect(read_text("/srv/result"), "oom-kill\n")


@needs_root
def test_killed_by_hand():
    """One that somebody kills is not said to have had too little memory"""
    with Superd(daemon("kill -KILL $$", 'restart = "no"')) as d:
        wait_until(lambda: d.state("d") == "failed", what="its end")
        expect(d.status("d")["last_failure"], "it ended: signal KILL")


@needs_root
@covers("memory_max", "tasks_max", "cpu_max", "io_weight")
def test_bounds():
    """memory_max, tasks_max, cpu_max, io_weight: written to the service's group, or the log says what is not in force"""
    files = {"memory_max": ("memory.max", '"64M"', str(64 << 20)), "tasks_max": ("pids.max", "50", "50"),
             "cpu_max": ("cpu.max", '"150%"', "150000 100000"), "io_weight": ("io.weight", "50", "default 50")}
    for key, (file, value, wanted) in files.items():
        with Superd(daemon("exec tail -f /dev/null", f"{key} = {value}")) as d:
            wait_until(lambda: d.state("d") == "running", what="running")
            pid = d.status("d")["processes"][0]["pid"]
            group = [line[3:] for line in read_text(f"/proc/{pid}/cgroup").splitlines()
                     if line.startswith("0::")]
            bound = [f"{path}{os.path.dirname(name)}/{file}" for path, _ in mounts("cgroup2") for name in group]
            if bound and os.path.exists(bound[0]):
                expect(read_text(bound[0]).strip(), wanted)
            else:
                d.wait_log(f"d WARNING not in force: (memory_max and its like|{key}): ")


@needs_root
def test_usage():
    """status says what the processes of a service have taken together"""
    with Superd(daemon("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; exec tail -f /dev/null")) as d:
        wait_until(lambda: d.state("d") == "running", what="running")
        if "usage" not in d.status("d"):
            skip("no writable cgroup v2 here")
        wait_until(lambda: d.status("d")["usage"]["processor_seconds"] > 0, what="its time counted")
        assert re.search(r"Usage: [0-9.]+ s of processor", d.ok("status", "d"))
