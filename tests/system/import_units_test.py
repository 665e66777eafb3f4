# SPDX-License-Identifier: MIT
"""superctl import: inetd.conf and systemd's units come in, are checked and serve."""

import json
import os
import socket

from clients import ask
from harness import Superd, build, expect, expect_in, program, read_text, run, test_directory, write_text
from registry import needs_root

INETD = """# what this host offers

# tells what it is given
2000 stream tcp nowait.77 nobody %s tell %s
127.0.0.1:2001	stream	tcp	nowait	nobody	/bin/cat
	cat
#<off># 2002 stream tcp nowait nobody /bin/cat cat
2003 stream tcp nowait no-such-user /bin/cat cat
2004 stream tcp
"""

UNITS = {
    "tell.socket": "[Socket]\nListenStream=2010\nAccept=yes\nMaxConnections=3\n",
    "tell@.service": "[Unit]\nDescription=Tells\n[Service]\nExecStart=-%s %s\nStandardInput=socket\n"
                     "StandardError=journal\nUser=nobody\nEnvironment=\"FROM=a unit\"\nUMask=0027\n"
                     "LimitNOFILE=99:199\nPrivateTmp=yes\nPrivateUsers=yes\n",
    "cat.socket": "[Socket]\nListenStream=127.0.0.1:2011\nAccept=yes\n",
    "cat@.service": "[Service]\nExecStart=/bin/false\nStandardInput=socket\nUser=nobody\n",
    "gone.socket": "[Socket]\nListenStream=2012\nAccept=yes\n",
    "gone@.service": "[Service]\nExecStart=/bin/cat %%i\nStandardInput=socket\nUser=nobody\n",
}


def imported(folder, *words):
    """What import writes of these, after superd -t; and its report."""
    out = os.path.join(folder, "superd.toml")
    told = run([os.path.join(build(), "superctl"), "import", *words, "-o", out])
    expect(told.code, 0, told.err)
    checked = run([os.path.join(build(), "superd"), "-t", "-c", out])
    expect(checked.code, 0, checked.err)
    return read_text(out), told.err


def is_closed(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


@needs_root
def test_inetd_serves():
    """import inetd: what comes out passes superd -t and serves as inetd would"""
    folder = test_directory()
    source = os.path.join(folder, "inetd.conf")
    server, *words = json.loads(program("tell"))
    write_text(source, INETD % (server, " ".join(words)))
    text, report = imported(folder, "inetd", source)
    for part in ("# what this host offers", "# tells what it is given", "77/min"):
        expect_in(part, text)
    expect_in(f"{source}:9", report)
    expect_in("lost", report)
    expect_in("no-such-user", report)
    with Superd(text):
        got = json.loads(ask(2000))
        expect(got["arguments"][0], "tell")
        expect(got["uids"][0] != 0, True)
        expect(ask(2001, b"hello"), b"hello")
        for port in (2002, 2003, 2004):
            expect(is_closed(port), True, f"port {port}")


@needs_root
def test_inetd_dialects():
    """import inetd --dialect: what tcp and quotes mean is the dialect's"""
    folder = test_directory()
    source = os.path.join(folder, "inetd.conf")
    write_text(source, '2000 stream tcp nowait nobody /bin/echo echo "one word"\n')
    text, _ = imported(folder, "inetd", "--dialect", "netbsd", source)
    expect_in('"tcp4:2000"', text)
    with Superd(text):
        expect(ask(2000), b"one word\n")
    told = run([os.path.join(build(), "superctl"), "import", "inetd", "--dialect", "sunos", source])
    expect(told.code, 2)


@needs_root
def test_units_serve():
    """import systemd: units with drop-ins pass superd -t and serve as systemd would"""
    folder = test_directory()
    server, *words = json.loads(program("tell"))
    for name, text in UNITS.items():
        fill = (server, " ".join(words)) if name == "tell@.service" else ()
        write_text(os.path.join(folder, name), text % fill)
    os.mkdir(os.path.join(folder, "cat@.service.d"))
    write_text(os.path.join(folder, "cat@.service.d", "own.conf"), "[Service]\nExecStart=\nExecStart=/bin/cat\n")
    sockets = [os.path.join(folder, name) for name in ("tell.socket", "cat.socket", "gone.socket")]
    text, report = imported(folder, "systemd", *sockets)
    expect_in("PROTECTION LOST", report)
    expect_in("private_tmp = true", " ".join(text.split()))
    with Superd(text) as d:
        got = json.loads(ask(2010))
        expect(got["environment"]["FROM"], "a unit")
        expect((got["uids"][0] != 0, got["umask"]), (True, 0o027))
        expect(got["limits"]["nofile"], [99, 199])
        expect(ask(2011, b"hello"), b"hello")
        expect(d.state("gone"), "disabled")
        expect(is_closed(2012), True)
