# SPDX-License-Identifier: MIT
"""Boots Debian with systemd and superd in qemu and lets inside.py look there; see README beside this file.

usage: sh tests/vm/run [--build DIR] [WORD …]

A check whose name contains one of the words is run; without words, every one.
"""

import argparse
import glob
import os
import re
import select
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, "tests", "system"))

PACKAGES = ["systemd", "systemd-sysv", "dbus", "procps", "python3", "linux-image-cloud-amd64", "libuv1", "libfmt9",
            "libtirpc3", "libseccomp2", "libtomlplusplus3", "zlib1g"]
QEMU = (["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "ipxe-qemu"],
        ["usr/bin/qemu-system-x86_64"])
MEMORY_MB = 1024
DISK_MB = 1536
# Where the processor is emulated on a busy host; what hangs is ended all the same.
LONGEST = 1800
KVM_PATIENCE = 60
PORT = "superd.checks"


class Missing(Exception):
    """What the machine needs and cannot be had; its text is said."""


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)[:100]}: {done.stdout.strip()[-300:]}")
    return done.stdout


def check_host():
    if os.getuid() != 0:
        raise Missing("only root can make the root directory of the machine")
    if not shutil.which("apt-get") or not shutil.which("mkfs.ext4"):
        raise Missing("apt-get and mkfs.ext4 are needed")
    if os.uname().machine != "x86_64":
        raise Missing("the machine is an x86_64 as this host has to be")
    if not shutil.which("debootstrap"):
        print("tests/vm: installing debootstrap", flush=True)
        run("apt-get", "update", "-q")
        run("apt-get", "install", "-q", "-y", "--no-install-recommends", "debootstrap")


def fetch_qemu(peers):
    """qemu, unpacked as the servers of the system tests are."""
    peers.PEERS["qemu"] = QEMU
    os.makedirs(os.path.join(peers.build(), "peers"), exist_ok=True)
    if reason := peers.missing("qemu"):
        raise Missing(reason)


def make_root(place):
    """Debian as it is before superd comes; made once."""
    root = f"{place}/root"
    if os.path.exists(f"{root}/.complete"):
        return root
    print("tests/vm: debootstrap, which takes a minute or two", flush=True)
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(place, exist_ok=True)
    run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", root,
        "http://deb.debian.org/debian", timeout=LONGEST)
    for folder in ("var/cache/apt/archives", "usr/share/doc", "usr/share/locale", "usr/share/man"):
        shutil.rmtree(f"{root}/{folder}", ignore_errors=True)
        os.makedirs(f"{root}/{folder}")
    write(f"{root}/etc/fstab", "/dev/vda / ext4 defaults 0 0\n")
    write(f"{root}/etc/hostname", "superd\n")
    write(f"{root}/.complete", "")
    return root


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)  # it may be a link to the one in root/
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def find_unit(full):
    for folder in ("/usr/local/lib", "/usr/lib", "/lib"):
        unit = f"{folder}/systemd/system/superd.service"
        if os.path.exists(full + unit):
            return unit
    raise Missing("make install puts superd.service where systemd does not look")


CHECKS_UNIT = f"""[Unit]
Description=the checks of superd
After=multi-user.target superd.service
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /srv/inside.py {PORT} $WORDS
EnvironmentFile=/srv/words
StandardOutput=journal+console
StandardError=journal+console
ExecStopPost=/usr/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
"""


def make_disk(place, root, build, words):
    """The file system: root with superd in it, and the checks."""
    full = f"{place}/full"
    shutil.rmtree(full, ignore_errors=True)
    run("cp", "-al", root, full)
    run("make", "-C", SOURCE, f"BUILD={build}", f"DESTDIR={full}", "install-files")
    write(f"{full}/etc/modules-load.d/checks.conf", "virtio_console\n")
    write(f"{full}/srv/words", f"WORDS={' '.join(words)}\n")
    write(f"{full}/etc/systemd/system/superd-checks.service", CHECKS_UNIT)
    enabled = f"{full}/etc/systemd/system/multi-user.target.wants"
    os.makedirs(enabled, exist_ok=True)
    unit = find_unit(full)
    file = re.search(r"^ExecStart=.* -c (\S+)", read(full + unit), re.M).group(1)
    write(full + file, read(f"{HERE}/superd.toml"))
    write(f"{full}/srv/inside.py", read(f"{HERE}/inside.py"))
    for name, target in (("superd.service", unit), ("superd-checks.service", "/etc/systemd/system/superd-checks.service")):
        if not os.path.lexists(f"{enabled}/{name}"):
            os.symlink(target, f"{enabled}/{name}")
    disk = f"{place}/disk"
    if os.path.exists(disk):
        os.unlink(disk)
    run("mkfs.ext4", "-q", "-E", "root_owner=0:0", "-d", full, disk, f"{DISK_MB}M")
    shutil.rmtree(full)
    return disk


def has_kvm():
    """Whether a machine can be made with it: a device that is there may be one of another world."""
    try:
        import fcntl
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.close(fcntl.ioctl(kvm, 0xAE01, 0))  # KVM_CREATE_VM
        finally:
            os.close(kvm)
        return True
    except OSError:
        return False


def qemu_command(peers, place, disk, accelerator):
    root = peers.root("qemu")
    kernel = sorted(glob.glob(f"{place}/root/boot/vmlinuz-*"))[-1]
    return ["nice", f"{root}/usr/bin/qemu-system-x86_64", "-L", f"{root}/usr/share/qemu", "-L", f"{root}/usr/share/seabios",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", f"pc,accel={accelerator}",
            "-cpu", "host,-arch-capabilities" if accelerator == "kvm" else "max", "-smp", "1", "-m", str(MEMORY_MB),
            "-kernel", kernel, "-initrd", kernel.replace("vmlinuz-", "initrd.img-"),
            "-append", "root=/dev/vda rw console=ttyS0 quiet panic=-1 systemd.journald.forward_to_console=1 "
            "systemd.mask=serial-getty@ttyS0.service systemd.mask=getty@tty1.service mitigations=off",
            "-drive", f"file={disk},format=raw,if=virtio,cache=unsafe", "-serial", f"file:{place}/console",
            "-device", "virtio-serial", "-chardev", "file,id=checks,path=/dev/stdout",
            "-device", f"virtserialport,chardev=checks,name={PORT}"]


class Results:
    """The lines of inside.py, counted as they come."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.started, self.done = False, False

    def take(self, line):
        word = line.split(" ", 1)[0]
        self.started = True
        if word not in ("booted", "done"):
            print(line, flush=True)
        self.passed += word == "ok"
        self.failed += word == "FAIL"
        self.skipped += word == "skip"
        self.done = self.done or word == "done"


def boot(command, environment, patience):
    """What the machine says, until it ends; patience: how long it may take until its first word."""
    results = Results()
    machine = subprocess.Popen(["timeout", "--signal=KILL", str(LONGEST), *command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, env={**os.environ, **environment})
    try:
        if select.select([machine.stdout], [], [], patience)[0]:
            for line in machine.stdout:
                results.take(re.sub(r"[^ -~]", "", line.decode("utf-8", "replace")))
    finally:
        # timeout leads a group of its own, and hands TERM on.
        machine.terminate()
        machine.wait()
    return results


def boot_either(peers, place, disk):
    """With KVM where it works: there are hosts that have the device, and on which no kernel gets far."""
    environment = {"LD_LIBRARY_PATH": peers.library_path("qemu")}
    if has_kvm():
        print("tests/vm: booting, with KVM", flush=True)
        results = boot(qemu_command(peers, place, disk, "kvm"), environment, KVM_PATIENCE)
        if results.started:
            return results
        print("tests/vm: nothing comes of it", flush=True)
    print("tests/vm: booting, the processor is emulated", flush=True)
    return boot(qemu_command(peers, place, disk, "tcg"), environment, LONGEST)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build"))
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    os.environ["SUPERD_BUILD"] = build
    import peers
    place = f"{build}/vm"
    try:
        check_host()
        fetch_qemu(peers)
        disk = make_disk(place, make_root(place), build, arguments.words)
    except (Missing, OSError, subprocess.SubprocessError) as error:
        print(f"FAIL the machine cannot be made: {error}\n0 passed, 1 failed, 0 skipped")
        return 1
    results = boot_either(peers, place, disk)
    if not results.done:
        print(f"FAIL the machine ended, or was ended, before its checks had; see {place}/console")
        results.failed += 1
    print(f"{results.passed} passed, {results.failed} failed, {results.skipped} skipped")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
