# SPDX-License-Identifier: MIT
"""Under 16 clients without pause: reloads, upgrades, kills. The long form is `make soak`."""

import os
import re
import signal

from harness import expect, run
from registry import needs_root, timeout
from reload_test import says
from soak import SERVED, STEADY, soak
from upgrade_test import another, running, upgrade

# Seconds that each long form lasts; 0: the short form, which does not wait between its turns.
LONG = int(os.environ.get("SUPERD_SOAK", "0"))
LIMIT = LONG * 2 + 300


def listeners():
    """The sockets of what stays; /proc/net/tcp would be read through all that have been closed of late."""
    rows = run(["ss", "-Hltne"]).out.splitlines()
    found = {int(row.split()[3].rsplit(":", 1)[1]): re.search(r"\bino:(\d+)", row)[1] for row in rows}
    return [found.get(port) for port in SERVED.values()]


def coming_and_going(turn):
    """The file of one turn: up to three services that are not in the next one, or not the same; none every fourth."""
    some = [says(f"passing{n}", 3000 + (turn * 3 + n) % 11, f"turn{turn}") for n in range(turn % 4)]
    return STEADY + "".join(some)


@needs_root
@timeout(LIMIT)
def test_reloads():
    """Reloads in a row with listeners added and removed: nobody is lost of services that did not change"""
    sockets = {}

    def disturb(d, turn):
        sockets.setdefault("first", listeners())
        d.write(coming_and_going(turn))
        expect(d.ctl("reload-config", quiet=True).code, 0, "the reload")
        expect(listeners(), sockets["first"], "listeners that stayed")

    soak(disturb, 0, 1001 if LONG else 41, slack=1024)


@needs_root
@timeout(LIMIT)
def test_upgrades():
    """Upgrades, one a second in the long form: nobody is lost and no counter"""
    copies = []

    def disturb(d, turn):
        if not copies:
            copies.extend(another(d, name) for name in ("one", "two"))
        upgrade(d, copies[turn % 2])
        expect(running(d), copies[turn % 2])

    soak(disturb, 1 if LONG else 0, LONG or 8, slack=1024)


@needs_root
@timeout(LIMIT)
def test_kills():
    """kill -9 of superd, every two seconds in the long form: nobody is lost and no counter"""

    def disturb(d, _):
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)

    soak(disturb, 2 if LONG else 0, LONG // 2 or 12, slack=1024)
