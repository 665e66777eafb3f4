# SPDX-License-Identifier: MIT
"""superd takes the place of a running inetd: no port closes, no client is refused."""

import os
import signal
import subprocess
import threading

import peers
from clients import ask, ask_udp, connect
from harness import PYTHON, Superd, expect, expect_in, program, wait_until, write_text
from registry import needs_peer, needs_root, timeout
from reload_test import inode
from rpc_test import Rpcbind, announcement, port_of, registered

LOOPBACK = "127.0.0.1"


def udp_program(word):
    """The words of the server for datagrams."""
    here = "/run/tests" if os.path.isdir("/run/tests") else os.path.dirname(os.path.abspath(__file__))
    return [PYTHON, "-ISB", os.path.join(here, "programs", "answer_udp.py"), word]


class Old:
    """A foreign inetd in the foreground; ends with the test."""

    def __init__(self, command, peer):
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": peers.library_path(peer)}, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def stop(self, number):
        os.kill(self.pid, number)
        self.process.wait(timeout=20)

    def __enter__(self):
        wait_until(lambda: answers(2000) == b"old\n", what="the old daemon")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def answers(port):
    try:
        return ask(port, half_close=False)
    except OSError:
        return b""


def xinetd():
    """xinetd with two TCP services and a UDP one."""
    def service(name, port, more):
        return (f"service {name}\n{{\n type = UNLISTED\n user = root\n bind = {LOOPBACK}\n port = {port}\n"
                f"{more}\n}}\n")

    stream = " socket_type = stream\n protocol = tcp\n wait = no\n server = /bin/echo\n server_args = old"
    udp = udp_program("old")
    text = ("defaults\n{\n instances = UNLIMITED\n per_source = UNLIMITED\n cps = 1000000 1\n"
            " log_type = FILE /dev/null\n log_on_success =\n log_on_failure =\n}\n" +
            service("one", 2000, stream) + service("left", 2002, stream) +
            service("datagrams", 2001, " socket_type = dgram\n protocol = udp\n wait = yes\n"
                    f" server = {udp[0]}\n server_args = {' '.join(udp[1:])}"))
    write_text("/run/test/xinetd.conf", text)
    return Old([peers.path("xinetd", "usr/sbin/xinetd"), "-dontfork", "-stayalive", "-f",
                "/run/test/xinetd.conf", "-pidfile", "/run/test/xinetd.pid"], "xinetd")


def rpc_services():
    """xinetd with two RPC services on ports of its choice, and one beside them."""
    udp = udp_program("old")
    text = ("defaults\n{\n log_type = FILE /dev/null\n}\n"
            "service stream\n{\n type = RPC UNLISTED\n socket_type = stream\n protocol = tcp\n"
            " rpc_number = 300001\n rpc_version = 1-2\n user = root\n wait = no\n"
            " server = /bin/sh\n server_args = -c cat\n}\n"
            "service datagrams\n{\n type = RPC UNLISTED\n socket_type = dgram\n protocol = udp\n"
            " rpc_number = 300002\n rpc_version = 3\n user = root\n wait = yes\n"
            f" server = {udp[0]}\n server_args = {' '.join(udp[1:])}\n}}\n"
            "service one\n{\n type = UNLISTED\n socket_type = stream\n protocol = tcp\n user = root\n"
            f" bind = {LOOPBACK}\n port = 2000\n wait = no\n server = /bin/echo\n server_args = old\n}}\n")
    write_text("/run/test/xinetd.conf", text)
    return Old([peers.path("xinetd", "usr/sbin/xinetd"), "-dontfork", "-stayalive", "-f",
                "/run/test/xinetd.conf", "-pidfile", "/run/test/xinetd.pid"], "xinetd")


def openbsd_inetd():
    """openbsd-inetd with the same."""
    udp = udp_program("old")
    text = (f"{LOOPBACK}:2000 stream tcp nowait.1000000 root /bin/echo echo old\n"
            f"{LOOPBACK}:2002 stream tcp nowait.1000000 root /bin/echo echo old\n"
            f"{LOOPBACK}:2001 dgram udp wait.1000000 root {udp[0]} python3 {' '.join(udp[1:])}\n")
    write_text("/run/test/inetd.conf", text)
    return Old([peers.path("openbsd-inetd", "usr/sbin/inetd"), "-i", "-R", "1000000", "/run/test/inetd.conf"],
               "openbsd-inetd")


def new():
    """superd's file. Where the programs of the tests are is known in the test's own mounts only."""
    return f"""
[defaults]
user = "nobody"
max_connections = "unlimited"
max_per_source = "unlimited"
[service.one]
listen = "tcp:{LOOPBACK}:2000"
exec = ["/bin/echo", "new"]
[service.datagrams]
listen = "udp:{LOOPBACK}:2001"
exec = {program("answer_udp", "new")}
[service.own]
listen = "tcp:{LOOPBACK}:2003"
exec = ["/bin/echo", "new"]
[service.other]
listen = "tcp:127.0.0.2:2002"
exec = ["/bin/echo", "new"]
"""


class Stream:
    """Clients one after the other, from before the switch until after it."""

    def __init__(self, port, clients=4):
        self.port, self.got, self.wrong = port, {b"old\n": 0, b"new\n": 0}, []
        self.stopped, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.client) for _ in range(clients)]

    def client(self):
        while not self.stopped.is_set():
            try:
                got = ask(self.port, half_close=False, deadline=20)
            except OSError as error:
                got = repr(error).encode()
            with self.lock:
                if got in self.got:
                    self.got[got] += 1
                else:
                    self.wrong.append(got)

    def count(self, word):
        with self.lock:
            return self.got[word]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def switch(old, name, stop_signal):
    """Takes over under a stream of clients; nobody is refused, and the socket is the same one."""
    with old, Stream(2000) as stream:
        wait_until(lambda: stream.count(b"old\n") > 50, what="the stream to begin")
        expect(ask_udp(2001, b"x"), b"old x")
        before = inode(2000)
        with Superd(new(), args=["--take-from", str(old.pid)]) as d:
            expect(inode(2000), before, "the listening socket")
            d.wait_log(rf"one .*took tcp:{LOOPBACK}:2000 from {name}, pid {old.pid}")
            d.wait_log(rf"datagrams .*took udp:{LOOPBACK}:2001 from {name}, pid {old.pid}")
            d.wait_log(rf"bound itself: tcp:127\.0\.0\.2:2002, tcp:{LOOPBACK}:2003")
            d.wait_log(rf"left to {name}, pid {old.pid}: tcp:{LOOPBACK}:2002")
            wait_until(lambda: stream.count(b"new\n") > 50, what="answers of superd")
            old.stop(stop_signal)
            after = stream.count(b"new\n")
            wait_until(lambda: stream.count(b"new\n") > after + 50, what="answers after the old one's end")
            expect(inode(2000), before, "the listening socket")
            expect(ask(2000), b"new\n")
            expect(ask(2003), b"new\n")
            wait_until(lambda: ask_udp(2001, b"y") == b"new y", what="an answer over UDP")
            # It is superd's own now: a kill does not lose it.
            superd = d.pid
            os.kill(superd, signal.SIGKILL)
            d.wait_superd(other_than=superd)
            expect(inode(2000), before, "the listening socket after kill -9")
            expect(ask(2000), b"new\n")
            stream.stopped.set()
            for thread in stream.threads:
                thread.join()
            assert not stream.wrong, f"{len(stream.wrong)} wrong answers: {stream.wrong[:5]}"
    expect(answers(2002), b"", "what was left has gone with its owner")


@needs_root
@needs_peer("xinetd")
@timeout(90)
def test_from_xinetd():
    """superd --take-from xinetd: listeners of both kinds, under a stream of connections, none refused"""
    switch(xinetd(), "xinetd", signal.SIGQUIT)


@needs_root
@needs_peer("openbsd-inetd")
@timeout(90)
def test_from_openbsd_inetd():
    """superd --take-from openbsd-inetd: the same"""
    switch(openbsd_inetd(), "inetd", signal.SIGTERM)


def where(number, version, netid):
    """The port at which rpcbind has it; 0: it has not."""
    address = (registered(number) or {}).get((version, netid))
    return port_of(address) if address else 0


@needs_root
@needs_peer("xinetd")
@needs_peer("rpcbind")
@timeout(240)
def test_rpc_services():
    """RPC services keep the ports that rpcbind knows them by: no client asks again, none is cut off"""
    text = f"""
[service.stream]
listen = "tcp:0"
user = "nobody"
exec = ["/bin/sh", "-c", "echo new"]
rpc = {{ program = 300001, versions = "1-2" }}
[service.datagrams]
listen = "udp:0"
user = "nobody"
exec = {program("answer_udp", "new")}
rpc = {{ program = 300002, versions = 3 }}
[service.other]
listen = "tcp:0"
user = "nobody"
exec = ["/bin/sh", "-c", "echo new"]
rpc = {{ program = 300003, versions = 1 }}
"""
    with Rpcbind(), rpc_services() as old:
        wait_until(lambda: where(300001, 2, "tcp") and where(300002, 3, "udp"), what="xinetd's registrations")
        tcp, udp = where(300001, 2, "tcp"), where(300002, 3, "udp")
        expect(ask_udp(udp, b"x"), b"old x")
        socket = inode(tcp)
        kept = connect(tcp)
        kept.sendall(b"a")
        expect(kept.recv(1), b"a")
        with Superd(text, args=["--take-from", str(old.pid)]) as d:
            d.wait_log(rf"stream .*took tcp:0 as tcp:\[::\]:{tcp} from xinetd, pid {old.pid}")
            d.wait_log(rf"datagrams .*took udp:0 as udp:\[::\]:{udp} from xinetd, pid {old.pid}")
            d.wait_log(r"bound itself: tcp:0\s")
            expect((d.port("stream"), d.port("datagrams"), inode(tcp)), (tcp, udp, socket))
            assert d.port("other") not in (tcp, udp), "a port of another program"
            old.stop(signal.SIGQUIT)
            kept.sendall(b"b")
            expect(kept.recv(1), b"b", "a connection from before the switch")
            kept.close()
            expect(ask(tcp), b"new\n")
            wait_until(lambda: ask_udp(udp, b"y") == b"new y", what="an answer over UDP")
            # xinetd has taken back what it had registered: it comes again, at the same ports.
            wait_until(lambda: where(300001, 1, "tcp") == tcp and where(300002, 3, "udp") == udp,
                       what="the same registrations of superd")
            wait_until(lambda: announcement(d, "stream")[0] == "announced", what="superd knows it")
            superd = d.pid
            os.kill(superd, signal.SIGKILL)
            d.wait_superd(other_than=superd)
            expect((d.port("stream"), inode(tcp)), (tcp, socket), "after kill -9")
            expect(ask(tcp), b"new\n")


@needs_root
@needs_peer("xinetd")
def test_rpcbind_cannot_be_asked():
    """Without rpcbind a listener of an RPC service is bound anew, and superd says so and starts"""
    text = f"""
[service.one]
listen = "tcp:{LOOPBACK}:2000"
user = "nobody"
exec = ["/bin/echo", "new"]
[service.stream]
listen = "tcp4:0"
user = "nobody"
exec = ["/bin/echo", "new"]
rpc = {{ program = 300001, versions = 1 }}
"""
    with xinetd() as old, Superd(text, args=["--take-from", str(old.pid)]) as d:
        expect_in("no listener of an RPC service is taken: superd-announce could not list what rpcbind has",
                  d.log())
        d.wait_log(rf"one .*took tcp:{LOOPBACK}:2000 from xinetd")
        expect(ask(d.port("stream")), b"new\n")


@needs_root
@needs_peer("xinetd")
def test_not_the_same_address():
    """A socket that is not what the file asks for is left, and what it is in the way of says so"""
    text = f'[service.both]\nlisten = "tcp:2000"\nuser = "nobody"\nexec = ["/bin/echo", "new"]\n'
    with xinetd() as old, Superd(text, args=["--take-from", str(old.pid)]) as d:
        d.wait_log(rf"tcp:{LOOPBACK}:2000 of xinetd, pid {old.pid}, is in the way of tcp:2000")
        expect(d.state("both"), "waiting")
        expect_in("xinetd", d.ok("why", "both"))
        expect(answers(2000), b"old\n")
        old.stop(signal.SIGTERM)
        wait_until(lambda: answers(2000) == b"new\n", what="the address to be free")


@needs_root
def test_nobody_there():
    """A process that is not there, or has no listener: superd does not start, and says why"""
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    d = Superd('[service.own]\nlisten = "tcp:2003"\nuser = "nobody"\nexec = ["/bin/echo", "new"]\n',
               args=["--take-from", str(gone.pid)], ready=False).start()
    expect(d.wait_end(), 1)
    expect_in(f"take listeners from pid {gone.pid}: No such process", d.log())
    with connect_error():
        connect(2003).close()


class connect_error:
    """The block must end with a refused connection."""

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        assert kind is not None and issubclass(kind, ConnectionRefusedError), "somebody answers"
        return True
