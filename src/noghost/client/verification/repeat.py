"""Compute again every answer of a transcript that holds, and compare. On the caller's side; needs the model's file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from noghost.client.replay import Asked, Kept, Result
from noghost.client.replay import replay as run_replay
from noghost.client.transcript import Transcript
from noghost.client.verification.rows import Account, Row
from noghost.errors import NoghostError


def repeat(account: Account, transcript: Transcript, model: str | None) -> Account:
    """The same account with what its repeats have shown. One that cannot be made is no error: nothing is claimed."""
    return replace(account, rows=tuple(repeated(account, transcript, model)))


def repeated(account: Account, transcript: Transcript, model: str | None) -> Iterator[Row]:
    """Each row; of an answer that holds with the verdict of its repeat."""
    for at, row in enumerate(account.rows):
        own = account.evidence.get(at)
        if own is None or own.verified is None or not own.checked.holds:
            yield row
            continue
        turn = transcript.turns[at]
        seed = turn.facts.get("seed")
        kept = Kept(turn.text, seed=seed if isinstance(seed, int) else None, instance=row.instance)
        asked = Asked(own.verified.opened, own.body, json.loads(own.body), kept, model, own.key, content_only=True)
        try:
            yield with_result(row, run_replay(asked))
        except NoghostError as error:
            yield replace(row, repeated="cannot tell", why=error.message)


def with_result(row: Row, result: Result) -> Row:
    """The row with a repeat's verdict; where it is another, why."""
    if result.verdict == "not the same":
        where = "" if result.at is None else f": the first difference is at character {result.at}"
        return replace(row, state="broken", repeated=result.verdict, why=f"repeated, it is another answer{where}")
    differing = ", ".join(one.meaning for one in result.differences)
    return replace(row, repeated=result.verdict, why=differing or row.why)
