# SPDX-License-Identifier: MIT
"""What a sandbox takes away, observed from inside."""

import json

from clients import ask
from harness import Superd, expect, expect_in, program
from registry import covers, needs_root

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
    expect(tried("", "unshare", "socket:unix"), ["ok", "ok"])
    expect(tried('deny_system_calls = ["unshare", "@clock"]', "unshare", "set_clock", "socket:unix"),
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
    with Superd(service(lines, "unshare")):
        banner, told_line = ask(2000).splitlines()
    answer = json.loads(told_line)
    expect(banner, b"welcome")
    expect((answer["tries"]["unshare"], bits(answer, "CapBnd"), answer["status"]["NoNewPrivs"]), ("EPERM", 0, "1"))


@needs_root
def test_refusal():
    """What the kernel refuses is an error with its stage, and no program runs"""
    lines = 'ambient_capabilities = ["sys_resource"]'
    with Superd(service(lines), prefix=["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]) as d:
        expect(ask(2000), b"")
        d.wait_log(r"FAIL .* ambient_capabilities: Operation not permitted")
        expect_in("ambient_capabilities", d.ok("why", "tries"))
