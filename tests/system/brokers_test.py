# SPDX-License-Identifier: MIT
"""Message brokers and pipelines of other people under supervision: redis, mosquitto, beanstalkd, ZeroMQ."""

import glob
import json
import math
import os
import signal
import subprocess

import peers
from clients import connect, read_line
from harness import (DEADLINE, Superd, expect, gone, program, read_text, run, wait_until, write_text)
from real_servers_test import give, service
from registry import needs_peer, needs_root, timeout


def daemon(name, peer, command, extra):
    """A service without listeners out of a peer's packages."""
    text = service(name, peer, "", command, user="nobody", extra=extra)
    return text.replace('listen = ""\n', "")


def folder_for_nobody(path):
    os.makedirs(path)
    give(path, "nobody")


def main_pid(d, name):
    return d.status(name)["processes"][0]["pid"]


@needs_root
@needs_peer("redis")
def test_redis():
    """redis: a daemon that says when it is ready; what was written is there after a restart and after kill -9"""
    folder_for_nobody("/srv/redis")
    write_text("/srv/redis.conf", "port 0\nunixsocket /srv/redis/socket\nunixsocketperm 777\nsupervised systemd\n"
               "dir /srv/redis\nappendonly yes\nappendfsync always\ndaemonize no\n")
    text = daemon("redis", "redis", ["usr/bin/redis-server", "/srv/redis.conf"],
                  'ready = "notify"\nrestart = "always"\nrestart_delay = "100ms"')

    def redis(*words):
        done = run([peers.path("redis", "usr/bin/redis-cli"), "-s", "/srv/redis/socket", *words],
                   env=peers.environment("redis"))
        expect(done.code, 0, repr(done))
        return done.out.strip()

    with Superd(text) as d:
        d.wait_state("redis", "running")
        expect(redis("rpush", "jobs", "one", "two"), "2")
        d.ok("restart", "redis")
        d.wait_state("redis", "running")
        expect(redis("lpop", "jobs"), "one")
        before = main_pid(d, "redis")
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: gone(before) and d.state("redis") == "running" and main_pid(d, "redis") != before,
                   what="another redis that is ready")
        expect(redis("lpop", "jobs"), "two")


@needs_root
@needs_peer("mosquitto")
def test_mosquitto():
    """mosquitto: a subscriber hears what is published; after a restart the retained message is there"""
    folder_for_nobody("/srv/mosquitto")
    write_text("/srv/mosquitto.conf", "listener 1883 127.0.0.1\nallow_anonymous true\nuser nobody\npersistence true\n"
               "persistence_location /srv/mosquitto/\n")
    text = daemon("mosquitto", "mosquitto", ["usr/sbin/mosquitto", "-c", "/srv/mosquitto.conf"], 'ready = "notify"')
    variables = peers.environment("mosquitto")

    def publish(topic, message, *words):
        done = run([peers.path("mosquitto", "usr/bin/mosquitto_pub"), "-h", "127.0.0.1", "-q", "1", "-t", topic, "-m",
                    message, *words], env=variables)
        expect(done.code, 0, repr(done))

    def subscriber(topic):
        return subprocess.Popen(
            [peers.path("mosquitto", "usr/bin/mosquitto_sub"), "-h", "127.0.0.1", "-q", "1", "-C", "1", "-t", topic],
            env=variables, stdout=subprocess.PIPE, text=True)

    with Superd(text) as d:
        d.wait_state("mosquitto", "running")
        publish("lamp/state", "on", "-r")
        listening = subscriber("lamp/state")
        expect(listening.communicate(timeout=DEADLINE)[0], "on\n")
        d.ok("restart", "mosquitto")
        d.wait_state("mosquitto", "running")
        again = subscriber("lamp/state")
        expect(again.communicate(timeout=DEADLINE)[0], "on\n", "what was retained")


@needs_root
@needs_peer("beanstalkd")
def test_beanstalkd_log():
    """beanstalkd: started by the first job, and killed: superd keeps the socket, beanstalkd its log of jobs"""
    folder_for_nobody("/srv/beans")
    text = service("beans", "beanstalkd", "tcp:127.0.0.1:11300", ["usr/bin/beanstalkd", "-b", "/srv/beans", "-f", "0"],
                   user="nobody", extra='mode = "worker"\nrestart_delay = "100ms"')
    with Superd(text) as d:
        expect(d.children(), [])
        with connect(11300) as producer:
            for job in (b"one", b"two"):
                producer.sendall(b"put 1 0 60 3\r\n" + job + b"\r\n")
                expect(read_line(producer)[:9], b"INSERTED ")
        before = main_pid(d, "beans")
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: gone(before), what="the end of the first")
        with connect(11300) as consumer:
            for job in (b"one", b"two"):
                consumer.sendall(b"reserve\r\n")
                expect(read_line(consumer).split()[0], b"RESERVED")
                expect(read_line(consumer), job + b"\r\n")


PARTS = ("sink", "source", "squarer@0", "squarer@1", "squarer@2")


def pipeline(folder):
    library = glob.glob(peers.path("zeromq", "usr/lib/*/libzmq.so.5"))[0]
    variables = f'environment = {{ LD_LIBRARY_PATH = {json.dumps(peers.library_path("zeromq"))} }}'

    def part(name, extra):
        return (f'[service.{name}]\nexec = {program("pipeline", library, name, folder)}\nuser = "nobody"\n'
                f'ready = "notify"\nrestart = "always"\n{variables}\n{extra}\n')

    # In the order in which the file says nothing: it is `after` that counts.
    return (part("squarer", 'replicas = 3\nafter = ["source", "sink"]') + part("source", 'after = "sink"') +
            part("sink", ""))


@needs_root
@needs_peer("zeromq")
@timeout(300)
def test_zeromq_pipeline():
    """ZeroMQ: five processes start in order, each when the one before is ready; restarted one by one it goes on"""
    folder = "/srv/pipeline"
    folder_for_nobody(folder)

    def numbers():
        path = os.path.join(folder, "numbers")
        return [int(line) for line in read_text(path).split("\n")[:-1]] if os.path.exists(path) else []

    def wait_more():
        count = len(numbers())
        wait_until(lambda: len(numbers()) >= count + 20, what="the flow of numbers")

    with Superd(pipeline(folder)) as d:
        for name in PARTS:
            d.wait_state(name, "running")
        starts = [line.split()[1] for line in d.log().splitlines() if line.split()[2:3] == ["START"]]
        expect((starts[:2], sorted(starts[2:])), (["sink", "source"], list(PARTS[2:])))
        wait_more()
        for name in PARTS:
            before = {one: main_pid(d, one) for one in PARTS}
            d.ok("restart", name)
            d.wait_state(name, "running")
            after = {one: main_pid(d, one) for one in PARTS}
            expect([one for one in PARTS if before[one] != after[one]], [name], "who was restarted")
            wait_more()
    found = numbers()
    expect([number for number in found if math.isqrt(number) ** 2 != number], [], "what is no square")
    expect(len(found), len(set(found)), "each number comes once")
    # A part that ends loses at most what ZeroMQ had already handed it: a few of each, of hundreds.
    roots = {math.isqrt(number) for number in found}
    lost = [root for root in range(1, max(roots)) if root not in roots]
    assert len(lost) <= 40, f"{len(lost)} of {max(roots)} were lost: {lost}"
