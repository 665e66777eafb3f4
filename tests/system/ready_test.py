# SPDX-License-Identifier: MIT
"""When a daemon or worker is ready, what it tells superd, and what becomes of one that never is."""

import os
import re
import signal
import socket
import threading

from clients import ask
from harness import Superd, expect, expect_in, holds_for, read_text, run, shell, wait_until
from puppet import Puppet
from registry import covers, needs_root


def tell(name, text):
    """A message from the test itself, which is nobody of the service's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect("\0" + name[1:] if name.startswith("@") else name)
        out.send(text.encode())


class Start:
    """superctl start, or another verb that waits."""

    def __init__(self, d, name, verb="start"):
        self.result = None
        self.thread = threading.Thread(target=self.run, args=(d, name, verb))
        self.thread.start()

    def run(self, d, name, verb):
        self.result = d.ctl(verb, name)

    def wait(self):
        self.thread.join(60)
        assert self.result is not None, "superctl start still waits"
        return self.result


@needs_root
@covers("ready", "notify_access")
def test_notify():
    """ready = "notify": starting until READY=1, which superctl start waits for; STATUS is shown, and no terminal codes"""
    puppet = Puppet("p", 'ready = "notify"\nstart = "manual"')
    with Superd(puppet.text) as d:
        start = Start(d, "p")
        puppet.wait_started()
        d.wait_state("p", "starting")
        expect_in("it has not said READY=1 yet", d.ok("why", "p"))
        environment = puppet.environment()
        expect(environment["NOTIFY_SOCKET"], d.path("run", "notify", "p.0"))
        assert "WATCHDOG_USEC" not in environment, environment
        puppet.do("say STATUS=reading \x1b[31mits files")
        puppet.barrier()
        expect_in("it says: reading ?[31mits files", d.status("p")["detail"])
        assert start.result is None, start.result
        puppet.do("say READY=1|STATUS=serves 3 clients")
        expect(start.wait().code, 0)
        expect(d.state("p"), "running")
        expect_in("serves 3 clients", d.ok("why", "p"))
        d.ok("stop", "p")
        expect(d.state("p"), "stopped")


@needs_root
@covers("start_timeout")
def test_start_timeout():
    """Not ready in time: stopped, counted as a failure with its cause; EXTEND_TIMEOUT_USEC gives more time"""
    late = Puppet("late", 'ready = "notify"\nstart_timeout = "400ms"\nrestart = "no"\nstart = "manual"')
    slow = Puppet("slow", 'ready = "notify"\nstart_timeout = "10s"\nstart = "manual"')
    with Superd(late.text + slow.text) as d:
        failed = d.ctl("start", "late")
        expect(failed.code, 1)
        expect_in("not ready within start_timeout 400ms", failed.err)
        expect(d.state("late"), "failed")
        expect(d.status("late")["detail"],
               "not ready within start_timeout 400ms; it ended: signal TERM")
        start = Start(d, "slow")
        slow.wait_started()
        slow.do("say EXTEND_TIMEOUT_USEC=600000000")
        slow.barrier()
        holds_for(lambda: d.state("slow") == "starting", 1)
        slow.do("say READY=1")
        expect(start.wait().code, 0)


@needs_root
def test_ends_early():
    """An end before READY=1 is a failure even with status 0; ERRNO stands beside it, and restart_limit behind it"""
    puppet = Puppet("p", 'ready = "notify"\nrestart_limit = "1/1h"\nrestart_delay = "10ms"')
    with Superd(puppet.text) as d:
        first = puppet.wait_started()
        puppet.do("exit 0")
        puppet.wait_started(other_than=first)
        puppet.do("say ERRNO=13", "exit 0")
        d.wait_state("p", "failed")
        expect(d.status("p")["detail"], "it ended before it was ready: status 0 (it says: Permission denied); "
                                        "restart_limit is reached")


@needs_root
def test_fd():
    """ready = "fd:N": a newline to that descriptor, and nothing but it is open beside 0, 1 and 2"""
    puppet = Puppet("p", 'ready = "fd:6"')
    with Superd(puppet.text) as d:
        puppet.wait_started()
        puppet.environment()
        expect(puppet.wait_file(".descriptors"), "0 1 2 6")
        expect(d.state("p"), "starting")
        puppet.do("write 6")
        d.wait_state("p", "running")


@needs_root
def test_fd_worker():
    """ready = "fd:N" of a worker: behind its listeners; it counts for each of them"""
    text = ('[service.w]\nlisten = "tcp:2000"\nmode = "worker"\nstart = "boot"\nuser = "alice"\nready = "fd:9"\n'
            'workers = 2\nexec = ' + shell("read go < /srv/gate; echo >&9; exec tail -f /dev/null"))
    os.mkfifo("/srv/gate")
    os.chmod("/srv/gate", 0o666)
    with Superd(text) as d:
        gate = os.open("/srv/gate", os.O_RDWR)
        d.wait_state("w", "starting")
        wait_until(lambda: len(d.children()) == 2, what="two workers")
        os.write(gate, b"\n")
        holds_for(lambda: d.state("w") == "starting", 0.3)
        os.write(gate, b"\n")
        d.wait_state("w", "running")
        os.close(gate)


@needs_root
def test_listen():
    """ready = "listen": a socket of the program's own that takes connections, or one at an address"""
    own = Puppet("own", 'ready = "listen"')
    tcp = Puppet("tcp", 'ready = "listen:tcp:127.0.0.1:2001"')
    local = Puppet("local", 'ready = "listen:unix:/srv/local/socket"')
    with Superd(own.text + tcp.text + local.text) as d:
        for puppet in (own, tcp, local):
            puppet.wait_started()
            d.wait_state(puppet.name, "starting")
        expect_in("tcp:127.0.0.1:2001 takes no connections yet", d.ok("why", "tcp"))
        tcp.do("listen 2002")  # another one's
        own.do("listen 2003")
        d.wait_state("own", "running")
        holds_for(lambda: d.state("tcp") == "starting", 0.3)
        tcp.do("listen 2001")
        local.do("listen /srv/local/socket")
        d.wait_state("tcp", "running")
        d.wait_state("local", "running")


@needs_root
def test_exit():
    """ready = "exit": superctl start waits for the end of its course, and says how it ended"""
    good = Puppet("good", 'ready = "exit"\nstart = "manual"')
    bad = Puppet("bad", 'ready = "exit"\nstart = "manual"\nrestart = "no"')
    with Superd(good.text + bad.text) as d:
        start = Start(d, "good")
        good.wait_started()
        d.wait_state("good", "starting")
        expect_in("it has not run its course yet", d.ok("why", "good"))
        good.do("exit 0")
        expect(start.wait().code, 0)
        expect(d.state("good"), "stopped")
        start = Start(d, "bad")
        bad.wait_started()
        bad.do("exit 3")
        expect(start.wait().code, 1)
        expect(d.status("bad")["detail"], "it ended: status 3")


@needs_root
@covers("notify_access")
def test_whose_word_counts():
    """Only the program's own word counts, or with "all" that of its session; what does not is counted and said once"""
    main = Puppet("main", 'ready = "notify"')
    everyone = Puppet("all", 'ready = "notify"\nnotify_access = "all"')
    none = Puppet("none")
    with Superd(main.text + everyone.text + none.text) as d:
        for puppet in (main, everyone, none):
            puppet.wait_started()
        assert "NOTIFY_SOCKET" not in none.environment()
        socket_path = main.environment()["NOTIFY_SOCKET"]
        for _ in range(5):
            tell(socket_path, "READY=1")
        main.do("fork READY=1")
        everyone.do("leave READY=1|STATUS=stranger")
        main.barrier()
        everyone.barrier()
        expect(d.state("main"), "starting")
        expect(d.state("all"), "starting")
        assert "stranger" not in d.status("all")["detail"]
        # Its child's message and its barrier's.
        expect_in("7 messages to its notify socket came from elsewhere", d.ok("why", "main"))
        d.wait_log("main .*does not count: it is none, or not from the service's own process")
        expect(len(re.findall("main .*does not count", d.log())), 1)
        everyone.do("fork READY=1")
        d.wait_state("all", "running")
        main.do("say READY=1")
        d.wait_state("main", "running")


@needs_root
def test_own_root():
    """A service with another root gets an abstract address, which it reaches as well"""
    os.mkdir("/srv/root")
    expect(run(["/usr/bin/mount", "--rbind", "/", "/srv/root"]).code, 0)
    puppet = Puppet("p", 'ready = "notify"\nroot = "/srv/root"')
    with Superd(puppet.text) as d:
        puppet.wait_started()
        assert puppet.environment()["NOTIFY_SOCKET"].startswith("@")
        puppet.do("say READY=1")
        d.wait_state("p", "running")


@needs_root
def test_stopping():
    """STOPPING=1: it is on its way down, and a hung one is killed after stop_timeout"""
    puppet = Puppet("p", 'ready = "notify"\nstop_timeout = "500ms"\nrestart = "no"')
    with Superd(puppet.text) as d:
        puppet.wait_started()
        puppet.do("say READY=1")
        d.wait_state("p", "running")
        puppet.do("say STOPPING=1")
        d.wait_state("p", "failed")
        expect(d.status("p")["detail"], "it ended: signal KILL")


@needs_root
def test_orders_while_starting():
    """stop, restart and a reload of the file work while a service is starting"""
    puppet = Puppet("p", 'ready = "notify"')
    other = '[service.other]\nlisten = "tcp:2000"\nexec = ["/bin/echo", "here"]\nuser = "alice"\n'
    with Superd(puppet.text) as d:
        first = puppet.wait_started()
        d.wait_state("p", "starting")
        d.write(puppet.text + other)
        expect(d.reload().code, 0)
        expect(ask(2000), b"here\n")
        expect(d.state("p"), "starting")
        expect([pid for pid, _ in d.children()], [first])
        d.ok("stop", "p")
        expect(d.state("p"), "stopped")
        start = Start(d, "p")
        second = puppet.wait_started(other_than=first)
        puppet.do("say READY=1")
        expect(start.wait().code, 0)
        assert os.path.exists(f"/proc/{second}")


@needs_root
def test_survives_kill():
    """kill -9 of superd: what was starting goes on, by its deadline; what was said meanwhile is heard; nothing starts twice"""
    notify = Puppet("notify", 'ready = "notify"')
    by_fd = Puppet("fd", 'ready = "fd:3"')
    listens = Puppet("listens", 'ready = "listen"')
    late = Puppet("late", 'ready = "notify"\nstart_timeout = "8s"\nrestart = "no"')
    runs = Puppet("runs", 'ready = "notify"')
    puppets = (notify, by_fd, listens, late, runs)
    with Superd("".join(puppet.text for puppet in puppets)) as d:
        pids = {puppet.name: puppet.wait_started() for puppet in puppets}
        runs.do("say READY=1|STATUS=hello")
        d.wait_state("runs", "running")
        for puppet in puppets[:4]:
            d.wait_state(puppet.name, "starting")
        before = d.pid
        os.kill(d.guard, signal.SIGSTOP)  # nobody starts another one yet
        os.kill(before, signal.SIGKILL)
        notify.do("say READY=1")
        by_fd.do("write 3")
        listens.do("listen 2000")
        runs.do("say STATUS=still here", "environment")
        runs.wait_file(".environment")
        os.kill(d.guard, signal.SIGCONT)
        d.wait_superd(other_than=before)
        for puppet in (notify, by_fd, listens, runs):
            d.wait_state(puppet.name, "running")
        wait_until(lambda: d.status("runs")["detail"] == "still here", what="what it said meanwhile")
        d.wait_state("late", "failed")
        for puppet in puppets:
            expect(int(read_text(puppet.fifo + ".started")), pids[puppet.name], puppet.name)
        sockets = [name for name in os.listdir(d.path("run", "notify"))]
        expect(sorted(sockets), ["late.0", "notify.0", "runs.0"])
    expect(os.listdir(d.path("run", "notify")), [])


@needs_root
def test_flood():
    """A program that floods its socket waits itself: another service is answered meanwhile, and its own last word counts"""
    puppet = Puppet("p", 'ready = "notify"')
    other = '[service.other]\nlisten = "tcp:2000"\nexec = ["/bin/echo", "here"]\nuser = "alice"\n'
    with Superd(puppet.text + other) as d:
        puppet.wait_started()
        puppet.do("flood 3000", "say READY=1|STATUS=done")
        for _ in range(20):
            expect(ask(2000), b"here\n")
        d.wait_state("p", "running")
        expect(d.status("p")["detail"], "done")


@needs_root
@covers("watchdog", "abort_timeout")
def test_watchdog():
    """watchdog: not petted, it is sent ABRT, then KILL after abort_timeout, and started again with the cause"""
    puppet = Puppet("p", 'watchdog = "4s"\nabort_timeout = "300ms"\nrestart = "on-abnormal"\nrestart_delay = "1h"')
    with Superd(puppet.text) as d:
        first = puppet.wait_started()
        environment = puppet.environment()
        expect(environment["WATCHDOG_USEC"], "4000000")
        expect(environment["WATCHDOG_PID"], environment["pid"])
        for _ in range(6):
            puppet.do("say WATCHDOG=1")
            puppet.barrier()
            holds_for(lambda: d.state("p") == "running", 0.9)
        d.wait_state("p", "backoff")
        expect_in("watchdog: not heard of for 4s; it ended: signal ABRT", d.status("p")["detail"])
        d.ctl("start", "p")
        second = puppet.wait_started(other_than=first)
        puppet.do("deaf ABRT", "say WATCHDOG=trigger")
        d.wait_state("p", "backoff")
        expect_in("watchdog: it says that it failed; it ended: signal KILL", d.status("p")["detail"])
        d.wait_log("p .*1 process still there after abort_timeout: KILL")
        assert not os.path.exists(f"/proc/{second}")


@needs_root
def test_watchdog_changes():
    """WATCHDOG_USEC of the program's own takes the place of the file's; kill -9 of superd forgives no silence"""
    off = Puppet("off", 'watchdog = "20s"')
    on = Puppet("on", 'notify_access = "main"\nrestart = "no"')
    with Superd(off.text + on.text) as d:
        off.wait_started()
        on.wait_started()
        d.wait_state("off", "running")
        off.do("say WATCHDOG_USEC=0")
        off.barrier()
        on.do("say WATCHDOG_USEC=1500000")
        on.barrier()
        before = d.pid
        os.kill(before, signal.SIGKILL)
        d.wait_superd(other_than=before)
        d.wait_state("on", "failed")
        expect_in("watchdog: not heard of for 1s500ms; it ended: signal ABRT", d.status("on")["detail"])
        expect(d.state("off"), "running")


@needs_root
@covers("run_timeout")
def test_run_timeout():
    """run_timeout ends what runs too long, as a failure; EXTEND_TIMEOUT_USEC gives it more; kill -9 of superd does not"""
    short = Puppet("short", 'run_timeout = "4s"\nrestart = "no"')
    more = Puppet("more", 'run_timeout = "4s"\nrestart = "no"\nnotify_access = "main"')
    with Superd(short.text + more.text) as d:
        more.wait_started()
        more.do("say EXTEND_TIMEOUT_USEC=600000000")
        more.barrier()
        before = d.pid
        os.kill(before, signal.SIGKILL)
        d.wait_superd(other_than=before)
        d.wait_state("short", "failed")
        expect_in("run_timeout 4s is over; it ended: signal TERM", d.status("short")["detail"])
        expect(d.state("more"), "running")
