"""The API's document: as JSON at `/openapi.json`, as a page with Swagger UI at `/docs`. Mapped in the warden, put
together in an instance.

The document is a file, made from the app by `python docs/_generate_api.py`, and a test compares the two: making it at
each start would take a tenth of a second of it, and memory for good.

Covered: the page asks nobody else for anything: script, style and document stand in it.
Not covered: Swagger UI sends what a reader tries out to this service, from the reader's browser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from starlette.routing import Route

from noghost.api.sheet import Sheet, mapped

FILE = Path(__file__).with_name("openapi.json")
JSON, HTML = (b"content-type", b"application/json"), (b"content-type", b"text/html; charset=utf-8")


class Document:
    """The file, and Swagger UI's. Made in the warden, before fork."""

    def __init__(self) -> None:
        package = PathFinder.find_spec("fastapi_swagger")  # its files alone: importing it would import FastAPI
        assert package is not None
        assert package.origin is not None
        assets = Path(package.origin).with_name("resources")
        self._json = mapped(FILE)
        self._script = mapped(assets / "swagger-ui-bundle.js")
        self._style = mapped(assets / "swagger-ui.css")

    def json(self) -> Iterator[bytes]:
        """As it is."""
        yield self._json[:]

    def page(self) -> Iterator[bytes]:
        """Swagger UI with the document inside."""
        yield b"<!doctype html><html lang=en><meta charset=utf-8><title>noghost</title><style>"
        yield self._style[:]
        yield b"</style><div id=ui></div><script>"
        yield self._script[:].replace(b"</script", b"<\\/script")
        yield b"</script><script>SwaggerUIBundle({spec:"
        yield self._json[:].replace(b"</", b"<\\/")
        yield b",dom_id:'#ui',validatorUrl:null})</script></html>"


def paths() -> dict[str, Any]:
    """What the document says of each path: an operation by each method's name."""
    found: dict[str, Any] = json.loads(FILE.read_bytes())["paths"]
    return found


def document_routes() -> list[Route]:
    """`/openapi.json` and `/docs`, plain routes: nothing of them is of the API. In the warden, before fork."""
    document = Document()
    sheets = {"/openapi.json": Sheet([JSON], document.json), "/docs": Sheet([HTML], document.page)}
    return [Route(path, sheet, methods=["GET"]) for path, sheet in sheets.items()]
