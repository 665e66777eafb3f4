# SPDX-License-Identifier: MIT
"""System calls that Python's library has no function for."""

import ctypes
import os
import platform
import socket
import struct

from registry import skip

_NUMBERS = {"x86_64": {"ioprio_get": 252, "kcmp": 312}, "aarch64": {"ioprio_get": 31, "kcmp": 272}}
_IOPRIO_WHO_PROCESS = 1
_KCMP_VM = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):
    numbers = _NUMBERS.get(platform.machine())
    if numbers is None:
        skip(f"the number of {name} on {platform.machine()} is not known")
    result = _libc.syscall(numbers[name], *arguments)
    if result < 0:
        skip(f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def ionice(thread):
    """ioprio_get(2): class << 13 | level."""
    return _call("ioprio_get", _IOPRIO_WHO_PROCESS, thread)


def same_memory(left, right):
    """kcmp(2): whether the two processes share one address space."""
    return _call("kcmp", left, right, _KCMP_VM, 0, 0) == 0


def has_unix_diag():
    """Whether the kernel tells about the queues of UNIX sockets (sock_diag(7))."""
    with socket.socket(socket.AF_UNIX) as one, \
            socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4) as diag:
        one.bind("")
        body = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, os.fstat(one.fileno()).st_ino,
                           1, 0xffffffff, 0xffffffff)
        diag.send(struct.pack("=IHHII", 16 + len(body), 20, 1, 1, 0) + body)
        return struct.unpack("=H", diag.recv(4096)[4:6])[0] == 20
