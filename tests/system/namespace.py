# SPDX-License-Identifier: MIT
"""Namespaces of a test's own, so that it may use any port, any file of /etc and leave nothing behind."""

import ctypes
import errno
import os
import subprocess

import registry

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)

# Users that servers expect and that a plain Debian does not have.
USERS = (
    "sshd:x:9101:65534::/run/sshd:/usr/sbin/nologin",
    "superd-git:x:9102:9102::/nonexistent:/usr/sbin/nologin",
    "ftp:x:9103:65534::/srv/ftp:/usr/sbin/nologin",
    "telnetd:x:9104:9104::/nonexistent:/usr/sbin/nologin",
    "tftp:x:9105:9105::/srv/tftp:/usr/sbin/nologin",
    "Debian-exim:x:9106:9106::/var/spool/exim4:/usr/sbin/nologin",
    "_rpc:x:9107:65534::/run/rpcbind:/usr/sbin/nologin",
    "avahi:x:9109:9109::/run/avahi-daemon:/usr/sbin/nologin",
    "superd-announce:x:9108:65534::/nonexistent:/usr/sbin/nologin",
    "alice:x:9111:9111:Alice:/srv/alice:/bin/sh",
    "bob:x:9112:9112:Bob:/srv/bob:/bin/sh",
)
GROUPS = (
    "superd-git:x:9102:",
    "telnetd:x:9104:",
    "tftp:x:9105:",
    "Debian-exim:x:9106:",
    "avahi:x:9109:",
    "alice:x:9111:",
    "bob:x:9112:",
    "readers:x:9121:alice",
    "writers:x:9122:alice,bob",
    "superd-admin:x:9123:bob",
)


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(option, value):
    _check(_libc.prctl(option, value, 0, 0, 0), "prctl")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def mount(source, target, kind=None, flags=0, data=None):
    def encode(text):
        return None if text is None else os.fsencode(text)

    _check(_libc.mount(encode(source), encode(target), encode(kind), flags, encode(data)), f"mount {target}")


def bind(source, target):
    mount(source, target, flags=MS_BIND)


def die_with_parent():
    prctl(PR_SET_PDEATHSIG, 9)


def become_subreaper():
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def enter():
    """Leaves the host's mounts, network, IPC and host name. The next fork begins a new process tree."""
    unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID)


def leave_shared_mounts():
    """What is mounted from here on stays here. In a chroot "/" is no mount point and first becomes one."""
    try:
        mount(None, "/", flags=MS_REC | MS_PRIVATE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        here = os.getcwd()
        mount("/", "/mnt", flags=MS_BIND | MS_REC)
        mount(None, "/mnt", flags=MS_REC | MS_PRIVATE)
        os.chroot("/mnt")
        os.chdir(here)


def prepare():
    """To be called by the first process of the new tree."""
    leave_shared_mounts()
    mount("proc", "/proc", "proc")
    # On some containers /sys shows the network of the host; the tests do not read it.
    for directory in ("/run", "/srv", "/var/lib", "/var/cache", "/var/log", "/var/spool"):
        mount("tmpfs", directory, "tmpfs", data="mode=0755")
    os.mkdir("/run/test", 0o755)
    os.mkdir("/run/lock", 0o1777)
    # Users of the tests may not be able to walk to where the project lies.
    here = os.path.dirname(os.path.abspath(__file__))
    for source, target in ((registry.build(), "/run/build"), (here, "/run/tests")):
        os.mkdir(target)
        mount(source, target, flags=MS_BIND)
    os.environ["SUPERD_BUILD_ON_HOST"] = registry.build()
    os.environ["SUPERD_BUILD"] = "/run/build"
    _replace("/etc/passwd", USERS)
    _replace("/etc/group", GROUPS)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _replace(path, lines):
    """A copy of the host's file with lines added, bound over it."""
    with open(path, encoding="utf-8") as source:
        kept = source.read().splitlines()
    names = {line.split(":", 1)[0] for line in lines}
    kept = [line for line in kept if line.split(":", 1)[0] not in names]
    copy = "/run/test/" + os.path.basename(path)
    with open(copy, "w", encoding="utf-8") as out:
        out.write("\n".join(kept + list(lines)) + "\n")
    bind(copy, path)
