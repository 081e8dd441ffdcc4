"""A real Chromium for the tests of the page, driven by Playwright. Both have to be there; otherwise these are skipped.

The browser is Debian's (`apt-get install chromium`), or the one that NOGHOST_CHROMIUM names: Playwright brings none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from web.visiting import FLAGS, Visitor

MISSING = "no Chromium here: apt-get install chromium, or name one in NOGHOST_CHROMIUM"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a browser."""
    found = os.environ.get("NOGHOST_CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.skip(MISSING)
    return found


@pytest.fixture(scope="module")
def visitor(chromium: str) -> Iterator[Visitor]:
    """One browser for the tests of a module; each page that it opens has a profile of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: requirements/dev.lock has it")
    # Not for longer: while it runs, this thread has an event loop, and tests elsewhere could start none.
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield Visitor(driver.chromium, browser)
        browser.close()
