# SPDX-License-Identifier: MIT
"""superd as the first process of a container: a pid namespace of its own, with nothing around it."""

import os
import subprocess

import namespace
from harness import Superd, expect, expect_in, forever, gone, read_text, run, shell, wait_until
from registry import covers, needs_root


class Container(Superd):
    """superd as process 1; unshare waits for it outside and ends as it does."""

    def __init__(self, text, script='exec "$@"', **kwargs):
        super().__init__(text, prefix=["unshare", "--fork", "--pid", "--mount-proc", "--kill-child",
                                       "sh", "-c", script, "sh"], **kwargs)

    @property
    def guard(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        try:
            children = read_text(path).split()
        except OSError:
            children = []
        return int(children[0]) if children else self.process.pid

    def inside(self, script):
        return run(["nsenter", "-t", str(self.guard), "-p", "-m", "-r", "--", "sh", "-c", script])


def zombies(parent):
    """The children of a process that have ended and that nobody has waited for."""
    found = []
    for pid in read_text(f"/proc/{parent}/task/{parent}/children").split():
        try:
            state = read_text(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state == "Z":
            found.append(pid)
    return found


def once(name, script, lines=""):
    return f'[service.{name}]\nexec = {shell(script)}\nuser = "nobody"\nrestart = "no"\n{lines}\n'


FOREVER = f'[service.other]\nexec = {forever()}\nuser = "nobody"\n'


@needs_root
def test_first_process():
    """Process 1: TERM from inside ends all in order, HUP reloads, and strangers' zombies do not stay"""
    with Container(FOREVER) as d:
        d.wait_state("other", "running")
        expect(d.inside("cat /proc/1/comm").out, "superd\n")
        # Those whose parent has gone become children of process 1, whoever they were.
        expect(d.inside("for i in 1 2 3 4 5 6 7 8; do (sh -c 'exit 3' & sh -c 'kill -9 $$' &) ; done").code, 0)
        for _ in range(3):
            d.inside("(true &)")
        wait_until(lambda: not zombies(d.guard) and not zombies(d.pid), what="an end of the zombies")
        d.write(FOREVER + FOREVER.replace("other", "more"))
        expect(d.inside("kill -HUP 1").code, 0)
        d.wait_log("more START ")
        pid = next(pid for pid, command in d.children() if "tail" in command)
        d.inside("kill -TERM 1")  # which may be gone with process 1 before it can say so
        expect(d.wait_end(), 0)
        wait_until(lambda: gone(pid), what="the end of the daemon")
        expect_in("stopped", d.log())


@needs_root
@covers("superd.exit_when")
def test_one_service():
    """exit_when = "NAME": superd ends with it in order, and with its status or 128 and the signal"""
    for script, code in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)):
        text = '[superd]\nexit_when = "main"\n' + FOREVER + \
            once("main", f"while ! test -e /srv/go{code}; do sleep 0.02; done; {script}")
        d = Container(text).start()
        d.wait_state("other", "running")
        d.wait_state("main", "running")
        subprocess.run(["touch", f"/srv/go{code}"], check=True)
        expect(d.wait_end(), code, script)
        d.wait_log(f'it has ended, exit_when = "main": superd stops with exit code {code}')
        expect([line for line in d.log().splitlines() if "other" in line and "EXIT" in line] != [], True)


@needs_root
@covers("superd.exit_when")
def test_all_and_any():
    """exit_when = "all-stopped" waits for the last, "any-failed" for one that is given up; restarts come first"""
    text = '[superd]\nexit_when = "all-stopped"\n' + once("a", "exit 0") + once("b", "exit 0")
    expect(Container(text, ready=False).start().wait_end(), 0)
    text = '[superd]\nexit_when = "all-stopped"\n' + once("a", "exit 0") + once("b", "exit 5")
    expect(Container(text, ready=False).start().wait_end(), 5)
    text = '[superd]\nexit_when = "any-failed"\n' + FOREVER + once("good", "exit 0") + \
        once("bad", "exit 6").replace('"no"', '"on-failure"\nrestart_delay = "1ms"\nrestart_limit = "2/1h"')
    d = Container(text, ready=False).start()
    expect(d.wait_end(), 6)
    expect(len([line for line in d.log().splitlines() if "START" in line and " bad" in line]), 3, "starts")


@needs_root
@covers("superd.exit_when")
def test_words():
    """exit_when with a service that is not there is an error in the file"""
    d = Superd('[superd]\nexit_when = "nobody"\n' + FOREVER, ready=False).start()
    expect(d.wait_end(), 1)
    expect_in('exit_when: there is no service "nobody"', d.log())


@needs_root
def test_read_only():
    """On a root that cannot be written, with a tmpfs for its state: it serves, and takes a kill -9 as ever"""
    # A root that is only a directory of its mount (as a chroot's is) cannot be remounted where it is.
    d = Container(FOREVER, script='mount --rbind / /mnt && mount -o remount,bind,ro /mnt && exec chroot /mnt "$@"')
    for folder in (d.run_dir, d.state_dir):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        namespace.mount("tmpfs", folder, "tmpfs", 0, "mode=0700")
    with d:
        d.wait_state("other", "running")
        assert d.inside("touch /usr/here /etc/here").code != 0, "the root can be written"
        old = d.pid
        os.kill(old, 9)
        d.wait_superd(other_than=old)
        expect(d.state("other"), "running")
