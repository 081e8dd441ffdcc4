"""Make the warden's process ready, before anything is loaded and once all is. In the warden, before fork."""

from __future__ import annotations

import gc
import os
import resource
import signal

from noghost.config import Limits
from noghost.instance.memory import keep_malloc_pages
from noghost.title import take_title

DESCRIPTORS_PER_INSTANCE = 6  # in the reaper: its line, its listener, and four windows
DESCRIPTORS_BESIDE = 256
DESCRIPTORS_OF_ARENAS = 16 * 1024  # three each


def prepare_process(title: str) -> None:
    """In the warden, before anything is loaded."""
    take_title(title)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; who has ended, the reaper says
    os.environ["GGML_NO_BACKTRACE"] = "1"  # ggml would start a debugger when an assertion fails


def allow_descriptors(limits: Limits, *, voice: bool = False) -> None:
    """Raise the soft limit of open files, often 1024, to what these limits need in warden and reaper, as far as the
    hard one lets. With a `voice` conversations have arenas, as long as they last."""
    needed = limits.silent + DESCRIPTORS_PER_INSTANCE * limits.instances + DESCRIPTORS_BESIDE
    needed += DESCRIPTORS_OF_ARENAS if voice else 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(needed, hard), hard)
        )


def settle_memory() -> None:
    """All is loaded: what stays is never looked at again, by a child neither.

    Nor now: a collection writes to the header of every object, which the reaper would no longer share. Measured: 4 MB
    of both more, and 45 ms of every start.
    """
    gc.freeze()
    gc.enable()
    keep_malloc_pages()
