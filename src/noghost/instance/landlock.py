"""Refuse every path: a Landlock ruleset without a single rule. Made in the warden, kept to in the instance.

Covered: opening, making, removing, executing and listing any path, whatever the file's mode; binding and connecting
TCP (from Landlock's 4th version on); signals and abstract Unix sockets of other processes (from the 6th on). It holds
where the filter of system calls (seccomp.py) would be the only fence otherwise.
Not covered: what is open already, such as the line to the reaper.

A few calls of ours and not a package: landlock has been a development version since 2022; landlockpy is two months
old. Constants: linux/landlock.h; meaning: Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import struct

CREATE_RULESET, RESTRICT_SELF = 444, 446  # the same on every architecture
VERSION = 1  # flag: tell the version
FILE_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights there are: bits from 0 on
NET_RIGHTS = 0b11  # bind and connect TCP, from version 4 on
SCOPES = 0b11  # abstract Unix sockets and signals, from version 6 on

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def version() -> int:
    """Landlock's version on this kernel; raises OSError where it has none."""
    return _call(CREATE_RULESET, None, 0, VERSION)


def refuse_everything() -> int:
    """The descriptor of a ruleset that handles all that the kernel knows and allows none of it; raises OSError."""
    known = version()
    files = (1 << FILE_RIGHTS_BY_VERSION.get(known, 16)) - 1
    parts = [files]
    if known >= 4:
        parts.append(NET_RIGHTS)
    if known >= 6:
        parts.append(SCOPES)
    attributes = struct.pack(f"={len(parts)}Q", *parts)
    return _call(CREATE_RULESET, attributes, len(attributes), 0)


def restrict_self(ruleset: int) -> None:
    """From here on, for this thread and those that it starts; needs no_new_privs. Raises OSError."""
    _call(RESTRICT_SELF, ruleset, 0)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
