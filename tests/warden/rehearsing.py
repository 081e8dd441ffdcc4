"""`noghost serve`, with a line on its standard output when it rehearses."""

from __future__ import annotations

import sys
from typing import Any

from noghost.api import rehearse
from noghost.cli.main import main

really = rehearse.rehearse


def rehearse_aloud(*arguments: Any) -> object:
    sys.stdout.write("rehearses\n")
    sys.stdout.flush()
    return really(*arguments)


if __name__ == "__main__":
    rehearse.rehearse = rehearse_aloud
    main()
