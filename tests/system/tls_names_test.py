# SPDX-License-Identifier: MIT
"""tls: certificates by name and of clients, protocols, OCSP responses, and files that change."""

import os
import shutil
import signal
import ssl

from harness import Superd, expect, expect_in, wait_until
from registry import covers, needs_root
from relay_test import relays
from tls_test import TELL, check, greet, told
from tls_tools import FOLDER, Authority, certificate, connect_tls, context, handler, profile, s_client


def subject(port, host, *words):
    """Whose certificate a client gets that asks for that name."""
    said = s_client(port, "-servername", host, *words)
    return next(line.strip() for line in said.splitlines() if line.startswith("subject="))


def as_client(pair=None, version=None):
    made = context(version=version)
    if pair:
        made.load_cert_chain(*pair)
    return made


def refused(port, made):
    """Whether the client's certificate, or that it has none, keeps it out."""
    try:
        with connect_tls(port, made) as client:
            client.sendall(b"x")
            return client.recv(1) == b""
    except (ssl.SSLError, OSError):
        return True


@needs_root
@covers("tls.certificate_directory")
def test_names():
    """Each name gets its certificate, with or without a star, for ECDSA and RSA; others get the first"""
    os.makedirs(FOLDER)
    authority = Authority()
    folder = os.path.join(FOLDER, "hosts")
    os.makedirs(folder)
    first = authority.issue("first")
    authority.issue("mail", "DNS:mail.example.org,DNS:Smtp.Example.Org", folder=folder)
    authority.issue("mail-rsa", "DNS:mail.example.org", "rsa", folder=folder)
    authority.issue("stars", "DNS:*.example.net", folder=folder)
    with open(os.path.join(folder, "README"), "w", encoding="ascii") as other:
        other.write("no certificate\n")
    with Superd(profile(first, f'certificate_directory = "{folder}"') + handler()) as d:
        port = d.port("s")
        for host, name in (("mail.example.org", "mail"), ("SMTP.example.org", "mail"), ("a.example.net", "stars"),
                           ("a.b.example.net", "first"), ("example.net", "first"), ("elsewhere.example.com", "first")):
            expect(subject(port, host), f"subject=CN = {name}", host)
        expect(subject(port, "mail.example.org", "-sigalgs", "RSA-PSS+SHA256"), "subject=CN = mail-rsa")
        expect(subject(port, "mail.example.org", "-sigalgs", "ECDSA+SHA256"), "subject=CN = mail")
        with connect_tls(port, context((authority.path,)), "mail.example.org") as client:
            client.sendall(b"x")
            expect(client.recv(1), b"x", "superd-key signs for all of them")
    os.remove(os.path.join(folder, "stars.key"))
    result = check(profile(first, f'certificate_directory = "{folder}"') + handler())
    expect_in("stars.key cannot be read", result.err)
    expect(result.code, 1)


@needs_root
@covers("tls.alpn")
def test_protocols():
    """The first of the profile's protocols that the client has too; who has none of them is refused"""
    with Superd(profile(certificate(), 'alpn = ["imap", "pop3"]') + handler(TELL)) as d:
        expect(told(d.port("s"), context(set_alpn_protocols=["pop3", "imap"]))["SSL_ALPN"], "imap")
        expect(told(d.port("s"), context(set_alpn_protocols=["h2", "pop3"]))["SSL_ALPN"], "pop3")
        assert "SSL_ALPN" not in told(d.port("s"))
        try:
            connect_tls(d.port("s"), context(set_alpn_protocols=["h2"])).close()
            raise AssertionError("a client of another protocol was let in")
        except ssl.SSLError:
            pass


@needs_root
@covers("tls.client_certificate", "tls.client_ca")
def test_client_certificates():
    """none, optional, required: what a client must show, and what its handler is told of it"""
    os.makedirs(FOLDER)
    authority, stranger = Authority(), Authority("stranger")
    anna = authority.issue("anna", "email:anna@example.org,DNS:anna.example.org")
    mallory = stranger.issue("anna", "email:anna@example.org")
    own = certificate()
    lines = f'client_ca = "{authority.path}"\nclient_certificate = '
    text = profile(own, lines + '"required"', "must") + profile(own, lines + '"optional"', "may") + \
        handler(TELL, tls='"must"', name="must") + handler(TELL, tls='"may"', name="may")
    with Superd(text) as d:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name in ("must", "may"):
                said = told(d.port(name), as_client(anna, version))
                expect(said["SSL_PEER_CERT_SUBJECT"], "CN=anna")
                expect(said["SSL_PEER_CERT_ISSUER"], "CN=ca")
                expect(said["SSL_PEER_CERT_SAN"], "email:anna@example.org,DNS:anna.example.org")
                assert said["SSL_PEER_CERT_HASH"].startswith("SHA256:") and len(said["SSL_PEER_CERT_HASH"]) == 71
                assert said["SSL_PEER_CERT_NOT_AFTER"].endswith("Z"), said
                assert refused(d.port(name), as_client(mallory, version)), "signed by somebody else"
            assert refused(d.port("must"), as_client(version=version))
            assert "SSL_PEER_CERT_SUBJECT" not in told(d.port("may"), as_client(version=version))
        d.wait_log(r"must REFUSE .*reason=tls_handshake rule=\S+ detail=\"peer did not return a certificate\"")
        d.wait_log(r"must REFUSE .*detail=\"certificate verify failed\"")
    expect_in("need a client_ca", check(profile(own, 'client_certificate = "required"') + handler()).err)
    expect_in("no client is asked", check(profile(own, f'client_ca = "{authority.path}"') + handler()).err)


@needs_root
@covers("tls.client_names", "tls.client_crl")
def test_allowed_clients():
    """Of those that client_ca has signed only the names of the list, and none that was revoked, resumed or not"""
    os.makedirs(FOLDER)
    authority = Authority()
    anna, bob = authority.issue("anna", "email:anna@example.org"), authority.issue("bob", "email:bob@example.org")
    host, plain = authority.issue("h", "DNS:h.hosts.example.org"), authority.issue("plain", None)
    lost = authority.issue("anna", "email:anna@example.org", folder=authority.folder + "/..")
    authority.revoke(lost)
    crl = authority.revoked()
    lines = f'client_ca = "{authority.path}"\nclient_certificate = "required"\nclient_crl = "{crl}"\n' \
        'client_names = ["anna@example.org", "*.hosts.example.org", "plain"]'
    with Superd(profile(certificate(), lines) + handler()) as d:
        for pair in (anna, host, plain):
            assert not refused(d.port("s"), as_client(pair)), pair
        for pair in (bob, lost):
            assert refused(d.port("s"), as_client(pair)), pair
        made = as_client(anna, ssl.TLSVersion.TLSv1_2)
        with connect_tls(d.port("s"), made) as client:
            session = client.session
        authority.revoke(anna)
        crl = authority.revoked()
        d.wait_log(r"TLS profile t: its files have changed and are in force")
        try:
            connect_tls(d.port("s"), made, session=session).close()
            raise AssertionError("a revoked certificate goes on by its session")
        except ssl.SSLError:
            pass


@needs_root
@covers("tls.ocsp")
def test_ocsp():
    """Who asks is given the response of the file, a new one as soon as the file is"""
    os.makedirs(FOLDER)
    authority = Authority()
    pair = authority.issue("server")
    response = authority.response(pair)
    with Superd(profile(pair, f'ocsp = "{response}"') + handler()) as d:
        expect_in("OCSP Response Status: successful", s_client(d.port("s"), "-status"))
        expect_in("Cert Status: good", s_client(d.port("s"), "-status"))
        greet(d.port("s"))
        authority.revoke(pair)
        authority.response(pair)
        wait_until(lambda: "Cert Status: revoked" in s_client(d.port("s"), "-status"), what="the new response")
    with open(response, "wb") as out:
        out.write(b"nonsense")
    expect_in("holds no response of an OCSP server", check(profile(pair, f'ocsp = "{response}"') + handler()).err)


def resumed(port, made, session):
    """Whether the session is gone on with."""
    with connect_tls(port, made, session=session) as client:
        client.sendall(b"x")
        expect(client.recv(1), b"x")
        return client.session_reused


def session_of(port, made):
    with connect_tls(port, made) as client:
        client.sendall(b"x")
        expect(client.recv(1), b"x", "TLS 1.3 gives its tickets with the first bytes")
        return client.session


@needs_root
@covers("tls.session_tickets", "superd.tls_ticket_rotation")
def test_tickets():
    """A session goes on with whichever relay, also a new one; not by a key of the time before last"""
    text = profile(certificate()) + profile(certificate("none"), "session_tickets = false", "none") + handler() + \
        handler(name="none", tls='"none"')
    with Superd(text) as d:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            made = context(version=version)
            session = session_of(d.port("s"), made)
            for _ in range(4):
                assert resumed(d.port("s"), made, session), version
            for pid in relays(d):
                os.kill(pid, signal.SIGKILL)
            d.wait_log(r"superd-relay 0 has died")

            def served():
                try:
                    return resumed(d.port("s"), made, session)
                except OSError:
                    return False
            wait_until(served, what="a relay with the same keys")
            kept = session_of(d.port("none"), made)
            assert kept is None or not kept.has_ticket, version
    with Superd('[superd]\ntls_ticket_rotation = "300ms"\n' + profile(certificate()) + handler()) as d:
        made = context(version=ssl.TLSVersion.TLSv1_2)
        session = session_of(d.port("s"), made)
        wait_until(lambda: not resumed(d.port("s"), made, session), what="the end of its key")


@needs_root
def test_files_that_change():
    """A new certificate is in force without a reload, a broken one changes nothing and is said"""
    old, new = certificate("old", host="localhost"), certificate("new", host="other")
    live = os.path.join(FOLDER, "live.pem"), os.path.join(FOLDER, "live.key")

    def put(pair):
        for source, target in zip((pair[1], pair[0]), (live[1], live[0])):
            shutil.copy(source, target + "~")
            os.rename(target + "~", target)
    put(old)
    with Superd(profile(live) + handler()) as d:
        expect(subject(d.port("s"), "x"), "subject=CN = localhost")
        with connect_tls(d.port("s")) as client:
            client.sendall(b"x")
            expect(client.recv(1), b"x")
            with open(live[0], "w", encoding="ascii") as broken:
                broken.write("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
            d.wait_log(r"TLS profile t: .*live\.pem holds no certificate in PEM; the one before stays")
            expect(subject(d.port("s"), "x"), "subject=CN = localhost")
            put(new)
            wait_until(lambda: subject(d.port("s"), "x") == "subject=CN = other", what="the new one")
            client.sendall(b"y")
            expect(client.recv(1), b"y", "who was there before goes on")
        d.wait_log(r"TLS profile t: its files have changed and are in force")
