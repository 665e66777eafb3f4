# SPDX-License-Identifier: MIT
"""Workers: started on demand with the listening sockets, watched for again when they have gone."""

import json
import os
import signal
import socket

from clients import ask, ask_udp, connect, connect_unix, read_all, udp_socket
from harness import FOREVER, Superd, expect, holds_for, program, shell, wait_until
from hanging_fs import HangingFs
from kernel import has_unix_diag
from registry import covers, needs_root, pitfall, skip


def worker(name, listen, words=("1", "0"), lines=""):
    """A worker that tells about itself; words: how many answers before it leaves, and its idle time."""
    return (f'[service.{name}]\nlisten = {json.dumps(listen)}\nmode = "worker"\nuser = "alice"\n'
            f'exec = {program("tell", "worker", *words)}\n{lines}\n')


@needs_root
@covers("mode", "pass")
def test_on_demand():
    """Nothing runs before the first connection; then LISTEN_FDS from 3 up, with names"""
    with Superd(worker("tell", "tcp:2000")) as d:
        expect((d.children(), d.state("tell")), ([], "listening"))
        told = json.loads(ask(2000))
        got = told["environment"]
        expect((got.get("LISTEN_FDS"), got.get("LISTEN_FDNAMES")), ("1", "tell"))
        expect(got.get("LISTEN_PID"), str(told["pid"]))
        expect(sorted(told["descriptors"]), ["0", "1", "2", "3"])
        expect(told["descriptors"]["0"], "/dev/null", "descriptor 0 is no listener beside LISTEN_FDS")


@needs_root
@covers("listen.name")
def test_names():
    """Two listeners of one worker arrive in order, each with its name"""
    lines = ('mode = "worker"\nuser = "alice"\n[[service.tell.listen]]\naddress = "tcp:2000"\nname = "one"\n'
             '[[service.tell.listen]]\naddress = "tcp:2001"\nname = "two"\n')
    with Superd(f'[service.tell]\nexec = {program("tell", "worker", "1", "0")}\n{lines}'):
        told = json.loads(ask(2001))
        expect(told["environment"]["LISTEN_FDNAMES"], "one:two")
        expect([told["sockets"][fd]["local"][1] for fd in ("3", "4")], [2000, 2001])


@needs_root
def test_late_listener():
    """A worker gets the names of the listeners that it is given, and is started anew for one that comes later"""
    lines = ('mode = "worker"\nuser = "alice"\nstart = "boot"\n'
             '[[service.tell.listen]]\naddress = "tcp:2000"\nname = "one"\n'
             '[[service.tell.listen]]\naddress = "tcp:2001"\nname = "two"\n')
    with socket.socket() as other:
        other.bind(("0.0.0.0", 2000))
        other.listen()
        with Superd(f'[service.tell]\nexec = {program("tell", "worker", "0", "0")}\n{lines}'):
            first = json.loads(ask(2001))
            got = first["environment"]
            expect((got["LISTEN_FDS"], got["LISTEN_FDNAMES"]), ("1", "two"))
            expect(first["sockets"]["3"]["local"][1], 2001)
            other.close()
            wait_until(lambda: can_connect(2000), what="the address that it waited for")
            told = json.loads(ask(2000))
            expect(told["environment"]["LISTEN_FDNAMES"], "one:two")
            expect([told["sockets"][fd]["local"][1] for fd in ("3", "4")], [2000, 2001])
            assert told["pid"] != first["pid"]


@needs_root
def test_pass_stdin():
    """pass = "stdin": the listener is descriptor 0 and there is no LISTEN_FDS"""
    with Superd(worker("tell", "tcp:2000", lines='pass = "stdin"')):
        told = json.loads(ask(2000))
        expect(told["environment"].get("LISTEN_FDS"), None)
        expect(told["sockets"]["0"]["options"]["accepting"], 1)
        expect(told["sockets"]["0"]["blocking"], True)


@needs_root
def test_datagrams_on_stdin():
    """Datagrams go to a worker with the socket on descriptor 0 unless it says listen_fds"""
    text = (f'[service.one]\nlisten = "udp:2000"\nuser = "alice"\nexec = {program("tell", "worker", "1", "0")}\n' +
            worker("two", "udp:2001", lines='pass = "listen_fds"'))
    with Superd(text):
        told = json.loads(ask_udp(2000, b"?"))
        expect(told["environment"].get("LISTEN_FDS"), None)
        expect(told["sockets"]["0"]["local"][1], 2000)
        told = json.loads(ask_udp(2001, b"?"))
        expect(told["environment"].get("LISTEN_FDS"), "1")


@needs_root
def test_again():
    """When the worker has gone superd watches again, and the next client starts another"""
    with Superd(worker("tell", "tcp:2000") + worker("dgram", "udp:2001")) as d:
        pids = [json.loads(ask(2000))["pid"] for _ in range(3)]
        expect(len(set(pids)), 3, "three workers")
        pids = [json.loads(ask_udp(2001, b"?"))["pid"] for _ in range(3)]
        expect(len(set(pids)), 3, "three workers")
        d.wait_status("tell", state="listening", started=3)


@needs_root
def test_one_worker_serves_all():
    """While a worker runs, superd starts no other for its connections"""
    with Superd(worker("tell", "tcp:2000", ("0", "0"))) as d:
        pids = {json.loads(ask(2000))["pid"] for _ in range(5)}
        expect(len(pids), 1)
        d.wait_status("tell", started=1, state="running")


@needs_root
@covers("workers")
def test_pool():
    """workers = N and "cores" """
    text = worker("three", "tcp:2000", ("0", "0"), 'workers = 3\nstart = "boot"') + \
        worker("cores", "tcp:2001", ("0", "0"), 'workers = "cores"\nstart = "boot"')
    with Superd(text) as d:
        cores = len(os.sched_getaffinity(0))
        wait_until(lambda: d.status("three")["started"] == 3, what="three workers")
        wait_until(lambda: d.status("cores")["started"] == cores, what="a worker a core")
        expect(len(d.status("three")["processes"]), 3)
        os.kill(d.status("three")["processes"][0]["pid"], signal.SIGKILL)
        wait_until(lambda: d.status("three")["started"] == 4, what="a dead worker's successor")
        wait_until(lambda: len(d.status("three")["processes"]) == 3, what="three again")


@needs_root
@covers("start", "enabled")
def test_start():
    """start = boot, demand, manual; enabled = false"""
    text = worker("boot", "tcp:2000", ("0", "0"), 'start = "boot"') + \
        worker("demand", "tcp:2001", ("0", "0"), 'start = "demand"') + \
        worker("manual", "tcp:2002", ("0", "0"), 'start = "manual"') + \
        worker("off", "tcp:2003", ("0", "0"), "enabled = false")
    with Superd(text) as d:
        d.wait_state("boot", "running")
        expect(d.state("demand"), "listening")
        expect(d.state("manual"), "stopped")
        expect(d.state("off"), "disabled")
        for port in (2002, 2003):
            try:
                connect(port).close()
                raise AssertionError(f"{port} is open")
            except ConnectionRefusedError:
                pass
        d.ok("start", "manual")
        json.loads(ask(2002))


@needs_root
@pitfall("wait-mode datagram")
def test_unread_datagram():
    """A datagram that three starts left unread is dropped and counted, without a busy loop"""
    text = '[service.deaf]\nlisten = "udp:2000"\nexec = ["/bin/true"]\nuser = "nobody"\n'
    with Superd(text) as d:
        with udp_socket() as sender:
            sender.sendto(b"nobody reads this", ("127.0.0.1", 2000))
        d.wait_status("deaf", dropped_datagrams=1)
        started = d.status("deaf")["started"]
        expect(started, 3)
        before = cpu_time(d.pid)
        holds_for(lambda: d.status("deaf")["started"] == started, 1.0, "no further start")
        spent = cpu_time(d.pid) - before
        assert spent < 0.5, f"{spent} s of CPU in one idle second"


def cpu_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@needs_root
def test_worker_that_fails_backs_off():
    """A stream worker that ends without accepting is started again ever more slowly"""
    text = '[service.deaf]\nlisten = "tcp:2000"\nmode = "worker"\nexec = ["/bin/false"]\nuser = "nobody"\n'
    with Superd(text) as d:
        with connect(2000):
            wait_until(lambda: d.status("deaf")["started"] >= 3, what="some starts")
            first = d.status("deaf")["started"]
            before = cpu_time(d.pid)
            holds_for(lambda: d.status("deaf")["started"] <= first + 8, 2.0, "few further starts")
            assert cpu_time(d.pid) - before < 0.6, "a busy loop"


@needs_root
def test_one_client_each():
    """A worker that serves one client and ends is started for the next in the queue without a pause"""
    one_client_each("tcp:2000", lambda: connect(2000))


@needs_root
def test_one_unix_client_each():
    """A worker at a UNIX socket that serves one client and ends is not held back, even where as many come as go"""
    if not has_unix_diag():
        skip("the kernel has no unix_diag")
    one_client_each("unix:/srv/tell", lambda: connect_unix("/srv/tell"))


def one_client_each(address, come):
    with Superd(worker("tell", address), args=["--debug"]) as d:
        d.ok("pause", "tell")
        waiting = [come() for _ in range(9)]
        d.ok("resume", "tell")
        for _ in range(9):
            if address.startswith("unix:"):
                waiting.append(come())
            with waiting.pop(0) as connection:
                assert json.loads(read_all(connection))["pid"]
        while waiting:
            with waiting.pop(0) as connection:
                assert json.loads(read_all(connection))["pid"]
        d.wait_status("tell", exited=d.status("tell")["started"], state="listening")
        expect([line for line in d.log().splitlines() if "left unread" in line], [])


@needs_root
def test_shutdown_listener():
    """A worker that shut the listening socket down does not end the service"""
    script = "import socket; s = socket.socket(fileno=3); s.shutdown(socket.SHUT_RDWR)"
    command = json.dumps(["/usr/bin/python3", "-c", script])
    text = f'[service.one]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "nobody"\nexec = {command}\n'
    with Superd(text) as d:
        with connect(2000):
            wait_until(lambda: d.status("one")["exited"] >= 1, what="the worker's end")
        wait_until(lambda: can_connect(2000), what="the listener accepts again")
        before = cpu_time(d.pid)
        holds_for(lambda: True, 0.5)
        assert cpu_time(d.pid) - before < 0.4, "superd spins on the hung-up listener"


def can_connect(port):
    try:
        connect(port).close()
        return True
    except OSError:
        return False


@needs_root
def test_connected_datagram_socket():
    """A worker that connected the datagram socket does not make it deaf for the others"""
    script = ("import socket; s = socket.socket(fileno=0)\n"
              "data, peer = s.recvfrom(100); s.connect(peer); s.send(b'me only')\n")
    command = json.dumps(["/usr/bin/python3", "-c", script])
    text = f'[service.one]\nlisten = "udp:2000"\nuser = "nobody"\nexec = {command}\n'
    with Superd(text) as d:
        expect(ask_udp(2000, b"1"), b"me only")
        d.wait_status("one", exited=1, state="listening")
        expect(ask_udp(2000, b"2"), b"me only", "another client")


@needs_root
@covers("stop_timeout")
def test_stop_timeout():
    """A worker that ignores TERM is killed after stop_timeout"""
    script = f"trap '' TERM; exec {' '.join(FOREVER)}"  # what is ignored stays so over an exec
    text = f'[service.stubborn]\nexec = {shell(script)}\nuser = "nobody"\nstop_timeout = "500ms"\n'
    with Superd(text) as d:
        d.wait_state("stubborn", "running")
        wait_until(lambda: [c for _, c in d.children() if "trap" not in c], what="the trap is set")
        d.ok("stop", "stubborn")
        expect(d.state("stubborn"), "stopped")
        expect(d.status("stubborn")["last_exit"], "signal KILL")


@needs_root
@covers("launch_timeout")
def test_launch_timeout():
    """A launch that does not reach its program is killed and counted as failed"""
    slow = HangingFs("/srv/slow")
    text = (f'[service.stuck]\nlisten = "tcp:2000"\nexec = ["{slow.program}"]\nuser = "nobody"\n'
            'launch_timeout = "1s"\n'
            '[service.fine]\nlisten = "tcp:2001"\nexec = ["/bin/echo", "fine"]\nuser = "nobody"\n')
    with Superd(text) as d:
        wait_until(lambda: ask(2000) == b"late\n", what="a launch in time")
        before = d.status("stuck")["failed"]
        slow.hold()
        with connect(2000) as held:
            expect(ask(2001), b"fine\n", "nobody else waits")
            expect(held.recv(1), b"", "the client's end")
        d.wait_status("stuck", failed=before + 1)
        slow.release()
        wait_until(lambda: ask(2000) == b"late\n", what="the service itself goes on")
        slow.close()
