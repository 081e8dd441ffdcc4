"""A service whose reaper also looks for a canary in each instance at its exit stop, before and after the wipe.

    python witness.py REPORT WIPE      WIPE: "on"; "off" for the mutant that wipes nothing; "count" to wipe and not look

The canary is always the same, so that it crosses to the service in no way but the request itself. For each
ended instance one JSON line goes to REPORT: {"pid", "before", "after", "wiped_bytes"}. `before` is the positive
control: the canary is where it should be.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from noghost.cli.serve import announce
from noghost.client.hunt import Needle, count_in_fd, needles_for, regions_of
from noghost.config import Config, Limits, Tls
from noghost.config_file import read_settings
from noghost.reaper.trace import Windows
from noghost.reaper.wipe import Steps, Wiped, Wiper, read_all, wipe_in_steps
from noghost.service import serve
from noghost.settings import Settings


def canary() -> str:
    """Made anew where it is needed, and so in no memory that the warden's children inherit."""
    return "".join(reversed("7319-ollupaq-evdrim-tnoxab-4482-zynwel-porfugh-5560"))


def witness(report: Path, mode: str, sought: Callable[[], list[Needle]] = lambda: needles_for(canary())) -> Wiper:
    """The real wipe, or none, between two looks; or the real wipe alone. `sought` is asked at each look."""
    file = report.open("a", buffering=1)

    def wipe_and_count(windows: Windows) -> Steps:
        wiped = yield from wipe_in_steps(windows)
        file.write(f"{windows.pid}\n")
        return wiped

    def look_wipe_look(windows: Windows) -> Steps:
        needles = sought()
        before = count(windows, needles)
        wiped = (yield from wipe_in_steps(windows)) if mode == "on" else Wiped(0, 0)
        line = {
            "pid": windows.pid,
            "before": before,
            "after": count(windows, needles),
            "wiped_bytes": wiped.wiped_bytes,
        }
        file.write(json.dumps(line) + "\n")
        return wiped

    return wipe_and_count if mode == "count" else look_wipe_look


def count(windows: Windows, needles: list[Needle]) -> int:
    """Copies in the stopped process."""
    regions = regions_of(read_all(windows.maps).decode())
    return len(count_in_fd(windows.mem, regions, needles, pagemap_fd=windows.pagemap))


def main() -> None:
    report, mode = Path(sys.argv[1]), sys.argv[2]
    deadline_s = int(os.environ.get("WITNESS_DEADLINE_S", "600"))
    asks_keys = True if os.environ.get("WITNESS_KEYS") else None
    tls = Tls() if os.environ.get("WITNESS_TLS") else None
    on_demand = (os.environ["WITNESS_ON_DEMAND"],) if "WITNESS_ON_DEMAND" in os.environ else ()
    limits = Limits(invocation_s=deadline_s)
    settings = read_settings(Path(file)) if (file := os.environ.get("WITNESS_CONFIG")) else Settings()
    config = Config(
        port=0,
        context_tokens=2048,
        limits=limits,
        keys=asks_keys,
        tls=tls,
        templates=settings.templates,
        on_demand=on_demand,
    )
    serve(config, announce, wiper=witness(report, mode))


if __name__ == "__main__":
    main()
