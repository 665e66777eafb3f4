# SPDX-License-Identifier: MIT
"""As root superd trusts only files that root alone can write."""

import os

from clients import ask
from harness import Superd, expect, expect_in, write_text
from registry import needs_root
from reload_test import says


def refused(d, name):
    """The start is refused, and the log names the file or folder."""
    d.expect_ready = False
    d.start()
    expect(d.wait_end(), 1)
    expect_in(name, d.log())


@needs_root
def test_writable_file():
    """A file that others can write is refused"""
    for mode in (0o666, 0o664):
        d = Superd(says("one", 2000, "x"))
        os.chmod(d.config, mode)
        refused(d, d.config)


@needs_root
def test_foreign_file():
    """A file that is somebody else's is refused"""
    d = Superd(says("one", 2000, "x"))
    os.chown(d.config, 9111, 0)
    refused(d, d.config)


@needs_root
def test_folder():
    """A folder above that somebody else owns or can write is refused"""
    for change in (lambda path: os.chmod(path, 0o777), lambda path: os.chown(path, 9111, 0)):
        d = Superd(says("one", 2000, "x"))
        change(d.directory)
        refused(d, d.directory)


@needs_root
def test_sticky_folder():
    """A folder like /tmp is no reason to refuse what is root's in it; a link that somebody else put there is"""
    d = Superd(says("one", 2000, "x"))
    os.chmod(d.directory, 0o1777)
    with d:
        expect(ask(2000), b"x\n")
    d = Superd('include = ["two.toml"]\n' + says("one", 2000, "x"), files={"real/two.toml": says("two", 2001, "y")})
    os.chmod(d.directory, 0o1777)
    os.symlink("real/two.toml", d.path("two.toml"))
    os.chown(d.path("two.toml"), 9111, 0, follow_symlinks=False)
    refused(d, f"link {d.path('two.toml')} does not belong to root")


@needs_root
def test_include():
    """The same holds for an included file and its folder"""
    for change in (lambda path: os.chmod(path, 0o666), lambda path: os.chown(path, 9111, 0),
                   lambda path: os.chmod(os.path.dirname(path), 0o777)):
        d = Superd('include = ["d/*.toml"]\n' + says("one", 2000, "x"), files={"d/two.toml": says("two", 2001, "y")})
        change(d.path("d/two.toml"))
        refused(d, d.path("d"))


@needs_root
def test_reload():
    """A reload is held to it as well, and changes nothing"""
    with Superd(says("one", 2000, "x")) as d:
        d.write(says("one", 2000, "changed"))
        os.chmod(d.config, 0o666)
        expect(d.reload().code, 1)
        expect(ask(2000), b"x\n")
        os.chmod(d.config, 0o644)
        expect(d.reload().code, 0)
        expect(ask(2000), b"changed\n")


@needs_root
def test_environment_file():
    """An environment_file that others can read is refused"""
    write_text("/run/test/open.env", "A=b\n", 0o644)
    d = Superd(says("one", 2000, "x", 'environment_file = "/run/test/open.env"'))
    refused(d, "/run/test/open.env")


@needs_root
def test_secrets_are_not_shown():
    """What stands in an environment_file is in no answer of superctl and not in the log"""
    write_text("/run/test/secret.env", "PASSWORD=xyzzy-secret\n", 0o600)
    with Superd(says("one", 2000, "$PASSWORD", 'environment_file = "/run/test/secret.env"')) as d:
        expect(ask(2000), b"xyzzy-secret\n")
        said = "".join(d.ok(*words) for words in (("show", "one"), ("--json", "show", "one"), ("status", "one"),
                                                  ("show", "--effective", "one")))
        assert "xyzzy" not in said and "xyzzy" not in d.log()


@needs_root
def test_own_files():
    """superd's own files are closed to others: the state, the control socket for other groups"""
    with Superd(says("one", 2000, "x")) as d:
        expect(ask(2000), b"x\n")
        for folder, _, names in os.walk(d.state_dir):
            for name in names:
                try:
                    mode = os.stat(os.path.join(folder, name)).st_mode
                except FileNotFoundError:
                    continue  # a file on its way to its name
                expect(mode & 0o002, 0, f"{name} is writable by others")
        expect(os.stat(d.socket).st_mode & 0o002, 0, "the control socket is writable by others")
