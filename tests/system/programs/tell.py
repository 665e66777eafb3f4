# SPDX-License-Identifier: MIT
"""A service that tells, as one JSON object a client, all that it finds about itself.

tell.py                as a handler: writes to descriptor 1 and ends
tell.py read           the same, with the client's bytes up to its end of file as "got"
tell.py worker N IDLE  as a worker: answers N clients (0: any number) on its listeners, then ends;
                       also after IDLE seconds without one (0: never)
"""

import ctypes
import json
import os
import platform
import resource
import select
import socket
import sys

OPTIONS = {
    "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "send_buffer": (socket.SOL_SOCKET, socket.SO_SNDBUF),
    "receive_buffer": (socket.SOL_SOCKET, socket.SO_RCVBUF),
    "priority": (socket.SOL_SOCKET, socket.SO_PRIORITY),
    "mark": (socket.SOL_SOCKET, socket.SO_MARK),
    "broadcast": (socket.SOL_SOCKET, socket.SO_BROADCAST),
    "reuse_port": (socket.SOL_SOCKET, socket.SO_REUSEPORT),
    "pass_credentials": (socket.SOL_SOCKET, socket.SO_PASSCRED),
    "accepting": (socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
    "protocol": (socket.SOL_SOCKET, socket.SO_PROTOCOL),
    "error": (socket.SOL_SOCKET, socket.SO_ERROR),
    "free_bind": (socket.IPPROTO_IP, 15),
    "transparent": (socket.IPPROTO_IP, socket.IP_TRANSPARENT),
    "tos": (socket.IPPROTO_IP, socket.IP_TOS),
    "traffic_class": (socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
    "v6only": (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
    "no_delay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "defer_accept": (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT),
    "keepalive_time": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "keepalive_interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "keepalive_probes": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "fast_open": (socket.IPPROTO_TCP, 23),
}
IOPRIO_GET = {"x86_64": 252, "aarch64": 31}


def text(path):
    with open(path, "rb") as source:
        return source.read().decode(errors="surrogateescape")


def environment():
    """As exec gave it: the interpreter may have added to os.environ."""
    pairs = (entry.split("=", 1) for entry in text("/proc/self/environ").split("\0") if "=" in entry)
    return dict(pairs)


def descriptors():
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue  # the directory's own
        found[number] = target
    return found


def limits():
    names = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"]
    return {name[7:].lower(): resource.getrlimit(getattr(resource, name)) for name in names}


def name_of(address):
    if isinstance(address, bytes):
        return os.fsdecode(address)
    return list(address) if isinstance(address, tuple) else address


def socket_facts(number):
    """Family, addresses and options of a descriptor, None where it is no socket."""
    try:
        sock = socket.socket(fileno=os.dup(number))
    except OSError:
        return None
    with sock:
        facts = {"family": int(sock.family), "type": int(sock.type),
                 "blocking": os.get_blocking(number), "options": {}}
        try:
            facts["local"] = name_of(sock.getsockname())
            facts["peer"] = name_of(sock.getpeername())
        except OSError:
            pass
        for name, (level, option) in OPTIONS.items():
            try:
                facts["options"][name] = sock.getsockopt(level, option)
            except OSError:
                pass
        try:
            value = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
            facts["options"]["congestion"] = value.rstrip(b"\0").decode()
        except OSError:
            pass
        try:
            facts["options"]["interface"] = sock.getsockopt(
                socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0").decode()
        except OSError:
            pass
        return facts


def tell():
    mask = os.umask(0)
    os.umask(mask)
    libc = ctypes.CDLL(None)
    status = dict(line.split(":\t", 1) for line in text("/proc/self/status").splitlines() if ":\t" in line)
    return {
        "pid": os.getpid(), "parent": os.getppid(), "session": os.getsid(0), "process_group": os.getpgid(0),
        "arguments": text("/proc/self/cmdline").split("\0")[:-1],
        "uids": os.getresuid(), "gids": os.getresgid(), "groups": sorted(os.getgroups()),
        "umask": mask, "nice": os.nice(0), "oom_score_adjust": int(text("/proc/self/oom_score_adj")),
        "limits": limits(), "directory": os.getcwd(), "root": os.readlink("/proc/self/root"),
        "ionice": libc.syscall(IOPRIO_GET.get(platform.machine(), 31), 1, 0),
        "affinity": sorted(os.sched_getaffinity(0)),
        "environment": environment(), "descriptors": descriptors(), "status": status,
        "sockets": {number: socket_facts(int(number)) for number in descriptors()},
    }


def listeners():
    """The sockets that a worker was given: from 3 up, or descriptor 0."""
    count = int(environment().get("LISTEN_FDS", "0"))
    numbers = range(3, 3 + count) if count else [0]
    return [socket.socket(fileno=os.dup(number)) for number in numbers]


def answer(sock, facts):
    message = json.dumps(facts).encode() + b"\n"
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        connection, _ = sock.accept()
        with connection:
            connection.sendall(message)
        return
    _, peer = sock.recvfrom(65536)
    if peer:
        sock.sendto(message[:60000], peer)


def work(count, idle):
    facts = tell()  # before this program changes anything
    sockets = listeners()
    answered = 0
    while count == 0 or answered < count:
        ready, _, _ = select.select(sockets, [], [], idle or None)
        if not ready:
            return
        for sock in ready:
            sock.setblocking(False)
            try:
                answer(sock, facts)
                answered += 1
            except BlockingIOError:
                pass  # another worker was faster


def main():
    words = sys.argv[1:]
    if words[:1] == ["worker"]:
        work(int(words[1]), float(words[2]))
        return
    facts = tell()
    if words[:1] == ["read"]:
        got = b""
        while True:
            part = os.read(0, 65536)
            if not part:
                break
            got += part
        facts["got"] = got.decode(errors="replace")
    os.write(1, json.dumps(facts).encode() + b"\n")


main()
