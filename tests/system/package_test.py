# SPDX-License-Identifier: MIT
"""What the tree brings beside the programs: installation, the demonstration, the shipped files."""

import os
import re
import shutil
import signal
import subprocess
import tempfile

from harness import expect, expect_in, read_text, run, test_directory, wait_until
from registry import build, skip, timeout, without_namespace

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files_below(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root)
                  for folder, _, names in os.walk(root) for name in names)


def make(*words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    result = run(["make", "BUILD=" + build(), *words], deadline=150, env=environment, cwd=TREE)
    expect(result.code, 0, repr(result))
    return result


@timeout(300)
@without_namespace
def test_install():
    """make install puts everything in its place, make uninstall takes all of it away again"""
    if not os.access(os.path.join(TREE, "config.mk"), os.R_OK):
        skip("./configure has not run")
    root = tempfile.mkdtemp(prefix="superd-install-")
    try:
        make("install-files", "DESTDIR=" + root, "prefix=/opt/x")
        found = files_below(root)
        for path in ("opt/x/sbin/superd", "opt/x/bin/superctl", "opt/x/libexec/superd/superd-log",
                     "opt/x/libexec/superd/superd-exec", "opt/x/libexec/superd/superd-announce",
                     "opt/x/libexec/superd/libsuperd-park.so", "opt/x/libexec/superd/superd-tls",
                     "opt/x/libexec/superd/superd-key", "opt/x/share/man/man8/superd-key.8",
                     "opt/x/libexec/superd/zen/zen_handler", "etc/superd.toml",
                     "opt/x/lib/systemd/system/superd.service", "opt/x/lib/sysusers.d/superd.conf",
                     "opt/x/lib/tmpfiles.d/superd.conf", "opt/x/share/man/man8/superd.8",
                     "opt/x/share/man/man8/superctl.8", "opt/x/share/man/man8/superd-announce.8",
                     "opt/x/share/man/man8/superd-tls.8",
                     "opt/x/share/man/man5/superd.toml.5",
                     "opt/x/share/man/man7/superd-import.7", "opt/x/share/doc/superd/from-xinetd",
                     "opt/x/share/doc/superd/examples/fail2ban/filter.d/superd.conf",
                     "opt/x/share/doc/superd/examples/fail2ban/action.d/superd.conf",
                     "opt/x/share/doc/superd/examples/nagios/check_superd"):
            assert path in found, f"{path} is not among {found}"
        assert os.access(os.path.join(root, "opt/x/share/doc/superd/examples/nagios/check_superd"), os.X_OK)
        expect_in("/opt/x/bin/superctl",
                  read_text(os.path.join(root, "opt/x/share/doc/superd/examples/fail2ban/action.d/superd.conf")))
        unit = read_text(os.path.join(root, "opt/x/lib/systemd/system/superd.service"))
        expect_in("ExecStart=/opt/x/sbin/superd -c /etc/superd.toml", unit)

        make("uninstall", "DESTDIR=" + root, "prefix=/opt/x")
        expect(files_below(root), [], "files left by make uninstall")
        assert not os.path.exists(os.path.join(root, "opt/x/share/doc/superd")), "a folder is left"

        make("install-files", "DESTDIR=" + root, "prefix=/opt/x")
        mine = os.path.join(root, "etc/superd.toml")
        with open(mine, "a", encoding="utf-8") as file:
            file.write("# mine\n")
        make("install-files", "DESTDIR=" + root, "prefix=/opt/x")
        make("uninstall", "DESTDIR=" + root, "prefix=/opt/x")
        expect(files_below(root), ["etc/superd.toml"], "an edited configuration stays")
        expect_in("# mine", read_text(mine))
    finally:
        shutil.rmtree(root)


class Demonstration:
    """contrib/demo, until it has tried everything."""

    def __init__(self):
        directory = test_directory()
        os.chmod(directory, 0o755)
        self.path = os.path.join(directory, "output")
        with open(self.path, "wb") as output:
            self.process = subprocess.Popen(
                ["/bin/sh", "contrib/demo", build()], cwd=TREE, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, env={**os.environ, "TMPDIR": directory, "NO_COLOR": "1"},
                # A shell cannot trap what was ignored when it began, as in a job of the background.
                start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def text(self):
        return read_text(self.path)

    def __enter__(self):
        wait_until(lambda: "superd stays until" in self.text() or self.process.poll() is not None,
                   what="the end of what the demonstration tries")
        return self

    def end(self, number):
        self.process.send_signal(number)
        expect(self.process.wait(timeout=60), 0, f"its exit status after {number!r}: {self.text()}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end(signal.SIGTERM)


def test_demonstration():
    """the demonstration answers on all four ports and ends with 0 after TERM and after INT"""
    with Demonstration() as demo:
        text = demo.text()
        expect(demo.process.poll(), None, text)
        for port, answer in ((1060, "Ugly.\nImplicit.\nError: unknown aphorism."), (1061, "Complex."),
                             (1062, "Implicit."), (1063, "Ugly.")):
            said = text.split(f"$ zen_ask {port} ", 1)[1].split("\n$ ", 1)[0]
            lines = [line for line in said.splitlines()[1:] if not re.match(r"\d{4}-\d\d-\d\dT", line)]
            expect("\n".join(lines).strip(), answer, f"port {port}")
        expect_in("refused, not_allowed", text)
        demo.end(signal.SIGTERM)
    with Demonstration() as demo:
        demo.end(signal.SIGINT)


def test_shipped_file():
    """the file for a host is accepted as it is shipped, and nothing in it listens"""
    for name in ("superd.toml",):
        result = run([os.path.join(build(), "superd"), "-t", "-c", os.path.join(TREE, "etc", name),
                      "--as", "/etc/superd.toml"])
        expect(result.code, 0, repr(result))
    text = read_text(os.path.join(TREE, "etc", "superd.toml"))
    services = re.findall(r"^\[service\.[^\]]+\]\n(.*)$", text, re.M)
    assert services, "no service in etc/superd.toml"
    for first in services:
        expect(first.replace(" ", "").split("#")[0], "enabled=false", "the first line of a service")


def test_needs_named():
    """what is missing for the build is named for Debian, Fedora, Arch and Alpine, and nothing is installed"""
    directory = test_directory()
    for tool in ("sh", "id", "sort", "tr", "sed"):
        os.symlink(shutil.which(tool), os.path.join(directory, tool))
    result = run([os.path.join(directory, "sh"), os.path.join(TREE, "contrib", "packages"), "build"],
                 env={"PATH": directory})
    expect(result.code, 1, repr(result))
    for command, package in (("apt-get install --no-install-recommends", "libuv1-dev"),
                             ("dnf install", "libuv-devel"), ("pacman -S --needed", "libuv"),
                             ("apk add", "libuv-dev")):
        lines = [line for line in result.err.splitlines() if command in line]
        expect(len(lines), 1, f"lines with {command}")
        assert package in lines[0].split(), f"{package} is not in: {lines[0]}"
