# SPDX-License-Identifier: MIT
"""superctl: every verb, its JSON and its exit status."""

import json
import os
import re
import socket
import threading

from clients import DEADLINE, ask, connect
from harness import Superd, as_user, build, expect, expect_in, read_text, run, shell, test_directory, wait_until, write_text
from registry import covers, needs_root
from reload_test import inode

OK, FAILED, USAGE, NOT_RUNNING, NO_SERVICE, NOT_PERMITTED, TIMEOUT, NOT_REACHABLE = range(8)

TEXT = """[service.echo]
description = "gives back what it gets"
listen = "tcp:2000"
exec = ["/bin/cat"]
user = "nobody"

[service.daemon]
exec = ["/usr/bin/tail", "-f", "/dev/null"]
user = "nobody"

[service.off]
enabled = false
listen = "tcp:2002"
exec = ["/bin/cat"]
user = "nobody"
"""


@needs_root
@covers("description")
def test_status_and_list():
    """status and list name every service with its state; status NAME has its description and place"""
    with Superd(TEXT) as d:
        d.wait_state("daemon", "running")
        text = d.ok("status")
        for name in ("echo", "daemon", "off"):
            expect_in(name, text)
        listed = d.ok("list")
        for name in ("echo", "daemon", "off"):
            expect_in(name, listed)
        one = d.ok("status", "echo")
        expect_in("gives back what it gets", one)
        expect_in("listening", one)
        every = {item["name"]: item["state"] for item in d.ctl_json("list")["services"]}
        expect(every, {"echo": "listening", "daemon": "running", "off": "disabled"})
        expect(d.status("echo")["defined_at"], f"{d.config}:1")
        told = d.ctl_json("status")
        expect_in("daemon", json.dumps(told))


@needs_root
def test_exit_statuses():
    """0 ok, 2 usage, 3 not running, 4 no such service, 6 timeout, 7 daemon not reachable"""
    with Superd(TEXT) as d:
        expect(d.ctl("status", "echo").code, OK)
        expect(d.ctl("no-such-verb").code, USAGE)
        expect(d.ctl("status", "--no-such-option").code, USAGE)
        expect(d.ctl("status", "nobody-knows").code, NO_SERVICE)
        expect(d.ctl("stop", "nobody-knows").code, NO_SERVICE)
        expect(d.ctl("kill", "echo").code, NOT_RUNNING)
        expect(d.ctl("wait", "echo", "--state", "running", "--timeout", "200ms").code, TIMEOUT)
    expect(d.ctl("status").code, NOT_REACHABLE)


@needs_root
@covers("superd.admin_group")
def test_permission():
    """Reading is open to who can reach the socket; changing needs root or the admin group"""
    with Superd('[superd]\nadmin_group = "superd-admin"\n' + TEXT) as d:
        def call(*words):
            return lambda: d.ctl(*words, quiet=True).code

        expect(as_user("alice", call("pause", "echo")), str(NOT_PERMITTED))
        expect(d.state("echo"), "listening")
        expect(as_user("bob", call("pause", "echo"), groups=["superd-admin"]), str(OK))
        expect(d.state("echo"), "paused")


@needs_root
def test_stop_and_start():
    """stop closes the listeners and ends the processes; start brings them back; restart renews them"""
    with Superd(TEXT) as d:
        with connect(2000) as held:
            held.sendall(b"1")
            expect(held.recv(1), b"1")
            d.ok("stop", "echo")
            expect(d.state("echo"), "stopped")
            expect(held.recv(1), b"", "the connection's end")
        try:
            connect(2000)
            raise AssertionError("the listener is open")
        except ConnectionRefusedError:
            pass
        d.ok("start", "echo")
        expect(ask(2000, b"x"), b"x")
        d.wait_state("daemon", "running")
        before = d.status("daemon")["processes"][0]["pid"]
        d.ok("restart", "daemon")
        d.wait_state("daemon", "running")
        assert d.status("daemon")["processes"][0]["pid"] != before


@needs_root
def test_pause_and_resume():
    """pause keeps the listener open and accepts nothing; resume serves who waited"""
    with Superd(TEXT) as d:
        d.ok("pause", "echo")
        expect(d.state("echo"), "paused")
        with connect(2000) as waiting:
            waiting.sendall(b"w")
            waiting.settimeout(0.3)
            try:
                waiting.recv(1)
                raise AssertionError("answered while paused")
            except socket.timeout:
                pass
            expect_in("pause", d.ok("why", "echo").lower())
            d.ok("resume", "echo")
            waiting.settimeout(DEADLINE)
            expect(waiting.recv(1), b"w")


@needs_root
def test_drain():
    """drain closes the listener and lets the connection finish"""
    with Superd(TEXT) as d:
        with connect(2000) as held:
            held.sendall(b"1")
            expect(held.recv(1), b"1")
            result = []
            thread = threading.Thread(target=lambda: result.append(d.ctl("drain", "echo").code))
            thread.start()
            d.wait_state("echo", "draining")
            try:
                connect(2000)
                raise AssertionError("the listener is open")
            except ConnectionRefusedError:
                pass
            held.sendall(b"2")
            expect(held.recv(1), b"2")
        thread.join()
        expect(result, [OK])
        d.wait_state("echo", "stopped")


@needs_root
def test_kill():
    """kill sends a signal to the processes of a service, or of one connection"""
    with Superd(TEXT) as d:
        with connect(2000) as first, connect(2000) as second:
            for held in (first, second):
                held.sendall(b"1")
                expect(held.recv(1), b"1")
            running = d.status("echo")["processes"]
            local = first.getsockname()[1]
            number = [one["connection"] for one in running if one["peer"].endswith(f":{local}")][0]
            d.ok("kill", "echo", "--connection", number)
            expect(first.recv(1), b"")
            second.sendall(b"2")
            expect(second.recv(1), b"2")
            d.ok("kill", "echo", "--signal", "KILL")
            expect(second.recv(1), b"")
        wait_until(lambda: d.status("echo")["last_exit"] == "signal KILL", what="the last exit")


@needs_root
def test_wait():
    """wait ends when the state is there"""
    with Superd(TEXT) as d:
        result = []
        thread = threading.Thread(
            target=lambda: result.append(d.ctl("wait", "echo", "--state", "paused", "--timeout", "50s").code))
        thread.start()
        d.ok("pause", "echo")
        thread.join()
        expect(result, [OK])


@needs_root
def test_show_check_options():
    """show prints the service's values, check names mistakes, options explains a key"""
    with Superd(TEXT) as d:
        expect_in("/bin/cat", d.ok("show", "echo"))
        expect_in("/bin/cat", json.dumps(d.ctl_json("show", "echo")))
        expect_in("max_connections", d.ok("show", "--effective", "echo"))
        expect(d.ctl("check").code, OK)
        write_text(d.config, TEXT + "nonsense = 1\n")
        wrong = d.ctl("check")
        expect(wrong.code, FAILED)
        expect_in(f"{d.config}:16:1: ", wrong.out + wrong.err)
        expect_in("^", wrong.out + wrong.err)
        expect_in("-20", d.ok("options", "nice"))
        expect_in("max_connections", d.ok("options", "xinetd:instances"))
        names = {option["name"] for option in d.ctl_json("options")["options"]}
        assert {"exec", "listen.mode", "superd.log"} <= names
        expect(d.ctl("options", "no_such_option").code, FAILED)


@needs_root
def test_explain_and_why():
    """explain says who would be let in and by which rule; why says what a service waits for"""
    text = TEXT.replace('listen = "tcp:2000"\n', 'listen = "tcp:2000"\nallow = "127.0.0.0/8"\ndeny = "127.0.0.2"\n')
    with Superd(text) as d:
        yes = d.ctl_json("explain", "--from", "127.0.0.1", "echo")["explanation"]
        expect((yes["admitted"], yes["rule"]), (True, f"{d.config}:4"))
        no = d.ctl_json("explain", "--from", "127.0.0.2", "echo")["explanation"]
        expect((no["admitted"], no["reason"], no["rule"]), (False, "denied", f"{d.config}:5"))
        no = d.ctl_json("explain", "--from", "2001:db8::1", "echo")["explanation"]
        expect((no["admitted"], no["reason"]), (False, "not_allowed"))
        expect(d.ctl("explain", "--from", "not an address", "echo").code in (FAILED, USAGE), True)
        expect_in("enabled", d.ok("why", "off"))
        expect(d.ctl("why", "nobody-knows").code, NO_SERVICE)


@needs_root
def test_sockets():
    """sockets lists what is bound, with the port that the kernel chose"""
    text = TEXT.replace("tcp:2000", "tcp:127.0.0.1:0")
    with Superd(text) as d:
        expect(ask(d.port("echo"), b"x"), b"x")
        expect_in(f"127.0.0.1:{d.port('echo')}", d.ok("sockets"))
        expect_in(f"127.0.0.1:{d.port('echo')}", json.dumps(d.ctl_json("sockets")))


@needs_root
def test_version():
    """version, and superd -V"""
    with Superd(TEXT) as d:
        said = d.ok("version")
        program = run([os.path.join(build(), "superd"), "-V"])
        expect(program.code, OK)
        number = [word for word in program.out.split() if word[0].isdigit()][0]
        expect_in(number, said)


@needs_root
def test_logs():
    """logs has what services wrote to stderr, with the service's name"""
    script = shell("echo grumble one >&2; echo ok")
    text = f'[service.grumbles]\nlisten = "tcp:2000"\nexec = {script}\nuser = "nobody"\n'
    with Superd(text) as d:
        expect(ask(2000), b"ok\n")
        wait_until(lambda: "grumble one" in d.ctl("logs", "grumbles", quiet=True).out, what="the line in superctl logs")
        assert "\x1b" not in d.ok("logs")
        lost = d.ctl("logs", "nosuch")
        expect(lost.code, NO_SERVICE)
        expect_in("nosuch", lost.err)


@needs_root
def test_logs_of_a_socket_elsewhere():
    """logs finds superd-log wherever the control socket is; superd's lines are escaped once"""
    place = test_directory()
    text = TEXT + '[service.hand]\nexec = ["/bin/no\\"such"]\nuser = "nobody"\nstart = "manual"\nrestart = "no"\n'
    d = Superd(text)
    d.socket = os.path.join(place, "control")
    with d:
        expect(d.ctl("start", "hand").code, FAILED)
        reason = r'new=failed reason="exec /bin/no\"such: No such file or directory"'
        wait_until(lambda: reason in d.ctl("logs", "hand", quiet=True).out, what="the reason in the log")
        expect_in(reason, d.ok("status", "hand"))


@needs_root
def test_edit():
    """edit installs what the editor left and reloads; a mistake is refused and nothing changes"""
    with Superd(TEXT) as d:
        editor = d.path("editor")
        write_text(editor, "#!/bin/sh\nsed -i s/2000/2005/ \"$1\"\n", 0o755)
        expect(d.ctl("edit", env={"EDITOR": editor, "VISUAL": editor}).code, OK)
        expect(ask(2005, b"x"), b"x")
        expect_in("tcp:2005", read_text(d.config))
        write_text(editor, "#!/bin/sh\necho nonsense >> \"$1\"\n", 0o755)
        done = d.ctl("edit", env={"EDITOR": editor, "VISUAL": editor})
        assert done.code != OK, "a mistake was installed"
        assert "nonsense" not in read_text(d.config)
        expect(ask(2005, b"x"), b"x")
        kept = re.search(r"kept in (\S+)", done.err).group(1)
        expect_in("nonsense", read_text(kept))
        os.unlink(kept)
        for script in ("exit 1\n", "kill -9 $$\n", "rm -f \"$1\"; exit 1\n"):
            write_text(editor, "#!/bin/sh\n" + script, 0o755)
            done = d.ctl("edit", env={"EDITOR": editor, "VISUAL": editor})
            expect(done.code, FAILED)
            assert "kept in" not in done.err, done.err
            expect([name for name in os.listdir(d.directory) if name.startswith(".superd.toml.")], [])
        write_text(editor, "#!/bin/sh\nsed -i s/2005/2000/ \"$1\"\n", 0o755)
        done = d.ctl("edit", "echo", env={"EDITOR": editor, "VISUAL": editor})
        expect(done.out.count("~ echo"), 1, "the change is shown once")
        expect(d.ctl("--json", "edit", env={"EDITOR": "true", "VISUAL": "true"}).json()["message"],
               "nothing was changed")
        write_text(editor, "#!/bin/sh\nsed -i s/2000/2005/ \"$1\"\n", 0o755)
        done = d.ctl("--json", "edit", "echo", env={"EDITOR": editor, "VISUAL": editor})
        expect([change["service"] for change in done.json()["reload"]["changes"]], ["echo"])


@needs_root
def test_edit_of_an_included_file():
    """edit NAME works where every file of a folder is included, and what it keeps breaks no reload"""
    more = '[service.more]\nlisten = "tcp:2006"\nexec = ["/bin/cat"]\nuser = "nobody"\n'
    with Superd('include = ["superd.d/*"]\n' + TEXT, files={"superd.d/more.toml": more}) as d:
        editor = d.path("editor")
        words = {"EDITOR": editor, "VISUAL": editor}
        write_text(editor, "#!/bin/sh\nsed -i s/2006/2007/ \"$1\"\n", 0o755)
        expect(d.ctl("edit", "more", env=words).code, OK)
        expect(ask(2007, b"x"), b"x")
        write_text(editor, "#!/bin/sh\necho nonsense >> \"$1\"\n", 0o755)
        done = d.ctl("edit", "more", env=words)
        expect(done.code, FAILED)
        expect_in("nonsense", read_text(re.search(r"kept in (\S+)", done.err).group(1)))
        d.ok("reload-config")
        expect(ask(2007, b"x"), b"x")


@needs_root
def test_enable_and_disable():
    """enable and disable switch a service and keep it so over a restart, in a file of their own"""
    d = Superd('include = ["superd.d/*.toml"]\n' + TEXT, files={"superd.d/own.toml": "# nothing here\n"})
    switches = d.path("superd.d", "99-superctl.toml")
    with d:
        written = read_text(d.config)
        d.wait_state("daemon", "running")
        with connect(2000) as held:
            held.sendall(b"1")
            expect(held.recv(1), b"1")
            d.ok("enable", "off")
            expect(ask(2002, b"x"), b"x", "the service that was off")
            expect(d.state("off"), "listening")
            d.ok("disable", "echo", "daemon")
            d.wait_state("daemon", "disabled")
            wait_until(lambda: inode(2000) is None, what="the listener of what was switched off closed")
            held.sendall(b"2")
            expect(held.recv(1), b"2", "the connection that was open")
        d.wait_state("echo", "disabled")
        expect(read_text(d.config), written, "the main file is left alone")
        expect(sorted(os.listdir(d.path("superd.d"))), ["99-superctl.toml", "own.toml"])
        expect(d.ctl("enable", "nobody-knows").code, NO_SERVICE)
        d.ok("disable", "o[f]*")
        d.wait_state("off", "disabled")
        d.ok("enable", "off*")
        expect(d.state("off"), "listening")
        expect(d.ctl("enable", "nobody*").code, NO_SERVICE)
        words = ("enable", "--file", d.config, "echo")
        expect(as_user("alice", lambda: d.ctl(*words, quiet=True).code), str(NOT_PERMITTED))
        expect(d.state("echo"), "disabled", "not alice's to switch")
    before = read_text(switches)
    for verb in ("disable", "enable"):
        expect(d.ctl(verb, "--file", d.config, "off").code, OK, f"{verb} without a superd that runs")
    expect(read_text(switches), before, "there and back")
    with d:
        every = {item["name"]: item["state"] for item in d.ctl_json("list")["services"]}
        expect(every, {"echo": "disabled", "daemon": "disabled", "off": "listening"}, "after a restart")
        d.ok("enable", "echo")
        expect(ask(2000, b"x"), b"x")


@needs_root
def test_json_is_one_object():
    """--json prints one object also where a name is wrong, the usage is, or no superd runs"""
    d = Superd('include = ["superd.d/*.toml"]\n' + TEXT, files={"superd.d/own.toml": "# nothing here\n"})
    with d:
        for verb, key in (("status", "services"), ("show", "plans"), ("why", "services")):
            told = d.ctl("--json", verb, "echo", "nosuch")
            expect(told.code, NO_SERVICE, verb)
            expect((len(told.json()["errors"]), len(told.json().get(key, [0]))), (1, 1), verb)
            told = d.ctl("--json", verb, "nosuch")
            expect((told.code, told.json()["error"]["code"]), (NO_SERVICE, NO_SERVICE), verb)
        told = d.ctl("status", "--no-such-option", "--json")
        expect((told.code, told.json()["error"]["code"]), (2, 2))
        told = d.ctl("--json", "reloaded", "echo")
        expect((told.code, told.json()["error"]["message"]), (2, "no verb reloaded; did you mean reload?"))
        for words, says in (("stat", "no verb stat; did you mean status?"), ("xyz", "no verb xyz; see superctl --help"),
                            ("", "no verb; begin with superctl status, superctl --help names all of them")):
            told = d.ctl("--json", *words.split())
            expect((told.code, told.json()["error"]["message"]), (2, says))
    told = d.ctl("--json", "disable", "--file", d.config, "off")
    expect(told.code, OK)
    expect_in("is written", told.json()["message"])


@needs_root
def test_enable_where_the_port_is_taken():
    """enable takes its line back where the reload refuses the new file"""
    with Superd('include = ["superd.d/*.toml"]\n' + TEXT, files={"superd.d/own.toml": "# nothing here\n"}) as d:
        with socket.create_server(("0.0.0.0", 2002)):
            done = d.ctl("enable", "off")
            assert done.code != OK, "a port that is taken"
            expect_in("99-superctl.toml is as it was before", done.err)
            d.ok("reload-config")
        expect(d.state("off"), "disabled")
        d.ok("enable", "off")
        expect(ask(2002, b"x"), b"x")


@needs_root
def test_enable_where_it_cannot_be_kept():
    """enable refuses where the switches would not be read, or would be lost; nothing changes"""
    with Superd(TEXT) as d:
        done = d.ctl("enable", "off")
        expect(done.code, FAILED)
        expect_in("include", done.err)
        assert not os.path.exists(d.path("superd.d")), "a file that nobody reads"
    foreign = '[override.echo]\numask = "0077"\n'
    with Superd('include = ["superd.d/*.toml"]\n' + TEXT, files={"superd.d/99-superctl.toml": foreign}) as d:
        expect(d.ctl("enable", "off").code, FAILED)
        expect(read_text(d.path("superd.d", "99-superctl.toml")), foreign, "somebody's own words")
        expect(d.state("off"), "disabled")


@needs_root
def test_try():
    """try runs one handler at the terminal with its real identity and shows how it ended"""
    script = shell("read line; echo $(id -un) got $line; echo sigh >&2; exit 3")
    text = (f'[service.talk]\nlisten = "tcp:2000"\nexec = {script}\n'
            'user = "alice"\n[service.missing]\nlisten = "tcp:2001"\nexec = ["/no/such/program"]\nuser = "alice"\n')
    with Superd(text) as d:
        done = d.ctl("try", "talk", stdin="hello\n")
        expect_in("alice got hello", done.out)
        expect_in("sigh", done.out + done.err)
        expect_in("3", done.out + done.err)
        lost = d.ctl("try", "missing")
        assert lost.code != OK
        expect_in("/no/such/program", lost.out + lost.err)
        expect_in("No such file or directory", lost.out + lost.err)


@needs_root
def test_second_superd():
    """A second superd on one control socket exits 1 and names the first"""
    with Superd(TEXT) as d:
        second = run(d.command())
        expect(second.code, 1)
        expect_in(str(d.guard), second.err + second.out)
        expect(ask(2000, b"x"), b"x", "the first goes on")


@needs_root
def test_check_of_a_copy():
    """superd -t checks a file without touching anything; --as names what it will be"""
    d = Superd(TEXT, ready=False)
    good = run([os.path.join(build(), "superd"), "-t", "-c", d.config])
    expect(good.code, 0)
    copy = d.path("copy.toml")
    write_text(copy, TEXT + "nonsense = 1\n")
    bad = run([os.path.join(build(), "superd"), "-t", "-c", copy, "--as", "/etc/superd.toml"])
    expect(bad.code, 1)
    expect_in("/etc/superd.toml:16:1: ", bad.err + bad.out)
    expect(os.listdir(d.directory).count("run"), 0, "nothing was made")
    # What a start would refuse.
    os.chmod(d.config, 0o666)
    for words in (["superd", "-t", "-c", d.config], ["superctl", "check", d.config]):
        told = run([os.path.join(build(), words[0]), *words[1:]])
        expect(told.code, 1)
        expect_in("can be written by", told.err)
        expect(run([os.path.join(build(), words[0]), *words[1:], "--as", "/etc/superd.toml"]).code, 0)


@needs_root
def test_hostile_control_clients():
    """Garbage and half messages on the control socket neither stop superd nor keep others out"""
    with Superd(TEXT) as d:
        expect(ask(2000, b"x"), b"x", "the first launch, which opens the service's log")
        d.wait_state("daemon", "running")
        before = len(d.fds())
        held = []
        for junk in (b"", b"\0", b"GET / HTTP/1.0\r\n\r\n", b"\0AUTH EXTERNAL " + b"f" * 70000 + b"\r\n",
                     b"\0AUTH EXTERNAL 30\r\nBEGIN\r\nl\1\0\1" + b"\xff" * 4000):
            client = socket.socket(socket.AF_UNIX)
            client.connect(d.socket)
            try:
                client.sendall(junk)
            except OSError:
                pass
            held.append(client)
        expect(d.ctl("version").code, OK)
        expect(ask(2000, b"x"), b"x")
        for client in held:
            client.close()
        wait_until(lambda: len(d.fds()) <= before + 1, what="the clients' descriptors are closed")
