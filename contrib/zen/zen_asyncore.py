#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""asyncore, how Python had event loops before asyncio. For those who look after such a program; not to begin with.

[service.zen-asyncore]
listen = "tcp:1072"
mode   = "worker"
exec   = ["/usr/bin/python3", "/usr/libexec/superd/zen/zen_asyncore.py"]

Python 3.12 has it no more. `zen_asyncore.py [--port N]` serves without superd.
"""

import sys
import warnings

import zen

warnings.simplefilter("ignore", DeprecationWarning)
try:
    import asyncore
except ImportError:
    sys.exit("this Python has no asyncore; zen_asyncio_protocol.py is the same thing of today")


class Client(asyncore.dispatcher):
    def __init__(self, connection):
        super().__init__(connection)
        self.conversation, self.unsent, self.finished = zen.Conversation(), b"", False

    # While answers are unsent nothing more is read: what a client can make us hold is bounded.
    def readable(self):
        return not self.unsent and not self.finished

    def writable(self):
        return bool(self.unsent) or self.finished

    def handle_read(self):
        data = self.recv(512)
        self.unsent += self.conversation.feed(data)

    def handle_close(self):
        """Called by recv() at the end of the stream, when what is unsent still goes out, and by send()."""
        if self.finished:
            self.close()
            return
        self.unsent += self.conversation.finish()
        self.finished = True

    def handle_error(self):
        self.close()

    def handle_write(self):
        self.unsent = self.unsent[self.send(self.unsent):]
        if self.finished and not self.unsent:
            self.close()


class Server(asyncore.dispatcher):
    def __init__(self, listener):
        super().__init__(listener)
        self.accepting = True  # it listens already

    def handle_accepted(self, connection, _):
        Client(connection)


if __name__ == "__main__":
    Server(zen.listener())
    asyncore.loop(use_poll=True)
