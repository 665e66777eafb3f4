# SPDX-License-Identifier: MIT
"""superd against the inetds whose place it takes: one configuration, the same clients, the same answers.

What is not the same stands in differential_table.py with its reason. A difference that is not there is an
error, and so is a row without its difference.
"""

import peers
from differential import Ours, Peer, compare, forget_log, imported
from differential_table import DIFFERENCES
from harness import expect, write_text
from registry import needs_peer, needs_root

import differential_visits
import differential_xinetd


@needs_root
@needs_peer("xinetd")
def test_xinetd():
    """Debian's xinetd and superd with its file: clients, programs and log lines are alike, or listed"""
    source, ports = differential_xinetd.write(), differential_xinetd.ports()
    forget_log()
    with Peer("xinetd", differential_xinetd.command(peers.path("xinetd", "usr/sbin/xinetd")), ports) as theirs:
        differential_visits.everything(theirs)
    forget_log()
    with Ours(imported("xinetd", source), ports) as ours:
        differential_visits.everything(ours)
    # The clients did what they were to do, or two equal failures would pass for likeness.
    expect((theirs.seen["cat.half-close"], theirs.seen["denied.in"]), ("'half' FIN", "'hello\\n' FIN"))
    expect(theirs.seen["plain.uid"], "65534 65534 65534")
    compare("xinetd", theirs.seen, ours.seen, DIFFERENCES)
