# SPDX-License-Identifier: MIT
"""max_age, max_requests and health checks: what runs is replaced although it did not end, or taken out."""

import datetime
import http.server
import os
import socket
import threading
import time

from clients import connect, read_line
from harness import Superd, expect, expect_in, forever, gone, holds_for, program, wait_until, write_text
from puppet import Puppet
from registry import covers, needs_root


def daemon(lines, name="loop", command=None):
    return f'[service.{name}]\nexec = {command or forever()}\nuser = "alice"\n{lines}\n'


def pid_of(d, name="loop"):
    """The pid of its one process; None where there is none now."""
    processes = [one for one in d.status(name)["processes"] if one["kind"] != "command"]
    return processes[0]["pid"] if processes else None


def wait_pid(d, name="loop", other_than=None):
    def look():
        pid = pid_of(d, name)
        return pid if pid not in (None, 0, other_than) else None

    return wait_until(look, what="its process")


def moment(d, pattern):
    """When the first line of the log that has it was written."""
    return datetime.datetime.fromisoformat(d.wait_log(r"(\S+)Z " + pattern).group(1))


def visit(port=2000):
    with connect(port) as connection:
        connection.sendall(b"?\n")
        return int(read_line(connection))


@needs_root
@covers("max_age")
def test_age():
    """A daemon, and a worker of a pool, is replaced when it is as old as it may be; that is no failure"""
    pool = (f'[service.pool]\nlisten = "tcp:2000"\nmode = "worker"\nworkers = 2\nuser = "alice"\n'
            f'start = "boot"\nmax_age = "2s"\nexec = {program("echoing")}\n')
    with Superd(daemon('restart = "no"\nmax_age = "1s"') + pool) as d:
        first = wait_pid(d)
        wait_pid(d, other_than=first)
        wait_until(lambda: gone(first), what="the first one")
        begun = moment(d, r"loop START pid=%d\b" % first)
        assert (moment(d, r"loop .*max_age 1s is reached: it is replaced") - begun).total_seconds() > 0.9
        assert "Last failure" not in d.ok("why", "loop")
        pids = {one["pid"] for one in d.status("pool")["processes"]}
        wait_until(lambda: all(gone(pid) for pid in pids), what="both workers to be replaced")
        assert visit() not in pids
        # With another file it may be as old as it gets, the one that runs too.
        d.write(daemon('restart = "no"'))
        d.reload()

        def stays():
            last = wait_pid(d)
            time.sleep(1.5)
            return not gone(last)

        wait_until(stays, what="one that stays")


@needs_root
@covers("max_requests")
def test_requests():
    """A daemon that says that it has served enough is replaced, over a superd that was killed too"""
    puppet = Puppet("p", "max_requests = 3")
    with Superd(puppet.text) as d:
        puppet.wait_started()
        first = wait_pid(d, "p")
        puppet.do("say X_SUPERD_REQUESTS=2")
        puppet.barrier()
        expect_in("served 2 of 3 requests", d.ok("why", "p"))
        old = d.pid
        os.kill(old, 9)
        d.wait_superd(other_than=old)
        wait_until(lambda: "served 2 of 3 requests" in d.ok("why", "p"), what="the count")
        expect(gone(first), False)
        puppet.do("say X_SUPERD_REQUESTS=3")
        wait_until(lambda: gone(first), what="the first one")
        d.wait_log("max_requests 3 is reached: it is replaced")
        wait_pid(d, "p", other_than=first)
        wait_until(lambda: "served 0 of 3 requests" in d.ok("why", "p"), what="the count of the next one")


class Answers(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        self.send_response(Answers.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass


@needs_root
@covers("health")
def test_http():
    """http: 200 passes; 503 several times in a row stops it, and the cause says so"""
    server = http.server.HTTPServer(("127.0.0.1", 3000), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Answers.status = 302
    lines = 'health = { http = "http://127.0.0.1:3000/health", every = "1s", timeout = "1s", failures = 2 }'
    with Superd(daemon(lines)) as d:
        first = wait_pid(d)
        wait_until(lambda: "its health check passes" in d.ok("why", "loop"), what="the first check")
        Answers.status = 503
        wait_until(lambda: gone(first), what="the stop")
        d.wait_log(r"health check failed: http 503 \(1 in a row\)")
        d.wait_log(r"health check failed: http 503 \(2 in a row\): it is stopped")
        Answers.status = 200
        wait_pid(d, other_than=first)
        expect_in("Last failure: health check failed: http 503 (2 in a row)", d.ok("why", "loop"))
    server.shutdown()
    server.server_close()


@needs_root
def test_take_out():
    """take-out: the process stays, its service is not ready until it passes, and who requires it waits"""
    lines = 'health = { tcp = "127.0.0.1:3000", every = "1s", timeout = "1s", failures = 1, action = "take-out" }'
    with Superd(daemon(lines) + daemon('start = "manual"\nrequires = "loop"\nafter = "loop"', "behind")) as d:
        pid = wait_pid(d)
        d.wait_log("it is taken out until it passes")
        expect_in("taken out: health check failed: tcp:127.0.0.1:3000: Connection refused", d.ok("why", "loop"))
        starter = threading.Thread(target=d.ctl, args=("start", "behind"))
        starter.start()
        holds_for(lambda: pid_of(d, "behind") is None, 1.0, "it waits")
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", 3000))
            listener.listen(100)
            d.wait_log("it is back in service")
            wait_pid(d, "behind")
            starter.join()
            expect(pid_of(d), pid)
        d.wait_log("it is taken out until it passes", after=len(d.log()))
        expect(gone(pid), False)


@needs_root
def test_unix_and_exec():
    """unix: a connection; exec: a command of the service's user that has to end with 0 in time"""
    lines = 'health = {{ exec = ["/bin/sh", "-c", "id -un >/srv/who; test -e /srv/good || exit 3"], {} }}'
    slow = 'health = { exec = ["/bin/sleep", "1000"], every = "1s", timeout = "500ms", failures = 1 }'
    local = 'health = { unix = "/srv/absent", every = "1s", timeout = "1s", failures = 1 }'
    os.chmod("/srv", 0o777)
    text = (daemon(lines.format('every = "2s", timeout = "2s", failures = 2'), "ask") +
            daemon(slow + '\nrestart = "no"', "slow") + daemon(local + '\nrestart = "no"', "local"))
    write_text("/srv/good", "")
    with Superd(text) as d:
        pid = wait_pid(d, "ask")
        wait_until(lambda: "its health check passes" in d.ok("why", "ask"), what="the first check")
        with open("/srv/who", encoding="ascii") as who:
            expect(who.read(), "alice\n")
        os.unlink("/srv/good")
        wait_until(lambda: gone(pid), what="the stop")
        d.wait_log(r"its command ended with status 3 \(2 in a row\)")
        write_text("/srv/good", "")
        d.wait_state("slow", "failed")
        expect_in("no answer within 500ms", d.ok("why", "slow"))
        d.wait_state("local", "failed")
        expect_in("unix:/srv/absent: No such file or directory", d.ok("why", "local"))
        wait_until(lambda: not d.status("slow")["processes"], what="the command that was too slow")


@needs_root
def test_killed():
    """A superd that is killed leaves no check behind, and the next one begins anew"""
    slow = 'health = { exec = ["/bin/sh", "-c", "echo $$ >/srv/check; exec sleep 1000"], every = "60s", timeout = "60s" }'
    os.chmod("/srv", 0o777)
    with Superd(daemon(slow)) as d:
        pid = wait_pid(d)

        def checking():
            with open("/srv/check", encoding="ascii") as source:
                return int(source.read() or 0)

        wait_until(lambda: os.path.exists("/srv/check") and checking(), what="the check")
        check, old = checking(), d.pid
        os.kill(old, 9)
        d.wait_superd(other_than=old)
        wait_until(lambda: gone(check), what="the check of the superd before")
        wait_until(lambda: checking() not in (0, check), what="the next check")
        expect(gone(pid), False)
        d.ok("stop", "loop")
        wait_until(lambda: gone(checking()), what="the check of a service that is stopped")


@needs_root
def test_age_and_overlap():
    """With overlap a new generation follows the one that is too old"""
    text = (f'[service.pool]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "alice"\nstart = "boot"\n'
            f'overlap = true\nmax_age = "2s"\nexec = {program("echoing")}\n')
    with Superd(text) as d:
        first = wait_pid(d, "pool")
        wait_until(lambda: gone(first), what="the first one")
        d.wait_log("generation [0-9]+ has taken over")
        assert visit() != first
