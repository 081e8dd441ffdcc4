"""A service that writes down how each instance ends: its wait status, as the kernel tells its tracer at the exit stop.

    python endings_service.py REPORT

A request that is refused before it computes leaves no entry in the ledger, and an instance that crashes on it closes
its connection as any other does. Its exit status tells. Each ended instance is a line "PID STATUS" in REPORT.
"""

from __future__ import annotations

import sys
from pathlib import Path

from noghost.cli.serve import announce
from noghost.config import Config, Limits
from noghost.reaper.trace import Windows, exit_status
from noghost.reaper.wipe import Wiped, Wiper, wipe
from noghost.service import serve

REQUEST_S = 0.5  # of a request that does not end


def telling(report: Path) -> Wiper:
    """The real wipe, and a line."""
    file = report.open("a", buffering=1)

    def wipe_and_tell(windows: Windows) -> Wiped:
        file.write(f"{windows.pid} {exit_status(windows.pid)}\n")
        return wipe(windows)

    return wipe_and_tell


if __name__ == "__main__":
    limits = Limits(request_s=REQUEST_S, body_bytes=64 * 1024, header_bytes=8 * 1024)
    serve(Config(port=0, context_tokens=512, limits=limits), announce, wiper=telling(Path(sys.argv[1])))
