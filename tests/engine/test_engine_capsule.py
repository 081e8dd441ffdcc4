"""Capsules: the vectors, every flipped byte, and what the real model's contexts write and take."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from noghost.engine.capsule import (
    OVERHEAD_BYTES,
    PIECE_BYTES,
    Opened,
    open_sealed,
    seal,
    sealed_bytes,
)
from noghost.engine.context import Context
from noghost.engine.model import Model
from noghost.engine.origin import Origin, check_origin
from noghost.engine.state import StateShape, capture, common_prefix, origin_of, restore, shape_of
from noghost.errors import EngineError, RequestError

VECTORS = Path(__file__).parent.parent / "vectors" / "capsule-v1"
INDEX = json.loads((VECTORS / "index.json").read_text())
CASES = INDEX["vectors"]
KEY = bytes.fromhex(INDEX["key"])
HERE = Origin(
    **INDEX["origin"]
    | {"weights": bytes.fromhex(INDEX["origin"]["weights"]), "build": bytes.fromhex(INDEX["origin"]["build"])}
)
SHAPE = StateShape(**INDEX["shape"] | {"head": bytes.fromhex(INDEX["shape"]["head"])})


def take(sealed: bytes, key: bytes = KEY) -> Opened:
    """All checks that come before C, in their order."""
    opened = open_sealed(key, memoryview(bytearray(sealed)))
    check_origin(opened.origin, HERE)
    SHAPE.check(opened.state, len(opened.tokens))
    return opened


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_vectors(case: dict[str, Any]) -> None:
    sealed = (VECTORS / case["file"]).read_bytes()
    assert len(sealed) == case["bytes"]
    if case["expect"] == "ok":
        opened = take(sealed)
        assert list(opened.tokens) == INDEX["tokens"][: len(opened.tokens)]
        assert b"".join(seal(KEY, HERE, opened.tokens, opened.state, sealed[19:31])) == sealed
    else:
        with pytest.raises(RequestError) as refused:
            take(sealed)
        assert refused.value.code == case["expect"]
        assert refused.value.status in (400, 409)


def test_every_vector_file_is_in_the_index() -> None:
    files = {str(path.relative_to(VECTORS)) for path in VECTORS.glob("*/*.capsule")}
    assert files == {case["file"] for case in CASES}


def test_the_vectors_can_be_made_again(tmp_path: Path) -> None:
    runpy.run_path(str(VECTORS / "make_vectors.py"))["make"](tmp_path)
    for case in [*CASES, {"file": "index.json"}]:
        assert (tmp_path / case["file"]).read_bytes() == (VECTORS / case["file"]).read_bytes(), case["file"]


def test_no_byte_can_be_changed_and_none_left_out() -> None:
    right = (VECTORS / "good" / "three-tokens.capsule").read_bytes()
    for at in range(len(right)):
        for wrong in (right[:at] + bytes((right[at] ^ 0x80,)) + right[at + 1 :], right[:at]):
            with pytest.raises(RequestError):
                take(wrong)


def test_nothing_of_the_plaintext_is_read_before_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_plain: memoryview) -> Opened:
        raise AssertionError("read before it was verified")

    monkeypatch.setattr("noghost.engine.capsule.read", read)
    wrong = (VECTORS / "bad" / "tag-changed.capsule").read_bytes()
    with pytest.raises(RequestError):
        take(wrong)
    with pytest.raises(AssertionError):  # control: the same way, with a tag that is right
        take((VECTORS / "good" / "one-token.capsule").read_bytes())


def test_no_two_capsules_are_alike() -> None:
    opened = take((VECTORS / "good" / "one-token.capsule").read_bytes())
    first, second = (b"".join(seal(KEY, HERE, opened.tokens, opened.state)) for _ in range(2))
    assert first[:19] == second[:19]
    assert sum(one == other for one, other in zip(first[19:], second[19:], strict=True)) < len(first) / 8


def test_nothing_of_it_is_in_a_repr() -> None:
    opened = take((VECTORS / "good" / "three-tokens.capsule").read_bytes())
    assert "4093" not in repr(opened)


# --- with the real model --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shape(model: Model) -> StateShape:
    found = shape_of(model, Context(model, 256))
    assert found is not None
    return found


def origin(model: Model, ctx: Context) -> Origin:
    return origin_of(model, ctx, "11" * 32, "22" * 32)


def given_back(model: Model, ctx: Context, shape: StateShape, tokens: list[int]) -> Opened:
    """Out of `ctx`, sealed, opened."""
    state = capture(ctx, shape, len(tokens))
    sealed = b"".join(seal(KEY, origin(model, ctx), tokens, state))
    assert len(sealed) == sealed_bytes(len(tokens), len(state)) == OVERHEAD_BYTES + 4 * len(tokens) + len(state)
    return open_sealed(KEY, memoryview(bytearray(sealed)))


def test_a_real_state_has_the_shape_and_goes_on_to_the_same_bytes(
    model: Model, ctx: Context, shape: StateShape, paris: list[int]
) -> None:
    ctx.decode(paris[:-1], 0)
    opened = given_back(model, ctx, shape, paris[:-1])
    assert len(opened.state) == shape.size(len(paris) - 1)
    assert len(opened.state) > PIECE_BYTES
    other = Context(model, 512)
    other.start_threads(1)
    restore(other, shape, len(opened.tokens), opened.state, len(paris) - 1)
    for context in (ctx, other):
        context.decode(paris[-1:], len(paris) - 1)
    assert capture(other, shape, len(paris)) == capture(ctx, shape, len(paris))


def test_a_part_of_it_can_be_kept_and_taken(model: Model, ctx: Context, shape: StateShape, paris: list[int]) -> None:
    ctx.decode(paris, 0)
    opened = given_back(model, ctx, shape, paris[:7])
    assert list(opened.tokens) == paris[:7]
    other = Context(model, 256)
    restore(other, shape, len(opened.tokens), opened.state, 3)
    assert other.position == 3


def test_a_state_takes_the_place_of_what_was_there(
    model: Model, ctx: Context, shape: StateShape, paris: list[int]
) -> None:
    ctx.decode(paris, 0)
    opened = given_back(model, ctx, shape, paris[:5])
    other = Context(model, 256)
    other.start_threads(1)
    other.decode(paris[::-1], 0)
    restore(other, shape, len(opened.tokens), opened.state, 5)
    ctx.decode(paris[5:], 5)
    other.decode(paris[5:], 5)
    assert capture(other, shape, len(paris)) == capture(ctx, shape, len(paris))


def test_a_build_that_writes_something_else_seals_nothing(model: Model, ctx: Context, shape: StateShape) -> None:
    tokens = model.tokenize("one two", add_special=True, parse_special=False)
    ctx.decode(tokens, 0)
    wrong = StateShape(shape.head, shape.layers, shape.type, shape.k_row_bytes // 2, shape.v_row_bytes)
    with pytest.raises(EngineError):
        capture(ctx, wrong, len(tokens))


@pytest.mark.slow
def test_every_fixed_byte_of_a_real_state_is_checked(model: Model, ctx: Context, shape: StateShape) -> None:
    """And no other: a changed K or V value is the caller's own affair."""
    tokens = model.tokenize("one two", add_special=True, parse_special=False)
    ctx.decode(tokens, 0)
    state = capture(ctx, shape, len(tokens))
    rows = 2 * shape.layers * len(tokens) * shape.k_row_bytes
    refused = 0
    for at in range(len(state)):
        state[at] ^= 1
        try:
            shape.check(state, len(tokens), finite=False)
        except RequestError:
            refused += 1
        state[at] ^= 1
    assert refused == len(state) - rows
    shape.check(state, len(tokens))


def test_common_prefix() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([2], [1]) == 0
    assert common_prefix([], [1]) == 0


def test_another_context_or_model_is_another_origin(model: Model) -> None:
    ctx = Context(model, 256)
    here = origin(model, ctx)
    assert here == origin(model, Context(model, 512))
    for other in (origin_of(model, ctx, "33" * 32, "22" * 32), origin_of(model, ctx, "11" * 32, "33" * 32)):
        with pytest.raises(RequestError, match="another"):
            check_origin(other, here)
