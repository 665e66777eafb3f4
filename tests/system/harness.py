# SPDX-License-Identifier: MIT
"""Starts superd for a test and looks at it from outside."""

import contextlib
import grp
import json
import os
import pwd
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from registry import build, scale

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"

# Every superd of this test, for the evidence of a failure and for the end.
_instances = []


# Generous, for it costs only the test that fails: a machine may do ten other things besides.
DEADLINE = 60.0

# A program that runs until it is ended.
FOREVER = ("/usr/bin/tail", "-f", "/dev/null")


def wait_until(predicate, deadline=DEADLINE, what=None):
    """Looks at the state again and again until it is so; gives back the predicate's value."""
    end = time.monotonic() + deadline * scale()
    pause = 0.002
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what or predicate.__name__}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def holds_for(predicate, seconds, what=None):
    """For what must not happen: looks for that long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert predicate(), f"did not stay so for {seconds} s: {what or predicate.__name__}"
        time.sleep(0.02)


def expect(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what + ': ' if what else ''}got {got!r}, expected {wanted!r}")


def expect_in(part, whole, what=""):
    if part not in whole:
        raise AssertionError(f"{what + ': ' if what else ''}{part!r} is not in {whole!r}")


def program(name, *words):
    """An exec list for one of tests/system/programs, as TOML text."""
    here = "/run/tests" if os.path.isdir("/run/tests") else HERE
    return json.dumps([PYTHON, "-ISB", os.path.join(here, "programs", name + ".py"), *words])


def shell(script):
    """An exec list that runs a shell script, as TOML text."""
    return json.dumps(["/bin/sh", "-c", script])


def forever():
    """An exec list of a program that runs until it is ended, as TOML text."""
    return json.dumps(FOREVER)


class Gate:
    """What a script waits at: `read pass < PATH` goes on when the test lets it."""

    def __init__(self, path="/srv/gate"):
        self.path = path
        os.mkfifo(path)
        os.chmod(path, 0o666)
        self.end = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def let(self, count=1):
        os.write(self.end, b"\n" * count)


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as source:
        return source.read()


def write_text(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)


def processes():
    """(pid, parent, command line) of every process that can be seen and is not a zombie."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = read_text(f"/proc/{entry}/stat")
            command = read_text(f"/proc/{entry}/cmdline").replace("\0", " ").strip()
        except OSError:
            continue
        state, parent = stat.rsplit(")", 1)[1].split()[:2]
        if state != "Z":
            found.append((int(entry), int(parent), command))
    return found


def executable(pid):
    """The path of the program that the process runs, "" where it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def gone(pid):
    """True where the process has ended, reaped or not."""
    try:
        return read_text(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError):
        return True


def descendants(root):
    """(pid, parent, command line) of all below root."""
    everyone, wanted, found = processes(), {root}, []
    grown = True
    while grown:
        grown = False
        for pid, parent, command in everyone:
            if parent in wanted and pid not in wanted:
                wanted.add(pid)
                found.append((pid, parent, command))
                grown = True
    return found


def as_user(name, function, groups=()):
    """Calls the function in a process that is somebody else; gives back what it returned, as text."""
    entry = pwd.getpwnam(name)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([grp.getgrnam(group).gr_gid for group in groups])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            os.write(writer, b"=" + str(function()).encode())
        except BaseException as error:
            os.write(writer, b"!" + repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(pid, 0)
    assert text.startswith("="), f"as {name}: {text[1:]}"
    return text[1:]


class Result:
    """What a command said and how it ended."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __repr__(self):
        return f"{shlex.join(self.command)} -> {self.code}\n{self.out}{self.err}"

    def json(self):
        return json.loads(self.out)


def run(command, deadline=DEADLINE, env=None, stdin="", cwd=None):
    """Runs a command to its end."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, errors="replace",
        timeout=deadline * scale(), env=env, cwd=cwd, check=False)
    return Result(list(command), done.returncode, done.stdout, done.stderr)


def test_directory():
    """A folder of the test's own: in a namespace below /run, which is its own and root's."""
    base = "/run/test" if os.path.isdir("/run/test") else None
    path = tempfile.mkdtemp(prefix="superd-", dir=base)
    os.chmod(path, 0o755)
    return path


def notify_socket():
    """For NOTIFY_SOCKET; autobind gives an abstract name nobody else can have."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind("")
    return notify


class Superd:
    """One superd (guard and all) with its files in a folder of its own.

    with Superd(text) as d: starts it, waits until it is ready and ends it.
    notify: a bound socket for superd's own notifications, which stays the caller's.
    """

    def __init__(self, text, *, args=(), env=None, prefix=(), files=None, ready=True, directory=None,
                 notify=None):
        self.directory = directory or test_directory()
        self.config = os.path.join(self.directory, "superd.toml")
        self.run_dir = os.path.join(self.directory, "run")
        self.state_dir = os.path.join(self.directory, "state")
        self.socket = os.path.join(self.directory, "run", "control")
        self.log_path = os.path.join(self.directory, "stderr.log")
        self.args, self.extra_env, self.prefix = list(args), dict(env or {}), list(prefix)
        self.expect_ready = ready
        self.process, self.pass_fds = None, ()
        self.notify, self.notified = notify, ""
        for name, content in (files or {}).items():
            path = os.path.join(self.directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_text(path, content)
        if text is not None:
            self.write(text)
        _instances.append(self)

    # ---- files

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, text):
        """Installs a new configuration; what superd logs goes to its stderr unless text says else."""
        if "[superd]" not in text:
            text += '\n[superd]\nlog = "stderr"\n'
        elif not re.search(r"^log\s*=", text, re.M):
            text = text.replace("[superd]", '[superd]\nlog = "stderr"', 1)
        temporary = self.config + ".new"
        write_text(temporary, text)
        os.rename(temporary, self.config)

    def log(self):
        try:
            return read_text(self.log_path)
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, deadline=DEADLINE, after=0):
        """The first match of a regular expression in the log, waited for."""
        return wait_until(
            lambda: re.search(pattern, self.log()[after:]), deadline, f"/{pattern}/ in the log")

    # ---- the process

    def command(self):
        return self.prefix + [
            os.path.join(build(), "superd"), "-c", self.config, "--run", self.run_dir,
            "--state", self.state_dir, "--socket", self.socket, *self.args]

    def start(self):
        self.notified = ""
        os.makedirs(self.run_dir, exist_ok=True)
        os.makedirs(self.state_dir, mode=0o700, exist_ok=True)
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **self.extra_env}
        with contextlib.nullcontext(self.notify) if self.notify else notify_socket() as notify:
            environment["NOTIFY_SOCKET"] = "@" + notify.getsockname()[1:].decode()
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(
                    self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env=environment, start_new_session=True, pass_fds=self.pass_fds)
            if self.expect_ready:
                self._wait_ready(notify)
        return self

    def _wait_ready(self, notify, deadline=DEADLINE):
        end = time.monotonic() + deadline * scale()
        while "READY=1" not in self.notified:
            readable, _, _ = select.select([notify], [], [], 0.05)
            if readable:
                self.notified += notify.recv(4096).decode() + "\n"
                continue
            if self.process.poll() is not None:
                raise AssertionError(f"superd ended with {self.process.returncode} before it was ready")
            assert time.monotonic() < end, f"superd not ready within {deadline} s"

    @property
    def guard(self):
        return self.process.pid

    @property
    def pid(self):
        """superd's own pid."""
        return self.superd_pids()[0]

    def superd_pids(self):
        """The guard's child that leads a process group in the guard's session.

        A launch that a killed superd had begun is the guard's child as well, for a moment, and still
        superd by its program; but it is in its old parent's group or in a session of its own.
        """
        path = executable(self.guard)  # another one after an upgrade
        children = read_text(f"/proc/{self.guard}/task/{self.guard}/children").split()
        return [int(pid) for pid in children
                if executable(pid) == path and _leads_group(pid, self.guard)]

    def wait_superd(self, other_than=None, deadline=DEADLINE):
        """The pid of a superd that runs and answers."""

        seen = []

        def look():
            fresh = [pid for pid in self.superd_pids() if pid != other_than]
            answer = self.ctl("version", quiet=True) if fresh else None
            seen[:] = [fresh, answer]
            return answer and answer.code == 0 and fresh[0]

        try:
            return wait_until(look, deadline, "a superd that answers")
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen: {seen}") from None

    def fds(self, pid=None):
        """What the descriptors of superd are, by number."""
        folder = f"/proc/{pid or self.pid}/fd"
        found = {}
        for number in os.listdir(folder):
            try:
                found[int(number)] = os.readlink(f"{folder}/{number}")
            except OSError:
                continue
        return found

    def children(self):
        """(pid, command line) of the processes that services run; superd's own are left out."""
        own = {os.path.join(build(), name) for name in ("superd", "superd-log", "superd-exec", "superd-resolve",
                                                      "superd-relay", "superd-announce", "superd-key")}
        return [(pid, command) for pid, _, command in descendants(self.guard)
                if executable(pid) not in own]

    def signal(self, number):
        os.kill(self.guard, number)

    def wait_end(self, deadline=DEADLINE):
        return self.process.wait(timeout=deadline * scale())

    def stop(self):
        """TERM, as an init system would. Handlers that are left run on and are the test's to end."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            expect(self.wait_end(), 0, "superd's exit status after TERM")

    def kill_everything(self):
        """The end of a test, whatever state it is in."""
        if self.process is None:
            return
        own = [pid for pid, _, _ in descendants(self.guard)]
        for pid in [self.guard, *own]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process.poll() is None:
            self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()

    # ---- superctl

    def ctl(self, *args, deadline=DEADLINE, stdin="", quiet=False, env=None):
        """Runs superctl; the result tells how it ended."""
        command = [os.path.join(build(), "superctl"), "--socket", self.socket, *args]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "NO_COLOR": "1",
                       **(env or {})}
        result = run(command, deadline, environment, stdin)
        if not quiet:
            print(f"$ {result!r}")
        return result

    def ok(self, *args, **kwargs):
        """superctl, which must succeed; gives back what it printed."""
        result = self.ctl(*args, **kwargs)
        expect(result.code, 0, f"superctl {shlex.join(args)}")
        return result.out

    def ctl_json(self, *args):
        return json.loads(self.ok("--json", *args))

    def status(self, service):
        """The JSON of one service's status."""
        return self.ctl_json("status", service)["service"]

    def state(self, service):
        return self.status(service)["state"]

    def refused(self, service):
        """How many were not let in, by reason."""
        return self.status(service)["refused"]

    def connections(self, service):
        return self.status(service)["connections"]["now"]

    def wait_connections(self, service, count):
        wait_until(lambda: self.connections(service) == count, what=f"{count} connections of {service}")

    def wait_status(self, service, **wanted):
        """Members of the service's status; counters move a little after what they count."""

        def look():
            status = self.status(service)
            return all(status[key] == value for key, value in wanted.items())

        wait_until(look, what=f"{service} with {wanted}")

    def wait_state(self, service, state, deadline=DEADLINE):
        return wait_until(lambda: self.state(service) == state, deadline, f"{service} {state}")

    def reload(self):
        return self.ctl("reload-config")

    def port(self, service):
        """The TCP or UDP port of a service that listens on port 0."""
        bound = self.bound(service)
        return int(bound.rsplit(":", 1)[1])

    def bound(self, service):
        listeners = self.status(service)["listeners"]
        return listeners[0]["bound"]


def _leads_group(pid, guard):
    try:
        return os.getpgid(int(pid)) == int(pid) and os.getsid(int(pid)) == os.getsid(guard)
    except ProcessLookupError:
        return False


def print_evidence():
    """After a failure: every superd's command line, configuration and log."""
    time.sleep(0.3)  # superd-log writes the last lines on its own time
    for instance in _instances:
        print(f"--- {shlex.join(instance.command())}")
        if instance.process is not None:
            print(f"--- guard {instance.guard}, status {instance.process.poll()}")
        if os.path.exists(instance.config):
            text = read_text(instance.config)
            print(f"--- {instance.config}:\n{text[:4000]}")
        log = instance.log()
        print(f"--- log ({len(log)} bytes):\n{log[-6000:]}")
        if len(log) > 6000:
            rare = [line for line in log.splitlines() if not re.search(" (START|EXIT) ", line)]
            print("--- what is neither START nor EXIT in it:", *rare[-60:], sep="\n")
    sys.stdout.flush()


def end_everything():
    """Ends what the test's superds left, and gives back what should not have been there."""
    try:
        wait_until(lambda: not descendants(os.getpid()), 30)
    except AssertionError:
        pass
    left = descendants(os.getpid())
    for instance in _instances:
        instance.kill_everything()
    for pid, _, _ in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for instance in _instances:
        if not instance.directory.startswith("/run/test/"):
            shutil.rmtree(instance.directory, ignore_errors=True)
    return left
