"""The page at `/`: one document, made of the files in `web/` as they stand there. Mapped in the warden, put together
in an instance.

Each `<link rel=stylesheet>` and `<script src>` of `index.html` becomes the text of its file, so that a visit is one
birth and not ten, and no file has to be built.

Covered: the page asks nobody else and runs nothing that was not in it at the start: its policy names each script and
style by its SHA-256, and no other source. It is not stored by the browser. It holds nothing of anybody's.
Not covered: extensions of the browser, which see what it shows.
"""

from __future__ import annotations

import base64
import hashlib
import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from starlette.routing import Route

from noghost.api.sheet import Sheet, mapped

FOLDER = Path(__file__).parents[1] / "web"
TAG = re.compile(rb'<link rel="stylesheet" href="([a-z./-]+)">|<script src="([a-z./-]+)"></script>')
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Page:
    """The files, and the policy that names them. Made in the warden, before fork."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._frame = mapped(folder / "index.html")
        names = [(style or script).decode() for style, script in TAG.findall(self._frame)]
        self._files = {name: mapped(folder / name) for name in names}
        policy = (b"content-security-policy", policy_of(self._files).encode())
        self.headers = [(b"content-type", b"text/html; charset=utf-8"), *HEADERS, policy]

    def pieces(self) -> Iterator[bytes]:
        """The document, file by file."""
        end = 0
        for tag in TAG.finditer(self._frame):
            yield self._frame[end : tag.start()]
            kind, name = (b"style", tag[1]) if tag[1] else (b"script", tag[2])
            yield b"<%b>%b</%b>" % (kind, self._files[name.decode()][:], kind)
            end = tag.end()
        yield self._frame[end:]


def policy_of(files: dict[str, mmap.mmap]) -> str:
    """The Content-Security-Policy: nothing from anywhere but what stands in the page, connections to this service.

    Trusted types: no script of the page can turn a text into markup but DOMPurify.
    """
    sources: dict[str, list[str]] = {"css": [], "js": []}
    for name, content in files.items():
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        sources[name.rpartition(".")[2]].append(f"'sha256-{digest}'")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(sources['js'])}",
            f"style-src {' '.join(sources['css'])}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types dompurify",
        )
    )


def page_route() -> Route:
    """`/`, a plain route: nothing of it is of the API. In the warden, before fork."""
    page = Page()
    return Route("/", Sheet(page.headers, page.pieces), methods=["GET"])
