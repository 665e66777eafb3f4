# SPDX-License-Identifier: MIT
"""A foreign inetd and superd, side by side: how each is run, and how what was seen of them is compared.

What was seen is a table from a key ("SERVICE.WHAT") to a text. Where the texts of the two differ, a row
of the table of differences must say so; a row that no longer says the truth is an error as well.
"""

import os
import re
import signal
import socket
import subprocess
from dataclasses import dataclass

import peers
from harness import HERE, PYTHON, Superd, build, expect, read_text, run, wait_until, write_text
from log_test import make_dev

NOTHING = "-"  # what is not there
LOG = "/run/test/peer.log"
# What a service must not find in its environment unless the file says so.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "CHOSEN": "one two",
               "SECRET": "hidden", "LD_BIND_NOW": "1"}


@dataclass(frozen=True)
class Difference:
    """One row: where these peers and superd are not the same, and why superd's way is right.

    `what` is patterns of keys with " | " between them, `theirs` and `ours` are one each; * stands for anything.
    """

    peers: str
    what: str
    theirs: str
    ours: str
    reason: str

    def covers(self, peer, key, theirs, ours):
        return (peer in self.peers.split() and any(glob(part, key) for part in self.what.split(" | "))
                and glob(self.theirs, theirs) and glob(self.ours, ours))


def glob(pattern, text):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.S) is not None


def compare(peer, theirs, ours, table):
    """Fails with every difference that has no row, and every row without a difference."""
    wrong, used = [], set()
    for key in sorted(theirs.keys() | ours.keys()):
        their, our = theirs.get(key, NOTHING), ours.get(key, NOTHING)
        if their == our:
            continue
        rows = [row for row in table if row.covers(peer, key, their, our)]
        used.update(rows)
        if not rows:
            wrong.append(f"not in the table: {key}\n    {peer}: {their}\n    superd: {our}")
    for row in table:
        if peer in row.peers.split() and row not in used:
            wrong.append(f"no longer so: {peer}, {row.what}: {row.theirs} / {row.ours}")
    print(f"{len(theirs.keys() | ours.keys())} things compared, {len(used)} rows used")
    assert not wrong, f"{len(wrong)} differences\n" + "\n".join(wrong)


def listening():
    """Every address of the network namespace that takes connections or datagrams: {"tcp 2000"}."""
    found = set()
    for table, listens in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for row in read_text(f"/proc/net/{table}").splitlines()[1:]:
            fields = row.split()
            if fields[3] == listens:
                found.add(f"{table[:3]} {int(fields[1].rsplit(':', 1)[1], 16)}")
    return found


def wait_listening(ports, who):
    try:
        wait_until(lambda: ports <= listening(), 30)
    except AssertionError:
        raise AssertionError(f"{who} does not listen on {sorted(ports - listening())}") from None


def careless(command):
    """A command, started by a parent that left much behind."""
    here = "/run/tests" if os.path.isdir("/run/tests") else HERE
    return [PYTHON, "-ISB", os.path.join(here, "programs", "careless.py"), *command]


class SystemLog:
    """What comes to /dev/log, in a /dev of the test's own."""

    def __init__(self):
        self.receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver.bind("/run/test/devlog")
        self.receiver.settimeout(60)
        os.chmod("/run/test/devlog", 0o666)
        os.symlink("/run/test/devlog", make_dev() + "/log")

    def until(self, word):
        """The lines up to one with the word, without their time and what differs from run to run."""
        lines = []
        while not lines or word not in lines[-1]:
            line = self.receiver.recv(65536).decode().rstrip("\n\0").replace("::ffff:", "")
            lines.append(re.sub(r"^(<\d+>)\w{3} [ \d]\d [\d:]+ ", r"\1", re.sub(r"\[\d+\]", "[N]", line)))
        return "\n      ".join(line for line in lines if ": told" in line)


class Peer:
    """A foreign inetd in the foreground."""

    def __init__(self, package, command, ports, pid_file=None):
        self.package, self.command, self.ports, self.pid_file = package, command, ports, pid_file
        self.process, self.seen, self.system_log = None, {}, None

    def __enter__(self):
        with open("/run/test/peer.err", "wb") as errors:
            self.process = subprocess.Popen(
                careless(self.command), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                env={**ENVIRONMENT, "LD_LIBRARY_PATH": peers.library_path(self.package)}, start_new_session=True)
        wait_listening(self.ports, self.package)
        return self

    def __exit__(self, *_):
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def pids(self):
        """The daemon; one that has a file for it does not stay in the foreground."""
        return [int(read_text(self.pid_file))] if self.pid_file else [self.process.pid]

    def log(self):
        return read_text(LOG) if os.path.exists(LOG) else ""


class Ours(Superd):
    """superd, with what import made of the peer's file."""

    def __init__(self, text, ports):
        super().__init__(text, prefix=careless([]), env=ENVIRONMENT)
        self.ports, self.seen, self.system_log = ports, {}, None

    def __enter__(self):
        self.start()
        wait_listening(self.ports, "superd")
        return self

    def pids(self):
        return [self.guard, self.pid]

    def log(self):
        return read_text(LOG) if os.path.exists(LOG) else ""


def imported(*words):
    """What superctl import makes of a file; superd -t takes it."""
    out = "/run/test/imported.toml"
    told = run([os.path.join(build(), "superctl"), "import", *words, "-o", out, "--force"])
    expect(told.code, 0, told.err)
    print(told.err)
    text = read_text(out)
    checked = run([os.path.join(build(), "superd"), "-t", "-c", out])
    expect(checked.code, 0, checked.err)
    return text


def forget_log():
    if os.path.exists(LOG):
        os.unlink(LOG)
    write_text(LOG, "")
