# SPDX-License-Identifier: MIT
"""tls: handshakes that superd-relay does, and handlers and redirects behind them."""

import hashlib
import os
import re
import signal
import socket
import ssl
import threading

from clients import connect, read_all
from crash_test import kill_superd
from harness import Superd, descendants, executable, expect, expect_in, gone, run, wait_until
from proxy_headers import version_2
from registry import build, covers, needs_peer, needs_root, timeout
from relay_test import Upstream, redirect, relays
from tls_tools import HalfClient, certificate, connect_tls, context, handler, openssl, profile, read_to_close, s_client

TELL = "env | grep -E '^(SSL_|TCPREMOTEIP|PROTO=)' | sort; cat"


def told(port, made=None, **words):
    """The variables that TELL prints."""
    with HalfClient(port, made, **words) as client:
        client.say_close()
        lines = client.read_to_close().decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


def check(text):
    """What superd -t says of a file."""
    path = "/srv/check.toml"
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return run([os.path.join(build(), "superd"), "-t", "-c", path])


@needs_root
@covers("tls", "tls.certificate", "tls.key")
def test_handler():
    """A handler that knows nothing of TLS starts after the handshake, on a socket pair, and is told all"""
    paths = certificate()
    with Superd(profile(paths) + handler(TELL)) as d:
        with connect_tls(d.port("s"), context(paths)) as client:
            got = b""
            while not got.endswith(b"TCPREMOTEIP=127.0.0.1\n"):
                got += client.recv(65536)
            said = dict(line.split("=", 1) for line in got.decode().splitlines())
            expect(said, {"PROTO": "TCP", "TCPREMOTEIP": "127.0.0.1", "SSL_PROTOCOL": "TLSv1.3",
                          "SSL_CIPHER": "TLS_AES_256_GCM_SHA384", "SSL_CIPHER_BITS": "256",
                          "SSL_COMPRESSION": "NULL", "SSL_SESSION_REUSED": "0",
                          "SSL_TLS_SNI_SERVERNAME": "localhost"})
            client.sendall(b"hello")
            expect(client.recv(100), b"hello")
            expect([p["kind"] for p in d.status("s")["processes"]], ["handler"])
            expect(d.connections("s"), 1, "one connection, whoever speaks for it")
            expect_in("TLSv1.3 TLS_AES_256_GCM_SHA384 localhost", d.ok("connections", "s"))
        d.wait_connections("s", 0)
        d.wait_log(r"s START conn=\S+ pid=\d+ from=127\S+ to=\S+ tls=TLSv1\.3 cipher=TLS_AES_256_GCM_SHA384 "
                   r"sni=localhost")
        d.wait_log(r"s EXIT conn=\S+ pid=\d+ status=0 ")
        expect(d.status("s")["started"], 1)


@needs_root
def test_no_handler_before_the_handshake():
    """Who does not shake hands never starts a process, and is refused with the cause"""
    with Superd(profile(certificate(), 'handshake_timeout = "300ms"') + handler()) as d:
        silent = connect(d.port("s"))
        expect(read_all(silent), b"", "closed when its time is over")
        d.wait_log(r"s REFUSE conn=\S+ from=\S+ to=\S+ reason=tls_handshake rule=\S+ detail=\"it did not end in time\"")
        with connect(d.port("s")) as plain:
            plain.sendall(b"EHLO mail.example.org\r\n" * 20)
            try:
                read_all(plain)
            except ConnectionResetError:
                pass
        with connect(d.port("s")) as web:
            web.sendall(b"GET / HTTP/1.0\r\n\r\n")
            try:
                read_all(web)
            except ConnectionResetError:
                pass
        d.wait_log(r"reason=tls_handshake rule=\S+ detail=\"http request\"")
        with connect(d.port("s")) as gone_away:
            gone_away.sendall(b"\x16\x03\x01\x00\xff\x01")
        wait_until(lambda: d.refused("s") == {"tls_handshake": 4}, what="four refusals")
        d.wait_connections("s", 0)
        expect(d.status("s")["started"], 0)


@needs_root
@covers("tls.handshake_timeout")
def test_handshake_timeout():
    """The time is for the whole handshake: a byte now and then does not stretch it"""
    with Superd(profile(certificate(), 'handshake_timeout = "400ms"') + handler()) as d:
        with connect(d.port("s")) as client:
            client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            ended = threading.Event()

            def drip():
                while not ended.wait(0.05):
                    try:
                        client.sendall(b"\0")
                    except OSError:
                        return
            thread = threading.Thread(target=drip)
            thread.start()
            try:
                read_all(client)
            except ConnectionResetError:
                pass
            finally:
                ended.set()
                thread.join()
        d.wait_log(r'detail="it did not end in time"')


@needs_root
@covers("tls.idle_timeout")
def test_idle():
    """Who says nothing for idle_timeout is told that it is over, and his handler sees the end of file"""
    with Superd(profile(certificate(), 'idle_timeout = "400ms"') + handler("cat; echo over > /tmp/over")) as d:
        with connect_tls(d.port("s")) as client:
            client.sendall(b"x")
            expect(client.recv(1), b"x")
            expect(read_to_close(client), b"")
        wait_until(lambda: os.path.exists("/tmp/over"), what="the handler's end")
        d.wait_connections("s", 0)


@needs_root
def test_half_close():
    """close_notify ends one direction: the handler sees the end of file, its answer still comes, and then its close_notify"""
    script = 'n=$(wc -c); echo "$n bytes"'
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with Superd(profile(certificate()) + handler(script)) as d:
            with HalfClient(d.port("s"), context(version=version)) as client:
                client.send(b"x" * 100_000)
                client.say_close()
                expect(client.read_to_close(), b"100000 bytes\n", "and close_notify behind it")
            d.wait_connections("s", 0)


@needs_root
def test_handler_ends_first():
    """What a handler has said to its end arrives, with close_notify, and a client that stays is not waited for"""
    with Superd(profile(certificate()) + handler("head -c 3000000 /dev/zero")) as d:
        with connect_tls(d.port("s")) as client:
            expect(len(read_to_close(client)), 3_000_000)
            d.wait_connections("s", 0)


@needs_root
@timeout(180)
def test_bulk():
    """Much in both directions at once arrives as it was sent"""
    data = os.urandom(8_000_000)
    with Superd(profile(certificate()) + handler("cat")) as d:
        with connect_tls(d.port("s")) as client:
            digest, count = hashlib.sha256(), 0
            client.setblocking(False)
            at = 0
            while count < len(data):
                for step in ("send", "receive"):
                    try:
                        if step == "send" and at < len(data):
                            at += client.send(data[at:at + 65536])
                        elif step == "receive":
                            part = client.recv(65536)
                            assert part, f"ended after {count}"
                            digest.update(part)
                            count += len(part)
                    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                        pass
            expect(digest.hexdigest(), hashlib.sha256(data).hexdigest())


@needs_root
@covers("tls.min_version", "tls.max_version", "tls.ciphers", "tls.ciphersuites", "tls.groups")
def test_choices():
    """Versions, cipher suites and groups are those of the profile and no others"""
    paths = certificate()
    one = profile(paths, 'max_version = "1.2"\nciphers = ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"]',
                  "one")
    two = profile(paths, 'min_version = "1.3"\nciphersuites = "TLS_CHACHA20_POLY1305_SHA256"\ngroups = ["P-384", "P-256"]',
                  "two")
    text = one + two + handler(TELL, tls='"one"', name="one") + handler(TELL, tls='"two"', name="two")
    with Superd(text) as d:
        said = told(d.port("one"))
        expect((said["SSL_PROTOCOL"], said["SSL_CIPHER"]), ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"))
        said = told(d.port("one"), context(set_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))
        expect((said["SSL_CIPHER"], said["SSL_CIPHER_BITS"]), ("ECDHE-ECDSA-AES128-GCM-SHA256", "128"))
        expect(told(d.port("two"))["SSL_CIPHER"], "TLS_CHACHA20_POLY1305_SHA256")
        for port, made in ((d.port("one"), context(version=ssl.TLSVersion.TLSv1_3)),
                           (d.port("two"), context(version=ssl.TLSVersion.TLSv1_2)),
                           (d.port("one"), context(set_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"))):
            try:
                connect_tls(port, made).close()
            except ssl.SSLError:
                continue
            raise AssertionError(f"{port} speaks what it should not")
        expect_in("Server Temp Key: ECDH, prime256v1", s_client(d.port("two"), "-groups", "P-256"))
        expect_in("Server Temp Key: ECDH, secp384r1", s_client(d.port("two"), "-groups", "P-384"))
        expect_in("alert handshake failure", s_client(d.port("two"), "-groups", "X25519"))
        d.wait_log(r"one REFUSE .*reason=tls_handshake rule=\S+ detail=\"unsupported protocol\"")
        d.wait_log(r"one REFUSE .*detail=\"no shared cipher\"")


@needs_root
def test_ecdsa_beside_rsa():
    """Of two certificates each client gets the one that it can use"""
    ecdsa, rsa = certificate("ecdsa"), certificate("rsa", "rsa")
    text = f'[tls.t]\ncertificate = ["{ecdsa[0]}", "{rsa[0]}"]\nkey = ["{ecdsa[1]}", "{rsa[1]}"]\n' + handler(TELL)
    with Superd(text) as d:
        expect_in("Peer signature type: ECDSA", s_client(d.port("s"), "-sigalgs", "ECDSA+SHA256"))
        expect_in("Peer signature type: RSA-PSS", s_client(d.port("s"), "-sigalgs", "RSA-PSS+SHA256"))
        said = told(d.port("s"), context(rsa, ssl.TLSVersion.TLSv1_2, set_ciphers="ECDHE-RSA-AES128-GCM-SHA256"))
        expect(said["SSL_CIPHER"], "ECDHE-RSA-AES128-GCM-SHA256")


@needs_root
@covers("tls.weak")
def test_weak():
    """What is weak is an error where it stands, unless it is meant"""
    paths, small = certificate(), certificate("small", "small")
    for lines, words in (('ciphers = "AES128-SHA"', "AES128-SHA is without forward secrecy"),
                         ('ciphers = "ECDHE-ECDSA-AES128-SHA256"', "without forward secrecy, authenticated"),
                         ('min_version = "1.0"', "TLS before 1.2 is broken")):
        result = check(profile(paths, lines) + handler())
        expect(result.code, 1, repr(result))
        expect_in(words, result.err)
        expect_in("/srv/check.toml:4:", result.err, "where it stands")
        expect(check(profile(paths, lines + "\nweak = true\nkey_process = false") + handler()).code, 0)
    result = check(profile(small) + handler())
    expect_in("has a key of 1024 bits", result.err)
    expect(result.code, 1)
    result = check(profile(paths, 'weak = true\nciphers = "AES128-SHA"') + handler())
    expect_in("has the server decipher with its key", result.err)
    weak = 'weak = true\nkey_process = false\nmin_version = "1.0"\nciphers = "ALL:@SECLEVEL=0"'
    with Superd(profile(paths, weak) + handler(TELL)) as d:
        made = context(version=ssl.TLSVersion.TLSv1, set_ciphers="ALL:@SECLEVEL=0")
        expect(told(d.port("s"), made)["SSL_PROTOCOL"], "TLSv1")


@needs_root
def test_what_is_wrong_with_files():
    """Certificates and keys are looked at when the file is read: missing, not matching, no PEM, with a password"""
    paths, other = certificate(), certificate("other", "rsa")
    locked, odd = "/srv/tls/locked.key", "/srv/tls/odd.pem"
    openssl("pkey", "-in", paths[1], "-out", locked, "-aes128", "-passout", "pass:secret")
    with open(odd, "w", encoding="ascii") as out:
        out.write("no certificate\n")
    for pair, words in (((paths[0], other[1]), "is not the key of"), ((paths[0], locked), "needs a password"),
                        ((odd, paths[1]), "holds no certificate"), ((paths[0], odd), "holds no private key"),
                        (("/srv/tls/none.pem", paths[1]), "No such file"), (("/srv/tls", paths[1]), "is no regular file")):
        result = check(profile(pair) + handler())
        expect(result.code, 1, repr(result))
        expect_in(words, result.err)
    os.chmod(paths[1], 0o644)
    result = check(profile(paths) + handler())
    expect_in("can be read by everybody", result.err)
    expect(result.code, 0, "a warning")
    expect(check(handler(tls=f'{{ certificate = "{paths[0]}", key = "{paths[1]}" }}')).code, 0, "a table of its own")


@needs_root
def test_redirect():
    """A redirect behind TLS: the server is told of it by a header, and both ends are kept"""
    paths = certificate()
    lines = 'tls = "t"\nsend_proxy = "v2"\nsend_proxy_tlvs = ["ssl"]'
    with Upstream() as server:
        text = profile(paths) + redirect("r", "tcp:127.0.0.1:0", server.address, lines)
        with Superd(text) as d, HalfClient(d.port("r"), context(paths)) as client, server.accept() as upstream:
            client.send(b"question")
            client.say_close()
            got = read_all(upstream)
            expect(got[-8:], b"question")
            expect_in(b"TLSv1.3", got, "the header's TLV")
            upstream.sendall(b"answer")
            upstream.close()
            expect(client.read_to_close(), b"answer")
            d.wait_log(r"r START conn=\S+ from=127\S+ to=\S+ tls=TLSv1\.3 cipher=\S+ sni=localhost")
            d.wait_log(r"r EXIT conn=\S+ end=finished received=8 sent=6 ")
            d.wait_connections("r", 0)


@needs_root
def test_redirect_to_nobody():
    """Where no target answers the client is told so by close_notify, and the line says connect"""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp:127.0.0.1:{closed.getsockname()[1]}"
        with Superd(profile(certificate()) + redirect("r", "tcp:127.0.0.1:0", address, 'tls = "t"')) as d:
            with connect_tls(d.port("r")) as client:
                expect(read_to_close(client), b"")
            d.wait_log(r'r EXIT conn=\S+ end=connect error="Connection refused"')


@needs_root
def test_behind_a_proxy():
    """PROXY header first, then TLS: the client is whom the header names, TLS what superd has seen itself"""
    paths = certificate()
    text = profile(paths) + handler(TELL, 'proxy_protocol = { from = "127.0.0.0/8" }')
    with Superd(text) as d:
        said = told(d.port("s"), context(paths), first=version_2())
        expect((said["TCPREMOTEIP"], said["SSL_PROTOCOL"]), ("198.51.100.7", "TLSv1.3"))
        d.wait_log(r"s START conn=\S+ pid=\d+ from=198\.51\.100\.7:51544 via=127\S+ to=\S+ tls=TLSv1\.3")


@needs_root
def test_limits():
    """A connection counts once, in its handshake and behind it; what its source has is given back"""
    lines = 'max_per_source = 2\non_limit = "refuse"'
    with Superd(profile(certificate()) + handler("cat", lines)) as d:
        shaking, served = connect(d.port("s")), connect_tls(d.port("s"))
        served.sendall(b"x")
        expect(served.recv(1), b"x")
        expect(sorted(p["kind"] for p in d.status("s")["processes"]), ["handler", "handshake"])
        expect(d.connections("s"), 2)
        try:
            connect_tls(d.port("s")).close()
            raise AssertionError("a third one was let in")
        except OSError:
            pass
        expect(d.refused("s"), {"max_per_source": 1})
        for one in (shaking, served):
            one.close()
        d.wait_connections("s", 0)
        for _ in range(4):
            with connect_tls(d.port("s")) as client:
                client.sendall(b"x")
                expect(client.recv(1), b"x")
            d.wait_connections("s", 0)


@needs_root
def test_relay_dies():
    """With its relay the connections end, and the handlers see the end of file; the next one is served"""
    with Superd(profile(certificate()) + handler("cat; echo over > /tmp/over")) as d:
        with connect_tls(d.port("s")) as client:
            client.sendall(b"x")
            expect(client.recv(1), b"x")
            for pid in relays(d):
                os.kill(pid, signal.SIGKILL)
            try:
                expect(client.recv(1), b"")
            except (ssl.SSLError, OSError):
                pass
        wait_until(lambda: os.path.exists("/tmp/over"), what="the handler's end")
        d.wait_connections("s", 0)
        with connect_tls(d.port("s")) as client:
            client.sendall(b"y")
            expect(client.recv(1), b"y")


@needs_root
def test_superd_dies():
    """kill -9 of superd: who speaks TLS goes on speaking, and counts once; the next one is served"""
    with Superd(profile(certificate()) + handler()) as d:
        with connect_tls(d.port("s")) as client:
            client.sendall(b"x")
            expect(client.recv(1), b"x")
            kill_superd(d)
            client.sendall(b"y")
            expect(client.recv(1), b"y")
            expect(d.connections("s"), 1)
            with connect_tls(d.port("s")) as another:
                another.sendall(b"z")
                expect(another.recv(1), b"z")
        d.wait_connections("s", 0)


@needs_root
def test_stop():
    """superctl stop ends handlers behind TLS as any, and their clients are told"""
    with Superd(profile(certificate()) + handler("trap 'echo bye; exit 0' TERM; echo hello; while :; do read -r x; done")) as d:
        with connect_tls(d.port("s")) as client:
            expect(client.recv(100), b"hello\n")
            d.ok("stop", "s")
            expect(read_to_close(client), b"bye\n")
        d.wait_state("s", "stopped")
        expect(d.connections("s"), 0)


@needs_root
def test_stop_during_handshakes():
    """Who is in the middle of a handshake when superd stops keeps no relay alive"""
    with Superd(profile(certificate(), 'handshake_timeout = "30m"') + handler()) as d:
        halves = [connect(d.port("s")) for _ in range(5)]
        for half in halves:
            half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        wait_until(lambda: [p["kind"] for p in d.status("s")["processes"]] == ["handshake"] * 5, what="handshakes")
        pids = relays(d)
        d.stop()
        wait_until(lambda: all(gone(pid) for pid in pids), what="the end of the relays")
        for half in halves:
            half.close()


@needs_root
def test_nobody_reads_the_key():
    """Neither a handler nor the relay may open the key: descriptors and environment show nothing of it"""
    paths = certificate()
    with Superd(profile(paths) + handler(f"cat {paths[1]} 2>&1; ls -l /proc/self/fd; echo; cat")) as d:
        with connect_tls(d.port("s")) as client:
            said = b""
            while b"\n\n" not in said:
                said += client.recv(65536)
            expect_in(b"Permission denied", said)
            expect(re.findall(rb"server\.key$|profile", said, re.MULTILINE), [])
        for pid in relays(d):
            assert os.stat(f"/proc/{pid}").st_uid != 0
            names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            expect([name for name in names if "tls" in name], [])


def secret_of(paths):
    """The private number of a key for ECDSA, as it lies in memory."""
    text = openssl("pkey", "-in", paths[1], "-text", "-noout").decode()
    digits = re.search(r"priv:\n((?:\s+[0-9a-f:]+\n)+)", text).group(1)
    return bytes.fromhex(re.sub(r"[\s:]", "", digits))[-32:]


def has_in_memory(pid, secret):
    """Whether the process has the bytes anywhere, in either order."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            words = line.split()
            if not words[1].startswith("rw"):
                continue
            start, end = (int(part, 16) for part in words[0].split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            if secret in content or secret[::-1] in content:
                return True
    return False


def running(d, name):
    path = os.path.join(build(), name)
    return [pid for pid, _, _ in descendants(d.guard) if executable(pid) == path]


def greet(port, text=b"x", made=None):
    with connect_tls(port, made) as client:
        client.sendall(text)
        expect(client.recv(len(text)), text)


@needs_root
@covers("tls.key_process")
def test_key_process():
    """superd-key alone has the key in its memory, which nobody may look into; without it the relay has"""
    paths = certificate()
    secret = secret_of(paths)
    with Superd(profile(paths) + handler()) as d:
        greet(d.port("s"))
        (relay,), (key,) = relays(d), running(d, "superd-key")
        assert has_in_memory(key, secret), "the test does not see what it looks for"
        for pid in [relay, *d.superd_pids()]:
            assert not has_in_memory(pid, secret), executable(pid)
        assert os.stat(f"/proc/{key}/mem").st_uid == 0, "it can be looked into"
        with open(f"/proc/{key}/status", encoding="ascii") as status:
            said = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        assert said["Uid"].split()[1] != "0"
        expect((said["CapEff"].strip("0"), said["Seccomp"], said["NoNewPrivs"]), ("", "2", "1"))
        with open(f"/proc/{key}/limits", encoding="ascii") as limits:
            core = next(line for line in limits if line.startswith("Max core"))
        expect(core.split()[4:6], ["0", "0"])
    with Superd(profile(paths, "key_process = false") + handler()) as d:
        greet(d.port("s"))
        expect(running(d, "superd-key"), [])
        assert has_in_memory(relays(d)[0], secret)


@needs_root
def test_keys_of_rsa():
    """superd-key signs for RSA as well, with either padding"""
    paths = certificate("rsa", "rsa")
    with Superd(profile(paths) + handler()) as d:
        expect_in("Peer signature type: RSA-PSS", s_client(d.port("s")))
        expect_in("Peer signature type: RSA\n", s_client(d.port("s"), "-tls1_2", "-sigalgs", "RSA+SHA384"))


@needs_root
def test_key_process_dies():
    """With superd-key handshakes fail and connections go on; the next one is started by itself"""
    with Superd(profile(certificate()) + handler()) as d:
        with connect_tls(d.port("s")) as client:
            client.sendall(b"x")
            expect(client.recv(1), b"x")
            (key,) = running(d, "superd-key")
            os.kill(key, signal.SIGKILL)
            d.wait_log(r"superd-key 0 has died")
            client.sendall(b"y")
            expect(client.recv(1), b"y")

        def served():
            try:
                greet(d.port("s"))
            except OSError:
                return False
            return True
        wait_until(served, what="another superd-key")
        assert running(d, "superd-key") != [key]
        for pid in relays(d):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: running(d, "superd-key") == [], what="its end with its relay's")
        wait_until(served, what="another relay")


def test_who_has_openssl():
    """superd, superctl and the other programs have no part of OpenSSL; those that speak TLS or look at it have"""
    with_it = {"superd-relay", "superd-key", "superd-tls"}
    for name in ("superd", "superctl", "superd-log", "superd-resolve", "superd-exec", "superd-announce", *with_it):
        needed = run(["ldd", os.path.join(build(), name)]).out
        expect("libssl" in needed, name in with_it, name)


@needs_root
def test_superctl():
    """superctl tls ciphers lists what is in force, superctl tls probe what a server shows, and superctl check finds faults"""
    paths, other = certificate(), certificate("other", "rsa")
    lines = 'max_version = "1.2"\nciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"\nalpn = "imap"'
    with Superd(profile(paths, lines) + handler()) as d:
        told_of = d.ctl_json("tls", "ciphers", "t")["ciphers"]
        expect([one for one in told_of if one["version"] == "TLSv1.2"],
               [{"name": "ECDHE-ECDSA-AES256-GCM-SHA384", "version": "TLSv1.2", "bits": 256,
                 "forward_secrecy": True, "authenticated": True}])
        expect_in("ECDHE-ECDSA-AES256-GCM-SHA384    TLSv1.2   256  yes  yes", d.ok("tls", "ciphers", "t"))
        expect_in('no TLS profile "u"; it has t', d.ctl("tls", "ciphers", "u").err)
        where = f"localhost:{d.port('s')}"
        seen = d.ctl_json("tls", "probe", where, "--trust", paths[0], "--alpn", "imap")
        expect((seen["protocol"], seen["cipher"], seen["alpn"], seen["verdict"], seen["good"]),
               ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384", "imap", "ok", True))
        expect(seen["chain"][0]["subject"], "CN=localhost")
        result = d.ctl("tls", "probe", where)
        expect((result.code, "self-signed certificate" in result.out), (1, True))
        result = d.ctl("tls", "probe", f"127.0.0.1:{d.port('s')}", "--trust", paths[0])
        expect_in("IP address mismatch", result.out)
        expect_in("Connection refused", d.ctl("tls", "probe", "localhost:1").err)
    with Superd(profile((paths[0], paths[1])) + handler()) as d:
        with open(d.config, "a", encoding="utf-8") as out:
            out.write(profile((paths[0], other[1]), name="bad"))
        expect_in("is not the key of", d.ctl("check", d.config).err)


@needs_root
@needs_peer("curl")
def test_curl():
    """curl takes a page from a handler behind TLS, with either version"""
    paths = certificate()
    page = "read -r x; printf 'HTTP/1.0 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\npage\\n'"
    with Superd(profile(paths) + handler(page)) as d:
        for version in ("--tlsv1.3", "--tls-max 1.2"):
            result = run(["curl", "-sS", "--cacert", paths[0], *version.split(), "-v",
                          f"https://localhost:{d.port('s')}/"])
            expect(result.out, "page\n", repr(result))
