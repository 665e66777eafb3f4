# SPDX-License-Identifier: MIT
"""superd without root: unprivileged ports, no change of user."""

import json
import os
import signal

from clients import ask, ask_udp
from harness import Superd, as_user, expect, expect_in, program, test_directory
from registry import build, skip, without_namespace


def superd(text, **kwargs):
    """As nobody where the test itself is root."""
    directory = test_directory()
    prefix = []
    if os.getuid() == 0:
        program_file = os.path.join(build(), "superd")
        if as_user("nobody", lambda: os.access(program_file, os.X_OK)) != "True":
            skip(f"{program_file} cannot be reached by other users")
        os.makedirs(os.path.join(directory, "run"))
        os.makedirs(os.path.join(directory, "state"))
        for name in (".", "run", "state"):
            os.chown(os.path.join(directory, name), 65534, 65534)
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    return Superd(text, prefix=prefix, directory=directory, **kwargs)


def uid():
    return 65534 if os.getuid() == 0 else os.getuid()


def test_handler():
    """A handler runs as superd's own user, on a port that the kernel chose"""
    with superd(f'[service.tell]\nlisten = "tcp:127.0.0.1:0"\nexec = {program("tell")}\n') as d:
        told = json.loads(ask(d.port("tell")))
        expect(told["uids"], [uid()] * 3)
        expect(sorted(told["descriptors"]), ["0", "1", "2"])
        expect(d.ctl_json("status")["daemon"]["root"], False)


def test_worker():
    """A datagram worker on demand"""
    text = f'[service.tell]\nlisten = "udp:127.0.0.1:0"\nexec = {program("tell", "worker", "1", "0")}\n'
    with superd(text) as d:
        pids = {json.loads(ask_udp(d.port("tell"), b"?"))["pid"] for _ in range(2)}
        expect(len(pids), 2)


def test_another_user():
    """user = somebody else is an error in the file"""
    text = f'[service.tell]\nlisten = "tcp:127.0.0.1:0"\nexec = {program("tell")}\nuser = "daemon"\n'
    d = superd(text, ready=False).start()
    expect(d.wait_end(), 1)
    expect_in(f"{d.config}:4:", d.log())


def test_privileged_port():
    """A port that only root may bind is an error in the file, with the place"""
    d = superd('[service.low]\nlisten = "tcp:127.0.0.1:7"\nexec = ["/bin/cat"]\n', ready=False).start()
    expect(d.wait_end(), 1)
    expect_in(f"{d.config}:2:10: ", d.log())
    expect_in("1024", d.log())


def test_kill_and_reload():
    """kill -9 and a reload work without root as well"""
    with superd(f'[service.tell]\nlisten = "tcp:127.0.0.1:0"\nexec = {program("tell")}\n') as d:
        port = d.port("tell")
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        expect(d.port("tell"), port)
        json.loads(ask(port))
        d.write(f'[service.tell]\nlisten = "tcp:127.0.0.1:0"\nexec = {program("tell")}\numask = "0077"\n')
        expect(d.reload().code, 0)
        expect(json.loads(ask(port))["umask"], 0o077)


def test_directories():
    """$XDG_RUNTIME_DIR/superd/control is the socket where none is named"""
    directory = test_directory()
    if os.getuid() == 0:
        os.chown(directory, 65534, 65534)
    d = superd(f'[service.tell]\nlisten = "tcp:127.0.0.1:0"\nexec = {program("tell")}\n',
               env={"XDG_RUNTIME_DIR": directory, "HOME": directory})
    d.socket = os.path.join(directory, "superd", "control")
    full = d.command

    def command():
        words = full()
        where = words.index("--run")
        return words[:where] + words[where + 2:words.index("--socket")]

    d.command = command
    with d:
        expect(d.state("tell"), "listening")
        assert os.path.exists(d.socket)


@without_namespace
def test_on_the_host():
    """On the machine as it is, without namespaces: a handler answers and the stop leaves nothing"""
    with superd('[service.echo]\nlisten = ["tcp:127.0.0.1:0"]\nexec = ["/bin/cat"]\n') as d:
        expect(ask(d.port("echo"), b"x"), b"x")
