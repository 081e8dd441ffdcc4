"""What a rehearsal imports and opens that comes after the first birth. A program of its own: a process imports nothing
twice. Prints it as JSON, with the schemas that are not built yet even then. "unmade": the app was not made whole;
"voice": it hears and speaks.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel

from noghost.api.app import make_app
from noghost.api.connection import uvicorn_config
from noghost.api.document import FILE
from noghost.api.rehearse import make_whole, rehearse
from noghost.api.strict import Strict
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
    rehearse(app, settings, limits)
    print(json.dumps({"found": found, "unbuilt": unbuilt()}))


def unbuilt() -> list[str]:
    """The schemas that every instance would build for itself."""
    known: list[type[BaseModel]] = [Strict]
    for model in known:
        known += model.__subclasses__()
    return [model.__name__ for model in known if not model.__pydantic_complete__]


if __name__ == "__main__":
    main()
