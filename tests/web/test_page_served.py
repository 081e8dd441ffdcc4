"""What is served at `/`: one document, that names what may run in it, from files with the digests of the lock."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from api.wire import exchange, get, head
from noghost.api.page import FOLDER, Page
from running import Service

ROOT = Path(__file__).parents[2]
LOCK = json.loads((ROOT / "requirements" / "web.lock").read_text())
FILES = [file for package in LOCK for file in package["files"]]
MOST_BYTES, MOST_PACKED_BYTES = 195_000, 64_000  # 82,000 of them are the libraries'
OUTSIDE = re.compile(r"""(?:src|href|action|data|poster)\s*=\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)


class Parts(HTMLParser):
    """The text of each script and style, and what the other tags point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            assert attrs == []
            self.texts.append((tag, ""))
        self.targets += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:  # within a script or a style
            tag, text = self.texts[-1]
            self.texts[-1] = (tag, text + data)


def directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in policy.split(";"))}


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_page_is_one_document_that_asks_nobody_else(service: Service) -> None:
    reply = get(service, "/")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (reply.headers["cache-control"], reply.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert len(reply.headers["noghost-instance"]) == 32
    assert len(reply.body) < MOST_BYTES
    parts = Parts(reply.body.decode())
    assert {target for target in parts.targets if not target.startswith(("#", "data:"))} == set()
    without_code = re.sub(r"<(script|style)>.*?</\1>", "", reply.body.decode(), flags=re.DOTALL)
    assert OUTSIDE.search(without_code) is None
    assert OUTSIDE.search('<img src="//elsewhere.example/a">'), "control"


def test_its_policy_names_what_is_in_it_and_nothing_else(service: Service) -> None:
    reply = get(service, "/")
    policy = directives(reply.headers["content-security-policy"])
    parts = Parts(reply.body.decode())
    assert policy.pop("script-src") == [digest(text) for tag, text in parts.texts if tag == "script"]
    assert policy.pop("style-src") == [digest(text) for tag, text in parts.texts if tag == "style"]
    assert policy == {
        "default-src": ["'none'"],
        "connect-src": ["'self'"],
        "worker-src": ["'none'"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["dompurify"],
    }


def test_compressed_it_is_the_same_page(service: Service) -> None:
    packed = exchange(service, head("GET", "/", "Accept-Encoding: br, gzip"))
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < MOST_PACKED_BYTES
    assert gzip.decompress(packed.body) == get(service, "/").body


def test_other_methods_are_refused(service: Service) -> None:
    assert get(service, "/", method="POST").error["code"] is None
    assert get(service, "/", method="DELETE").status == 405


@pytest.mark.parametrize("name", ["page.css", "page.js", "vendor/marked.umd.js"])
def test_a_changed_file_is_another_policy(tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(FOLDER, tmp_path / "web")
    assert b"".join(Page(copy).pieces()) == b"".join(Page().pieces())
    (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
    assert header(Page(copy)) != header(Page())


def header(page: Page) -> bytes:
    return dict(page.headers)[b"content-security-policy"]


def test_a_page_with_a_voice_allows_a_blob_and_one_without_none() -> None:
    """AudioWorklet.addModule is held to script-src; control: nothing else differs but digests."""
    plain, voice = (directives(header(Page(voice=one)).decode()) for one in (False, True))
    assert "blob:" in voice.pop("script-src")
    assert "blob:" not in plain.pop("script-src")
    assert len(voice.pop("style-src")) == 1 + len(plain.pop("style-src"))
    assert voice == plain
    assert dict(Page(voice=True).headers)[b"permissions-policy"] == b"camera=(), geolocation=(), microphone=(self)"
    assert dict(Page().headers)[b"permissions-policy"] == b"camera=(), geolocation=(), microphone=()"


@pytest.mark.parametrize("file", FILES, ids=lambda file: Path(file["to"]).name)
def test_vendored_files_have_the_digests_of_the_lock(file: dict[str, str]) -> None:
    assert hashlib.sha256((ROOT / file["to"]).read_bytes()).hexdigest() == file["sha256"]


def test_nothing_is_vendored_that_is_not_in_the_lock() -> None:
    vendored = {path for folder in (FOLDER, Path(__file__).parent) for path in (folder / "vendor").iterdir()}
    assert vendored == {ROOT / file["to"] for file in FILES}
    assert all(package["integrity"].startswith("sha512-") and package["license"] for package in LOCK)
    licences = sum("LICENSE" in file["to"] for file in FILES)
    assert licences == len(LOCK)
