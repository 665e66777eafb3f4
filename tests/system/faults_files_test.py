# SPDX-License-Identifier: MIT
"""Files that are full, cut, gone or replaced under superd's hands, and a clock that is set back."""

import os
import shutil
import signal
import threading

import namespace
from clients import ask
from faults import BYSTANDER, others_unharmed
from harness import Superd, expect, forever, run, test_directory, wait_until, write_text
from registry import needs_root, timeout
from reload_test import says


def kill_superd(d):
    old = d.pid
    os.kill(old, signal.SIGKILL)
    d.wait_superd(other_than=old)


def fill(path):
    """Until the file system has no room."""
    with open(path, "wb", buffering=0) as out:
        try:
            while out.write(b"x" * 4096):
                pass
        except OSError:
            pass


@needs_root
def test_full_state_directory():
    """No room in the state directory: reloads work, it is said, and kill -9 loses nothing"""
    directory = test_directory()
    os.mkdir(f"{directory}/state", 0o700)
    namespace.mount("tmpfs", f"{directory}/state", "tmpfs", data="size=64k,mode=0700")
    with Superd(says("one", 2000, "one") + BYSTANDER, directory=directory) as d:
        expect(ask(2000), b"one\n")
        with others_unharmed(d, "a full state directory"):
            fill(d.path("state", "filling"))
            d.write(says("one", 2000, "two") + BYSTANDER)
            done = d.reload()
            expect(ask(2000), b"two\n" if done.code == 0 else b"one\n")
            d.wait_log("No space left on device")
            now = ask(2000)
            kill_superd(d)
            expect(ask(2000), now, "after a kill")
            os.unlink(d.path("state", "filling"))
            d.write(says("one", 2000, "three") + BYSTANDER)
            expect(d.reload().code, 0)
            expect(ask(2000), b"three\n")


@needs_root
def test_config_taken_away():
    """A file that is deleted, unreadable, huge, a link to nowhere or a directory: the reload is refused, all goes on"""
    text = says("one", 2000, "one") + BYSTANDER

    def huge(path):
        with open(path, "wb") as out:
            out.truncate(1 << 40)

    with Superd(text) as d:
        expect(ask(2000), b"one\n")
        kept = d.path("kept")
        shutil.copy(d.config, kept)
        with others_unharmed(d, "configurations that cannot be read"):
            for what, make in (("deleted", lambda path: None), ("a terabyte", huge), ("a directory", os.mkdir),
                               ("a link to itself", lambda path: os.symlink(path, path)),
                               ("a FIFO", os.mkfifo), ("a device", lambda path: os.symlink("/dev/zero", path))):
                os.unlink(d.config)
                make(d.config)
                expect(d.reload().code, 1, what)
                expect(ask(2000), b"one\n", what)
                kill_superd(d)
                expect(ask(2000), b"one\n", f"{what}, after a kill")
                if what == "a directory":
                    os.rmdir(d.config)
                elif os.path.lexists(d.config):
                    os.unlink(d.config)
                shutil.copy(kept, d.config)
            expect(d.reload().code, 0)


@needs_root
@timeout(300)
def test_config_replaced_while_read():
    """A file that is replaced all the time is read whole: one or the other, never a mixture, and no reload hangs"""
    # The two differ from the first line to the last.
    texts = ["".join(says(f"s{n}", 2000 + n, word, f'environment = {{ WORD = "{word * 200}" }}') for n in range(20))
             + BYSTANDER + '\n[superd]\nlog = "stderr"\n' for word in ("first", "other")]
    with Superd(texts[0]) as d:
        expect(ask(2000), b"first\n")
        stopped = threading.Event()

        def replace():
            turn = 0
            while not stopped.wait(0.001):
                turn += 1
                write_text(d.config + ".next", texts[turn % 2])
                os.rename(d.config + ".next", d.config)

        for port in range(2000, 2020):  # the log pipe of each
            ask(port)
        thread = threading.Thread(target=replace)
        with others_unharmed(d, "a file that is replaced while it is read", slack=2048):
            thread.start()
            try:
                for _ in range(12):
                    expect(d.ctl("reload-config", quiet=True).code, 0)
                    answers = {ask(2000 + n) for n in range(0, 20, 6)}
                    expect(len(answers), 1, f"all of one file: {answers}")
            finally:
                stopped.set()
                thread.join()


def cuts(size):
    """Every byte of what is small; the ends and a sample of what is not."""
    return sorted({*range(min(size, 24)), *range(max(size - 24, 0), size), *range(0, size, max(1, size // 24))})


@needs_root
@timeout(300)
def test_state_files_cut():
    """A file of the state directory that is cut off anywhere: superd starts all the same, or says why not"""
    with Superd(says("one", 2000, "one") + BYSTANDER) as d:
        d.ok("deny", "192.0.2.1", "--for", "1h")
        expect(ask(2000), b"one\n")
    saved = d.path("saved")
    shutil.copytree(d.state_dir, saved)
    files = [os.path.relpath(os.path.join(folder, name), saved)
             for folder, _, names in os.walk(saved) for name in names]
    assert files, "superd keeps nothing"
    broken = "[service.one\n"
    for file in sorted(files):
        size = os.path.getsize(os.path.join(saved, file))
        for length in cuts(size)[:: max(1, len(cuts(size)) // 12)]:
            shutil.rmtree(d.state_dir)
            shutil.copytree(saved, d.state_dir)
            os.truncate(os.path.join(d.state_dir, file), length)
            for text in (says("one", 2000, "one") + BYSTANDER, broken):
                begin_with_cut(d, text, f"{file} cut at {length}", may_fail=text is broken)


def begin_with_cut(d, text, what, may_fail):
    d.expect_ready = False
    d.write(text)
    d.start()
    alive = wait_until(lambda: d.process.poll() is not None or d.ctl("version", quiet=True).code == 0, what=what)
    assert alive
    if d.process.poll() is None:
        expect(ask(2000), b"one\n", what)
        d.stop()
    else:
        assert may_fail, f"{what}: superd ended with {d.process.returncode}"
        expect(d.process.returncode, 1, what)


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static time_t shift(void) { return access("/srv/yesterday", F_OK) == 0 ? -86400 : 0; }
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
    return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
"""


def clock_library():
    """What a preloaded library says the time is: a day ago as soon as /srv/yesterday is there."""
    write_text("/srv/clock.c", CLOCK)
    done = run(["c++", "-x", "c", "-shared", "-fPIC", "-o", "/srv/clock.so", "/srv/clock.c"])
    expect(done.code, 0, repr(done))
    return "/srv/clock.so"


@needs_root
def test_clock_set_back():
    """The clock is set back a day: back-off, pauses, timers of an interval and timeouts go on by what has passed"""
    text = ('[service.falls]\nexec = ["/bin/false"]\nuser = "nobody"\nrestart = "always"\nrestart_delay = "100ms"\n'
            'restart_delay_max = "200ms"\nrestart_limit = "unlimited"\n'
            '[service.tick]\nexec = ["/bin/true"]\nuser = "nobody"\nevery = "1s"\n'
            '[service.rated]\nlisten = "tcp:2001"\nexec = ["/bin/echo", "in"]\nuser = "nobody"\n'
            'rate = { limit = "20/s", burst = 2, pause = "300ms" }\n') + BYSTANDER
    with Superd(text, env={"LD_PRELOAD": clock_library()}) as d:
        expect(ask(2001), b"in\n")  # the pipe for its log
        before = d.status("tick")["started"]
        wait_until(lambda: d.status("tick")["started"] > before, what="a run by the clock")
        with others_unharmed(d, "the clock is set back a day"):
            for _ in range(3):
                expect(ask(2001), b"in\n")
            write_text("/srv/yesterday", "")
            counts = {name: d.status(name)["started"] for name in ("falls", "tick")}
            for name, count in counts.items():
                wait_until(lambda: d.status(name)["started"] >= count + 3, what=f"{name} to go on")
            for _ in range(4):
                expect(ask(2001), b"in\n", "after its pause")
            kill_superd(d)
            counts = {name: d.status(name)["started"] for name in ("falls", "tick")}
            for name, count in counts.items():
                wait_until(lambda: d.status(name)["started"] >= count + 2, what=f"{name} to go on after a kill")
