# SPDX-License-Identifier: MIT
"""The checks of superd under systemd, run in the machine that machine.py boots.

usage: inside.py PORT [WORD …]    as root, by superd-checks.service
       inside.py crowd            as a service: starts processes until it may not

Each says "ok NAME", "FAIL NAME: why" or "skip NAME: why" to the virtual port PORT.
"""

import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import traceback

LONGEST = 180  # seconds that anything may take; an emulated processor is slow
UNIT = "superd.service"


class Skip(Exception):
    pass


def expect(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what or 'got'} {got!r}, not {wanted!r}")


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=LONGEST)


def ok(*command):
    done = run(*command)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}: {done.stdout.strip()}")
    return done.stdout.strip()


def superctl(*words):
    return ok("superctl", *words)


def status(name):
    return json.loads(superctl("--json", "status", name))["service"]


def show(unit, *names):
    """Properties of a unit as systemd has them."""
    text = ok("systemctl", "show", unit, *(f"--property={name}" for name in names))
    values = dict(line.split("=", 1) for line in text.splitlines())
    return values[names[0]] if len(names) == 1 else [values[name] for name in names]


def read(path):
    with open(path, encoding="utf-8", errors="replace") as text:
        return text.read()


def wait_until(true, what):
    """Nothing in systemd or a kernel file can be waited for but by looking again."""
    end = time.monotonic() + LONGEST
    while not (found := true()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not after {LONGEST} s")
        time.sleep(0.05)
    return found


def guard():
    return int(show(UNIT, "MainPID"))


def the_superd():
    """The child of the guard that is a superd itself; None between two of them."""
    main = guard()
    try:
        for pid in read(f"/proc/{main}/task/{main}/children").split():
            if read(f"/proc/{pid}/comm").strip() == "superd":
                return int(pid)
    except OSError:
        pass
    return None


def is_up():
    return show(UNIT, "ActiveState", "SubState") == ["active", "running"]


def ask(port):
    """All that a service says."""
    with socket.create_connection(("127.0.0.1", port), timeout=LONGEST) as client:
        client.settimeout(LONGEST)
        text = b""
        while part := client.recv(4096):
            text += part
        return text


class Held:
    """A connection to echo, which is to outlive everything."""

    def __enter__(self):
        self.client = socket.create_connection(("127.0.0.1", 7007), timeout=LONGEST)
        self.client.settimeout(LONGEST)
        self.check()
        return self

    def __exit__(self, *_):
        self.client.close()

    def check(self):
        self.client.sendall(b"still there?\n")
        expect(self.client.recv(64), b"still there?\n", "the held connection says")


def group_of(pid):
    return next(line[3:] for line in read(f"/proc/{pid}/cgroup").splitlines() if line.startswith("0::"))


def process_of(name):
    wait_until(lambda: status(name)["processes"], f"a process of {name}")
    return status(name)["processes"][0]["pid"]


def bound_of(name, file):
    """What the file says in the group of a service: above that of its process."""
    return read(f"/sys/fs/cgroup{os.path.dirname(group_of(process_of(name)))}/{file}").strip()


def journal(*matches):
    """Entries of the journal since the machine was booted."""
    ok("journalctl", "--sync")
    text = ok("journalctl", "-b", "-o", "json", "--all", "--no-pager", *matches)
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


# ---- the checks, in the order in which they are run

def test_ready():
    """readiness: systemctl start returned when superd said READY=1, and the guard is the main process"""
    expect(show(UNIT, "Type", "ActiveState", "SubState", "NRestarts"), ["notify", "active", "running", "0"])
    expect(read(f"/proc/{guard()}/comm").strip(), "superd")
    expect(int(read("/run/superd/superd.lock")), guard(), "the lock names")
    expect(ask(7008), b"hello\n")


def test_order_of_start():
    """order: second was started after first"""
    for name in ("first", "second"):
        wait_until(lambda: status(name)["state"] == "running", f"{name} running")
    began = [int(read(f"/proc/{process_of(name)}/stat").rpartition(")")[2].split()[19]) for name in ("first", "second")]
    assert began[0] <= began[1], f"started at {began}"


def test_groups():
    """control groups: superd has a leaf of its own below Delegate=yes, each service a group of its own"""
    own, service = group_of(the_superd()), group_of(process_of("first"))
    unit = show(UNIT, "ControlGroup")
    assert own.startswith(unit) and service.startswith(unit + "/"), f"{own}, {service} below {unit}"
    assert own != service and group_of(process_of("second")) != service, "one group for several"
    expect(group_of(guard()), own, "the guard's group")


def test_memory_max():
    """memory_max: what goes beyond is ended by the kernel, and that is the cause that is told"""
    run("superctl", "start", "hungry")  # it fails, as it should
    wait_until(lambda: status("hungry")["state"] == "failed", "its end")
    failure = status("hungry")["last_failure"]
    assert "memory" in failure and "KILL" in failure, failure
    assert "memory" in superctl("why", "hungry"), superctl("why", "hungry")
    assert is_up(), "superd is not up any more"
    expect(show(UNIT, "NRestarts"), "0", "restarts")


def test_tasks_max():
    """tasks_max: fork fails beyond it"""
    run("superctl", "start", "crowd")
    line = wait_until(lambda: next((entry["MESSAGE"] for entry in journal("SUPERD_SERVICE=crowd")
                                    if "crowd of" in entry["MESSAGE"]), None), "its word")
    expect(bound_of("crowd", "pids.max"), "20", "pids.max")
    count = int(re.search(r"crowd of (\d+)", line).group(1))
    assert 10 <= count <= 20, line
    superctl("stop", "crowd")


def test_cpu_max():
    """cpu_max: a busy loop gets a fifth of the processor, and the kernel counts how often it had to wait"""
    superctl("start", "busy")
    expect(bound_of("busy", "cpu.max"), "20000 100000", "cpu.max")
    path = f"/sys/fs/cgroup{os.path.dirname(group_of(process_of('busy')))}/cpu.stat"

    def counted():
        return {name: int(value) for name, value in (line.split() for line in read(path).splitlines())}

    before, began = counted(), time.monotonic()
    wait_until(lambda: counted()["nr_throttled"] >= before["nr_throttled"] + 20, "it was made to wait")
    share = (counted()["usage_usec"] - before["usage_usec"]) / 1e6 / (time.monotonic() - began)
    assert share < 0.3, f"it had {share:.0%} of the processor"
    superctl("stop", "busy")


def test_journal_output():
    """journal: a line that a service prints is one entry, with its service, its pid and a priority"""
    pid = process_of("talker")
    found = wait_until(lambda: [entry for entry in journal("SUPERD_SERVICE=talker")
                                if entry["MESSAGE"] == "one line of it"], "the line")
    expect(len(found), 1, "entries")
    entry = found[0]
    expect((entry["SYSLOG_IDENTIFIER"], entry["SYSLOG_PID"], entry["SYSLOG_FACILITY"]), ("talker", str(pid), "3"))
    assert "PRIORITY" in entry, entry
    expect(entry["_SYSTEMD_UNIT"], UNIT, "the unit")


def test_journal_events():
    """journal: what superd itself says is one entry each, with the service where it is about one"""
    ask(7008)
    found = wait_until(lambda: [entry for entry in journal("SUPERD_SERVICE=hello")
                                if "START" in entry["MESSAGE"]], "START of hello")
    for entry in found:
        expect("\n" in entry["MESSAGE"], False, "several lines in one entry")
        assert "PRIORITY" in entry and entry["_COMM"].startswith("superd"), entry


def test_killed():
    """kill -9 of superd: the guard starts it again, systemd does not notice, a held connection goes on"""
    with Held() as held:
        before, main = the_superd(), guard()
        os.kill(before, signal.SIGKILL)
        expect(ask(7008), b"hello\n")
        wait_until(lambda: the_superd() not in (None, before), "another superd")
        held.check()
        expect((guard(), show(UNIT, "NRestarts")), (main, "0"))


def test_upgrade():
    """superctl upgrade: the same main process, no restart for systemd, nothing lost"""
    with Held() as held:
        before, main, first = the_superd(), guard(), process_of("first")
        superctl("upgrade")
        wait_until(lambda: the_superd() not in (None, before), "another superd")
        wait_until(is_up, "systemd's word that it is up")
        held.check()
        expect(ask(7008), b"hello\n")
        expect((guard(), show(UNIT, "NRestarts"), process_of("first")), (main, "0", first))
        # It still says so after the exec: a watchdog that went unfed would end it.
        fed = int(show(UNIT, "WatchdogTimestampMonotonic"))
        wait_until(lambda: int(show(UNIT, "WatchdogTimestampMonotonic")) > fed, "WATCHDOG=1 after it")


def set_watchdog(seconds):
    folder = f"/run/systemd/system/{UNIT}.d"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/watchdog.conf", "w", encoding="ascii") as out:
        out.write(f"[Service]\nWatchdogSec={seconds}\n")
    ok("systemctl", "daemon-reload")
    ok("systemctl", "restart", UNIT)


def test_watchdog_of_superd():
    """watchdog: a superd that is stopped is ended by its guard in time, and systemd does not notice"""
    set_watchdog(20)
    with Held() as held:
        before, main = the_superd(), guard()
        os.kill(before, signal.SIGSTOP)
        wait_until(lambda: the_superd() not in (None, before), "another superd")
        held.check()
        expect(ask(7008), b"hello\n")
        expect((guard(), show(UNIT, "NRestarts")), (main, "0"))


def test_watchdog_of_guard():
    """watchdog: where superd and its guard are stopped, systemd ends them and starts them again"""
    with Held() as held:
        main = guard()
        for pid in (main, the_superd()):
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: show(UNIT, "NRestarts") != "0", "the restart")
        wait_until(lambda: is_up() and guard() != main, "superd up")
        held.check()
        expect(ask(7008), b"hello\n")
        assert any("watchdog" in entry["MESSAGE"].lower() for entry in journal("-u", UNIT)), "no word of the watchdog"
    ok("systemctl", "reset-failed", UNIT)


def test_guard_killed():
    """the guard killed: the port is never closed, who connects meanwhile is served by the next superd"""
    with Held() as held:
        main, before = guard(), the_superd()
        assert int(show(UNIT, "NFileDescriptorStore")) >= 2, "systemd has no listeners in its store"
        cookie = listener_cookie(7008)
        os.kill(before, signal.SIGSTOP)  # so that it answers nobody before it knows
        os.kill(main, signal.SIGKILL)
        os.kill(before, signal.SIGCONT)
        answers = []
        while guard() in (0, main) or not is_up():
            answers.append(ask(7008))  # waits in the queue; a refusal is an exception
        answers.append(ask(7008))
        expect(set(answers), {b"hello\n"}, "answers")
        expect(listener_cookie(7008), cookie, "the socket of the listener")
        held.check()
    assert any(entry["MESSAGE"].startswith("superd") or "took" in entry["MESSAGE"]
               for entry in journal("-u", UNIT)), "nothing is said of it"


def listener_cookie(port):
    """The inode of the listening socket, by which the kernel's table tells one from another."""
    for line in read("/proc/net/tcp").splitlines()[1:]:
        columns = line.split()
        if columns[1].endswith(f":{port:04X}") and columns[3] == "0A":
            return columns[9]
    raise AssertionError(f"nobody listens on {port}")


def test_systemctl_restart():
    """systemctl restart: the listeners stay the same sockets, and none that is not wanted stays in the store"""
    cookie, stored = listener_cookie(7008), show(UNIT, "NFileDescriptorStore")
    with Held() as held:
        ok("systemctl", "restart", UNIT)
        held.check()
    expect(listener_cookie(7008), cookie, "the socket of the listener")
    expect(show(UNIT, "NFileDescriptorStore"), stored, "descriptors in the store")
    superctl("stop", "hello")
    wait_until(lambda: int(show(UNIT, "NFileDescriptorStore")) == int(stored) - 1, "one less in the store")
    superctl("start", "hello")
    wait_until(lambda: show(UNIT, "NFileDescriptorStore") == stored, "as many in the store as before")
    expect(ask(7008), b"hello\n")


def test_systemctl_reload():
    """systemctl reload: a mistake in the file is reported, and changes nothing"""
    ok("systemctl", "reload", UNIT)
    file = re.search(r" -c (\S+)", show(UNIT, "ExecStart")).group(1)
    text = read(file)
    with open(file, "a", encoding="utf-8") as out:
        out.write("\n[service.wrong]\nlisten = 22\n")
    done = run("systemctl", "reload", UNIT)
    with open(file, "w", encoding="utf-8") as out:
        out.write(text)
    assert done.returncode != 0, "the reload of a broken file succeeded"
    expect(ask(7008), b"hello\n")
    ok("systemctl", "reload", UNIT)
    assert is_up()


def test_stop():
    """systemctl stop: second before first, the listeners closed, a handler left alone, an exit status of 0"""
    with Held() as held:
        pids = {name: process_of(name) for name in ("first", "second")}
        ok("systemctl", "stop", UNIT)
        expect(show(UNIT, "ActiveState", "Result", "ExecMainStatus"), ["inactive", "success", "0"])
        held.check()
        for pid in pids.values():
            expect(os.path.exists(f"/proc/{pid}"), False, f"pid {pid} is there")
        for port in (7007, 7008):
            with socket.socket() as client:
                expect(client.connect_ex(("127.0.0.1", port)), 111, "connecting after the stop")
    ends = [entry["SUPERD_SERVICE"] for entry in journal("--grep", "EXIT") if entry.get("SUPERD_SERVICE") in pids]
    expect(ends[-2:], ["second", "first"], "ended in the order")
    ok("systemctl", "start", UNIT)
    expect(ask(7008), b"hello\n")


def crowd():
    """Children until fork fails; says how many processes there are then."""
    count = 1
    try:
        while count < 100:
            if os.fork() == 0:
                signal.pause()
            count += 1
    except OSError:
        pass
    print(f"crowd of {count}", flush=True)
    signal.pause()


def judge(function):
    name = inspect.getdoc(function).splitlines()[0]
    try:
        function()
        return f"ok {name}"
    except Skip as reason:
        return f"skip {name}: {reason}"
    except Exception as error:  # pylint: disable=broad-except
        place = traceback.extract_tb(error.__traceback__)[1]
        text = " ".join(str(error).split())[:600]
        return f"FAIL {name}: {type(error).__name__} in line {place.lineno}: {text}"


def main():
    if sys.argv[1:] == ["crowd"]:
        crowd()
    words = sys.argv[2:]
    checks = [value for name, value in globals().items() if name.startswith("test_")]
    port = f"/dev/virtio-ports/{sys.argv[1]}"
    wait_until(lambda: os.path.exists(port), "udev has made the port")
    with open(port, "w", encoding="utf-8", buffering=1) as out:
        print("booted", file=out)
        for check in checks:
            if not words or any(word in inspect.getdoc(check) for word in words):
                print(judge(check), file=out)
        print("done", file=out)


if __name__ == "__main__":
    main()
