# SPDX-License-Identifier: MIT
"""Does what it is told, line by line, through the FIFO that is its first argument.

say TEXT      to $NOTIFY_SOCKET; "|" stands for the end of a line
fork TEXT     the same, by a child in its session
leave TEXT    the same, by a child in a session of its own
reloads       RELOADING=1, with the time
barrier       BARRIER=1 with a descriptor; PATH.barrier is made once that was closed
flood COUNT   so many STATUS messages
store NAME KIND LINES   FDSTORE=1 with a memfd that has the name in it, a listening socket, one end of a pipe whose
              other end stays here, or 100 memfds; LINES as in say
hang          closes the other ends of such pipes
twice         FDSTORE=1 with a descriptor that was found at the start
stored        to PATH.stored: what was found at the start, a line each: name, what it is, its contents
write N       a newline to descriptor N
listen PORT   on a TCP port of loopback, or a path
environment   to PATH.environment, and the open descriptors to PATH.descriptors
deaf NAME     ignores that signal
exit STATUS
"""

import array
import os
import select
import signal
import socket
import stat
import sys
import time

path = sys.argv[1]
listeners = []
ends = []


def send(text, ancillary=()):
    name = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect("\0" + name[1:] if name.startswith("@") else name)
        out.sendmsg([text.replace("|", "\n").encode()], ancillary)


def by_child(text, session):
    """The child waits until its message has been handled, as systemd-notify does."""
    pid = os.fork()
    if pid == 0:
        if session:
            os.setsid()
        send(text)
        barrier()
        os._exit(0)
    os.waitpid(pid, 0)


def barrier():
    reader, writer = os.pipe()
    send("BARRIER=1", [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))])
    os.close(writer)
    while not select.select([reader], [], [], 60)[0]:
        pass
    os.close(reader)


def put(suffix, text):
    with open(path + suffix + ".new", "w", encoding="utf-8") as out:
        out.write(text)
    os.rename(path + suffix + ".new", path + suffix)


def listen(where):
    if where.startswith("/"):
        out = socket.socket(socket.AF_UNIX)
        out.bind(where)
    else:
        out = socket.socket()
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        out.bind(("127.0.0.1", int(where)))
    out.listen()
    listeners.append(out)


def store(name, kind, lines):
    if kind == "memfd":
        fds = [os.memfd_create(name)]
        os.write(fds[0], name.encode())
    elif kind == "listen":
        out = socket.create_server(("127.0.0.1", 0))
        fds = [out.detach()]
    elif kind == "pipe":
        reader, writer = os.pipe()
        ends.append(reader)
        fds = [writer]
    else:
        fds = [os.memfd_create(name) for _ in range(100)]
    hand_over(f"FDNAME={name}" + ("|" + lines if lines else ""), fds)
    for fd in fds:
        os.close(fd)


def hand_over(lines, fds):
    send("FDSTORE=1|" + lines, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


def found():
    names = os.environ.get("LISTEN_FDNAMES", "").split(":") if "LISTEN_FDS" in os.environ else []
    assert len(names) == int(os.environ.get("LISTEN_FDS", "0")), names
    assert not names or os.environ["LISTEN_PID"] == str(os.getpid())
    for number, name in enumerate(names, 3):
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            yield name, "socket", socket.socket(fileno=os.dup(number)).getsockname()[1]
        elif stat.S_ISFIFO(os.fstat(number).st_mode):
            yield name, "pipe", ""
        else:
            yield name, "file", os.pread(number, 100, 0).decode()


def obey(line):
    word, _, rest = line.strip().partition(" ")
    if word == "say":
        send(rest)
    elif word in ("fork", "leave"):
        by_child(rest, word == "leave")
    elif word == "reloads":
        send(f"RELOADING=1|MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    elif word == "barrier":
        barrier()
        put(".barrier", "")
    elif word == "flood":
        for i in range(int(rest)):
            send(f"STATUS=flood {i}")
    elif word == "store":
        store(*(rest.split(" ", 2) + [""])[:3])
    elif word == "hang":
        while ends:
            os.close(ends.pop())
    elif word == "twice":
        hand_over("FDNAME=twice", [3])
    elif word == "stored":
        put(".stored", "".join(f"{name} {kind} {what}\n" for name, kind, what in found()))
    elif word == "write":
        os.write(int(rest), b"\n")
    elif word == "listen":
        listen(rest)
    elif word == "environment":
        # The listing's own descriptor is closed by the time it is looked at.
        numbers = [n for n in map(int, os.listdir("/proc/self/fd")) if n != commands.fileno() and is_open(n)]
        put(".descriptors", " ".join(map(str, sorted(numbers))))
        put(".environment", "\n".join(f"{name}={value}" for name, value in os.environ.items()) + f"\npid={os.getpid()}")
    elif word == "deaf":
        signal.signal(getattr(signal, "SIG" + rest), signal.SIG_IGN)
    elif word == "exit":
        os._exit(int(rest))


def is_open(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False


put(".started", str(os.getpid()))
# Read and write: it never ends, whoever comes and goes.
commands = os.fdopen(os.open(path, os.O_RDWR), "r")
for command in iter(commands.readline, ""):
    obey(command)
while True:
    time.sleep(3600)
