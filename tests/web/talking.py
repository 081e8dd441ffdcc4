"""A visit that speaks: a browser whose microphone is a file, and what goes over the page's WebSocket."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from running import wait_for
from speech.voiced import wav
from web.visiting import FLAGS, PATIENCE_S, Visit, Visitor

RATE = 24_000
FAKE_DEVICE = ("--use-fake-device-for-media-stream",)
FAKE_CONSENT = "--use-fake-ui-for-media-stream"
Event = dict[str, Any]


def silence(seconds: float) -> bytes:
    return bytes(2 * int(RATE * seconds))


@contextmanager
def launched(kind: Any, chromium: str, *flags: str) -> Iterator[Visitor]:
    """A browser of its own."""
    browser = kind.launch(executable_path=chromium, args=(*FLAGS, *flags))
    yield Visitor(kind, browser)
    browser.close()


@contextmanager
def speaker(kind: Any, chromium: str, microphone: Path) -> Iterator[Visitor]:
    """A browser that hears this file, once, each time its microphone is opened."""
    flags = (*FAKE_DEVICE, FAKE_CONSENT, f"--use-file-for-fake-audio-capture={microphone}%noloop")
    with launched(kind, chromium, *flags) as found:
        yield found


def recorded(path: Path, *parts: bytes) -> Path:
    """A file for it."""
    path.write_bytes(wav(b"".join(parts), rate=RATE))
    return path


class Talk:
    """What is said and shown on a page that is open. To be made before anything is said."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.page = visit, visit.page
        self.sent: list[Event] = []
        self.came: list[Event] = []
        self.page.on("websocket", self._follow)

    def _follow(self, socket: Any) -> None:
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))
        socket.on("framereceived", lambda text: self.came.append(json.loads(text)))

    @property
    def sound(self) -> bytes:
        """All that was sent as sound."""
        return b"".join(base64.b64decode(one["audio"]) for one in self.sent if "audio" in one)

    def types(self) -> list[str]:
        return [event["type"] for event in self.came]

    def until(self, condition: Any, what: str) -> None:
        """Playwright tells of frames only while it waits."""
        wait_for(lambda: self.page.wait_for_timeout(20) or condition(), PATIENCE_S, what)

    def until_came(self, kind: str, count: int = 1) -> None:
        self.until(lambda: self.types().count(kind) >= count, kind)

    def until_said(self, seconds: float) -> None:
        """So much sound has gone out."""
        bytes_before = len(self.sound)
        self.until(lambda: len(self.sound) - bytes_before >= 2 * RATE * seconds, f"{seconds} s of sound")

    def press(self) -> None:
        """Begin to hold the button."""
        self.page.hover("#speak")
        self.page.mouse.down()

    def let_go(self) -> None:
        self.page.mouse.up()

    def hold(self, seconds: float) -> None:
        """Until so much was said."""
        self.press()
        self.until_said(seconds)
        self.let_go()

    def until_silent(self) -> None:
        """Nobody speaks or listens any more."""
        self.page.wait_for_selector("#talk", state="hidden")

    def until_sounding(self) -> None:
        """The answer is heard: at the loudspeaker, not as bytes."""
        self.page.wait_for_selector("#talk [aria-label^='The answer']:not([aria-valuenow='0'])")

    @property
    def phase(self) -> str:
        return self.visit.text("#talk .phase")
