# SPDX-License-Identifier: MIT
"""The rows in which superd keeps daemons, side by side with other supervisors."""

import os
import time

import measure
import rows
from measure import median
from supervisors import SuperdKeeping


def contenders_of(bench, count):
    program = os.path.join(bench.work, "handlers", "daemon_static")
    return [kind(bench.work, program, count) for kind in (SuperdKeeping, *bench.supervisors)]


def start_daemons(bench):
    """start of 1,000 daemons until each runs, and what keeping them costs"""
    count, rounds = bench.count(1000, 100), 2 if bench.quick else 5
    kinds = (SuperdKeeping, *bench.supervisors)
    times = {kind: [] for kind in kinds}
    sizes = {kind: [] for kind in kinds}
    for turn in range(rounds):
        order = contenders_of(bench, count)
        for server in order[turn % len(order):] + order[:turn % len(order)]:
            with rows.running(server):
                times[type(server)].append(server.ready_after * 1000)
                sizes[type(server)].append(sum(measure.private_bytes(pid) for pid in server.keeper_pids()))
    yield rows.compared(f"superd, {count} daemons started", f"{median(times[SuperdKeeping]):.0f} ms",
                        {kind.name: values for kind, values in times.items()})
    for kind in bench.supervisors:
        yield rows.at_most(f"superd / {kind.name} ({median(times[kind]):.0f} ms)",
                           median(measure.ratios(times[SuperdKeeping], times[kind])), 1)
    yield rows.compared("USS a daemon, superd", f"{median(sizes[SuperdKeeping]) / count / 1024:.1f} KiB",
                        {kind.name: values for kind, values in sizes.items()})
    for kind in bench.supervisors:
        yield rows.at_most(f"USS, superd / {kind.name} ({median(sizes[kind]) / count / 1024:.1f} KiB)",
                           median(measure.ratios(sizes[SuperdKeeping], sizes[kind])), 1)


def restart_latency(bench):
    """from KILL of a daemon until the next one runs; each had been up for seconds"""
    count = bench.count(60, 5)
    servers = contenders_of(bench, count)
    times = {server: [] for server in servers}
    with rows.running(*servers):
        time.sleep(2)  # some keep starts a second apart
        for place in range(count):
            for server in servers[place % len(servers):] + servers[:place % len(servers)]:
                times[server].append(server.restart_after_kill(place) * 1000)
    yield rows.compared("superd", f"{median(times[servers[0]]):.2f} ms",
                        {server.name: values for server, values in times.items()})
    for other in servers[1:]:
        yield rows.at_most(f"superd / {other.name} ({median(times[other]):.2f} ms)",
                           median(times[servers[0]]) / median(times[other]), 1)


def idle_daemons(bench):
    """wake-ups of the keepers of 100 daemons at rest"""
    count, seconds = bench.count(100, 10), 2 if bench.quick else 10
    servers = contenders_of(bench, count)
    with rows.running(*servers):
        time.sleep(3)  # whatever the start still had to do
        before = {server: measure.switches(server.keeper_pids()) for server in servers}
        time.sleep(seconds)
        after = {server: measure.switches(server.keeper_pids()) for server in servers}
    for server in servers:
        woken = sum(after[server].get(thread, 0) - times for thread, times in before[server].items())
        what = f"{server.name}, wake-ups in {seconds} s, {count} daemons"
        yield rows.at_most(what, woken, 0, digits=0) if server is servers[0] else rows.compared(what, f"{woken}")


ROWS = {row.__name__: row for row in (start_daemons, restart_latency, idle_daemons)}
