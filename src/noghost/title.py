"""A role in the place of this process's arguments, as ps shows it. In every process of a service, first thing.

Covered: what stood in the arguments, a question perhaps, is in the process list no more.
Not covered: the interpreter's own copies of it; of what is wiped, the reaper wipes those as well.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

PR_SET_NAME = 15  # linux/prctl.h
ARG_START, ARG_END = 45, 46  # proc_pid_stat(5), counted from the state


def take_title(title: str) -> None:
    """Write it, and zeros after it, over the memory that the kernel reads the arguments from."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, size = int(fields[ARG_START]), int(fields[ARG_END]) - int(fields[ARG_START])
    data = title.encode()
    ctypes.memset(start, 0, size)
    ctypes.memmove(start, data, min(len(data), size - 1))
    ctypes.CDLL(None).prctl(PR_SET_NAME, data, 0, 0, 0)
