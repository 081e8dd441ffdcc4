"""The head of a transcript: what it is, of which model, when: `# Conversation: MODEL`, `*2026-03-01 14:05:00*`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from noghost.client.transcript.lines import SEPARATOR, SPACE, next_line
from noghost.errors import TranscriptError

TITLES = ("Conversation", "Voice Conversation")
_TITLE = re.compile(rf"\ufeff?# ({'|'.join(TITLES)}): ([^ \t\r].*?){SPACE}")
_STARTED = re.compile(rf"\*(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d)\*{SPACE}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Head:
    """`started` is the time on the writer's clock, in seconds and without a zone."""

    title: str
    model: str
    started: datetime


def fault(line: int, reason: str, hint: str = "") -> TranscriptError:
    """An error with the line, counted from 1, and the reason. Nothing of the file stands in it."""
    return TranscriptError(f"cannot read the transcript: line {line}: {reason}", hint, line=line)


def read(lines: Sequence[str]) -> tuple[Head, int]:
    """The head, and the index of the `---` that ends it. Raises TranscriptError."""
    title = _TITLE.fullmatch(lines[0]) if lines else None
    if title is None:
        raise fault(1, "this is no title of a transcript", "`# Conversation: MODEL` or `# Voice Conversation: MODEL`")
    at = next_line(lines, 1)
    started = moment(lines[at]) if at < len(lines) else None
    if started is None:
        raise fault(at + 1, "the time is missing or does not exist", "`*2026-03-01 14:05:00*` follows the title")
    end = next_line(lines, at + 1)
    if end == len(lines) or not SEPARATOR.fullmatch(lines[end]):
        raise fault(end + 1, "the head is not closed", "a line `---` follows the time")
    return Head(title[1], title[2], started), end


def is_title(line: str) -> bool:
    """Whether a file that begins so is to be read as a transcript."""
    return _TITLE.fullmatch(line) is not None


def write(head: Head) -> str:
    """The inverse. Raises TranscriptError for a title or a model that a head cannot hold."""
    text = f"# {head.title}: {head.model}"
    found = _TITLE.fullmatch(text)
    if found is None or found.groups() != (head.title, head.model):
        raise TranscriptError("cannot write the transcript: its title or the model's name does not fit on a line")
    return f"{text}\n*{head.started.isoformat(' ', 'seconds')}*\n\n---\n\n"


def moment(line: str) -> datetime | None:
    """The time that a line tells; None where it tells none that exists."""
    found = _STARTED.fullmatch(line)
    try:
        return datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
