"""A seccomp filter for tests: some system calls get an action, all others are allowed."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

KILL_PROCESS = 0x80000000  # SECCOMP_RET_KILL_PROCESS
ERRNO = 0x00050000  # SECCOMP_RET_ERRNO, with the number in the low half
ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
NUMBERS = {
    "x86_64": {"seccomp": 317, "ptrace": 101, "munmap": 11, "mremap": 25, "madvise": 28, "openat": 257},
    "aarch64": {"seccomp": 277, "ptrace": 117, "munmap": 215, "mremap": 216, "madvise": 233, "openat": 56},
}[platform.machine()]


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(action: int, *names: str) -> None:
    """From here on, in this process and its children, each of the calls `names` gets `action`."""
    code = struct.pack("=HBBI", 0x20, 0, 0, 0)  # load seccomp_data.nr
    for at, name in enumerate(names):  # equal: jump over the rest and the ALLOW
        code += struct.pack("=HBBI", 0x15, len(names) - at, 0, NUMBERS[name])
    code += struct.pack("=HBBI", 0x06, 0, 0, ALLOW) + struct.pack("=HBBI", 0x06, 0, 0, action)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code) // 8, code)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
