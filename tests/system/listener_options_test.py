# SPDX-License-Identifier: MIT
"""Each option of a listener, observed on the socket that a service was given."""

import json
import socket

from clients import DEADLINE, ask, ask_udp, connect_unix, read_all
from harness import Superd, expect, expect_in, program, read_text, run, wait_until
from registry import covers, needs_root, skip


def inline(address, options):
    pairs = [f"address = {json.dumps(address)}"] + [f"{key} = {value}" for key, value in options.items()]
    return "{ " + ", ".join(pairs) + " }"


def accepted(options, address="tcp:2000", host="127.0.0.1"):
    """The options of the connection that a handler gets."""
    text = f'[service.tell]\nlisten = {inline(address, options)}\nexec = {program("tell")}\nuser = "nobody"\n'
    with Superd(text):
        return json.loads(ask(2000, host=host))["sockets"]["0"]["options"]


def listening(options, address="tcp:2000"):
    """The options of the listening socket that a worker gets."""
    text = (f'[service.tell]\nlisten = {inline(address, options)}\nmode = "worker"\nuser = "nobody"\n'
            f'exec = {program("tell", "worker", "1", "0")}\npass = "listen_fds"\n')
    with Superd(text):
        told = json.loads(ask_udp(2000, b"?") if address.startswith("udp") else ask(2000))
        return told["sockets"]["3"]["options"]


@needs_root
@covers("backlog")
def test_backlog():
    """backlog: the kernel's queue is as long as written"""
    text = f'[service.tell]\nlisten = {inline("tcp:2000", {"backlog": 17})}\nexec = ["/bin/true"]\nuser = "nobody"\n'
    with Superd(text):
        rows = run(["ss", "-Hltn", "sport", "=", ":2000"]).out.split()
        expect(rows[2], "17", f"Send-Q in {rows}")


@needs_root
@covers("interface")
def test_interface():
    """interface: bound to the device"""
    expect(listening({"interface": '"lo"'})["interface"], "lo")


@needs_root
@covers("v6only")
def test_v6only():
    """v6only: an IPv6 socket that takes no IPv4 clients"""
    text = (f'[service.tell]\nlisten = {inline("tcp:2000", {"v6only": "true"})}\n'
            f'exec = {program("tell")}\nuser = "nobody"\n')
    with Superd(text):
        json.loads(ask(2000, host="::1"))
        try:
            ask(2000)
            raise AssertionError("an IPv4 client got in")
        except ConnectionRefusedError:
            pass


@needs_root
@covers("reuse_port")
def test_reuse_port():
    """reuse_port: another socket with the option binds the same address"""
    expect(listening({"reuse_port": "true"})["reuse_port"], 1)


@needs_root
@covers("free_bind")
def test_free_bind():
    """free_bind: an address that is not there is bound; without it that listener waits"""
    service = '[service.{}]\nlisten = {}\nexec = ["/bin/echo", "free"]\nuser = "nobody"\n'
    text = service.format("free", inline("tcp:192.0.2.55:2000", {"free_bind": "true"})) + \
        service.format("waits", inline("tcp:192.0.2.56:2001", {}))
    with Superd(text) as d:
        expect((d.state("free"), d.state("waits")), ("listening", "waiting"))
        expect_in("tcp:192.0.2.56:2001 is waiting for address (Cannot assign requested address).\n",
                  d.ok("why", "waits"))
        for verb in "why", "status":
            expect(d.ok(verb, "waits").split("\n\n")[0].count("waiting for address"), 1, verb)
        d.wait_log(r"waits FAIL bind tcp:192\.0\.2\.56:2001: Cannot assign requested address "
                   r"\(waiting for address\)")
        run(["ip", "address", "add", "192.0.2.55/32", "dev", "lo"])
        run(["ip", "address", "add", "192.0.2.56/32", "dev", "lo"])
        expect(ask(2000, host="192.0.2.55"), b"free\n")
        wait_until(lambda: d.state("waits") == "listening", what="bound when the address has come")


@needs_root
@covers("transparent", "defer_accept", "fast_open")
def test_tcp_listener():
    """transparent, defer_accept and fast_open on the listening socket"""
    got = listening({"transparent": "true", "fast_open": 5})
    expect((got["transparent"], got["fast_open"]), (1, 5))
    text = (f'[service.tell]\nlisten = {inline("tcp:2000", {"defer_accept": chr(34) + "20s" + chr(34)})}\n'
            f'exec = ["/bin/cat"]\nuser = "nobody"\n')
    with Superd(text) as d:
        with socket.create_connection(("127.0.0.1", 2000), timeout=DEADLINE) as client:
            expect(d.status("tell")["accepted"], 0, "not before the first bytes")
            client.sendall(b"now")
            expect(client.recv(3), b"now")


@needs_root
@covers("keepalive", "keepalive_time", "keepalive_interval", "keepalive_probes")
def test_keepalive():
    """keepalive with its three values reaches the connection"""
    got = accepted({"keepalive": "true", "keepalive_time": '"77s"', "keepalive_interval": '"11s"',
                    "keepalive_probes": 4})
    expect([got[name] for name in ("keepalive", "keepalive_time", "keepalive_interval", "keepalive_probes")],
           [1, 77, 11, 4])


@needs_root
@covers("no_delay", "priority", "mark", "tos")
def test_packets():
    """no_delay, priority, mark and tos reach the connection"""
    got = accepted({"no_delay": "true", "priority": 5, "mark": 42})
    expect((bool(got["no_delay"]), got["priority"], got["mark"]), (True, 5, 42))
    expect(accepted({"tos": 0x48}, "tcp4:2000")["tos"], 0x48)
    expect(accepted({"tos": 0x48}, "tcp6:2000", "::1")["traffic_class"], 0x48)


@needs_root
@covers("send_buffer", "receive_buffer")
def test_buffers():
    """send_buffer and receive_buffer: the kernel doubles what was asked for"""
    got = listening({"send_buffer": '"48K"', "receive_buffer": '"40K"'})
    expect((got["send_buffer"], got["receive_buffer"]), (2 * 48 * 1024, 2 * 40 * 1024))
    got = listening({"receive_buffer": '"64K"'}, "udp:2000")
    expect(got["receive_buffer"], 2 * 64 * 1024)


@needs_root
@covers("congestion")
def test_congestion():
    """congestion: the algorithm of the connection"""
    expect(accepted({"congestion": '"reno"'})["congestion"], "reno")


@needs_root
@covers("mptcp")
def test_mptcp():
    """mptcp: the listening socket speaks it where the kernel does"""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError as error:
        skip(f"the kernel has no MPTCP: {error}")
    expect(listening({"mptcp": "true"})["protocol"], 262)


@needs_root
@covers("broadcast", "listen.join")
def test_datagrams():
    """broadcast is allowed, multicast groups are joined"""
    run(["ip", "link", "set", "lo", "multicast", "on"])
    run(["ip", "route", "add", "multicast", "239.0.0.0/8", "dev", "lo"])
    run(["ip", "route", "add", "239.0.0.0/8", "dev", "lo"])
    options = {"broadcast": "true", "join": json.dumps(["239.1.2.3"])}
    text = (f'[service.tell]\nlisten = {inline("udp4:2000", options)}\n'
            f'user = "nobody"\nexec = {program("tell", "worker", "1", "0")}\n')
    with Superd(text):
        expect_in("030201EF", read_text("/proc/net/igmp"), "239.1.2.3 among the groups")
        expect(json.loads(ask_udp(2000, b"?"))["sockets"]["0"]["options"]["broadcast"], 1)


@needs_root
@covers("pass_credentials")
def test_pass_credentials():
    """pass_credentials: SO_PASSCRED on the connection of a UNIX socket"""
    text = (f'[service.tell]\nlisten = {inline("unix:/run/tell", {"pass_credentials": "true"})}\n'
            f'exec = {program("tell")}\nuser = "nobody"\n')
    with Superd(text):
        with connect_unix("/run/tell") as client:
            expect(json.loads(read_all(client))["sockets"]["0"]["options"]["pass_credentials"], 1)


@needs_root
def test_options_of_the_service():
    """An option of a socket may stand in the service or in [defaults] for all its listeners"""
    text = (f'[defaults]\npriority = 3\n[service.tell]\nlisten = "tcp:2000"\nkeepalive = true\n'
            f'exec = {program("tell")}\nuser = "nobody"\n')
    with Superd(text):
        got = json.loads(ask(2000))["sockets"]["0"]["options"]
        expect((got["priority"], got["keepalive"]), (3, 1))
