"""`noghost serve --voice` whose reaper keeps each arena that it is done with, so that one can look into it.

    python arenas_kept.py on|off|unerased

Mutants: "off" zeroes no sound and no text in them; "unerased" leaves what a conversation frees as it was.
"""

from __future__ import annotations

import os
import sys

from noghost.arena import HEAD_BYTES
from noghost.cli.serve import announce
from noghost.config import Config
from noghost.instance import talk
from noghost.reaper.arenas import zero_arena
from noghost.reaper.wipe import Wiped
from noghost.service import serve


def main() -> None:
    if sys.argv[1] == "unerased":
        talk.erase_what_is_freed = lambda: None

    def zeroer(memory: int) -> Wiped:
        os.dup(memory)
        if sys.argv[1] != "off":
            return zero_arena(memory)
        os.pwrite(memory, bytes(HEAD_BYTES), 0)  # its counters: the next voice could not begin
        return Wiped(0, 0)

    serve(Config(port=0, context_tokens=2048, voice=True), announce, zeroer=zeroer)


if __name__ == "__main__":
    main()
