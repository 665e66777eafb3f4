# SPDX-License-Identifier: MIT
"""Certificates of the tests' own, and clients that speak TLS."""

import os
import socket
import ssl
import subprocess
import warnings

from harness import DEADLINE, shell
from registry import scale

FOLDER = "/srv/tls"


def openssl(*words, stdin=None):
    done = subprocess.run(["openssl", *words], input=stdin, capture_output=True, check=False,
                          timeout=DEADLINE * scale())
    assert done.returncode == 0, f"openssl {words}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def kind_words(kind):
    if kind == "rsa":
        return ["rsa:2048"]
    if kind == "small":
        return ["rsa:1024"]
    return ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]


def certificate(name="server", kind="ecdsa", host="localhost", days=30):
    """A certificate that signs itself; (certificate, key) as paths."""
    os.makedirs(FOLDER, exist_ok=True)
    paths = os.path.join(FOLDER, name + ".pem"), os.path.join(FOLDER, name + ".key")
    openssl("req", "-x509", "-newkey", *kind_words(kind), "-nodes", "-keyout", paths[1], "-out", paths[0],
            "-days", str(days), "-subj", "/CN=" + host, "-addext", "subjectAltName=DNS:" + host)
    os.chmod(paths[1], 0o600)
    return paths


class Authority:
    """Signs certificates, revokes them, and says so: a folder for `openssl ca`."""

    def __init__(self, name="ca"):
        self.folder = os.path.join(FOLDER, name)
        os.makedirs(self.folder, exist_ok=True)
        self.path, self.key = self._at("ca.pem"), self._at("ca.key")
        openssl("req", "-x509", "-newkey", *kind_words("ecdsa"), "-nodes", "-keyout", self.key, "-out", self.path,
                "-days", "30", "-subj", "/CN=" + name)
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n"), ("index.txt.attr", "")):
            with open(self._at(file), "w", encoding="ascii") as out:
                out.write(text)
        self.config = self._at("ca.cnf")
        with open(self.config, "w", encoding="ascii") as out:
            out.write(f"[ca]\ndefault_ca=c\n[c]\ndir={self.folder}\ndatabase=$dir/index.txt\nserial=$dir/serial\n"
                      "crlnumber=$dir/crlnumber\ndefault_md=sha256\npolicy=p\ndefault_crl_days=30\ndefault_days=30\n"
                      "new_certs_dir=$dir\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n")

    def _at(self, name):
        return os.path.join(self.folder, name)

    def _ca(self, *words):
        return openssl("ca", "-config", self.config, "-batch", "-cert", self.path, "-keyfile", self.key, *words)

    def issue(self, name, names="DNS:localhost", kind="ecdsa", folder=None):
        """(certificate, key) as paths."""
        base = os.path.join(folder or self.folder, name)
        openssl("req", "-newkey", *kind_words(kind), "-nodes", "-keyout", base + ".key", "-out", base + ".csr",
                "-subj", "/CN=" + name, *(["-addext", "subjectAltName=" + names] if names else []))
        self._ca("-in", base + ".csr", "-out", base + ".pem", "-notext")
        os.remove(base + ".csr")
        os.chmod(base + ".key", 0o600)
        return base + ".pem", base + ".key"

    def revoke(self, pair):
        self._ca("-revoke", pair[0])

    def revoked(self):
        """The path of a fresh list."""
        self._ca("-gencrl", "-out", self._at("crl.pem"))
        return self._at("crl.pem")

    def response(self, pair):
        """The path of what an OCSP server says of the certificate."""
        path = pair[0][:-4] + ".der"
        openssl("ocsp", "-index", self._at("index.txt"), "-CA", self.path, "-rsigner", self.path, "-rkey", self.key,
                "-issuer", self.path, "-cert", pair[0], "-respout", path, "-ndays", "3")
        return path


def profile(paths, lines="", name="t"):
    """[tls.NAME] with that certificate."""
    return f'[tls.{name}]\ncertificate = "{paths[0]}"\nkey = "{paths[1]}"\n{lines}\n'


def handler(script="cat", lines="", tls='"t"', listen="tcp:127.0.0.1:0", name="s"):
    user = 'user = "alice"\n' if os.geteuid() == 0 else ""
    return f'[service.{name}]\nlisten = "{listen}"\ntls = {tls}\nexec = {shell(script)}\n{user}{lines}\n'


def context(paths=None, version=None, **set_to):
    """A client's; it knows the certificate of `paths`, or believes anybody."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = paths is not None
    made.verify_mode = ssl.CERT_REQUIRED if paths else ssl.CERT_NONE
    if paths:
        made.load_verify_locations(paths[0])
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.minimum_version = made.maximum_version = version
    for name, value in set_to.items():
        getattr(made, name)(value)
    return made


def connect_tls(port, made=None, host="localhost", first=b"", **words):
    """A connection with its handshake done; `first` goes before it, in the clear."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE * scale())
    if first:
        raw.sendall(first)
    try:
        # An end without close_notify must not look like one with it.
        return (made or context()).wrap_socket(raw, server_hostname=host, suppress_ragged_eofs=False, **words)
    except BaseException:
        raw.close()
        raise


def read_to_close(client):
    """All up to close_notify; an end without it raises ssl.SSLEOFError."""
    got = b""
    while True:
        part = client.recv(65536)
        if not part:
            return got
        got += part


class HalfClient:
    """A client that can end its own direction alone, which ssl.SSLSocket cannot: records go by hand."""

    def __init__(self, port, made=None, host="localhost", first=b""):
        self.raw = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE * scale())
        self.raw.sendall(first)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (made or context()).wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        self._until_done(self.tls.do_handshake)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.close()

    def _flush(self):
        if self.outgoing.pending:
            self.raw.sendall(self.outgoing.read())

    def _until_done(self, step):
        while True:
            try:
                value = step()
                self._flush()
                return value
            except ssl.SSLWantReadError:
                self._flush()
            part = self.raw.recv(65536)
            if part:
                self.incoming.write(part)
            else:
                self.incoming.write_eof()

    def send(self, data):
        self.tls.write(data)
        self._flush()

    def say_close(self):
        """close_notify, and nothing after it; the way back stays open."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def read_to_close(self):
        """All up to the other's close_notify; an end without it raises ssl.SSLError."""
        got = b""
        while True:
            try:
                got += self._until_done(lambda: self.tls.read(65536))
            except ssl.SSLZeroReturnError:
                return got


def s_client(port, *words, stdin=b""):
    """What openssl s_client prints, whatever comes of it."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", *words],
                          input=stdin, capture_output=True, check=False, timeout=DEADLINE * scale())
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
