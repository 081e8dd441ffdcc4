"""Transcripts with true receipts, of a ledger of their own: what a service would have written and a client kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from client.transcript.made import STARTED
from ledger.samples import birth, end, number_id
from noghost.client.claim import answer_key, body_of, headers_for, new_key
from noghost.client.commitment import commitment
from noghost.client.transcript import Transcript, Turn
from noghost.client.verification import Account, Trust, account_of
from noghost.ledger.entry import Opened
from noghost.ledger.receipt import Receipt
from noghost.ledger.store import Ledger

OPTIONS: dict[str, Any] = {"model": "default", "seed": 7, "temperature": 0.5, "stream": True}
BIRTH = birth(0)
SAID = (
    ("system", "Answer kindly."),
    ("user", "What is the capital of France?"),
    ("assistant", "Paris.\n\n---\n\nThat was all."),
    ("system", "It is Sunday."),
    ("user", "**USER:**\n\nAnd of Größenland?"),
    ("assistant", "Ach – 大きさ 🜁, I cannot tell."),
    ("user", "Why?"),
    ("assistant", ""),
)


@dataclass
class Told:
    """A ledger, and what was said before it."""

    ledger: Ledger
    memory: Path
    like: Opened = BIRTH  # what its births say of model and build
    options: Mapping[str, Any] = field(default_factory=lambda: OPTIONS)
    outcome: str = "answered"

    def talk(self, said: Sequence[tuple[str, str]] = SAID, *, first: int = 1) -> Transcript:
        """Each answer with a receipt, an invocation each, counted from `first`."""
        transcript = Transcript("Conversation", "default", STARTED)
        for number, (role, text) in enumerate(said, start=first):
            facts = self.answered(number, transcript.messages(), text) if role == "assistant" else {}
            transcript.append(role, text, facts)
        return transcript

    def answered(self, number: int, messages: list[dict[str, Any]], text: str) -> dict[str, Any]:
        """The facts of an answer that the ledger knows of."""
        key, body = new_key(), body_of(messages, self.options)
        sent = headers_for(key, body)
        self.ledger.append(replace(self.like, id=number_id(number), commitment=sent["noghost-commitment"]))
        told = commitment(answer_key(key), text.encode())
        self.ledger.append(replace(end(number, self.outcome), commitment=told))
        self.ledger.checkpoint()
        receipt = self.ledger.receipt(number_id(number)).render()
        return {"instance": number_id(number), "options": self.options, "key": key.hex(), "receipt": receipt}

    def early(self, said: Sequence[tuple[str, str]], number: int) -> Transcript:
        """The same of one question, with the receipt as it was before the end."""
        talk = self.talk(said, first=number)
        answer = talk.turns[-1]
        receipt = Receipt.parse(answer.facts["receipt"])
        answer.facts = answer.facts | {"receipt": replace(receipt, items=receipt.items[:1]).render()}
        return talk

    def account(self, transcript: Transcript, vkey: str | None = None) -> Account:
        """As somebody has it who is given the file and has never seen the log."""
        return account_of(Transcript.parse(transcript.render()), Trust(self.memory, vkey=vkey))


@contextmanager
def telling(folder: Path) -> Iterator[Told]:
    """A ledger of its own in `folder`, and an empty memory."""
    with Ledger.open(folder / "ledger") as ledger:
        yield Told(ledger, folder / "seen")


def changed(transcript: Transcript, at: int, text: str) -> Transcript:
    """The same with another text of one turn; facts as they were."""
    turns = list(transcript.turns)
    turns[at] = Turn(turns[at].role, text, turns[at].facts)
    return with_turns(transcript, turns)


def with_turns(transcript: Transcript, turns: Sequence[Turn]) -> Transcript:
    """Another conversation under the same head."""
    return Transcript(transcript.title, transcript.model, transcript.started, list(turns))


def without(transcript: Transcript, *names: str, at: Sequence[int] | None = None) -> Transcript:
    """The same without these facts, of all turns or of those."""
    turns = [
        Turn(turn.role, turn.text, {name: value for name, value in turn.facts.items() if name not in names})
        if at is None or index in at
        else turn
        for index, turn in enumerate(transcript.turns)
    ]
    return with_turns(transcript, turns)
