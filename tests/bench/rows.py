# SPDX-License-Identifier: MIT
"""The rows of the table: each measures its contenders in turn, round by round, in one run."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

import hanging_fs
import measure
import peers
from contenders import (ADDRESS, Floor, ForkLoop, Haproxy, Inetd, RefuseLoop, SocketActivate, Superd, SuperdEcho,
                        SuperdRedirect, Tcpserver, Xinetd, XinetdEcho, XinetdRedirect, take_ports)
from measure import Held, load, median
from registry import Skip

BOUNDED_PEERS = (Tcpserver, SocketActivate)  # one service only


class Bench:
    """What the rows share: where they work, how long, and who is there to compare with."""

    def __init__(self, work, quick, peers, supervisors, say):
        self.work, self.quick, self.peers, self.supervisors, self.say = work, quick, peers, supervisors, say
        self.rounds = 2 if quick else 7

    def handler(self, kind):
        return os.path.join(self.work, "handlers", f"handler_{kind}")

    def count(self, full, quick=None):
        return (quick or max(full // 20, 50)) if self.quick else full

    def make(self, kind, handler="static", extra=0, **lines):
        return kind(self.work, {"bench": self.handler(handler)}, extra, **lines)


def processor_each(server, count):
    """Processor time of the server, without its handlers, for each of count connections, in µs."""
    pids = server.own_pids()
    before = measure.processor_seconds(pids)
    load(server.port, count)
    return (measure.processor_seconds(pids) - before) / count * 1e6


class Line:
    """One line of the table. target: (what is wanted, whether it was reached); None: for comparison."""

    def __init__(self, what, value, target=None, reached=None, detail=None):
        self.what, self.value, self.target, self.reached, self.detail = what, value, target, reached, detail or {}


def at_least(what, value, bound, detail=None):
    return Line(what, f"{value:.2f}", f"≥ {bound}", value >= bound, detail)


def at_most(what, value, bound, detail=None, unit="", digits=2):
    return Line(what, f"{value:.{digits}f}{unit}", f"≤ {bound}{unit}", value <= bound, detail)


def compared(what, value, detail=None):
    return Line(what, value if isinstance(value, str) else f"{value:.2f}", detail=detail)


def alternate(bench, servers, count, at_once=16):
    """Rates of each server, a round of each after the other; the order turns so that none is always first."""
    rates = {server: [] for server in servers}
    for server in servers:
        load(server.port, max(count // 10, 20), at_once)
    for turn in range(bench.rounds):
        order = servers[turn % len(servers):] + servers[:turn % len(servers)]
        for server in order:
            rates[server].append(load(server.port, count, at_once)["rate"])
    return rates


def paired(rates, above, below):
    """The median of the ratios of rounds that ran side by side."""
    return median(measure.ratios(rates[above], rates[below]))


def rate_detail(rates):
    return {server.name: {"median": median(values), "rounds": values} for server, values in rates.items()}


def running(*servers):
    stack = contextlib.ExitStack()
    try:
        for server in servers:
            stack.enter_context(server)
    except BaseException:
        stack.close()
        raise
    return stack


def rate_row(bench, handler):
    ours, floor = bench.make(Superd, handler), bench.make(Floor, handler)
    others = [bench.make(kind, handler) for kind in (ForkLoop, *bench.peers)]
    servers = [ours, floor, *others]
    with running(*servers):
        rates = alternate(bench, servers, bench.count(3000))
    detail = rate_detail(rates)
    yield at_least(f"superd / floor ({detail['superd']['median']:.0f} / {detail['floor']['median']:.0f} a second)",
                   paired(rates, ours, floor), 0.9, detail)
    for other in others:
        note = f" ({other.note})" if other.note else ""
        yield compared(f"superd / {other.name}{note}", paired(rates, ours, other))


def rate16(bench):
    """connections a second, 16 clients, static handler"""
    return rate_row(bench, "static")


def rate_dynamic(bench):
    """connections a second, 16 clients, dynamically linked handler"""
    return rate_row(bench, "dynamic")


def services_row(bench, count, bound, peers=()):
    one, many = bench.make(Superd), bench.make(Superd, extra=count - 1)
    with running(one, many):
        rates = alternate(bench, [one, many], bench.count(3000))
    yield at_least(f"superd with {count} services / with one", paired(rates, many, one), bound,
                   {"one": rates[one], "many": rates[many]})
    for kind in peers:
        if kind not in bench.peers:
            continue
        one, many = bench.make(kind), bench.make(kind, extra=999)
        with running(one, many):
            rates = alternate(bench, [one, many], bench.count(1500))
        yield compared(f"{kind.name} with 1000 services / with one", paired(rates, many, one),
                       {"one": rates[one], "many": rates[many]})


def services1000(bench):
    """the same with 1,000 services configured"""
    return services_row(bench, 1000, 0.95, (Xinetd, Inetd))


def services10000(bench):
    """the same with 10,000 services configured"""
    return services_row(bench, 10000, 0.9)


class HoldingPair:
    """Two servers of a kind, one of which holds connections besides."""

    def __init__(self, bench, kind):
        handlers = {"bench": bench.handler("static"), "hold": bench.handler("hold")}
        one_service = kind in BOUNDED_PEERS or kind is Floor
        self.idle = bench.make(kind, "hold" if one_service else "static")
        self.busy = self.idle if one_service else kind(bench.work, handlers)
        if not one_service:
            self.idle = kind(bench.work, handlers)


def held4000(bench):
    """the same while 4,000 handlers are held open (RLIMIT_NOFILE 20,000)"""
    count = bench.count(4000, 200)
    for kind in (Superd, *[peer for peer in bench.peers if peer not in BOUNDED_PEERS]):
        pair = HoldingPair(bench, kind)
        with running(pair.idle, pair.busy):
            load(pair.busy.port, bench.count(3000))
            before = {pid: measure.private_bytes(pid) for pid in pair.busy.own_pids()}
            kernel, slabs = measure.kernel_bytes(), measure.slab_bytes("filp", "eventpoll_epi", "eventpoll_pwq")
            with Held(pair.busy.ports["hold"], count):
                after = {pid: measure.private_bytes(pid) for pid in pair.busy.own_pids()}
                kernel_each = (measure.kernel_bytes() - kernel) / count
                slabs_now = measure.slab_bytes("filp", "eventpoll_epi", "eventpoll_pwq")
                rates = alternate(bench, [pair.idle, pair.busy], bench.count(3000))
                times = [(processor_each(pair.idle, bench.count(1000)), processor_each(pair.busy, bench.count(1000)))
                         for _ in range(bench.rounds)]
        ratio = paired(rates, pair.busy, pair.idle)
        detail = {"idle": rates[pair.idle], "held": rates[pair.busy]}
        if kind is not Superd:
            yield compared(f"{kind.name} with {count} held / with none", ratio, detail)
            continue
        yield at_least(f"superd with {count} held / with none", ratio, 0.9, detail)
        none, held = (median(side) for side in zip(*times))
        yield compared(f"superd's processor time a connection ({held:.0f} / {none:.0f} µs)",
                       median([b / a for a, b in times]))
        each = (sum(after.values()) - sum(before.get(pid, 0) for pid in after)) / count
        yield at_most("USS per held connection (guard, superd, superd-log)", each, 600, unit=" bytes", digits=0)
        yield compared("kernel memory per held connection, handler and both sockets included", f"{kernel_each:.0f} bytes")
        if slabs is not None:
            yield compared("of it open files and epoll entries", f"{(slabs_now - slabs) / count:.0f} bytes")


class Killer(threading.Thread):
    """kill -9 of superd every half second until told to stop."""

    def __init__(self, superd):
        super().__init__()
        self.superd, self.kills, self.done = superd, 0, threading.Event()

    def run(self):
        while not self.done.wait(0.5):
            pid = self.superd.superd_pid()
            if pid is None:
                continue
            os.kill(pid, signal.SIGKILL)
            self.kills += 1

    def stop(self):
        self.done.set()
        self.join()


def marks(path):
    """How many connections left a mark, and how many marks are second ones."""
    with open(path, "rb") as source:
        data = source.read()
    cookies = [data[i:i + 8] for i in range(0, len(data), 8)]
    return len(set(cookies)), len(cookies) - len(set(cookies))


def kill9(bench):
    """kill -9 of superd every 500 ms under that load"""
    total, rounds = bench.count(100000, 4000), 2 if bench.quick else 10
    path = os.path.join(bench.work, "marks")
    with open(path, "wb"):
        pass
    os.chmod(path, 0o666)
    superd = Superd(bench.work, {"bench": bench.handler("mark")})
    superd.arguments["bench"] = [path]
    undisturbed, disturbed, kills, lost, answered = [], [], 0, 0, 0
    wrong = 0
    with running(superd):
        load(superd.port, 200)
        answered += 200
        for _ in range(rounds):
            calm = load(superd.port, total // rounds // 2, strict=False)
            killer = Killer(superd)
            killer.start()
            try:
                stormy = load(superd.port, total // rounds, strict=False)
            finally:
                killer.stop()
            undisturbed.append(calm["rate"])
            disturbed.append(stormy["rate"])
            kills += killer.kills
            for figures in (calm, stormy):
                answered += figures["done"]
                wrong += figures["wrong"]
                lost += figures["reset"] + figures["refused"] + figures["unfinished"]
        different, twice = marks(path)
    ratio = median(measure.ratios(disturbed, undisturbed))
    yield at_least(f"rate with {kills} kills / undisturbed", ratio, 0.8,
                   {"undisturbed": undisturbed, "disturbed": disturbed, "kills": kills})
    yield at_most(f"of {total} connections lost", lost, 0, digits=0)
    yield at_most("answered twice (more than six bytes, or two handlers with one SO_COOKIE)",
                  wrong + twice, 0, {"wrong": wrong, "twice": twice}, digits=0)
    yield compared("handlers that answered / connections answered", f"{different} / {answered}")


def latency(bench):
    """first byte and end of file, one client, paired rounds"""
    rounds, count = (4, 50) if bench.quick else (20, 300)
    ours, floor = bench.make(Superd), bench.make(Floor)
    figures = {ours: [], floor: []}
    with running(ours, floor):
        for server in (ours, floor):
            load(server.port, 50, 1)
        for turn in range(rounds):
            for server in (ours, floor) if turn % 2 else (floor, ours):
                figures[server].append(load(server.port, count, 1))
    for what, label in (("first", "first byte"), ("end", "end of file")):
        for part, bound in (("p50", 1.25), ("p99", 1.5)):
            pairs = [(a[what][part], b[what][part]) for a, b in zip(figures[ours], figures[floor])]
            values = [a / b for a, b in pairs]
            low, high = measure.interval(values)
            middle = median(values)
            reached = low <= bound if part == "p99" else middle <= bound
            times = f"{median([a for a, _ in pairs]):.0f} / {median([b for _, b in pairs]):.0f} µs"
            yield Line(f"{label} {part}, superd / floor ({times})", f"{middle:.2f} [{low:.2f}, {high:.2f}]",
                       f"≤ {bound}" if part == "p50" else f"95 % interval not beyond {bound}", reached,
                       {"superd": [a for a, _ in pairs], "floor": [b for _, b in pairs]})


# What a handler in Python begins with; then the six bytes that every handler here writes.
PYTHON_HANDLER = "#!/usr/bin/python3 -I\nimport email, http.client, json, os, ssl\nos.write(1, b'hello\\n')\n"


def wait_parked(server, service, count):
    end = time.monotonic() + 120
    while json.loads(server.ctl("--json", "status", service))["service"]["prestart"]["parked"] < count:
        if time.monotonic() > end:
            raise AssertionError(f"{service}: never {count} parked")
        time.sleep(0.05)


def warm(bench):
    """first byte of a handler in Python, started ahead, beside a static one started cold; one client"""
    ahead, rounds = 8, 3 if bench.quick else 20
    program = os.path.join(bench.work, "handlers", "handler_python")
    with open(program, "w", encoding="ascii") as out:
        out.write(PYTHON_HANDLER)
    os.chmod(program, 0o755)
    server = Superd(bench.work, {"bench": bench.handler("static"), "warm": program, "cold": program},
                    warm=f"prestart = {ahead}\n")
    figures = {name: [] for name in server.ports}
    with running(server):
        for turn in range(rounds):
            wait_parked(server, "warm", ahead)
            order = ("bench", "warm") if turn % 2 else ("warm", "bench")
            for name in order:
                figures[name].append(load(server.ports[name], ahead, 1)["first"]["p50"])
            figures["cold"].append(load(server.ports["cold"], 2, 1)["first"]["p50"])
        told = json.loads(server.ctl("--json", "status", "warm"))["service"]["prestart"]
    each = {name: median(values) for name, values in figures.items()}
    yield at_most(f"first byte p50, Python warm / static cold ({each['warm']:.0f} / {each['bench']:.0f} µs)",
                  median(measure.ratios(figures["warm"], figures["bench"])), 2, figures)
    yield compared(f"Python warm / Python cold ({each['cold']:.0f} µs)",
                   f"{median(measure.ratios(figures['warm'], figures['cold'])):.3f}")
    yield at_least("of all connections to it served warm", told["served_warm"] / (rounds * ahead), 1)


def hung_exec(bench):
    """200 handlers of another service hanging 2 s in exec"""
    count, rounds = (40, 2) if bench.quick else (200, 7)
    fs = hanging_fs.HangingFs(os.path.join(bench.work, "hanging"), b"#!/bin/sh\nexec echo late\n")
    superd = Superd(bench.work, {"bench": bench.handler("static"), "slow": fs.program})
    calm, stormy = [], []
    try:
        with running(superd):
            load(superd.port, 200)
            for _ in range(rounds):
                calm.append(load(superd.port, bench.count(1000, 100)))
                fs.hold()
                held = threading.Timer(2, fs.release)
                held.start()
                waiting = [socket.create_connection((ADDRESS, superd.ports["slow"])) for _ in range(count)]
                time.sleep(0.1)
                stormy.append(load(superd.port, bench.count(1000, 100)))
                held.join()
                for client in waiting:
                    client.settimeout(60)
                    while client.recv(64):
                        pass
                    client.close()
    finally:
        fs.release()
        fs.close()
    for what, label in (("end", "end of file"), ("first", "first byte")):
        values = [a[what]["p99"] / b[what]["p99"] for a, b in zip(stormy, calm)]
        detail = {"calm": [f[what]["p99"] for f in calm], "stormy": [f[what]["p99"] for f in stormy]}
        if what == "end":
            yield at_most(f"fast service's {label} p99 / undisturbed", median(values), 1.3, detail)
        else:
            yield compared(f"fast service's {label} p99 / undisturbed", median(values), detail)
    worst = max(f["end"]["max"] for f in stormy)
    yield compared("worst end of file meanwhile", f"{worst / 1000:.1f} ms")


def time_bare_listeners(count):
    """From the start of the bare loop's process until it has opened them all, in ms; as superd is timed."""
    begin = time.monotonic()
    with subprocess.Popen([measure.binary("listen_loop"), str(take_ports(count)), str(count)],
                          stdout=subprocess.PIPE) as loop:
        loop.stdout.readline()
        return (time.monotonic() - begin) * 1000


def start1000(bench):
    """start with 1,000 listeners"""
    count, bare, ours = bench.count(1000, 200), [], []
    for _ in range(bench.rounds):
        bare.append(time_bare_listeners(count))
        superd = bench.make(Superd, extra=count - 1)
        with running(superd):
            ours.append(superd.ready_after * 1000)
    over = median([a - 1.2 * b for a, b in zip(ours, bare)])
    yield at_most(f"superd until READY=1 ({median(ours):.0f} ms) less 1.2 × bare bind/listen loop "
                  f"({median(bare):.1f} ms)", over, 30, {"superd_ms": ours, "bare_ms": bare}, " ms", 1)
    yield compared("superd / bare bind/listen loop", median(measure.ratios(ours, bare)))


def reload1000(bench):
    """a reload of 1,000 services with one change"""
    count = bench.count(1000, 200)
    superd = bench.make(Superd, extra=count - 1)
    times, nothing = [], []
    with running(superd):
        for turn in range(bench.rounds):
            superd.lines = {"bench": f"nice = {turn % 2 + 1}\n"}
            superd.write("superd.toml", superd.text())
            for words, out in ((("version",), nothing), (("reload-config",), times)):
                begin = time.monotonic()
                superd.ctl(*words)
                out.append((time.monotonic() - begin) * 1000)
            load(superd.port, 20)
    yield at_most(f"superctl reload-config ({median(times):.1f} ms) less superctl version ({median(nothing):.1f} ms)",
                  median([a - b for a, b in zip(times, nothing)]), 30,
                  {"reload_ms": times, "version_ms": nothing}, " ms", 1)


def refused(bench):
    """refused connections (source not allowed): processor time a refusal"""
    ours = bench.make(Superd, bench='allow = "192.0.2.1"\n')
    bare = bench.make(RefuseLoop)
    count = bench.count(20000, 1000)
    costs = {ours: [], bare: []}
    with running(ours, bare):
        for turn in range(bench.rounds):
            for server in (ours, bare) if turn % 2 else (bare, ours):
                pids = server.own_pids()
                before = measure.processor_seconds(pids)
                load(server.port, count, expected=0)
                costs[server].append((measure.processor_seconds(pids) - before) / count * 1e6)
    yield at_most(f"superd / accept-close loop ({median(costs[ours]):.1f} / {median(costs[bare]):.1f} µs)",
                  paired(costs, ours, bare), 1.5, {server.name: values for server, values in costs.items()})


def idle(bench):
    """idle with 1,000 services for 10 s"""
    count, seconds = bench.count(1000, 200), 2 if bench.quick else 10
    superd = bench.make(Superd, extra=count - 1)
    with running(superd):
        load(superd.port, 50)
        time.sleep(2)  # whatever the load and the start still had to do
        pids = superd.own_pids()
        before = measure.switches(pids)
        time.sleep(seconds)
        after = measure.switches(pids)
        woken = sum(after.get(thread, 0) - times for thread, times in before.items())
        uss = {pid: measure.private_bytes(pid) for pid in pids}
        maps = {}
        for pid in pids:
            for size, name in measure.private_by_mapping(pid):
                maps[name] = maps.get(name, 0) + size
    yield at_most(f"wake-ups of all threads in {seconds} s, {count} services", woken, 0, digits=0)
    made_of = sorted(((size, name) for name, size in maps.items()), reverse=True)
    yield compared(f"USS of guard, superd and superd-log, {count} services", f"{sum(uss.values()) / 1024:.0f} KiB",
                   {"mappings": {name: size for size, name in made_of}})
    largest = ", ".join(f"{name} {size // 1024}" for size, name in made_of[:8])
    yield compared("of it, KiB", largest)
    if Xinetd in bench.peers:
        xinetd = bench.make(Xinetd, extra=count - 1)
        with running(xinetd):
            load(xinetd.port, 50)
            size = sum(measure.private_bytes(pid) for pid in xinetd.own_pids())
        yield compared(f"USS of xinetd, {count} services", f"{size / 1024:.0f} KiB")


XINETD_SERVICE = """# service number {number}
service bench{number}
{{
	type = UNLISTED
	socket_type = stream
	protocol = tcp
	port = {port}
	wait = no
	user = nobody
	server = /bin/cat
	server_args = -u
	only_from = 10.0.0.0/8 192.168.1.0
	instances = {instances}
}}
"""


def import10000(bench):
    """superctl import of an xinetd.d with 10,000 services"""
    count = bench.count(10000, 500)
    folder = os.path.join(bench.work, "xinetd.d")
    os.makedirs(folder, exist_ok=True)
    for number in range(count):
        with open(os.path.join(folder, f"bench{number}"), "w", encoding="utf-8") as out:
            out.write(XINETD_SERVICE.format(number=number, port=20000 + number, instances=number % 7 + 1))
    superd, times, own = bench.make(Superd), [], []
    command = [os.path.join(superd.programs, "superctl"), "import", "xinetd", folder]
    for _ in range(bench.rounds):
        before, begin = os.times(), time.monotonic()
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.monotonic() - begin)
        after = os.times()
        own.append(after.children_user + after.children_system - before.children_user - before.children_system)
        if told.stdout.count("\n[service.") != count:
            raise AssertionError("not every service came in")
    yield at_most(f"superctl import xinetd, {count} services, each in a file", median(times), 2,
                  {"seconds": times, "processor_seconds": own}, " s")
    yield compared("processor time of it", f"{median(own):.2f} s")


def read_bulk(port, size):
    """Bytes a second of one connection that is read and thrown away by the kernel."""
    with socket.create_connection((ADDRESS, port)) as client:
        begin, got = time.monotonic(), 0
        room = bytearray(1 << 20)
        while True:
            part = client.recv_into(room, len(room), socket.MSG_TRUNC)
            if part == 0:
                break
            got += part
        if got != size:
            raise AssertionError(f"{got} of {size} bytes")
        return got / (time.monotonic() - begin)


@contextlib.contextmanager
def upstream(size, *options):
    """A server that writes so many bytes to whoever comes; gives its port."""
    port = take_ports()
    process = subprocess.Popen([measure.binary("upstream"), str(port), str(size), *options], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield port
    finally:
        process.kill()
        process.wait()


def redirecting(bench, port):
    """superd and who there is to compare with, each in front of that port."""
    kinds = [SuperdRedirect]
    if bench.peers:
        peer_kinds = {"haproxy": Haproxy}
        if Xinetd in bench.peers:
            peer_kinds["xinetd"] = XinetdRedirect
        kinds += [kind for package, kind in peer_kinds.items() if peers.missing(package) is None]
    servers = [bench.make(kind) for kind in kinds]
    for server in servers:
        server.upstream = port
    return servers


def redirect_rate(bench):
    """connections a second through a redirect, 16 clients"""
    bounds = {"haproxy": 0.8, "xinetd redirect": 5}
    with upstream(6) as port:
        servers = redirecting(bench, port)
        with running(*servers):
            rates = alternate(bench, servers, bench.count(5000))
    detail = rate_detail(rates)
    yield compared("superd, a second", f"{detail['superd redirect']['median']:.0f}", detail)
    for other in servers[1:]:
        yield at_least(f"superd / {other.name}", paired(rates, servers[0], other), bounds[other.name])


def redirect_bulk(bench):
    """bytes a second through a redirect, one connection"""
    size = bench.count(2 << 30, 64 << 20)
    bounds = {"haproxy": 0.9, "xinetd redirect": 2}
    with upstream(size) as port:
        servers = redirecting(bench, port)
        with running(*servers):
            rates = {server: [] for server in servers}
            for turn in range(bench.rounds):
                for server in servers[turn % len(servers):] + servers[:turn % len(servers)]:
                    rates[server].append(read_bulk(server.port, size))
    yield compared("superd", f"{median(rates[servers[0]]) / 1e9:.2f} GB/s", rate_detail(rates))
    for other in servers[1:]:
        yield at_least(f"superd / {other.name}", paired(rates, servers[0], other), bounds[other.name])


def redirect_held(bench):
    """memory of the relays while connections are open through a redirect"""
    held = bench.count(2000)
    with upstream(6, "keep") as port:
        server = redirecting(bench, port)[0]
        with running(server):
            load_and_leave(server.port)
            before = relay_bytes(server)
            with Held(server.port, held):
                private = relay_bytes(server)
                sockets = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in relays(server))
    if sockets < 2 * held:
        raise AssertionError(f"the relays have {sockets} descriptors for {held} connections")
    yield at_most(f"USS of superd-relay, {held} connections open", private / 1e6, 40, unit=" MB", digits=1)
    yield compared("of it for each connection", f"{(private - before) / held:.0f} bytes")


def load_and_leave(port):
    """A connection through each relay, so that all are there."""
    for _ in range(2 * (os.cpu_count() or 1)):
        with socket.create_connection((ADDRESS, port)) as client:
            client.recv(6)


def relays(server):
    return [pid for pid in server.own_pids() if os.readlink(f"/proc/{pid}/exe").endswith("/superd-relay")]


def relay_bytes(server):
    """USS of all relays together."""
    return sum(measure.private_bytes(pid) for pid in relays(server))


def echo_udp(bench):
    """answers a second of echo over UDP, 16 datagrams under way"""
    kinds = [SuperdEcho] + ([XinetdEcho] if Xinetd in bench.peers else [])
    servers = [bench.make(kind) for kind in kinds]
    with running(*servers):
        rates = {server: [] for server in servers}
        for turn in range(bench.rounds):
            for server in servers[turn % len(servers):] + servers[:turn % len(servers)]:
                command = [measure.binary("udpload"), str(server.port), "0.3" if bench.quick else "3"]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                rates[server].append(float(done.stdout))
    yield compared("superd, a second", f"{median(rates[servers[0]]):.0f}", rate_detail(rates))
    for other in servers[1:]:
        yield at_least(f"superd / {other.name}", paired(rates, servers[0], other), 2)


ROWS = {row.__name__: row for row in (rate16, rate_dynamic, services1000, services10000, held4000, kill9, latency,
                                      warm, hung_exec, start1000, reload1000, refused, idle, import10000,
                                      redirect_rate, redirect_bulk, redirect_held, echo_udp)}
__all__ = ["Bench", "ROWS", "Skip"]
