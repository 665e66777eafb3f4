# SPDX-License-Identifier: MIT
"""superctl import: a configuration of xinetd comes in, is checked and serves."""

import json
import os
import socket

from clients import ask, connect, read_all
from harness import Superd, build, expect, expect_in, program, read_text, run, test_directory, write_text
from registry import needs_root
from wrappers_test import own_etc

MAIN = """# this host's services
defaults
{
	instances = 50
	log_on_failure = HOST
	umask = 027
}
includedir %s
"""

HANDLERS = """# tells what it is given
service tell
{
	type = UNLISTED
	protocol = tcp
	socket_type = stream
	port = 2000
	wait = no
	user = nobody
	server = %s
	server_args = %s
	nice = 4
	rlimit_files = 99
	env = FROM=xinetd
}
service closed
{
	type = UNLISTED
	protocol = tcp
	socket_type = stream
	port = 2001
	wait = no
	user = nobody
	only_from = 192.0.2.0
	server = /bin/cat
}
service local
{
	type = UNLISTED
	protocol = tcp
	socket_type = stream
	port = 2002
	bind = 127.0.0.1 #local only
	wait = no
	user = nobody
	server = /bin/cat
}
service later
{
	type = UNLISTED
	protocol = tcp
	socket_type = stream
	port = 2003
	wait = no
	user = nobody
	server = /bin/cat
	disable = yes
}
"""

STRANGER = """service stranger
{
	type = UNLISTED
	protocol = tcp
	socket_type = stream
	port = 2004
	wait = no
	user = no-such-user
	server = /no/such/program
}
"""


LOSING = """service losing
{
	type = UNLISTED
	protocol = tcp
	socket_type = stream
	port = 2006
	wait = no
	user = nobody
	server = /bin/cat
	no_access = a,b
}
"""


def superctl(*words):
    return run([os.path.join(build(), "superctl"), *words])


def checked(path):
    """What superd -t says of the file; "" where it takes it without a word."""
    told = run([os.path.join(build(), "superd"), "-t", "-c", path])
    expect(told.code, 0, told.err)
    return told.err


def host_files(*texts):
    """A folder with an xinetd.conf that includes files of these texts."""
    folder = test_directory()
    parts = os.path.join(folder, "xinetd.d")
    os.mkdir(parts)
    for number, text in enumerate(texts):
        write_text(os.path.join(parts, f"part{number}"), text)
    write_text(os.path.join(folder, "xinetd.conf"), MAIN % parts)
    return folder


def handlers():
    server, *words = json.loads(program("tell"))
    return HANDLERS % (server, " ".join(words))


@needs_root
def test_import_serves():
    """import xinetd: what comes out passes superd -t and serves as xinetd would"""
    folder = host_files(handlers(), STRANGER)
    out = os.path.join(folder, "superd.toml")
    told = superctl("import", "xinetd", os.path.join(folder, "xinetd.conf"), "-o", out)
    expect(told.code, 0, told.err)
    expect_in("DANGER", told.err)
    expect_in("no-such-user", told.err)
    text = read_text(out)
    for part in ("# this host's services", "# tells what it is given", 'listen = "tcp:127.0.0.1:2002"'):
        expect_in(part, text)
    checked(out)
    with Superd(text) as d:
        got = json.loads(ask(2000))
        expect(got["environment"]["FROM"], "xinetd")
        expect(got["arguments"][0], "python3")  # the bare name, as xinetd gives it
        expect((got["uids"][0] != 0, got["groups"], got["umask"], got["nice"]), (True, [], 0o027, 4))
        expect(got["limits"]["nofile"], [99, 99])
        with connect(2001) as refused:
            expect(read_all(refused), b"")
        expect(d.refused("closed").get("not_allowed"), 1)
        expect(d.status("tell")["state"], "listening")
        expect(d.state("later"), "disabled")
        expect(ask(2002, b"hello"), b"hello")
        for port in (2003, 2004):
            with socket.socket() as client:
                expect(client.connect_ex(("127.0.0.1", port)) != 0, True, f"port {port} is closed")


@needs_root
def test_import_into_a_folder():
    """import --split: a main file and one for each service; nothing is written over without --force"""
    folder = host_files(handlers())
    source, out = os.path.join(folder, "xinetd.conf"), os.path.join(folder, "etc")
    expect(superctl("import", "xinetd", source, "--split", out).code, 0)
    expect(sorted(os.listdir(os.path.join(out, "superd.d"))),
           ["closed.toml", "later.toml", "local.toml", "tell.toml"])
    checked(os.path.join(out, "superd.toml"))
    own = os.path.join(out, "superd.d", "tell.toml")
    write_text(own, "# mine\n")
    again = superctl("import", "xinetd", source, "--split", out)
    expect(again.code, 1)
    expect_in("--force", again.err)
    expect(read_text(own), "# mine\n")
    expect(superctl("import", "xinetd", source, "--split", out, "--force").code, 0)
    expect_in("[service.tell]", read_text(own))


@needs_root
def test_import_report():
    """import --json is one object; --strict fails and writes nothing where anything is lost"""
    folder = host_files(handlers(), STRANGER, LOSING)
    source, out = os.path.join(folder, "xinetd.conf"), os.path.join(folder, "strict.toml")
    told = superctl("--json", "import", "xinetd", source)
    expect(told.code, 0, told.err)
    answer = told.json()["import"]
    services = {one["name"]: one for one in answer["services"]}
    expect(services["tell"]["enabled"], True)
    expect(services["later"]["enabled"], False)
    expect(services["stranger"]["written"], False)
    expect_in("[service.tell]", answer["files"][0]["text"])
    strict = superctl("import", "xinetd", source, "--strict", "-o", out)
    expect(strict.code, 1)
    expect_in("lost", strict.err)
    expect(os.path.exists(out), False)
    expect(superctl("import", "xinetd", source, "--strict").out, "")
    expect(superctl("--json", "import", "xinetd", source, "--strict").json()["import"]["files"], [])
    gone = superctl("import", "xinetd", os.path.join(folder, "no-such-file"))
    expect(gone.code, 1)
    expect_in("no-such-file", gone.err)
    expect(superctl("import").code, 2)


@needs_root
def test_import_strict_without_rules():
    """import --strict passes where nothing in use is lost, and still says lost of what might come"""
    folder = host_files("service tell\n{\n type = UNLISTED\n protocol = tcp\n socket_type = stream\n port = 2000\n"
                        " wait = no\n user = nobody\n server = /bin/cat\n}\n")
    own_etc()
    for name in ("allow", "deny"):
        write_text(f"/etc/hosts.{name}", "# no rule\n")
    told = superctl("import", "xinetd", os.path.join(folder, "xinetd.conf"), "--strict")
    expect(told.code, 0, told.err)
    expect_in("lost: hosts.allow and hosts.deny have no rule", told.err)
    expect_in('log = "syslog:daemon.info"', told.out)


@needs_root
def test_import_writes_files_only():
    """import -o - is standard output; --force replaces files and nothing else"""
    folder = host_files(handlers())
    source, other = os.path.join(folder, "xinetd.conf"), os.path.join(folder, "other")
    told = superctl("import", "xinetd", source, "-o", "-")
    expect(told.code, 0, told.err)
    expect_in("[service.tell]", told.out)
    expect(os.path.exists("-"), False)
    write_text(other, "mine\n")
    for name, make in (("link", lambda path: os.symlink(other, path)), ("pipe", os.mkfifo), ("folder", os.mkdir)):
        path = os.path.join(folder, name)
        make(path)
        told = superctl("import", "xinetd", source, "-o", path, "--force")
        expect(told.code, 1)
        expect_in("is no regular file", told.err)
    expect(read_text(other), "mine\n")
    expect(superctl("import", "xinetd", source, "-o", other, "--force").code, 0)
    expect_in("[service.tell]", read_text(other))


@needs_root
def test_options_of_xinetd():
    """options xinetd:ATTRIBUTE says what to write, also where no single key does"""
    expect_in("max_connections", superctl("options", "xinetd:instances").out)
    expect_in("[service.NAME]", superctl("options", "xinetd:id").out)
    expect_in("no_delay", superctl("options", "xinetd:flags").out)
    expect(superctl("options", "xinetd:nonsense").code, 1)
