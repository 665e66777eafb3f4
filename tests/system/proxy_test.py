# SPDX-License-Identifier: MIT
"""proxy_protocol: headers that proxies send, read before anything else, and send_proxy_tlvs."""

import os
import re
import socket
import threading

from clients import connect, read_all, talk
from crash_test import kill_superd
from harness import Superd, expect, expect_in, shell, wait_until
from proxy_headers import SIGNATURE, crc32c, local, tls_tlv, tlv, version_1, version_2
from registry import covers, needs_root, timeout
from relay_test import Upstream, builtin, redirect

UNBOUNDED = 'max_connections = "unlimited"\nmax_per_source = "unlimited"'
FROM = 'from = "127.0.0.0/8"'
TELL = 'echo "$PROTO $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT"; cat'


def handler(script=TELL, options=FROM, lines="", listen="tcp:127.0.0.1:0", name="p"):
    user = 'user = "alice"\n' if os.geteuid() == 0 else ""
    return f'[service.{name}]\nlisten = "{listen}"\nexec = {shell(script)}\n{user}' \
           f'proxy_protocol = {{ {options} }}\n{lines}\n'


def refused(d, sent, name="p", half_close=False):
    """What the client of such bytes is told; superd must end it by itself."""
    client = connect(d.port(name))
    client.sendall(sent)
    if half_close:
        client.shutdown(socket.SHUT_WR)
    try:
        return read_all(client)
    except ConnectionResetError:
        return b""
    finally:
        client.close()


@needs_root
@covers("proxy_protocol")
def test_client_is_known():
    """Either version: environment, log and status speak of the client, and not a byte more is taken"""
    text = handler() + handler(options=f"{FROM}, version = 2", name="two") + \
        '[service.table]\nuser = "alice"\nexec = ' + shell(TELL) + \
        '\nlisten = { address = "tcp:127.0.0.1:0", proxy_protocol = { ' + FROM + ' } }\n'
    with Superd(text) as d:
        for name, header in (("p", version_1()), ("p", version_2()), ("two", version_2(checked=True)),
                             ("table", version_2())):
            after = b"PROXY is no header here\n"
            said = talk(connect(d.port(name)), header + after)
            expect(said, b"TCP 198.51.100.7 51544 192.0.2.1 443\n" + after, name)
        d.wait_log(r"p START conn=\S+ pid=\d+ from=198\.51\.100\.7:51544 via=127\.0\.0\.1:\d+ to=192\.0\.2\.1:443")
        d.wait_log(r"p EXIT conn=\S+ pid=\d+ status=0 duration=\S+ from=198\.51\.100\.7:51544 via=127\.0\.0\.1:\d+")
        expect(talk(connect(d.port("p")), version_1("2001:db8::7", home="2001:db8::1")),
               b"TCP 2001:db8::7 51544 2001:db8::1 443\n")
        with connect(d.port("p")) as client:
            client.sendall(version_1())
            expect(client.recv(100), b"TCP 198.51.100.7 51544 192.0.2.1 443\n")
            expect([p["kind"] for p in d.status("p")["processes"]], ["handler"])
            expect_in("198.51.100.7", d.ok("connections", "p"))
        d.wait_connections("p", 0)
        expect(d.status("p")["started"], 4)


@needs_root
def test_local_and_unknown():
    """A proxy that speaks for itself, or does not know its client, is the client"""
    with Superd(handler()) as d:
        for header in (local(), b"PROXY UNKNOWN\r\n"):
            with connect(d.port("p")) as client:
                port = client.getsockname()[1]
                expect(talk(client, header).decode(), f"TCP 127.0.0.1 {port} 127.0.0.1 {d.port('p')}\n")


@needs_root
def test_variables():
    """What TLVs say is in the environment, a client's name only where it was verified"""
    names = "PROXY_IP PROXY_UNIQUE_ID SSL_ALPN SSL_TLS_SNI_SERVERNAME SSL_PROTOCOL SSL_CIPHER SSL_PEER_CERT_CN"
    script = "; ".join(f'echo "{name}=${name}"' for name in names.split())
    tls = {"version": "TLSv1.3", "name": "Anna B", "cipher": "TLS_AES_128_GCM_SHA256"}
    tlvs = tlv(4, b"pad") + tlv(1, b"h2") + tlv(2, b"mail.example.org") + tlv(5, b"\0id\xff")
    spoof = 'environment = { SSL_PROTOCOL = "mine", SSL_PEER_CERT_CN = "root" }'
    with Superd(handler(script, lines=spoof)) as d:
        def told(header):
            said = talk(connect(d.port("p")), header).decode()
            return dict(line.split("=", 1) for line in said.splitlines())
        whole = told(version_2(tlvs=tlvs + tls_tlv(client=3, **tls), checked=True))
        expect(whole, {"PROXY_IP": "127.0.0.1", "PROXY_UNIQUE_ID": "006964ff", "SSL_ALPN": "h2",
                       "SSL_TLS_SNI_SERVERNAME": "mail.example.org", "SSL_PROTOCOL": "TLSv1.3",
                       "SSL_CIPHER": "TLS_AES_128_GCM_SHA256", "SSL_PEER_CERT_CN": "Anna B"})
        unverified = told(version_2(tlvs=tls_tlv(client=3, verify=18, **tls)))
        expect((unverified["SSL_PROTOCOL"], unverified["SSL_PEER_CERT_CN"]), ("TLSv1.3", ""))
        plain = told(version_1())
        expect((plain["SSL_PROTOCOL"], plain["SSL_PEER_CERT_CN"]), ("", ""), "what no header said")


@needs_root
def test_admission_of_the_client():
    """allow, deny, denials and the limits of a source are the client's, not the proxy's"""
    lines = 'allow = "198.51.100.0/24"\ndeny = "198.51.100.9"\nmax_per_source = 2\nrefuse_text = "no\\n"'
    with Superd(handler(lines=lines)) as d:
        expect(refused(d, version_1("203.0.113.1")), b"no\n")
        expect(refused(d, version_2("198.51.100.9")), b"no\n")
        expect(refused(d, local()), b"no\n", "the proxy itself is not allowed")
        held = [connect(d.port("p")) for _ in range(4)]
        for number, one in enumerate(held):
            one.sendall(version_1(f"198.51.100.{number // 2}"))
            one.recv(100)
        expect(refused(d, version_1("198.51.100.0")), b"no\n")
        expect(talk(connect(d.port("p")), version_1("198.51.100.2")), b"TCP 198.51.100.2 51544 192.0.2.1 443\n")
        expect(d.refused("p"), {"not_allowed": 2, "denied": 1, "max_per_source": 1})
        d.wait_log(r"p REFUSE conn=\S+ from=203\.0\.113\.1:51544 via=127\.0\.0\.1:\d+ to=192\.0\.2\.1:443 "
                   r"reason=not_allowed rule=\S+:\d+")
        for one in held:
            one.close()
        d.wait_connections("p", 0)
        d.ok("deny", "198.51.100.2")
        wait_until(lambda: refused(d, version_1("198.51.100.2")) == b"no\n", what="the denial")


@needs_root
def test_senders():
    """Who is not in `from` is served raw, or with `required` refused"""
    text = handler(options='from = "192.0.2.0/24"', name="raw") + \
        handler(options='from = "192.0.2.0/24", required = true', name="p")
    with Superd(text) as d:
        with connect(d.port("raw")) as client:
            port = client.getsockname()[1]
            expect(talk(client, b"raw\n").decode(), f"TCP 127.0.0.1 {port} 127.0.0.1 {d.port('raw')}\nraw\n")
        expect(refused(d, version_1()), b"")
        d.wait_log(r"p REFUSE conn=\S+ from=127\.0\.0\.1:\d+ to=127\.0\.0\.1:\d+ reason=not_allowed rule=\S+:\d+")
        expect(d.refused("p"), {"not_allowed": 1})


@needs_root
def test_bad_headers():
    """Truncated, lying, oversized, wrong or none at all: refused at once, with the rule and what is wrong"""
    lying = SIGNATURE + b"\x21\x11\0\x04abcd"
    oversized = SIGNATURE + b"\x21\x11\xff\xff"
    broken = version_2(tlvs=tlv(3, b"abcd"))
    cases = [(b"GET / HTTP/1.0\r\n", "does not begin with"), (lying, "no room for its addresses"),
             (oversized, "is too long"), (broken, "checksum"), (version_2(tlvs=b"\1\0\5h2"), "is broken"),
             (version_1().replace(b" 443", b" 99999"), "is malformed"), (b"PROXY UNKNOWN" + b"x" * 200, "has no end"),
             (version_2().replace(b"\x21\x11", b"\x21\x12"), "a datagram's")]
    with Superd(handler()) as d:
        for sent, words in cases:
            before = len(d.log())
            expect(refused(d, sent), b"")
            count = d.refused("p")["preface"]
            if count <= 5:
                d.wait_log(rf'p REFUSE conn=\S+ from=127\.0\.0\.1:\d+ to=127\.0\.0\.1:\d+ reason=preface '
                           rf'rule=\S+:\d+ detail="[^"]*{re.escape(words)}', after=before)
        expect(refused(d, version_2()[:20], half_close=True), b"", "truncated")
        expect(refused(d, b"", half_close=True), b"", "nothing at all")
        expect(d.refused("p"), {"preface": len(cases) + 2})
        expect(d.status("p")["started"], 0)
        d.wait_connections("p", 0)
        expect(talk(connect(d.port("p")), version_1()), b"TCP 198.51.100.7 51544 192.0.2.1 443\n")


@needs_root
@timeout(120)
def test_pieces_and_silence():
    """A header byte by byte is one; who is silent, or never done, is refused after the timeout"""
    with Superd(handler(options=f'{FROM}, timeout = "500ms"') + handler(name="slow")) as d:
        header = version_2(tlvs=tlv(2, b"mail.example.org"), checked=True)
        with connect(d.port("slow")) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(len(header)):
                client.sendall(header[at:at + 1])
            expect(talk(client, b"rest"), b"TCP 198.51.100.7 51544 192.0.2.1 443\nrest")
        expect(refused(d, b""), b"")
        expect(refused(d, header[:-1]), b"")
        d.wait_log(r'p REFUSE conn=\S+ from=127\S+ to=127\S+ reason=preface rule=\S+ detail="no whole PROXY header')
        expect(d.refused("p"), {"preface": 2})
        with connect(d.port("slow")):
            wait_until(lambda: [p["kind"] for p in d.status("slow")["processes"]] == ["preface"], what="the wait")
            d.ok("stop", "slow")
        wait_until(lambda: d.connections("slow") == 0, what="that it ends")


@needs_root
@covers("send_proxy_tlvs")
def test_sending():
    """A redirect passes on who the client is and, with TLVs, what the proxy before it has said"""
    lines = f'proxy_protocol = {{ {FROM} }}\nsend_proxy = "v2"\n' \
            'send_proxy_tlvs = ["crc32c", "unique_id", "alpn", "authority", "ssl"]'
    with Upstream() as server:
        with Superd(redirect("p", "tcp:127.0.0.1:0", server.address, lines) +
                    builtin("echo", "echo", "tcp:127.0.0.1:0", f"proxy_protocol = {{ {FROM} }}")) as d:
            said = tlv(1, b"h2") + tlv(2, b"mail.example.org") + tlv(5, b"\x01\x02")
            tls = tls_tlv(client=3, version="TLSv1.3", name="anna", cipher="TLS_AES_128_GCM_SHA256")

            def passed_on(sent):
                with connect(d.port("p")) as client:
                    client.sendall(sent)
                    client.shutdown(socket.SHUT_WR)
                    with server.accept() as upstream:
                        return read_all(upstream)

            expect(passed_on(version_2(tlvs=said + tls) + b"hello"),
                   version_2(tlvs=said + tls, checked=True) + b"hello")
            got = passed_on(version_1())
            expect(got[:28], version_2(tlvs=bytes(len(got) - 28))[:28], "addresses and length")
            expect(got[28:31], b"\x03\0\x04")
            expect(got[31:35], crc32c(got[:31] + bytes(4) + got[35:]).to_bytes(4, "big"))
            expect(got[35], 5, "a number of superd's own")
            d.wait_log(r"p START conn=\S+ from=198\.51\.100\.7:51544 via=127\.0\.0\.1:\d+ ")
            d.wait_log(r"p EXIT conn=\S+ end=finished .* from=198\.51\.100\.7:51544 via=")
            expect(talk(connect(d.port("echo")), version_1() + b"what is said"), b"what is said")


@needs_root
def test_where_it_cannot_be():
    """A worker, ident, tcp_wrappers and lists by name are errors of the file"""
    for options, lines, words in ((FROM, 'mode = "worker"', "proxy_protocol"),
                                  (FROM, 'ident = "log"', "ident asks a client"),
                                  (FROM, "tcp_wrappers = true", "tcp_wrappers looks at"),
                                  ('from = "host:db.example.org"', "", "before the header is read"),
                                  ("from = []", "", "does not say from whom"),
                                  ("required = true", "", "does not say from whom"),
                                  (f"{FROM}, version = 3", "", "no such version"),
                                  (f"{FROM}, versions = 2", "", "has no")):
        with Superd(handler()) as d:
            d.write(handler(options=options, lines=lines))
            said = d.ctl("check")
            expect(said.code, 1, words)
            expect_in(words, said.out + said.err)


@needs_root
@timeout(300)
def test_kills():
    """kill -9 of superd at any moment between accept and handler loses nothing and answers nothing twice"""
    with Superd(handler('echo "$TCPREMOTEIP $SSL_TLS_SNI_SERVERNAME"', lines=UNBOUNDED)) as d:
        port, header = d.port("p"), version_2(tlvs=tlv(2, b"mail.example.org"))
        stopped, answers, wrong = threading.Event(), [], []

        def ask():
            while not stopped.is_set():
                try:
                    got = talk(connect(port, deadline=90), header)
                except OSError as error:
                    got = repr(error).encode()
                (answers if got == b"198.51.100.7 mail.example.org\n" else wrong).append(got)

        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        try:
            for _ in range(15):
                before = len(answers)
                wait_until(lambda: len(answers) > before + 20 or wrong, 60, "answers")
                kill_superd(d)
        finally:
            stopped.set()
            for client in clients:
                client.join()
        expect(wrong, [])
        d.wait_connections("p", 0)


@needs_root
@timeout(120)
def test_over_a_kill_and_an_upgrade():
    """A header that is half there when superd is killed, or another one takes its place, is read to its end"""
    with Superd(handler()) as d:
        header = version_2()
        for change in (lambda: kill_superd(d), lambda: d.ok("upgrade")):
            with connect(d.port("p")) as client:
                client.sendall(header[:20])
                wait_until(lambda: [p["kind"] for p in d.status("p")["processes"]] == ["preface"], what="the wait")
                change()
                wait_until(lambda: [p["kind"] for p in d.status("p")["processes"]] == ["preface"], what="it still")
                client.sendall(header[20:])
                expect(client.recv(100), b"TCP 198.51.100.7 51544 192.0.2.1 443\n")
                change()
                client.sendall(b"on")
                expect(client.recv(100), b"on")
            d.wait_connections("p", 0)
        expect(d.refused("p"), {})
        d.wait_log(r"p EXIT conn=\S+ pid=\d+ .*from=198\.51\.100\.7:51544 via=127\.0\.0\.1:\d+")
