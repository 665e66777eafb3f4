# SPDX-License-Identifier: MIT
"""The commands of a daemon's or worker's life, and how it is told to read its configuration again."""

import os
import signal

from clients import ask
from harness import Gate, Superd, expect, expect_in, holds_for, read_text, shell, wait_until, write_text
from puppet import Puppet
from ready_test import Start
from registry import covers, needs_root

TRACE = "/srv/trace"


def trace():
    return read_text(TRACE).split("\n")[:-1]


def note(word):
    """A command that writes a line."""
    return shell(f"echo {word} >>{TRACE}")


def begin():
    write_text(TRACE, "", 0o666)


@needs_root
@covers("exec_pre", "exec_post", "exec_stop", "exec_stop_post")
def test_order():
    """Commands run in their order, as the service's user and with its limits, and know the program's pid and its end"""
    begin()
    puppet = Puppet("p", 'ready = "notify"\nstart = "manual"\nrlimits = { nofile = 77 }\n'
                         f'exec_pre = [{note("pre-$(id -un)-$(ulimit -n)")}, {note("pre2")}]\n'
                         f'exec_post = {note("post-$MAINPID")}\nexec_stop = {note("stop-$MAINPID")}\n'
                         f'exec_stop_post = {note("after-$SERVICE_RESULT-$EXIT_CODE-$EXIT_STATUS")}')
    with Superd(puppet.text) as d:
        start = Start(d, "p")
        pid = puppet.wait_started()
        wait_until(lambda: trace() == ["pre-alice-77", "pre2"], what="exec_pre")
        puppet.do("say READY=1")
        expect(start.wait().code, 0)
        expect(trace()[2:], [f"post-{pid}"])
        d.ok("stop", "p")
        expect(trace()[3:], [f"stop-{pid}", "after-success-killed-TERM"])
        expect(d.status("p")["processes"], [])


@needs_root
def test_failures():
    """A failing exec_pre keeps the program from being run; a failing exec_post ends it; each is the cause"""
    begin()
    quick = 'restart = "no"\n'
    text = (f'[service.pre]\nuser = "alice"\n{quick}exec = {note("never")}\nexec_pre = {shell("exit 3")}\n'
            f'exec_stop_post = {note("after-$SERVICE_RESULT")}\n'
            f'[service.none]\nuser = "alice"\n{quick}exec = {note("never")}\nexec_pre = "/nowhere/program"\n'
            f'[service.post]\nuser = "alice"\n{quick}exec = ["/usr/bin/tail", "-f", "/dev/null"]\n'
            f'exec_post = {shell("exit 4")}\n'
            f'[service.slow]\nuser = "alice"\n{quick}exec = {note("never")}\nstart_timeout = "300ms"\n'
            'exec_pre = ["/usr/bin/tail", "-f", "/dev/null"]\n')
    with Superd(text) as d:
        for name, detail in (("pre", "exec_pre /bin/sh: status 3"),
                             ("none", "exec_pre: exec: No such file or directory"),
                             ("post", "exec_post /bin/sh: status 4"),
                             ("slow", "exec_pre has not ended within start_timeout 300ms")):
            d.wait_state(name, "failed")
            expect(d.status(name)["detail"], detail)
        expect(trace(), ["after-exit-code"])
        wait_until(lambda: d.children() == [], what="the end of all")


@needs_root
def test_stop_in_between():
    """stop while a command runs: it is told to end, and what comes after an end is run"""
    begin()
    gate = Gate()
    hold = shell(f"echo hold >>{TRACE}; read go </srv/gate")
    text = (f'[service.p]\nuser = "alice"\nstart = "manual"\nexec = {note("ran")}\nexec_pre = {hold}\n'
            f'exec_stop_post = {note("after")}\n')
    with Superd(text) as d:
        start = Start(d, "p")
        wait_until(lambda: trace() == ["hold"], what="exec_pre")
        expect_in("exec_pre runs", d.ok("why", "p"))
        d.ok("stop", "p")
        start.wait()
        expect(trace(), ["hold", "after"])
        # Another time it is let on.
        start = Start(d, "p")
        wait_until(lambda: trace()[2:] == ["hold"], what="exec_pre again")
        gate.let()
        start.wait()
        wait_until(lambda: trace()[3:] == ["ran", "after"], what="the whole of it")


@needs_root
def test_worker():
    """A worker has commands too: its clients wait meanwhile"""
    begin()
    serve = "import socket; s = socket.socket(fileno=3); c = s.accept()[0]; c.sendall(b'here'); c.close()"
    text = (f'[service.w]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "alice"\nexec_pre = {note("pre")}\n'
            f'exec_stop_post = {note("after")}\nexec = ["/usr/bin/python3", "-ISc", "{serve}"]\n')
    with Superd(text) as d:
        for count in (1, 2):
            expect(ask(2000), b"here")
            wait_until(lambda n=count: trace() == ["pre", "after"] * n, what=f"{count} lives")
            d.wait_state("w", "listening")


@needs_root
def test_survives_kill():
    """kill -9 of superd while a command runs: it is waited for, and its outcome counts"""
    begin()
    gate = Gate()
    hold = f"echo $0 >>{TRACE}; read go </srv/gate"
    pre = shell(hold).replace("$0", "pre")
    post = shell(hold).replace("$0", "post")
    text = (f'[service.p]\nuser = "alice"\nexec = ["/usr/bin/tail", "-f", "/dev/null"]\nexec_pre = {pre}\n'
            f'exec_post = {post}\nexec_stop_post = {note("after")}\n')
    with Superd(text) as d:
        for word in ("pre", "post"):
            wait_until(lambda w=word: trace()[-1:] == [w], what=word)
            before = d.pid
            os.kill(before, signal.SIGKILL)
            d.wait_superd(other_than=before)
            expect_in(f"exec_{word} runs", d.ok("why", "p"))
            gate.let()
        d.wait_state("p", "running")
        expect(trace(), ["pre", "post"])
        d.ok("stop", "p")
        expect(trace(), ["pre", "post", "after"])


@needs_root
@covers("reload", "reload_timeout")
def test_reload():
    """superctl reload: by signal, by a command, and by a signal that is answered with RELOADING=1 and READY=1"""
    begin()
    trap = shell(f"trap 'echo hup >>{TRACE}' HUP; echo up >>{TRACE}; while :; do sleep 0.05; done")
    by_signal = f'[service.sig]\nuser = "alice"\nexec = {trap}\nreload = "HUP"\n'
    by_command = Puppet("cmd", f'reload = {note("reload-$MAINPID")}')
    failing = Puppet("bad", f'reload = {shell("exit 7")}')
    slow = Puppet("slow", 'reload = ["/usr/bin/tail", "-f", "/dev/null"]\nreload_timeout = "300ms"')
    answers = Puppet("answers", 'ready = "notify"\nreload = { signal = "WINCH", wait = true }\nreload_timeout = "60s"')
    without = Puppet("without")
    puppets = (by_command, failing, slow, answers, without)
    with Superd(by_signal + "".join(puppet.text for puppet in puppets)) as d:
        pids = {puppet.name: puppet.wait_started() for puppet in puppets}
        answers.do("say READY=1")
        for name in ("sig", *pids):
            d.wait_state(name, "running")
        wait_until(lambda: trace() == ["up"], what="the trap")
        d.ok("reload", "sig")
        wait_until(lambda: trace() == ["up", "hup"], what="the signal")
        d.ok("reload", "cmd")
        expect(trace()[2:], [f"reload-{pids['cmd']}"])
        failed = d.ctl("reload", "bad")
        expect(failed.code, 1)
        expect_in("reload /bin/sh: status 7", failed.err)
        failed = d.ctl("reload", "slow")
        expect(failed.code, 1)
        expect_in("reload: not complete within reload_timeout 300ms", failed.err)
        failed = d.ctl("reload", "without")
        expect(failed.code, 1)
        expect_in("without has no reload; superctl restart without", failed.err)

        reload = Start(d, "answers", "reload")
        d.wait_state("answers", "reloading")
        answers.do("say READY=1", "say RELOADING=1|MONOTONIC_USEC=1", "say READY=1")  # of another time
        answers.barrier()
        holds_for(lambda: d.state("answers") == "reloading", 0.3)
        answers.do("reloads")
        answers.barrier()
        before = d.pid
        os.kill(before, signal.SIGKILL)
        d.wait_superd(other_than=before)
        expect(d.state("answers"), "reloading")
        answers.do("say READY=1")
        d.wait_state("answers", "running")
        reload.thread.join(60)
        for puppet in puppets:
            expect(int(read_text(puppet.fifo + ".started")), pids[puppet.name], puppet.name)
            expect(d.state(puppet.name), "running")


@needs_root
def test_reloads_by_itself():
    """RELOADING=1 without an order: reloading until READY=1; a stop meanwhile works"""
    puppet = Puppet("p", 'ready = "notify"')
    with Superd(puppet.text) as d:
        puppet.wait_started()
        puppet.do("say READY=1")
        d.wait_state("p", "running")
        puppet.do("reloads")
        d.wait_state("p", "reloading")
        puppet.do("say READY=1|STATUS=fresh")
        d.wait_state("p", "running")
        expect(d.status("p")["detail"], "fresh")
        puppet.do("reloads")
        d.wait_state("p", "reloading")
        d.ok("stop", "p")
        expect(d.state("p"), "stopped")
