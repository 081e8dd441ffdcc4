"""The requests of a batch: a file in the form of OpenAI's batch input, a line a request. On the caller's side.

    {"custom_id": "a1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "…", "messages": […]}}

The whole file is read and checked before anything is asked; what is kept of a line is where it stands. An answer is
tied to the bytes of its line by a digest, which stands in the answer's line alone: both are the caller's own files.

Covered: no word of a request is in an error or a repr. Not covered: `custom_id`, `url` and `model` in a repr.
Source: https://platform.openai.com/docs/api-reference/batch/request-input
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noghost.client.batch.appending import reporting
from noghost.errors import BatchError

URLS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings")
FORM = 'a line is {"custom_id": "…", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "…", …}}'


@dataclass(frozen=True, slots=True)
class Line:
    """One request: where it stands, and what says who can answer it."""

    number: int  # in the file, from 1
    start: int  # bytes from the file's beginning
    length: int  # bytes
    custom_id: str
    url: str
    model: str
    id: str  # of its answer: a digest of the line


class Requests:
    """A file that was read and checked. Raises BatchError, which names the line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        first: dict[str, int] = {}
        with reporting(path, "read"), path.open("rb") as file:
            for start, number, data in positions(file):
                line, _ = self._parsed(data, number, start)
                if (before := first.setdefault(line.custom_id, number)) != number:
                    raise self._wrong(number, f"its custom_id stands in line {before} already", "each must be another")
                self.lines.append(line)
        if not self.lines:
            raise BatchError(f"there is no request in {path}", FORM)

    def body(self, line: Line) -> bytes:
        """What to send: the line's body as JSON."""
        with reporting(self.path, "read"), self.path.open("rb") as file:
            file.seek(line.start)
            data = file.read(line.length)
        if id_of(data) != line.id:
            raise self._wrong(line.number, "it was changed while it was read", "run it again with --resume")
        _, body = self._parsed(data, line.number, line.start)
        return json.dumps(body).encode()

    def _parsed(self, data: bytes, number: int, start: int) -> tuple[Line, dict[str, Any]]:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            if not data.endswith(b"\n"):
                raise self._wrong(number, "the file ends in the middle of it", "copy the file again, whole") from None
            raise self._wrong(number, "it is not JSON", FORM) from None
        body = found.get("body") if isinstance(found, dict) else None
        custom_id, url = (found.get("custom_id"), found.get("url")) if isinstance(found, dict) else (None, None)
        if not isinstance(body, dict) or not isinstance(custom_id, str):
            raise self._wrong(number, "it is not a request", FORM)
        if found.get("method") != "POST" or not isinstance(url, str) or url not in URLS:
            raise self._wrong(number, "its method or url is none that a batch can have", f"POST, and {', '.join(URLS)}")
        if not isinstance(body.get("model"), str):
            raise self._wrong(number, "its body names no model", 'add "model"; "default" is a service\'s first')
        if body.get("stream"):
            raise self._wrong(number, "its body asks for a stream", 'leave out "stream"')
        return Line(number, start, len(data), custom_id, url, body["model"], id_of(data)), body

    def _wrong(self, number: int, reason: str, hint: str) -> BatchError:
        return BatchError(f"could not use {self.path}, line {number}: {reason}", hint)


def positions(lines: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """(where it begins, its number, its bytes) of each line that is not blank."""
    start = 0
    for number, data in enumerate(lines, 1):
        if data.strip():
            yield start, number, data
        start += len(data)


def id_of(data: bytes) -> str:
    """The name of the answer to these bytes."""
    return f"batch_req_{hashlib.sha256(data.strip()).hexdigest()[:32]}"
