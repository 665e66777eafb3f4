# SPDX-License-Identifier: MIT
"""tls: what scanners find in a listener with the default profile."""

import os
import re
import subprocess

import peers
from harness import DEADLINE, Superd, expect
from registry import needs_peer, needs_root, scale, timeout
from tls_tools import certificate, handler, profile

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
