# SPDX-License-Identifier: MIT
"""tls: what a scanner finds with the default profile, and the zen protocol behind it."""

import os
import re
import subprocess

import peers
from harness import DEADLINE, Superd, expect, wait_until
from registry import build, needs_peer, needs_root, scale, timeout
from tls_tools import HalfClient, certificate, connect_tls, handler, profile

PAGE = "read -r x; printf 'HTTP/1.0 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\npage\\n'"
MANY = 'max_connections = "unlimited"\nmax_per_source = "unlimited"'


@needs_root
@needs_peer("sslscan")
@timeout(180)
def test_sslscan():
    """sslscan: TLS 1.2 and 1.3 only, suites with forward secrecy and AEAD only, no compression, no renegotiation"""
    with Superd(profile(certificate()) + handler(PAGE, MANY)) as d:
        done = subprocess.run(
            [os.path.join(peers.root("sslscan"), "usr/bin/sslscan"), "--no-colour", f"127.0.0.1:{d.port('s')}"],
            capture_output=True, text=True, env=peers.environment("sslscan"), check=False,
            timeout=DEADLINE * scale())
        said = done.stdout
        enabled = dict(re.findall(r"^(SSLv2|SSLv3|TLSv1\.\d)\s+(enabled|disabled)", said, re.MULTILINE))
        expect(enabled, {"SSLv2": "disabled", "SSLv3": "disabled", "TLSv1.0": "disabled", "TLSv1.1": "disabled",
                         "TLSv1.2": "enabled", "TLSv1.3": "enabled"}, said)
        suites = re.findall(r"^(?:Preferred|Accepted)\s+(TLSv1\.\d)\s+(\d+) bits\s+(\S+)", said, re.MULTILINE)
        assert len(suites) >= 5, said
        for version, bits, name in suites:
            assert int(bits) >= 128 and (version == "TLSv1.3" or name.startswith("ECDHE-")), name
            assert "GCM" in name or "CHACHA20" in name, name
        assert "Compression enabled" not in said and "Session renegotiation not supported" in said, said
        assert " vulnerable" not in said.replace("not vulnerable", ""), said


@needs_root
@timeout(180)
def test_zen():
    """contrib/zen behind TLS: right and wrong questions, cut ones, a silent client, and 200 clients at once"""
    zen = handler(name="zen", lines=MANY).replace('exec = ["/bin/sh", "-c", "cat"]',
                                                  f'exec = ["{os.path.join(build(), "zen/zen_handler")}"]')
    with Superd(profile(certificate()) + zen) as d:
        port = d.port("zen")
        with connect_tls(port) as silent:
            clients = [connect_tls(port) for _ in range(200)]
            for number, client in enumerate(clients):
                client.sendall(b"Beautiful is better than?" if number % 2 else b"Explicit is better than?")
            for number, client in enumerate(clients):
                expect(client.recv(100), b"Ugly." if number % 2 else b"Implicit.")
            expect(d.connections("zen"), 201)
            for client in clients:
                client.sendall(b"Simple is bet")
            for client in clients:
                client.sendall(b"ter than?")
                expect(client.recv(100), b"Complex.")
                client.close()
            with HalfClient(port) as cut:
                cut.send(b"Beautiful is better")
                cut.say_close()
                cut.read_to_close()
            with connect_tls(port) as wrong:
                wrong.sendall(b"What?")
                assert wrong.recv(100) not in (b"Ugly.", b"Implicit.", b"Complex.", b"")
            wait_until(lambda: d.connections("zen") == 1, what="the silent one alone")
            silent.sendall(b"Beautiful is better than?")
            expect(silent.recv(100), b"Ugly.")
        d.wait_connections("zen", 0)
