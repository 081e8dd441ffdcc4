"""The one way out of an instance: a SIGKILL of its own. In the instance, as its last step.

Covered: an end that the reaper sees whatever else happens. Of a process that calls exit_group(2) and is killed by
somebody else before the kernel has marked it as ending, Linux skips the exit stop: do_group_exit() finds the mark of
the other kill, and ptrace_stop() does not stop who has a SIGKILL pending (kernel/exit.c, kernel/signal.c). Its memory
is then gone unwiped. A SIGKILL marks and kills in one step under one lock, and of two the second is dropped. So an
instance never exits: exit(2) and exit_group(2) are not among its calls (calls.py).
Not covered: a crash (SIGSEGV, SIGABRT) that the kernel is about to end the process for, in the very moment in which
somebody else kills it: the record would say "unseen".
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn


def leave() -> NoReturn:
    """End this process, with all its threads, wherever they are; no handler, finaliser or buffer runs."""
    while True:
        os.kill(os.getpid(), signal.SIGKILL)
