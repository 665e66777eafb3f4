# SPDX-License-Identifier: MIT
"""What a service inherits, seen from inside its process."""

import json

from clients import ask
from harness import Superd, expect, program
from registry import covers, needs_root


def environment(port):
    return json.loads(ask(port))["environment"]


@needs_root
@covers("profile")
def test_profile():
    """profile: its values stand between [defaults] and the service's own"""
    text = (f'[defaults]\nuser = "nobody"\nenvironment = {{ A = "defaults", B = "defaults", C = "defaults", D = "defaults" }}\n'
            f'[profile.p]\nenvironment = {{ B = "profile", C = "profile", D = "profile" }}\n'
            f'[service.tell]\nlisten = "tcp:2000"\nprofile = "p"\nexec = {program("tell")}\n'
            f'environment = {{ C = "service", D = "service" }}\n'
            f'[service.other]\nlisten = "tcp:2001"\nexec = {program("tell")}\n'
            f'[override.tell]\nenvironment = {{ D = "override" }}\n')
    with Superd(text):
        told, other = environment(2000), environment(2001)
        expect([told[name] for name in "ABCD"], ["defaults", "profile", "service", "override"])
        expect([other[name] for name in "ABCD"], ["defaults"] * 4)


@needs_root
@covers("listen.address")
def test_address_of_a_table():
    """address: a listener may be text, a table in the list, or a table of its own"""
    exec_line = f'exec = {program("tell")}\nuser = "nobody"\n'
    text = (f'[service.a]\nlisten = ["tcp:2000", {{ address = "tcp:2001" }}]\n{exec_line}'
            f'[service.b]\n{exec_line}[[service.b.listen]]\naddress = "tcp:2002"\n')
    with Superd(text):
        for port in (2000, 2001, 2002):
            expect(environment(port)["TCPLOCALPORT"], str(port))
