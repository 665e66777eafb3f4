# SPDX-License-Identifier: MIT
"""A file system that stops answering: what a dead NFS server or a stuck FUSE daemon does to an exec."""

import ctypes
import errno
import os
import signal
import struct

import namespace
from registry import skip

FORGET, LOOKUP, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT = 2, 1, 3, 14, 15, 18, 25, 26
NO_ANSWER = (FORGET, 42)  # 42: BATCH_FORGET


class HangingFs:
    """One executable file, `program`, below a mount point, served by a process of its own.

    hold() stops that process: from then on every access waits, and can be killed as long as
    nobody has read its request. release() goes on, close() lets every waiter fail.
    """

    def __init__(self, path, content=b"#!/bin/sh\necho late\n"):
        self.path, self.content = path, content
        self.program = os.path.join(path, "program")
        try:
            self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
            os.makedirs(path)
            namespace.mount("superd-test", path, "fuse", flags=0,
                            data=f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other")
        except OSError as error:
            skip(f"no FUSE here: {error}")
        self.server = os.fork()
        if self.server == 0:
            try:
                namespace.die_with_parent()
                self.serve()
            finally:
                os._exit(0)

    def hold(self):
        os.kill(self.server, signal.SIGSTOP)
        os.waitpid(self.server, os.WUNTRACED)  # it has stopped, and will read no request any more

    def release(self):
        os.kill(self.server, signal.SIGCONT)

    def close(self):
        """Ends the connection: whoever waits gets an error."""
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)
        os.close(self.device)
        ctypes.CDLL(None).umount2(os.fsencode(self.path), 2)

    def serve(self):
        while True:
            try:
                request = os.read(self.device, 1 << 20)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return
            _, opcode, unique, node = struct.unpack("<IIQQ", request[:24])
            if opcode in NO_ANSWER:
                continue
            body, failure = self.answer(opcode, node, request[40:])
            try:
                os.write(self.device, struct.pack("<IiQ", 16 + len(body), -failure, unique) + body)
            except OSError:
                continue

    def answer(self, opcode, node, body):
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHIIIIIIII", 7, 31, 65536, 0, 16, 12, 65536, 1, 0, 0, *[0] * 8), 0
        if opcode == LOOKUP:
            if body.rstrip(b"\0") != b"program":
                return b"", errno.ENOENT
            return struct.pack("<QQQQII", 2, 1, 0, 0, 0, 0) + self.attributes(2), 0
        if opcode == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attributes(node), 0
        if opcode == OPEN:
            return struct.pack("<QII", 1, 0, 0), 0
        if opcode == READ:
            _, offset, size = struct.unpack("<QQI", body[:20])
            return self.content[offset:offset + size], 0
        if opcode in (RELEASE, FLUSH):
            return b"", 0
        return b"", errno.ENOSYS

    def attributes(self, node):
        mode, size = (0o40755, 0) if node == 1 else (0o100755, len(self.content))
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, (size + 511) // 512, 0, 0, 0, 0, 0, 0,
                           mode, 1, 0, 0, 0, 4096, 0)
