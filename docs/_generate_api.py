"""Write src/noghost/api/openapi.json from the app.

python docs/_generate_api.py
"""

from __future__ import annotations

import json
from pathlib import Path

from noghost.api.app import make_app
from noghost.api.document import FILE
from noghost.api.errors import describe


def generate() -> str:
    """The document, an indented line for each of its parts, so that a change of it can be read."""
    schema = make_app().openapi()
    describe(schema)
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    Path(FILE).write_text(generate(), "utf-8")
