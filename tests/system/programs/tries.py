# SPDX-License-Identifier: MIT
"""A service that tries what its sandbox may forbid and tells, as one JSON object, how each try ended:
"ok", or the name of the error; which namespace it is in, for namespace:KIND.

tries.py TRY …         a word below, or FUNCTION:ARGUMENT …; as a handler, to descriptor 1
"""

import ctypes
import errno
import json
import mmap
import os
import socket
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_FILES, CLONE_NEWNS, CLONE_NEWUTS = 0x400, 0x20000, 0x4000000


def call(name, *arguments):
    """A function of the C library that returns -1 and sets errno."""
    if getattr(LIBC, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def make_socket(family):
    socket.socket(getattr(socket, "AF_" + family.upper()), socket.SOCK_RAW if family == "netlink" else socket.SOCK_DGRAM)


def write(path):
    with open(path, "w", encoding="ascii") as out:
        out.write("written\n")


def read(path):
    with open(path, "rb") as source:
        source.read(1)


def run(path):
    """Only whether it can be executed; what it then does is its own."""
    pid = os.fork()
    if pid == 0:
        try:
            os.execv(path, [path])
        except OSError as error:
            os._exit(error.errno)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


def suid():
    path = f"/tmp/tries-{os.getpid()}"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o4700)
    finally:
        os.unlink(path)


TRIES = {
    "socket": make_socket,
    "read": read,
    "write": write,
    "list": os.listdir,
    "run": run,
    "remove": os.unlink,
    "unshare": lambda: call("unshare", CLONE_NEWUTS),
    "unshare_files": lambda: call("unshare", CLONE_FILES),  # what anybody may
    "mount": lambda: call("mount", b"none", b"/mnt", b"tmpfs", 0, None),
    "realtime": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1000)),  # EINVAL
    "suid": suid,
    "write_execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "personality": lambda: call("personality", 0x0040000),
    "set_clock": lambda: time.clock_settime(time.CLOCK_MONOTONIC, 0),
    "chown": lambda: os.chown("/tmp", 1, 1),
    "chroot": lambda: os.chroot("/"),
    "setuid": lambda: os.setresuid(-1, 0, -1),
    "bind": lambda port: socket.socket(socket.AF_INET, socket.SOCK_STREAM).bind(("127.0.0.1", int(port))),
    "connect": lambda port: socket.create_connection(("127.0.0.1", int(port)), 5).close(),
}


def attempt(word):
    name, _, argument = word.partition(":")
    try:
        if name == "namespace":
            return os.readlink(f"/proc/self/ns/{argument}")
        TRIES[name](*([argument] if argument else []))
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return "ok"


def main():
    status = {}
    with open("/proc/self/status", encoding="ascii", errors="replace") as source:
        for line in source:
            key, _, value = line.partition(":")
            status[key] = value.strip()
    told = {"status": status, "uids": os.getresuid(), "gids": os.getresgid(), "pid": os.getpid(),
            "tries": {word: attempt(word) for word in sys.argv[1:]}}
    os.write(1, json.dumps(told).encode() + b"\n")


main()
