"""What the checks look at: files, the limits and environment of this very process, and what was tried."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field

from noghost.doctor.files import Files
from noghost.doctor.trials import Trials

PR_GET_MEMORY_MERGE = 68  # linux/prctl.h
CAP_SYS_PTRACE, CAP_SYS_RESOURCE = 19, 24  # linux/capability.h
SHELL_WORDS = ("SHELL", "HISTFILE", "HISTSIZE", "HISTFILESIZE", "HISTCONTROL", "SAVEHIST", "fish_history")


@dataclass(frozen=True, slots=True)
class Facts:
    """One host, for the user and the limits of this process."""

    files: Files
    processor: str = "x86_64"
    memlock_bytes: int | None = None  # the hard limit, which an instance takes; None: no limit
    core_bytes: int | None = None  # the soft limit; None: no limit
    merges_pages: bool = False  # this process asked the kernel to merge equal pages, or inherited that
    temporary: str = field(default="/tmp", repr=False)  # noqa: S108  looked at, never used
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # SHELL_WORDS alone
    trials: Trials | None = None  # None: nothing was tried

    def capable(self, capability: int) -> bool:
        """Whether this process has a capability."""
        found = re.search(r"^CapEff:\s*([0-9a-f]+)", self.files.text("proc/self/status"), re.MULTILINE)
        return bool(found and int(found[1], 16) >> capability & 1)

    @property
    def lockable(self) -> bool:
        """Whether an instance's memory can be locked against swap: as tried, or as the limits say."""
        if self.trials is not None:
            return self.trials.lock.done
        return self.memlock_bytes is None or self.capable(CAP_SYS_RESOURCE)


def gather(trials: Trials | None = None) -> Facts:
    """This host, as it is now."""
    return Facts(
        Files(),
        platform.machine(),
        limit_bytes(resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]),
        limit_bytes(resource.getrlimit(resource.RLIMIT_CORE)[0]),
        ctypes.CDLL(None).prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) == 1,
        os.path.realpath(os.environ.get("TMPDIR") or "/tmp"),  # noqa: S108  looked at, never used
        {word: os.environ[word] for word in SHELL_WORDS if word in os.environ},
        trials,
    )


def limit_bytes(limit: int) -> int | None:
    """A limit of this process; None: there is none."""
    return None if limit == resource.RLIM_INFINITY else limit
