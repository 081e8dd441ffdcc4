"""What can be shown of a conversation while it goes on: a receipt that holds, a service that keeps nothing of it."""

from __future__ import annotations

from noghost.client.chat.session import Session, messages
from noghost.client.claim import body_of, check
from noghost.client.conversation import is_local
from noghost.client.hunt import hunt
from noghost.client.hunt.listener import listener
from noghost.client.hunt.report import render
from noghost.client.receipts import default_seen_dir, recall
from noghost.client.verified import in_words
from noghost.errors import ConfigError, HuntError
from noghost.ledger.keys import Verifier
from noghost.ledger.receipt import Receipt


def shown(session: Session, number: int | None) -> str:
    """The receipt of answer 1, 2 … or of the last, verified, in words. Nothing is remembered of it: that would be a
    file. Raises ConfigError, HuntError, VerificationError."""
    at = chosen(session, number)
    text = session.receipt(at)
    if not text:
        raise ConfigError("this answer has no receipt", "it is from another program, or from before there were any")
    receipt = Receipt.parse(text)
    seen = recall(default_seen_dir(), Verifier.parse(receipt.vkey).name)
    verified = receipt.verify(seen.vkey if seen else None, seen.checkpoint if seen else None)
    turn = session.turns[at]
    key, options = turn.facts.get("key"), turn.facts.get("options", {})
    body = body_of(messages(session.turns[:at]), options)
    tied = check(verified, bytes.fromhex(key) if key else None, body, turn.text)
    return f"{in_words(verified, remembered=False)}\n  question {tied.question}\n  answer   {tied.answer}"


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
        api_key=talk.access["api_key"],
        fingerprint=talk.access["fingerprint"],
    )
    return render(found)
