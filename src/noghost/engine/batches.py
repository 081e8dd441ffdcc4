"""In which batches a prompt is computed, so that the bytes do not depend on what of it was computed before. PURE.

ggml's flash attention on the CPU takes another path for a batch of 64 tokens or more (GGML_FA_TILE_Q), which rounds
differently. Within one path the batches' sizes change nothing: measured, KV state and logits of 640 tokens are the
same bytes for every division into batches of 64 to 512, at 1 and 2 threads, and others as soon as one batch of the
two divisions has 2 to 63. So a prompt is divided by its own tokens alone, into at most two segments:

    0 ............ cut | ................ end       a segment of 64 tokens or more: batches of 64 to 256
        a segment          the other                a shorter one: one batch

The cut follows the first control token from the 64th token on: the end of a system message, in most models'
templates. A template ends there or before, and so leaves nothing to compute that a prompt without it would not.

A whole prompt of fewer than 64 tokens is computed in the other way, in which sizes change nothing either, but for one
token by itself: that changes weights of F16, and attention that is not flash attention. So a template of fewer than 64
tokens is one for such prompts alone, and leaves two tokens or more of them.

    start_in   how much of a template a prompt can start from
    start_of   the same of what was computed in batches of 64 tokens and more, such as a capsule
    same_of    how much of a prompt another one can start from
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

BATCH_TOKENS = 256  # as fast as 512 (`bench/batches.py`), and threads are chosen anew twice as often
# Of the first batch: what ran when its threads were chosen, such as the wipe of an instance before, may soon be over.
FIRST_TOKENS = 128
BATCH_RULE = "tile-64"  # what receipts say; to be changed with any division that gives other bytes
TILE_TOKENS = 64  # GGML_FA_TILE_Q in ggml/src/ggml-cpu/common.h
SHORTEST_TEMPLATE_TOKENS = 8  # what a shorter one saves is less than it costs to take it
# After the last message there are 4 or 5 tokens that open the answer: a batch for those alone would gain nothing.
SHORTEST_REST_TOKENS = 8

IsControl = Callable[[int], bool]


def first_control(tokens: Sequence[int], is_control: IsControl) -> int:
    """The position after the first control token from the 64th token on; 0 where there is none."""
    at = TILE_TOKENS - 1
    return next((i + 1 for i, token in enumerate(islice(tokens, at, None), at) if is_control(token)), 0)


def cut_of(tokens: Sequence[int], is_control: IsControl) -> int:
    """Where a prompt is cut in two; 0: nowhere."""
    cut = first_control(tokens, is_control)
    return cut if len(tokens) - cut >= SHORTEST_REST_TOKENS else 0


def held_of(tokens: Sequence[int], is_control: IsControl) -> int:
    """How many tokens of a template are worth holding; 0 where it is too short to be one."""
    if len(tokens) < TILE_TOKENS:
        return len(tokens) if len(tokens) >= SHORTEST_TEMPLATE_TOKENS else 0
    cut = first_control(tokens, is_control)
    return cut if cut and len(tokens) - cut < TILE_TOKENS else len(tokens)


def start_in(held: int, cut: int, total: int) -> int:
    """How many of the `held` tokens of a template a prompt of `total` tokens, cut at `cut`, can start from."""
    if held >= TILE_TOKENS:
        return start_of(held, cut, total)
    return held if held + 1 < total < TILE_TOKENS else 0


def start_of(held: int, cut: int, total: int) -> int:
    """How many of `held` tokens, computed in batches of 64 and more, such a prompt can start from.

    What is left of the segment that this ends in must be computed in the way in which the whole would be.
    """
    end, least = (cut, 0) if cut and held <= cut else (total, cut)
    return held if held == end == cut else max(least, min(held, end - TILE_TOKENS))


def same_of(cut: int, total: int) -> int:
    """How many tokens of a prompt, cut at `cut`, are the same bytes in every longer prompt that begins with them: those
    of batches of 64 tokens and more."""
    return total if total - cut >= TILE_TOKENS else cut


def batches_of(start: int, cut: int, total: int, *, first: int = FIRST_TOKENS) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of each batch of a prompt that is computed already up to `start`; the first has at most
    `first` tokens."""
    most = first
    for segment, end in ((start, cut), (max(start, cut), total)):
        begin = segment
        while begin < end:
            size = _next_size(end - begin, most)
            yield begin, begin + size
            begin += size
            most = BATCH_TOKENS


def _next_size(left: int, most: int) -> int:
    """At most so many, and never so many that fewer than 64 are left of more than that."""
    return left if left <= most else min(most, left - TILE_TOKENS)
