# SPDX-License-Identifier: MIT
"""The configuration that the differential test gives to xinetd and, through import, to superd."""

import time

from differential import LOG
from harness import write_text

REPORT = "/run/build/tests/report"
DENIED = "127.0.0.3"    # never let in where there is a list
TRAPPED = "127.0.0.66"  # touches the sensor
FILE = "/run/test/xinetd.conf"

DEFAULTS = f"""defaults
{{
	log_type = FILE {LOG}
	log_on_success = PID HOST EXIT DURATION
	log_on_failure = HOST ATTEMPT
	cps = 1000 1
}}
"""

# name: (port, further lines); "tcp, nowait, nobody, unlisted" is what they share.
STREAMS = {
    "plain": (3000, f"server = {REPORT}"),
    "rich": (3001, f"user = alice\ngroup = readers\ngroups = yes\numask = 027\nnice = 5\nserver = {REPORT}\n"
             "server_args = to 1 \"a b\nenv = COLOR=red SIZE=2\npassenv = CHOSEN MISSING\nflags = KEEPALIVE NODELAY\n"
             "rlimit_files = 50\nrlimit_as = 256M\nrlimit_cpu = 20\nrlimit_data = 128M\nrlimit_stack = 4M\n"
             "rlimit_rss = 64M"),
    "named": (3002, f"flags = NAMEINARGS\nserver = {REPORT}\nserver_args = my-name to 1"),
    "root": (3003, f"user = root\ngroup = writers\nserver = {REPORT}\npassenv ="),
    "cat": (3004, "server = /bin/cat"),
    "closed": (3005, "server = /bin/cat\nonly_from = 192.0.2.1"),
    "denied": (3006, f"server = /bin/cat\nno_access = {DENIED}"),
    "nobody": (3007, "server = /bin/cat\nonly_from ="),
    "both": (3008, "server = /bin/cat\nonly_from = 127.0.0.1\nno_access = 127.0.0.0/8"),
    "one": (3009, "server = /bin/cat\ninstances = 1"),
    "each": (3010, "server = /bin/cat\nper_source = 1"),
    "burst": (3011, "server = /bin/cat\ncps = 2 2"),
    "banner": (3012, "server = /bin/cat\nbanner = /run/test/banner\nbanner_success = /run/test/yes\n"
               f"banner_fail = /run/test/no\nno_access = {DENIED}"),
    "told": (3046, "server = /bin/cat\nlog_type = SYSLOG local4 notice\nlog_on_success = HOST EXIT"),
    "leaves": (3047, "server = /bin/true"),
    "vanish": (3044, "server = /bin/cat"),
    "six": (3014, "server = /bin/cat\nflags = IPv6"),
    "six-only": (3015, "server = /bin/cat\nflags = IPv6\nv6only = yes"),
    "four": (3016, "server = /bin/cat\nflags = IPv4"),
    "broken": (3017, "server = /run/test/broken"),
    "status": (3018, f"server = {REPORT}\nserver_args = exit 3"),
    "killed": (3019, "server = /bin/sh\nserver_args = /run/test/killed"),
    "who": (3025, "server = /bin/cat\nlog_on_success += USERID\nlog_on_failure += USERID"),
    "must": (3026, "server = /bin/cat\nflags = IDONLY\nlog_on_success += USERID"),
    "relayed": (3030, "redirect = 127.0.0.1 3004\nlog_on_success += TRAFFIC"),
    "unreachable": (3031, "redirect = 127.0.0.1 4\nlog_on_success += TRAFFIC"),
    "quiet": (3032, "server = /bin/cat\nlog_on_success =\nlog_on_failure ="),
    "bound": (3033, "server = /bin/cat\nbind = 127.0.0.1"),
}
BUILTINS = {"echo": 3020, "discard": 3021, "chargen": 3022, "daytime": 3023, "time": 3024}


def not_now():
    """A minute of the day that is far away."""
    return "12:00-12:01" if time.localtime().tm_hour not in (11, 12) else "02:00-02:01"


TCP = "socket_type = stream\nprotocol = tcp\nwait = no\n"
UDP = "socket_type = dgram\nprotocol = udp\nwait = yes\n"


def block(name, body):
    return f"service {name}\n{{\n" + "".join(f"\t{line}\n" for line in body.splitlines()) + "}\n"


def stream(name, port, lines):
    user = "" if "user =" in lines else "user = nobody\n"
    return block(name, f"type = UNLISTED\n{TCP}port = {port}\n{user}{lines}")


def builtin(name, port, kind):
    words = TCP if kind == "stream" else UDP
    return block(name, f"id = {name}-{kind}\ntype = INTERNAL UNLISTED\n{words}user = root\nport = {port}")


def others():
    """What is not a plain stream."""
    program = f"user = nobody\nserver = {REPORT}\nserver_args ="
    accept = TCP.replace("wait = no", "wait = yes")
    bodies = {
        "datagram": f"type = UNLISTED\n{UDP}port = 3040\n{program} datagram",
        "fenced": f"type = UNLISTED\n{UDP}port = 3045\n{program} datagram\nno_access = {DENIED}",
        "accept": f"type = UNLISTED\n{accept}port = 3041\n{program} accept",
        "tcpmux": f"type = INTERNAL UNLISTED\n{TCP}user = root\nport = 3042",
        "mux-plain": f"type = TCPMUX UNLISTED\n{TCP}{program} answer here",
        "mux-plus": f"type = TCPMUXPLUS UNLISTED\n{TCP}{program} answer here",
        "trap": f"type = INTERNAL UNLISTED\n{TCP}user = nobody\nport = 3043\nflags = SENSOR\ndeny_time = FOREVER",
    }
    return "".join(block(name, body) for name, body in bodies.items())


def ports():
    return ({f"tcp {port}" for port, _ in STREAMS.values()} | {f"tcp {port}" for port in (3013, 3041, 3042, 3043)} |
            {"udp 3040", "udp 3045"} | {f"{kind} {port}" for port in BUILTINS.values() for kind in ("tcp", "udp")})


def write():
    """The files of the host; gives back the path of the main one."""
    for name in ("banner", "yes", "no"):
        write_text(f"/run/test/{name}", f"the {name} file\n")
    write_text("/run/test/broken", "\x7fELF this is no program\n", 0o755)
    write_text("/run/test/killed", "kill -9 $$\n", 0o755)
    text = DEFAULTS + "".join(stream(name, port, lines) for name, (port, lines) in STREAMS.items()) + \
        stream("hours", 3013, f"server = /bin/cat\naccess_times = {not_now()}") + others() + \
        "".join(builtin(name, port, kind) for name, port in BUILTINS.items() for kind in ("stream", "dgram"))
    write_text(FILE, text)
    return FILE


def command(program):
    return [program, "-dontfork", "-stayalive", "-f", FILE, "-pidfile", "/run/test/xinetd.pid",
            "-filelog", "/run/test/xinetd.messages"]
