# SPDX-License-Identifier: MIT
"""Where redirects go: names that are looked up again and again, and targets that have failed."""

import select
import socket
import time

from clients import connect, talk
from crash_test import kill_superd
from harness import Superd, expect, expect_in, wait_until
from name_servers import NameServer
from registry import covers, needs_root
from relay_test import redirect

NAME = "db.example.org"


class Servers:
    """Servers on one port of several addresses; whoever accepts says which one it is."""

    def __init__(self, *hosts, port=2100):
        self.listeners, self.open = {}, []
        for host in hosts:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            self.listeners[listener] = host

    def listen(self, *hosts):
        for listener, host in self.listeners.items():
            if host in hosts:
                listener.listen(64)
                self.open.append(listener)
        return self

    def take_one(self):
        """The address whose server got the connection that is under way."""
        ready, _, _ = select.select(self.open, [], [], 30)
        assert ready, "nobody was reached"
        ready[0].accept()[0].close()
        return self.listeners[ready[0]]

    def reached_by(self, port):
        with connect(port) as client:
            host = self.take_one()
            expect(client.recv(10), b"")
        return host

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            listener.close()


def named(lines="", target=f"tcp:{NAME}:2100"):
    return f'[superd]\nname_refresh = "1s"\n{lines}\n' + redirect("r", "tcp:127.0.0.1:2000", target)


@needs_root
@covers("superd.name_refresh")
def test_name_refresh():
    """A name is looked up again every name_refresh: new addresses count without a reload, a failure changes nothing"""
    with NameServer(addresses={NAME: ["127.0.0.2"]}) as names, \
            Servers("127.0.0.2", "127.0.0.3").listen("127.0.0.2", "127.0.0.3") as servers, Superd(named()) as d:
        expect(servers.reached_by(2000), "127.0.0.2")
        names.addresses[NAME] = ["127.0.0.3"]
        d.wait_log(f"{NAME} is 127.0.0.3")
        expect(servers.reached_by(2000), "127.0.0.3")
        del names.addresses[NAME]
        d.wait_log(f"the addresses of {NAME} stay 127.0.0.3: there is no such name")
        expect(servers.reached_by(2000), "127.0.0.3", "while the name is gone")
        names.addresses[NAME] = ["127.0.0.3", "127.0.0.2"]
        d.wait_log(f"{NAME} is 127.0.0.3, 127.0.0.2")
        kill_superd(d)
        expect(servers.reached_by(2000), "127.0.0.3", "after a kill of superd")


@needs_root
def test_all_addresses():
    """All addresses of a name are tried in their order"""
    with NameServer(addresses={NAME: ["127.0.0.4", "127.0.0.5", "127.0.0.2"]}), \
            Servers("127.0.0.2", "127.0.0.4", "127.0.0.5").listen("127.0.0.2") as servers, Superd(named()) as d:
        expect(servers.reached_by(2000), "127.0.0.2")
        for host in ("127.0.0.4", "127.0.0.5"):
            d.wait_log(rf"r FAIL conn=\S+ from=\S+ connect tcp:{NAME}:2100 \({host}\): Connection refused")


@needs_root
def test_slow_name_server():
    """superd does not wait for a name server; clients of that redirect do, and nobody else"""
    with NameServer(addresses={NAME: ["127.0.0.2"]}, silent={NAME}) as names, \
            Servers("127.0.0.2").listen("127.0.0.2") as servers:
        text = named('name_lookup_timeout = "60s"') + redirect("other", "tcp:127.0.0.1:2001", "tcp:127.0.0.2:2100")
        with Superd(text) as d, connect(2000) as client, connect(2000) as stopped:
            expect(servers.reached_by(2001), "127.0.0.2", "a redirect without names")
            wait_until(lambda: d.connections("r") == 2, what="both clients are taken")
            peer = "127.0.0.1:%d" % stopped.getsockname()[1]
            ids = [one["connection"] for one in d.ctl_json("connections", "r")["connections"] if one["peer"] == peer]
            d.ok("kill", "--connection", ids[0], "r")
            expect(stopped.recv(10), b"", "the one that superctl kill named")
            names.release()
            expect(servers.take_one(), "127.0.0.2")
            expect(client.recv(10), b"")
            client.close()
            d.wait_connections("r", 0)


@needs_root
def test_no_such_name():
    """A name that there is not closes its clients, says so once, and counts as soon as it is there"""
    with NameServer() as names, Servers("127.0.0.2").listen("127.0.0.2") as servers, Superd(named()) as d:
        expect(talk(connect(2000), half_close=False), b"")
        d.wait_log(r"r EXIT conn=\S+ end=connect error=\"No route to host\"")
        expect_in(f"no address of {NAME} is known: there is no such name", d.log())
        names.addresses[NAME] = ["127.0.0.2"]
        d.wait_log(f"{NAME} is 127.0.0.2")
        expect(servers.reached_by(2000), "127.0.0.2")


@needs_root
def test_failover_memory():
    """A target that failed is left out for a while, then one client tries it, then all go there again"""
    targets = ["tcp:127.0.0.2:2100", "tcp:127.0.0.3:2100"]
    with Servers("127.0.0.2", "127.0.0.3").listen("127.0.0.3") as servers, \
            Superd(redirect("r", "tcp:127.0.0.1:2000", targets)) as d:
        began = time.monotonic()
        expect(servers.reached_by(2000), "127.0.0.3")
        d.wait_log(rf"r FAIL conn=\S+ from=\S+ connect {targets[0]}: Connection refused \(left out for 1s600ms\)")
        servers.listen("127.0.0.2")
        second = servers.reached_by(2000)
        if time.monotonic() - began < 1.5:  # the pause that has begun since is longer
            expect(second, "127.0.0.3", "while the first target is left out")
        wait_until(lambda: servers.reached_by(2000) == "127.0.0.2", what="the first target is tried again")
        d.wait_log(rf"r {targets[0]} is reached again")
        wait_until(lambda: all(servers.reached_by(2000) == "127.0.0.2" for _ in range(5)), what="all go there again")
