#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A worker that accepts at each of its listeners and answers each message with its pid; TERM ends it at once."""

import os
import signal
import socket
import threading


def serve(connection):
    with connection:
        while connection.recv(4096):
            connection.sendall(b"%d\n" % os.getpid())


def accept(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    listeners = [socket.socket(fileno=3 + i) for i in range(int(os.environ["LISTEN_FDS"]))]
    for listener in listeners:
        listener.setblocking(True)
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
    while True:
        signal.pause()


main()
