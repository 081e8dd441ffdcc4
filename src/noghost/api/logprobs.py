"""Probabilities of an answer's tokens, as OpenAI's two endpoints tell them. In an instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from noghost.engine.logprobs import TokenLogprob


@dataclass(frozen=True, slots=True)
class Likely:
    """One token with its bytes, which may be part of a character, and the likeliest in its place."""

    data: bytes = field(repr=False)
    logprob: float | None  # None: nothing stands before it
    offset: int  # of its first character in the answer, counted from 0
    top: tuple[tuple[bytes, float], ...] = field(repr=False)


class Pieces:
    """Tokens become bytes; where each begins in the answer is counted."""

    def __init__(self, piece: Callable[[int, bool], bytes]) -> None:
        """`piece`: the bytes of a token; of a control token with True."""
        self._piece = piece
        self._offset = 0

    def likely(self, seen: Iterable[TokenLogprob]) -> list[Likely]:
        """The next tokens of the answer."""
        found = []
        for one in seen:
            top = tuple((self._piece(token, True), logprob) for token, logprob in one.top)
            data = self._piece(one.token, True)
            found.append(Likely(data, one.logprob, self._offset, top))
            self._offset += len(text_of(data))
        return found

    def restart(self) -> None:
        """Another choice begins."""
        self._offset = 0


def text_of(data: bytes) -> str:
    """What can be shown of a token."""
    return data.decode("utf-8", "replace")


def of_chat(tokens: list[Likely]) -> dict[str, Any]:
    """`logprobs` of a chat completion's choice."""
    return {"content": [told(one.data, one.logprob) | {"top_logprobs": tops(one)} for one in tokens], "refusal": None}


def tops(one: Likely) -> list[dict[str, Any]]:
    """The likeliest in its place."""
    return [told(data, logprob) for data, logprob in one.top]


def told(data: bytes, logprob: float | None) -> dict[str, Any]:
    """One token."""
    return {"token": text_of(data), "logprob": logprob, "bytes": list(data)}


def of_text(tokens: list[Likely]) -> dict[str, Any]:
    """`logprobs` of a text completion's choice. Of two likeliest tokens that look the same, the likelier is told."""
    return {
        "tokens": [text_of(one.data) for one in tokens],
        "token_logprobs": [one.logprob for one in tokens],
        "top_logprobs": [None if one.logprob is None else likeliest(one) for one in tokens],
        "text_offset": [one.offset for one in tokens],
    }


def likeliest(one: Likely) -> dict[str, float]:
    """The likeliest in its place by their text."""
    return {text_of(data): logprob for data, logprob in reversed(one.top)}
