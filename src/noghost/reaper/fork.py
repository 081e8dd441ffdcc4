"""Fork a process that has a role of its own. In the warden, before it loads much.

What a role needs, it imports itself after the fork, beside the warden that goes on with its own; so the warden has none
of it, and does not wait for it.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable

from noghost.errors import NoghostError


def fork_role(role: Callable[[], None], shut: tuple[socket.socket, ...]) -> int:
    """Fork a process that does this and nothing else, with `shut` closed; its process id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for one in shut:
                one.close()
            status = guarded(role)
        finally:
            os._exit(status)
    return pid


def guarded(role: Callable[[], None]) -> int:
    """Exit status of the role; what went wrong is said on stderr (a reaper has no content to give away)."""
    try:
        role()
    except NoghostError as error:
        print(f"noghost: {error}", file=sys.stderr, flush=True)
        return 1
    except Exception:  # noqa: BLE001  a fault of ours: the service ends, and says where
        traceback.print_exc()
        return 1
    return 0
