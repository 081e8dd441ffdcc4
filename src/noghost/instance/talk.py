"""An instance that becomes a conversation, and lives long. In the instance, once it has opened its record.

Covered: a later deadline, which the kernel keeps as it did the first; what the process frees, sound above all, is
overwritten then, not only at its end.
Not covered: an instance that is no conversation and calls this all the same: the warden ends it (warden/living.py).
Blocks of at most 1,032 bytes, which glibc's cache and CPython's own allocator keep as they are until they are used
again.
"""

from __future__ import annotations

import signal

from noghost.instance.memory import M_PERTURB, set_malloc


def begin_talk(deadline_s: int) -> None:
    """For so long, from now."""
    signal.alarm(deadline_s)
    erase_what_is_freed()


def erase_what_is_freed() -> None:
    """With bytes of 0xFF; what is allocated is zero then."""
    set_malloc((M_PERTURB, 0xFF))
