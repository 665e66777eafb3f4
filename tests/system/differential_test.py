# SPDX-License-Identifier: MIT
"""superd against the inetds whose place it takes: one configuration, the same clients, the same answers.

What is not the same stands in differential_table.py with its reason. A difference that is not there is an
error, and so is a row without its difference.
"""

import peers
from differential import Ours, Peer, SystemLog, compare, forget_log, imported
from differential_table import DIFFERENCES
from harness import expect, write_text
from registry import needs_peer, needs_root, pitfall
from wrappers_test import wrap

import differential_inetd
import differential_visits
import differential_wrappers
import differential_xinetd


@needs_root
@needs_peer("xinetd")
@pitfall("log of denials")
def test_xinetd():
    """Debian's xinetd and superd with its file: clients, programs and log lines are alike, or listed"""
    source, ports = differential_xinetd.write(), differential_xinetd.ports()
    system_log = SystemLog()
    forget_log()
    with Peer("xinetd", differential_xinetd.command(peers.path("xinetd", "usr/sbin/xinetd")), ports) as theirs:
        theirs.system_log = system_log
        differential_visits.everything(theirs)
    forget_log()
    with Ours(imported("xinetd", source), ports) as ours:
        ours.system_log = system_log
        differential_visits.everything(ours)
    # The clients did what they were to do, or two equal failures would pass for likeness.
    expect((theirs.seen["cat.half-close"], theirs.seen["denied.in"]), ("'half' FIN", "'hello\\n' FIN"))
    expect(theirs.seen["plain.uid"], "65534 65534 65534")
    compare("xinetd", theirs.seen, ours.seen, DIFFERENCES)


def inetd(package, dialect, command, pid_file=None):
    """One of the inetds and superd with its file."""
    source, ports = differential_inetd.write(dialect), differential_inetd.ports(dialect)
    with Peer(package, [*command, source], ports, pid_file) as theirs:
        differential_inetd.everything(theirs, dialect)
    with Ours(imported("inetd", "--dialect", dialect, source), ports) as ours:
        differential_inetd.everything(ours, dialect)
    expect((theirs.seen["cat.half-close"], theirs.seen["plain.uid"]), ("'half' FIN", "65534 65534 65534"))
    compare(package, theirs.seen, ours.seen, DIFFERENCES)


@needs_root
@needs_peer("openbsd-inetd")
def test_openbsd_inetd():
    """Debian's openbsd-inetd and superd with its file: clients and programs are alike, or listed"""
    inetd("openbsd-inetd", "openbsd", [peers.path("openbsd-inetd", "usr/sbin/inetd"), "-i"])


@needs_root
@needs_peer("inetutils-inetd")
def test_inetutils_inetd():
    """GNU's inetd and superd with its file: clients and programs are alike, or listed"""
    program, pid_file = peers.path("inetutils-inetd", "usr/sbin/inetutils-inetd"), "/run/test/inetd.pid"
    inetd("inetutils-inetd", "gnu", [program, f"--pidfile={pid_file}"], pid_file)


def wrappers(package, command, write, words):
    """One of them and superd with its file, and the same hosts.allow and hosts.deny."""
    wrap(differential_wrappers.ALLOW, differential_wrappers.DENY)
    # tcpd asks for the name of every client; nobody here knows one.
    write_text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nservices: files\nhosts: files\n")
    source, services = write()
    ports = {f"tcp {port}" for port in services.values()}
    with Peer(package, [*command, source], ports) as theirs:
        differential_wrappers.everything(theirs, services)
    with Ours(imported(*words, source), ports) as ours:
        differential_wrappers.everything(ours, services)
    expect((theirs.seen["wrapped.127.0.0.2"], theirs.seen["wrapped.127.0.0.1"]), ("let in", "kept out"))
    compare(f"{package}-wrappers", theirs.seen, ours.seen, DIFFERENCES)


@needs_root
@needs_peer("xinetd", "libwrap")
def test_wrappers_of_xinetd():
    """hosts.allow and hosts.deny let in and keep out the same clients of xinetd and of superd with its file"""
    command = [peers.path("xinetd", "usr/sbin/xinetd"), "-dontfork", "-pidfile", "/run/test/xinetd.pid", "-f"]
    wrappers("xinetd", command, differential_wrappers.write_xinetd, ["xinetd"])


@needs_root
@needs_peer("openbsd-inetd", "libwrap")
def test_wrappers_of_inetd():
    """tcpd in an inetd.conf lets in and keeps out the same clients as superd in its place"""
    command = [peers.path("openbsd-inetd", "usr/sbin/inetd"), "-i"]
    wrappers("openbsd-inetd", command, differential_wrappers.write_inetd, ["inetd"])
