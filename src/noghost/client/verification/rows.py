"""One row a turn: does it stand as it was said? And what follows for the whole.

A text is shown to be the one that was said by the commitment to the answer that it is, or by one to a request that it
was part of, which is that of any later answer. Where a request is not the one that stands here, the first turns that
nothing shows are where to look: one was changed, or one beside them was taken out, put in or moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from noghost.client.transcript import Transcript, Turn
from noghost.client.verification.evidence import Evidence, Trust, evidence_of
from noghost.ledger.receipt import Verified

State = Literal["holds", "broken", "cannot tell", "no receipt"]
Found = tuple[State, str]

NO_RECEIPT: Found = ("no receipt", "neither it nor an answer after it has one that holds")
OTHER_TEXT = "this is not the text that was sent"
OTHER_QUESTION = "the answer to something else than what stands before it"
OTHER_BEFORE = "the text that was sent, to something else than what stands before it"
NOT_ASKED = "not what turn {} answers: it or a turn beside it was changed, taken out, put in or moved"
AFTER_A_BREAK = "a turn before it does not hold"
UNTIED = {
    "not checked": "the transcript has no key for it",
    "none": "the receipt has no commitment to it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of turn `number`, counted from 1. Never a word of it."""

    number: int
    role: str
    state: State
    why: str
    instance: str | None = None
    repeated: str | None = None  # the verdict of a repeat, where one was made


@dataclass(frozen=True, slots=True)
class Account:
    """All rows, and the evidence that they come from, by the index of its turn."""

    rows: tuple[Row, ...]
    evidence: dict[int, Evidence]

    @property
    def verdict(self) -> State:
        """Broken if one turn is; it holds if every turn does for which there is a receipt."""
        states: set[str] = {row.state for row in self.rows}
        if "cannot tell" in (row.repeated for row in self.rows):
            states.add("cannot tell")
        order: tuple[State, ...] = ("broken", "cannot tell", "holds")
        return next((state for state in order if state in states), "no receipt")

    @property
    def receipts(self) -> list[Verified]:
        """Those that hold, in their order."""
        return [one.verified for one in self.evidence.values() if one.verified]


def account_of(transcript: Transcript, trust: Trust) -> Account:
    """Check every turn."""
    turns, messages = transcript.turns, transcript.messages()
    found = {at: evidence_of(turn, messages[:at], trust) for at, turn in enumerate(turns)}
    evidence = {at: one for at, one in found.items() if one is not None}
    rows: list[Row] = []
    for at, turn in enumerate(turns):
        own = evidence.get(at)
        if own is not None:
            state, why = as_answered(own, broken_before=is_broken(rows))
        else:
            # Those between two answers stand or fall together.
            last = max((index for index in evidence if index < at), default=-1)
            later = {index: one for index, one in evidence.items() if index > at and one.verified}
            state, why = as_asked(turn, later, broken_before=is_broken(rows[: last + 1]))
        instance = own.verified.id if own and own.verified else None
        rows.append(Row(at + 1, turn.role, state, why, instance))
    return Account(tuple(rows), evidence)


def is_broken(rows: Sequence[Row]) -> bool:
    """Whether one of them is."""
    return any(row.state == "broken" for row in rows)


def as_answered(own: Evidence, *, broken_before: bool) -> Found:
    """A turn with a receipt, by that receipt."""
    if own.verified is None:
        return "broken", own.broken
    ended, checked = own.verified.ended, own.checked
    if checked.question == "broken" and checked.answer != "broken" and not broken_before:
        return "broken", OTHER_QUESTION
    if ended is None:
        return "cannot tell", "the receipt was taken before the end"
    if checked.answer == "broken":
        cut = "" if ended.outcome == "answered" else f"; it ended as {ended.outcome}: less may have arrived"
        return "broken", OTHER_TEXT + cut
    if checked.answer != "holds":
        return "cannot tell", UNTIED[checked.answer]
    if checked.question != "holds":
        return "holds", OTHER_BEFORE if checked.question == "broken" else f"of the question, {UNTIED[checked.question]}"
    return "holds", f"{ended.outcome}, wipe {ended.wipe}, {own.verified.opened.minute}"


def as_asked(turn: Turn, later: Mapping[int, Evidence], *, broken_before: bool) -> Found:
    """A turn without a receipt, by the answers after it: it was part of what they were asked."""
    if not later:
        return NO_RECEIPT
    witness = next((at for at, one in later.items() if one.checked.question == "holds"), None)
    if witness is not None:
        part = f"part of what turn {witness + 1} answers"
        return ("no receipt", f"from elsewhere; {part}") if turn.role == "assistant" else ("holds", part)
    first, one = next(iter(later.items()))
    if one.checked.question != "broken":
        return "cannot tell", UNTIED[one.checked.question]
    return ("cannot tell", AFTER_A_BREAK) if broken_before else ("broken", NOT_ASKED.format(first + 1))
