"""A service that writes down how each instance ends: the outcome that its reaper finds.

    python endings_service.py REPORT

A request that is refused before it computes leaves no entry in the ledger, and an instance that crashes on it closes
its connection as any other does. Its outcome tells. Each ended instance is a line "PID OUTCOME" in REPORT.
"""

from __future__ import annotations

import sys
from pathlib import Path

from noghost.cli.serve import announce
from noghost.config import Config, Limits
from noghost.messages import Outcome
from noghost.reaper import watch
from noghost.service import serve

REQUEST_S = 0.5  # of a request that does not end


def tell(report: Path) -> None:
    """The reaper's own finding, and a line; before the fork."""
    file = report.open("a", buffering=1)
    find = watch.outcome_of

    def find_and_tell(life: watch.Life) -> Outcome:
        outcome = find(life)
        file.write(f"{life.pid} {outcome.name}\n")
        return outcome

    watch.outcome_of = find_and_tell


if __name__ == "__main__":
    limits = Limits(request_s=REQUEST_S, body_bytes=64 * 1024, header_bytes=8 * 1024)
    tell(Path(sys.argv[1]))
    serve(Config(port=0, context_tokens=512, limits=limits), announce)
