"""Take the pictures of docs/page.md anew: `python tests/web/pictures.py`, of a real service in a real browser."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from running import running, wait_for
from speech.voiced import say, speaking_service
from web.talking import Talk, recorded, silence, speaker
from web.visiting import FLAGS, Visitor

IMAGES = Path(__file__).parents[2] / "docs" / "img"
WIDE = {"viewport": {"width": 1200, "height": 760}}
PHONE = {"viewport": {"width": 390, "height": 760}, "device_scale_factor": 2}
FIRST, SECOND = "What is a process?", "Why is the sky blue?"
GAP_MS = 21_000
HEARD = "document.querySelector('.turn.assistant .firm')?.textContent.length"
SPOKEN_S = 1.8  # FIRST, and what is before it
SAID = "document.querySelector('.turn[aria-busy=true] .body')?.textContent.length"


def take(visitor: Visitor, url: str) -> None:
    """Each picture, named after what it shows."""
    with visitor.visit(url, **WIDE) as visit:
        visit.page.screenshot(path=IMAGES / "page-empty.png")
        visit.set(temperature=0, max_tokens=120)
        visit.answer(FIRST)
        visit.page.wait_for_timeout(GAP_MS)
        visit.page.mouse.move(0, 0)
        visit.ask(SECOND)
        wait_for(lambda: visit.run(f"({SAID}) > 120"), 30, "a part of the answer")
        visit.page.screenshot(path=IMAGES / "page-alive.png")
    for name, options in (("dark", WIDE), ("phone", PHONE)):
        with visitor.visit(url, color_scheme="dark" if name == "dark" else "light", **options) as visit:
            visit.set(temperature=0, max_tokens=120)
            visit.page.mouse.move(0, 0)
            visit.answer(FIRST)
            visit.page.wait_for_timeout(3000)
            visit.page.screenshot(path=IMAGES / f"page-{name}.png")


def take_speaking(chromium: str, home: Path) -> None:
    """A question that was spoken, while its answer sounds."""
    with speaking_service(home) as service, sync_playwright() as driver:
        sound = recorded(home / "asked.wav", silence(0.2), say(service, FIRST), silence(5))
        with speaker(driver.chromium, chromium, sound) as visitor, visitor.visit(service.url, **WIDE) as visit:
            talk = Talk(visit)
            visit.set(max_tokens=120)
            talk.hold(SPOKEN_S)
            visit.page.mouse.move(0, 0)
            talk.until(lambda: visit.run(f"({HEARD}) > 60"), "a part of the answer")
            visit.page.screenshot(path=IMAGES / "page-speaking.png")


def main() -> None:
    """A service and a browser, for as long as it takes."""
    chromium = shutil.which("chromium")
    assert chromium is not None
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as service, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        take(Visitor(driver.chromium, browser), service.url)
        browser.close()
    with tempfile.TemporaryDirectory() as home:
        take_speaking(chromium, Path(home))


if __name__ == "__main__":
    main()
