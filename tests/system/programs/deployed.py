# SPDX-License-Identifier: MIT
"""A worker as it should be: answers each client with $RELEASE and its pid, and ends after TERM between two clients."""

import os
import select
import signal
import socket


def main():
    wake, signalled = socket.socketpair()
    for end in (wake, signalled):
        end.setblocking(False)
    signal.set_wakeup_fd(signalled.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    with socket.socket(fileno=3) as listener:
        listener.setblocking(False)
        while True:
            ready, _, _ = select.select([wake, listener], [], [])
            if wake in ready:
                return
            try:
                client, _ = listener.accept()
            except (BlockingIOError, ConnectionError):
                continue
            with client:
                client.setblocking(True)
                client.sendall(f"{os.environ['RELEASE']} {os.getpid()}\n".encode())


if __name__ == "__main__":
    main()
