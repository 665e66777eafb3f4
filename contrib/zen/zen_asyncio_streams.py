#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""asyncio's streams: a coroutine for each connection, which reads from top to bottom. zen_coroutines.cc in Python.

[service.zen-asyncio-streams]
listen = "tcp:1071"
mode   = "worker"
exec   = ["/usr/bin/python3", "/usr/libexec/superd/zen/zen_asyncio_streams.py"]

`zen_asyncio_streams.py [--port N]` serves without superd.
"""

import asyncio

import zen


async def converse(reader, writer):
    conversation = zen.Conversation()
    try:
        while data := await reader.read(512):
            writer.write(conversation.feed(data))
            await writer.drain()  # waits for those who take no answers
        writer.write(conversation.finish())
        await writer.drain()
    except OSError:
        pass  # the client is gone
    finally:
        writer.close()


async def main():
    # asyncio calls listen(2) once more; a small number would shorten superd's queue.
    server = await asyncio.start_server(converse, sock=zen.listener(), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
