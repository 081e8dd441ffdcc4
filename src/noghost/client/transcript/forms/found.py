"""What was read from a file of another program, and what of it a transcript cannot hold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from noghost.client.transcript.facts import stamp
from noghost.client.transcript.transcript import Transcript
from noghost.errors import TranscriptError


@dataclass(slots=True)
class Found:
    """A conversation, its name in the other program, and what was left out, by kind."""

    transcript: Transcript
    name: str = field(default="", repr=False)
    left_out: Counter[str] = field(default_factory=Counter)


def moment(value: object) -> datetime | None:
    """Of seconds since 1970, or an ISO 8601 text with a zone; None for anything else."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo else read.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def stamped(**moments: object) -> dict[str, Any]:
    """Facts of those names, for each that is a time."""
    read = ((name, moment(value)) for name, value in moments.items())
    return {name: stamp(value) for name, value in read if value}


def listed(value: object, what: str) -> list[dict[str, Any]]:
    """A list of objects, or a TranscriptError that names what it is."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TranscriptError(f"cannot read {what}: it is no list of objects")
    return value


def way_to(leaf: object, parents: Mapping[str, object], what: str) -> list[str]:
    """Names from the root to the leaf, by the parent of each. Raises TranscriptError for a circle in `what`."""
    way: list[str] = []
    while isinstance(leaf, str) and leaf in parents:
        if len(way) == len(parents):
            raise TranscriptError(f"cannot read {what}: one is its own parent")
        way.append(leaf)
        leaf = parents[leaf]
    return way[::-1]


def text_or(value: object, otherwise: str = "") -> str:
    """A text that is not empty, as it is; else the other."""
    return value if isinstance(value, str) and value else otherwise


def model_or(value: object, otherwise: str) -> str:
    """A model's name that fits a title; else the other."""
    return " ".join(text_or(value).split()) or otherwise


def now() -> datetime:
    """For a conversation that does not tell when it was."""
    return datetime.now(UTC)
