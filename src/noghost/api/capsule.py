"""A request's capsule: the key in its header, one that is given, one that is wanted. In an instance.

Covered: without a key nothing is taken or sealed; what does not fit is refused before C sees any of it; the key, the
tokens and the state are this process's alone, and wiped with it. A page of another origin cannot send one: the header
makes a browser ask first, and no request of that kind is answered.
Not covered: a caller that loses its key, or lets others have it.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from noghost.api.here import Served
from noghost.engine.batches import cut_of, same_of, start_of
from noghost.engine.capsule import KEY_BYTES, OVERHEAD_BYTES, TOKEN_BYTES, open_sealed, seal, sealed_bytes
from noghost.engine.context import Context
from noghost.engine.model import Model
from noghost.engine.origin import check_origin
from noghost.engine.state import StateShape, capture, common_prefix, origin_of, restore
from noghost.errors import RequestError

KEY_HEADER = "noghost-capsule-key"
GIVEN = "noghost.capsule"  # in the ASGI scope: a view of the body
WANTED = "noghost.capsule"  # the field of a request


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it holds the key
class Wish:
    """What a request says about capsules."""

    key: bytes | None
    given: memoryview | None
    wanted: bool

    @property
    def is_any(self) -> bool:
        """It says something."""
        return self.wanted or self.given is not None


@dataclass(slots=True)
class Used:
    """What became of a capsule that was given; exact, for the caller alone."""

    tokens: int = 0  # of it that were taken over
    open_s: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Kept:
    """A state that is ready to be sealed."""

    tokens: list[int]
    state: memoryview


def wish_of(scope: Scope, wanted: bool) -> Wish:
    """Of a request whose body was read. RequestError where a key is needed and none is there."""
    given: memoryview | None = scope.get(GIVEN)
    wish = Wish(None, given, wanted)
    return Wish(key_of(scope), given, wanted) if wish.is_any else wish


def key_of(scope: Scope) -> bytes:
    """The caller's key; RequestError for none, or one that is no key."""
    text = Headers(scope=scope).get(KEY_HEADER)
    if text is None:
        raise RequestError(
            f"a capsule needs a key of yours: send the header {KEY_HEADER} with {KEY_BYTES} random bytes as base64",
            code="capsule_key_missing",
            param=KEY_HEADER,
        )
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        message = f"{KEY_HEADER} is not {KEY_BYTES} bytes as base64"
        raise RequestError(message, code="capsule_key_invalid", param=KEY_HEADER)
    return key


def shape_for(served: Served, most_bytes: int) -> StateShape:
    """How states of this model look. RequestError where it has no capsules, or none so small."""
    found = served.loaded.shape
    if found is None or not most_tokens(found, most_bytes):
        message = "this model's state cannot be made a capsule: its memory is not one plain KV cache, or too large"
        raise RequestError(message, code="capsule_unsupported", param=WANTED)
    return found


def take(wish: Wish, served: Served, build: str, shape: StateShape, prompt: list[int]) -> Used:
    """Open the capsule that was given; of what it has in common with `prompt`, take over what leaves the answer the
    same bytes (batches.py). In the compute thread. Raises RequestError."""
    assert wish.key is not None
    assert wish.given is not None
    begun_s = time.perf_counter()
    loaded = served.loaded
    opened = open_sealed(wish.key, wish.given)
    check_origin(opened.origin, origin_of(loaded.model, loaded.context, served.digest, build))
    common = common_prefix(opened.tokens, prompt)
    if not common:
        message = "the capsule is of another conversation: its first token is not this request's; leave it out"
        raise RequestError(message, status=409, code="capsule_of_another_text")
    if len(opened.tokens) > loaded.context.n_ctx:
        message = f"the capsule has more tokens than this context of {loaded.context.n_ctx}; leave it out"
        raise RequestError(message, status=409, code="capsule_too_long")
    kept = start_of(common, cut_of(prompt, loaded.model.is_control), len(prompt))
    restore(loaded.context, shape, len(opened.tokens), opened.state, kept)
    return Used(kept, time.perf_counter() - begun_s)


def hold(model: Model, context: Context, shape: StateShape, prompt: list[int], most_bytes: int) -> Kept:
    """What of `prompt` another one can start from, as much of it as makes a capsule of `most_bytes`; one token at the
    least. Not the answer: its tokens came one at a time, in other bytes (batches.py). In the compute thread."""
    same = same_of(cut_of(prompt, model.is_control), len(prompt))
    count = max(1, min(same, most_tokens(shape, most_bytes)))
    return Kept(prompt[:count], capture(context, shape, count))


def most_tokens(shape: StateShape, most_bytes: int) -> int:
    """How many tokens a capsule of `most_bytes` can have."""
    room_bytes = most_bytes - OVERHEAD_BYTES - shape.size(0)
    return max(0, room_bytes // (TOKEN_BYTES + shape.token_bytes))


def length_of(kept: Kept) -> int:
    """Bytes of the capsule."""
    return sealed_bytes(len(kept.tokens), len(kept.state))


async def sealed(wish: Wish, served: Served, build: str, kept: Kept) -> AsyncIterator[bytes]:
    """The capsule in pieces, each made when the one before has gone to the connection."""
    assert wish.key is not None
    origin = origin_of(served.loaded.model, served.loaded.context, served.digest, build)
    for piece in seal(wish.key, origin, kept.tokens, kept.state):
        yield piece
