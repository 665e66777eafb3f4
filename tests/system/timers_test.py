# SPDX-License-Identifier: MIT
"""Services that run by the clock."""

import calendar
import os
import signal
import time

from harness import Gate, Superd, expect, expect_in, holds_for, read_text, shell, wait_until
from registry import covers, needs_root, timeout

# Adds a line to a file for each run.
RUNS = "/srv/runs"


def lines():
    try:
        return read_text(RUNS).splitlines()
    except FileNotFoundError:
        return []


def service(keys, script=f"echo run >>{RUNS}", more=""):
    return f'[service.job]\nexec = {shell(script)}\nuser = "root"\n{keys}\n{more}'


def timer(d, name="job"):
    found = [one for one in d.ctl_json("timers")["timers"] if one["service"] == name]
    expect(len(found), 1, f"timers of {name}")
    return found[0]


def seconds(stamp):
    """"2026-11-24T03:30:00.123Z" as time.time() has it, without the fraction."""
    return calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


def soon(later):
    """A moment of the local day so far away, as `at` has it, and when that is."""
    moment = int(time.time()) + later
    return time.strftime("%H:%M:%S", time.localtime(moment)), moment


@needs_root
@covers("every")
def test_every():
    """every: it does not start with superd, then runs again and again; status says when it comes"""
    with Superd(service('every = "1s"')) as d:
        expect(lines(), [], "runs at the start")
        expect(d.state("job"), "waiting")
        expect_in("next run in", d.ok("status", "job"))
        wait_until(lambda: len(lines()) >= 3, what="three runs")
        shown = timer(d)
        expect(shown["schedule"], "every 1s")
        assert shown["runs"] >= 3, shown
        expect(shown["skipped"], 0)
        wait_until(lambda: timer(d)["result"] == "ok", what="a run that has ended")
        expect_in("It runs every 1s", d.ok("why", "job"))
        table = d.ok("timers")
        expect_in("every 1s", table)
        expect_in("SCHEDULE", table)


@needs_root
@covers("at")
def test_at():
    """at: it runs at that second and is due tomorrow then; started by hand it runs at once"""
    word, moment = soon(8)
    with Superd(service(f'at = "{word}"', f"date +%s >>{RUNS}")) as d:
        expect_in("next run", d.status("job")["detail"])
        wait_until(lambda: len(lines()) == 1, what="the run")
        ran = int(lines()[0])
        assert moment <= ran <= moment + 20, f"ran at {ran}, which was due at {moment}"
        wait_until(lambda: d.state("job") == "waiting", what="its end")
        shown = timer(d)
        expect((shown["runs"], shown["result"]), (1, "ok"))
        left = seconds(shown["next"]) - moment
        assert 22 * 3600 <= left <= 26 * 3600, f"the next one comes {left} s after that"
        d.ok("start", "job")
        wait_until(lambda: len(lines()) == 2, what="a run by hand")
        expect(timer(d)["runs"], 1, "runs by the clock")


@needs_root
def test_no_overlap():
    """a run that still goes on when the next one is due: that one is skipped, counted and said"""
    gate = Gate()
    script = f"echo run >>{RUNS}; read x </srv/gate"
    with Superd(service('every = "1s"', script)) as d:
        wait_until(lambda: timer(d)["skipped"] >= 2, what="two that were skipped")
        expect(len(lines()), 1, "runs")
        expect(timer(d)["result"], "running")
        d.wait_log(r"job WARNING .*its run is skipped: the one before still goes on")
        gate.let()
        wait_until(lambda: len(lines()) == 2, what="the next run")
        d.ok("stop", "job")


@needs_root
def test_kill():
    """kill -9 of superd: a run goes on, what was due meanwhile comes at once, nothing comes twice"""
    with Superd(service('every = "1h"', more=service('every = "2s"').replace("job", "often").replace(
            RUNS, "/srv/often"))) as d:
        before = seconds(timer(d)["next"])
        wait_until(lambda: os.path.exists("/srv/often"), what="a run of the other one")
        for _ in range(3):
            superd, runs = d.pid, timer(d, "often")["runs"]
            os.kill(superd, signal.SIGKILL)
            d.wait_superd(other_than=superd)
            assert timer(d, "often")["runs"] >= runs, "runs are forgotten"
            wait_until(lambda: timer(d, "often")["runs"] > runs, what="the next run")
        wait_until(lambda: timer(d, "often")["result"] == "ok", what="its end")
        expect(len(read_text("/srv/often").splitlines()), timer(d, "often")["runs"])
        expect(lines(), [], "runs of the one that was not due")
        assert abs(seconds(timer(d)["next"]) - before) <= 2, "it comes at another time"


@needs_root
@covers("missed")
@covers("jitter")
def test_missed():
    """missed = "run": a moment that passed while superd was down is made up for, once; "skip" is not"""
    word, moment = soon(8)
    text = service(f'at = "{word}"\nmissed = "run"', more=service(f'at = "{word}"').replace(
        "job", "skips").replace(RUNS, "/srv/skips"))
    text += service(f'at = "{word}"\njitter = "1d"').replace("job", "late").replace(RUNS, "/srv/late")
    with Superd(text) as d:
        expect(timer(d)["runs"], 0)
        late = timer(d, "late")["next"]
        assert late > timer(d)["next"], f"with jitter it comes at {late}"
        d.stop()
        wait_until(lambda: time.time() > moment + 1, what="the moment to pass")
        d.start()
        wait_until(lambda: len(lines()) == 1, what="the run that was missed")
        wait_until(lambda: timer(d)["result"] == "ok", what="its end")
        expect(timer(d, "skips")["runs"], 0)
        d.stop()
        d.start()
        expect(timer(d)["runs"], 0, "runs after another start")
        expect(len(lines()), 1, "runs")
        assert not os.path.exists("/srv/skips") and not os.path.exists("/srv/late")


@needs_root
def test_failure():
    """a run that fails is shown, with when the next one comes, and the next one comes"""
    script = f"echo run >>{RUNS}; exit $((`wc -l <{RUNS}` == 1 ? 3 : 0))"
    with Superd(service('every = "2s"', script)) as d:
        d.wait_state("job", "failed")
        expect_in("status 3; next run in", d.status("job")["detail"])
        expect(timer(d)["result"], "failed")
        wait_until(lambda: len(lines()) >= 2, what="the next run")
        d.wait_state("job", "waiting")
        expect(timer(d)["result"], "ok")


@needs_root
def test_orders_and_reload():
    """pause and stop keep it from running, resume and start let it; a reload changes the schedule alone"""
    with Superd(service('every = "1h"')) as d:
        d.ok("pause", "job")
        expect(d.state("job"), "paused")
        expect(timer(d)["next"], None)
        d.ok("resume", "job")
        expect(d.state("job"), "waiting")
        d.ok("stop", "job")
        expect(timer(d)["next"], None)
        d.ok("start", "job")
        wait_until(lambda: len(lines()) == 1, what="a run by hand")
        d.wait_state("job", "waiting")
        d.write(service('every = "1s"'))
        expect(d.reload().code, 0)
        wait_until(lambda: len(lines()) >= 3, what="runs by the new schedule")
        d.write(service('every = "1h"'))
        expect(d.reload().code, 0)
        d.wait_state("job", "waiting")
        runs = timer(d)["runs"]
        expect(timer(d)["schedule"], "every 1h")
        expect_in("next run in", d.status("job")["detail"])
        expect(d.reload().code, 0)
        expect(timer(d)["runs"], runs)


@needs_root
@timeout(120)
def test_idle():
    """with nothing due superd sleeps"""
    with Superd(service('every = "1h"', more=service('at = "day 1 00:00"').replace("job", "other"))) as d:
        wait_until(lambda: d.state("job") == "waiting", what="it waits")

        def switches():
            for line in read_text(f"/proc/{d.pid}/status").splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    return int(line.split()[1])
            raise AssertionError("no count of switches")

        # What it was asked may still be on its way: two seconds in which it never woke are looked for.
        seen = {"count": switches(), "since": time.monotonic()}

        def sleeps():
            count = switches()
            if count != seen["count"]:
                seen.update(count=count, since=time.monotonic())
            return time.monotonic() - seen["since"] > 2

        wait_until(sleeps, what="superd to sleep")
