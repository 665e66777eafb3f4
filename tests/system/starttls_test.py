# SPDX-License-Identifier: MIT
"""starttls: protocols that begin in the clear, in front of handlers that know nothing of TLS."""

import ftplib
import imaplib
import poplib
import smtplib
import socket
import ssl
import struct

from clients import connect, read_all
from harness import Superd, expect, expect_in, wait_until
from registry import covers, needs_root
from tls_tools import certificate, context, handler, profile, s_client

# What the servers say: a greeting, and an answer to each line.
SMTP = r"printf '220-hello\r\n220 behind\r\n'; while read -r x; do case $x in QUIT*) printf '221 bye\r\n'; exit;; " \
       r"*) printf '250 said %s\r\n' \"${x%?}\";; esac; done"
IMAP = r"printf '* OK behind\r\n'; while read -r t x; do case $x in LOGOUT*) printf '* BYE bye\r\n%s OK done\r\n' $t; exit;; " \
       r"CAPA*) printf '* CAPABILITY IMAP4rev1\r\n%s OK done\r\n' $t;; *) printf '%s OK behind\r\n' $t;; esac; done"
POP3 = r"printf '+OK behind\r\n'; while read -r x; do printf '+OK 3 320\r\n'; done"
FTP = r"printf '220 behind\r\n'; while read -r x; do printf '200 said %s\r\n' \"${x%?}\"; done"
ECHO = "cat"


def service(word, script):
    return profile(certificate()) + handler(script.replace('\\"', '"'), f'starttls = "{word}"')


@needs_root
@covers("starttls")
def test_mail_clients():
    """SMTP, IMAP, POP3 and FTP clients of Python's go over to TLS, and see one greeting"""
    with Superd(service("smtp", SMTP)) as d:
        with smtplib.SMTP("127.0.0.1", d.port("s"), timeout=30) as client:
            client.ehlo("x")
            assert client.has_extn("starttls")
            expect(client.docmd("MAIL", "FROM:<a@example.org>")[0], 530)
            client.starttls(context=context())
            expect(client.docmd("NOOP", "one"), (250, b"said NOOP one"))
            expect(client.docmd("NOOP", "two"), (250, b"said NOOP two"))
    with Superd(service("imap", IMAP)) as d:
        client = imaplib.IMAP4("127.0.0.1", d.port("s"), timeout=30)
        try:
            client.login("u", "p")
            raise AssertionError("a password in the clear was taken")
        except imaplib.IMAP4.error as error:
            expect_in("PRIVACYREQUIRED", str(error))
        client.starttls(context())
        expect(client.noop(), ("OK", [b"behind"]))
        client.logout()
    with Superd(service("pop3", POP3)) as d:
        client = poplib.POP3("127.0.0.1", d.port("s"), timeout=30)
        client.stls(context())
        expect(client.stat(), (3, 320))
        client.close()
    with Superd(service("ftp", FTP)) as d:
        client = ftplib.FTP_TLS(context=context(), timeout=30)
        client.connect("127.0.0.1", d.port("s"))
        client.auth()
        expect(client.voidcmd("NOOP"), "200 said NOOP")
        client.close()


@needs_root
def test_openssl_client():
    """openssl s_client speaks each of the protocols up to the handshake"""
    words = ("smtp", "lmtp", "imap", "pop3", "ftp", "nntp", "ldap", "xmpp", "postgres")
    text = profile(certificate()) + "".join(
        handler("cat", f'starttls = "{word}"', name=word) for word in words)
    with Superd(text) as d:
        for word in words:
            said = s_client(d.port(word), "-starttls", word, "-xmpphost", "example.org")
            expect_in("Cipher is TLS_AES_256_GCM_SHA384", said, word)
        for word in words:
            wait_until(lambda of=word: d.status(of)["started"] == 1, what=word)


@needs_root
def test_pipelined_in_the_clear():
    """What somebody has put behind STARTTLS in the clear never reaches the handler"""
    with Superd(service("smtp", SMTP)) as d:
        raw = connect(d.port("s"))
        expect_in(b"220 superd", raw.recv(1000))
        raw.sendall(b"STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n")
        expect_in(b"220 2.0.0", raw.recv(1000))
        with context().wrap_socket(raw, server_hostname="localhost") as client:
            client.sendall(b"NOOP real\r\n")
            said = b""
            while not said.endswith(b"\r\n"):
                said += client.recv(1000)
            expect(said, b"250 said NOOP real\r\n")


@needs_root
def test_who_does_not_ask():
    """No handler for a client that ends, lingers or chatters in the clear"""
    text = profile(certificate(), 'handshake_timeout = "500ms"') + handler(SMTP.replace('\\"', '"'), 'starttls = "smtp"') + \
        handler("cat", 'starttls = "postgres"', name="pg")
    with Superd(text) as d:
        silent = connect(d.port("s"))
        expect_in(b"220 superd", read_all(silent))
        d.wait_log(r'detail="the client did not ask for TLS in time"')
        with connect(d.port("s")) as quits:
            quits.sendall(b"QUIT\r\n")
            expect_in(b"221 2.0.0 Bye", read_all(quits))
        with connect(d.port("pg")) as plain:
            start = b"user\0postgres\0\0"
            plain.sendall(struct.pack("!II", 8 + len(start), 196608) + start)
            try:
                expect(plain.recv(100)[:1], b"E")
            except ConnectionResetError:
                pass
        with connect(d.port("s")) as chatters:
            try:
                for _ in range(3000):
                    chatters.sendall(b"NOOP\r\n" * 10)
                    chatters.setblocking(False)
                    try:
                        while chatters.recv(65536):
                            pass
                    except BlockingIOError:
                        pass
                    chatters.setblocking(True)
                raise AssertionError("it chatters on")
            except OSError:
                pass
        wait_until(lambda: d.refused("s").get("tls_handshake", 0) >= 3, what="the refusals")
        expect((d.status("s")["started"], d.status("pg")["started"]), (0, 0))


@needs_root
def test_plain_tls_is_no_starttls():
    """A client that shakes hands at once is refused where the protocol begins in the clear"""
    with Superd(service("smtp", SMTP)) as d:
        try:
            context().wrap_socket(socket.create_connection(("127.0.0.1", d.port("s")), timeout=30)).close()
            raise AssertionError("it was let in")
        except (ssl.SSLError, OSError):
            pass
        wait_until(lambda: d.refused("s") == {"tls_handshake": 1}, what="the refusal")
