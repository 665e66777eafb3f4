# SPDX-License-Identifier: MIT
"""A program that a test leads by the hand (programs/puppet.py)."""

import os

from harness import program, read_text, wait_until


class Puppet:
    """lines: what else stands in the service's table."""

    def __init__(self, name, lines="", user="alice"):
        self.name = name
        self.path = f"/srv/{name}"
        os.mkdir(self.path)
        os.chmod(self.path, 0o777)
        self.fifo = f"{self.path}/do"
        os.mkfifo(self.fifo)
        os.chmod(self.fifo, 0o666)
        self.end = os.open(self.fifo, os.O_RDWR | os.O_CLOEXEC)
        self.text = f'[service.{name}]\nexec = {program("puppet", self.fifo)}\nuser = "{user}"\n{lines}\n'

    def do(self, *lines):
        os.write(self.end, "".join(line + "\n" for line in lines).encode())

    def wait_started(self, other_than=None):
        """The pid of the program that obeys now."""

        def look():
            try:
                pid = int(read_text(self.fifo + ".started"))
            except FileNotFoundError:
                return None
            return pid if pid != other_than else None

        return wait_until(look, what=f"a start of {self.name}")

    def wait_file(self, suffix):
        wait_until(lambda: os.path.exists(self.fifo + suffix), what=self.fifo + suffix)
        return read_text(self.fifo + suffix)

    def environment(self):
        self.do("environment")
        text = self.wait_file(".environment")
        os.unlink(self.fifo + ".environment")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def stored(self):
        """What it found kept for it: name, kind, contents."""
        self.do("stored")
        text = self.wait_file(".stored")
        os.unlink(self.fifo + ".stored")
        return [tuple((line + "  ").split(" ")[:3]) for line in text.splitlines()]

    def barrier(self):
        """Returns when superd has handled all that was said before."""
        self.do("barrier")
        self.wait_file(".barrier")
        os.unlink(self.fifo + ".barrier")
