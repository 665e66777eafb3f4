# SPDX-License-Identifier: MIT
"""Message queues and netlink as listeners: a message starts a worker, which gets the queue itself."""

import ctypes
import errno
import os
import signal
import stat

from harness import Gate, Superd, as_user, expect, gone, program, read_text, run, wait_until
from registry import covers, needs_root, skip

libc = ctypes.CDLL(None, use_errno=True)
OUT = "/srv/out/lines"


def can(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


class Sizes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("flags", "max_messages", "message_size", "messages")] + [
        ("reserved", ctypes.c_long * 4)]


class Queue:
    """A queue that is there, as those who put something into it see it."""

    def __init__(self, name="/jobs", flags=os.O_WRONLY):
        self.fd = can(libc.mq_open(name.encode(), flags | os.O_NONBLOCK | os.O_CLOEXEC), f"mq_open {name}")

    def put(self, text):
        can(libc.mq_send(self.fd, text.encode(), len(text), 0), "mq_send")

    def sizes(self):
        found = Sizes()
        can(libc.mq_getattr(self.fd, ctypes.byref(found)), "mq_getattr")
        return found.max_messages, found.message_size, found.messages

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


def put(*texts):
    with Queue() as queue:
        for text in texts:
            queue.put(text)


def is_there(name="/jobs"):
    try:
        with Queue(name, os.O_RDONLY):
            return True
    except OSError as error:
        expect(error.errno, errno.ENOENT)
        return False


def service(options="", gate="", address="mqueue:/jobs"):
    os.makedirs("/srv/out", exist_ok=True)
    os.chmod("/srv/out", 0o777)
    words = [OUT, gate] if gate else [OUT]
    return (f'[service.jobs]\nlisten = {{ address = "{address}", name = "todo"{options} }}\n'
            f'exec = {program("queue", *words)}\nuser = "nobody"\n')


def lines():
    return read_text(OUT).splitlines() if os.path.exists(OUT) else []


def texts():
    return [line.split(" ", 2)[2] for line in lines()]


def wait_texts(*wanted):
    wait_until(lambda: len(texts()) >= len(wanted), what=f"{wanted}, {texts()}")
    expect(texts(), list(wanted))


@needs_root
@covers("listen")
def test_message_starts_worker():
    """mqueue: a message starts a worker, which gets the queue; when it has left, the next one starts another"""
    with Superd(service()) as d:
        expect((d.state("jobs"), d.status("jobs")["mode"]), ("listening", "worker"))
        put("first")
        wait_texts("first")
        pid, name, _ = lines()[0].split(" ")
        expect(name, "todo", "LISTEN_FDNAMES")
        wait_until(lambda: gone(int(pid)), what="the end of the worker")
        d.wait_state("jobs", "listening")
        put("second", "third")
        wait_texts("first", "second", "third")
        assert lines()[1].split()[0] != pid, lines()
    assert is_there(), "a queue stays when superd has gone"


@needs_root
@covers("listen.max_messages", "listen.message_size", "listen.mode", "listen.owner", "listen.group")
def test_sizes_and_modes():
    """mqueue: sizes, owner and mode are those of the file; other sizes wait until it is opened empty"""
    gate = Gate()
    with Superd(service(', max_messages = 2, message_size = "128", mode = "0620", owner = "alice", group = "writers"',
                        gate.path)) as d:
        with Queue() as queue:
            expect(queue.sizes(), (2, 128, 0))
            found = os.fstat(queue.fd)
            expect((stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid), (0o620, 9111, 9122))
        expect(as_user("bob", lambda: put("from bob"), groups=["writers"]), "None")
        expect(as_user("nobody", lambda: refused(put, "x")), str(errno.EACCES))
        expect(refused(put, "x" * 129), errno.EMSGSIZE)
        wait_until(lambda: d.status("jobs")["processes"], what="a worker")
        put("another")
        expect(refused(put, "one too many"), errno.EAGAIN)
        # With two messages in it the queue cannot be made anew; it is when it is opened empty.
        d.write(service(', max_messages = 4, owner = "alice"', gate.path))
        expect(d.reload().code, 0)
        d.wait_log("mqueue:/jobs is not empty and keeps its sizes, 2 messages of 128 bytes")
        with Queue() as queue:
            expect(queue.sizes(), (2, 128, 2))
        gate.let(3)
        wait_texts("from bob", "another")
        d.wait_state("jobs", "listening")
        d.ok("stop", "jobs")
        d.ok("start", "jobs")
        with Queue() as queue:
            expect(queue.sizes(), (4, 8192, 0))
        put("1", "2", "3", "4")
        gate.let(5)
        wait_texts("from bob", "another", "1", "2", "3", "4")


def refused(function, *args):
    """The errno that the call fails with."""
    try:
        function(*args)
        return 0
    except OSError as error:
        return error.errno


@needs_root
@covers("listen.remove_on_stop")
def test_removed_on_stop():
    """mqueue: with remove_on_stop the queue goes with the service"""
    with Superd(service(", remove_on_stop = true")) as d:
        assert is_there()
        d.ok("stop", "jobs")
        expect(is_there(), False)
        d.ok("start", "jobs")
        wait_until(is_there, what="the queue")
    expect(is_there(), False)


@needs_root
def test_nothing_is_lost():
    """mqueue: messages outlive kill -9 of superd, an upgrade, a reload and a restart of everything"""
    gate = Gate()
    with Superd(service(gate=gate.path)) as d:
        put("1", "2")
        wait_until(lambda: d.status("jobs")["processes"], what="a worker")
        worker = d.status("jobs")["processes"][0]["pid"]
        before = d.pid
        os.kill(before, signal.SIGKILL)
        put("3")
        d.wait_superd(other_than=before)
        d.ok("upgrade")
        put("4")
        expect([one["pid"] for one in d.status("jobs")["processes"]], [worker], "the worker of before")
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: [one["pid"] for one in d.status("jobs")["processes"]] not in ([], [worker]),
                   what="another worker, for what is left")
        d.write(service(', mode = "0600"', gate.path))
        expect(d.reload().code, 0)
        d.stop()
        with Queue(flags=os.O_RDONLY) as queue:
            expect((queue.sizes()[2], stat.S_IMODE(os.fstat(queue.fd).st_mode)), (4, 0o600))
    with Superd(service(gate=gate.path)):
        gate.let(5)
        wait_texts("1", "2", "3", "4")


@needs_root
def test_somebody_elses_queue():
    """mqueue: a queue that somebody else made is not taken; superd waits for the name and says so"""
    made = as_user("bob", lambda: can(libc.mq_open(b"/jobs", os.O_CREAT | os.O_RDWR, 0o666, None), "mq_open") > 0)
    expect(made, "True")
    with Superd(service()) as d:
        expect(d.status("jobs")["listeners"][0]["state"], "waiting")
        d.wait_log("mqueue:/jobs.*File exists")
        can(libc.mq_unlink(b"/jobs"), "mq_unlink")
        wait_until(lambda: d.status("jobs")["listeners"][0]["state"] == "listening", what="a queue of superd's own")
        put("mine")
        wait_texts("mine")


@needs_root
@covers("receive_buffer")
def test_netlink():
    """netlink: what the kernel tells a group starts a worker, which gets the socket"""
    listen = ', receive_buffer = "64K", pass_credentials = true'
    with Superd(service(listen, address="netlink:route:1")) as d:
        expect((d.state("jobs"), d.status("jobs")["mode"]), ("listening", "worker"))
        done = run(["ip", "link", "set", "lo", "mtu", "1500"])
        if done.code != 0:
            skip(f"the link cannot be changed here: {done.err}")
        wait_until(lambda: texts(), what="news of the link")
        expect(texts()[0], "16", "RTM_NEWLINK")
        d.wait_state("jobs", "listening")
        expect(d.status("jobs")["started"] >= 1, True)
