"""`noghost serve --voice` whose reaper keeps each arena that it is done with, so that one can look into it.

    python arenas_kept.py on|off

"off": it does not zero them (mutant).
"""

from __future__ import annotations

import os
import sys

from noghost.cli.serve import announce
from noghost.config import Config
from noghost.reaper.arenas import zero_arena
from noghost.reaper.wipe import Wiped
from noghost.service import serve


def main() -> None:
    zeroes = sys.argv[1] == "on"

    def zeroer(memory: int) -> Wiped:
        os.dup(memory)
        return zero_arena(memory) if zeroes else Wiped(0, 0)

    serve(Config(port=0, context_tokens=2048, voice=True), announce, zeroer=zeroer)


if __name__ == "__main__":
    main()
