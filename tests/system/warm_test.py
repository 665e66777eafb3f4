# SPDX-License-Identifier: MIT
"""Handlers that are started ahead of their clients: prestart."""

import json
import os
import signal
import threading

import peers
from clients import ask, connect, read_all
from crash_test import Load, finish, kill_superd
from harness import (PYTHON, Superd, build, expect, expect_in, gone, processes, run, shell, wait_until, write_text)
from real_servers_test import SshAccount, make_tree, same_tree, service
from registry import covers, needs_peer, needs_root, timeout

UNBOUNDED = 'max_connections = "unlimited"\nmax_per_source = "unlimited"'


def python(script):
    """An exec list that runs a Python script, as TOML text."""
    return json.dumps([PYTHON, "-ISc", script])


# Its own pid, what it was told of its client, and the line it was sent. The first thing it does with
# its connection is to read.
TELL = python("import os, sys\n"
              "line = sys.stdin.readline()\n"
              "print(os.getpid(), os.environ.get('TCPREMOTEIP'), os.getppid() > 0, line, end='')")


def ahead(exec_list, count=2, extra="", user="nobody", prestart=None, timeout="8s"):
    """timeout: also how long one has at idle priority, which is nothing on a machine that is busy."""
    return (f'[service.warm]\nlisten = "tcp:2000"\nexec = {exec_list}\nuser = "{user}"\n'
            f'prestart = {prestart or count}\nlaunch_timeout = "{timeout}"\n{extra}\n{UNBOUNDED}\n')


def prestart(d, name="warm"):
    return d.status(name)["prestart"]


def wait_parked(d, count=2, name="warm"):
    wait_until(lambda: prestart(d, name)["parked"] == count, what=f"{count} parked handlers")


def parked_pids(d, name="warm"):
    return {one["pid"] for one in d.status(name)["processes"] if one["kind"] == "parked"}


def wait_served(d, warm, name="warm"):
    """So many connections were given to handlers that waited."""
    wait_until(lambda: prestart(d, name)["served_warm"] == warm, what=f"{warm} served warm")


def never_parks(d, port, answer, send=b"hi\n"):
    """Each connection is answered by a handler of its own, and why says what is the matter."""
    trouble = wait_until(lambda: prestart(d)["trouble"], what="that it cannot be started ahead")
    expect(ask(port, send), answer)
    told = prestart(d)
    expect((told["served_warm"], told["parked"]), (0, 0))
    assert told["served_cold"] >= 1, told
    expect_in("cannot be started ahead", d.ok("why", "warm"))
    expect_in(trouble, d.ok("status", "warm"))
    return trouble


@needs_root
@covers("prestart")
def test_python():
    """Python waits at its first use of the connection, has its environment, and serves one client"""
    with Superd(ahead(TELL)) as d:
        wait_parked(d)
        waiting = parked_pids(d)
        expect(len(waiting), 2)
        pid, client, _, line = ask(2000, b"hello\n").split()
        expect((client, line), (b"127.0.0.1", b"hello"))
        assert int(pid) in waiting, f"{pid} did not wait: {waiting}"
        wait_served(d, 1)
        d.wait_log(rf"warm START .*pid={int(pid)}\b.*from=127\.0\.0\.1:\d+")
        d.wait_log(rf"warm EXIT .*pid={int(pid)}\b")
        wait_parked(d)
        assert int(pid) not in parked_pids(d), "a handler that served is back"
        expect_in("2 of 2 wait", d.ok("why", "warm"))
        expect_in("1 connection served warm", d.ok("status", "warm"))


@needs_root
def test_one_client_each():
    """Of many connections no two are answered by one process"""
    with Superd(ahead(TELL, count=3)) as d:
        wait_parked(d, 3)
        pids, lock = [], threading.Lock()

        def client():
            for _ in range(8):
                answer = ask(2000, b"x\n").split()
                with lock:
                    pids.append(answer[0])

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(len(pids), 32)
        expect(len(set(pids)), 32, "processes that answered")
        told = wait_until(lambda: prestart(d) if d.status("warm")["exited"] == 32 else None, what="32 ends")
        expect(told["served_warm"] + told["served_cold"], 32)
        assert told["served_warm"] >= 3, told


@needs_root
def test_identity():
    """One that is started ahead has the service's identity, limits and log, and idle priority until it waits"""
    script = python("import os, resource, sys, time\n"
                    "print('about to wait', file=sys.stderr, flush=True)\n"
                    "end = time.monotonic() + 30\n"
                    "while os.sched_getscheduler(0) != os.SCHED_IDLE and time.monotonic() < end: time.sleep(0.01)\n"
                    "before = os.sched_getscheduler(0)\n"
                    "sys.stdin.readline()\n"
                    "print(os.getuid(), resource.getrlimit(resource.RLIMIT_NOFILE), os.getcwd(),\n"
                    "      oct(os.umask(0)), os.nice(0), before, os.sched_getscheduler(0), end='')")
    extra = 'rlimits = { nofile = 50 }\ndirectory = "/tmp"\numask = "0027"\nnice = 3\nsandbox = "standard"'
    with Superd(ahead(script, user="alice", extra=extra)) as d:
        wait_parked(d)
        d.wait_log("about to wait")
        expect(ask(2000, b"\n").decode(), f"9111 (50, 50) /tmp 0o27 3 {os.SCHED_IDLE} {os.SCHED_OTHER}")
        wait_served(d, 1)


@needs_root
def test_no_trace():
    """What the program starts finds nothing of the library, and what it did to its flags stays"""
    script = python("import fcntl, os, subprocess\n"
                    "fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_NONBLOCK)\n"
                    "os.dup2(1, 7)\n"
                    "flags = fcntl.fcntl(0, fcntl.F_GETFL) & os.O_NONBLOCK\n"
                    "env = subprocess.run(['/usr/bin/env'], capture_output=True).stdout.decode()\n"
                    "bad = [v for v in env.splitlines() if 'PARK' in v or 'PRELOAD' in v]\n"
                    "os.write(7, repr((flags != 0, bad, 'TCPREMOTEIP=127.0.0.1' in env.splitlines(),\n"
                    "  sorted(os.listdir('/proc/self/fd'))[:4])).encode())")
    with Superd(ahead(script)) as d:
        wait_parked(d)
        expect(ask(2000), b"(True, [], True, ['0', '1', '2', '3'])")
        wait_served(d, 1)


@needs_root
def test_perl():
    """Perl: %ENV is the connection's, also after the program has changed it, and it ends well"""
    script = json.dumps(["/usr/bin/perl", "-e",
                         "$ENV{OWN} = 1; $| = 1; my $l = <STDIN>; print \"$ENV{OWN} $ENV{TCPREMOTEIP} $l\";"
                         " system('echo $TCPREMOTEIP');"])
    with Superd(ahead(script)) as d:
        wait_parked(d)
        expect(ask(2000, b"hi\n"), b"1 127.0.0.1 hi\n127.0.0.1\n")
        wait_served(d, 1)
        wait_until(lambda: d.status("warm")["last_exit"] == "status 0", what="a good end of perl")


@needs_root
def test_shells():
    """bash and node have the variables of their connection; sh has none of them rather than another's"""
    bash = json.dumps(["/bin/bash", "--norc", "-c", "read x; echo $TCPREMOTEIP $x; /bin/echo $x"])
    with Superd(ahead(bash)) as d:
        wait_parked(d)
        expect(ask(2000, b"hi\n"), b"127.0.0.1 hi\nhi\n")
        wait_served(d, 1)
    with Superd(ahead(shell("read x; echo ${TCPREMOTEIP-none} $x; /bin/echo $x"))) as d:
        wait_parked(d)
        expect(ask(2000, b"hi\n"), b"none hi\nhi\n")
        wait_served(d, 1)
    if not os.path.exists("/usr/bin/node"):
        return
    node = json.dumps(["/usr/bin/node", "-e",
                       "process.stdin.once('data', x => { process.stdout.write(process.env.TCPREMOTEIP + x);"
                       " process.stdin.destroy(); })"])
    with Superd(ahead(node)) as d:
        wait_parked(d)
        expect(ask(2000, b" hi\n", half_close=False), b"127.0.0.1 hi\n")
        wait_served(d, 1)


def compiled(name, source, *flags):
    """A C program of the test's own."""
    write_text(f"/srv/{name}.c", source)
    made = run(["/usr/bin/gcc", "-O1", *flags, "-o", f"/srv/{name}", f"/srv/{name}.c"])
    expect(made.code, 0, repr(made))
    return json.dumps([f"/srv/{name}"])


@needs_root
def test_c():
    """A C program that waits in select, and one that forks before it reads: both are parked"""
    waits = compiled("waits", """
        #include <stdlib.h>
        #include <sys/select.h>
        #include <sys/socket.h>
        #include <stdio.h>
        #include <string.h>
        int main(void) {
            fd_set set; FD_ZERO(&set); FD_SET(0, &set);
            if (select(1, &set, 0, 0, 0) != 1) return 1;
            char in[64], out[128]; ssize_t n = recv(0, in, sizeof in - 1, 0);
            if (n < 0) return 2;
            in[n] = 0; snprintf(out, sizeof out, "%s %s", getenv("TCPREMOTEIP"), in);
            return send(1, out, strlen(out), 0) < 0;
        }""")
    with Superd(ahead(waits)) as d:
        wait_parked(d)
        expect(ask(2000, b"hi\n"), b"127.0.0.1 hi\n")
        wait_served(d, 1)
    forks = compiled("forks", """
        #include <unistd.h>
        #include <sys/wait.h>
        int main(void) {
            if (vfork() == 0) { execl("/bin/cat", "cat", (char *)0); _exit(1); }
            wait(0);
            return 0;
        }""")
    with Superd(ahead(forks)) as d:
        wait_parked(d)
        expect(ask(2000, b"through cat\n"), b"through cat\n")
        wait_served(d, 1)


@needs_root
def test_never_parks():
    """What does not park - static, by stdio, copied unseen - is noticed and its clients are served cold"""
    source = """
        #include <stdio.h>
        int main(void) { char line[64]; if (!fgets(line, sizeof line, stdin)) return 1; fputs(line, stdout); return 0; }"""
    for name, flags in (("by_stdio", ()), ("static", ("-static",))):
        with Superd(ahead(compiled(name, source, *flags), timeout="2s")) as d:
            expect_in("not seen", never_parks(d, 2000, b"hi\n"))
    # It has ended before anybody came.
    with Superd(ahead(compiled("says", '#include <stdio.h>\nint main(void) { puts("hello"); return 3; }'))) as d:
        expect_in("status 3", never_parks(d, 2000, b"hello\n", send=b""))
    bare = compiled("bare", """
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(void) {
            long r; __asm__ volatile("syscall" : "=a"(r) : "a"(SYS_dup), "D"(0) : "rcx", "r11", "memory");
            char c; while (read(r, &c, 1) == 1 && write(r, &c, 1) == 1) if (c == '\\n') break;
            return 0;
        }""")
    with Superd(ahead(bare, timeout="2s")) as d:
        never_parks(d, 2000, b"hi\n")
    copies = compiled("copies", """
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(void) {
            long r; __asm__ volatile("syscall" : "=a"(r) : "a"(SYS_dup), "D"(0) : "rcx", "r11", "memory");
            char c; while (read(0, &c, 1) == 1 && write(r, &c, 1) == 1) if (c == '\\n') break;
            return 0;
        }""")
    with Superd(ahead(copies)) as d:
        expect_in("copy", never_parks(d, 2000, b"hi\n"))


@needs_root
def test_cannot_start():
    """A program that is not there: clients are served as ever, tries become rare, and it comes back"""
    write_text("/srv/late", "#!/nowhere\n", 0o755)
    with Superd(ahead('["/srv/late"]', count=1)) as d:
        wait_until(lambda: prestart(d)["trouble"], what="that it cannot be started")
        os.rename("/srv/late", "/srv/broken")
        write_text("/srv/late", "#!/bin/cat -\n", 0o755)
        wait_parked(d, 1)
        expect(prestart(d)["trouble"], "")


@needs_root
def test_max_age():
    """One that has waited for max_age is replaced"""
    with Superd(ahead(TELL, prestart='{ count = 2, max_age = "3s" }')) as d:
        wait_parked(d)
        first = parked_pids(d)
        wait_until(lambda: len(parked_pids(d) - first) == 2, what="two others")
        for pid in first:
            wait_until(lambda pid=pid: gone(pid), what="the end of the first")
        expect(ask(2000, b"hi\n").split()[3], b"hi")


@needs_root
def test_reload():
    """They end with their plan: after a reload nobody is served by what was started before"""
    with Superd(ahead(TELL, extra='environment = { PLAN = "one" }')) as d:
        wait_parked(d)
        first = parked_pids(d)
        d.write(ahead(TELL, extra='environment = { PLAN = "two" }'))
        d.ok("reload-config")
        pid = int(ask(2000, b"hi\n").split()[0])
        assert pid not in first, "one of the former plan"
        wait_parked(d)
        assert not parked_pids(d) & first
        for one in first:
            wait_until(lambda one=one: gone(one), what="the end of those of before")
        # A change of nothing leaves them alone.
        second = parked_pids(d)
        d.ok("reload-config")
        expect(parked_pids(d), second)
        d.write(ahead(TELL).replace("prestart = 2", ""))
        d.ok("reload-config")
        for one in second:
            wait_until(lambda one=one: gone(one), what="the end of all")
        expect(ask(2000, b"hi\n").split()[3], b"hi")


@needs_root
def test_stop():
    """They end with the service, and are there again when it starts"""
    with Superd(ahead(TELL)) as d:
        wait_parked(d)
        first = parked_pids(d)
        d.ok("stop", "warm")
        for pid in first:
            wait_until(lambda pid=pid: gone(pid), what="their end")
        expect(prestart(d)["parked"], 0)
        d.ok("start", "warm")
        wait_parked(d)
        d.stop()
        wait_until(lambda: not [one for one in processes() if "readline" in one[2]], what="the end of all")


@needs_root
def test_killed_while_waiting():
    """One that is killed while it waits is replaced, and costs no client anything"""
    with Superd(ahead(TELL)) as d:
        for _ in range(3):
            wait_parked(d)
            os.kill(min(parked_pids(d)), signal.SIGKILL)
            expect(ask(2000, b"hi\n").split()[3], b"hi")
        wait_parked(d)


@needs_root
def test_killed_as_its_client_comes():
    """One that has just been killed when its client comes: another serves it, and both are counted as they are"""
    with Superd(ahead(TELL)) as d:
        wait_parked(d)
        killed = parked_pids(d)
        os.kill(d.pid, signal.SIGSTOP)  # the client is seen first, and the ends after it
        client = connect(2000)
        client.sendall(b"hi\n")
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: gone(pid), what="its end")
        os.kill(d.pid, signal.SIGCONT)
        answer = read_all(client).split()
        expect(answer[3], b"hi")
        assert int(answer[0]) not in killed
        wait_parked(d)


@needs_root
def test_stopped_while_waiting():
    """One that is stopped and ends before it has its connection: another is started for the client"""
    with Superd(ahead(TELL, count=1)) as d:
        wait_parked(d, 1)
        pid, = parked_pids(d)
        os.kill(pid, signal.SIGSTOP)
        client = connect(2000)
        client.sendall(b"hi\n")
        wait_until(lambda: d.connections("warm") == 1, what="the connection to be on its way")
        os.kill(pid, signal.SIGKILL)
        answer = read_all(client).split()
        expect(answer[3], b"hi")
        assert int(answer[0]) != pid
        d.wait_log("before it had its connection")
        expect(prestart(d)["served_warm"], 0)


@needs_root
@timeout(300)
def test_kill():
    """kill -9 of superd under load: no connection is lost and none is answered twice"""
    script = python("import os\nos.write(1, b'once\\n')")
    with Superd(ahead(script, count=4)) as d:
        wait_parked(d, 4)
        with Load(2000, b"once\n", clients=4) as load:
            wait_until(lambda: load.answers > 20, what="the load to begin")
            for _ in range(8):
                before, old = load.answers, d.pid
                os.kill(old, signal.SIGKILL)
                wait_until(lambda: load.answers > before + 10, what="answers after a kill")
                d.wait_superd(other_than=old)
            finish(load)
        wait_parked(d, 4)
        assert prestart(d)["served_warm"] > 0


@needs_root
def test_kill_on_the_way():
    """superd is killed while a connection is on its way: whoever has said that it has it, has it"""
    with Superd(ahead(TELL, count=1)) as d:
        wait_parked(d, 1)
        first, = parked_pids(d)
        os.kill(first, signal.SIGSTOP)
        client = connect(2000)
        client.sendall(b"hi\n")
        wait_until(lambda: d.connections("warm") == 1, what="the connection to be on its way")
        old = d.pid
        os.kill(old, signal.SIGKILL)
        # It is killed in its turn before it could take the connection, which a cold one then has.
        answer = read_all(client).split()
        expect(answer[3], b"hi")
        assert int(answer[0]) != first
        wait_until(lambda: gone(first), what="the end of the one that was stopped")
        d.wait_superd(other_than=old)
        wait_parked(d, 1)


@needs_root
def test_kill_while_waiting():
    """Those that waited when superd was killed serve nobody: the next superd ends them"""
    with Superd(ahead(TELL)) as d:
        wait_parked(d)
        first = parked_pids(d)
        kill_superd(d)
        expect(ask(2000, b"hi\n").split()[3], b"hi")
        wait_parked(d)
        assert not parked_pids(d) & first
        for pid in first:
            wait_until(lambda pid=pid: gone(pid), what="their end")


@needs_root
def test_kill_while_serving():
    """A handler that took its connection and is served by it goes on over a kill, and its end is seen"""
    with Superd(ahead(TELL, count=1)) as d:
        wait_parked(d, 1)
        first, = parked_pids(d)
        client = connect(2000)
        wait_served(d, 1)
        kill_superd(d)
        expect(d.connections("warm"), 1)
        client.sendall(b"hi\n")
        expect(int(read_all(client).split()[0]), first)
        d.wait_log(rf"warm EXIT .*pid={first}\b")
        wait_until(lambda: d.connections("warm") == 0, what="no connection")


@needs_root
def test_upgrade():
    """superctl upgrade: those that waited are replaced, the client that is served stays"""
    with Superd(ahead(TELL)) as d:
        wait_parked(d)
        client = connect(2000)
        wait_served(d, 1)
        wait_parked(d)
        first, old = parked_pids(d), d.pid
        d.ok("upgrade", os.path.join(build(), "superd"))
        d.wait_superd(other_than=old)
        wait_until(lambda: parked_pids(d) and not parked_pids(d) & first, what="others that wait")
        client.sendall(b"hi\n")
        expect(read_all(client).split()[3], b"hi")
        expect(prestart(d)["served_warm"], 1, "the count over an upgrade")


@needs_root
def test_limits():
    """Those that wait are no connections: max_connections lets in as many as ever"""
    limits = UNBOUNDED.replace('max_connections = "unlimited"', 'max_connections = 1\non_limit = "refuse"')
    with Superd(ahead(TELL).replace(UNBOUNDED, limits)) as d:
        wait_parked(d)
        expect(d.connections("warm"), 0)
        held = connect(2000)
        wait_served(d, 1)
        expect(read_all(connect(2000)), b"")
        expect(d.refused("warm"), {"max_connections": 1})
        held.sendall(b"hi\n")
        expect(read_all(held).split()[3], b"hi")
        wait_until(lambda: d.connections("warm") == 0, what="no connection")
        expect(ask(2000, b"hi\n").split()[3], b"hi")


@needs_root
@needs_peer("openssh")
def test_sshd():
    """sshd -i, started ahead: a command is run over it"""
    account = SshAccount()
    text = service("warm", "openssh", "tcp:2022", ["usr/sbin/sshd", "-i", "-f", account.config],
                   extra='runtime_directory = "sshd"\nprestart = 2')
    with Superd(text) as d:
        wait_parked(d)
        for _ in range(2):
            done = account.command(2022, "id -un; cat; exit 7", stdin="over the wire\n")
            expect(done.out, "alice\nover the wire\n", repr(done))
            expect(done.code, 7, "the status of the remote command")
        assert prestart(d)["served_warm"] >= 1


@needs_root
@needs_peer("rsync")
def test_rsync():
    """rsync --daemon, started ahead: a tree is copied and equals its source"""
    make_tree("/srv/files")
    write_text("/srv/rsyncd.conf", "use chroot = no\nuid = nobody\ngid = nogroup\n[files]\npath = /srv/files\n")
    text = service("warm", "rsync", "tcp:2873", ["usr/bin/rsync", "--daemon", "--config=/srv/rsyncd.conf"],
                   extra="prestart = 1")
    with Superd(text) as d:
        wait_parked(d, 1)
        done = run([peers.path("rsync", "usr/bin/rsync"), "-a", "rsync://127.0.0.1:2873/files/", "/srv/copy/"],
                   env=peers.environment("rsync"))
        expect(done.code, 0, repr(done))
        assert same_tree("/srv/files", "/srv/copy"), "the copy differs"
        expect(prestart(d)["served_warm"], 1)


def test_refused():
    """What is done for a connection before its program runs cannot go together with prestart"""
    for extra, what in (('stderr = "socket"', "stderr"), ('pass = "listen_fds"', "listen_fds"),
                        ("tcp_wrappers = true", "tcp_wrappers"),
                        ('environment = { LD_PRELOAD = "/x" }', "LD_PRELOAD")):
        d = Superd(ahead('["/bin/cat"]', extra=extra))
        told = run([os.path.join(build(), "superd"), "-t", "-c", d.config])
        expect(told.code, 1, repr(told))
        expect_in("no handler can be started ahead", told.err + told.out)
        expect_in(what, told.err + told.out)
