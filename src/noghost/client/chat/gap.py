"""The time in which nothing of a conversation existed, in words: for the person, and for the new instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from noghost.client.length import spoken
from noghost.client.transcript.facts import read_stamp

LONG_S = 300.0  # between turns: a shorter silence is a pause, and not worth a line


def ended_at(facts: Iterable[Mapping[str, Any]]) -> datetime | None:
    """When the last turn of these ended; None where none of them says so."""
    told = [one["ended"] for one in facts if "ended" in one]
    with suppress(ValueError):
        return read_stamp(told[-1]) if told else None
    return None


def shown(ended: datetime, now: datetime) -> str:
    """For the person."""
    return f"nothing for {spoken((now - ended).total_seconds())}, since {ended.astimezone():%Y-%m-%d %H:%M}"


def told(ended: datetime, now: datetime) -> str:
    """For the new instance: one line, so that it can speak about the gap afterwards, and no other way."""
    here = now.astimezone()
    return (
        f"It is {here:%A}, {here.day} {here:%B} {here:%Y}, {here:%H:%M} (UTC{here:%z}). The last turn of this "
        f"conversation ended {spoken((now - ended).total_seconds())} ago; in between, nothing of it existed."
    )
