"""Write src/noghost/api/openapi.json from the endpoints.

python docs/_generate_api.py

FastAPI makes the document, from the same functions, models and words that the service has; it is not imported there.
"""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import FastAPI

from noghost import __version__
from noghost.api.app import ENDPOINTS
from noghost.api.document import FILE
from noghost.api.errors import describe

DESCRIPTION = (
    "Language models that exist only when invoked. Every request to this service is answered by a process of its "
    "own, whose memory is zeroed and checked when it ends. Nothing is stored; what is to be kept, the caller keeps."
)


def generate() -> str:
    """The document, an indented line for each of its parts, so that a change of it can be read."""
    app = FastAPI(title="noghost", version=__version__, description=DESCRIPTION)
    for one in ENDPOINTS:
        app.add_api_route(one.path, one.answer, methods=[one.method], **one.said)
    schema = app.openapi()
    describe(schema)
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    Path(FILE).write_text(generate(), "utf-8")
