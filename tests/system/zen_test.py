# SPDX-License-Identifier: MIT
"""contrib/zen: one protocol in every architecture; each runs on demand, answers alike and bears bad clients."""

import importlib.util
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import xml.etree.ElementTree

from clients import connect, read_all
from harness import DEADLINE, PYTHON, Superd, expect, expect_in, read_text, run, test_directory, wait_until
from registry import build, timeout

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FILE = os.path.join(TREE, "contrib", "zen", "superd.toml")

BEAUTIFUL, EXPLICIT, SIMPLE = b"Beautiful is better than?", b"Explicit is better than?", b"Simple is better than?"
WRONG = b"Error: unknown aphorism."
AT_ONCE = 200

NAMES = ("zen-handler", "zen-worker", "zen-single", "zen-threads", "zen-processes", "zen-pool", "zen-loop", "zen-uv",
         "zen-coroutines", "zen-cores", "zen-loops", "zen-socketserver", "zen-asyncio-protocol",
         "zen-asyncio-streams", "zen-asyncore")
ALONE = ("zen_handler", "zen_worker", "zen_single", "zen_threads", "zen_processes", "zen_loop", "zen_uv",
         "zen_coroutines", "zen_cores", "zen_socketserver.py", "zen_asyncio_protocol.py", "zen_asyncio_streams.py",
         "zen_asyncore.py")


def is_there(name):
    """Python 3.12 has no asyncore."""
    return "asyncore" not in name or importlib.util.find_spec("asyncore") is not None


def example(programs):
    """contrib/zen/superd.toml with programs that are here and ports that are free."""
    text = read_text(FILE).replace("/usr/libexec/superd/zen", programs)
    text, ports = re.subn(r"127\.0\.0\.1:1\d\d\d", "127.0.0.1:0", text)
    expect(ports, len(NAMES), "addresses in contrib/zen/superd.toml")
    return text if os.getuid() == 0 else text.replace("user  ", "# user")


def answers(port, data):
    """What comes back for one client's bytes, to the end of file."""
    with connect(port) as connection:
        if data:
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def check_answers(port):
    expect(answers(port, BEAUTIFUL), b"Ugly.")
    expect(answers(port, EXPLICIT + SIMPLE + BEAUTIFUL), b"Implicit.Complex.Ugly.")
    expect(answers(port, BEAUTIFUL + b"\r\n" + SIMPLE + b"\n"), b"Ugly.\nComplex.\n")
    expect(answers(port, b""), b"")
    # A conversation: the next question follows the answer, and arrives in two pieces.
    with connect(port) as connection:
        for question, answer in ((BEAUTIFUL, b"Ugly."), (SIMPLE, b"Complex.")):
            connection.sendall(question[:7])
            connection.sendall(question[7:])
            expect(receive(connection, len(answer)), answer)


def receive(connection, count):
    data = b""
    while len(data) < count and (part := connection.recv(count - len(data))):
        data += part
    return data


def check_wrong_input(port):
    expect(answers(port, b"Now is better than?"), WRONG)
    expect(answers(port, b"\0\xff\xfe?" + BEAUTIFUL), WRONG + b"Ugly.", "after bytes that are no text")
    expect(answers(port, b"x" * 200 + BEAUTIFUL), WRONG + b"Ugly.", "after 200 bytes without an end")
    expect(answers(port, b"GET / HTTP/1.0\r\n\r\n"), WRONG + b"\n\n")
    expect(answers(port, b"Beautiful is better"), WRONG, "a truncated question")


def check_rude_clients(port):
    """Half a question and away, answers that nobody reads."""
    for _ in range(5):
        with connect(port) as connection:
            connection.sendall(b"Beautiful is")
            reset(connection)
    for _ in range(5):
        with connect(port) as connection:
            connection.sendall(BEAUTIFUL * 100)
            reset(connection)


def reset(connection):
    """Closing will send RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def check_silent_client(port):
    """One that says nothing, or half a question, holds the others up for a few seconds at the most."""
    with connect(port), connect(port) as half:
        half.sendall(b"Simple is")
        expect(answers(port, SIMPLE), b"Complex.")


def check_many(port):
    """All are connected before the first asks; each is answered."""
    clients = [connect(port) for _ in range(AT_ONCE)]
    for client in clients:
        client.sendall(EXPLICIT)
        client.shutdown(socket.SHUT_WR)
    for client in clients:
        with client:
            expect(read_all(client), b"Implicit.")


def check_load(port):
    """The load tool: ten clients for a second, a connection for each five questions."""
    done = run([os.path.join(build(), "zen", "zen_load"), "--clients", "10", "--seconds", "1", "--each", "5",
                str(port)])
    expect(done.code, 0, repr(done))
    said = dict(re.findall(r"(\w+)=(\S+)", done.out))
    expect((said["wrong"], said["broken"], said["served"]), ("0", "0", "10/10"), repr(done))
    assert int(said["questions"]) >= 10 and float(said["first_byte_us"]) > 0, repr(done)


CHECKS = (check_answers, check_wrong_input, check_rude_clients, check_silent_client, check_many, check_load)


def check_service(d, name):
    expect(d.state(name), "listening", f"{name} before the first client")
    expect(d.status(name)["processes"], [], f"{name} before the first client")
    port = d.port(name)
    for check in CHECKS:
        print(f"{name}: {check.__name__}", flush=True)
        check(port)
    # The bad clients have ended no process: a handler is one each, the others began once.
    if name not in ("zen-handler", "zen-worker"):
        status = d.status(name)
        expect(status["started"], len(status["processes"]), f"{name} was started")


@timeout(400)
def test_every_architecture():
    """Every zen server runs on demand out of one file and bears wrong, rude, silent and 200 clients"""
    left, failed = [name for name in NAMES if is_there(name)], []

    def take_turns():
        while left and not failed:
            name = left.pop()
            try:
                check_service(d, name)
            except BaseException as error:  # of a thread: told below
                failed.append(f"{name}: {error!r}")

    with Superd(example(os.path.join(build(), "zen"))) as d:
        threads = [threading.Thread(target=take_turns) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(failed, [])
        # Nobody is behind the workers that fork when superd has ended them.
        for name in ("zen-processes", "zen-cores"):
            d.ok("stop", name)
        wait_until(lambda: not [command for _, command in d.children() if "zen_processes" in command
                                or "zen_cores" in command], DEADLINE, "the end of those who were forked")


def test_file():
    """contrib/zen/superd.toml is accepted without a word, as it stands once its programs are there"""
    directory = test_directory()
    os.makedirs(os.path.join(directory, "zen"))
    text = read_text(FILE).replace("/usr/libexec/superd", build())
    path = os.path.join(directory, "superd.toml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text if os.getuid() == 0 else text.replace("user  ", "# user"))
    told = run([os.path.join(build(), "superctl"), "check", path])
    expect((told.code, told.out + told.err), (0, f"{path}: {len(NAMES)} services, no errors\n"))
    # Every program that is built is in it, and every stanza that a program shows is as in the file.
    for program in ALONE:
        expect_in(f"zen/{program}\"", text)
        shown = read_text(os.path.join(TREE, "contrib", "zen", program if "." in program else program + ".cc"))
        port = re.search(r'listen *= "tcp:(\d+)"', shown).group(1)
        name = re.search(r"\[service\.([\w-]+)\]", shown).group(1)
        block = re.search(rf'\[service\.{name}\]\n(.*?)\n\n', text + "\n\n", re.S)
        assert block and f":{port}\"" in block.group(1), f"{program}: {name} on {port}"
    shutil.rmtree(directory)


class Server:
    """A zen server that somebody started by hand."""

    def __init__(self, program):
        path = os.path.join(build(), "zen", program)
        command = [PYTHON, "-B", path] if program.endswith(".py") else [path]
        self.process = subprocess.Popen([*command, "--port", "0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)

    def __enter__(self):
        readable, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
        assert readable, "it does not say where it listens"
        line = self.process.stdout.readline().decode()
        expect_in("listening on 127.0.0.1:", line)
        return int(line.rsplit(":", 1)[1])

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=DEADLINE)
        self.process.stdout.close()


@timeout(200)
def test_alone():
    """Every zen server runs without superd, and the client asks it"""
    for program in filter(is_there, ALONE):
        with Server(program) as port:
            check_answers(port)
            done = run([os.path.join(build(), "zen", "zen_ask"), str(port), BEAUTIFUL.decode(), "Ugly?"])
            expect((done.code, done.out), (0, "Ugly.\nError: unknown aphorism.\n"), program)


@timeout(200)
def test_report():
    """contrib/zen/report measures, writes a table and draws it; the ones that lie there have every server"""
    directory = test_directory()
    done = run([os.path.join(TREE, "contrib", "zen", "report"), "--build", build(), "--out", directory, "--rounds", "1",
                "--seconds", "1", "zen-handler", "zen-threads", "zen-cores"])
    expect(done.code, 0, repr(done))
    expect(done.out, read_text(os.path.join(directory, "COSTS")))
    rows = figures(directory)
    expect(set(rows), {"zen-handler", "zen-threads", "zen-cores"})
    for name, row in rows.items():
        assert len(row) == 6 and all(figure > 0 for figure in row), f"{name}: {row}"
    assert rows["zen-threads"][4] <= 4 < rows["zen-cores"][4], f"served: {rows}"
    check_drawing(directory, rows)
    there = os.path.join(TREE, "contrib", "zen")
    expect(tuple(figures(there)), tuple(re.findall(r"^\[service\.([\w-]+)\]", read_text(FILE), re.M)))
    check_drawing(there, figures(there))
    shutil.rmtree(directory)


def figures(directory):
    """{name: figures} out of COSTS."""
    text = read_text(os.path.join(directory, "COSTS"))
    return {line.split()[0]: [float(word) for word in line.split()[1:]]
            for line in text.splitlines() if line.startswith("zen-")}


def check_drawing(directory, rows):
    """costs.svg has a label for each server, and five bars with the name in their titles."""
    drawing = xml.etree.ElementTree.parse(os.path.join(directory, "costs.svg")).getroot()
    svg = "{http://www.w3.org/2000/svg}"
    labels = [text.text for text in drawing.iter(svg + "text")]
    titles = [title.text.split()[0] for title in drawing.iter(svg + "title")]
    for name in rows:
        expect(labels.count(name.removeprefix("zen-")), 1, name)
        expect(titles.count(name), 5, name)


def test_no_asyncore():
    """Where Python has no asyncore, its server says so in one line"""
    if importlib.util.find_spec("asyncore") is not None:
        # As such a Python would find it: nothing.
        command = [PYTHON, "-B", "-c",
                   "import runpy, sys; sys.modules['asyncore'] = None; sys.path.insert(0, sys.argv[1]); "
                   "runpy.run_path(sys.argv[1] + '/zen_asyncore.py', run_name='__main__')",
                   os.path.join(build(), "zen")]
    else:
        command = [PYTHON, "-B", os.path.join(build(), "zen", "zen_asyncore.py")]
    done = run(command)
    expect((done.code, done.err),
           (1, "this Python has no asyncore; zen_asyncio_protocol.py is the same thing of today\n"))
