# SPDX-License-Identifier: MIT
"""Starts superd, its floor and its peers, each with the same handlers and a backlog of 4096."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time

import measure
import peers

ADDRESS = "127.0.0.1"
READY_SECONDS = 60
# Below what clients use, above what needs a capability.
FIRST_PORT = 2000
LAST_PORT = 19999

_next_port = FIRST_PORT


def take_ports(count=1):
    """The first of count ports in a row that nobody else of this run has."""
    global _next_port
    if _next_port + count > LAST_PORT:
        _next_port = FIRST_PORT
    first = _next_port
    _next_port += count
    return first


class Contender:
    """A server with services, each on a port of its own: with … as server: it runs."""

    name = "?"
    note = ""  # what sets it apart from the others, for the table

    def __init__(self, work, handlers, extra=0):
        """handlers: name -> path of the program, each a service; extra: services nobody asks."""
        self.work = os.path.join(work, f"{self.name}-{take_ports(0)}-{time.monotonic_ns()}")
        os.mkdir(self.work)
        os.chmod(self.work, 0o755)
        first = take_ports(len(handlers) + extra)
        self.ports = {name: first + i for i, name in enumerate(handlers)}
        self.handlers = dict(handlers)
        program = next(iter(handlers.values()))
        for i in range(extra):
            self.handlers[f"extra{i}"] = program
            self.ports[f"extra{i}"] = first + len(handlers) + i
        self.process = None

    def path(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as out:
            out.write(text)
        return self.path(name)

    @property
    def port(self):
        return next(iter(self.ports.values()))

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def start(self):
        with open(self.path("output"), "ab") as output:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, env=self.environment(), start_new_session=True)
        self.wait_ready()

    def wait_ready(self):
        """Every listener is there once the last one is."""
        last = max(self.ports.values())
        end = time.monotonic() + READY_SECONDS
        while True:
            try:
                socket.create_connection((ADDRESS, last), timeout=READY_SECONDS).close()
                return
            except OSError:
                self.check(end)
                time.sleep(0.02)

    def check(self, end):
        if self.process.poll() is not None or time.monotonic() > end:
            with open(self.path("output"), encoding="utf-8", errors="replace") as output:
                raise RuntimeError(f"{self.name} does not serve: {output.read()[-2000:]}")

    def stop(self):
        if self.process is None:
            return
        for pid in measure.tree(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        shutil.rmtree(self.work, ignore_errors=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def own_pids(self):
        """The server's processes, without the handlers."""
        return [self.process.pid]


class Superd(Contender):
    name = "superd"
    programs = None  # the folder of superd, superctl and superd-log; set by run

    def __init__(self, work, handlers, extra=0, **lines):
        """lines: service -> more lines of its table."""
        super().__init__(work, handlers, extra)
        self.lines = lines
        self.arguments = {}  # service -> what its handler gets
        self.ready_after = None

    def text(self):
        parts = [f'[superd]\nlog = "file:{self.path("superd.log")}"\nmax_processes = 30000\n\n'
                 '[defaults]\nmax_connections = "unlimited"\nmax_per_source = "unlimited"\n'
                 + ('user = "nobody"\n' if os.getuid() == 0 else "")]
        for name, program in self.handlers.items():
            words = json.dumps([program, *self.arguments.get(name, ())])
            parts.append(f'[service.{name}]\nlisten = "tcp:{ADDRESS}:{self.ports[name]}"\n'
                         f'exec = {words}\n{self.lines.get(name, "")}')
        return "\n".join(parts)

    def command(self):
        return [os.path.join(self.programs, "superd"), "-c", self.path("superd.toml"), "--run", self.path("run"),
                "--state", self.path("state"), "--socket", self.path("run/control")]

    def start(self):
        self.write("superd.toml", self.text())
        os.mkdir(self.path("run"), 0o755)
        os.mkdir(self.path("state"), 0o700)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind("")
            self.notify_name = "@" + notify.getsockname()[1:].decode()
            begin = time.monotonic()
            with open(self.path("output"), "ab") as output:
                self.process = subprocess.Popen(
                    self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    env={**self.environment(), "NOTIFY_SOCKET": self.notify_name}, start_new_session=True)
            end = begin + READY_SECONDS
            while True:
                if select.select([notify], [], [], 0.05)[0] and b"READY=1" in notify.recv(4096):
                    self.ready_after = time.monotonic() - begin
                    return
                self.check(end)

    def superd_pid(self):
        """The guard's child that serves; None while there is none."""
        program = os.path.join(self.programs, "superd")
        for pid in measure.tree(self.process.pid)[1:]:
            try:
                if os.readlink(f"/proc/{pid}/exe") == program:
                    return pid
            except OSError:
                continue
        return None

    def own_pids(self):
        """Guard, superd and superd-log."""
        found = []
        for pid in measure.tree(self.process.pid):
            try:
                if os.path.dirname(os.readlink(f"/proc/{pid}/exe")) == self.programs:
                    found.append(pid)
            except OSError:
                continue
        return found

    def ctl(self, *words):
        command = [os.path.join(self.programs, "superctl"), "--socket", self.path("run/control"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


class Floor(Contender):
    name = "floor"

    def command(self):
        identity = ["65534", "65534"] if os.getuid() == 0 else ["-1", "-1"]
        return [measure.binary("floor"), str(self.port), next(iter(self.handlers.values())), self.path("log"), *identity]


class ForkLoop(Contender):
    name = "fork loop"
    note = "no identity, no log"

    def command(self):
        return [measure.binary("fork_loop"), str(self.port), next(iter(self.handlers.values()))]


class RefuseLoop(Contender):
    name = "accept-close loop"

    def command(self):
        return [measure.binary("refuse_loop"), str(self.port)]


class Xinetd(Contender):
    name = "xinetd"
    note = "backlog by preload, no log"

    def command(self):
        text = ("defaults\n{\n instances = UNLIMITED\n per_source = UNLIMITED\n cps = 1000000 1\n"
                " log_type = FILE /dev/null\n log_on_success =\n log_on_failure =\n}\n")
        for name, program in self.handlers.items():
            text += (f"service {name}\n{{\n type = UNLISTED\n socket_type = stream\n protocol = tcp\n wait = no\n"
                     f" user = nobody\n bind = {ADDRESS}\n port = {self.ports[name]}\n server = {program}\n}}\n")
        return [peers.path("xinetd", "usr/sbin/xinetd"), "-dontfork", "-stayalive", "-f",
                self.write("xinetd.conf", text), "-pidfile", self.path("pid")]

    def environment(self):
        return {**super().environment(), "LD_PRELOAD": measure.binary("backlog.so"),
                "LD_LIBRARY_PATH": peers.library_path("xinetd")}


class Redirecting:
    """What the redirecting contenders have in common: where to, and that none logs its connections."""

    upstream = None  # port of the server behind


class SuperdRedirect(Superd, Redirecting):
    name = "superd redirect"
    note = "no lines of connections"

    def text(self):
        return (f'[superd]\nlog = "file:{self.path("superd.log")}"\n\n[defaults]\n'
                'max_connections = "unlimited"\nmax_per_source = "unlimited"\nlog_admitted = []\n'
                f'[service.bench]\nlisten = "tcp:{ADDRESS}:{self.port}"\n'
                f'redirect = "tcp:{ADDRESS}:{self.upstream}"\n')


class SuperdEcho(Superd):
    name = "superd echo"

    def text(self):
        return (f'[superd]\nlog = "file:{self.path("superd.log")}"\n\n'
                f'[service.bench]\nlisten = ["udp:{ADDRESS}:{self.port}", "tcp:{ADDRESS}:{self.port}"]\n'
                'builtin = "echo"\nrate_per_source = "unlimited"\n')


class Haproxy(Contender, Redirecting):
    name = "haproxy"
    note = "mode tcp, two threads, no log"

    def command(self):
        text = (f"global\n maxconn 4000\n nbthread {min(os.cpu_count() or 1, 4)}\n"
                "defaults\n mode tcp\n timeout connect 10s\n timeout client 1h\n timeout server 1h\n"
                f"listen bench\n bind {ADDRESS}:{self.port} backlog 4096\n server one {ADDRESS}:{self.upstream}\n")
        return [peers.path("haproxy", "usr/sbin/haproxy"), "-db", "-f", self.write("haproxy.cfg", text)]

    def environment(self):
        return {**super().environment(), "LD_LIBRARY_PATH": peers.library_path("haproxy")}


class XinetdRedirect(Xinetd, Redirecting):
    name = "xinetd redirect"

    def command(self):
        command = super().command()
        with open(self.path("xinetd.conf"), encoding="ascii") as file:
            text = file.read()
        lines = [f" redirect = {ADDRESS} {self.upstream}" if line.startswith(" server ") else line
                 for line in text.splitlines()]
        self.write("xinetd.conf", "\n".join(lines) + "\n")
        return command


class XinetdEcho(Xinetd):
    name = "xinetd echo"

    def command(self):
        command = super().command()
        text = ("defaults\n{\n cps = 1000000 1\n log_type = FILE /dev/null\n log_on_success =\n"
                " log_on_failure =\n}\n")
        for protocol, kind in (("udp", "dgram"), ("tcp", "stream")):
            text += (f"service echo\n{{\n id = echo-{kind}\n type = INTERNAL UNLISTED\n socket_type = {kind}\n"
                     f" protocol = {protocol}\n wait = {'yes' if kind == 'dgram' else 'no'}\n user = root\n"
                     f" bind = {ADDRESS}\n port = {self.port}\n}}\n")
        self.write("xinetd.conf", text)
        return command


class Inetd(Contender):
    name = "openbsd-inetd"
    note = "-q 4096, no rate limit"

    def command(self):
        text = "".join(f"{ADDRESS}:{self.ports[name]} stream tcp nowait.1000000000 nobody {program} {program}\n"
                       for name, program in self.handlers.items())
        return [peers.path("openbsd-inetd", "usr/sbin/inetd"), "-i", "-q", "4096", "-R", "1000000000",
                self.write("inetd.conf", text)]

    def environment(self):
        return {**super().environment(), "LD_PRELOAD": measure.binary("backlog.so"),
                "LD_LIBRARY_PATH": peers.library_path("openbsd-inetd")}


class Tcpserver(Contender):
    name = "tcpserver"
    note = "-b 4096, one service, changes its identity once"

    def command(self):
        identity = ["-u", "65534", "-g", "65534"] if os.getuid() == 0 else []
        return [peers.path("ucspi-tcp", "usr/bin/tcpserver"), "-q", "-H", "-R", "-l", "0", "-c", "20000", "-b", "4096",
                *identity, ADDRESS, str(self.port), next(iter(self.handlers.values()))]


class SocketActivate(Contender):
    name = "systemd-socket-activate"
    note = "backlog 4096 of its own, one service, no identity"

    def command(self):
        return [shutil.which("systemd-socket-activate"), "--accept", "--inetd", "-l", f"{ADDRESS}:{self.port}",
                next(iter(self.handlers.values()))]


PEER_PACKAGES = {
    "xinetd": (["xinetd"], ["usr/sbin/xinetd"]),
    "openbsd-inetd": (["openbsd-inetd"], ["usr/sbin/inetd"]),
    "haproxy": (["haproxy"], ["usr/sbin/haproxy"]),
    "ucspi-tcp": (["ucspi-tcp"], ["usr/bin/tcpserver"]),
}
_PACKAGE_OF = {Xinetd: "xinetd", Inetd: "openbsd-inetd", Tcpserver: "ucspi-tcp"}


def available(say):
    """The peers that can run here; says of each other why not."""
    peers.PEERS.update(PEER_PACKAGES)
    found = []
    for kind in (Xinetd, Inetd, Tcpserver, SocketActivate):
        package = _PACKAGE_OF.get(kind)
        if os.getuid() != 0 and kind in (Xinetd, Inetd):
            reason = "needs root to become the handler's user"
        elif package:
            reason = peers.missing(package)
        else:
            reason = None if shutil.which("systemd-socket-activate") else "not installed"
        if reason:
            say(f"skipped {kind.name}: {reason}")
        else:
            found.append(kind)
    reason = peers.missing("haproxy")  # for redirects only
    if reason:
        say(f"skipped haproxy: {reason}")
    return found
