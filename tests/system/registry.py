# SPDX-License-Identifier: MIT
"""What a system test says about itself: what it needs, how long it may take, which options it observes."""

import os


class Skip(Exception):
    """Raised by a test that cannot run here; its text is the reason."""


def covers(*keys):
    """The options of superd.toml that the test sets and observes; `make check-options` reads it."""

    def mark(function):
        function.covers = tuple(getattr(function, "covers", ())) + keys
        return function

    return mark


def pitfall(*names):
    """What went wrong in inetds before superd, and does not here (pitfalls.py)."""

    def mark(function):
        function.pitfalls = tuple(getattr(function, "pitfalls", ())) + names
        return function

    return mark


def timeout(seconds):
    """The bound of the whole test; 150 s where nothing is said."""

    def mark(function):
        function.timeout = seconds
        return function

    return mark


def needs_root(function):
    """The test needs namespaces of its own and users to change to."""
    function.needs_root = True
    return function


def without_namespace(function):
    """The test runs on the host as it is, even as root."""
    function.namespace = False
    return function


def needs_peer(*names):
    """Servers that peers.py unpacks before the test starts."""

    def mark(function):
        function.peers = tuple(getattr(function, "peers", ())) + names
        return function

    return mark


def skip(reason):
    raise Skip(reason)


def build():
    """The directory of the programs under test."""
    return os.path.abspath(os.environ.get("SUPERD_BUILD", "build"))


def samples():
    """Configurations of real hosts."""
    return os.path.abspath(os.environ.get("SUPERD_SAMPLES", "../shared/samples"))


def scale():
    """Deadlines are multiplied by it: sanitizers and loaded machines are slower."""
    return float(os.environ.get("SUPERD_TIME_SCALE", "1"))
