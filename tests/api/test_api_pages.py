"""/docs is one page that asks nobody else for anything; /openapi.json tells of every path."""

from __future__ import annotations

import gzip
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from api.wire import exchange, get, head
from noghost.api.document import FILE
from running import Service

DOCS = Path(__file__).parents[2] / "docs"

PATHS = {
    "/healthz",
    "/readyz",
    "/v1/models",
    "/v1/models/{name}",
    "/v1/life",
    "/v1/receipts/{id}",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/tokenize",
    "/v1/detokenize",
}


class Page(HTMLParser):
    """Its tags, and what they point to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [(name, value or "") for name, value in attrs if name in ("src", "href", "action", "data")]


def test_docs_asks_nobody(service: Service) -> None:
    reply = get(service, "/docs")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    page = Page()
    page.feed(reply.body.decode())
    assert page.targets == []
    assert page.tags == ["html", "meta", "title", "style", "div", "script", "script"]
    style = reply.body.decode().partition("<style>")[2].partition("</style>")[0]
    assert "@import" not in style
    assert "url(http" not in style.replace('"', "").replace("'", "")


def test_docs_compressed_is_the_same_page(service: Service) -> None:
    packed = exchange(service, head("GET", "/docs", "Accept-Encoding: gzip"))
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == get(service, "/docs").body


def test_the_document_is_what_the_app_says_now() -> None:
    """In a process of its own: other tests' apps change nothing of it."""
    code = "import runpy, sys; sys.stdout.write(runpy.run_path(sys.argv[1])['generate']())"
    command = [sys.executable, "-c", code, str(DOCS / "_generate_api.py")]
    now = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True).stdout
    assert FILE.read_text("utf-8") == now, "run: python docs/_generate_api.py"


def test_openapi_tells_of_every_path(service: Service) -> None:
    assert set(get(service, "/openapi.json").json["paths"]) == PATHS


def test_openapi_describes_our_errors_and_not_the_frameworks(service: Service) -> None:
    document = get(service, "/openapi.json").json
    responses = [operation["responses"] for path in document["paths"].values() for operation in path.values()]
    assert all({"4XX", "5XX"} <= set(one) and "422" not in one for one in responses)
    described = document["components"]["schemas"]["Error"]["properties"]["error"]
    actual = get(service, "/nowhere").json["error"]
    assert set(actual) == set(described["required"])
