"""One row a turn: does it stand as it was said? And what follows for the whole.

A text is shown to be the one that was said by the commitment to the answer that it is, or by one to a request that it
was part of, which is that of any later answer. Where a request is not the one that stands here, the first turns that
nothing shows are where to look: one was changed, or one beside them was taken out, put in or moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from noghost.client.transcript import Transcript, Turn
from noghost.client.verification.evidence import Evidence, Trust, evidence_of
from noghost.ledger.receipt import Verified

State = Literal["holds", "broken", "cannot tell", "no receipt"]
Found = tuple[State, str]

NO_RECEIPT: Found = ("no receipt", "from elsewhere, or not answered here")
OTHER_TEXT = "this is not the text that was sent"
OTHER_QUESTION = "the answer to something else than what stands before it"
NOT_ASKED = "not what was asked: it was changed, or a turn beside it was taken out, put in or moved"
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
        states = {row.state for row in self.rows}
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
        is_broken = any(row.state == "broken" for row in rows)
        rows.append(row_of(at, turn, evidence, is_broken))
    return Account(tuple(rows), evidence)


def row_of(at: int, turn: Turn, evidence: dict[int, Evidence], broken_before: bool) -> Row:
    """One turn, once those before it are known."""
    own = evidence.get(at)
    if own is None:
        state, why = as_asked(at, turn, evidence, broken_before)
        return Row(at + 1, turn.role, state, why)
    state, why = as_answered(own, broken_before)
    return Row(at + 1, turn.role, state, why, own.verified.id if own.verified else None)


def as_answered(own: Evidence, broken_before: bool) -> Found:
    """A turn with a receipt, by that receipt."""
    if own.verified is None:
        return "broken", own.broken
    ended, checked = own.verified.ended, own.checked
    if checked.answer == "broken":
        cut = ended is not None and ended.outcome != "answered"
        return "broken", OTHER_TEXT + (f"; it ended as {ended.outcome}: less may have arrived" if cut and ended else "")
    if checked.question == "broken" and not broken_before:
        return "broken", OTHER_QUESTION
    if checked.answer != "holds":
        return "cannot tell", UNTIED[checked.answer] if ended else "the receipt was taken before the end"
    if checked.question != "holds":
        why = AFTER_A_BREAK if checked.question == "broken" else UNTIED[checked.question]
        return "holds", f"the text that was sent; what was asked cannot be told: {why}"
    assert ended is not None
    return "holds", f"{ended.outcome}, wipe {ended.wipe}, {own.verified.opened.minute}"


def as_asked(at: int, turn: Turn, evidence: dict[int, Evidence], broken_before: bool) -> Found:
    """A turn without a receipt, by the answers after it: it was part of what they were asked."""
    later = {index: one for index, one in evidence.items() if index > at and one.verified}
    if not later:
        return NO_RECEIPT
    witness = next((index for index, one in later.items() if one.checked.question == "holds"), None)
    if witness is not None:
        part = f"part of what turn {witness + 1} answers"
        return ("no receipt", f"from elsewhere; {part}") if turn.role == "assistant" else ("holds", part)
    first = next(iter(later.values())).checked.question
    if first != "broken":
        return "cannot tell", UNTIED[first]
    return ("cannot tell", AFTER_A_BREAK) if broken_before else ("broken", NOT_ASKED)
