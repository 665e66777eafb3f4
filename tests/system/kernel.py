# SPDX-License-Identifier: MIT
"""System calls that Python's library has no function for."""

import ctypes
import os
import platform

from registry import skip

_NUMBERS = {"x86_64": {"ioprio_get": 252, "kcmp": 312}, "aarch64": {"ioprio_get": 31, "kcmp": 272}}
_IOPRIO_WHO_PROCESS = 1
_KCMP_VM = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):
    numbers = _NUMBERS.get(platform.machine())
    if numbers is None:
        skip(f"the number of {name} on {platform.machine()} is not known")
    result = _libc.syscall(numbers[name], *arguments)
    if result < 0:
        skip(f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def ionice(thread):
    """ioprio_get(2): class << 13 | level."""
    return _call("ioprio_get", _IOPRIO_WHO_PROCESS, thread)


def same_memory(left, right):
    """kcmp(2): whether the two processes share one address space."""
    return _call("kcmp", left, right, _KCMP_VM, 0, 0) == 0
