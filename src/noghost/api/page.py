"""The page at `/`: one document, made of the files in `web/` as they stand there. Mapped in the warden, put together
in an instance.

Each `<link rel=stylesheet>` and `<script src>` of `index.html` becomes the text of its file, so that a visit is one
birth and not ten, and no file has to be built. Those of `web/voice/` are in the page of a service with a voice only.

Covered: the page asks nobody else and runs nothing that was not in it at the start: its policy names each script and
style by its SHA-256, and no other source. It is not stored by the browser. It holds nothing of anybody's. It may use no
camera, and a microphone only where there is a voice.
Not covered: extensions of the browser, which see what it shows. Where there is a voice, a script that runs in the page
could make another one, as a blob: an AudioWorklet's script is made so, since no policy can name its digest (that is
compared with an `integrity`, which `addModule` does not take). Workers are refused all the same.
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
VOICE = "voice/"
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

    def __init__(self, folder: Path = FOLDER, *, voice: bool = False) -> None:
        self._frame = mapped(folder / "index.html")
        names = [(style or script).decode() for style, script in TAG.findall(self._frame)]
        self._files = {name: mapped(folder / name) for name in names if voice or not name.startswith(VOICE)}
        policies = (
            (b"content-security-policy", policy_of(self._files, voice=voice).encode()),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=(%b)" % (b"self" if voice else b"")),
        )
        self.headers = [(b"content-type", b"text/html; charset=utf-8"), *HEADERS, *policies]

    def pieces(self) -> Iterator[bytes]:
        """The document, file by file."""
        end = 0
        for tag in TAG.finditer(self._frame):
            yield self._frame[end : tag.start()]
            kind, name = (b"style", tag[1]) if tag[1] else (b"script", tag[2])
            if content := self._files.get(name.decode()):
                yield b"<%b>%b</%b>" % (kind, content[:], kind)
            end = tag.end()
        yield self._frame[end:]


def policy_of(files: dict[str, mmap.mmap], *, voice: bool) -> str:
    """The Content-Security-Policy: nothing from anywhere but what stands in the page, connections to this service.

    Trusted types: no script of the page can turn a text into markup but DOMPurify. `voice`: an AudioWorklet's script,
    which Chromium and Firefox hold to `script-src`, comes from a blob that the page made.
    """
    sources: dict[str, list[str]] = {"css": [], "js": []}
    for name, content in files.items():
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        sources[name.rpartition(".")[2]].append(f"'sha256-{digest}'")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(sources['js'])}{' blob:' if voice else ''}",
            "worker-src 'none'",
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


def page_route(*, voice: bool) -> Route:
    """`/`, a plain route: nothing of it is of the API. In the warden, before fork."""
    page = Page(voice=voice)
    return Route("/", Sheet(page.headers, page.pieces), methods=["GET"])
