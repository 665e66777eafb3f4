# SPDX-License-Identifier: MIT
"""A part of a ZeroMQ pipeline: numbers go from the source over squarers to the sink, which writes them down.

usage: pipeline.py LIBRARY source|squarer|sink FOLDER

The source and the sink bind sockets in FOLDER, squarers connect to both. Each says READY=1 when it has its sockets,
and on TERM hands on what it has before it ends.
"""

import ctypes
import os
import signal
import socket
import sys
import time

PULL, PUSH = 7, 8
LINGER, SNDHWM, RCVHWM = 17, 23, 24
DONTWAIT = 1

zmq = ctypes.CDLL(sys.argv[1], use_errno=True)
zmq.zmq_ctx_new.restype = zmq.zmq_socket.restype = ctypes.c_void_p
for name in ("zmq_socket", "zmq_bind", "zmq_connect", "zmq_send", "zmq_recv", "zmq_setsockopt", "zmq_close",
             "zmq_ctx_term"):
    getattr(zmq, name).argtypes = None
context = ctypes.c_void_p(zmq.zmq_ctx_new())
part, folder = sys.argv[2:]
over = False


def end(*_):
    global over
    over = True


def check(result):
    if result != 0:
        sys.exit(f"{part}: {os.strerror(ctypes.get_errno())}")


def open_socket(kind, use, name):
    made = ctypes.c_void_p(zmq.zmq_socket(context, kind))
    # Short queues: what waits stays with the source. And what was sent is delivered, whatever ends meanwhile.
    for option, value in ((SNDHWM, 1), (RCVHWM, 1), (LINGER, 1000)):
        number = ctypes.c_int(value)
        check(zmq.zmq_setsockopt(made, option, ctypes.byref(number), ctypes.c_size_t(4)))
    check(use(made, f"ipc://{folder}/{name}".encode()))
    return made


def send(to, number):
    """Until it is taken, or this program is told to end."""
    text = str(number).encode()
    while zmq.zmq_send(to, text, ctypes.c_size_t(len(text)), DONTWAIT) < 0:
        if over:
            return False
        time.sleep(0.002)
    return True


def receive(source):
    """A number; None where this program is told to end."""
    buffer = ctypes.create_string_buffer(64)
    while not over:
        size = zmq.zmq_recv(source, buffer, ctypes.c_size_t(64), DONTWAIT)
        if size >= 0:
            return int(buffer.raw[:size])
        time.sleep(0.002)
    return None


def say_ready():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = os.environ["NOTIFY_SOCKET"]
        notify.connect("\0" + path[1:] if path.startswith("@") else path)
        notify.send(b"READY=1")


def run_source():
    work = open_socket(PUSH, zmq.zmq_bind, "work")
    say_ready()
    # The next number is its own: after a restart it goes on where it was.
    path = os.path.join(folder, "next")
    number = int(open(path, encoding="ascii").read()) if os.path.exists(path) else 1
    while not over and send(work, number):
        number += 1
        with open(path, "w", encoding="ascii") as out:
            out.write(str(number))
        time.sleep(0.005)
    return work


def run_squarer():
    work, done = open_socket(PULL, zmq.zmq_connect, "work"), open_socket(PUSH, zmq.zmq_connect, "done")
    say_ready()
    while (number := receive(work)) is not None:
        while not send(done, number * number):
            time.sleep(0.01)
    zmq.zmq_close(work)
    return done


def run_sink():
    done = open_socket(PULL, zmq.zmq_bind, "done")
    say_ready()
    with open(os.path.join(folder, "numbers"), "a", encoding="ascii", buffering=1) as out:
        while (number := receive(done)) is not None:
            out.write(f"{number}\n")
    return done


signal.signal(signal.SIGTERM, end)
zmq.zmq_close({"source": run_source, "squarer": run_squarer, "sink": run_sink}[part]())
zmq.zmq_ctx_term(context)
