# SPDX-License-Identifier: MIT
"""dynamic_user: a number that no account has, for the service alone and for as long as it is there."""

import json
import os
import signal

from clients import ask
from harness import Superd, expect, expect_in, program, shell, wait_until
from puppet import Puppet
from registry import covers, needs_root
from upgrade_test import another, upgrade

FIRST, LAST = 61184, 65519


def handler(name, port, lines="", *tries):
    return (f'[service.{name}]\nlisten = "tcp:{port}"\nexec = {program("tries", *tries)}\ndynamic_user = true\n'
            f'{lines}\n')


def uid_of(port):
    answer = json.loads(ask(port))
    uid = answer["uids"][0]
    expect((answer["uids"], answer["gids"], answer["status"]["Groups"]), ([uid] * 3, [uid] * 3, ""))
    return uid


@needs_root
@covers("dynamic_user")
def test_numbers():
    """Each service has its own, of the range, through restarts, reloads with other services, kill -9 and upgrade"""
    with Superd(handler("a", 2000) + handler("b", 2001)) as d:
        a, b = uid_of(2000), uid_of(2001)
        assert FIRST <= a <= LAST and FIRST <= b <= LAST and a != b, (a, b)
        expect(uid_of(2000), a)
        d.write("".join(handler(f"x{i}", 3000 + i) for i in range(30)) + handler("a", 2000))
        d.ok("reload-config")
        others = [uid_of(3000 + i) for i in range(30)]
        expect(len({a, b, *others}), 32)
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        upgrade(d, another(d))
        expect((uid_of(2000), [uid_of(3000 + i) for i in range(30)]), (a, others))
        d.ok("reload-config")
        expect((uid_of(2000), [uid_of(3000 + i) for i in range(30)]), (a, others))


@needs_root
def test_sandbox():
    """It writes to its own directories and a /tmp that goes with it, nowhere else, and gains no privileges"""
    lines = 'state_directory = "own"\nrestrict_realtime = true'
    text = handler("s", 2000, lines, "write:/var/lib/own/x", "write:/tmp/dynamic_user", "write:/etc/x", "write:/srv/x",
                   "write:/home/x", "suid", "setuid")
    os.chmod("/srv", 0o777)
    with Superd(text) as d:
        answer = json.loads(ask(2000))
        expect(answer["tries"]["write:/var/lib/own/x"], "ok")
        expect(answer["tries"]["write:/tmp/dynamic_user"], "ok")
        for word in ("write:/etc/x", "write:/srv/x", "write:/home/x"):
            expect_in(answer["tries"][word], ("EROFS", "EACCES"), word)
        expect((answer["tries"]["suid"], answer["tries"]["setuid"]), ("EPERM", "EPERM"))
        expect(answer["status"]["NoNewPrivs"], "1")
        assert not os.path.exists("/tmp/dynamic_user")
        expect(os.stat("/var/lib/own").st_uid, answer["uids"][0])
        expect(os.stat("/var/lib/own/x").st_uid, answer["uids"][0])
        expect_in("dynamic_user               true", d.ok("sandbox", "s"))


@needs_root
def test_daemon():
    """A daemon tells of itself and logs under its number; a restart leaves it that"""
    puppet = Puppet("p", 'dynamic_user = true\nready = "notify"\nstderr = "pipe"\n'
                    'read_write_paths = "/srv/p"\nrestart_delay = "1ms"')
    text = puppet.text.replace('user = "alice"\n', "")
    with Superd(text) as d:
        inside = puppet.wait_started()
        puppet.do("say READY=1|STATUS=here")
        d.wait_state("p", "running")
        uid = os.stat(f"/proc/{inside}").st_uid
        assert FIRST <= uid <= LAST, uid
        os.kill(inside, signal.SIGKILL)
        later = puppet.wait_started(other_than=inside)
        expect(os.stat(f"/proc/{later}").st_uid, uid)


@needs_root
def test_log():
    """What it writes to /dev/stderr reaches the log"""
    text = (f'[service.l]\nexec = {shell("echo through a name >/dev/stderr; exec tail -f /dev/null")}\n'
            'dynamic_user = true\nstderr = "pipe"\n')
    with Superd(text) as d:
        d.wait_log(" l: through a name")


@needs_root
def test_in_use():
    """A number that a process of somebody else's runs under is left alone"""
    with Superd(handler("a", 2000)) as d:
        uid = uid_of(2000)
    pid = os.fork()
    if pid == 0:
        os.setresuid(uid, uid, uid)
        signal.pause()
        os._exit(0)
    try:
        wait_until(lambda: os.stat(f"/proc/{pid}").st_uid == uid, what="another process with the number")
        with Superd(handler("a", 2000)) as d:
            assert uid_of(2000) != uid
            wait_until(lambda: d.state("a") == "listening", what="its handler to end")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
