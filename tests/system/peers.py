#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real servers for the tests: Debian packages, downloaded and unpacked, never installed.

usage: tests/system/peers.py [NAME …]    unpacks them below $SUPERD_BUILD/peers

Each peer has a root of its own: installing one inetd would remove another. Libraries that a
server needs and this machine has not are unpacked beside it and found by LD_LIBRARY_PATH.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from registry import build

# name: (packages, programs that must run)
PEERS = {
    "openssh": (["openssh-server", "openssh-client", "openssh-sftp-server"],
                ["usr/sbin/sshd", "usr/bin/ssh", "usr/bin/ssh-keygen"]),
    "rsync": (["rsync"], ["usr/bin/rsync"]),
    "git": (["git"], ["usr/bin/git", "usr/lib/git-core/git-daemon"]),
    "subversion": (["subversion"], ["usr/bin/svnserve", "usr/bin/svn", "usr/bin/svnadmin"]),
    "vsftpd": (["vsftpd"], ["usr/sbin/vsftpd"]),
    "tftpd-hpa": (["tftpd-hpa"], ["usr/sbin/in.tftpd"]),
    "atftpd": (["atftpd"], ["usr/sbin/atftpd"]),
    "micro-httpd": (["micro-httpd"], ["usr/sbin/micro-httpd"]),
    "telnetd": (["inetutils-telnetd"], ["usr/sbin/telnetd"]),
    "nullidentd": (["nullidentd"], ["usr/sbin/nullidentd"]),
    "gophernicus": (["gophernicus"], ["usr/sbin/gophernicus"]),
    "exim4": (["exim4-daemon-light", "exim4-base"], ["usr/sbin/exim4"]),
    "beanstalkd": (["beanstalkd"], ["usr/bin/beanstalkd"]),
    "redis": (["redis-server", "redis-tools"], ["usr/bin/redis-server", "usr/bin/redis-cli"]),
    "mosquitto": (["mosquitto", "mosquitto-clients"],
                  ["usr/sbin/mosquitto", "usr/bin/mosquitto_pub", "usr/bin/mosquitto_sub"]),
    "zeromq": (["libzmq5"], []),
    "lighttpd": (["lighttpd"], ["usr/sbin/lighttpd"]),
    "gunicorn": (["gunicorn", "python3-gunicorn", "python3-pkg-resources", "python3-setuptools"],
                 ["usr/bin/gunicorn"]),
    "saned": (["sane-utils"], ["usr/sbin/saned"]),
    "xinetd": (["xinetd"], ["usr/sbin/xinetd"]),
    "openbsd-inetd": (["openbsd-inetd"], ["usr/sbin/inetd"]),
    "inetutils-inetd": (["inetutils-inetd"], ["usr/sbin/inetutils-inetd"]),
    "fail2ban": (["fail2ban"], ["usr/bin/fail2ban-regex"]),
    "rpcbind": (["rpcbind", "rstatd"], ["sbin/rpcbind", "usr/bin/rpcinfo", "usr/sbin/rpc.rstatd"]),
    "avahi": (["avahi-daemon", "avahi-utils"], ["usr/sbin/avahi-daemon", "usr/bin/avahi-browse"]),
    "haproxy": (["haproxy"], ["usr/sbin/haproxy"]),
    "nginx": (["nginx", "nginx-common", "libnginx-mod-stream"], ["usr/sbin/nginx"]),
    "hitch": (["hitch"], ["usr/sbin/hitch"]),
    "curl": (["curl"], ["usr/bin/curl"]),
    "sslscan": (["sslscan"], ["usr/bin/sslscan"]),
    "libwrap": (["libwrap0", "tcpd"], ["usr/sbin/tcpd"]),
}


def root(name):
    return os.path.join(build(), "peers", name)


def path(name, *parts):
    """A file of an unpacked peer."""
    return os.path.join(root(name), *parts)


def library_path(name):
    """LD_LIBRARY_PATH for the peer's programs."""
    base = root(name)
    folders = glob.glob(f"{base}/usr/lib/*-linux-gnu*") + glob.glob(f"{base}/lib/*-linux-gnu*")
    extra = glob.glob(f"{base}/usr/lib/*-linux-gnu/sane")
    return ":".join(folders + extra + [f"{base}/usr/lib/lighttpd"])


def environment(name, **more):
    """For a client out of the peer's packages."""
    return {"PATH": f"{root(name)}/usr/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
            "LD_LIBRARY_PATH": library_path(name), **more}


def missing(name):
    """Unpacks a peer where it is not yet; gives back why there is none, or None."""
    if os.path.exists(path(name, ".complete")):
        return None
    try:
        fetch(name)
        return None
    except (OSError, subprocess.SubprocessError) as error:
        return f"{name}: {error}"


def fetch(name):
    packages, programs = PEERS[name]
    shutil.rmtree(root(name), ignore_errors=True)
    os.makedirs(root(name))
    wanted = packages + libraries(packages)
    with tempfile.TemporaryDirectory(dir=os.path.join(build(), "peers")) as folder:
        os.chmod(folder, 0o777)  # apt downloads as a user of its own
        download(wanted, folder)
        for package in sorted(os.listdir(folder)):
            if package.endswith(".deb"):
                subprocess.run(["dpkg-deb", "-x", os.path.join(folder, package), root(name)],
                               check=True, timeout=120)
    for program in programs:
        check_program(name, program)
    with open(path(name, ".complete"), "w", encoding="ascii"):
        pass


def download(packages, folder):
    command = ["apt-get", "-qq", "download", *packages]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0 and os.getuid() == 0:
        # Package lists that are too old or not there at all.
        subprocess.run(["apt-get", "-qq", "update"], capture_output=True, timeout=300, check=False)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise OSError(f"cannot be downloaded: {lines[-1] if lines else done.returncode}")


def check_program(name, program):
    """Every library of the program is there."""
    full = path(name, program)
    if not os.path.exists(full):
        raise OSError(f"{program} is not in the packages")
    with open(full, "rb") as head:
        if head.read(4) != b"\x7fELF":
            return
    done = subprocess.run(["ldd", full], capture_output=True, text=True, check=False, timeout=60,
                          env=environment(name))
    lost = re.findall(r"(\S+) => not found", done.stdout)
    if lost:
        raise OSError(f"{program} needs {', '.join(lost)}")


def libraries(packages):
    """The library packages behind packages that this machine has not installed."""
    found, seen, waiting = [], set(packages), list(packages)
    while waiting:
        for dependency in depends(waiting.pop(0)):
            if dependency in seen or not dependency.startswith("lib") or dependency.startswith("libpam-"):
                continue
            seen.add(dependency)
            if not installed(dependency):
                found.append(dependency)
                waiting.append(dependency)
    return found


def depends(package):
    """Names of what a package depends on; of alternatives the first."""
    done = subprocess.run(["apt-cache", "show", "--no-all-versions", package],
                          capture_output=True, text=True, check=False, timeout=60)
    names = []
    for line in re.findall(r"^(?:Pre-)?Depends: (.*)$", done.stdout, re.M):
        for part in line.split(","):
            names.append(re.split(r"[ |(:]", part.strip())[0])
    return names


def installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ", package],
                          capture_output=True, text=True, check=False, timeout=60)
    return "installed" in done.stdout.split()


def main():
    failed = False
    for name in sys.argv[1:] or PEERS:
        reason = missing(name)
        print(f"{name}: {reason or root(name)}", flush=True)
        failed = failed or reason is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
