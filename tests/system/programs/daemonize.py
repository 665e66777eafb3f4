# SPDX-License-Identifier: MIT
"""A daemon of the old kind, which forks and leaves its work to another process.

daemonize.py PATH twice     forks twice, names the second by MAINPID and ends
daemonize.py PATH session   the same, in a session of its own
daemonize.py PATH keeper    forks once, names that one, and stays as its parent

The process that works writes its pid to PATH. HUP: it leaves its work to a child of its own. USR1: it ends with
status 7. USR2: it names a process that is not the service's, and one that is not there; PATH.said is made then.
"""

import array
import os
import select
import signal
import socket
import sys
import time

path, mode = sys.argv[1:]


def send(text, ancillary=()):
    name = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect("\0" + name[1:] if name.startswith("@") else name)
        out.sendmsg([text.encode()], ancillary)


def barrier():
    reader, writer = os.pipe()
    send("BARRIER=1", [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))])
    os.close(writer)
    while not select.select([reader], [], [], 60)[0]:
        pass
    os.close(reader)


def put(name, text):
    with open(name + ".new", "w", encoding="utf-8") as out:
        out.write(text)
    os.rename(name + ".new", name)


def child():
    """Forks; the parent gets the child's pid, the child 0 once its parent may name it."""
    pid = os.fork()
    if pid == 0:
        work()
    return pid


def on_hup(number, frame):
    send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    send(f"MAINPID={child()}\nREADY=1")
    os._exit(0)


def on_usr1(number, frame):
    os._exit(7)


def on_usr2(number, frame):
    send("MAINPID=1")
    send("MAINPID=4194300")
    barrier()
    put(path + ".said", "")


def work():
    signal.signal(signal.SIGHUP, on_hup)
    signal.signal(signal.SIGUSR1, on_usr1)
    signal.signal(signal.SIGUSR2, on_usr2)
    put(path, str(os.getpid()))
    while True:
        time.sleep(3600)


if mode == "keeper":
    main = child()
    send(f"MAINPID={main}\nREADY=1")
    os.waitpid(main, 0)
    time.sleep(3600)

reader, writer = os.pipe()
if os.fork() == 0:
    if mode == "session":
        os.setsid()
    os.write(writer, str(child()).encode())
    os._exit(0)
os.wait()
send(f"MAINPID={int(os.read(reader, 32))}\nREADY=1")
