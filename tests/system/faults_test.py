# SPDX-License-Identifier: MIT
"""Faults of the kernel and of superd itself, each injected; and that every fault of the table has its test."""

import errno
import glob
import importlib
import os
import signal

import namespace
from bad_input_test import cpu_seconds
from clients import ask, connect, read_all, refused_or_closed
from faults import BYSTANDER, FAULTS, Inject, others_unharmed
from harness import HERE, Superd, expect, expect_in, forever, holds_for, read_text
from registry import needs_root


def test_each_has_a_test():
    """Every fault of the table has tests, and they are there"""
    names = "".join(read_text(path) for path in glob.glob(os.path.join(HERE, "..", "unit", "*_test.cc")))
    for fault, tests in FAULTS.items():
        assert tests, f"{fault}: no test"
        for test in tests:
            if test.startswith("unit: "):
                expect_in(f'"{test[6:]}"', names, fault)
                continue
            module, function = test.split(".")
            assert hasattr(importlib.import_module(module), function), f"{fault}: there is no {test}"


VICTIM = '[service.victim]\nlisten = "tcp:2000"\nexec = ["/bin/echo", "served"]\nuser = "nobody"\n'

# What fails, the stage that is to be named, and what the service needs to come there.
STAGES = (
    ("close_range:error=ENOMEM", "close_range", ""),
    ("setsid:error=EPERM", "setsid", ""),
    ("prlimit64:error=ENOMEM", "setrlimit", 'rlimits = { core = "1M" }\n'),
    ("setpriority:error=EPERM", "nice", "nice = 5\n"),
    ("ioprio_set:error=ENOMEM", "ionice", 'ionice = "idle"\n'),
    ("sched_setaffinity:error=ENOMEM", "cpu_affinity", "cpu_affinity = [0]\n"),
    ("chroot:error=ENOMEM", "chroot", 'root = "/srv/root"\n'),
    ("chdir:error=ENOMEM", "chdir", 'directory = "/srv"\n'),
    ("setgroups:error=ENOMEM", "setgroups", ""),
    ("setresgid:error=EAGAIN", "setgid", ""),
    ("setresuid:error=EAGAIN", "setuid", ""),
    ("seccomp:error=ENOMEM", "seccomp", 'deny_system_calls = ["reboot"]\n'),
    ("execve:error=ENOMEM", "exec /bin/echo", ""),
    ("execve:error=ENFILE", "exec /bin/echo", ""),
)


def failed(d, rule, stage, at):
    """A client comes while the call fails: it gets its end, and the log says which stage and why."""
    with Inject(d.pid, rule):
        assert refused_or_closed(2000), stage
    text = os.strerror(getattr(errno, rule.rsplit("=", 1)[1]))
    expect_in(f" {stage}: {text}", d.wait_log(r"victim FAIL [^\n]*", after=at)[0])
    expect(ask(2000), b"served\n", f"{stage}: afterwards")


@needs_root
def test_every_stage():
    """A launch that fails at any stage of the child costs its own connection, and the log names stage and cause"""
    os.mkdir("/srv/root")
    namespace.bind("/", "/srv/root")
    for rule, stage, lines in STAGES:
        with Superd(VICTIM + lines + BYSTANDER) as d:
            expect(ask(2000), b"served\n")
            with others_unharmed(d, f"{rule} ({stage})"):
                failed(d, rule, stage, len(d.log()))
            expect(d.status("victim")["failed"], 1, stage)


@needs_root
def test_clone_fails():
    """clone fails: connections of a handler are lost one by one, a daemon backs off and is there again"""
    daemon = f'[service.daemon]\nexec = {forever()}\nuser = "nobody"\nrestart = "always"\nrestart_delay = "10ms"\n' \
             'restart_delay_max = "50ms"\nrestart_limit = "unlimited"\n'
    for code, text in (("EAGAIN", "Resource temporarily unavailable"), ("ENOMEM", "Cannot allocate memory")):
        with Superd(VICTIM + daemon + BYSTANDER) as d:
            d.wait_state("daemon", "running")
            expect(ask(2000), b"served\n")
            with others_unharmed(d, f"clone: {code}"):
                with Inject(d.pid, f"clone:error={code}", f"clone3:error={code}", f"vfork:error={code}"):
                    for _ in range(3):
                        assert refused_or_closed(2000)
                    os.kill(d.status("daemon")["processes"][0]["pid"], signal.SIGKILL)
                    d.wait_log(rf"daemon FAIL .*{text}")
                    d.wait_log(rf"victim FAIL .*{text}")
                d.wait_state("daemon", "running")
                expect(ask(2000), b"served\n")


@needs_root
def test_accept_fails():
    """accept4 fails with ENFILE, EMFILE, ENOMEM or ENOBUFS: clients wait in the queue and are served afterwards"""
    for code in ("ENFILE", "EMFILE", "ENOMEM", "ENOBUFS", "EPROTO"):
        with Superd(VICTIM + BYSTANDER) as d:
            expect(ask(2000), b"served\n")
            before = d.pid
            with Inject(d.pid, f"accept4:error={code}"):
                waiting = [connect(2000) for _ in range(3)]
                # Pauses begin and end meanwhile, and superd does not turn round and round.
                busy = cpu_seconds(before)
                holds_for(lambda: d.superd_pids() == [before], 0.5)
                assert cpu_seconds(before) - busy < 0.4, "superd spins"
            for client in waiting:
                with client:
                    expect(read_all(client), b"served\n", code)
            expect(d.pid, before)
