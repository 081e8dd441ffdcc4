"""A service with the ear of still_ear.py, whose reaper looks in each process at its end as witness.py's does.

    python ear_witness.py REPORT WIPE NEEDLES      NEEDLES: a file, hexadecimal, a line for each thing to look for

It is read at each look: what is looked for can be made of what the service itself said, and until then the reaper does
not know it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from noghost.cli.serve import announce
from noghost.client.hunt import Needle
from noghost.config import Config
from noghost.service import serve
from noghost.voice import find
from witness import witness

HERE = Path(__file__).parent


def read(file: Path) -> list[Needle]:
    return [Needle(bytes.fromhex(line), "given", "given", at, 0) for at, line in enumerate(file.read_text().split())]


def main() -> None:
    report, mode, file = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    still = replace(find.whisper(), module="still_ear")
    find.EARS["whisper"] = lambda: still
    os.environ["PYTHONPATH"] = os.pathsep.join((str(HERE), os.environ.get("PYTHONPATH", "")))
    config = Config(port=0, context_tokens=2048, voice=True, ear="whisper")
    serve(config, announce, wiper=witness(report, mode, partial(read, file)))


if __name__ == "__main__":
    main()
