# SPDX-License-Identifier: MIT
"""A worker of a pool, which serves one client after the other and drains when it is told to end.

pool.py WORD [GATE]   answers each line that is a client's first with "WORD PID\n"; a client that sends "hold"
                      is answered when it has hung up its sending side, and nobody else before
                      GATE: a file that has to be there before it says READY=1
"""

import os
import select
import signal
import socket
import sys
import time


def say(text):
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + path[1:] if path.startswith("@") else path)
        notify.send(text.encode())


def serve(listener, word):
    try:
        client, _ = listener.accept()
    except BlockingIOError:
        return  # another worker was faster
    with client:
        client.setblocking(True)
        got = client.recv(64)
        if got.startswith(b"hold"):
            while client.recv(64):
                pass
        client.sendall(f"{word} {os.getpid()}\n".encode())


def main():
    word = sys.argv[1]
    listener = socket.socket(fileno=3)
    listener.setblocking(False)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGTERM, lambda *_: None)
    if word == "broken":
        sys.exit(3)
    while len(sys.argv) > 2 and not os.path.exists(sys.argv[2]):
        time.sleep(0.01)
    say("READY=1")
    while True:
        ready, _, _ = select.select([listener, reader], [], [])
        if reader in ready:
            return
        serve(listener, word)


main()
