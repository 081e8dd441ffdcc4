"""A visit to the page: what a person does there, and what can be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from running import wait_for

# Without the last ones a browser without a network of its own tries to reach its maker's hosts, again and again.
FLAGS = (
    "--no-sandbox",  # root, as in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_S = 30.0
SHORT = "What is the capital of France?"
LONG = "Write a haiku about an empty room."  # at temperature 0 the default model never comes to an end


class Visitor:
    """One browser, and Playwright's way to start another of its kind."""

    def __init__(self, kind: Any, browser: Any) -> None:
        self.kind = kind
        self._browser = browser

    @contextmanager
    def visit(self, url: str, **options: Any) -> Iterator[Visit]:
        """A page in a profile of its own, open until the end. What it reports as an error fails the test."""
        context = self._browser.new_context(accept_downloads=True, **options)
        try:
            visit = Visit(context.new_page())
            visit.go(url)
            yield visit
            assert visit.faults == []
        finally:
            context.close()


@dataclass
class Visit:
    """One page. Its requests and its errors are written down."""

    page: Any

    def __post_init__(self) -> None:
        self.requests: list[str] = []
        self.faults: list[str] = []
        self.confirms: list[str] = []  # what a dialog of the browser's asked; all are confirmed
        self.page.set_default_timeout(PATIENCE_S * 1000)
        self.page.on("request", lambda request: self.requests.append(f"{request.method} {request.url}"))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", self._confirm)
        self.devtools = self.page.context.new_cdp_session(self.page)

    def _confirm(self, dialog: Any) -> None:
        self.confirms.append(dialog.type)
        dialog.accept()

    def go(self, url: str) -> None:
        """Open it, until it has asked for the models or for a key."""
        self.page.goto(url)
        self.page.wait_for_selector("#model option, #key-dialog[open], #notice:not(:empty)", state="attached")

    def run(self, script: str) -> Any:
        """The value of an expression in the page, promises awaited. Playwright's own `evaluate` would need eval,
        which the page's policy refuses."""
        told = self.devtools.send(
            "Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True}
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def set(self, **numbers: object) -> None:
        """Settings: temperature, max_tokens, seed."""
        self.page.click("#configure")
        for name, value in numbers.items():
            self.page.fill(f"#{name}", str(value))
        self.page.click("#configure")

    def ask_long(self) -> None:
        """Ask for what takes until it is stopped; it has begun."""
        self.set(temperature=0)
        self.ask(LONG)
        self.page.wait_for_selector(".turn.assistant[aria-busy=true] .body > p")

    def ask(self, text: str) -> None:
        self.page.fill("#ask", text)
        self.page.press("#ask", "Enter")

    def wait_for_verdict(self, count: int = 1) -> str:
        """Of the receipt of the last of so many answers: checked, wrong, missing, unchecked."""
        states = "Array.from(document.querySelectorAll('.turn.assistant .facts'), (fact) => fact.dataset.state)"

        def told() -> list[str] | None:
            found: list[str] = self.run(states)
            return found if len(found) == count and not {"none", "pending"} & set(found) else None

        found = wait_for(told, PATIENCE_S, "a verdict on the receipt")
        assert isinstance(found, list)
        return str(found[-1])

    def answer(self, text: str, count: int = 1) -> str:
        """Ask, wait until the instance is gone; the answer's text."""
        self.ask(text)
        assert self.wait_for_verdict(count) == "checked"
        return str(self.page.locator(".turn.assistant .body").last.inner_text())

    @property
    def instance(self) -> str:
        """The id of the last one, as the page knows it."""
        return str(self.run("Page.conversation().last().life.instance"))

    def save(self, folder: Path) -> Path:
        """Press Save; the file."""
        with self.page.expect_download() as download:
            self.page.click("#save")
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def open(self, path: Path) -> None:
        self.page.set_input_files("#file", path)

    def text(self, selector: str) -> str:
        return re.sub(r"\s+", " ", self.page.locator(selector).inner_text()).strip()
