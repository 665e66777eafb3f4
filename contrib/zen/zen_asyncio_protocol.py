#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""asyncio's protocols: an object for each connection whose methods the event loop calls. zen_uv.cc in Python.

[service.zen-asyncio-protocol]
listen = "tcp:1070"
mode   = "worker"
exec   = ["/usr/bin/python3", "/usr/libexec/superd/zen/zen_asyncio_protocol.py"]

The fastest way that asyncio has, for a protocol that needs no waiting in the middle.
`zen_asyncio_protocol.py [--port N]` serves without superd.
"""

import asyncio

import zen


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.conversation = transport, zen.Conversation()

    def data_received(self, data):
        self.transport.write(self.conversation.feed(data))

    def eof_received(self):
        self.transport.write(self.conversation.finish())
        return False  # asyncio closes, after what is unsent

    # A client that takes no answers is read no further: what it can make us hold is bounded.
    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def main():
    # asyncio calls listen(2) once more; a small number would shorten superd's queue.
    server = await asyncio.get_running_loop().create_server(Server, sock=zen.listener(), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
