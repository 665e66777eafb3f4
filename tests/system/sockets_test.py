# SPDX-License-Identifier: MIT
"""Every form of an address is bound and served."""

import json
import os
import socket
import stat

import namespace
from clients import DEADLINE, ask, ask_udp, ask_unix, connect_unix, talk
from harness import Superd, expect, forever, program, read_text, run, shell, wait_until, write_text
from registry import covers, needs_root, pitfall, skip


def echo(listen, lines=""):
    return f'[service.echo]\nlisten = {json.dumps(listen)}\nexec = ["/bin/cat"]\nuser = "nobody"\n{lines}\n'


def tell(listen, lines=""):
    return f'[service.tell]\nlisten = {json.dumps(listen)}\nexec = {program("tell")}\nuser = "nobody"\n{lines}\n'


def tell_worker(listen, lines=""):
    command = program("tell", "worker", "1", "0")
    return f'[service.tell]\nlisten = {json.dumps(listen)}\nexec = {command}\nuser = "nobody"\n{lines}\n'


def closed(port, host="127.0.0.1"):
    try:
        ask(port, host=host)
        return False
    except ConnectionRefusedError:
        return True


@needs_root
@covers("listen")
@pitfall("address family")
def test_tcp_families():
    """tcp: serves both families on one socket, tcp4: and tcp6: one each"""
    for listen, four, six in (("tcp:2000", True, True), ("tcp4:2000", True, False), ("tcp6:2000", False, True)):
        with Superd(echo(listen)):
            expect(not closed(2000) and ask(2000, b"x") == b"x", four, f"{listen} over IPv4")
            expect(not closed(2000, "::1") and ask(2000, b"x", host="::1") == b"x", six, f"{listen} over IPv6")


@needs_root
def test_tcp_addresses():
    """An address of either family, and one with a zone"""
    run(["ip", "address", "add", "fe80::1/64", "dev", "lo", "nodad"])
    listen = ["tcp:127.0.0.5:2000", "tcp:[::1]:2001", "tcp:[fe80::1%lo]:2002"]
    with Superd(echo(listen)):
        expect(ask(2000, b"x", host="127.0.0.5"), b"x")
        assert closed(2000, "127.0.0.1"), "another address of the host"
        expect(ask(2001, b"x", host="::1"), b"x")
        assert closed(2001, "127.0.0.1")
        with socket.socket(socket.AF_INET6) as client:
            client.settimeout(DEADLINE)
            client.connect(("fe80::1", 2002, 0, socket.if_nametoindex("lo")))
            expect(talk(client, b"x"), b"x")


@needs_root
def test_services_database():
    """A port by its name from /etc/services"""
    write_text("/run/test/services", "superd-test 2345/tcp\nsuperd-test 2346/udp\n")
    if not os.path.exists("/etc/services"):
        skip("this machine has no /etc/services")
    namespace.bind("/run/test/services", "/etc/services")
    with Superd(echo("tcp:superd-test")):
        expect(ask(2345, b"x"), b"x")
    with Superd(tell_worker("udp:superd-test")):
        expect(json.loads(ask_udp(2346, b"?"))["sockets"]["0"]["local"][1], 2346)


@needs_root
def test_mapped():
    """A client of IPv4 on a dual socket is shown as IPv4 everywhere, also by the program's own socket"""
    with Superd(tell("tcp:2000")) as d:
        told = json.loads(ask(2000, half_close=False))
        of_socket = told["sockets"]["0"]
        expect((of_socket["family"], of_socket["peer"][0]), (socket.AF_INET, "127.0.0.1"))
        expect(of_socket["local"], ["127.0.0.1", 2000])
        for name in ("TCPREMOTEIP", "TCPLOCALIP", "REMOTE_ADDR", "REMOTE_HOST"):
            expect(told["environment"].get(name), "127.0.0.1", name)
        told = json.loads(ask(2000, host="::1"))
        expect(told["environment"]["TCPREMOTEIP"], "::1")
        d.wait_log(r"tell START .*from=127\.0\.0\.1:\d+")
        d.wait_log(r"tell START .*from=\[::1\]:\d+")
        assert "ffff:127" not in d.log()


@needs_root
def test_udp():
    """udp:, udp4:, udp6: and addresses"""
    for listen, host in (("udp:2000", "127.0.0.1"), ("udp:2000", "::1"), ("udp4:2000", "127.0.0.1"),
                         ("udp6:2000", "::1"), ("udp:127.0.0.9:2000", "127.0.0.9"), ("udp:[::1]:2000", "::1")):
        with Superd(tell_worker(listen)):
            assert json.loads(ask_udp(2000, b"?", host=host))["pid"], listen


@needs_root
@covers("listen.mode", "listen.owner", "listen.group", "listen.directory_mode", "listen.remove_on_stop",
        "listen.address")
def test_unix():
    """unix: the node has its mode, owner and group, the folder its mode; it goes at the stop"""
    listen = {"address": "unix:/run/made/deep/echo.sock", "mode": "0640", "owner": "alice", "group": "readers",
              "directory_mode": "0750"}
    inline = "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in listen.items()) + " }"
    kept = '{ address = "unix:/run/kept.sock", remove_on_stop = false }'
    text = f'[service.echo]\nlisten = [{inline}, {kept}]\nexec = ["/bin/cat"]\nuser = "nobody"\n'
    with Superd(text):
        node, folder = os.stat("/run/made/deep/echo.sock"), os.stat("/run/made/deep")
        expect((stat.S_IMODE(node.st_mode), node.st_uid, node.st_gid), (0o640, 9111, 9121))
        expect(stat.S_IMODE(folder.st_mode), 0o750)
        expect(stat.S_IMODE(os.stat("/run/kept.sock").st_mode), 0o666, "the mode without an option")
        expect(ask_unix("/run/made/deep/echo.sock", b"x"), b"x")
        expect(ask_unix("/run/kept.sock", b"x"), b"x")
    assert not os.path.exists("/run/made/deep/echo.sock"), "removed at the stop"
    assert os.path.exists("/run/kept.sock"), "remove_on_stop = false"
    with Superd(text):
        expect(ask_unix("/run/kept.sock", b"x"), b"x", "a stale node is replaced")


@needs_root
def test_abstract():
    """unix:@name, with the UCSPI names of a UNIX peer"""
    with Superd(tell("unix:@superd-test")):
        told = json.loads(ask_unix("@superd-test"))
        expect(told["environment"].get("PROTO"), "UNIX")
        expect(told["environment"].get("UNIXREMOTEPID"), str(os.getpid()))
        expect(told["environment"].get("UNIXREMOTEEUID"), "0")
        own = {name: told["environment"].get(f"UNIXLOCAL{name}") for name in ("UID", "GID", "PID")}
        expect(own, {"UID": str(told["uids"][0]), "GID": str(told["gids"][0]),
                     "PID": str(told["pid"])})


@needs_root
def test_seqpacket():
    """seqpacket: a handler per connection, records kept apart"""
    script = "import os\nfor _ in range(2): os.write(1, b'<' + os.read(0, 100) + b'>')\n"
    command = json.dumps(["/usr/bin/python3", "-c", script])
    with Superd(f'[service.seq]\nlisten = "seqpacket:/run/seq"\nexec = {command}\nuser = "nobody"\n'):
        with connect_unix("/run/seq", socket.SOCK_SEQPACKET) as client:
            client.send(b"one")
            client.send(b"two")
            expect((client.recv(100), client.recv(100)), (b"<one>", b"<two>"))


@needs_root
def test_unixgram():
    """unixgram: a worker with the socket on descriptor 0"""
    with Superd(tell_worker("unixgram:/run/gram")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.bind("/run/test/client")
            os.chmod("/run/test/client", 0o666)
            client.settimeout(DEADLINE)
            client.sendto(b"?", "/run/gram")
            expect(json.loads(client.recv(65536))["sockets"]["0"]["local"], "/run/gram")


@needs_root
def test_fifo():
    """fifo: a worker is started by the first writer and reads the line"""
    os.mkdir("/srv/out", 0o777)
    os.chmod("/srv/out", 0o777)
    script = 'read line; echo "got $line" >> /srv/out/lines'
    with Superd(f'[service.pipe]\nlisten = "fifo:/run/pipe"\nexec = {shell(script)}\nuser = "nobody"\n') as d:
        assert stat.S_ISFIFO(os.stat("/run/pipe").st_mode)
        for count in (1, 2):
            with open("/run/pipe", "w", encoding="ascii") as out:
                out.write(f"line {count}\n")
            wait_until(lambda: os.path.exists("/srv/out/lines")
                       and len(read_text("/srv/out/lines").splitlines()) == count, what=f"line {count}")
        expect(read_text("/srv/out/lines"), "got line 1\ngot line 2\n")
        expect(d.status("pipe")["mode"], "worker")


@needs_root
def test_vsock():
    """vsock: over the kernel's loopback, where it has one"""
    try:
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as probe:
            probe.bind((1, 2999))
            probe.listen()
            with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as client:
                client.connect((1, 2999))
    except OSError as error:
        skip(f"the kernel has no vsock loopback: {error}")
    with Superd(echo("vsock:1:2000")):
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as client:
            client.settimeout(DEADLINE)
            client.connect((1, 2000))
            expect(talk(client, b"x"), b"x")


@needs_root
def test_handler_socket():
    """The handler's socket is on 0 and 1, blocking, and 2 is not the socket"""
    with Superd(tell("tcp:2000")):
        told = json.loads(ask(2000))
        expect(told["descriptors"]["0"], told["descriptors"]["1"])
        assert told["descriptors"]["2"] != told["descriptors"]["0"]
        expect(told["sockets"]["0"]["blocking"], True)


@needs_root
def test_handler_listen_fds():
    """pass = "listen_fds" for a handler: the connection is descriptor 3, named connection"""
    script = ("import json, os, socket\n"
              "s = socket.socket(fileno=3)\n"
              "s.sendall(json.dumps([os.environ.get('LISTEN_FDS'), os.environ.get('LISTEN_FDNAMES'),"
              " os.environ.get('LISTEN_PID') == str(os.getpid()), os.readlink('/proc/self/fd/0')]).encode())\n")
    command = json.dumps(["/usr/bin/python3", "-c", script])
    with Superd(f'[service.one]\nlisten = "tcp:2000"\nexec = {command}\nuser = "nobody"\npass = "listen_fds"\n'):
        expect(json.loads(ask(2000)), ["1", "connection", True, "/dev/null"])


@needs_root
def test_end_of_file():
    """The client's end of file comes with the handler's end, though superd and others run on"""
    text = echo("tcp:2000") + f'[service.slow]\nlisten = "tcp:2001"\nexec = {forever()}\nuser = "nobody"\n' \
        'on_stop = "end"\n'
    with Superd(text) as d:
        other = socket.create_connection(("127.0.0.1", 2001))
        wait_until(lambda: d.connections("slow") == 1, what="the slow handler")
        expect(ask(2000, b"x"), b"x")
        other.close()
