"""What is known of a turn besides its text, in one HTML comment: `<!-- noghost: {"began":"…"} -->`.

The JSON is one line of ASCII, sorted, without spaces and without two hyphens in a row, so that nothing in it can end
the comment. Names that the specification does not know are kept.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NoReturn

from noghost.errors import TranscriptError

MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


def write(facts: dict[str, Any]) -> str:
    """The comment's line. Raises TranscriptError for what JSON has not, and for a capsule, which is never kept so."""
    if "capsule" in facts:
        raise TranscriptError("cannot write the turn: a capsule does not belong in a transcript", "keep it elsewhere")
    try:
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise TranscriptError("cannot write the turn: its facts are no JSON object") from None
    return line(text.replace("--", "-\\u002d"))


def line(text: str) -> str:
    """The comment's line around its text."""
    return f"<!-- noghost: {text} -->"


def read(text: str) -> dict[str, Any] | None:
    """The JSON object that the comment's text is; None if it is not one, or has a name twice."""
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as `began` and `ended` are: 2026-03-01T14:05:00.000Z. `moment` has a zone."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_stamp(text: object) -> datetime:
    """The inverse of `stamp`, exact: raises ValueError for anything that `stamp` would not write."""
    moment = datetime.strptime(text, MOMENT).replace(tzinfo=UTC) if isinstance(text, str) else None
    if moment is None or stamp(moment) != text:
        raise ValueError
    return moment
