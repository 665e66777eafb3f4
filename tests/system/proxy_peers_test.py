# SPDX-License-Identifier: MIT
"""The PROXY protocol with haproxy, nginx, hitch and curl, each as they are."""

import os
import ssl
import subprocess

import peers
from clients import connect, read_all, talk
from harness import Superd, expect, expect_in, run, shell, wait_until
from registry import needs_root, skip, timeout
from relay_test import redirect

FROM = 'proxy_protocol = { from = "127.0.0.0/8", required = true'
SAY = 'echo "$TCPREMOTEIP $TCPLOCALPORT $SSL_PROTOCOL $SSL_TLS_SNI_SERVERNAME $SSL_ALPN $SSL_PEER_CERT_CN"; cat'


def handler(name, port, version='"any"', script=SAY):
    return f'[service.{name}]\nlisten = "tcp:127.0.0.1:{port}"\nuser = "alice"\n' \
           f'exec = {shell(script)}\n{FROM}, version = {version} }}\n'


def peer(name):
    reason = peers.missing(name)
    if reason:
        skip(reason)
    return name


class Peer:
    """A server in the foreground, ready when its ports can be connected to."""

    def __init__(self, name, command, ports):
        self.process = subprocess.Popen(command, env=peers.environment(name), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.ports = ports

    def answers(self, port):
        if self.process.poll() is not None:
            raise AssertionError(self.process.stderr.read())
        try:
            connect(port).close()
            return True
        except OSError:
            return False

    def __enter__(self):
        try:
            for port in self.ports:
                wait_until(lambda port=port: self.answers(port), 60, f"port {port}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
        self.process.stderr.close()


def certificate(directory):
    """A key and a certificate for mail.example.org in one file."""
    both = os.path.join(directory, "both.pem")
    key, cert = os.path.join(directory, "key.pem"), os.path.join(directory, "cert.pem")
    done = run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=mail.example.org"])
    expect(done.code, 0, done.err)
    with open(both, "w", encoding="ascii") as out:
        for part in (key, cert):
            with open(part, encoding="ascii") as text:
                out.write(text.read())
    return both


def over_tls(port, sent=b"", alpn=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    with context.wrap_socket(connect(port), server_hostname="mail.example.org") as client:
        client.sendall(sent)
        said = b""
        while said.count(b"\n") < 1 + sent.count(b"\n"):
            part = client.recv(1000)
            if not part:
                break
            said += part
        return said


HAPROXY = """
defaults
    mode tcp
    timeout connect 30s
    timeout client 60s
    timeout server 60s
listen one
    bind 127.0.0.1:2101
    server s 127.0.0.1:2001 send-proxy
listen two
    bind 127.0.0.1:2102
    server s 127.0.0.1:2001 send-proxy-v2 proxy-v2-options crc32c,unique-id,authority
    unique-id-format %pid-%rt
listen tls
    bind 127.0.0.1:2103 ssl crt {pem} alpn h2,smtp
    server s 127.0.0.1:2001 send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,crc32c,authority alpn h2
frontend receives
    bind 127.0.0.1:2104 accept-proxy
    default_backend echo
backend echo
    server s 127.0.0.1:2003 send-proxy-v2
"""


@needs_root
@timeout(240)
def test_haproxy():
    """haproxy sends either version, TLVs, checksums and checks of its own; it reads what superd sends"""
    peer("haproxy")
    text = handler("p", 2001) + handler("again", 2003, "2") + \
        redirect("r1", "tcp:127.0.0.1:2201", "tcp:127.0.0.1:2104", 'send_proxy = "v1"') + \
        redirect("r2", "tcp:127.0.0.1:2202", "tcp:127.0.0.1:2104",
                 'send_proxy = "v2"\nsend_proxy_tlvs = ["crc32c", "unique_id"]')
    with Superd(text) as d:
        config = d.path("haproxy.cfg")
        with open(config, "w", encoding="ascii") as out:
            out.write(HAPROXY.format(pem=certificate(d.directory)))
        program = [peers.path("haproxy", "usr/sbin/haproxy"), "-db", "-f", config]
        with Peer("haproxy", program, [2101, 2102, 2103, 2104]):
            for port in (2101, 2102):
                expect(talk(connect(port, source="127.0.0.9"), b"hello\n").split(b"\n")[0].split(),
                       [b"127.0.0.9", str(port).encode()])
            said = over_tls(2103, b"hello\n").decode()
            expect(said.split("\n")[1], "hello")
            expect(said.split()[:4], ["127.0.0.1", "2103", "TLSv1.3", "mail.example.org"])
            for port in (2201, 2202):
                # The client, superd, haproxy, superd: the address has come all the way.
                expect(talk(connect(port, source="127.0.0.9"), b"hello\n").split(),
                       [b"127.0.0.9", str(port).encode(), b"hello"])
        d.wait_log(r"p START conn=\S+ pid=\d+ from=127\.0\.0\.9:\d+ via=127\.0\.0\.1:\d+ to=127\.0\.0\.1:2101")
        expect(d.refused("again"), {})


NGINX = """
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
events {{ worker_connections 64; }}
stream {{
    server {{
        listen 127.0.0.1:2101;
        proxy_pass 127.0.0.1:2001;
        proxy_protocol on;
        proxy_half_close on;
    }}
}}
http {{
    access_log off;
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    server {{
        listen 127.0.0.1:2104 proxy_protocol;
        location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_server_port\\n"; }}
    }}
}}
"""


@needs_root
@timeout(240)
def test_nginx():
    """nginx sends version 1, and reads both from superd"""
    peer("nginx")
    text = handler("p", 2001, "1") + \
        redirect("r1", "tcp:127.0.0.1:2201", "tcp:127.0.0.1:2104", 'send_proxy = "v1"') + \
        redirect("r2", "tcp:127.0.0.1:2202", "tcp:127.0.0.1:2104",
                 'send_proxy = "v2"\nsend_proxy_tlvs = ["crc32c", "unique_id"]')
    with Superd(text) as d:
        config = d.path("nginx.conf")
        module = peers.path("nginx", "usr/lib/nginx/modules/ngx_stream_module.so")
        with open(config, "w", encoding="ascii") as out:
            out.write(f"load_module {module};\n" + NGINX.format(dir=d.directory))
        program = [peers.path("nginx", "usr/sbin/nginx"), "-e", d.path("nginx.log"), "-p", d.directory, "-c", config]
        with Peer("nginx", program, [2101, 2104]):
            expect(talk(connect(2101, source="127.0.0.9"), b"hello\n").split(), [b"127.0.0.9", b"2101", b"hello"])
            for port in (2201, 2202):
                said = talk(connect(port, source="127.0.0.9"), b"GET / HTTP/1.0\r\n\r\n", half_close=False)
                expect(said.split(b"\r\n\r\n")[1], f"127.0.0.9 {port}\n".encode())


@needs_root
@timeout(240)
def test_hitch():
    """hitch ends TLS and says so in version 2: protocol, cipher, ALPN and the server's name"""
    peer("hitch")
    with Superd(handler("p", 2001, "2")) as d:
        program = [peers.path("hitch", "usr/sbin/hitch"), "--frontend=[127.0.0.1]:2101", "--backend=[127.0.0.1]:2001",
                   "--write-proxy-v2=on", "--alpn-protos=h2,http/1.1", "--workers=1", "--user=nobody", "--quiet",
                   certificate(d.directory)]
        with Peer("hitch", program, [2101]):
            said = over_tls(2101, b"hello\n", alpn=("h2",)).decode().split()
        expect(said[:2] + said[-1:], ["127.0.0.1", "2101", "hello"])
        expect_in("h2", said)
        d.wait_log(r"p START conn=\S+ pid=\d+ from=127\.0\.0\.1:\d+ via=127\.0\.0\.1:\d+ to=127\.0\.0\.1:2101")


@needs_root
@timeout(120)
def test_curl():
    """curl --haproxy-protocol says its own addresses"""
    curl = "/usr/bin/curl" if os.path.exists("/usr/bin/curl") else peers.path(peer("curl"), "usr/bin/curl")
    # All of the question is read, or its rest would become a reset.
    answer = 'while read -r line && [ "${#line}" -gt 1 ]; do :; done; printf "HTTP/1.0 200 OK\\r\\n\\r\\n$TCPREMOTEIP $TCPLOCALPORT\\n"'
    with Superd(handler("p", 2001, "1", answer)) as d:
        words = [curl, "-sS", "--max-time", "60"]
        env = None if curl == "/usr/bin/curl" else peers.environment("curl")
        for _ in range(3):
            done = run([*words, "--haproxy-protocol", "http://127.0.0.1:2001/"], env=env)
            expect((done.code, done.out), (0, "127.0.0.1 2001\n"), done.err)
        d.wait_log(r"p START conn=\S+ pid=\d+ from=127\.0\.0\.1:\d+ via=127\.0\.0\.1:\d+ to=127\.0\.0\.1:2001")
        without = run([*words, "http://127.0.0.1:2001/"], env=env)
        assert without.code != 0, without.out
        d.wait_log(r"p REFUSE .*reason=preface .*detail=\"it does not begin with")
