"""`noghost serve` whose reaper does not come to the end of a wipe until a file is gone.

    python endless.py FILE

The steps of the real wipe come first, then as many that do nothing as it takes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from noghost.cli.serve import announce
from noghost.config import Config
from noghost.reaper.trace import Windows
from noghost.reaper.wipe import Steps, wipe_in_steps
from noghost.service import serve

STEP_S = 0.001


def main() -> None:
    held = Path(sys.argv[1])

    def wipe(windows: Windows) -> Steps:
        done = yield from wipe_in_steps(windows)
        while held.exists():
            time.sleep(STEP_S)
            yield
        return done

    serve(Config(port=0, context_tokens=2048), announce, wiper=wipe)


if __name__ == "__main__":
    main()
