# SPDX-License-Identifier: MIT
"""A worker of a message queue or a netlink socket: writes what comes to FILE, a line each, with its own pid.

usage: queue.py FILE [GATE]    takes messages until there are none, then leaves; with GATE waits at it before each
"""

import ctypes
import os
import select
import socket
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
NAMES = os.environ["LISTEN_FDNAMES"]
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"


def message():
    """The next one of the queue on descriptor 3; None where it is empty. Needs room for the longest."""
    waiting = select.poll()
    waiting.register(3, select.POLLIN)
    if not waiting.poll(0):
        return None
    buffer = ctypes.create_string_buffer(1 << 20)
    size = libc.mq_receive(3, buffer, len(buffer), None)
    assert size >= 0, os.strerror(ctypes.get_errno())
    return buffer.raw[:size].decode()


def news():
    """The next message of netlink: its type."""
    with socket.socket(fileno=os.dup(3)) as netlink:
        try:
            return str(struct.unpack_from("=IH", netlink.recv(65536, socket.MSG_DONTWAIT))[1])
        except BlockingIOError:
            return None


def main():
    take = news if stat.S_ISSOCK(os.fstat(3).st_mode) else message
    while True:
        if len(sys.argv) > 2:
            with open(sys.argv[2], "rb", buffering=0) as gate:
                gate.read(1)
        text = take()
        if text is None:
            return
        with open(sys.argv[1], "a", encoding="ascii") as out:
            out.write(f"{os.getpid()} {NAMES} {text}\n")


main()
