"""The caller's commitments: to its request, which it makes itself, and to the answer, which is made here under a key of
the caller's. Headers, for the body that one of them is made over cannot hold it. In an instance.

Covered: headers of 32 bytes in hex, or a 400 that names the one; a key for an answer that is not one text is refused.
Not covered: whether the first is an HMAC at all; only the caller, who has the key, can know.
"""

from __future__ import annotations

import hmac
from typing import Any

from starlette.requests import Request

from noghost.api.here import Tally
from noghost.api.key_headers import bytes_of, described
from noghost.api.life import TO_LIFE
from noghost.errors import RequestError

HEADER = "noghost-commitment"
ANSWER_KEY = "noghost-answer-key"
ANSWERS = ("/v1/chat/completions", "/v1/completions")
NO_ONE_TEXT = (
    f"{ANSWER_KEY} is for chat and text completions of one choice and without tools: there alone an answer is one text"
)

TO_REQUEST = described(HEADER, "an HMAC-SHA-256 over the body's bytes, under a key that only the caller has, as hex")
TO_ANSWER = described(ANSWER_KEY, "a key as hex: the receipt gets the HMAC-SHA-256 under it over the answer's content")
PARAMETER: dict[str, Any] = {"parameters": [TO_REQUEST, TO_LIFE]}
PARAMETERS: dict[str, Any] = {"parameters": [TO_REQUEST, TO_ANSWER, TO_LIFE]}


def commitment_of(request: Request) -> bytes | None:
    """The 32 bytes for the ledger, or None; raises RequestError for anything else."""
    return bytes_of(request.headers, HEADER)


def commit_to_answer(tally: Tally, request: Request, *, is_one_text: bool) -> None:
    """Have the tally take down what is sent, where the caller wants that; RequestError where it cannot be had."""
    key = bytes_of(request.headers, ANSWER_KEY)
    if key is None:
        return
    if not is_one_text or request.scope["path"] not in ANSWERS:
        raise RequestError(NO_ONE_TEXT, code="unsupported_parameter", param=ANSWER_KEY)
    tally.answer = hmac.new(key, digestmod="sha256")
