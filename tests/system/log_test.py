# SPDX-License-Identifier: MIT
"""Where the lines of a service go, what they carry, and the forms that xinetd gives them."""

import os
import re
import socket

from clients import DEADLINE, ask
from harness import Superd, build, descendants, executable, expect, expect_in, read_text, wait_until
from registry import covers, needs_root
from signals_test import make_dev

STAMP = r"\d\d/\d+/\d+@\d\d:\d\d:\d\d: "


def says(name, port, more=""):
    return (f'[service.{name}]\nlisten = "tcp:127.0.0.1:{port}"\nuser = "nobody"\n'
            f'exec = ["/bin/sh", "-c", "echo hello"]\n{more}\n')


def lines(path):
    """The whole lines of a file that may not be there yet."""
    if not os.path.exists(path):
        return []
    return read_text(path).rpartition("\n")[0].splitlines()


def wait_line(path, pattern):
    return wait_until(
        lambda: next((m for m in (re.fullmatch(pattern, line) for line in lines(path)) if m), None),
        what=f"/{pattern}/ in {path}")


@needs_root
@covers("superd.log_format", "log_admitted", "log_refused")
def test_lines_of_xinetd():
    """log_format = "xinetd": START, EXIT and FAIL word for word, with the facts that were chosen"""
    log = "/run/test/log"
    text = f'[superd]\nlog = "file:{log}"\nlog_format = "xinetd"\n'
    text += says("all", 2000)
    text += says("some", 2001, 'log_admitted = ["host", "exit"]')
    text += says("none", 2002, "log_admitted = []")
    text += says("shut", 2003, 'allow = ["192.0.2.1"]')
    text += says("silent", 2004, 'allow = ["192.0.2.1"]\nlog_refused = []')
    text += says("bare", 2005, 'allow = ["192.0.2.1"]\nlog_refused = ["attempt"]')
    with Superd(text) as d:
        for port in (2002, 2001, 2000):
            expect(ask(port), b"hello\n")
        for port in (2004, 2005, 2003):
            expect(ask(port), b"")
        started = wait_line(log, STAMP + r"START: all pid=(\d+) from=127\.0\.0\.1")
        wait_line(log, STAMP + rf"EXIT: all status=0 pid={started[1]} duration=\d+\(sec\)")
        wait_line(log, STAMP + r"START: some from=127\.0\.0\.1")
        wait_line(log, STAMP + r"EXIT: some status=0")
        wait_line(log, STAMP + r"FAIL: bare address")
        wait_line(log, STAMP + r"FAIL: shut address from=127\.0\.0\.1")
        wait_line(log, STAMP + r"NOTICE: \d+ \{superd\} .* serves 6 services")
        assert not [line for line in lines(log) if "none" in line or "silent" in line], lines(log)
        assert "START" not in d.log(), "nothing of it on stderr"


@needs_root
@covers("log_admitted", "log_refused")
def test_facts_in_text():
    """log_admitted and log_refused leave facts out of lines of text as well"""
    text = says("some", 2001, 'log_admitted = ["pid", "duration"]')
    text += says("shut", 2003, 'allow = ["192.0.2.1"]\nlog_refused = ["attempt"]')
    with Superd(text) as d:
        expect(ask(2003), b"")
        expect(ask(2001), b"hello\n")
        d.wait_log(r"some START conn=\w+ pid=\d+ to=\S+\n")
        d.wait_log(r"some EXIT conn=\w+ pid=\d+ duration=\S+s\n")
        d.wait_log(r"shut REFUSE conn=\w+ to=\S+ reason=not_allowed rule=\S+\n")


@needs_root
@covers("log")
def test_log_of_a_service():
    """log = "file:…": shared files hold the lines of all who name them, and a reload opens them anew"""
    shared, own = "/run/test/shared", "/run/test/own"
    text = f'[superd]\nlog = ["stderr", "file:{shared}"]\n'
    text += says("one", 2000, f'log = "file:{shared}"') + says("two", 2001, f'log = ["file:{shared}", "file:{own}"]')
    text += says("three", 2002)
    with Superd(text) as d:
        for port in (2000, 2001, 2002):
            expect(ask(port), b"hello\n")
        for name, path in (("one", shared), ("two", shared), ("two", own), ("three", shared)):
            wait_line(path, rf"\S+Z {name} EXIT .*")
        assert not [line for line in lines(own) if " two " not in line], lines(own)
        assert "one START" not in d.log() and "three START" in d.log()
        program = os.path.join(build(), "superd-log")
        pid = next(pid for pid, _, _ in descendants(d.guard) if executable(pid) == program)
        expect(list(d.fds(pid).values()).count(shared), 1)
        before = len(lines(shared))
        os.rename(shared, shared + ".1")
        d.reload()
        wait_until(lambda: os.path.exists(shared), what="the new file")
        expect(ask(2000), b"hello\n")
        wait_line(shared, r"\S+Z one EXIT .*")
        assert len(lines(shared + ".1")) >= before

        d.write('[superd]\nlog = "stderr"\n' + says("one", 2000) + says("two", 2001, f'log = "file:{own}"'))
        d.reload()
        expect(ask(2000), b"hello\n")
        d.wait_log("one EXIT")


@needs_root
@covers("log")
def test_sizes_of_a_log_file():
    """log = { file, soft, hard }: one alert at soft; at hard nothing more until it is opened again, smaller"""
    own = "/run/test/own"
    text = says("one", 2000, f'log = {{ file = "{own}", soft = "300", hard = "600" }}')
    with Superd(text) as d:
        for _ in range(8):
            expect(ask(2000), b"hello\n")
        d.wait_log(rf"superd CRIT file {own} has reached its soft size, 300\n")
        d.wait_log(rf"superd CRIT file {own} has reached its hard size, 600: ")
        expect(d.log().count("soft size"), 1)
        assert 300 < os.stat(own).st_size <= 600, os.stat(own).st_size
        d.reload()
        size = os.stat(own).st_size
        expect(ask(2000), b"hello\n")
        os.rename(own, own + ".1")
        d.reload()
        d.wait_log(rf"superd file {own} is written again; \d+ lines were left out")
        expect(ask(2000), b"hello\n")
        wait_line(own, r"\S+Z one EXIT .*")
        expect(os.stat(own + ".1").st_size, size)


@needs_root
@covers("log", "superd.log")
def test_syslog_facility():
    """log = "syslog:local4.info": facility and level of that service, and xinetd's name with its form"""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind("/run/test/devlog")
    receiver.settimeout(DEADLINE)
    os.chmod("/run/test/devlog", 0o666)
    os.symlink("/run/test/devlog", make_dev() + "/log")
    text = '[superd]\nlog = "syslog:authpriv"\nlog_format = "xinetd"\n'
    text += says("one", 2000, 'log = "syslog:local4.info"')
    with Superd(text):
        expect(ask(2000), b"hello\n")
        seen = []
        while not all(any(part in line for line in seen) for part in ("EXIT: one", "serves 1 service")):
            seen.append(receiver.recv(65536).decode())
        start = next(line for line in seen if "START" in line)
        assert re.fullmatch(r"<166>\w{3} [ \d]\d \d\d:\d\d:\d\d xinetd\[\d+\]: START: one pid=\d+ from=127\.0\.0\.1", start), start
        expect_in("<85>", next(line for line in seen if "serves 1 service" in line))
