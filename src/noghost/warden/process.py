"""Make the warden's process ready, before anything is loaded and once all is. In the warden, before fork."""

from __future__ import annotations

import gc
import os
import resource
import signal

from setproctitle import setproctitle

from noghost.config import Limits
from noghost.instance.memory import keep_malloc_pages

DESCRIPTORS_PER_INSTANCE = 6  # in the reaper: its line, its listener, and four windows
DESCRIPTORS_BESIDE = 256


def prepare_process(title: str) -> None:
    """In the warden, before anything is loaded."""
    setproctitle(title)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; who has ended, the reaper says
    os.environ["GGML_NO_BACKTRACE"] = "1"  # ggml would start a debugger when an assertion fails


def allow_descriptors(limits: Limits) -> None:
    """Raise the soft limit of open files, often 1024, to what these limits need in warden and reaper, as far as the
    hard one lets."""
    needed = limits.silent + DESCRIPTORS_PER_INSTANCE * limits.instances + DESCRIPTORS_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(needed, hard), hard)
        )


def settle_memory() -> None:
    """All is loaded: what stays is never looked at again, by a child neither."""
    gc.collect()
    gc.freeze()
    gc.enable()
    keep_malloc_pages()
