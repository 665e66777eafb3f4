#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""socketserver, the classic of Python's library: a class for the server, a class for a connection, a thread each.

[service.zen-socketserver]
listen = "tcp:1069"
mode   = "worker"
exec   = ["/usr/bin/python3", "/usr/libexec/superd/zen/zen_socketserver.py"]

The easiest to read, blocking calls from top to bottom. A thread for each client, and Python runs one of them at
a time. `zen_socketserver.py [--port N]` serves without superd.
"""

import socketserver

import zen


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(60)  # a thread is too dear for those who say nothing
        conversation = zen.Conversation()
        try:
            while data := self.request.recv(512):
                self.request.sendall(conversation.feed(data))
            self.request.sendall(conversation.finish())
        except OSError:
            pass  # silent for too long, or gone


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, listener):
        # Neither binds nor listens: superd has done both.
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener


if __name__ == "__main__":
    Server(zen.listener()).serve_forever()
