# SPDX-License-Identifier: MIT
"""Log files that superd-log ends by itself, and what happens to lines that nobody takes or reads."""

import gzip
import os
import re
import shutil
import signal

import namespace
from clients import ask
from harness import Gate, Superd, build, descendants, executable, expect, expect_in, gone, read_text, shell, \
    wait_until, write_text
from log_test import lines, wait_line
from registry import covers, needs_root, timeout

LOGS = "/srv/logs"
SPEAK = shell("while read count word; do i=0; while [ $i -lt $count ]; do echo $word $i; i=$((i + 1)); done; "
              "done </srv/gate")


class Speaker(Gate):
    """A daemon's mouth: say(3, "word") lets it print "word 0" to "word 2"."""

    def say(self, count, word):
        os.write(self.end, f"{count} {word}\n".encode())


def speaker(log, more=""):
    return f'[service.speaker]\nexec = {SPEAK}\nuser = "alice"\nlog = {log}\n{more}\n'


def daemon(name, script, more=""):
    return f'[service.{name}]\nexec = {shell(script)}\nuser = "alice"\n{more}\n'


def names(path):
    """Of the files that were ended, oldest first."""
    folder, base = os.path.split(path)
    form = re.escape(base) + r"\.\d{8}T\d{6}\.\d{3}Z(\.gz)?"
    return [name for name in sorted(os.listdir(folder)) if re.fullmatch(form, name)]


def kept(path):
    """What is kept of a log: name and content of the files that were ended, and of the one in use."""
    found = []
    for name in names(path):
        where = os.path.join(os.path.dirname(path), name)
        with (gzip.open if name.endswith(".gz") else open)(where, "rb") as source:
            found.append((name, source.read()))
    return found, read_text(path)


def still(path):
    """kept() of a moment in which no file came or went."""

    def look():
        try:
            before = names(path)
            found = kept(path)
            return found if names(path) == before else None
        except (FileNotFoundError, EOFError, gzip.BadGzipFile):
            return None

    return wait_until(look, what=f"a moment's rest in {path}")


def ended(path):
    """The files that were ended: name and content."""
    return still(path)[0]


def whole(path):
    """Everything that is kept of a log, as words behind "speaker[PID]: "."""
    found, text = still(path)
    text = b"".join(content for _, content in found).decode() + text
    return [line.partition("]: ")[2] for line in text.splitlines() if "speaker[" in line]


def log_pid(d):
    program = os.path.join(build(), "superd-log")
    return wait_until(lambda: next((pid for pid, _, _ in descendants(d.guard) if executable(pid) == program), None),
                      what="superd-log")


def wait_lines(path, wanted):
    """The lines of a log, waited for until the last is there; then none may be missing or there twice."""
    got = []

    def complete():
        nonlocal got
        got = whole(path)
        return got[-1:] == wanted[-1:]

    wait_until(complete, what=f"{wanted[-1]!r} in {path}")
    first = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
    assert got == wanted, f"{path}: line {first} of {len(wanted)} is {got[first:first + 1]}, not {wanted[first:first + 1]}"


def counted(word, count):
    return [f"{word} {i}" for i in range(count)]


@needs_root
@covers("log")
def test_rotation():
    """A file is ended at rotate_size and compressed; no line is lost, and superctl logs does not notice"""
    mouth = Speaker()
    path = LOGS + "/speaker/log"
    with Superd(speaker(f'{{ file = "{path}", rotate_size = "4K", keep = 1000 }}')) as d:
        mouth.say(1000, "line")
        wait_lines(path, counted("line", 1000))
        wait_until(lambda: len(ended(path)) > 8 and all(name.endswith(".gz") for name, _ in ended(path)),
                   what="all of them compressed")
        for _, content in ended(path):
            assert len(content) <= 4096 and content.endswith(b"\n")
        assert os.stat(path).st_mode & 0o777 == 0o640
        shown = d.ok("logs", "-n", "1000", "speaker", quiet=True).splitlines()
        words = [line.partition("]: ")[2] for line in shown if "speaker[" in line]  # not superd's own of it
        expect(words[-900:], counted("line", 1000)[-900:])
        status = d.status("speaker")
        expect((status["log_lines"], status["log_lost"]), (1000, 0))
        expect_in("1000 lines logged", d.ok("status", "speaker").replace(",", ""))


@needs_root
@covers("log", "superd.log_keep_size")
def test_what_is_kept():
    """keep and keep_size bound what is kept of a file, log_keep_size what is kept of all; the oldest goes"""
    mouth = Speaker()
    paths = [f"{LOGS}/{name}/log" for name in ("number", "bytes", "third")]
    common = 'rotate_size = "4K", compress = false'
    text = speaker(f'[{{ file = "{paths[0]}", {common}, keep = 2 }},'
                   f'{{ file = "{paths[1]}", {common}, keep_size = "13K" }}]')
    with Superd(text) as d:
        mouth.say(2000, "line")
        for path in paths[:2]:
            wait_until(lambda: whole(path)[-1:] == ["line 1999"], what=f"the last line in {path}")
        wait_until(lambda: [len(names(path)) for path in paths[:2]] == [2, 3], what="two and three files")
        d.write('[superd]\nlog_keep_size = "64K"\n' + speaker(
            "[" + ", ".join(f'{{ file = "{path}", {common}, keep = 1000 }}' for path in paths) + "]"))
        expect(d.reload().code, 0)
        mouth.say(3000, "more")

        def bounded():
            try:
                sizes = [sum(os.stat(os.path.join(os.path.dirname(path), name)).st_size for name in names(path))
                         for path in paths]
            except FileNotFoundError:
                return False  # one has just been let go
            return all(whole(path)[-1:] == ["more 2999"] for path in paths) and 40000 < sum(sizes) <= 65536

        wait_until(bounded, what="64K in all")


@needs_root
@covers("log")
def test_age():
    """rotate_age ends a file that has something in it, and no other"""
    mouth = Speaker()
    path = LOGS + "/speaker/log"
    with Superd(speaker(f'{{ file = "{path}", rotate_age = "1s" }}')):
        mouth.say(1, "one")
        wait_until(lambda: ended(path), what="the file to be ended")
        wait_until(lambda: whole(path) == ["one 0"] and not lines(path), what="an empty one beside it")
        mouth.say(1, "two")
        wait_until(lambda: len(ended(path)) == 2, what="the next one")
        wait_lines(path, ["one 0", "two 0"])


@needs_root
@covers("log")
def test_moved_away():
    """reopen-logs begins a file anew that was renamed; a directory that was removed is made again"""
    mouth = Speaker()
    plain, rotated = LOGS + "/plain", LOGS + "/speaker/log"
    os.makedirs(LOGS)
    text = speaker(f'["file:{plain}", {{ file = "{rotated}", rotate_size = "1M" }}]')
    with Superd(text) as d:
        mouth.say(1, "one")
        for path in (plain, rotated):
            wait_line(path, r"\S+Z speaker\[\d+\]: one 0")
            os.rename(path, path + ".1")
        d.ok("reopen-logs")
        mouth.say(1, "two")
        for path in (plain, rotated):
            wait_line(path, r"\S+Z speaker\[\d+\]: two 0")
            assert not [line for line in lines(path + ".1") if "two" in line]
        shutil.rmtree(LOGS)
        mouth.say(1, "three")
        for path in (plain, rotated):
            d.wait_log(rf"WARNING file {path} has been removed: what comes is kept until it is opened again")
        failed = d.ctl("reopen-logs")
        expect(failed.code, 1)
        expect_in(f"open {plain}: No such file or directory", failed.err)
        wait_line(rotated, r"\S+Z speaker\[\d+\]: three 0")
        d.ok("reopen-logs")
        mouth.say(1, "four")
        wait_line(plain, r"\S+Z speaker\[\d+\]: four 0")
        expect([line.rpartition(": ")[2] for line in lines(plain) if "speaker[" in line], ["three 0", "four 0"])


@needs_root
@timeout(240)
@covers("log")
def test_full_disk():
    """A full file system: no service waits, the newest lines are kept, what is lost is counted and said"""
    os.makedirs(LOGS)
    namespace.mount("tmpfs", LOGS, "tmpfs", data="size=256k")
    path = LOGS + "/speaker"
    mouth = Speaker()
    text = speaker(f'"file:{path}"') + '[service.other]\nlisten = "tcp:127.0.0.1:2000"\nuser = "nobody"\n'
    text += f'exec = {shell("echo hello; echo other >&2")}\nlog = "file:/srv/other"\n'
    with Superd(text) as d:
        write_text(LOGS + "/filler", "")
        with open(LOGS + "/filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
        mouth.say(60000, "line")
        d.wait_log(rf"WARNING file {path}: No space left on device")
        wait_until(lambda: d.status("speaker")["log_lines"] == 60000, what="everything read")
        expect(ask(2000), b"hello\n")
        wait_line("/srv/other", r"\S+Z other\[\d+\]: other")
        lost = d.status("speaker")["log_lost"]
        assert 20000 < lost < 60000, lost
        expect(d.status("other")["log_lost"], 0)
        expect_in(f"{lost} lost", d.ok("status", "speaker"))
        expect(d.ctl("logs", "-n", "1", "speaker").out.rpartition("]: ")[2], "line 59999\n")
        namespace.mount("tmpfs", LOGS, "tmpfs", flags=0x20, data="size=64m")  # MS_REMOUNT
        wait_line(path, r"\S+Z speaker\[\d+\]: line 59999")
        d.wait_log(rf"file {path} works again, \d+ lines were lost")
        kept = [line.rpartition(": ")[2] for line in lines(path) if "speaker[" in line]
        expect(len(set(kept)), len(kept))
        expect(kept, [f"line {i}" for i in sorted(int(line.split()[1]) for line in kept)])
        expect(60000 - len(kept), d.status("speaker")["log_lost"])


@needs_root
@timeout(240)
@covers("log")
def test_stuck_reader():
    """A FIFO that nobody reads keeps nobody waiting; read again, it has whole lines, the newest"""
    fifo = "/srv/fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mouth = Speaker()
    with Superd(speaker(f'["file:{fifo}", "file:/srv/speaker"]')) as d:
        mouth.say(60000, "line")
        wait_until(lambda: whole("/srv/speaker")[-1:] == ["line 59999"], what="the other file")
        wait_until(lambda: d.status("speaker")["log_lost"] > 0, what="lines lost")
        got = b""

        def caught_up():
            nonlocal got
            try:
                got += os.read(reader, 1 << 16)
            except BlockingIOError:
                pass
            return b"line 59999\n" in got

        wait_until(caught_up, what="the last line")
        numbers = [int(re.fullmatch(r"\S+Z speaker\[\d+\]: line (\d+)", line)[1])
                   for line in got.decode().splitlines() if "speaker[" in line]
        expect(numbers, sorted(set(numbers)))
        expect(60000 - len(numbers), d.status("speaker")["log_lost"])
        d.wait_log(rf"WARNING file {fifo}: \d+ lines were lost")
    os.close(reader)


@needs_root
@timeout(240)
@covers("log")
def test_endless_service():
    """A service that prints without end: files and memory stay bounded, and others' lines come through"""
    path = LOGS + "/all/log"
    text = f'[superd]\nlog = ["stderr"]\n[defaults]\nlog = {{ file = "{path}", rotate_size = "64K", keep = 3 }}\n'
    text += daemon("endless", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")
    text += daemon("other", "while read word; do echo $word; done </srv/gate")
    mouth = Gate()
    with Superd(text) as d:
        for i in range(20):
            os.write(mouth.end, f"word{i}\n".encode())
            wait_until(lambda: f": word{i}\n" in d.ctl("logs", "-n", "3", "other", quiet=True).out, what=f"word {i}")
        wait_until(lambda: d.status("endless")["log_lines"] > 20000, what="many lines")
        expect(d.status("other")["log_lines"], 20)
        wait_until(lambda: sum(os.stat(f"{LOGS}/all/{name}").st_size for name in os.listdir(LOGS + "/all")) < 5 * 65536,
                   what="the bound")
        with open(f"/proc/{log_pid(d)}/status", encoding="ascii") as status:
            resident = int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])
        assert resident < 65536, f"{resident} KiB"
        shown = d.ok("logs", "-n", "50", quiet=True).splitlines()
        assert all(re.match(r"\S+Z \w+(\[\d+\]: | )", line) for line in shown), shown[:5]


@needs_root
@timeout(240)
def test_stopped_logger():
    """A superd-log that somebody stops is continued at once, even where superd was killed meanwhile"""
    mouth = Speaker()
    path = "/srv/speaker"
    with Superd(speaker(f'"file:{path}"')) as d:
        os.kill(log_pid(d), signal.SIGSTOP)
        d.wait_log("WARNING superd-log had been stopped by a signal: it was continued")
        mouth.say(20000, "line")
        wait_lines(path, counted("line", 20000))


@needs_root
@timeout(240)
def test_killed_logger():
    """kill -9 of superd-log, of superd and of both under load: what was in the pipe is there, once, in order"""
    mouth = Speaker()
    path = "/srv/speaker"
    with Superd(speaker(f'"file:{path}"')) as d:
        wanted = []
        for number in range(6):
            wait_until(lambda: d.status("speaker")["state"] == "running", what="running")
            pid, superd = log_pid(d), d.pid
            if number % 3 != 1:
                os.kill(pid, signal.SIGKILL)
            if number % 3 != 0:
                os.kill(superd, signal.SIGKILL)
            mouth.say(3000, f"round{number}")
            if number % 3 != 0:
                d.wait_superd(other_than=superd)
            wanted += counted(f"round{number}", 3000)
            wait_lines(path, wanted)
        wait_until(lambda: d.status("speaker")["log_lines"] == len(wanted), what="all of them counted")
        expect(d.status("speaker")["log_lost"], 0)


@needs_root
@timeout(240)
def test_killed_guard():
    """kill -9 of the guard: superd ends, and what services had printed is written all the same"""
    mouth = Speaker()
    path = "/srv/speaker"
    with Superd(speaker(f'"file:{path}"')) as d:
        wait_until(lambda: d.status("speaker")["state"] == "running", what="running")
        pid, superd = log_pid(d), d.pid
        os.kill(pid, signal.SIGSTOP)
        mouth.say(100, "last")
        os.kill(d.guard, signal.SIGKILL)
        d.process.wait()
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: gone(superd) and gone(pid), what="superd's end")
        text = read_text(path)
        assert "half" not in text and text.endswith("\n")


@needs_root
@covers("stderr", "stdout")
def test_pipe():
    """stderr and stdout = "pipe": a program that opens /dev/stderr again; its lines have no pid"""
    script = "echo printed >/dev/stdout; echo said >/dev/stderr; exec tail -f /dev/null"
    text = daemon("opens", script, 'stderr = "pipe"\nstdout = "pipe"\nlog = "file:/srv/opens"')
    text += '[service.asked]\nlisten = "tcp:127.0.0.1:2000"\nuser = "nobody"\nstderr = "pipe"\n'
    text += f'exec = {shell("echo hello; echo gone >/dev/stderr")}\nlog = "file:/srv/asked"\n'
    with Superd(text) as d:
        wait_line("/srv/opens", r"\S+Z opens: printed")
        wait_line("/srv/opens", r"\S+Z opens: said")
        expect(ask(2000), b"hello\n")
        wait_line("/srv/asked", r"\S+Z asked: gone")
        old = d.pid
        os.kill(old, signal.SIGKILL)
        d.wait_superd(other_than=old)
        expect(ask(2000), b"hello\n")
        wait_until(lambda: len([line for line in lines("/srv/asked") if line.endswith(": gone")]) == 2,
                   what="the second line")


@needs_root
@covers("log")
def test_any_bytes():
    """Control characters and bytes of no encoding are escaped, long lines are cut and marked, half a line waits"""
    script = (r"printf 'red \033[31m nul \000 bad \377 tab \t end\n'; printf 'half'; sleep 2; printf ' and half\n'; "
              r"printf '%010000d\n' 0; printf 'one\r\n'; exec tail -f /dev/null")
    path = "/srv/bytes"
    with Superd(daemon("bytes", script, f'log = "file:{path}"')):
        wait_line(path, r"\S+Z bytes\[\d+\]: one")
        text = [line.partition("]: ")[2] for line in lines(path) if "bytes[" in line]
        print(text)
        expect(text[0], r"red \x1b[31m nul \x00 bad \xff tab \t end")
        expect(text[1:3], ["half", " and half"])
        expect(text[3:5], ["0" * 8192 + "\\", "0" * 1808])
        expect(text[5:], ["one"])
