# SPDX-License-Identifier: MIT
"""private_pids: a service among processes of its own; what superd knows of it is as without."""

import json
import os
import signal

from clients import ask
from harness import Superd, expect, expect_in, gone, program, read_text, shell, wait_until
from puppet import Puppet
from registry import covers, needs_root
from upgrade_test import another, upgrade

SCRIPT = "for p in /proc/[0-9]*; do echo ${p#/proc/} $(tr '\\0' ' ' < $p/cmdline); done; echo pid $$"


def numbers(pid):
    """The numbers of a process, the outermost first, its own last."""
    try:
        status = read_text(f"/proc/{pid}/status")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for line in status.splitlines() if line.startswith("NSpid:") for word in line.split()[1:]]


def inside(pid):
    """All processes that are in the namespace of that one, by their numbers there."""
    own = os.stat(f"/proc/{pid}/ns/pid").st_ino
    found = {}
    for other in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            if os.stat(f"/proc/{other}/ns/pid").st_ino == own:
                found[numbers(other)[-1]] = other
        except (FileNotFoundError, ProcessLookupError, IndexError):
            pass  # it has just gone
    return found


def first_processes():
    """Those that watch over a namespace, anywhere here."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
            if (numbers(pid) or [0])[-1] == 1 and len(numbers(pid)) > len(numbers(os.getpid()))]


def main_pid(d, name):
    (process,) = d.status(name)["processes"]
    return process["pid"]


@needs_root
@covers("private_pids")
def test_handler():
    """A handler sees itself, its first process and nobody else; without the switch it is among the host's"""
    text = (f'[service.seen]\nlisten = "tcp:2000"\nexec = {shell(SCRIPT)}\nuser = "alice"\n'
            f'private_pids = true\n[service.host]\nlisten = "tcp:2001"\nexec = {shell(SCRIPT)}\nuser = "alice"\n')
    with Superd(text) as d:
        lines = ask(2000).decode().splitlines()
        expect(lines[0], "1 superd-exec pids")
        expect_in("2 /bin/sh", lines[1])
        expect(lines[-1], "pid 2")
        assert not [line for line in lines if "superd-log" in line or str(d.pid) == line.split()[0]], lines
        assert f"{d.pid} " in ask(2001).decode().replace("\n", " "), "superd is seen"
        wait_until(lambda: not first_processes(), what="the end of the first process")


@needs_root
def test_presets():
    """It goes together with a sandbox that is strict, and with a root of its own that has no /proc"""
    text = ('[service.strict]\nlisten = "tcp:2000"\nuser = "alice"\nsandbox = "strict"\nprivate_pids = true\n'
            f'exec = {program("tries", "namespace:pid", "write:/proc/sys/kernel/hostname", "list:/proc/1")}\n')
    with Superd(text):
        answer = json.loads(ask(2000))
        expect(answer["pid"], 2)
        assert answer["tries"]["namespace:pid"] != os.readlink("/proc/self/ns/pid")
        assert answer["tries"]["write:/proc/sys/kernel/hostname"] in ("EROFS", "EACCES")
        wait_until(lambda: not first_processes(), what="the end of the first process")


@needs_root
def test_daemon():
    """Readiness, credentials of messages, signals, status, kill -9 of superd and an upgrade: as without it"""
    puppet = Puppet("p", 'private_pids = true\nready = "notify"\nwatchdog = "1h"\nrestart = "no"\n'
                    'reload = { signal = "HUP" }\n')
    with Superd(puppet.text) as d:
        puppet.wait_file(".started")
        expect(read_text(puppet.fifo + ".started"), "2")
        puppet.do("say READY=1|STATUS=here")
        d.wait_state("p", "running")
        pid = main_pid(d, "p")
        expect((len(numbers(pid)), numbers(pid)[-1]), (2, 2))
        environment = puppet.environment()
        expect((environment["WATCHDOG_PID"], environment["pid"]), ("2", "2"))
        (process,) = d.ctl_json("sandbox", "p")["services"][0]["processes"]
        expect((process["namespaces"]["pid"], process["differs"]), ("its own", []))
        expect_in("processes its own", d.ok("sandbox", "p"))
        puppet.do("say MAINPID=2", "say MAINPID=1", "say STATUS=heard")
        d.wait_log("MAINPID=1 does not count: with private_pids all ends with the program itself")
        wait_until(lambda: "heard" in d.ok("status", "p"), what="a message that counts")
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        expect(main_pid(d, "p"), pid)
        puppet.do("say STATUS=later")
        wait_until(lambda: "later" in d.ok("status", "p"), what="a message to the next superd")
        upgrade(d, another(d))
        expect(main_pid(d, "p"), pid)
        expect(sorted(inside(pid)), [1, 2])
        first = inside(pid)[1]
        d.ok("kill", "p", "--signal", "USR1")
        d.wait_state("p", "failed")
        expect(d.status("p")["detail"], "it ended: signal USR1")
        wait_until(lambda: gone(first), what="the end of the first process")
        # By superd's own child this time, and by a status.
        os.unlink(puppet.fifo + ".started")
        puppet.do("say READY=1")
        d.ok("start", "p")
        puppet.do("exit 7")
        d.wait_state("p", "failed")
        expect(d.status("p")["detail"], "it ended: status 7")


@needs_root
def test_stop():
    """A stop is a TERM that the program hears, and what it leaves ends with it"""
    script = ("trap 'echo term > /srv/heard; exit 0' TERM; setsid tail -f /dev/null & (setsid tail -f /dev/zero &); "
              "echo ready > /srv/ready; while :; do sleep 3600 & wait $!; done")
    os.chmod("/srv", 0o777)
    text = (f'[service.d]\nexec = {shell(script)}\nuser = "alice"\nprivate_pids = true\nrestart = "no"\n'
            'stop_timeout = "1h"\n')
    with Superd(text) as d:
        wait_until(lambda: os.path.exists("/srv/ready"), what="its start")
        found = inside(main_pid(d, "d"))
        assert len(found) >= 5, found
        d.ok("stop", "d")
        expect(read_text("/srv/heard"), "term\n")
        wait_until(lambda: all(gone(pid) for pid in found.values()), what="the end of what it left")


@needs_root
def test_first_process_killed():
    """Who kills the first process kills the service, which is restarted"""
    puppet = Puppet("p", 'private_pids = true\nrestart_delay = "1ms"')
    with Superd(puppet.text) as d:
        puppet.wait_file(".started")
        pid = main_pid(d, "p")
        os.unlink(puppet.fifo + ".started")
        os.kill(inside(pid)[1], signal.SIGKILL)
        puppet.wait_file(".started")
        wait_until(lambda: d.status("p")["processes"] and main_pid(d, "p") != pid, what="another process")
        expect_in("signal KILL", d.log())


@needs_root
def test_worker_and_commands():
    """A worker has its sockets, and its commands reach it by the pid that superd knows"""
    os.chmod("/srv", 0o777)
    serve = ("import os, signal, socket, threading\n"
             "signal.signal(signal.SIGHUP, lambda *_: open('/srv/hup', 'w').close())\n"
             "s = socket.socket(fileno=3)\n"
             "def serve():\n"
             "    while True:\n"
             "        c = s.accept()[0]\n"
             "        c.sendall(os.environ['LISTEN_PID'].encode())\n"
             "        c.close()\n"
             "threading.Thread(target=serve).start()\n"
             "while True: signal.pause()\n")
    text = (f'[service.w]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "alice"\nprivate_pids = true\n'
            f'exec = {json.dumps(["/usr/bin/python3", "-ISc", serve])}\nreload = {shell("kill -HUP $MAINPID")}\n')
    with Superd(text) as d:
        expect(ask(2000), b"2")
        d.ok("reload", "w")
        wait_until(lambda: os.path.exists("/srv/hup"), what="the reload command's signal")


@needs_root
def test_refused():
    """Where the kernel makes no pid namespace the launch fails and says so"""
    text = ('[service.p]\nlisten = "tcp:2000"\nuser = "alice"\nprivate_pids = true\nexec = "/bin/true"\n')
    with Superd(text, prefix=["setpriv", "--bounding-set", "-sys_admin", "--"]) as d:
        expect(ask(2000), b"")
        d.wait_log("FAIL .*namespaces: Operation not permitted")
