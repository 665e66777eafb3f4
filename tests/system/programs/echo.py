# SPDX-License-Identifier: MIT
"""A worker that gives every client back what it sends, up to its end of file, many at a time."""

import socket
import threading


def serve(client):
    with client:
        try:
            while data := client.recv(65536):
                client.sendall(data)
        except OSError:
            pass


def main():
    with socket.socket(fileno=3) as listener:
        listener.setblocking(True)
        while True:
            try:
                client, _ = listener.accept()
            except ConnectionError:
                continue
            client.setblocking(True)
            threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
