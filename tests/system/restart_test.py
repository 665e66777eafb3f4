# SPDX-License-Identifier: MIT
"""What becomes of daemons and workers that end: restart and its like."""

import json
import os
import re
import signal

from clients import connect
from harness import PYTHON, Superd, expect, expect_in, forever, read_text, shell, wait_until, write_text
from registry import covers, needs_root


def daemon(name, script, lines=""):
    return f'[service.{name}]\nexec = {shell(script)}\nuser = "alice"\n{lines}\n'


def starts(path):
    """How often a daemon that appends to path has been started."""
    try:
        return len(read_text(path).splitlines())
    except FileNotFoundError:
        return 0


def counting(name, how, lines=""):
    """A daemon that counts its starts in a file of alice's, then ends."""
    path = f"/srv/{name}.starts"
    write_text(path, "", 0o666)
    return path, daemon(name, f"echo $$ >>{path}; {how}", lines)


def wait_starts(path, count):
    wait_until(lambda: starts(path) >= count, what=f"{count} starts in {path}")


SERVE = "import socket; s = socket.socket(fileno=3); c = s.accept()[0]; c.sendall(b'here\\n'); c.close()"
QUICK = 'restart_delay = "10ms"\nrestart_delay_max = "10ms"\n'


@needs_root
@covers("restart")
def test_policies():
    """restart: each policy with a good end, a bad one and a signal"""
    ends = {"good": "exit 0", "bad": "exit 3", "killed": "kill -KILL $$"}
    again = {"no": (), "on-failure": ("bad", "killed"), "on-abnormal": ("killed",), "on-success": ("good",),
             "always": ("good", "bad", "killed")}
    paths, text = {}, ""
    for policy in again:
        for end, how in ends.items():
            name = f"{policy}-{end}"
            paths[name], part = counting(name, how, QUICK + f'restart = "{policy}"')
            text += part
    with Superd(text) as d:
        for policy, which in again.items():
            for end in ends:
                name = f"{policy}-{end}"
                if end in which:
                    wait_starts(paths[name], 3)
                else:
                    d.wait_state(name, "stopped" if end == "good" else "failed")
        for policy, which in again.items():
            for end in ends:
                if end not in which:
                    expect(starts(paths[f"{policy}-{end}"]), 1, f"{policy} after {end}")


@needs_root
def test_default():
    """A daemon that falls is started again without being asked for it, one that ends well is not"""
    path, falls = counting("falls", 'test "$(wc -l </srv/falls.starts)" -ge 2 && exec tail -f /dev/null; exit 1')
    done, ends = counting("ends", "exit 0")
    with Superd(falls + ends) as d:
        wait_starts(path, 2)
        d.wait_state("falls", "running")
        expect(starts(path), 2)
        d.wait_state("ends", "stopped")
        expect(d.status("ends")["detail"], "it ended: status 0")
        expect(starts(done), 1)


@needs_root
@covers("clean_exit")
def test_clean_exit():
    """clean_exit: what is written there is a good end, what is not is none; add and remove edit the usual ones"""
    text = (daemon("own", "exit 3", 'clean_exit = [3, "USR1"]')
            + daemon("not-zero", "exit 0", 'clean_exit = [3]\nrestart = "no"')
            + daemon("more", "kill -USR1 $$", 'clean_exit = { add = ["USR1"] }')
            + daemon("usual", "exit 0", 'clean_exit = { add = ["USR1"] }')
            + daemon("less", "kill -TERM $$", 'clean_exit = { remove = ["TERM"] }\nrestart = "no"'))
    with Superd(text) as d:
        for name in ("own", "more", "usual"):
            d.wait_state(name, "stopped")
        for name in ("not-zero", "less"):
            d.wait_state(name, "failed")
        expect(d.status("less")["detail"], "it ended: signal TERM")


@needs_root
@covers("restart_delay", "restart_delay_max")
def test_delays():
    """The pauses double from restart_delay to restart_delay_max; status and why say when it comes back, and the cause"""
    path, text = counting("slow", "exit 7", 'restart_delay = "1h"\nrestart_delay_max = "2h"')
    with Superd(text) as d:
        d.wait_state("slow", "backoff")
        expect(starts(path), 1)
        why = d.ok("why", "slow")
        assert re.search(r"it ended: status 7; starts again in (1h|5[34-9]m)", why), why  # a tenth by chance
        # A start by hand does not wait, and begins anew with the first pause.
        d.ctl("start", "slow")
        wait_starts(path, 2)
        d.wait_state("slow", "backoff")
        d.ok("stop", "slow")
        expect(d.state("slow"), "stopped")
        expect(starts(path), 2)


@needs_root
@covers("restart_limit")
def test_limit():
    """restart_limit counts restarts within its period; then the service has failed, with the cause before the limit"""
    path, text = counting("loop", "exit 5", QUICK + 'restart_limit = "3/1h"')
    with Superd(text) as d:
        d.wait_state("loop", "failed")
        expect(starts(path), 4)  # the first start is no restart
        expect(d.status("loop")["detail"], "it ended: status 5; restart_limit is reached")
        d.wait_log(r"it ended: status 5; restart_limit 3/h is reached: it is not started again")
        # A start by hand is a new beginning.
        d.ctl("start", "loop")
        wait_until(lambda: starts(path) == 8, what="four more starts")
        d.wait_state("loop", "failed")
        expect(starts(path), 8)


@needs_root
def test_worker_never_dead():
    """A worker with a listener that fails over and over pauses and comes back: its port never dies"""
    text = ('[service.w]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "alice"\nrestart = "on-abnormal"\n'
            'restart_limit = "1/1h"\n' + QUICK +
            f'exec = {shell(f"test -e /srv/good || exit 1; exec {PYTHON} -c " + json.dumps(SERVE))}\n')
    with Superd(text) as d:
        client = connect(2000)
        wait_until(lambda: d.status("w")["exited"] >= 3, what="three ends")
        assert d.state("w") not in ("failed", "stopped"), d.status("w")
        write_text("/srv/good", "")
        expect(client.recv(16), b"here\n")


@needs_root
def test_kept_worker():
    """restart = "always" for a worker: it is there again without a client"""
    text = ('[service.w]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "alice"\nstart = "boot"\nrestart = "always"\n'
            + QUICK + f'exec = {forever()}\n')
    with Superd(text) as d:
        d.wait_state("w", "running")
        first = d.children()
        os.kill(first[0][0], signal.SIGKILL)
        wait_until(lambda: d.children() and d.children() != first, what="another worker")
        d.wait_state("w", "running")


@needs_root
def test_survives_kill():
    """kill -9 of superd: what had failed, what is done and what waits stay so; what runs is not started twice"""
    paths, text = {}, ""
    for name, how, lines in (("failed", "exit 1", 'restart = "no"'), ("done", "exit 0", ""),
                             ("waits", "exit 1", 'restart_delay = "1h"\nrestart_delay_max = "1h"'),
                             ("runs", "exec tail -f /dev/null", "")):
        paths[name], part = counting(name, how, lines)
        text += part
    wanted = {"failed": "failed", "done": "stopped", "waits": "backoff", "runs": "running"}
    with Superd(text) as d:
        for name, state in wanted.items():
            d.wait_state(name, state)
            wait_starts(paths[name], 1)
        before = d.pid
        os.kill(before, signal.SIGKILL)
        d.wait_superd(other_than=before)
        for name, state in wanted.items():
            d.wait_state(name, state)
            expect(starts(paths[name]), 1, name)
        expect_in("it ended: status 1", d.status("failed")["detail"])
        pid = int(read_text(paths["runs"]))
        d.ok("stop", "runs")
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="the end of what ran")
