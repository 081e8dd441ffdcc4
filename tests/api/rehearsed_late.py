"""What a rehearsal imports and opens that comes after the first birth. A program of its own, since a process imports
nothing twice. Prints it as JSON. "unmade": the app was not made whole before; "voice": it hears and speaks.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from noghost.api.app import make_app
from noghost.api.connection import uvicorn_config
from noghost.api.document import FILE
from noghost.api.rehearse import make_whole, rehearse, rehearse_connections
from noghost.config import Limits


def main() -> None:
    voice = "voice" in sys.argv
    app, limits = make_app(voice=voice), Limits()
    settings = uvicorn_config(app, limits, voice=voice)
    if "unmade" not in sys.argv:
        make_whole(app)
    found: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("import", "open") and str(arguments[0]) != str(FILE):  # the rehearsal alone reads the document
            found.append(f"{event} {arguments[0]}")

    sys.addaudithook(note)
    rehearse(app)
    rehearse_connections(app, settings, limits)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
