# SPDX-License-Identifier: MIT
"""Services announced by multicast DNS: through the system bus, to an Avahi that comes and goes."""

import os
import re
import signal
import subprocess

import peers
from harness import (Superd, descendants, executable, expect, expect_in, gone, holds_for, read_text, run, shell,
                     wait_until, write_text)
from registry import build, covers, needs_peer, needs_root, skip

BUS = "/run/dbus/system_bus_socket"
BUS_CONFIG = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={BUS}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
<allow receive_sender="*"/></policy></busconfig>
"""
PUBLISHED = "/run/test/published"


class Bus:
    """A system bus of the test's own."""

    def __init__(self):
        self.process = None

    def start(self):
        os.makedirs("/run/dbus", exist_ok=True)
        write_text("/run/test/bus.conf", BUS_CONFIG)
        self.process = subprocess.Popen(["dbus-daemon", "--config-file=/run/test/bus.conf", "--nofork", "--nopidfile"],
                                        stdin=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(BUS), what="the system bus")
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait()
        if os.path.exists(BUS):
            os.unlink(BUS)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class FakeAvahi:
    """tests/programs/fake_avahi, which does as its stdin says."""

    def __init__(self):
        self.process = None

    def start(self):
        if os.path.exists(PUBLISHED):
            os.unlink(PUBLISHED)
        self.process = subprocess.Popen([os.path.join(build(), "tests", "fake_avahi"), PUBLISHED],
                                        stdin=subprocess.PIPE, text=True)
        wait_until(lambda: os.path.exists(PUBLISHED), what="the fake Avahi")
        return self

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def published():
    return read_text(PUBLISHED).splitlines() if os.path.exists(PUBLISHED) else []


def wait_published(*lines):
    wait_until(lambda: published() == sorted(lines), what=f"published: {lines}; there is {published()}")


def announcement(d, service):
    found = d.status(service)["announcements"]
    expect([one["how"] for one in found], ["mdns"])
    return found[0]["state"], found[0]["text"]


def wait_text(d, service, text):
    try:
        wait_until(lambda: announcement(d, service)[1] == text, what=text)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {announcement(d, service)}") from None


def helpers(d):
    path = os.path.join(build(), "superd-announce")
    return [pid for pid, _, _ in descendants(d.guard) if executable(pid) == path]


def service(name, listen, mdns):
    return f'[service.{name}]\nlisten = {listen}\nuser = "nobody"\nexec = {shell("echo hi")}\nmdns = {mdns}\n'


WEB = service("web", '"tcp:8080"', '{ type = "_http._tcp", name = "The shop", txt = ["path=/", "a=b"] }')
SSH = service("login", '"tcp4:22"', "true")
WEB_LINE, SSH_LINE = "The shop _http._tcp 8080 -1 -1 path=/,a=b", "testhost _ssh._tcp 22 0 -1 "


@needs_root
@covers("mdns")
def test_announces():
    """mdns: what listens is announced by type, name, port and texts, and taken back with the listener"""
    with Bus(), FakeAvahi(), Superd(WEB + SSH) as d:
        wait_published(WEB_LINE, SSH_LINE)
        wait_text(d, "web", 'announced as "The shop" (_http._tcp) tcp port 8080')
        wait_text(d, "login", 'announced as "testhost" (_ssh) tcp port 22')
        d.wait_log(r'web mdns: announced as "The shop"')
        expect_in('mdns: announced as "testhost"', d.ok("status", "login"))
        expect_in("mdns: announced", d.ok("why", "web"))
        d.ok("pause", "web")
        wait_published(SSH_LINE)
        expect(announcement(d, "web"), ("withdrawn", "not announced: it has no open listener"))
        d.ok("resume", "web")
        wait_published(WEB_LINE, SSH_LINE)
        d.ok("stop", "login")
        wait_published(WEB_LINE)
        d.write(WEB.replace("The shop", "Ladenlokal ü").replace("8080", "8081"))
        expect(d.reload().code, 0)
        wait_published("Ladenlokal ü _http._tcp 8081 -1 -1 path=/,a=b")
        d.stop()
        expect(published(), [], "after superd has stopped")


@needs_root
def test_ports_and_protocols():
    """mdns: each protocol is a type of its own, each port but the first has a name of its own, no loopback"""
    listen = '["tcp4:40700", "tcp6:40701", "udp:40702"]'
    text = f'[service.multi]\nlisten = {listen}\nbuiltin = "echo"\nmdns = true\n' \
        + service("here", '"tcp:127.0.0.1:40703"', "true")
    with Bus(), FakeAvahi(), Superd(text) as d:
        wait_published("testhost _multi._tcp 40700 0 -1 ", "testhost 40701 _multi._tcp 40701 1 -1 ",
                       "testhost _multi._udp 40702 -1 -1 ")
        wait_text(d, "here", "not announced: none of its ports can be reached from elsewhere")
        expect(announcement(d, "here")[0], "refused")


@needs_root
def test_names_that_are_taken():
    """a name that somebody has, here or elsewhere, now or later: another one is found, and said"""
    with Bus(), FakeAvahi() as avahi:
        avahi.tell("take The shop")
        avahi.tell("own testhost")
        with Superd(WEB + SSH) as d:
            wait_published(WEB_LINE.replace("shop", "shop #2"), SSH_LINE.replace("host", "host #2"))
            wait_text(d, "web", 'announced as "The shop #2" (_http._tcp) tcp port 8080, for "The shop" is taken')
            avahi.tell("collide The shop #2")
            wait_published(WEB_LINE.replace("shop", "shop #3"), SSH_LINE.replace("host", "host #2"))
            d.wait_log('web mdns: announced as "The shop #3"')
            # Another host had this one's name: nothing of it is published until that is settled.
            avahi.tell("state 3")
            wait_text(d, "login", "waiting for Avahi")
            avahi.tell("state 2")
            wait_published(WEB_LINE.replace("shop", "shop #3"), SSH_LINE.replace("host", "host #2"))


@needs_root
def test_bus_and_avahi_come_and_go():
    """no bus, no Avahi, either of them restarted: waited for with its name, and told again"""
    bus, avahi = Bus(), FakeAvahi()
    with Superd(WEB) as d:
        wait_text(d, "web", "waiting for the system bus: No such file or directory")
        d.wait_log("web WARNING .*mdns: waiting for the system bus: No such file")
        bus.start()
        wait_text(d, "web", "waiting for Avahi")
        for _ in range(2):
            avahi.start()
            wait_published(WEB_LINE)
            avahi.stop()
            wait_text(d, "web", "waiting for Avahi")
        avahi.start()
        wait_published(WEB_LINE)
        bus.stop()
        avahi.process.wait()
        wait_until(lambda: announcement(d, "web")[1].startswith("waiting for the system bus"), what="no bus")
        bus.start()
        avahi.start()
        wait_published(WEB_LINE)
        avahi.stop()
        bus.stop()


@needs_root
def test_superd_is_killed():
    """kill -9 of superd takes nothing back, kill -9 of its helper only for a moment, and it is never root"""
    with Bus(), FakeAvahi(), Superd(WEB) as d:
        wait_published(WEB_LINE)
        before, old = d.pid, helpers(d)
        assert os.stat(f"/proc/{old[0]}").st_uid != 0, "superd-announce runs as root"
        os.kill(before, signal.SIGKILL)
        d.wait_superd(other_than=before)
        wait_text(d, "web", 'announced as "The shop" (_http._tcp) tcp port 8080')
        expect(helpers(d), old, "the program that speaks to Avahi")
        holds_for(lambda: published() == [WEB_LINE], 0.3, "published")
        os.kill(old[0], signal.SIGKILL)
        wait_until(lambda: gone(old[0]) and helpers(d) and helpers(d) != old, what="another helper")
        wait_published(WEB_LINE)
        d.write(WEB.replace("mdns", "#"))
        expect(d.reload().code, 0)
        wait_published()
        wait_until(lambda: not helpers(d), what="the helper's end")


def browse():
    """What another host of the network is told, None where it finds nothing."""
    found = run([peers.path("avahi", "usr/bin/avahi-browse"), "-rtp", "_http._tcp"],
                env=peers.environment("avahi"))
    return next((line for line in found.out.splitlines()
                 if line.startswith("=;lan0;IPv4;") and ";192.0.2.1;8080;" in line), None)


@needs_root
@needs_peer("avahi")
def test_real_avahi():
    """Debian's avahi-daemon publishes it, and avahi-browse finds it; a restart of it changes nothing"""
    made = run(["ip", "link", "add", "lan0", "type", "veth", "peer", "lan1"])
    if made.code != 0:
        skip("this kernel has no veth")
    for words in (["link", "set", "lan1", "up"], ["link", "set", "lan0", "up"], ["address", "add", "192.0.2.1/24", "dev", "lan0"]):
        expect(run(["ip", *words]).code, 0)
    with Bus(), Superd(WEB) as d:
        for _ in range(2):
            daemon = subprocess.Popen(
                [peers.path("avahi", "usr/sbin/avahi-daemon"), "--no-drop-root", "--no-chroot", "--no-rlimits",
                 "--file=" + peers.path("avahi", "etc/avahi/avahi-daemon.conf")],
                env=peers.environment("avahi"), stdin=subprocess.DEVNULL)
            wait_text(d, "web", 'announced as "The shop" (_http._tcp) tcp port 8080')
            line = wait_until(browse, what="avahi-browse finds it on the network")
            expect_in(r"The\032shop;", line)
            expect(sorted(re.findall('"([^"]*)"', line)), ["a=b", "path=/"], "its texts")
            daemon.terminate()
            daemon.wait()
            wait_text(d, "web", "waiting for Avahi")
