# SPDX-License-Identifier: MIT
"""Faults that superd survives, the tests that inject each, and what others notice meanwhile."""

import collections
import contextlib
import mmap
import os
import re
import subprocess
import sys
import time

from clients import ask
from harness import expect, wait_until
from registry import scale, skip
from relay_test import sanitized
from soak import anonymous_kilobytes

# fault: the tests that inject it, FILE.FUNCTION or "unit: NAME".
FAULTS = {
    # superd itself
    "SIGKILL of the supervisor": ("soak_test.test_kills", "crash_test.test_under_load"),
    "end of the supervisor that nobody asked for": ("crash_test.test_under_load", "crash_test.test_while_it_starts"),
    "no memory": ("faults_test.test_every_stage", "faults_test.test_accept_fails"),
    "fork fails": ("faults_test.test_clone_fails", "pitfalls_test.test_no_more_processes"),
    "no descriptors": ("bad_input_test.test_no_descriptors", "faults_test.test_accept_fails"),
    "disk full": ("log_files_test.test_full_disk", "faults_files_test.test_full_state_directory"),
    "clock jump": ("unit: timers: a clock set back a day brings the moment again, one put right does not",
                   "unit: timers: a clock that is set forward over a moment brings it, once",
                   "faults_files_test.test_clock_set_back"),
    "self upgrade fails": ("upgrade_test.test_refused", "upgrade_test.test_dies_before_it_serves"),
    "SIGTERM while starting": ("faults_life_test.test_stop_while_starting",),
    "D-Bus broker down": ("mdns_test.test_bus_and_avahi_come_and_go",),
    # services
    "fork bomb in a service": ("faults_life_test.test_fork_bomb",),
    "child stopped": ("faults_life_test.test_stopped_child",),
    "child ignores SIGTERM": ("killing_test.test_kill_ends_all", "worker_test.test_stop_timeout"),
    "double fork": ("killing_test.test_left_over",),
    "orphans to reap": ("bad_input_test.test_leaves_children",),
    "listening socket flood": ("admission_test.test_rate",),
    "exits at once in a loop": ("restart_test.test_worker_never_dead",),
    "exec error": ("bad_input_test.test_missing_program", "faults_test.test_every_stage"),
    "a stage of the child fails": ("faults_test.test_every_stage",),
    "pid reuse": ("faults_life_test.test_pid_reuse",),
    # what superd reads
    "notify spoofing": ("ready_test.test_whose_word_counts",),
    "notify flood, empty datagram": ("ready_test.test_flood", "faults_life_test.test_empty_notices"),
    "control socket flood, slow reader, garbage": ("control_test.test_hostile_control_clients",
                                                   "faults_life_test.test_control_never_reads"),
    "malformed config on reload": ("reload_test.test_mistake",),
    "config unreadable, deleted, huge, swapped": ("faults_files_test.test_config_taken_away",),
    "config replaced while it is read": ("faults_files_test.test_config_replaced_while_read",),
    "log reader stuck": ("log_files_test.test_stuck_reader", "log_files_test.test_stopped_logger"),
    "state cut at every byte": ("unit: saved state: cut off at any byte it is refused",
                                "faults_files_test.test_state_files_cut"),
}

# Generous, for the machine may be busy; what `make bench` measures is below 20 ms.
OTHERS_WAIT = 20.0

BYSTANDER = '[service.bystander]\nlisten = "tcp:2100"\nbuiltin = "echo"\nmax_connections = "unlimited"\n' \
            'max_per_source = "unlimited"\nlog_admitted = []\n'


class Bystander:
    """A client of another service, without pause, in a process of its own: its slowest answer, what went wrong."""

    def __init__(self, port=2100):
        self.port = port
        self.page = mmap.mmap(-1, mmap.PAGESIZE)
        self.numbers = memoryview(self.page).cast("Q")  # stop, answers, the slowest in µs, wrong

    def visit(self):
        began = time.monotonic()
        try:
            right = ask(self.port, b"here\n") == b"here\n"
        except OSError:
            right = False
        self.numbers[2] = max(self.numbers[2], round((time.monotonic() - began) * 1e6))
        self.numbers[3] += not right
        self.numbers[1] += 1

    def run(self):
        while not self.numbers[0]:
            self.visit()

    def __enter__(self):
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.run()
            finally:
                os._exit(0)
        return self

    def __exit__(self, *_):
        self.numbers[0] = 1
        os.waitpid(self.pid, 0)

    def wait_more(self, count=5):
        wanted = self.numbers[1] + count
        wait_until(lambda: self.numbers[1] >= wanted, what="answers of another service")


@contextlib.contextmanager
def others_unharmed(d, what, slack=1024):
    """Around a fault: another service answers always, and superd has afterwards what it had before.

    superd may be another process afterwards. slack: kilobytes.
    """
    for _ in range(16):  # as many as there are relays, and more
        expect(ask(2100, b"first\n"), b"first\n")
    d.wait_connections("bystander", 0)
    before, memory = len(d.fds()), anonymous_kilobytes(d.pid)
    with Bystander() as bystander:
        bystander.wait_more()
        yield bystander
        bystander.wait_more()
    _, answers, slowest, wrong = bystander.numbers[:4]
    d.wait_connections("bystander", 0)
    try:
        wait_until(lambda: len(d.fds()) <= before, what=f"{before} descriptors")
    except AssertionError as error:
        kinds = collections.Counter(re.sub(r"\d+", "N", target) for target in d.fds().values())
        raise AssertionError(f"{error}: {kinds}") from None
    more = anonymous_kilobytes(d.pid) - memory
    print(f"{what}: of {answers} answers of another service the slowest took {slowest / 1000:.1f} ms; "
          f"{before} descriptors as before, {more} kB more")
    expect(wrong, 0, "connections of another service that went wrong")
    assert slowest < OTHERS_WAIT * scale() * 1e6, f"another service waited {slowest / 1e6:.1f} s"
    assert more <= slack or sanitized(), f"{more} kB more"


class Inject:
    """strace lets system calls of a process, its threads and their children fail while it is attached.

    Inject(pid, "setsid:error=ENOMEM") as strace(1) has it behind --inject=; a list for several.
    """

    def __init__(self, pid, *rules):
        self.pid = pid
        calls = ",".join(rule.split(":", 1)[0] for rule in rules)
        self.command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", "signal=none",
                        *[f"--inject={rule}" for rule in rules], "-p", str(pid)]

    def traced(self):
        tracers = set()
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status", encoding="ascii", errors="replace") as rows:
                tracers.update(row.split()[1] for row in rows if row.startswith("TracerPid:"))
        return tracers == {str(self.process.pid)}

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: self.process.poll() is not None or self.traced(), what="strace to be attached")
        except FileNotFoundError:
            pass
        if self.process.poll() is not None:
            skip(f"strace does not work here: {self.process.stderr.read().strip()}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.process.stderr.close()
