# SPDX-License-Identifier: MIT
"""Files, programs, clients and systems that misbehave."""

import json
import os
import random
import resource
import socket
import struct
import time

from clients import ask, connect, refused_or_closed
from harness import Gate, Superd, build, expect, expect_in, forever, holds_for, run, shell, wait_until, write_text
from hanging_fs import HangingFs
from registry import needs_root, pitfall, skip, timeout
from reload_test import echo, says

GOOD = '[service.one]\nlisten = "tcp:2000"\nexec = ["/bin/echo", "one"]\nuser = "nobody"\n'


def check(path):
    return run([os.path.join(build(), "superd"), "-t", "-c", path])


@needs_root
def test_garbage():
    """Garbage as a file: superd -t says where, exits 1 and does not crash"""
    d = Superd(None)
    seed = random.Random(1)
    samples = [b"", b"[[[", b"[\x01\x02", b"\xff\xfe\x00", b"a" * 100_000, b"[" * 5_000,
               b"a." * 50_000 + b"b = 1", b"x = " + b"[" * 3_000, b"x = {" * 3_000, b'x = """',
               b"\xef\xbb\xbf" + GOOD.encode(), b"= 1", b"x = 022",
               seed.randbytes(5_000), GOOD.encode() + b"\0", b"include = [" + b'"a",' * 20_000 + b"]"]
    samples += [bytes(seed.randrange(256) for _ in range(200)) for _ in range(20)]
    for number, content in enumerate(samples):
        with open(d.config, "wb") as out:
            out.write(content)
        done = check(d.config)
        assert done.code in (0, 1), f"sample {number}: {content[:40]!r}: {done!r}"
        if done.code == 1:
            expect_in(d.config, done.err + done.out, f"sample {number}")


@needs_root
def test_truncated():
    """A good file cut anywhere is accepted or refused with a place, never a crash"""
    d = Superd(None)
    text = GOOD + 'environment = { A = "b", C = \'d\' }\nallow = ["10.0.0.0/8", "::1"]\n'
    for length in range(0, len(text), 3):
        write_text(d.config, text[:length])
        done = check(d.config)
        assert done.code in (0, 1), f"cut at {length}: {done!r}"


@needs_root
def test_not_a_file():
    """A directory, a FIFO or nothing at all in the file's place is an error at once"""
    d = Superd(None)
    for make in (os.mkdir, os.mkfifo, lambda path: None):
        make(d.config)
        done = check(d.config)
        expect(done.code, 1)
        expect_in(d.config, done.err + done.out)
        if os.path.isdir(d.config):
            os.rmdir(d.config)
        elif os.path.exists(d.config):
            os.unlink(d.config)


@needs_root
@timeout(300)
def test_ten_thousand_services():
    """A file with 10,000 services is read, bound and served; a reload of it works"""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 12_000:
        skip(f"no more than {most} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    services = [f'[service.s{n}]\nlisten = "tcp:127.0.0.1:{10_000 + n}"\nexec = ["/bin/echo", "{n}"]\nuser = "nobody"\n'
                for n in range(10_000)]
    with Superd("".join(services)) as d:
        for number in (0, 4_999, 9_999):
            expect(ask(10_000 + number), b"%d\n" % number)
        services[7] = services[7].replace('"7"', '"changed"')
        d.write("".join(services))
        expect(d.ctl("reload-config", deadline=150).code, 0)
        expect(ask(10_007), b"changed\n")


@needs_root
def test_unknown_user():
    """An unknown user refuses the file, with the place"""
    d = Superd(GOOD.replace("nobody", "nobody-knows"), ready=False).start()
    expect(d.wait_end(), 1)
    expect_in(f"{d.config}:4:", d.log())
    expect_in("nobody-knows", d.log())


@needs_root
def test_user_must_be_named():
    """As root a service without a user refuses the file"""
    d = Superd(GOOD.replace('user = "nobody"\n', ""), ready=False).start()
    expect(d.wait_end(), 1)
    expect_in("user", d.log())


@needs_root
def test_missing_program():
    """A missing program is a warning; each connection ends, the failure names stage and path, superd lives"""
    text = says("fine", 2001, "fine") + GOOD.replace("/bin/echo", "/no/such/program")
    with Superd(text) as d:
        for _ in range(5):
            expect(ask(2000), b"")
        expect(ask(2001), b"fine\n")
        d.wait_log(r"one FAIL .*exec /no/such/program: No such file or directory")
        d.wait_status("one", failed=5)
        expect(d.status("one")["connections"]["now"], 0)
        expect(d.state("one"), "listening", "a listener never dies")


@needs_root
@pitfall("exec failure")
def test_not_a_program():
    """A program that cannot be executed: a directory, no permission, no format"""
    write_text("/srv/plain", "\x00\x01 no program\n", 0o644)
    write_text("/srv/format", "\x00\x01 no program\n", 0o755)
    texts = [f'[service.s{n}]\nlisten = "tcp:{2000 + n}"\nexec = ["{path}"]\nuser = "nobody"\n'
             for n, path in enumerate(("/srv", "/srv/plain", "/srv/format"))]
    with Superd("".join(texts)) as d:
        for number in range(3):
            expect(ask(2000 + number), b"", f"s{number}")
            d.wait_status(f"s{number}", failed=1)


@needs_root
def test_exits_at_once():
    """A handler that exits at once: three hundred times, and nothing is left"""
    text = ('[service.one]\nlisten = "tcp:2000"\nexec = ["/bin/false"]\nuser = "nobody"\n'
            'max_per_source = "unlimited"\n')
    with Superd(text) as d:
        ask(2000)
        d.wait_connections("one", 0)
        before = len(d.fds())
        for _ in range(300):
            expect(refused_or_closed(2000), True)
        d.wait_status("one", exited=301)
        expect(d.status("one")["last_exit"], "status 1")
        wait_until(lambda: len(d.fds()) <= before, what="the descriptors of before")


@needs_root
def test_hangs():
    """A handler that hangs holds its own connection and nobody else's"""
    text = (f'[service.hangs]\nlisten = "tcp:2001"\nexec = {forever()}\nuser = "nobody"\n'
            'on_stop = "end"\n') + GOOD
    with Superd(text) as d:
        held = [connect(2001) for _ in range(10)]
        wait_until(lambda: d.connections("hangs") == 10, what="ten that hang")
        for _ in range(10):
            expect(ask(2000), b"one\n")
        d.ok("stop", "hangs")
        for connection in held:
            with connection:
                expect(connection.recv(1), b"")
        wait_until(lambda: not d.children(), what="all of them gone")


@needs_root
@pitfall("reaping")
def test_leaves_children():
    """A handler that leaves a child behind: superd reaps it when it ends, and no zombie stays"""
    gate = Gate()
    script = f"(read pass <{gate.path}; exit 5) </dev/null >/dev/null 2>&1 & echo left"
    with Superd(f'[service.one]\nlisten = "tcp:2000"\nexec = {shell(script)}\nuser = "nobody"\n') as d:
        for _ in range(5):
            expect(ask(2000), b"left\n")
        d.wait_connections("one", 0)
        gate.let(5)
        wait_until(lambda: not zombies() and not d.children(), what="no orphan and no zombie")


def zombies():
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                    if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                        found.append(int(entry))
            except OSError:
                continue
    return found


@needs_root
def test_closes_stdin():
    """A handler that closes its socket and works on: the client has its end, the process is still counted"""
    gate = Gate()
    script = f"echo bye; exec <&- >&-; read pass <{gate.path}"
    with Superd(f'[service.one]\nlisten = "tcp:2000"\nexec = {shell(script)}\nuser = "nobody"\n') as d:
        expect(ask(2000, half_close=False), b"bye\n", "the end of file does not wait for the process")
        expect(d.connections("one"), 1)
        gate.let()
        d.wait_connections("one", 0)


@needs_root
def test_lingering_socket():
    """A handler's SO_LINGER on a full socket does not hold superd up"""
    script = ("import socket, struct\ns = socket.socket(fileno=0)\n"
              "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 60))\n"
              "s.setblocking(False)\n"
              "try:\n  while True: s.send(b'x' * 65536)\nexcept BlockingIOError: pass\n")
    command = json.dumps(["/usr/bin/python3", "-c", script])
    text = f'[service.linger]\nlisten = "tcp:2001"\nexec = {command}\nuser = "nobody"\n' + GOOD
    with Superd(text) as d:
        with connect(2001):
            d.wait_status("linger", exited=1)
            began = time.monotonic()
            for _ in range(20):
                expect(ask(2000), b"one\n")
            assert time.monotonic() - began < 50, "superd was held up by a close"


@needs_root
@pitfall("accept errors")
def test_vanishing_clients():
    """Clients that reset their connection before it is accepted"""
    with Superd(GOOD + 'max_per_source = "unlimited"\n') as d:
        for _ in range(3):
            d.ok("pause", "one")
            for _ in range(20):
                client = connect(2000)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            d.ok("resume", "one")
            expect(ask(2000), b"one\n")
        d.wait_connections("one", 0)


@needs_root
@pitfall("no descriptors left")
def test_no_descriptors():
    """At the end of its descriptors superd pauses without spinning, and recovers"""
    with Superd(echo("one", 2000)) as d:
        with connect(2000) as first:
            first.sendall(b"1")
            expect(first.recv(1), b"1")
            before = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)
            # Numbers from the highest open one on are refused.
            limit = max(d.fds())
            resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
            others = [connect(2000) for _ in range(80)]
            for connection in others:
                connection.sendall(b"2")
            busy = cpu_seconds(d.pid)
            holds_for(lambda: True, 1.0)
            assert cpu_seconds(d.pid) - busy < 0.6, "superd spins"
            first.sendall(b"3")
            expect(first.recv(1), b"3", "who is in, stays in")
            resource.prlimit(d.pid, resource.RLIMIT_NOFILE, before)
            for connection in others[:5]:
                expect(connection.recv(1), b"2", "served after the recovery")
                connection.close()
            for connection in others[5:]:
                connection.close()
        d.wait_connections("one", 0)
        expect(ask(2000, b"x"), b"x")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@needs_root
def test_many_hung_launches():
    """Forty launches that hang in exec delay no other service, not even its clients' end of file"""
    slow = HangingFs("/srv/slow")
    text = (f'[service.stuck]\nlisten = "tcp:2001"\nexec = ["{slow.program}"]\nuser = "nobody"\n'
            'launch_timeout = "1h"\nmax_per_source = 100\n') + GOOD
    with Superd(text) as d:
        slow.hold()
        held = [connect(2001) for _ in range(40)]
        for _ in range(20):
            expect(ask(2000), b"one\n", "not held up by the launches of another service")
        slow.close()
        for connection in held:
            with connection:
                expect(connection.recv(1), b"")
        d.wait_status("stuck", failed=40)
        expect(ask(2000), b"one\n")


@needs_root
def test_same_address_twice():
    """Two services on one address are an error that shows both places"""
    d = Superd(GOOD + GOOD.replace("one", "two"), ready=False).start()
    expect(d.wait_end(), 1)
    expect_in(f"{d.config}:2", d.log())
    expect_in(f"{d.config}:6", d.log())


@needs_root
def test_foreign_words():
    """Words of inetd, xinetd and systemd are told what to write here"""
    d = Superd(None)
    for key, value, hint in (("server_args", '"-d"', "exec"), ("only_from", '"10.0.0.0/8"', "allow"),
                             ("instances", "5", "max_connections"), ("ExecStart", '"/bin/true"', "exec"),
                             ("cps", '"25 30"', "rate"), ("wait", "true", "mode")):
        write_text(d.config, GOOD + f"{key} = {value}\n")
        done = check(d.config)
        expect(done.code, 1, key)
        expect_in(hint, done.err + done.out, key)
    for listen in ("22", ":22", "0.0.0.0:22", "/run/x.sock"):
        write_text(d.config, GOOD.replace("tcp:2000", listen))
        done = check(d.config)
        expect(done.code, 1, listen)
        expect_in("unix:/run/x.sock" if "/" in listen else "tcp", done.err + done.out, listen)
