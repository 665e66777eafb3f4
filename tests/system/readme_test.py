# SPDX-License-Identifier: MIT
"""README's examples are true: its file is accepted, and each service in it does what stands beside it."""

import os
import re

from clients import ask
from harness import (DEADLINE, Superd, expect, expect_in, program, read_text, shell, wait_until, write_text)
from registry import needs_root, timeout

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README")


def example():
    """The indented block below "What else a service may be"."""
    section = read_text(README).split("What else a service may be\n", 1)[1].split("\n\n\n", 1)[0]
    return "\n".join(line[4:] for line in section.split("\n") if not line or line.startswith("    ")).strip() + "\n"


def with_programs(text):
    """The same with programs that are there."""
    there = {"db": program("daemon"), "web": program("pool", "web"), "thumbs": shell("exec sleep 1d"),
             "backup": shell("echo backed up")}
    for name, command in there.items():
        text, count = re.subn(rf'exec( *)= "/usr/local/bin/{name}\b[^"]*"', lambda found, new=command: "exec = " + new,
                              text)
        expect(count, 1, name)
    text = text.replace('exec_pre   = "/usr/local/bin/db-migrate"', "exec_pre = " + shell("echo migrated"))
    expect("/usr/local" in text, False, text)
    return text.replace("/var/log/superd/", "/run/test/logs/").replace("/srv/report.py", "/run/test/report.py")


@needs_root
@timeout(120)
def test_services():
    """README: its services are accepted, and each is what the line beside it says"""
    text = example()
    d = Superd(text)
    told = d.ctl("check", d.config)
    expect((told.code, re.findall("error|warning: (?!there is no program)", told.out + told.err)), (0, ["error"]), told)
    expect_in("8 services, no errors", told.out)
    write_text("/run/test/report.py", "import sys\nprint('a report')\n")
    d.write(with_programs(text))
    with d:
        d.wait_state("db", "running")
        d.wait_log("db.*migrated")
        expect(ask(8080, b"x").split()[0], b"web")
        wait_until(lambda: len(d.status("web")["processes"]) == 2, DEADLINE, "two workers")
        before = {one["pid"] for one in d.status("web")["processes"]}
        d.ok("restart", "web")
        expect(ask(8080, b"x").split()[0], b"web")
        wait_until(lambda: not before & {one["pid"] for one in d.status("web")["processes"]}, DEADLINE, "others")
        wait_until(lambda: d.status("report")["prestart"]["parked"] == 4, DEADLINE, "four ahead")
        expect(ask(2070), b"a report\n")
        for copy in range(4):
            d.wait_state(f"thumbs@{copy}", "running")
        expect_in("backup", d.ok("timers"))
        expect_in("no_new_privs", d.ok("sandbox", "db"))
        d.ok("start", "backup")
        wait_until(lambda: "backed up" in (read_text("/run/test/logs/backup.log") if
                                           os.path.exists("/run/test/logs/backup.log") else ""), DEADLINE, "its line")
