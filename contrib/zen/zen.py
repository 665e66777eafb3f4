# SPDX-License-Identifier: MIT
"""The question-and-answer protocol for the servers in Python, and where their listener comes from."""

import argparse
import os
import socket

ANSWERS = {
    b"Beautiful is better than?": b"Ugly.",
    b"Explicit is better than?": b"Implicit.",
    b"Simple is better than?": b"Complex.",
}
LONGEST = 200


class Conversation:
    """One client's side: bytes go in, answers come out."""

    def __init__(self):
        self.question = b""

    def feed(self, data):
        return b"".join(self._take(bytes([byte])) for byte in data)

    def finish(self):
        """The client will send no more."""
        return self._answer() if self.question else b""

    def _answer(self):
        question, self.question = self.question, b""
        return ANSWERS.get(question, b"Error: unknown aphorism.")

    def _take(self, byte):
        if byte == b"\r" or (byte == b" " and not self.question):
            return b""
        if byte == b"\n":
            return (self._answer() if self.question else b"") + b"\n"
        self.question += byte
        return self._answer() if byte == b"?" or len(self.question) == LONGEST else b""


def listener():
    """Descriptor 3 where LISTEN_FDS is meant for this process, else a socket of its own on --port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, help="serves without superd; default 1060")
    port = parser.parse_args().port
    given = os.environ.get("LISTEN_PID") == str(os.getpid()) and int(os.environ.get("LISTEN_FDS", "0")) > 0
    if port is None and given:
        return socket.socket(fileno=3)
    own = socket.create_server(("127.0.0.1", 1060 if port is None else port), backlog=4096)
    print(f"listening on 127.0.0.1:{own.getsockname()[1]}", flush=True)
    return own
