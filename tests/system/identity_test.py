# SPDX-License-Identifier: MIT
"""What a handler finds about itself, option by option."""

import grp
import json
import os
import resource
import shutil
import stat

import kernel
import namespace
from clients import ask, connect
from hanging_fs import HangingFs
from harness import FOREVER, Superd, build, executable, expect, expect_in, processes, program, read_text, wait_until, write_text
from registry import covers, needs_root, pitfall, skip

INFINITY = -1


def tell(lines, env=None):
    """The report of a handler that runs as alice with these lines in its service."""
    text = f'[service.tell]\nlisten = "tcp:2000"\nexec = {program("tell")}\nuser = "alice"\n{lines}\n'
    with Superd(text, env=env):
        return json.loads(ask(2000))


@needs_root
@covers("user")
@pitfall("privileges")
def test_user():
    """user: uid, gid and supplementary groups are the user's, and root cannot come back"""
    told = tell("")
    expect(told["uids"], [9111, 9111, 9111])
    expect(told["gids"], [9111, 9111, 9111])
    wanted = sorted({entry.gr_gid for entry in grp.getgrall() if "alice" in entry.gr_mem} | {9111})
    expect(sorted(set(told["groups"]) | {9111}), wanted, "the user's groups")
    for kind in ("CapEff", "CapPrm", "CapAmb"):
        expect(int(told["status"][kind], 16), 0, kind)


@needs_root
@covers("group")
def test_group():
    """group: the primary group"""
    expect(tell('group = "readers"')["gids"], [9121, 9121, 9121])


@needs_root
@covers("groups")
def test_groups():
    """groups: instead of the user's; { add } edits them"""
    expect(tell('groups = ["writers"]')["groups"], [9122])
    expect(tell("groups = []")["groups"], [])
    expect_in(9123, tell('groups = { add = ["superd-admin"] }')["groups"])


@needs_root
@covers("umask", "nice", "oom_score_adjust")
def test_numbers():
    """umask, nice and oom_score_adjust are as written"""
    told = tell('umask = "0027"\nnice = 5\noom_score_adjust = 321')
    expect((told["umask"], told["nice"], told["oom_score_adjust"]), (0o027, 5, 321))


@needs_root
@pitfall("umask, directory, limits")
def test_defaults():
    """Without options: umask 0022, nice 0, oom score 0, directory /, superd's own limits"""
    told = tell("")
    expect((told["umask"], told["nice"], told["oom_score_adjust"]), (0o022, 0, 0))
    expect((told["directory"], told["root"]), ("/", "/"))
    expect(told["limits"]["nofile"], list(resource.getrlimit(resource.RLIMIT_NOFILE)), "nofile")
    expect(told["session"], told["pid"], "a session of its own")


@needs_root
@covers("ionice", "cpu_affinity")
def test_scheduling():
    """ionice and cpu_affinity"""
    cpu = min(os.sched_getaffinity(0))
    told = tell(f'ionice = "best-effort:6"\ncpu_affinity = [{cpu}]')
    expect(told["ionice"], 2 << 13 | 6)
    expect(told["affinity"], [cpu])


@needs_root
@covers("rlimits")
def test_rlimits():
    """rlimits: one value for both, or soft and hard; durations, sizes, unlimited"""
    told = tell('rlimits = { nofile = "256:1024", cpu = "5m", core = 0, fsize = "64M", data = "unlimited" }')
    limits = told["limits"]
    expect(limits["nofile"], [256, 1024])
    expect(limits["cpu"], [300, 300])
    expect(limits["core"], [0, 0])
    expect(limits["fsize"], [64 << 20, 64 << 20])
    expect(limits["data"], [INFINITY, INFINITY])


@needs_root
@covers("directory")
def test_directory():
    """directory: the working directory"""
    os.makedirs("/srv/alice/place")
    expect(tell('directory = "/srv/alice/place"')["directory"], "/srv/alice/place")


@needs_root
@covers("root")
def test_root():
    """root: the program sees that directory as /, and directory lies inside it"""
    os.makedirs("/srv/jail/inner")
    for name in ("usr", "lib", "lib64", "bin", "proc", "run"):
        if os.path.isdir(f"/{name}"):
            os.makedirs(f"/srv/jail/{name}")
            namespace.mount(f"/{name}", f"/srv/jail/{name}", flags=namespace.MS_BIND | namespace.MS_REC)
    told = tell('root = "/srv/jail"\ndirectory = "/inner"')
    expect(told["directory"], "/inner")
    expect(told["root"], "/", "as seen from inside")
    assert not os.path.samefile("/srv/jail", "/")
    text = ('[service.look]\nlisten = "tcp:2000"\nexec = ["/bin/ls", "/"]\nuser = "alice"\nroot = "/srv/jail"\n')
    with Superd(text):
        expect(sorted(ask(2000).decode().split()), sorted(os.listdir("/srv/jail")))


@needs_root
@covers("runtime_directory", "state_directory", "cache_directory", "logs_directory")
def test_directories():
    """runtime_, state_, cache_ and logs_directory are made for the user and named in the environment"""
    told = tell('runtime_directory = "tell"\nstate_directory = ["tell", "tell/deep"]\n'
                'cache_directory = "tell"\nlogs_directory = "tell"')
    found = {"RUNTIME": "/run/tell", "STATE": "/var/lib/tell:/var/lib/tell/deep",
             "CACHE": "/var/cache/tell", "LOGS": "/var/log/tell"}
    for name, path in found.items():
        expect(told["environment"].get(name + "_DIRECTORY"), path)
        for one in path.split(":"):
            expect(os.stat(one).st_uid, 9111, one)
            assert stat.S_ISDIR(os.stat(one).st_mode)


@needs_root
@covers("environment", "pass_environment", "environment_file")
@pitfall("environment")
def test_environment():
    """The environment is built: PATH, HOME, USER …, then what is passed, the file's, the table's"""
    write_text("/run/test/secret.env", '# comment\nFROM_FILE=file\nBOTH=file\nQUOTED="two words"\n', 0o600)
    told = tell('environment = { FROM_TABLE = "table", BOTH = "table" }\n'
                'pass_environment = ["PASSED", "NOT_THERE"]\nenvironment_file = "/run/test/secret.env"',
                env={"PASSED": "through", "KEPT": "back"})
    got = told["environment"]
    expect(got.get("FROM_TABLE"), "table")
    expect(got.get("FROM_FILE"), "file")
    expect(got.get("BOTH"), "table", "the table stands over the file")
    expect(got.get("QUOTED"), "two words")
    expect(got.get("PASSED"), "through")
    for name in ("KEPT", "NOT_THERE", "NOTIFY_SOCKET"):
        expect(got.get(name), None, name)
    expect([got.get(name) for name in ("USER", "LOGNAME", "HOME", "SHELL")],
           ["alice", "alice", "/srv/alice", "/bin/sh"])
    expect_in("/usr/bin", got["PATH"].split(":"))


@needs_root
def test_connection_environment():
    """UCSPI, systemd and xinetd names of the two ends"""
    got = tell("")["environment"]
    expect([got.get("PROTO"), got.get("TCPLOCALIP"), got.get("TCPLOCALPORT"), got.get("TCPREMOTEIP")],
           ["TCP", "127.0.0.1", "2000", "127.0.0.1"])
    expect(got.get("REMOTE_ADDR"), "127.0.0.1")
    expect(got.get("REMOTE_HOST"), "127.0.0.1")
    expect(got.get("REMOTE_PORT"), got.get("TCPREMOTEPORT"))
    assert got["REMOTE_PORT"].isdigit(), got
    expect(got.get("LISTEN_FDS"), None, "the socket is on descriptor 0, not from 3 up")


@needs_root
def test_credentials_below_a_relative_run_directory():
    """--run may be a relative path: what the service is told is absolute"""
    text = ('[service.tell]\nlisten = "tcp:2000"\nuser = "alice"\n'
            'exec = ["/bin/sh", "-c", "cat $CREDENTIALS_DIRECTORY/db"]\n')
    d = Superd(text)
    secret = d.path("secret")
    write_text(secret, "sesame", 0o600)
    d.write(text + f'credentials = {{ db = "{secret}" }}\n')
    d.run_dir = os.path.relpath(d.run_dir)
    d.state_dir = os.path.relpath(d.state_dir)
    with d:
        expect(ask(2000), b"sesame")
        expect(sorted(os.listdir(d.state_dir)), ["last-good"])


@needs_root
@covers("credentials")
def test_credentials():
    """credentials: a file in $CREDENTIALS_DIRECTORY that this user alone can read"""
    write_text("/run/test/password", "hush\n", 0o600)
    script = ('ls -ln "$CREDENTIALS_DIRECTORY/db"; cat "$CREDENTIALS_DIRECTORY/db"; '
              'ls -ldn "$CREDENTIALS_DIRECTORY"')
    text = (f'[service.look]\nlisten = "tcp:2000"\nexec = {json.dumps(["/bin/sh", "-c", script])}\n'
            'user = "alice"\ncredentials = { db = "/run/test/password" }\n')
    with Superd(text):
        lines = ask(2000).decode().splitlines()
    expect_in("hush", lines, "its content")
    mode, _, owner = lines[0].split()[:3]
    expect((mode[1:10].replace("w", "-"), owner), ("r--------", "9111"), lines[0])
    mode = lines[-1].split()[0]
    expect(mode[4:10], "------", lines[-1])


@needs_root
@covers("argv0")
@pitfall("argv[0]")
def test_argv0():
    """argv0: what the program sees as its name"""
    expect(tell('argv0 = "another-name"')["arguments"][0], "another-name")


@needs_root
@covers("exec")
def test_exec_text():
    """exec as text is split at blanks with quotes, and nothing else: no shell"""
    text = ('[service.say]\nlisten = "tcp:2000"\nuser = "nobody"\n'
            """exec = '/usr/bin/printf "<%s>" "two words" $HOME *'\n""")
    with Superd(text):
        expect(ask(2000), b"<two words><$HOME><*>")


@needs_root
@covers("stderr")
def test_stderr():
    """stderr: the log, the socket, nothing or a file"""
    script = '["/bin/sh", "-c", "echo out; echo err >&2"]'
    service = '[service.{0}]\nlisten = "tcp:{1}"\nexec = {2}\nuser = "alice"\n{3}\n'
    text = "".join((service.format("log", 2000, script, ""),
                    service.format("sock", 2001, script, 'stderr = "socket"'),
                    service.format("null", 2002, script, 'stderr = "null"'),
                    service.format("file", 2003, script, 'stderr = "file:/srv/err.log"')))
    with Superd(text) as d:
        expect(ask(2000), b"out\n")
        expect(ask(2001), b"out\nerr\n")
        expect(ask(2002), b"out\n")
        expect(ask(2003), b"out\n")
        wait_until(lambda: os.path.exists("/srv/err.log") and read_text("/srv/err.log") == "err\n",
                   what="err in the file")
        wait_until(lambda: "err" in d.ctl("logs", "log", quiet=True).out, what="err in superctl logs")
        assert "err" not in d.ctl("logs", "null").out


@needs_root
@covers("stdout")
def test_stdout():
    """stdout of a daemon and a worker: a file, or the log"""
    script = json.dumps(["/bin/sh", "-c", "echo spoken; exec " + " ".join(FOREVER)])
    text = (f'[service.filed]\nexec = {script}\nuser = "alice"\nstdout = "file:/srv/out.log"\n'
            f'[service.logged]\nexec = {script}\nuser = "alice"\n')
    with Superd(text) as d:
        wait_until(lambda: os.path.exists("/srv/out.log") and read_text("/srv/out.log") == "spoken\n",
                   what="the words in the file")
        wait_until(lambda: "spoken" in d.ctl("logs", "logged", quiet=True).out, what="the words in the log")


@needs_root
def test_nothing_leaks():
    """No descriptor, blocked or ignored signal of superd reaches a handler"""
    told = tell("")
    expect(sorted(told["descriptors"]), ["0", "1", "2"], "open descriptors")
    text = '[service.status]\nlisten = "tcp:2000"\nexec = ["/bin/cat", "/proc/self/status"]\nuser = "nobody"\n'
    with Superd(text):
        status = dict(line.split(":\t", 1) for line in ask(2000).decode().splitlines() if ":\t" in line)
    for field in ("SigBlk", "SigIgn", "SigCgt"):
        expect(int(status[field], 16), 0, field)


# Every option that changes something about a process, with a value that is not superd's own.
EVERY_OPTION = """argv0 = "other"
user = "alice"
group = "readers"
groups = ["writers"]
umask = "0077"
nice = 7
oom_score_adjust = 500
ionice = "idle"
cpu_affinity = [{cpu}]
rlimits = {{ nofile = 64, core = 0, cpu = "5m", fsize = "64M", data = "unlimited", nproc = 4000 }}
root = "/srv/jail"
directory = "/inner"
runtime_directory = "all"
state_directory = "all"
cache_directory = "all"
logs_directory = "all"
environment = {{ A = "b" }}
pass_environment = ["PASSED"]
environment_file = "/run/test/secret.env"
credentials = {{ pin = "/run/test/pin" }}
pass = "listen_fds"
stderr = "file:/srv/err.log"
launch_timeout = "1m"
"""


@needs_root
def test_nothing_comes_back():
    """A thousand launches with every option leave superd's own status, oom score and limits as they were"""
    os.makedirs("/srv/jail/inner")
    os.makedirs("/srv/alice", exist_ok=True)
    shutil.copy(os.path.join(build(), "tests", "report"), "/srv/jail/report")
    write_text("/run/test/secret.env", "C=d\n", 0o600)
    write_text("/run/test/pin", "1234\n", 0o600)
    text = ('[service.all]\nlisten = "tcp:2000"\nexec = ["/report", "answer", "done"]\n'
            'max_connections = "unlimited"\nmax_per_source = "unlimited"\n' +
            EVERY_OPTION.format(cpu=min(os.sched_getaffinity(0))))
    with Superd(text, env={"PASSED": "through"}) as d:
        def launches(count):
            first = d.status("all")["exited"]
            for _ in range(count):
                expect(ask(2000), b"")
            d.wait_status("all", exited=first + count, failed=0, last_exit="status 0")

        launches(20)  # all threads of superd are there
        before = own_facts(d.pid)
        launches(1000)
        expect(own_facts(d.pid), before)


def own_facts(pid):
    """All of a process that an option of a service could have changed, of its main thread and the others."""
    ignored = ("State", "Vm", "Rss", "Hugetlb", "Threads", "SigQ", "SigPnd", "ShdPnd", "FDSize", "Pid", "NSpid",
               "voluntary_ctxt", "nonvoluntary_ctxt")
    threads = set()
    for thread in os.listdir(f"/proc/{pid}/task"):
        lines = read_text(f"/proc/{pid}/task/{thread}/status").splitlines()
        status = [line for line in lines if not line.startswith(ignored)]
        tid = int(thread)
        threads.add((*status, os.getpriority(os.PRIO_PROCESS, tid), tuple(os.sched_getaffinity(tid)),
                     kernel.ionice(tid), int(thread) == pid))
    facts = {"threads": sorted(threads)}
    for name in ("oom_score_adj", "coredump_filter", "limits", "cwd", "root", "environ", "cmdline", "personality",
                 "timerslack_ns", "sessionid", "cgroup"):
        path = f"/proc/{pid}/{name}"
        facts[name] = os.readlink(path) if os.path.islink(path) else read_text(path)
    return facts


@needs_root
def test_suid_dumpable():
    """Where fs.suid_dumpable is 1 a child shares no memory with superd, for its user could write to that"""
    setting, covered = "/proc/sys/fs/suid_dumpable", "/run/test/suid_dumpable"
    write_text(covered, "0\n")
    try:
        namespace.bind(covered, setting)
    except OSError as error:
        skip(f"{setting} cannot be covered: {error}")
    slow = HangingFs("/srv/slow")
    text = f'[service.slow]\nlisten = "tcp:2000"\nexec = ["{slow.program}"]\nuser = "alice"\n'
    with Superd(text) as d:
        if not shares_memory(d, slow):
            skip("no launch shares superd's memory here, as under a sanitizer")
    write_text(covered, "1\n")
    with Superd(text) as d:
        expect(shares_memory(d, slow), False, "superd's memory is open to a child's user")
    slow.close()


def shares_memory(d, slow):
    """Whether a child that has not come to its program yet has the memory of superd."""
    slow.hold()
    with connect(2000) as client:
        child = wait_until(lambda: launching(d), what="a child in its exec")
        shared = kernel.same_memory(d.pid, child)
        slow.release()
        expect(client.recv(10), b"late\n")
    return shared


def launching(d):
    """The child of superd that has not come to its program yet."""
    own = d.pid
    path = os.path.join(build(), "superd")
    return next((pid for pid, parent, _ in processes() if parent == own and executable(pid) == path), None)
