"""What can be shown of a conversation while it goes on: a receipt that holds, a service that keeps nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

from noghost.client.chat.session import Session, messages
from noghost.client.conversation import is_local
from noghost.client.hunt import hunt
from noghost.client.hunt.listener import listener
from noghost.client.hunt.report import render
from noghost.client.receipts import default_seen_dir, recall
from noghost.client.verification import Trust
from noghost.client.verification.evidence import evidence_of
from noghost.client.verified import in_words
from noghost.errors import ConfigError, HuntError, VerificationError
from noghost.ledger.keys import Verifier
from noghost.ledger.receipt import Receipt, Verified

FIGURES = ("ended_ms", "wiped_ms", "wiped_pages", "verified_ms", "gone_ms")  # of /v1/life


@dataclass(slots=True)
class Glance(Trust):
    """Measures by what is known of a log already, and remembers nothing: that would be a file."""

    def verify(self, receipt: Receipt) -> Verified:
        """Raises LedgerError where something does not hold."""
        seen = recall(self.seen_dir, Verifier.parse(receipt.vkey).name)
        return receipt.verify(seen.vkey if seen else None, seen.checkpoint if seen else None)


def shown(session: Session, number: int | None) -> str:
    """The receipt of answer 1, 2 … or of the last, verified, in words. Raises ConfigError, HuntError,
    VerificationError."""
    at = chosen(session, number)
    session.receipt(at)
    evidence = evidence_of(session.turns[at], messages(session.turns[:at]), Glance(default_seen_dir()))
    if evidence is None:
        raise ConfigError("this answer has no receipt", "it is from another program, or from before there were any")
    if evidence.verified is None:
        raise VerificationError(evidence.broken)
    words = in_words(evidence.verified, remembered=False)
    tied = f"  question {evidence.checked.question}\n  answer   {evidence.checked.answer}"
    return "\n".join(filter(None, (words, ended(session, at), tied)))


def ended(session: Session, at: int) -> str:
    """When the instance of that answer was wiped, if it was the last one and the service tells; else "". Raises
    HuntError."""
    instance = session.turns[at].facts.get("instance")
    if instance is None or instance != session.talk.facts.get("instance"):
        return ""
    fate = session.talk.fate()
    stop, wiped, pages, verified, gone = (fate.get(name) for name in FIGURES)
    if fate.get("instance") != instance or verified is None:
        return ""
    wipe = f"wiped {wiped} ms ({pages} pages), verified {verified} ms"
    return f"  told     ended {stop} ms after the knock, {wipe}, gone {gone} ms"


def chosen(session: Session, number: int | None) -> int:
    """Where in the turns that answer is; raises ConfigError."""
    answers = [at for at, turn in enumerate(session.turns) if turn.role == "assistant"]
    if not answers or (number is not None and not 1 <= number <= len(answers)):
        raise ConfigError("there is no such answer", f"there are {len(answers)}")
    return answers[-1 if number is None else number - 1]


def hunted(session: Session) -> str:
    """The service's memory searched for a random canary that is said to it, as a report. Words of the conversation
    itself could stand there by chance. Raises HuntError."""
    talk = session.talk
    if not is_local(talk.url):
        raise HuntError("cannot search the service: it is on another machine", "noghost hunt searches it there")
    found = hunt(
        talk.url,
        [listener(talk.url)],
        model=session.model,
        **talk.access,
    )
    return render(found)
