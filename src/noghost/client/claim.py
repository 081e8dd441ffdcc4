"""What ties a turn to its receipt: one key, the two headers made from it, and a body that can be made again.

    key = new_key()
    body = body_of(messages, options)
    ...                               # POST body with headers_for(key, body); keep key, options and receipt
    check(verified, key, body_of(messages, options), answer)

Covered: with the key, the receipt is of these messages and of this answer, to the character, or it is not. Without it
the receipt tells nobody anything. The service is given a key that opens nothing but guesses at the answer.
Not covered: what of an answer is not its content (reasoning, calls, figures); that the model gave it: see replay.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noghost.client.commitment import KEY_BYTES, Tied, commitment, tie
from noghost.ledger.receipt import Verified

# Under the same key the other commitment is made over a body, which begins with a brace: no body is this label.
ANSWER_LABEL = b"noghost answer v1"


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether the receipt is of that question and of that answer."""

    question: Tied
    answer: Tied

    @property
    def holds(self) -> bool:
        """Both."""
        return self.question == self.answer == "holds"


def new_key() -> bytes:
    """For one turn: 32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def headers_for(key: bytes, body: bytes) -> dict[str, str]:
    """What to send with `body`: the commitment to it, and the key for the one to its answer."""
    return {"noghost-commitment": commitment(key, body), "noghost-answer-key": answer_key(key).hex()}


def answer_key(key: bytes) -> bytes:
    """The key that the service is given: from it the turn's own cannot be found."""
    return hmac.digest(key, ANSWER_LABEL, hashlib.sha256)


def body_of(messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> bytes:
    """The request's body: always the same bytes for the same messages and options (`model`, `seed`, `stream` …)."""
    body = {**options, "messages": list(messages)}
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def check(verified: Verified, key: bytes | None, body: bytes, answer: str) -> Checked:
    """Compare a receipt that was verified with the question's body and the answer's text."""
    own = answer_key(key) if key is not None else None
    told = verified.ended.commitment if verified.ended else "-"
    return Checked(tie(verified.opened.commitment, key, body), tie(told, own, answer.encode()))
