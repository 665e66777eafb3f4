# SPDX-License-Identifier: MIT
"""superd as a supervisor, beside s6, runit, daemontools and supervisord: each keeps the same daemons."""

import os
import select
import signal
import socket
import struct
import subprocess
import time

import measure
import namespace
import peers
from contenders import READY_SECONDS, Contender, Superd

PACKAGES = {
    "s6": (["s6"], ["usr/bin/s6-svscan", "usr/bin/s6-supervise"]),
    "runit": (["runit"], ["usr/bin/runsvdir", "usr/bin/runsv"]),
    "daemontools": (["daemontools"], ["usr/bin/svscan", "usr/bin/supervise"]),
    "supervisor": (["supervisor", "python3-pkg-resources", "python3-setuptools"], ["usr/bin/supervisord"]),
}


class Keeping:
    """A contender that keeps daemons which tell their number to a socket of the bench when they run."""

    def __init__(self, work, program, count):
        super().__init__(work, {"d0": program}, count - 1)
        self.program, self.count = program, count
        self.ready_after = None
        self.running = []

    def start(self):
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind("")
        self.lay_out()
        begin = time.monotonic()
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**self.environment(), **self.variables()}, start_new_session=True)
        self.running = [self.next_daemon() for _ in range(self.count)]
        self.ready_after = time.monotonic() - begin

    def stop(self):
        super().stop()
        self.told.close()

    def variables(self):
        return {"BENCH_READY": self.told.getsockname()[1:].decode()}

    def lay_out(self):
        """Writes what the command reads."""

    def next_daemon(self):
        """The process that says next that it runs."""
        if not select.select([self.told], [], [], READY_SECONDS)[0]:
            raise RuntimeError(f"{self.name}: a daemon does not come")
        return struct.unpack("i", self.told.recv(64))[0]

    def restart_after_kill(self, place):
        """Seconds from KILL of a daemon until the next one runs."""
        begin = time.monotonic()
        os.kill(self.running[place], signal.SIGKILL)
        self.running[place] = self.next_daemon()
        return time.monotonic() - begin

    def keeper_pids(self):
        """All but the daemons."""
        found = []
        for pid in measure.tree(self.process.pid):
            try:
                if os.readlink(f"/proc/{pid}/exe") != self.program:
                    found.append(pid)
            except OSError:
                continue
        return found


class SuperdKeeping(Keeping, Superd):
    name = "superd"
    note = "own user and journal for each"

    def lay_out(self):
        user = 'user = "nobody"\n' if os.getuid() == 0 else ""
        parts = [f'[superd]\nlog = "file:{self.path("superd.log")}"\nmax_processes = 30000\n\n[defaults]\n{user}']
        parts += [f'[service.{name}]\nexec = "{self.program}"\n'
                  f'environment = {{ BENCH_READY = "{self.variables()["BENCH_READY"]}" }}\n' for name in self.handlers]
        self.write("superd.toml", "".join(parts))
        os.mkdir(self.path("run"), 0o755)
        os.mkdir(self.path("state"), 0o700)


class Scanned(Keeping, Contender):
    """One folder with a folder for each service, whose program is named run."""

    package = None

    def lay_out(self):
        os.mkdir(self.path("scan"))
        for name in self.handlers:
            os.mkdir(self.path(f"scan/{name}"))
            os.symlink(self.program, self.path(f"scan/{name}/run"))

    def environment(self):
        return {"PATH": peers.path(self.package, "usr/bin") + ":/usr/bin:/bin",
                "LD_LIBRARY_PATH": peers.library_path(self.package)}


class S6(Scanned):
    name, package = "s6", "s6"

    def command(self):
        return [peers.path("s6", "usr/bin/s6-svscan"), "-c", str(self.count + 10), self.path("scan")]


class Runit(Scanned):
    name, package = "runit", "runit"

    def command(self):
        return [peers.path("runit", "usr/bin/runsvdir"), self.path("scan")]


class Daemontools(Scanned):
    name, package = "daemontools", "daemontools"

    def command(self):
        return [peers.path("daemontools", "usr/bin/svscan"), self.path("scan")]


class Supervisord(Keeping, Contender):
    name = "supervisord"

    def lay_out(self):
        parts = [f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n"
                 f"pidfile={self.path('pid')}\nchildlogdir={self.work}\n"]
        parts += [f"[program:{name}]\ncommand={self.program}\nautorestart=true\nstdout_logfile=NONE\n"
                  "stderr_logfile=NONE\n" for name in self.handlers]
        self.write("supervisord.conf", "".join(parts))

    def command(self):
        return ["/usr/bin/python3", peers.path("supervisor", "usr/bin/supervisord"), "-c",
                self.path("supervisord.conf")]

    def environment(self):
        return {**super().environment(),
                "PYTHONPATH": peers.path("supervisor", "usr/lib/python3/dist-packages")}


_PACKAGE_OF = {S6: "s6", Runit: "runit", Daemontools: "daemontools", Supervisord: "supervisor"}


def available(say):
    """The supervisors that can run here; says of each other why not."""
    peers.PEERS.update(PACKAGES)
    found = []
    for kind, package in _PACKAGE_OF.items():
        reason = peers.missing(package)
        if kind is S6 and os.getuid() != 0:
            reason = "calls s6-supervise by its full name, which only root can put there"
        if reason:
            say(f"skipped {kind.name}: {reason}")
        else:
            found.append(kind)
    return found


def lay_over(found, say):
    """In mounts of the bench's own: /usr/bin with s6-supervise in it."""
    if S6 not in found:
        return
    try:
        namespace.mount("overlay", "/usr/bin", "overlay", data=f"lowerdir={peers.path('s6', 'usr/bin')}:/usr/bin")
    except OSError as error:
        found.remove(S6)
        say(f"skipped s6: /usr/bin/s6-supervise cannot be put there: {error}")
