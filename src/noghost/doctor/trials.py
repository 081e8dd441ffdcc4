"""What the kernel lets an instance be confined with, tried. Each of these functions runs in a child (child.py).

A trial returns a number, or raises OSError or HostError with the reason. What it changed ends with its process.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import resource
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from noghost.doctor.child import Tried
from noghost.errors import HostError

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2  # linux/prctl.h, linux/seccomp.h
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h: BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
SET_MODE_FILTER, NEW_LISTENER = 1, 1 << 3  # linux/seccomp.h
SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}  # asm/unistd_64.h, asm-generic/unistd.h
NO_SUCH_CALL = 0x3FFF  # no architecture has a system call of this number
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446  # the same on every architecture
LANDLOCK_VERSION = 1  # flag: answer the ABI's number
LANDLOCK_READ_DIR = 1 << 3
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # asm-generic/mman.h
LATER_BYTES = 1 << 30  # more than an instance of a small model maps after it was locked
CAPABILITIES_V3 = 0x20080522  # linux/capability.h
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Program(ctypes.Structure):
    """struct sock_fprog: instructions of seccomp's language."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))

    @classmethod
    def of(cls, *instructions: tuple[int, int, int, int]) -> Program:
        """(operation, jump if true, jump if false, value) each."""
        return cls(len(instructions), b"".join(struct.pack("=HBBI", *one) for one in instructions))


@dataclass(frozen=True, slots=True)
class Trials:
    """Everything that is tried."""

    traced: Tried  # 1: seen at its end
    own_pages: Tried  # bytes that the page map says are the process's own
    zeroed: Tried  # bytes zeroed and read back
    seccomp: Tried
    counting: Tried
    landlock: Tried  # the ABI's number
    network: Tried  # 1: a network namespace by itself; 2: with a user namespace
    lock: Tried


def filter_calls() -> int:
    """A seccomp filter that refuses one system call, and only that."""
    program = Program.of(
        (LOAD, 0, 0, 0),  # seccomp_data.nr
        (JUMP_EQUAL, 0, 1, NO_SUCH_CALL),
        (RETURN, 0, 0, RET_ERRNO | errno.E2BIG),
        (RETURN, 0, 0, RET_ALLOW),
    )
    checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    checked(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))
    system_call(NO_SUCH_CALL)
    if ctypes.get_errno() != errno.E2BIG:
        raise HostError("a filter was taken and does not refuse")
    return 1


def hear_refusals() -> int:
    """A filter with a listener, by which refused calls are counted. One process can have only one."""
    if platform.machine() not in SECCOMP_CALL:
        raise HostError("this processor's system calls are not known")
    program = Program.of((RETURN, 0, 0, RET_ALLOW))
    checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    call = SECCOMP_CALL[platform.machine()]
    checked(system_call(call, SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(program)))
    return 1


def refuse_paths() -> int:
    """A Landlock ruleset that lets nobody list a folder; the ABI's number."""
    abi = checked(system_call(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION))
    handled = struct.pack("=Q", LANDLOCK_READ_DIR)  # struct landlock_ruleset_attr, ABI 1
    ruleset = checked(system_call(LANDLOCK_CREATE_RULESET, handled, len(handled), 0))
    checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    checked(system_call(LANDLOCK_RESTRICT_SELF, ruleset, 0))
    with suppress(PermissionError):
        list(Path("/").iterdir())
        raise HostError("a ruleset was taken and does not refuse")
    return abi


def leave_network() -> int:
    """A network namespace with nothing but its own loopback: 1 by itself, 2 within a user namespace."""
    way = 1
    if _libc.unshare(CLONE_NEWNET) != 0:
        way = 2
        checked(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNET))
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        raise HostError("a network namespace was made and still has interfaces")
    return way


def lock_memory() -> int:
    """All memory locked, as it comes into use, and more mapped once no capability is left; that size in bytes.

    A capability alone does not do: an instance drops it, and then its next mapping would be over the limit.
    """
    with suppress(ValueError):  # raising it takes CAP_SYS_RESOURCE
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    checked(_libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
    checked(_libc.capset(struct.pack("=Ii", CAPABILITIES_V3, 0), bytes(24)))
    mmap.mmap(-1, LATER_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ).close()
    return LATER_BYTES


def system_call(number: int, *arguments: object) -> int:
    """syscall(2): the answer, or -1."""
    whole = (ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
    answer: int = _libc.syscall(ctypes.c_long(number), *whole)
    return answer


def checked(answer: int) -> int:
    """What a system call answered; raises OSError where it failed."""
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
