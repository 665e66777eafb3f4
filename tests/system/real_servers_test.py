# SPDX-License-Identifier: MIT
"""Servers written for inetd, out of Debian's packages, work under superd unchanged."""

import filecmp
import ftplib
import json
import os
import pwd

import peers
from clients import ask, connect, read_all, read_line, tftp_get
from harness import Superd, expect, expect_in, run, wait_until, write_text
from registry import covers, needs_peer, needs_root


def service(name, peer, port, command, user="root", extra="", environment=None):
    """A service out of a peer's packages; command begins with the program below the peer's root."""
    words = [peers.path(peer, command[0]), *command[1:]]
    variables = {"LD_LIBRARY_PATH": peers.library_path(peer), **(environment or {})}
    pairs = ", ".join(f"{key} = {json.dumps(value)}" for key, value in variables.items())
    return (f'[service.{name}]\nlisten = "{port}"\nexec = {json.dumps(words)}\nuser = "{user}"\n'
            f'environment = {{ {pairs} }}\n{extra}\n')


def give(path, user):
    """A whole tree to a user."""
    entry = pwd.getpwnam(user)
    for folder, _, names in os.walk(path):
        for name in (".", *names):
            os.chown(os.path.join(folder, name), entry.pw_uid, entry.pw_gid)


def make_tree(path):
    """Files of all kinds of sizes; one larger than every buffer on the way."""
    os.makedirs(os.path.join(path, "deep", "deeper"))
    write_text(os.path.join(path, "hello"), "hello\n")
    write_text(os.path.join(path, "deep", "empty"), "")
    with open(os.path.join(path, "deep", "deeper", "large"), "wb") as out:
        out.write(os.urandom(1 << 20) * 4)


def same_tree(left, right):
    compared = filecmp.dircmp(left, right)
    if compared.left_only or compared.right_only:
        return False
    _, unequal, errors = filecmp.cmpfiles(left, right, compared.common_files, shallow=False)
    return not unequal and not errors and all(
        same_tree(os.path.join(left, name), os.path.join(right, name)) for name in compared.common_dirs)


class SshAccount:
    """Keys, a server's configuration and alice's account."""

    def __init__(self):
        os.makedirs("/srv/alice", exist_ok=True)
        os.makedirs("/srv/ssh")
        for name in ("host", "user"):
            made = run([peers.path("openssh", "usr/bin/ssh-keygen"), "-q", "-t", "ed25519", "-N", "",
                        "-f", f"/srv/ssh/{name}"], env=peers.environment("openssh"))
            expect(made.code, 0, repr(made))
        os.rename("/srv/ssh/user.pub", "/srv/ssh/authorized")
        os.chmod("/srv/ssh/authorized", 0o644)
        give("/srv/alice", "alice")
        self.config = "/srv/ssh/sshd_config"
        write_text(self.config, "HostKey /srv/ssh/host\nUsePAM no\nStrictModes no\nPidFile none\n"
                   "AuthorizedKeysFile /srv/ssh/authorized\nPasswordAuthentication no\n")

    def command(self, port, *words, stdin=""):
        return run([peers.path("openssh", "usr/bin/ssh"), "-F", "none", "-i", "/srv/ssh/user", "-p", str(port),
                    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                    "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "alice@127.0.0.1", *words],
                   stdin=stdin, env=peers.environment("openssh", HOME="/srv/ssh"))


@needs_root
@needs_peer("openssh")
@covers("exec", "listen", "user", "environment", "runtime_directory")
def test_sshd_per_connection():
    """sshd -i: a command is run over it, its output, input and status come through"""
    account = SshAccount()
    text = service("ssh", "openssh", "tcp:2022", ["usr/sbin/sshd", "-i", "-f", account.config],
                   extra='runtime_directory = "sshd"')
    with Superd(text) as d:
        done = account.command(2022, "id -un; cat; exit 7", stdin="over the wire\n")
        expect(done.out, "alice\nover the wire\n", repr(done))
        expect(done.code, 7, "the status of the remote command")
        d.wait_log(r"ssh START .*from=127\.0\.0\.1:\d+")
        d.wait_log(r"ssh EXIT ")


@needs_root
@needs_peer("rsync")
def test_rsync():
    """rsync --daemon: a tree is copied and equals its source"""
    make_tree("/srv/files")
    write_text("/srv/rsyncd.conf",
               "use chroot = no\nuid = nobody\ngid = nogroup\n[files]\npath = /srv/files\n")
    text = service("rsync", "rsync", "tcp:2873", ["usr/bin/rsync", "--daemon", "--config=/srv/rsyncd.conf"])
    with Superd(text):
        done = run([peers.path("rsync", "usr/bin/rsync"), "-a", "rsync://127.0.0.1:2873/files/", "/srv/copy/"],
                   env=peers.environment("rsync"))
        expect(done.code, 0, repr(done))
        assert same_tree("/srv/files", "/srv/copy"), "the copy differs"


@needs_root
@needs_peer("git")
def test_git():
    """git daemon --inetd: a clone has the commit"""
    variables = {"GIT_EXEC_PATH": peers.path("git", "usr/lib/git-core"), "GIT_TEMPLATE_DIR": "/srv/none"}
    environment = peers.environment("git", HOME="/srv", GIT_CONFIG_NOSYSTEM="1", **variables)

    def git(*words, cwd="/srv"):
        done = run([peers.path("git", "usr/bin/git"), "-c", "user.name=a", "-c", "user.email=a@b", *words],
                   env=environment, cwd=cwd)
        expect(done.code, 0, repr(done))
        return done.out

    git("init", "-q", "work")
    write_text("/srv/work/file", "kept\n")
    git("add", "file", cwd="/srv/work")
    git("commit", "-q", "-m", "first", cwd="/srv/work")
    git("clone", "-q", "--bare", "work", "git/repo.git")
    give("/srv/git", "superd-git")
    text = service("git", "git", "tcp:9418",
                   ["usr/lib/git-core/git-daemon", "--inetd", "--export-all", "--base-path=/srv/git"],
                   user="superd-git", environment=variables)
    with Superd(text):
        git("clone", "-q", "git://127.0.0.1/repo.git", "clone")
        expect(open("/srv/clone/file", encoding="ascii").read(), "kept\n")
        expect(git("log", "--format=%s", cwd="/srv/clone"), "first\n")


@needs_root
@needs_peer("subversion")
def test_svnserve():
    """svnserve -i: a file is read out of a repository"""
    environment = peers.environment("subversion", HOME="/srv")

    def tool(name, *words):
        done = run([peers.path("subversion", "usr/bin", name), *words], env=environment)
        expect(done.code, 0, repr(done))
        return done.out

    os.mkdir("/srv/svn")
    tool("svnadmin", "create", "/srv/svn/repo")
    os.mkdir("/srv/import")
    write_text("/srv/import/hello", "from subversion\n")
    tool("svn", "--config-dir", "/srv/svnconfig", "import", "-q", "-m", "first", "/srv/import", "file:///srv/svn/repo")
    give("/srv/svn", "alice")
    text = service("svn", "subversion", "tcp:3690", ["usr/bin/svnserve", "-i", "-r", "/srv/svn"], user="alice")
    with Superd(text):
        got = tool("svn", "--config-dir", "/srv/svnconfig", "--non-interactive", "cat", "svn://127.0.0.1/repo/hello")
        expect(got, "from subversion\n")


@needs_root
@needs_peer("vsftpd")
def test_vsftpd():
    """vsftpd: anonymous listing and download over passive connections"""
    make_tree("/srv/ftp")
    os.makedirs("/run/vsftpd/empty")
    write_text("/srv/vsftpd.conf", "listen=NO\nanonymous_enable=YES\nanon_root=/srv/ftp\nftp_username=ftp\n"
               "secure_chroot_dir=/run/vsftpd/empty\nseccomp_sandbox=NO\nxferlog_enable=NO\n")
    text = service("ftp", "vsftpd", "tcp:2121", ["usr/sbin/vsftpd", "/srv/vsftpd.conf"])
    with Superd(text):
        with ftplib.FTP() as ftp:
            ftp.connect("127.0.0.1", 2121, timeout=60)
            ftp.login()
            expect(sorted(ftp.nlst()), ["deep", "hello"])
            parts = []
            ftp.retrbinary("RETR deep/deeper/large", parts.append)
            ftp.quit()
        with open("/srv/ftp/deep/deeper/large", "rb") as source:
            assert b"".join(parts) == source.read(), "the file came changed"


def check_tftp(command, peer):
    """Two files in a row, then a third after the worker has left by itself."""
    os.makedirs("/srv/tftp", exist_ok=True)
    contents = {"small": b"small\n", "even": b"x" * 1024, "large": os.urandom(200_000)}
    for name, content in contents.items():
        with open(f"/srv/tftp/{name}", "wb") as out:
            out.write(content)
        os.chmod(f"/srv/tftp/{name}", 0o644)
    with Superd(service("tftp", peer, "udp:2069", command)) as d:
        for name in ("small", "even"):
            expect(tftp_get(2069, name), contents[name], name)
        wait_until(lambda: not d.children(), what="the tftp server's end after its idle time")
        assert tftp_get(2069, "large") == contents["large"], "large came changed"
        d.wait_log("(?s)tftp START.*tftp START")


@needs_root
@needs_peer("tftpd-hpa")
def test_tftpd_hpa():
    """tftpd-hpa as a datagram worker: files fetched, and again after it has left"""
    check_tftp(["usr/sbin/in.tftpd", "-s", "-u", "nobody", "-t", "2", "/srv/tftp"], "tftpd-hpa")


@needs_root
@needs_peer("atftpd")
def test_atftpd():
    """atftpd as a datagram worker: files fetched, and again after it has left"""
    check_tftp(["usr/sbin/atftpd", "--tftpd-timeout", "2", "/srv/tftp"], "atftpd")


@needs_root
@needs_peer("micro-httpd")
def test_micro_httpd():
    """micro-httpd: a page is served, a missing one is 404"""
    os.makedirs("/srv/www")
    write_text("/srv/www/page.html", "<p>page</p>\n")
    text = service("http", "micro-httpd", "tcp:2080", ["usr/sbin/micro-httpd", "/srv/www"], user="nobody")
    with Superd(text):
        got = ask(2080, b"GET /page.html HTTP/1.0\r\n\r\n", half_close=False)
        expect_in(b" 200 ", got.splitlines()[0])
        assert got.endswith(b"<p>page</p>\n"), got
        expect_in(b" 404 ", ask(2080, b"GET /none HTTP/1.0\r\n\r\n", half_close=False).splitlines()[0])


@needs_root
@needs_peer("telnetd")
def test_telnetd():
    """telnetd: options are negotiated and the program's words arrive"""
    write_text("/srv/login", "#!/bin/sh\necho at your service\nread answer\n", 0o755)
    text = service("telnet", "telnetd", "tcp:2023", ["usr/sbin/telnetd", "-h", "-E", "/srv/login"])
    with Superd(text):
        got = b""
        with connect(2023) as connection:
            while b"at your service" not in got:
                part = connection.recv(4096)
                assert part, got
                got += part
                connection.sendall(refuse_options(part))
        assert got.startswith(b"\xff"), got


def refuse_options(part):
    """A telnet client that wants nothing: DO is answered with WONT, WILL with DONT."""
    answer, index = b"", 0
    while index + 2 < len(part):
        if part[index] == 255 and part[index + 1] in (251, 253):
            answer += bytes((255, 254 if part[index + 1] == 251 else 252, part[index + 2]))
            index += 3
        else:
            index += 1
    return answer


@needs_root
@needs_peer("nullidentd")
def test_nullidentd():
    """nullidentd: an ident question is answered"""
    text = service("ident", "nullidentd", "tcp:2113", ["usr/sbin/nullidentd"], user="nobody")
    with Superd(text):
        with connect(2113) as connection:
            connection.sendall(b"1024, 25\r\n")
            answer = read_line(connection)
        expect_in(b": USERID :", answer)


@needs_root
@needs_peer("gophernicus")
def test_gophernicus():
    """gophernicus: the menu and a document"""
    os.makedirs("/srv/gopher")
    write_text("/srv/gopher/notes.txt", "burrow\n")
    text = service("gopher", "gophernicus", "tcp:2070",
                   ["usr/sbin/gophernicus", "-h", "localhost", "-r", "/srv/gopher", "-nm"], user="nobody")
    with Superd(text):
        expect_in(b"notes.txt", ask(2070, b"\r\n", half_close=False))
        expect_in(b"burrow", ask(2070, b"/notes.txt\r\n", half_close=False))


@needs_root
@needs_peer("exim4")
def test_exim():
    """exim -bs: greets, knows EHLO, says goodbye"""
    os.makedirs("/var/spool/exim4/log")
    give("/var/spool/exim4", "Debian-exim")
    write_text("/srv/exim.conf", "primary_hostname = mail.example\nspool_directory = /var/spool/exim4\n"
               "log_file_path = /var/spool/exim4/log/%slog\nkeep_environment =\nexim_user = Debian-exim\n"
               "host_lookup =\nrfc1413_query_timeout = 0s\ntls_advertise_hosts =\n")
    text = service("smtp", "exim4", "tcp:2025", ["usr/sbin/exim4", "-C", "/srv/exim.conf", "-bs"])
    with Superd(text):
        with connect(2025) as connection:
            expect_in(b"220 mail.example ESMTP Exim", read_line(connection))
            connection.sendall(b"EHLO client.example\r\nQUIT\r\n")
            rest = read_all(connection)
        expect_in(b"250-mail.example Hello", rest)
        expect_in(b"221 mail.example closing connection", rest)
