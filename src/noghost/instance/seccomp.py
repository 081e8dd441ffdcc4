"""Refuse system calls: from the data of calls.py to a filter that the kernel keeps. In the instance.

Covered: default deny, in every thread, for ever; another architecture's calls (int 0x80, x32) kill the process. A
refused call fails with EPERM, and the reaper, which holds the listener, counts it.
Not covered: what an allowed call does with what is open already: the connection, the line to the reaper and the
event loop's own descriptors.

A program of ours and not a package: pyseccomp has had no release since January 2021 and wraps a C library that may
not be there; seccompy is two months old. What is needed is small: compare the number, compare some arguments.

Instructions: linux/bpf_common.h; actions, flags and `struct seccomp_data`: linux/seccomp.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from noghost.errors import HostError
from noghost.instance.calls import (
    ALLOWED,
    LOADING,
    LOADING_TRIES,
    OUTWARD,
    QUIET,
    SELF,
    VOICE,
    VOICE_QUIET,
    Call,
    When,
)

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in seccomp_data
KILL_PROCESS, NOTIFY, ALLOW, ERRNO = 0x80000000, 0x7FC00000, 0x7FFF0000, 0x00050000
SET_MODE_FILTER, NEW_LISTENER = 1, 1 << 3
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}
X32 = 0x40000000
PLACE_OF_SELF = 0xFFFFFFFF
FORM = struct.Struct("=HBBI")  # struct sock_filter

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


@dataclass(frozen=True, slots=True)
class Filter:
    """Assembled in the warden, installed in each instance."""

    code: bytes
    counted: bool  # refused calls go to a listener
    self_at: tuple[int, ...]  # byte offsets of the words that take the process's own id

    def install(self) -> int:
        """From here on, for this process; the listener's descriptor, or -1 where refusals are not counted.

        Needs no_new_privs. Raises OSError: EBUSY where a container's own listener is in the way, EINVAL or ENOSYS
        where the kernel has no filters.
        """
        code = bytearray(self.code)
        for at in self.self_at:
            struct.pack_into("=I", code, at, os.getpid())
        program = _Program(len(code) // 8, bytes(code))
        flags = NEW_LISTENER if self.counted else 0
        listener: int = _libc.syscall(
            SECCOMP_CALL[platform.machine()], SET_MODE_FILTER, flags, ctypes.byref(program), 0, 0, 0
        )
        if listener < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return listener if self.counted else -1


def assemble(
    *,
    counted: bool,
    outward: bool = False,
    loading: bool = False,
    voice: bool = False,
    machine: str = platform.machine(),
) -> Filter:
    """The filter for an architecture; raises HostError for one whose numbers calls.py does not have. `outward`: a
    connection may be handed to the instance. `loading`: it may load a model from a file that is open.
    `voice`: it may be handed an arena."""
    if machine not in AUDIT_ARCH:
        raise HostError(
            f"there is no list of system calls for {machine}", "use x86_64 or aarch64, or serve --without seccomp"
        )
    refuse = NOTIFY if counted else ERRNO | errno.EPERM
    code = [
        instruction(LOAD, ARCHITECTURE),
        instruction(JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0),
        instruction(RETURN, KILL_PROCESS),
        instruction(LOAD, NUMBER),
        instruction(JUMP_AT_LEAST, X32, 0, 1),
        instruction(RETURN, KILL_PROCESS),
    ]
    more = (*(OUTWARD if outward else ()), *(LOADING if loading else ()), *(VOICE if voice else ()))
    for call in (*ALLOWED, *more):
        code += rule(number_of(call, machine), call.when, ALLOW)
    for call, error in (*QUIET, *(VOICE_QUIET if voice else ())):
        code += rule(number_of(call, machine), call.when, ERRNO | error)
    code.append(instruction(RETURN, refuse))
    return Filter(b"".join(code), counted, tuple(places_of_self(code)))


def load_tries() -> tuple[tuple[tuple[int, ...], int], ...]:
    """What a load tries by itself, by numbers of this architecture: (the calls of a kind, how many of it)."""
    machine = platform.machine()
    return tuple(
        (tuple(number for call in calls if (number := number_of(call, machine)) is not None), times)
        for calls, times in LOADING_TRIES
    )


def rule(number: int | None, whens: Sequence[When], action: int) -> list[bytes]:
    """If it is this call and its arguments fit, then the action; else on to the next rule, which wants the number."""
    if number is None:
        return []
    block = [*conditions(whens), instruction(RETURN, action), *([instruction(LOAD, NUMBER)] if whens else [])]
    return [instruction(JUMP_EQUAL, number, 0, len(block)), *block]


def conditions(whens: Sequence[When]) -> list[bytes]:
    """Each argument's lower word masked and compared, its upper word zero; otherwise on to behind the RETURN that
    follows."""
    code: list[bytes] = []
    rest = 5 * len(whens)  # of these instructions
    for when in whens:
        at = ARGUMENTS + 8 * when.argument
        value = PLACE_OF_SELF if when.value == SELF else when.value
        code += [
            instruction(LOAD, at),
            instruction(AND, when.mask),
            instruction(JUMP_EQUAL, value, 0, rest - 2),
            instruction(LOAD, at + 4),
            instruction(JUMP_EQUAL, 0, 0, rest - 4),
        ]
        rest -= 5
    return code


def places_of_self(code: Sequence[bytes]) -> Iterator[int]:
    """The byte offset of each value that is compared with the process's own id."""
    for at, one in enumerate(code):
        operation, _true, _false, value = FORM.unpack(one)
        if (operation, value) == (JUMP_EQUAL, PLACE_OF_SELF):
            yield at * FORM.size + FORM.size - 4


def number_of(call: Call, machine: str) -> int | None:
    """The call's number on an architecture."""
    return call.x86_64 if machine == "x86_64" else call.aarch64


def instruction(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """struct sock_filter."""
    return FORM.pack(operation, if_true, if_false, value)
