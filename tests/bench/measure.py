# SPDX-License-Identifier: MIT
"""Figures: load, processor time, memory, medians and how far they can be believed."""

import glob
import json
import os
import random
import statistics
import subprocess

BINARIES = None  # the folder of the bench's programs; set by run


def binary(name):
    return os.path.join(BINARIES, name)


class LoadFailed(AssertionError):
    """Connections were lost, or answered otherwise than once."""


def start_load(port, count, at_once=16, expected=6, seconds=120, keep=False):
    command = [binary("loadgen"), "-p", str(port), "-n", str(count), "-c", str(at_once),
               "-e", str(expected), "-t", str(seconds)] + (["-k"] if keep else [])
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def load(port, count, at_once=16, strict=True, **options):
    """Connections to the end of each; what loadgen printed."""
    process = start_load(port, count, at_once, **options)
    out, _ = process.communicate()
    figures = json.loads(out)
    if strict and figures["done"] != count:
        raise LoadFailed(f"port {port}: {out.strip()}")
    return figures


class Held:
    """Connections that stay open, for as long as the with statement lasts."""

    def __init__(self, port, count):
        self.port, self.count = port, count

    def __enter__(self):
        # Few at a time: a handler that stays is to start, not to wait in a queue.
        self.process = start_load(self.port, self.count, at_once=8, seconds=300, keep=True)
        figures = json.loads(self.process.stdout.readline())
        if figures["done"] != self.count:
            raise LoadFailed(f"only {figures['done']} of {self.count} held")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


# ---- processes

def tree(pid):
    """The process and all below it."""
    found = [pid]
    for at in found:
        for path in glob.glob(f"/proc/{at}/task/*/children"):
            try:
                with open(path, encoding="ascii") as children:
                    found += [int(child) for child in children.read().split()]
            except OSError:
                continue
    return found


def processor_seconds(pids):
    """What all threads of the processes have run so far."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as figures:
                total += int(figures.read().split()[0])
    return total / 1e9


def switches(pids):
    """How often each thread was put on a processor again, (pid, thread): times."""
    found = {}
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/status"):
            with open(path, encoding="utf-8", errors="replace") as status:
                found[pid, int(path.split("/")[4])] = sum(
                    int(line.split()[1]) for line in status if "ctxt_switches" in line)
    return found


def private_bytes(pid):
    """USS: what would be free if the process were not there."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return 1024 * sum(int(line.split()[1]) for line in rollup
                          if line.startswith(("Private_Clean:", "Private_Dirty:")))


def private_by_mapping(pid):
    """USS by what is mapped there, largest first, with shared memory that only superd's processes have."""
    found, name = {}, None
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                path = words[5] if len(words) > 5 else "anonymous"
                name = os.path.basename(path) if path.startswith("/") else path
            elif words[0] in ("Private_Clean:", "Private_Dirty:"):
                found[name] = found.get(name, 0) + 1024 * int(words[1])
    return sorted(((size, name) for name, size in found.items() if size), reverse=True)


def kernel_bytes():
    """What the kernel has for itself: slab that cannot be reclaimed, stacks, page tables."""
    with open("/proc/meminfo", encoding="ascii") as figures:
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in figures}
    return sizes["SUnreclaim"] + sizes["KernelStack"] + sizes["PageTables"]


def slab_bytes(*names):
    """The named caches; None where the kernel does not show them."""
    try:
        with open("/proc/slabinfo", encoding="ascii") as lines:
            rows = [line.split() for line in lines]
    except OSError:
        return None
    return sum(int(row[1]) * int(row[3]) for row in rows if row[0] in names)


# ---- statistics

def median(values):
    return statistics.median(values)


def ratios(above, below):
    return [a / b for a, b in zip(above, below)]


def interval(values, times=2000):
    """The 95 % interval of the median, by drawing from the values again and again."""
    source = random.Random(1)
    medians = sorted(statistics.median(source.choices(values, k=len(values))) for _ in range(times))
    return medians[int(times * 0.025)], medians[int(times * 0.975) - 1]
