"""What the caller kept of an invocation: the body of the request, and the answer in one of three forms.

Covered: no error says what stands in either file. Not covered: the files themselves, which are the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noghost.errors import ReplayError

MOST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer's text, which is not in the repr, and what else the answer told."""

    text: str = field(repr=False)
    plain: bool = False  # from a text file, whose last line feed may be an editor's
    seed: int | None = None
    instance: str | None = None


def read_request(path: Path) -> tuple[bytes, dict[str, Any]]:
    """(the bytes as they were sent, the JSON object that they are); raises ReplayError."""
    data = read(path, "request")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not {"messages", "prompt"} & set(body):
        raise ReplayError("the request is no body of a completion", "keep the JSON exactly as it was sent")
    return data, body


def read_answer(path: Path) -> Kept:
    """The answer: the API's JSON, a saved stream of events, or its text alone; raises ReplayError."""
    return parse_answer(read(path, "answer"))


def parse_answer(data: bytes, *, content_only: bool = False) -> Kept:
    """As `read_answer`, of bytes at hand. What has no `choices` in it is taken for text. `content_only` leaves out
    reasoning and calls."""
    try:
        text = first_part(data).decode()
    except UnicodeDecodeError as error:
        raise ReplayError(f"the answer is not UTF-8 at byte {error.start}", "keep it as it came") from None
    parts = list(objects(text))
    if not any("choices" in part for part in parts):
        return Kept(text, plain=True)
    if any("error" in part for part in parts):
        raise ReplayError("the answer ended with an error", "there is nothing whole to compare with")
    told: dict[str, Any] = {}
    for part in parts:
        told |= part.get("noghost") or {}
    seed, instance = told.get("seed"), told.get("instance")
    try:
        pieces = [piece(choice, content_only=content_only) for part in parts for choice in part["choices"]]
    except (KeyError, TypeError, AttributeError):
        raise ReplayError("the answer is not one of this API's", "keep it as it came") from None
    return Kept(
        "".join(pieces),
        seed=seed if isinstance(seed, int) else None,
        instance=instance if isinstance(instance, str) else None,
    )


def first_part(data: bytes) -> bytes:
    """Of an answer that brought a capsule, what stands before it; else all of it."""
    boundary, _, rest = data.partition(b"\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    is_parts = boundary.startswith(b"--") and head.lower().startswith(b"content-type:")
    return body.partition(b"\r\n" + boundary)[0] if is_parts else data


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The one object of a JSON answer, or each of a stream's."""
    lines = [line.removeprefix("data:") for line in text.split("\n") if line.startswith("data:")]
    for candidate in lines if text.startswith(("data:", ":")) else [text]:
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def piece(choice: dict[str, Any], *, content_only: bool = False) -> str:
    """What one choice says: of a chat or a completion, whole or streamed. The ids of calls are drawn: left out."""
    holder = choice.get("message") or choice.get("delta") or choice
    called = [call.get("function") or {} for call in holder.get("tool_calls") or ()]
    more = [function.get(name) for function in called for name in ("name", "arguments")]
    content = holder.get("content", holder.get("text"))
    texts = [content] if content_only else [holder.get("reasoning_content"), content, *more]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise TypeError
    return "".join(text for text in texts if text)


def read(path: Path, what: str) -> bytes:
    """A file of the caller's, bounded; raises ReplayError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ReplayError(f"could not read the {what}: {(error.strerror or 'no reason').lower()}") from None
    if len(data) > MOST_BYTES:
        raise ReplayError(f"the {what} is over {MOST_BYTES} bytes")
    return data
