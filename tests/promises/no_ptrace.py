"""Run a command under a seccomp filter that refuses ptrace, as many containers do.

python no_ptrace.py COMMAND…
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

PTRACE = {"x86_64": 101, "aarch64": 117}[platform.machine()]
LOAD_NUMBER = struct.pack("=HBBI", 0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS: seccomp_data.nr
IF_PTRACE = struct.pack("=HBBI", 0x15, 0, 1, PTRACE)  # BPF_JMP | BPF_JEQ | BPF_K
REFUSE = struct.pack("=HBBI", 0x06, 0, 0, 0x00050000 | errno.EPERM)  # SECCOMP_RET_ERRNO
ALLOW = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # SECCOMP_RET_ALLOW


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    code = LOAD_NUMBER + IF_PTRACE + REFUSE + ALLOW
    program = Program(len(code) // 8, code)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, os.strerror(ctypes.get_errno())  # PR_SET_SECCOMP
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
