"""`noghost serve`, with a line on its standard output when it rehearses."""

from __future__ import annotations

from starlette.applications import Starlette

from noghost.api import rehearse
from noghost.cli.main import main

really = rehearse.rehearse


def rehearse_aloud(app: Starlette) -> None:
    print("rehearses", flush=True)
    really(app)


if __name__ == "__main__":
    rehearse.rehearse = rehearse_aloud
    main()
