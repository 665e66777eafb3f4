# SPDX-License-Identifier: MIT
"""What a sandbox takes away, observed from inside."""

import ctypes
import json
import os

import namespace
from clients import ask, connect
from harness import Superd, expect, expect_in, forever, program, wait_until
from registry import covers, needs_root, skip

ALL = (1 << 64) - 1
CHOWN, NET_BIND_SERVICE, SYS_ADMIN = 0, 10, 21


def service(lines, *tries, user="alice"):
    return (f'[service.tries]\nlisten = "tcp:2000"\nexec = {program("tries", *tries)}\n'
            f'user = "{user}"\n{lines}\n')


def told(lines, *tries, user="alice"):
    """What a handler with these lines in its service tells."""
    with Superd(service(lines, *tries, user=user)):
        return json.loads(ask(2000))


def tried(lines, *tries, user="alice"):
    """How the tries of such a handler end."""
    answer = told(lines, *tries, user=user)
    return [answer["tries"][word] for word in tries]


def has_landlock():
    """Whether this kernel runs with Landlock."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(444, None, 0, 1) > 0  # landlock_create_ruleset


def bits(answer, kind):
    return int(answer["status"][kind], 16)


@needs_root
@covers("no_new_privs")
def test_no_new_privs():
    """no_new_privs: set where it is written, and by a filter; not otherwise"""
    expect(told("")["status"]["NoNewPrivs"], "0")
    expect(told("no_new_privs = true")["status"]["NoNewPrivs"], "1")
    expect(told("lock_personality = true")["status"]["NoNewPrivs"], "1")
    answer = told("lock_personality = true\nno_new_privs = false", "personality")
    expect((answer["status"]["NoNewPrivs"], answer["tries"]["personality"]), ("0", "EPERM"))


@needs_root
@covers("capabilities")
def test_capabilities():
    """capabilities: the bounding set, for root too"""
    own = bits(told(""), "CapBnd")
    expect(bits(told("capabilities = []"), "CapBnd"), 0)
    answer = told('capabilities = ["net_bind_service"]', "chown", "bind:80", user="root")
    for kind in ("CapBnd", "CapEff", "CapPrm"):
        expect(bits(answer, kind), 1 << NET_BIND_SERVICE, kind)
    expect(answer["tries"], {"chown": "EPERM", "bind:80": "ok"})
    expect(bits(told('capabilities = { remove = ["sys_admin"] }'), "CapBnd"), own & ~(1 << SYS_ADMIN))


@needs_root
@covers("ambient_capabilities")
def test_ambient_capabilities():
    """ambient_capabilities: a user that is not root has them, and no others"""
    answer = told('ambient_capabilities = ["net_bind_service"]', "bind:80", "chown", "setuid")
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        expect(bits(answer, kind), 1 << NET_BIND_SERVICE, kind)
    expect(answer["uids"], [9111, 9111, 9111])
    expect(answer["tries"], {"bind:80": "ok", "chown": "EPERM", "setuid": "EPERM"})
    expect(tried("", "bind:80"), ["EACCES"])
    expect(tried('ambient_capabilities = ["setuid"]', "setuid"), ["ok"])


@needs_root
@covers("allow_system_calls", "deny_system_calls")
def test_system_calls():
    """allow_system_calls and deny_system_calls: what is not let through fails with EPERM"""
    expect(tried("", "unshare_files", "socket:unix"), ["ok", "ok"])
    expect(tried('deny_system_calls = ["unshare", "@clock"]', "unshare_files", "set_clock", "socket:unix"),
           ["EPERM", "EPERM", "ok"])
    answer = told('allow_system_calls = ["@system-service"]\ndeny_system_calls = "socket"', "chroot",
                  "socket:unix", "list:/", user="root")
    expect(answer["tries"], {"chroot": "EPERM", "socket:unix": "EPERM", "list:/": "ok"})
    expect(answer["status"]["Seccomp"], "2")


@needs_root
@covers("address_families")
def test_address_families():
    """address_families: no other socket can be made; the client's is not touched"""
    expect(tried('address_families = ["unix"]', "socket:unix", "socket:inet", "socket:netlink"),
           ["ok", "EAFNOSUPPORT", "EAFNOSUPPORT"])
    expect(tried("address_families = []", "socket:unix"), ["EAFNOSUPPORT"])


@needs_root
@covers("restrict_namespaces", "restrict_realtime", "restrict_suid_sgid", "memory_deny_write_execute",
        "lock_personality")
def test_restrictions():
    """Namespaces, real-time classes, set-user-ID files, code that was written, the personality"""
    tries = {"restrict_namespaces": "unshare", "restrict_realtime": "realtime",
             "restrict_suid_sgid": "suid", "memory_deny_write_execute": "write_execute",
             "lock_personality": "personality"}
    free = told("", *tries.values(), user="root")["tries"]
    expect(free.pop("realtime"), "EINVAL", "no such priority")
    expect(set(free.values()), {"ok"}, str(free))
    free["realtime"] = "EINVAL"
    for key, word in tries.items():
        answer = told(f"{key} = true", *tries.values(), user="root")["tries"]
        expect(answer, {**free, word: "EPERM"}, key)


@needs_root
@covers("sandbox")
def test_presets():
    """sandbox: "standard" and "strict" are what the manual says, "none" is nothing"""
    expect(told('sandbox = "none"')["status"]["Seccomp"], "0")
    words = ("unshare", "realtime", "suid", "personality", "mount", "set_clock")
    answer = told('sandbox = "standard"', *words, "socket:netlink", user="root")
    expect({answer["tries"][word] for word in words}, {"EPERM"}, str(answer["tries"]))
    expect((answer["tries"]["socket:netlink"], answer["status"]["NoNewPrivs"]), ("ok", "1"))
    answer = told('sandbox = "strict"', *words, "socket:netlink", "socket:inet", "write_execute", user="root")
    expect({answer["tries"][word] for word in (*words, "write_execute")}, {"EPERM"}, str(answer["tries"]))
    expect((answer["tries"]["socket:netlink"], answer["tries"]["socket:inet"]), ("EAFNOSUPPORT", "ok"))
    for kind in ("CapBnd", "CapEff"):
        expect(bits(answer, kind), 0, kind)


@needs_root
def test_through_superd_exec():
    """A launch in which superd-exec steps in ends in the same sandbox"""
    with open("/srv/welcome", "w", encoding="ascii") as banner:
        banner.write("welcome\n")
    lines = 'banner_admitted = "/srv/welcome"\ncapabilities = []\ndeny_system_calls = "unshare"'
    with Superd(service(lines, "unshare_files")):
        banner, told_line = ask(2000).splitlines()
    answer = json.loads(told_line)
    expect(banner, b"welcome")
    expect((answer["tries"]["unshare_files"], bits(answer, "CapBnd"), answer["status"]["NoNewPrivs"]), ("EPERM", 0, "1"))


@needs_root
def test_refusal():
    """What the kernel refuses is an error with its stage, and no program runs"""
    lines = 'ambient_capabilities = ["sys_resource"]'
    with Superd(service(lines), prefix=["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]) as d:
        expect(ask(2000), b"")
        d.wait_log(r"FAIL .* ambient_capabilities: Operation not permitted")
        expect_in("ambient_capabilities", d.ok("why", "tries"))


@needs_root
@covers("protect_system", "read_write_paths")
def test_protect_system():
    """protect_system: /usr, then /etc, then all but what is named; superd and others are not touched"""
    os.makedirs("/srv/data", exist_ok=True)
    files = ("/usr/share/x", "/etc/x", "/srv/x", "/srv/data/x", "/tmp/x", "/dev/null")
    words = [f"write:{path}" for path in files]
    for how, writable in (("no", 6), ("yes", 5), ("full", 4)):
        got = tried(f'protect_system = "{how}"', *words, user="root")
        expect(got, ["EROFS"] * (6 - writable) + ["ok"] * writable, how)
    got = tried('protect_system = "strict"\nread_write_paths = ["/srv/data"]\nstate_directory = "own"',
                *words, "write:/var/lib/own/x", user="root")
    expect(got, ["EROFS", "EROFS", "EROFS", "ok", "EROFS", "ok", "ok"], "strict")
    with open("/usr/share/x", "w", encoding="ascii"):
        pass


@needs_root
@covers("protect_home")
def test_protect_home():
    """protect_home: hidden, read-only or empty"""
    words = ("list:/root", "write:/root/x", "list:/home")
    os.makedirs("/home/alice", exist_ok=True)
    expect(tried("", *words, user="root"), ["ok", "ok", "ok"])
    expect(tried('protect_home = "read-only"', *words, user="root"), ["ok", "EROFS", "ok"])
    expect(tried('protect_home = "tmpfs"', "list:/home", "list:/home/alice", user="root"), ["ok", "ENOENT"])
    expect(tried('protect_home = "yes"', "list:/root", "list:/home", "write:/root/x"), ["EACCES"] * 3)
    expect(tried('protect_home = "yes"\nsandbox = "strict"', "list:/root", "list:/home/alice", user="root"),
           ["EACCES", "EACCES"], "root without capabilities")


@needs_root
@covers("protect_kernel")
def test_protect_kernel():
    """protect_kernel: what tunes the kernel is read-only, its symbols are hidden"""
    words = ("write:/proc/sys/kernel/domainname", "read:/proc/kallsyms", "read:/proc/sys/kernel/domainname")
    expect(tried("protect_kernel = true\ncapabilities = []", *words, user="root"), ["EROFS", "EACCES", "ok"])


@needs_root
@covers("private_tmp", "private_devices")
def test_private_tmp_and_devices():
    """private_tmp and private_devices: both are the process's own, and gone with it"""
    with open("/tmp/outside", "w", encoding="ascii"):
        pass
    words = ("read:/tmp/outside", "write:/tmp/inside", "write:/var/tmp/inside")
    expect(tried("private_tmp = true", *words), ["ENOENT", "ok", "ok"])
    assert not os.path.exists("/tmp/inside")
    words = ("write:/dev/null", "read:/dev/urandom", "write:/dev/shm/x", "read:/dev/kmsg", "write:/dev/x",
             "read:/dev/fd/0")
    expect(tried("private_devices = true", *words[:5], user="root"), ["ok", "ok", "ok", "ENOENT", "EROFS"])
    assert not os.path.exists("/dev/shm/x")


@needs_root
@covers("read_only_paths", "inaccessible_paths")
def test_paths():
    """read_only_paths and inaccessible_paths: the one farther down has the last word"""
    for path in ("/srv/a/b/c", "/srv/hidden"):
        os.makedirs(path)
    for path in ("/srv/hidden/file", "/srv/secret"):
        with open(path, "w", encoding="ascii"):
            pass
    lines = ('read_only_paths = ["/srv/a", "/srv/a/b/c"]\nread_write_paths = ["/srv/a/b"]\n'
             'inaccessible_paths = ["/srv/hidden", "/srv/secret"]\ncapabilities = []')
    words = ("write:/srv/a/x", "write:/srv/a/b/x", "write:/srv/a/b/c/x", "list:/srv/hidden", "read:/srv/secret")
    expect(tried(lines, *words, user="root"), ["EROFS", "ok", "EROFS", "EACCES", "EACCES"])


@needs_root
def test_missing_path():
    """A path of the service's own that is not there fails the launch, and the log says which"""
    with Superd(service('inaccessible_paths = ["/srv/nowhere"]')) as d:
        expect(ask(2000), b"")
        d.wait_log(r"superd-exec: open /srv/nowhere: No such file")
        d.wait_log(r"FAIL .* mounts: No such file")


@needs_root
def test_paths_in_root():
    """With root the paths are those inside it, and no link leads out of it"""
    os.makedirs("/srv/jail/inner")
    os.symlink("inner/../../..", "/srv/jail/out")
    os.makedirs("/srv/outside")
    for name in ("usr", "lib", "lib64", "bin", "proc", "run"):
        if os.path.isdir(f"/{name}"):
            os.makedirs(f"/srv/jail/{name}")
            namespace.mount(f"/{name}", f"/srv/jail/{name}", flags=namespace.MS_BIND | namespace.MS_REC)
    os.makedirs("/srv/jail/tmp")
    expect(tried('root = "/srv/jail"\nread_only_paths = ["/inner", "/out"]', "write:/inner/x", "write:/tmp/x",
                 user="root"), ["EROFS", "EROFS"])
    with open("/srv/outside/x", "w", encoding="ascii"):
        pass


@needs_root
@covers("private_network", "private_ipc")
def test_namespaces():
    """private_network and private_ipc: the client's connection stays, a port of the host is not there"""
    names = {}
    for line in ("", "private_network = true", "private_ipc = true"):
        answer = told(line, "connect:2000", "namespace:net", "namespace:ipc")
        names[line] = (answer["tries"].pop("namespace:net"), answer["tries"].pop("namespace:ipc"))
        expect(answer["tries"]["connect:2000"], "ECONNREFUSED" if "network" in line else "ok", line)
    net, ipc = names[""]
    expect([names["private_network = true"][0] == net, names["private_network = true"][1] == ipc], [False, True])
    expect([names["private_ipc = true"][0] == net, names["private_ipc = true"][1] == ipc], [True, False])


@needs_root
@covers("landlock_read", "landlock_write", "landlock_execute")
def test_landlock():
    """landlock_read, landlock_write and landlock_execute: nothing else can be reached"""
    if not has_landlock():
        skip("no Landlock here")
    for path in ("/srv/read", "/srv/write"):
        os.makedirs(path)
        os.chmod(path, 0o777)
        with open(path + "/file", "w", encoding="ascii"):
            pass
        os.chmod(path + "/file", 0o666)
    lines = ('landlock_execute = ["/usr", "/lib", "/lib64", "/bin"]\n'
             'landlock_read = ["/srv/read", "/etc", "/proc", "/run"]\nlandlock_write = ["/srv/write"]')
    words = ("read:/srv/read/file", "write:/srv/read/file", "write:/srv/write/x", "run:/bin/true", "list:/srv",
             "write:/dev/null")
    expect(tried(lines, *words), ["ok", "EACCES", "ok", "ok", "EACCES", "ok"])


@needs_root
def test_residents():
    """A worker and a daemon run in the same sandbox; reload, restart and stop work as without"""
    text = ('[service.worker]\nlisten = "tcp:2000"\nmode = "worker"\nuser = "alice"\nprivate_tmp = true\n'
            f'capabilities = []\nexec = {program("tell", "worker", "0", "0")}\n'
            f'[service.daemon]\nuser = "alice"\nprivate_network = true\nexec = {forever()}\n')
    with Superd(text) as d:
        told_by_worker = json.loads(ask(2000))
        expect(int(told_by_worker["status"]["CapBnd"], 16), 0)
        expect(told_by_worker["environment"]["LISTEN_PID"], str(told_by_worker["pid"]))
        own = os.stat("/proc/self/ns/mnt").st_ino
        assert os.stat(f"/proc/{told_by_worker['pid']}/ns/mnt").st_ino != own
        d.ok("wait", "daemon", "--for", "running")
        pid = wait_until(lambda: [pid for pid, command in d.children() if "/dev/null" in command])[0]
        assert os.stat(f"/proc/{pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino
        seen = d.ctl_json("sandbox", "worker")["services"][0]
        expect((seen["switches"]["private_tmp"], seen["switches"]["capabilities"]), (True, []))
        process, = seen["processes"]
        expect((process["pid"], process["capabilities"], process["differs"]), (told_by_worker["pid"], [], []))
        expect(process["namespaces"], {"mnt": "its own", "net": "superd's", "ipc": "superd's",
                                          "pid": "superd's"})
        expect_in("mounts its own", d.ok("sandbox", "worker"))
        d.ok("restart", "worker")
        assert json.loads(ask(2000))["pid"] != told_by_worker["pid"]
        d.ok("stop", "daemon")
        expect(d.state("daemon"), "stopped")


@needs_root
def test_what_differs():
    """superctl sandbox says of a process that was started before a switch that it differs"""
    text = f'[service.tell]\nlisten = "tcp:2000"\nexec = {forever()}\nuser = "alice"\non_stop = "end"\n'
    with Superd(text) as d, connect(2000):
        d.wait_log("tell START")
        expect(d.ctl_json("sandbox", "tell")["services"][0]["processes"][0]["differs"], [])
        d.write(text + 'sandbox = "strict"\n')
        d.ok("reload-config")
        process, = d.ctl_json("sandbox", "tell")["services"][0]["processes"]
        expect(process["differs"], ["no_new_privs", "capabilities", "system_call_filters", "mnt", "ipc"])
        expect_in("not as the file says: no_new_privs capabilities", d.ok("sandbox", "tell"))


@needs_root
def test_resident_whose_sandbox_fails():
    """A daemon whose sandbox cannot be made fails as a launch does, and the cause is shown"""
    text = f'[service.d]\nuser = "alice"\nrestart = "no"\nread_only_paths = ["/srv/nowhere"]\nexec = {forever()}\n'
    with Superd(text) as d:
        d.wait_log(r"FAIL .*mounts: No such file")
        wait_until(lambda: d.state("d") == "failed")
        expect_in("mounts", d.ok("why", "d"))


@needs_root
def test_without_a_sandbox():
    """A service without a sandbox is launched without superd-exec and in superd's own namespaces"""
    answer = told("", "namespace:mnt", "namespace:net")
    for kind in ("mnt", "net"):
        expect(answer["tries"][f"namespace:{kind}"], os.readlink(f"/proc/self/ns/{kind}"))
